"""The questions that change nothing."""

from collections.abc import Iterator
from itertools import product

from corpus import Corpus
from differences import DELIBERATE
from sides import Probe

import otlp

BAD_PAGES = [
    [("limit", "0")],
    [("limit", "-1")],
    [("limit", "many")],
    [("limit", "1.5")],
    [("limit", "")],
    [("cursor", "garbage")],
    [("cursor", "")],
    [("cursor", "VHJhY2U6MQ")],
]
TIMES = [
    *["2026-01-02T03:04:07Z", "2026-01-02T03:04:07.000001+00:00", "2026-01-02T05:04:07+02:00", "2026-01-02 03:04:07Z"],
    *["2026-01-02T03:04:07", "2026-01-02", "1767323047", "1767323047.000001", "1767323047000", "2026-01-02T03:04"],
    *["2026-01-02T03:04:07+0000", "2026-01-02T03:04:07 00:00", "tomorrow", "", "2026-13-02T00:00:00Z", "-1"],
]
ATTRIBUTES = [
    *[
        "text:blue",
        "text:Blue",
        'text:"blue"',
        "digits:42",
        'digits:"42"',
        "whole:42",
        "whole:42.0",
        'whole:"42"',
        "whole:7",
    ],
    *[
        "whole:4e1",
        "fraction:0.25",
        "fraction:0.250000001",
        "yes:true",
        'yes:"true"',
        "no:false",
        "deep.er.key:well",
    ],
    *[
        "colon:a:b",
        "deep.er:well",
        "list:1",
        "metadata.k.n:1",
        "metadata.k:1",
        "m.0.x:1",
        "nowhere:1",
        'quote:say "hi"',
    ],
    *["percent:100%_", "percent:%", 'true text:"true"', "true text:true", 'null text:"null"', "llm.model_name:x"],
    *[
        "openinference.span.kind:LLM",
        "openinference.span.kind:llm",
        "metadata:x",
        "text: blue",
        " text:blue",
        "long:" + "l" * 400,
    ],
    *["text:null", "text:[1]", "text:{}", "nocolon", ":blue", "text:", ":", "whole:NaN", "whole:1e999", "fraction:.25"],
]


def reads(corpus: Corpus) -> Iterator[Probe]:
    yield from service()
    yield from projects(corpus)
    yield from every_project(corpus)
    yield from peculiar(corpus)
    yield from every_span(corpus)
    yield from span_filters(corpus)
    yield from span_pages(corpus)
    yield from traces(corpus)
    yield from sessions(corpus)


def service() -> Iterator[Probe]:
    for path in ("/arize_phoenix_version", "/healthz", "/readyz"):
        yield Probe("GET " + path, "GET", path)
    yield Probe("GET unknown path", "GET", "/no/such/page", deliberate="unknown path")
    yield Probe("GET unknown path", "GET", "/v1/no/such/page", deliberate="unknown path")
    for path in ("/healthz", "/v1/projects"):
        yield Probe("HEAD", "HEAD", path, deliberate="head")
    yield Probe("method not served", "POST", "/v1/nothing", deliberate="unknown path")
    for method, path in (
        ("DELETE", "/v1/projects"),
        ("PATCH", "/v1/spans/x"),
        ("PUT", "/healthz"),
    ):
        yield Probe("method not served", method, path)


def projects(corpus: Corpus) -> Iterator[Probe]:
    named = ("name_contains", f"compat-{corpus.tag}-")
    listing = "GET projects"
    yield Probe(listing, "GET", "/v1/projects", (named,))
    yield Probe(listing, "GET", "/v1/projects", (("name_contains", named[1].upper()),))
    yield Probe(listing, "GET", "/v1/projects", (("limit", 10_000),), only="compat-" + corpus.tag)
    yield Probe(listing, "GET", "/v1/projects", (("name_contains", corpus.tag + "-half"), ("limit", 2)))
    yield Probe(listing, "GET", "/v1/projects", (("name_contains", corpus.tag + "-ünïcode"),))
    for text in ("%", "_", "\\", "nothing has this", ""):
        yield Probe(
            listing, "GET", "/v1/projects", (("name_contains", text), ("limit", 10_000)), only="compat-" + corpus.tag
        )
    for limit in (1, 3):
        yield Probe(listing, "GET", "/v1/projects", (named, ("limit", limit)), walk=True)
    for flag in ("true", "0", "maybe"):
        yield Probe(listing, "GET", "/v1/projects", (named, ("include_experiment_projects", flag)))
    for query in BAD_PAGES:
        yield Probe(listing, "GET", "/v1/projects", tuple([named, *query]))
    foreign = (named, ("cursor", "VHJhY2U6MQ=="))
    yield Probe(listing, "GET", "/v1/projects", foreign, deliberate="cursor of another list")
    for name in [
        "default",
        *corpus.projects,
        "compat nobody",
        "UHJvamVjdDo5OTk5OTk5",
        "VHJhY2U6MQ==",
        "UHJvamVjdDox=",
        "UHJvamVjdDoxMA",
    ]:
        yield Probe("GET project by name", "GET", f"/v1/projects/{name}")
    for name in corpus.projects:
        yield Probe("GET project by id", "GET", f"/v1/projects/«Project:{name}»")


def every_project(corpus: Corpus) -> Iterator[Probe]:
    everything = (("limit", 1000),)
    for name in corpus.projects:
        at = f"/v1/projects/{name}"
        yield Probe("GET spans", "GET", at + "/spans", everything)
        yield Probe("GET spans/otlpv1", "GET", at + "/spans/otlpv1", everything)
        yield Probe("GET traces", "GET", at + "/traces", everything)
        yield Probe("GET traces", "GET", at + "/traces", (*everything, ("include_spans", "true")))
        yield Probe("GET sessions", "GET", at + "/sessions", everything)


def peculiar(corpus: Corpus) -> Iterator[Probe]:
    for short, name in corpus.peculiar.items():
        at = f"/v1/projects/{name}"
        for path, difference in (
            ("spans", short),
            ("spans/otlpv1", short),
            ("traces", f"{short} traces"),
            ("sessions", f"{short} sessions"),
        ):
            declared = difference if difference in DELIBERATE else None
            yield Probe(f"GET {path}", "GET", f"{at}/{path}", deliberate=declared)


def every_span(corpus: Corpus) -> Iterator[Probe]:
    """One by one, so that a difference names its shape."""
    for name, project in corpus.homes.items():
        if project in corpus.peculiar.values():
            continue
        query = (("span_id", otlp.hex_id(corpus.named[name])),)
        for list_name in ("spans", "spans/otlpv1"):
            yield Probe(f"GET {list_name}?span_id", "GET", f"/v1/projects/{project}/{list_name}", query, title=name)


def span_filters(corpus: Corpus) -> Iterator[Probe]:
    project = corpus.project("filters")
    for query in filter_queries(corpus):
        for list_name in ("spans", "spans/otlpv1"):
            yield Probe(f"GET {list_name}, filters", "GET", f"/v1/projects/{project}/{list_name}", tuple(query))
    for deliberate, query in filters_that_differ(corpus):
        for list_name in ("spans", "spans/otlpv1"):
            at = f"/v1/projects/{project}/{list_name}"
            yield Probe(f"GET {list_name}, filters", "GET", at, (query,), deliberate=deliberate)


def filter_queries(corpus: Corpus) -> Iterator[list]:
    ids = {name: otlp.hex_id(span) for name, span in corpus.named.items()}
    traces = {name: otlp.hex_trace(span) for name, span in corpus.named.items()}
    for names in (["root"], ["lone", "orphan"], ["at home"]):
        yield [("trace_id", traces[name]) for name in names]
        yield [("span_id", ids[name]) for name in names]
    for text in ("nonsense", "", "00", "zz" * 8):
        yield [("trace_id", text)]
        yield [("span_id", text)]
        yield [("parent_id", text)]
    for parent in ("null", "NULL", "None", ids["root"], ids["tool"], ids["lone"]):
        yield [("parent_id", parent)]
    yield [("parent_id", ids["root"]), ("parent_id", "null")]
    for names in (["chat"], ["chat", "tool"], ["CHAT"], ["cha"], [""], ["chat", "nobody"]):
        yield [("name", name) for name in names]
    for kinds in (["LLM"], ["llm"], ["TOOL", "chain"], ["UNKNOWN"], ["FOO"], ["LLM", "FOO"], [""], ["PROMPT"]):
        yield [("span_kind", kind) for kind in kinds]
    for codes in (["OK"], ["error"], ["UNSET", "ok"], ["BAD"], ["OK", "BAD"], [""]):
        yield [("status_code", code) for code in codes]
    for text in ATTRIBUTES:
        yield [("attribute", text)]
    yield [("attribute", "text:blue"), ("attribute", "whole:42")]
    yield [("attribute", "text:blue"), ("attribute", "text:red")]
    for bound, time in product(("start_time", "end_time"), TIMES):
        yield [(bound, time)]
    yield [("start_time", "2026-01-02T03:04:06Z"), ("end_time", "2026-01-02T03:04:08Z")]
    yield [("start_time", "2026-01-02T03:04:08Z"), ("end_time", "2026-01-02T03:04:06Z")]
    yield [("name", "chat"), ("span_kind", "LLM"), ("status_code", "OK"), ("parent_id", ids["root"])]
    yield [("name", "chat"), ("parent_id", "null")]
    yield [("unknown_parameter", "1")]
    yield from BAD_PAGES
    yield [("limit", "1001")]
    yield [("cursor", "«Span:" + traces["root"] + "/" + ids["tool"] + "»")]


def filters_that_differ(corpus: Corpus) -> Iterator[tuple[str, tuple]]:
    root = corpus.named["root"]
    yield "upper-case ids", ("trace_id", otlp.hex_trace(root).upper())
    yield "upper-case ids", ("span_id", otlp.hex_id(root).upper())
    yield "upper-case ids", ("parent_id", otlp.hex_id(root).upper())
    yield "boolean and number", ("attribute", "yes:1")
    yield "cursor of another list", ("cursor", f"«Trace:{otlp.hex_trace(root)}»")


def span_pages(corpus: Corpus) -> Iterator[Probe]:
    orders = [(), (("order", "asc"),), (("order", "desc"),)]
    sorts = [(), (("sort", "id"),), (("sort", "start_time"),)]
    for short, limit in (("filters", 1), ("crowd", 1), ("crowd", 5), ("random", 50)):
        at = f"/v1/projects/{corpus.project(short)}"
        for sort, order in product(sorts, orders):
            query = (("limit", limit), *sort, *order)
            yield Probe("GET spans, pages", "GET", at + "/spans", query, walk=True)
        yield Probe("GET spans/otlpv1, pages", "GET", at + "/spans/otlpv1", (("limit", limit),), walk=True)
    at = f"/v1/projects/{corpus.project('crowd')}/spans"
    yield Probe("GET spans, pages", "GET", at, (("limit", 2), ("status_code", "OK"), ("sort", "start_time")), walk=True)
    for query in ([("sort", "name")], [("sort", "ID")], [("order", "up")], [("order", "ASC")], [("sort", "")]):
        yield Probe("GET spans, pages", "GET", at, tuple(query))
    for made, used in (("id", "start_time"), ("start_time", "id")):
        yield Probe("GET spans, pages", "GET", at, (("sort", used),), cursor_of=(("sort", made), ("limit", 2)))
    for path in ("spans", "spans/otlpv1", "traces", "sessions"):
        yield Probe("unknown project", "GET", f"/v1/projects/nobody made this/{path}")
        yield Probe("unknown project", "GET", f"/v1/projects/UHJvamVjdDo5OTk5OTk5/{path}")
        yield Probe("project by id", "GET", f"/v1/projects/«Project:{corpus.project('crowd')}»/{path}")


def traces(corpus: Corpus) -> Iterator[Probe]:
    at = f"/v1/projects/{corpus.project('crowd')}/traces"
    for query in trace_queries(corpus):
        yield Probe("GET traces, options", "GET", at, tuple(query))
    for limit, sort, order in product((1, 5), ("start_time", "latency_ms"), ("asc", "desc")):
        query = (("limit", limit), ("sort", sort), ("order", order))
        yield Probe("GET traces, pages", "GET", at, query, walk=True)
        yield Probe("GET traces, pages", "GET", at, (*query, ("error", "false")), walk=True)
    for made, used in (("latency_ms", "start_time"), ("start_time", "latency_ms")):
        yield Probe("GET traces, pages", "GET", at, (("sort", used),), cursor_of=(("sort", made), ("limit", 2)))


def trace_queries(corpus: Corpus) -> Iterator[list]:
    crowds = [corpus.session(f"crowd {number}") for number in (0, 1)]
    for sort, order in product(("start_time", "latency_ms"), ("asc", "desc")):
        yield [("sort", sort), ("order", order)]
    for text in ("true", "1", "yes", "on", "false", "0", "no", "maybe", "", "TRUE"):
        yield [("include_spans", text)]
        yield [("error", text)]
    for chosen in ([crowds[0]], crowds, ["nobody"], [""], [crowds[0], "nobody"], [corpus.session("talk")]):
        yield [("session_identifier", session) for session in chosen]
    yield [("session_identifier", f"«ProjectSession:{crowds[1]}»")]
    yield [("session_identifier", f"«ProjectSession:{crowds[1]}»"), ("session_identifier", crowds[0])]
    for bound in ("min_latency_ms", "max_latency_ms"):
        for text in ("0", "2000", "2000.001", "1e3", "-1", "fast", "", "NaN", "inf"):
            yield [(bound, text)]
    yield [("min_latency_ms", "2000"), ("max_latency_ms", "2000")]
    yield [("min_latency_ms", "3000"), ("max_latency_ms", "1000")]
    for bound, time in product(("start_time", "end_time"), TIMES):
        yield [(bound, time)]
    yield [("start_time", "2026-01-02T03:04:15Z"), ("end_time", "2026-01-02T03:04:35Z"), ("error", "true")]
    yield from BAD_PAGES
    yield [("limit", "1001")]
    yield [("sort", "id")]
    yield [("order", "up")]
    yield [("cursor", "«Project:default»")]


def sessions(corpus: Corpus) -> Iterator[Probe]:
    listing = "GET sessions"
    for short in ("sessions", "sessions-elsewhere", "crowd"):
        at = f"/v1/projects/{corpus.project(short)}/sessions"
        for order in ((), (("order", "asc"),), (("order", "desc"),)):
            yield Probe(listing, "GET", at, order)
            for limit in (1, 2):
                yield Probe("GET sessions, pages", "GET", at, (("limit", limit), *order), walk=True)
    at = f"/v1/projects/{corpus.project('sessions')}/sessions"
    for query in [*BAD_PAGES, [("order", "up")]]:
        yield Probe(listing, "GET", at, tuple(query))
    yield Probe(listing, "GET", at, (("cursor", "VHJhY2U6MQ=="),), deliberate="cursor of another list")
    for name in ("talk", "plain", "trimmed", "late", "ignored", "nobody", "crowd 0"):
        session = corpus.session(name)
        yield Probe("GET session", "GET", f"/v1/sessions/{session}")
        yield Probe("GET session", "GET", f"/v1/sessions/«ProjectSession:{session}»")
    for text in ("UHJvamVjdFNlc3Npb246OTk5OTk5OQ==", "UHJvamVjdDox", "nobody"):
        yield Probe("GET session", "GET", f"/v1/sessions/{text}")
