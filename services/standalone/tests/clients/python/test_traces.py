"""`client.traces.get_traces` with each option, and deleting traces."""

from datetime import UTC, datetime, timedelta

import pytest

import otlp

NOON = datetime.fromtimestamp(otlp.EPOCH_NANOS / 1e9, tz=UTC)
NAMES = ("slow", "failed", "quick")
TRACES = {name: otlp.new_trace_id() for name in NAMES}
SESSIONS = {name: f"{name}-{otlp.new_span_id()}" for name in ("morning", "evening")}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def three_traces():
    """`slow` takes 10 s from 0, `failed` 2 s from 20 and `quick` 0.1 s from 40."""
    root = otlp.span("root", trace=TRACES["slow"], start=0, end=10, pairs={"session.id": SESSIONS["morning"]})
    llm = {"llm.token_count.prompt": 3, "llm.token_count.completion": 4}
    return [
        root,
        otlp.span("chat", trace=TRACES["slow"], parent=otlp.hex_id(root), kind="LLM", start=1, end=2, pairs=llm),
        otlp.span("chat", trace=TRACES["slow"], parent=otlp.hex_id(root), kind="LLM", start=3, end=4, pairs=llm),
        otlp.span(
            "root",
            trace=TRACES["failed"],
            start=20,
            end=22,
            status="ERROR",
            message="no",
            pairs={"session.id": SESSIONS["evening"]},
        ),
        otlp.span("root", trace=TRACES["quick"], kind="CHAIN", start=40, end=40.1, pairs=llm),
    ]


@pytest.fixture(scope="module")
def stored(send):
    project = "e2e-traces-" + otlp.new_span_id()
    send(three_traces(), project)
    return project


@pytest.fixture
def found(client, stored):
    names = {trace_id: name for name, trace_id in TRACES.items()}

    def ask(**options):
        traces = client.traces.get_traces(project_identifier=stored, **options)
        return [names[trace["trace_id"]] for trace in traces]

    return ask


def test_newest_first_is_the_default(found):
    assert found() == ["quick", "failed", "slow"]


@pytest.mark.parametrize(
    ("sort", "order", "names"),
    [
        ("start_time", "asc", ["slow", "failed", "quick"]),
        ("start_time", "desc", ["quick", "failed", "slow"]),
        ("latency_ms", "asc", ["quick", "failed", "slow"]),
        ("latency_ms", "desc", ["slow", "failed", "quick"]),
    ],
)
def test_sort_and_order(found, sort, order, names):
    assert found(sort=sort, order=order) == names


def test_time_range(found):
    assert found(start_time=at(20)) == ["quick", "failed"]
    assert found(end_time=at(20)) == ["slow"]
    assert found(start_time=at(1), end_time=at(40)) == ["failed"]


def test_by_session(found):
    assert found(session_id=SESSIONS["morning"]) == ["slow"]
    assert found(session_id=list(SESSIONS.values())) == ["failed", "slow"]


def test_by_session_global_id(client, found):
    session = client.sessions.get(session_id=SESSIONS["evening"])
    assert found(session_id=session["id"]) == ["failed"]


def test_by_error(found):
    assert found(error=True) == ["failed"]
    assert found(error=False) == ["quick", "slow"]


def test_by_latency(found):
    assert found(min_latency_ms=2000) == ["failed", "slow"]
    assert found(max_latency_ms=2000) == ["quick", "failed"]
    assert found(min_latency_ms=101, max_latency_ms=9999) == ["failed"]


def test_limit(found):
    assert found(limit=2) == ["quick", "failed"]


def test_a_trace_spans_its_spans_and_sums_the_tokens_of_llm_spans(client, stored):
    traces = client.traces.get_traces(project_identifier=stored, sort="start_time", order="asc")
    slow, _, quick = traces
    assert datetime.fromisoformat(slow["start_time"]) == at(0)
    assert datetime.fromisoformat(slow["end_time"]) == at(10)
    assert (slow["token_count_prompt"], slow["token_count_completion"], slow["token_count_total"]) == (6, 8, 14)
    assert quick["token_count_total"] == 0, "a CHAIN span's tokens do not count"
    assert slow.get("spans") is None


def test_spans_are_included_on_request(client, stored):
    traces = client.traces.get_traces(project_identifier=stored, include_spans=True, order="asc")
    assert [sorted(span["name"] for span in trace["spans"]) for trace in traces] == [
        ["chat", "chat", "root"],
        ["root"],
        ["root"],
    ]
    root, *_ = [span for span in traces[0]["spans"] if span["name"] == "root"]
    assert {span["parent_id"] for span in traces[0]["spans"]} == {None, root["span_id"]}


@pytest.mark.parametrize("sort", ["start_time", "latency_ms"])
def test_pages_neither_repeat_nor_skip(http, stored, found, sort):
    query = {"limit": 1, "sort": sort}
    walked = []
    while True:
        page = http.get(f"/v1/projects/{stored}/traces", params=query).raise_for_status().json()
        walked += [trace["trace_id"] for trace in page["data"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert walked == [TRACES[name] for name in found(sort=sort)]


def test_a_late_span_extends_its_trace(client, send, project):
    trace = otlp.new_trace_id()
    send([otlp.span("first", trace=trace, start=5, end=6)], project)
    send([otlp.span("earlier", trace=trace, start=1, end=2), otlp.span("later", trace=trace, start=7, end=9)], project)
    [stored] = client.traces.get_traces(project_identifier=project)
    assert datetime.fromisoformat(stored["start_time"]) == at(1)
    assert datetime.fromisoformat(stored["end_time"]) == at(9)


@pytest.mark.parametrize("by", ["trace_id", "id"])
def test_a_deleted_trace_is_gone_with_its_spans(http, client, send, project, by):
    gone, kept = otlp.span("gone"), otlp.span("kept")
    send([gone, kept], project)
    traces = {trace["trace_id"]: trace for trace in client.traces.get_traces(project_identifier=project)}
    identifier = traces[otlp.hex_trace(gone)][by]
    reply = http.delete(f"/v1/traces/{identifier}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert [span["name"] for span in client.spans.get_spans(project_identifier=project)] == ["kept"]
    assert len(client.traces.get_traces(project_identifier=project)) == 1
    assert http.delete(f"/v1/traces/{identifier}").status_code == 404
