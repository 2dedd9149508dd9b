"""Spans as JSON, transfers and deletes by time; and what is left after each."""

import json
from collections.abc import Iterator
from dataclasses import replace

from corpus import Corpus
from sides import Probe

AT = "2026-01-02T03:04:%02dZ"


def json_spans(corpus: Corpus) -> Iterator[Probe]:
    sender = Sender(corpus.tag)
    yield from shapes(sender)
    yield from refusals(sender)
    yield from listed(sender)
    yield from transfers(sender)
    yield from timed_deletes(sender)


class Sender:
    """Makes spans whose ids nobody else has, and the probes that send them."""

    def __init__(self, tag: str):
        self.tag, self.count = tag, 0
        self.project = f"compat-{tag}-json"
        self.path = f"/v1/projects/{self.project}/spans"

    def span(self, **more) -> dict:
        self.count += 1
        number = f"{self.count:04x}"
        ids = {"trace_id": f"{self.tag}-trace-{number}", "span_id": f"{self.tag}-span-{number}"}
        times = {"start_time": AT % (self.count % 50), "end_time": AT % (self.count % 50 + 5)}
        return {"name": f"json {number}", "context": ids, "span_kind": "LLM", **times, "status_code": "OK"} | more

    def sent(self, *spans: dict, title: str = "", path: str | None = None) -> Probe:
        """Spans that are stored; the next question waits until they are."""
        path = path or self.path
        witness = (path.split("/")[3], spans[-1]["context"]["span_id"]) if spans else None
        return Probe("POST spans", "POST", path, body={"data": list(spans)}, witness=witness, title=title)

    def refused(self, body, title: str) -> Probe:
        return Probe("POST spans", "POST", self.path, body=body, title=title)

    def aside(self, span: dict, deliberate: str) -> Probe:
        """A span that one of the servers stores and the other does not, where nobody looks."""
        path = f"/v1/projects/{self.project}-aside/spans"
        return Probe("POST spans", "POST", path, body={"data": [span]}, deliberate=deliberate)


ATTRIBUTES = {
    "nothing": {},
    "flat": {"a.b": 1, "a.c": "x", "d": True, "e": 0.5, "none": None},
    "nested": {"a": {"b": {"c": 1}}, "list": [1, 2], "objects": [{"x": 1}, {"y": [True]}], "mixed": [1, {"z": 2}]},
    "both": {"a": {"b": 1}, "a.c": 2, "k.0.x": 1, "k.1.x": 2, "tags.0": "t"},
    "json text": {"metadata": '{"a": 1}', "tool.parameters": "{}", "llm.invocation_parameters": '{"t": 0}'},
    "metadata object": {"metadata": {"a": {"b": 1}}},
    "token text": {"llm.token_count.prompt": "12", "llm.token_count.completion": 3.9},
    "tokens nested": {"llm": {"token_count": {"prompt": 5, "completion": 6}}},
    "bad tokens": {"llm.token_count.prompt": "many", "llm.token_count.completion": [1]},
    "gen ai": {"gen_ai.request.model": "m", "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 3},
    "input object": {"input.value": {"q": 1}, "output.value": [1]},
    "kind": {"openinference.span.kind": "TOOL"},
    "nested kind": {"openinference": {"span": {"kind": "TOOL"}}},
    "session": {"session.id": " «tag» session ", "user.id": 5},
    "unicode": {"ключ": "значение 😀", "quote\"": "\\"},
}
EVENTS = [
    {"name": "exception", "timestamp": AT % 1, "attributes": {"exception.message": "m", "own": {"deep": None}}},
    {"name": "exception", "timestamp": AT % 2},
    {"name": "other", "timestamp": "2026-01-02T05:04:03.25+02:00", "attributes": {"a.b": [1, "x"]}},
]


def shapes(sender: Sender) -> Iterator[Probe]:
    for title, attributes in ATTRIBUTES.items():
        own = json.loads(json.dumps(attributes).replace("«tag»", sender.tag))
        yield sender.sent(sender.span(attributes=own), title=title)
    yield sender.sent(sender.span(events=EVENTS, status_message="said"), title="events")
    for kind in ("chain", "Retriever", "wizard", ""):
        yield sender.sent(sender.span(span_kind=kind), title=f"kind {kind}")
    for code in ("error", "Unset", "what", ""):
        yield sender.sent(sender.span(status_code=code), title=f"status {code}")
    for time in ("2026-01-02T03:04:05.123456789Z", "2026-01-02 03:04:05+00:00", 1767323047, "1767323047.25"):
        yield sender.sent(sender.span(start_time=time), title=f"time {time}")
    yield sender.sent(sender.span(end_time="2025-01-01T00:00:00Z"), title="it ends before it starts")
    root = sender.span()
    child = sender.span(parent_id=root["context"]["span_id"])
    child["context"]["trace_id"] = root["context"]["trace_id"]
    yield sender.sent(child, root, title="a family")
    twin = sender.span()
    yield sender.sent(twin, twin | {"name": "the second"}, title="twice in one request")
    odd = sender.span()
    odd["context"] = {"trace_id": f" {sender.tag} trace ", "span_id": f"Ünï/{sender.tag}?#"}
    yield sender.sent(odd, title="odd ids")
    upper = sender.span()
    upper["context"] = {"trace_id": ("AB" + sender.tag + "0" * 32)[:32].upper(), "span_id": ("CD" + sender.tag + "0" * 16)[:16].upper()}
    yield sender.sent(upper, title="upper-case ids")
    yield sender.sent(sender.span() | {"id": "ignored", "unknown": 1}, title="more fields")
    yield sender.sent(title="no spans")
    yield sender.sent(title="no spans and no project", path=f"/v1/projects/{sender.project}-none/spans")
    yield Probe("GET project by name", "GET", f"/v1/projects/{sender.project}-none")
    yield Probe("GET project by name", "GET", f"/v1/projects/{sender.project}")
    by_id = sender.span()
    sent = sender.sent(by_id, title="by id", path=f"/v1/projects/«Project:{sender.project}»/spans")
    yield replace(sent, witness=(sender.project, by_id["context"]["span_id"]))


def refusals(sender: Sender) -> Iterator[Probe]:
    known = sender.span()
    yield sender.sent(known)
    yield sender.refused({"data": [sender.span(), known]}, "a duplicate")
    yield sender.refused({"data": [known, known, known | {"name": "renamed"}]}, "duplicates")
    elsewhere = sender.span()
    elsewhere["context"]["span_id"] = known["context"]["span_id"]
    yield sender.aside(elsewhere, "span id of another trace")
    wrong = [
        *[{"start_time": value} for value in ("2026-01-02T03:04:05", "2026-01-02", "x", "", "2026-13-01T00:00:00Z")],
        *[{"end_time": value} for value in ("2026-01-02T03:04:05", None, True, [])],
        *[{name: 5} for name in ("name", "span_kind", "status_code", "status_message", "parent_id", "id")],
        *[{name: None} for name in ("name", "attributes", "events", "status_message")],
        {"attributes": []},
        {"events": {}},
        {"events": [{"name": "e", "timestamp": "2026-01-02T03:04:05"}]},
        {"events": [{"name": "e"}]},
        {"events": [{"name": 5, "timestamp": AT % 1}]},
    ]
    for mistake in wrong:
        yield sender.refused({"data": [sender.span(), sender.span(**mistake)]}, f"wrong {mistake}")
    for name in ("name", "context", "span_kind", "start_time", "end_time", "status_code"):
        body = sender.span()
        del body[name]
        yield sender.refused({"data": [body]}, f"without {name}")
    for body in ({}, [], {"data": None}, {"data": {}}, "text"):
        yield sender.refused(body, "no list of spans")
    unknown = "/v1/projects/UHJvamVjdDo5OTk5OTk5/spans"
    yield Probe("POST spans", "POST", unknown, body={"data": [sender.span()]}, title="unknown id")
    early = sender.span(start_time="1960-01-01T00:00:00Z")
    yield sender.aside(early, "json before 1970")
    nameless = sender.span()
    nameless["context"]["span_id"] = ""
    yield sender.aside(nameless, "empty id")


def listed(sender: Sender, short: str = "") -> Iterator[Probe]:
    at, everything = f"/v1/projects/{sender.project}{short}", (("limit", 1000),)
    hidden = (("limit", 1000), ("include_spans", True))
    yield Probe("JSON spans as read", "GET", f"{at}/spans", everything)
    yield Probe("JSON spans as read", "GET", f"{at}/traces", hidden)
    yield Probe("JSON spans as read", "GET", f"{at}/sessions", everything)


def transfers(sender: Sender) -> Iterator[Probe]:
    label, path = "POST traces/transfer", "/v1/traces/transfer"
    target, third = sender.project + "-target", sender.project + "-third"
    for name in (target, third):
        yield Probe("POST project", "POST", "/v1/projects", body={"name": name})
    spans = [sender.span(attributes={"session.id": f"{sender.tag} transfer {number}"}) for number in range(4)]
    for span in spans:
        yield sender.sent(span)
    stranger = sender.span()
    yield sender.sent(stranger, path=f"/v1/projects/{third}/spans")
    yield from listed(sender)
    first, second, other, _ = (span["context"]["trace_id"] for span in spans)
    bodies = [
        {"trace_identifiers": [], "destination_project_identifier": target},
        {"trace_identifiers": "text", "destination_project_identifier": target},
        {"trace_identifiers": [first]},
        {"trace_identifiers": [first], "destination_project_identifier": "nobody made this"},
        {"trace_identifiers": [first, "no such trace"], "destination_project_identifier": target},
        {"trace_identifiers": [first, stranger["context"]["trace_id"]], "destination_project_identifier": target},
        {"trace_identifiers": [first, f"«Trace:{second}»", first], "destination_project_identifier": target},
        {"trace_identifiers": [first], "destination_project_identifier": f"«Project:{target}»"},
        {"trace_identifiers": [first, other], "destination_project_identifier": target},
        {"trace_identifiers": ["VHJhY2U6OTk5OTk5OQ=="], "destination_project_identifier": target},
    ]
    for body in bodies:
        yield Probe(label, "POST", path, body=body)
    late = sender.span()
    late["context"]["trace_id"] = first
    # It follows its trace, so that it is awaited where that is now.
    yield replace(sender.sent(late, title="after it"), witness=(target, late["context"]["span_id"]))
    yield from listed(sender, "-target")
    yield from listed(sender)


def timed_deletes(sender: Sender) -> Iterator[Probe]:
    label, path = "DELETE traces", f"/v1/projects/{sender.project}/traces"
    ranges = [
        (),
        (("start_time", AT % 0),),
        (("end_time", AT % 0),),
        (("start_time", "x"), ("end_time", AT % 9)),
        (("start_time", AT % 9), ("end_time", AT % 9)),
        (("start_time", AT % 9), ("end_time", AT % 3)),
        (("start_time", AT % 3), ("end_time", AT % 9)),
        (("start_time", "2026-01-02T03:04:09"), ("end_time", "2026-01-02T05:04:12+02:00")),
        (("start_time", "1970-01-01"), ("end_time", "2030-01-01")),
    ]
    for query in ranges:
        yield Probe(label, "DELETE", path, query)
        yield from listed(sender)
    yield Probe(label, "DELETE", "/v1/projects/nobody/traces", ranges[-1])
