"""Annotations, notes and their configs: sent in sync mode, listed, deleted; and what is refused."""

from collections.abc import Iterator

from corpus import Corpus
from sides import Probe

KINDS = ("span", "trace", "session")


def annotations(corpus: Corpus) -> Iterator[Probe]:
    asker = Asker(corpus.tag)
    yield asker.traced()
    yield from upserts(asker)
    yield from shapes(asker)
    yield from refusals(asker)
    yield from documents(asker)
    yield from notes(asker)
    yield from lists(asker)
    yield from configs(asker)
    yield from deletes(asker)


class Asker:
    def __init__(self, tag: str):
        self.project, self.session = f"compat-{tag}-annotations", f"{tag} annotated"
        self.trace, self.span = f"{tag}-annotated", f"{tag}-annotated-span"

    def traced(self) -> Probe:
        """A span with two documents in a session."""
        attributes = {
            "session.id": self.session,
            "retrieval.documents": [{"document.content": "one"}, {"document.content": "two"}],
        }
        times = {"start_time": "2026-01-02T03:04:05Z", "end_time": "2026-01-02T03:04:06Z"}
        span = {
            "name": "annotated",
            "context": {"trace_id": self.trace, "span_id": self.span},
            "span_kind": "RETRIEVER",
            "status_code": "OK",
            "attributes": attributes,
            **times,
        }
        path = f"/v1/projects/{self.project}/spans"
        return Probe("POST spans", "POST", path, body={"data": [span]}, witness=(self.project, self.span))

    def target(self, kind: str) -> dict:
        return {f"{kind}_id": {"span": self.span, "trace": self.trace, "session": self.session}[kind]}

    def item(self, kind: str = "span", **more) -> dict:
        return {"name": "n", "annotator_kind": "HUMAN", "result": {"label": "l"}} | self.target(kind) | more

    def sent(self, *items: dict, kind: str = "span", title: str = "") -> Probe:
        path, query = f"/v1/{kind}_annotations", (("sync", True),)
        return Probe(f"POST {kind}_annotations", "POST", path, query, body={"data": list(items)}, title=title)

    def listed(self, kind: str = "span", *query, deliberate: str | None = None) -> Probe:
        path = f"/v1/projects/{self.project}/{kind}_annotations"
        return Probe(f"GET {kind}_annotations", "GET", path, query, deliberate=deliberate)

    def all_of(self, kind: str = "span") -> Probe:
        return self.listed(kind, *[(f"{kind}_ids", value) for value in self.target(kind).values()], ("limit", 1000))


def upserts(asker: Asker) -> Iterator[Probe]:
    for kind in KINDS:
        first = {"label": "old", "score": 1, "explanation": "e"}
        yield asker.sent(asker.item(kind, result=first, metadata={"a": 1}), kind=kind)
        yield asker.all_of(kind)
        yield asker.sent(asker.item(kind, annotator_kind="LLM"), kind=kind, title="again")
        yield asker.sent(asker.item(kind, identifier="i"), asker.item(kind, name="m"), kind=kind)
        yield asker.sent(*[asker.item(kind, name="twice", result={"score": n}) for n in range(2)], kind=kind)
        yield asker.all_of(kind)
        yield asker.sent(kind=kind, title="nothing")


def shapes(asker: Asker) -> Iterator[Probe]:
    results = [None, {}, {"score": "1.5"}, {"score": " 2 "}, {"score": True}, {"score": "nan"}, {"score": "-inf"}]
    results += [{"score": 10**20}, {"label": "", "explanation": ""}, {"label": "é\n😀"}, {"more": 1}]
    for number, result in enumerate(results):
        yield asker.sent(asker.item(name=f"result {number}", result=result), title=str(result))
    bare = asker.item(name="bare")
    del bare["result"]
    yield asker.sent(bare, title="without result")
    for number, metadata in enumerate((None, {}, {"b": {"c": [1, None, 2.5, "é"]}, "a": True})):
        yield asker.sent(asker.item(name=f"metadata {number}", metadata=metadata), title=str(metadata))
    for name in ("", " note ", "ключ 😀", "Note"):
        yield asker.sent(asker.item(name=name), title=f"name {name!r}")
    for identifier in (" ", " i ", "ü"):
        yield asker.sent(asker.item(name="identified", identifier=identifier), title=f"identifier {identifier!r}")
    yield asker.all_of()


def refusals(asker: Asker) -> Iterator[Probe]:
    wrong = [{field: value} for field in ("name", "span_id", "identifier") for value in (5, None, [])]
    wrong += [{"annotator_kind": value} for value in ("human", "", None, 5)]
    wrong += [{"metadata": []}, {"metadata": "text"}, {"result": {"score": "x"}}, {"result": {"label": 5}}]
    wrong += [{"result": {"explanation": []}}]
    for mistake in wrong:
        yield asker.sent(asker.item(**mistake), title=f"wrong {mistake}")
    for field in ("name", "annotator_kind", "span_id"):
        item = asker.item()
        del item[field]
        yield asker.sent(item, title=f"without {field}")
    for kind in KINDS:
        nobody = {f"{kind}_id": "nobody's"}
        yield asker.sent(asker.item(kind), asker.item(kind) | nobody, kind=kind, title="a missing target")
        yield asker.sent(asker.item(kind, name="note"), kind=kind, title="the name of notes")
        both = asker.item(kind, name="note") | nobody
        yield asker.sent(both, kind=kind, title="the name of notes, and a missing target")
        yield asker.all_of(kind)
    path = "/v1/span_annotations"
    for body in ({}, [], {"data": None}, {"data": {}}, "text"):
        yield Probe("POST span_annotations", "POST", path, body=body, title="no list")
    maybe = (("sync", "maybe"),)
    yield Probe("POST span_annotations", "POST", path, maybe, body={"data": [asker.item()]})


def documents(asker: Asker) -> Iterator[Probe]:
    for position in (0, 1, 2, -1, "1", 1.0, 1.5, "x", None, True, 2**40):
        item = asker.item(document_position=position)
        yield asker.sent(item, kind="document", title=f"position {position!r}")
    missing = asker.item()
    yield asker.sent(missing, kind="document", title="without position")
    yield asker.sent(asker.item(document_position=0, name="note"), kind="document", title="the name of notes")
    for identifier in ("x", " ", None):
        item = asker.item(document_position=0, identifier=identifier)
        yield asker.sent(item, kind="document", title=f"identifier {identifier!r}")
    stranger = asker.item(document_position=0, span_id="nobody's")
    yield asker.sent(stranger, kind="document", title="a missing span")


def notes(asker: Asker) -> Iterator[Probe]:
    for kind in KINDS:
        bodies = [{"note": " one "}, {"note": "two"}, {"note": "three", "identifier": "mine"}]
        bodies += [{"note": "four", "identifier": "mine"}, {"note": "five", "identifier": " "}]
        bodies += [{"note": text} for text in ("", " ", 5, None)] + [{}, {"note": "x", "identifier": None}]
        for body in bodies:
            yield Probe(f"POST {kind}_notes", "POST", f"/v1/{kind}_notes", body={"data": asker.target(kind) | body})
        for target in ("nobody's", "", " "):
            body = {"data": {f"{kind}_id": target, "note": "x"}}
            yield Probe(f"POST {kind}_notes", "POST", f"/v1/{kind}_notes", body=body)
        yield asker.all_of(kind)


def lists(asker: Asker) -> Iterator[Probe]:
    own = ("span_ids", asker.span)
    queries = [
        (),
        (own,),
        (own, ("limit", 0)),
        (own, ("limit", 10_001)),
        (("span_ids", "nobody's"),),
        (("span_ids", "nobody's"), own, ("limit", 2)),
        (("identifier", "i"),),
        (("identifier", "i"), ("identifier", "mine"), own),
        (("identifier", "nobody's"),),
        (("identifier", "nobody's"), ("span_ids", "nobody's")),
        (("identifier", ""),),
        (("include_annotation_names", "n"),),
        (own, ("include_annotation_names", "n"), ("include_annotation_names", "m")),
        (own, ("exclude_annotation_names", "note"), ("limit", 100)),
        (own, ("include_annotation_names", "n"), ("exclude_annotation_names", "n")),
        (own, ("cursor", "x")),
        tuple(("span_ids", str(number)) for number in range(1001)),
        tuple(("identifier", str(number)) for number in range(1001)),
    ]
    for query in queries:
        yield asker.listed("span", *query)
    path = f"/v1/projects/{asker.project}/span_annotations"
    yield Probe("GET span_annotations", "GET", path, (own, ("limit", 1)), walk=True)
    for kind in KINDS:
        unknown = f"/v1/projects/nobody/{kind}_annotations"
        yield Probe(f"GET {kind}_annotations", "GET", unknown, (("identifier", "i"),))


def configs(asker: Asker) -> Iterator[Probe]:
    label, path = "annotation_configs", "/v1/annotation_configs"
    name = asker.project
    values = [{"label": "a", "score": 1}, {"label": "b"}]
    categorical = {"name": name, "type": "CATEGORICAL", "optimization_direction": "MAXIMIZE", "values": values}
    continuous = {"name": f"{name} c", "type": "CONTINUOUS", "optimization_direction": "MINIMIZE"}
    freeform = {"name": f"{name} f", "type": "FREEFORM"}
    bounded = {"lower_bound": 0, "upper_bound": 2.5, "description": "d"}
    for body in (
        categorical,
        categorical,
        categorical | {"name": "note"},
        categorical | {"name": f"{name} empty", "values": []},
        categorical | {"name": f"{name} blank", "values": [{"label": ""}]},
        categorical | {"name": f"{name} twice", "values": [{"label": "a"}, {"label": "a"}]},
        continuous,
        continuous | bounded | {"name": f"{name} bounded"},
        continuous | {"name": f"{name} inverted", "lower_bound": 1, "upper_bound": 1},
        freeform,
        freeform | bounded | {"name": f"{name} threshold", "threshold": 7},
    ):
        yield Probe(label, "POST", path, body=body)
    # A fresh server has one more, described in its own words.
    yield Probe(label, "GET", path, only=name)
    yield Probe(label, "GET", path, (("limit", 1),), walk=True, only=name)
    yield Probe(label, "GET", path, (("cursor", "x"),))
    for identifier in (name, "nobody's", "UHJvamVjdDox", "RnJlZWZvcm1Bbm5vdGF0aW9uQ29uZmlnOjk5OTk="):
        yield Probe(label, "GET", f"{path}/{identifier}")
    yield Probe(label, "DELETE", f"{path}/nobody's")
    yield Probe(label, "DELETE", f"{path}/RnJlZWZvcm1Bbm5vdGF0aW9uQ29uZmlnOjk5OTk=")
    used = f"/v1/projects/{asker.project}/annotation_configs"
    yield Probe(label, "PUT", f"{used}/{name}")
    yield Probe(label, "PUT", f"{used}/{name}")
    yield Probe(label, "PUT", f"{used}/{name} c")
    yield Probe(label, "PUT", f"{used}/nobody's")
    yield Probe(label, "PUT", f"/v1/projects/nobody/annotation_configs/{name}")
    yield Probe(label, "GET", used)
    yield Probe(label, "DELETE", f"{used}/{name}")
    yield Probe(label, "DELETE", f"{used}/{name}")
    yield Probe(label, "GET", used)
    for body in ({}, {"annotation_config_ids": ["x"]}, {"annotation_config_ids": []}):
        yield Probe(label, "PUT", used, body=body)
    yield Probe(label, "GET", used)


def deletes(asker: Asker) -> Iterator[Probe]:
    queries = [
        (),
        (("start_time", "2026-01-01"),),
        (("start_time", "2026-01-01"), ("end_time", "2026-01-01")),
        (("start_time", "x"), ("end_time", "y")),
        (("delete_all", "maybe"),),
        (("delete_all", True), ("name", "")),
        (("delete_all", True), ("identifier", "")),
        (("delete_all", True), ("annotator_kind", "human")),
        (("start_time", "2020-01-01"), ("end_time", "2020-01-02")),
        (("delete_all", True), ("name", "m")),
        (("delete_all", True), ("annotator_kind", "LLM")),
        (("delete_all", True), ("identifier", "i")),
        (("start_time", "2020-01-01"), ("end_time", "2100-01-01"), ("name", "n")),
        (("delete_all", True),),
        (("delete_all", True),),
    ]
    for kind in KINDS:
        path = f"/v1/projects/{asker.project}/{kind}_annotations"
        for query in queries:
            yield Probe(f"DELETE {kind}_annotations", "DELETE", path, query)
            yield asker.all_of(kind)
        yield Probe(f"DELETE {kind}_annotations", "DELETE", path.replace(asker.project, "nobody"), queries[-1])
