"""The questions whose answers are data frames."""

from collections.abc import Iterator

from corpus import Corpus
from sides import Probe

JSON = {"accept": "application/json"}


def keys(*names: str, **labelled: str) -> dict:
    chosen = dict(zip(names, names, strict=True)) | labelled
    return {"select": {label: {"key": key} for label, key in chosen.items()}}


def part(sort: str, key: str | None = None, **kwargs: str) -> dict:
    return {sort: {"key": key, "kwargs": kwargs} if key else {}}


DOCUMENTS = "retrieval.documents"
QUERIES = [
    {},
    {"select": {}},
    {"filter": {"condition": "span_kind == 'LLM'"}},
    {"filter": {"condition": " "}},
    {"filter": {"condition": "name == 'nobody'"}},
    {"filter": {"condition": "name == 'nobody'"}} | keys("name", "latency_ms"),
    {"filter": {"condition": "name == 'nobody'"}} | part("explode", DOCUMENTS, a="b"),
    keys("name", "span_id", "trace_id", "parent_id", "start_time", "end_time", "status_code", "status_message"),
    keys("latency_ms", "cumulative_token_count.total", "cumulative_llm_token_count_prompt", "llm.token_count.prompt"),
    keys("whole", "fraction", "digits", "text", "tags", "metadata", "deep", "big", "nothing", "input.value"),
    keys("attributes['deep']['er']", "metadata['k']", x="context.span_id", y="name"),
    keys("parent_span", "context", "attributes"),
    part("explode", DOCUMENTS),
    part("explode", DOCUMENTS, score="document.score", text="document.content", none="document.nothing"),
    part("explode", DOCUMENTS, page="document.metadata.page"),
    part("explode", DOCUMENTS, reference="document.content") | keys("trace_id", "input.value"),
    part("explode", "nothing"),
    part("explode", "text"),
    part("explode"),
    part("concat", DOCUMENTS, reference="document.content") | keys("input.value"),
    {"concat": {"key": DOCUMENTS, "kwargs": {"c": "document.content", "s": "document.score"}, "separator": "|"}},
    part("concat", "tags"),
    part("concat", DOCUMENTS, none="document.nothing"),
    keys("name") | {"index": {"key": "trace_id"}},
    keys("whole") | {"index": {"key": "name"}},
    keys("name") | {"index": {"key": "start_time"}},
    keys("name") | {"rename": {"name": "called", "nobody": "x"}},
    {"rename": {"name": "called"}, "index": {"key": "trace_id"}},
    keys("name == 1"),
    keys("latency_ms + 1"),
    keys("annotations['q'].score"),
    {"select": {"x": {}}},
    {"select": ["name"]},
    {"filter": {"condition": "name == 5"}},
    {"unknown": 1},
]
OPTIONS = [
    {"root_spans_only": True},
    {"root_spans_only": True, "orphan_span_as_root_span": False},
    {"root_spans_only": False},
    {"start_time": "2026-01-02T03:04:11Z", "end_time": "2026-01-02T03:04:20Z"},
    {"start_time": "2026-01-02T03:04:11", "stop_time": "2026-01-02T03:04:20Z"},
    {"start_time": 1767323055},
    {"start_time": "x"},
    {"limit": 0},
    {"limit": -1},
    {"limit": None},
]


def frames(corpus: Corpus) -> Iterator[Probe]:
    projects = [corpus.project(name) for name in ("ask", "events", "filters", "kinds", "crowd")]
    for project in projects:
        yield asked(project, [{}])
    yield asked(corpus.project("gen-ai"), [{}], deliberate="nested below own keys")
    for query in QUERIES:
        yield asked(projects[0], [query])
    for options in OPTIONS:
        yield asked(projects[0], [keys("name")], **options)
    yield asked(projects[0], [{}], limit=3)
    yield asked(projects[0], [{}, keys("name"), part("explode", DOCUMENTS)])
    yield asked(projects[0], [])
    yield asked("nobody made this", [{}, keys("name")])
    for queries in (None, {}):
        yield asked(projects[0], queries)
    yield from named_elsewhere(projects[0])
    yield from arrow(projects[0])
    yield asked(projects[0], [keys("flag")], deliberate="booleans selected")
    yield asked(projects[0], [part("concat", DOCUMENTS)], deliberate="objects joined")


def asked(project: str, queries, deliberate: str | None = None, headers: dict = JSON, **options) -> Probe:
    body = {"queries": queries} | options
    query = (("project_name", project),)
    return Probe("POST spans", "POST", "/v1/spans", query, body=body, headers=headers, deliberate=deliberate)


def named_elsewhere(project: str) -> Iterator[Probe]:
    body = {"queries": [keys("name")]}
    label, path = "POST spans", "/v1/spans"
    yield Probe(label, "POST", path, (("project-name", project),), body=body, headers=JSON)
    yield Probe(label, "POST", path, (("project_name", project), ("project-name", "other")), body=body, headers=JSON)
    yield Probe(label, "POST", path, body=body, headers=JSON | {"project-name": project})
    yield Probe(label, "POST", path, body=body | {"project_name": project}, headers=JSON)
    yield Probe(label, "POST", path, content=b"{broken", headers=JSON | {"content-type": "application/json"})


def arrow(project: str) -> Iterator[Probe]:
    """Streams, as older clients read them; columns of one type, as the reference has no others."""
    for headers in ({}, {"accept": "*/*"}, {"accept": "application/json, text/plain"}):
        yield asked(project, [keys("name", "latency_ms", "start_time")], headers=headers)
    for query in (
        keys("whole", "fraction", "digits", "text", "tags", "deep", "big", "nothing"),
        part("explode", DOCUMENTS),
        part("concat", DOCUMENTS, reference="document.content"),
        {"filter": {"condition": "name == 'nobody'"}},
        {"filter": {"condition": "name == 'retrieves'"}},
    ):
        yield asked(project, [query], headers={"accept": "*/*"})
    yield asked(project, [keys("name"), part("explode", DOCUMENTS, s="document.score")], headers={"accept": "*/*"})
