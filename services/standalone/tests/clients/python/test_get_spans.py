"""`client.spans.get_spans` with every filter, its limits and its pages."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

import otlp

NOON = datetime.fromtimestamp(otlp.EPOCH_NANOS / 1e9, tz=UTC)
TRACES = [otlp.new_trace_id() for _ in range(3)]
TYPED = {
    "text": "blue",
    "digits": "42",
    "whole": 42,
    "fraction": 0.25,
    "yes": True,
    "no": False,
    "deep.er.key": "well",
    "colon": "a:b",
    "user.id": "u-1",
}


def a_small_project():
    """Three traces: `root > (chat, tool)`, a lone `chat`, and an orphan; one second apart each."""
    root = otlp.span("root", trace=TRACES[0], kind="CHAIN", status="OK", start=0, end=9)
    chat = otlp.span("chat", trace=TRACES[0], parent=otlp.hex_id(root), kind="LLM", status="OK", start=1, pairs=TYPED)
    tool = otlp.span(
        "tool", trace=TRACES[0], parent=otlp.hex_id(root), kind="TOOL", status="ERROR", start=2, pairs={"whole": 7}
    )
    lone = otlp.span("chat", trace=TRACES[1], kind="llm", start=3, pairs={"text": "red", "whole": 42.0})
    orphan = otlp.span("orphan", trace=TRACES[2], parent=otlp.new_span_id(), start=4, pairs={"digits": "43"})
    return {"root": root, "chat": chat, "tool": tool, "lone": lone, "orphan": orphan}


@pytest.fixture(scope="module")
def stored(send):
    spans = a_small_project()
    project = "e2e-get-spans-" + otlp.new_span_id()
    send(list(spans.values()), project)
    return project, spans


@pytest.fixture
def found(client, stored):
    """Asks with the filters and answers with our names of the spans, in the order returned."""
    project, spans = stored
    names = {otlp.hex_id(span): name for name, span in spans.items()}

    def ask(**filters):
        answer = client.spans.get_spans(project_identifier=project, **filters)
        return [names[span["context"]["span_id"]] for span in answer]

    return ask


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_everything_newest_row_first(found):
    assert found() == ["orphan", "lone", "tool", "chat", "root"]


def test_by_trace(found):
    assert found(trace_ids=[TRACES[0]]) == ["tool", "chat", "root"]
    assert found(trace_ids=TRACES[1:]) == ["orphan", "lone"]
    assert found(trace_ids=[otlp.new_trace_id()]) == []


def test_by_span_id(found, stored):
    _, spans = stored
    assert found(span_ids=[otlp.hex_id(spans["tool"])]) == ["tool"]
    assert found(span_ids=[otlp.hex_id(spans["lone"]), otlp.hex_id(spans["root"])]) == ["lone", "root"]
    assert found(span_ids=[otlp.new_span_id()]) == []


def test_by_name(found):
    assert found(name="chat") == ["lone", "chat"]
    assert found(name=["tool", "root"]) == ["tool", "root"]
    assert found(name="CHAT") == []


def test_by_kind_in_any_case(found):
    assert found(span_kind="LLM") == ["lone", "chat"]
    assert found(span_kind="llm") == ["lone", "chat"]
    assert found(span_kind=["TOOL", "CHAIN"]) == ["tool", "root"]
    assert found(span_kind="UNKNOWN") == ["orphan"]


def test_by_status(found):
    assert found(status_code="ERROR") == ["tool"]
    assert found(status_code=["ok", "unset"]) == ["orphan", "lone", "chat", "root"]


@pytest.mark.parametrize("filters", [{"span_kind": "FOO"}, {"status_code": "BAD"}], ids=["kind", "status"])
def test_an_unknown_kind_or_status_is_refused(found, filters):
    with pytest.raises(httpx.HTTPStatusError) as refused:
        found(**filters)
    assert refused.value.response.status_code == 422


def test_by_parent(found, stored):
    _, spans = stored
    assert found(parent_id=otlp.hex_id(spans["root"])) == ["tool", "chat"]
    assert found(parent_id=otlp.hex_id(spans["tool"])) == []


def test_roots_are_spans_without_a_parent_id(found):
    assert found(parent_id="null") == ["lone", "root"]


@pytest.mark.parametrize(
    ("attribute", "names"),
    [
        ({"text": "blue"}, ["chat"]),
        ({"digits": "42"}, ["chat"]),
        ({"digits": 42}, []),
        ({"whole": 42}, ["lone", "chat"]),
        ({"whole": "42"}, []),
        ({"fraction": 0.25}, ["chat"]),
        ({"yes": True}, ["chat"]),
        ({"yes": False}, []),
        ({"no": False}, ["chat"]),
        ({"deep.er.key": "well"}, ["chat"]),
        ({"colon": "a:b"}, ["chat"]),
        ({"user.id": "u-1"}, ["chat"]),
        ({"text": "red", "whole": 42}, ["lone"]),
        ({"text": "red", "yes": True}, []),
        ({"nowhere": 1}, []),
    ],
    ids=str,
)
def test_by_attribute_of_each_json_type(found, attribute, names):
    assert found(attributes=attribute) == names


def test_the_time_range_is_closed_at_its_start_and_open_at_its_end(found):
    assert found(start_time=at(2)) == ["orphan", "lone", "tool"]
    assert found(end_time=at(2)) == ["chat", "root"]
    assert found(start_time=at(1), end_time=at(3)) == ["tool", "chat"]
    assert found(start_time=at(1) + timedelta(microseconds=1), end_time=at(2)) == []


def test_filters_of_different_kinds_are_anded(found):
    assert found(trace_ids=[TRACES[0]], span_kind=["LLM", "TOOL"], status_code="OK") == ["chat"]
    assert found(name="chat", parent_id="null") == ["lone"]


def test_the_limit_is_kept(found):
    assert found(limit=1) == ["orphan"]
    assert found(limit=3) == ["orphan", "lone", "tool"]


def test_the_project_may_be_named_by_its_id(client, stored):
    project, spans = stored
    by_id = client.projects.get(project_name=project)["id"]
    assert len(client.spans.get_spans(project_identifier=by_id)) == len(spans)


def test_an_unknown_project_is_not_found(client):
    with pytest.raises(httpx.HTTPStatusError) as missing:
        client.spans.get_spans(project_identifier="e2e-nobody-made-this")
    assert missing.value.response.status_code == 404


def test_the_client_walks_pages_until_its_limit(client, send, project):
    """The client asks for 100 spans at a time."""
    trace = otlp.new_trace_id()
    send([otlp.span(f"step {number}", trace=trace, start=number) for number in range(250)], project)
    names = [span["name"] for span in client.spans.get_spans(project_identifier=project, limit=230)]
    assert names == [f"step {number}" for number in reversed(range(20, 250))]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["id", "start_time"])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_neither_repeat_nor_skip(http, stored, sort, order, limit):
    project, spans = stored
    query = {"limit": limit, "sort": sort, "order": order}
    walked = []
    while True:
        page = http.get(f"/v1/projects/{project}/spans", params=query).raise_for_status().json()
        walked += [span["context"]["span_id"] for span in page["data"]]
        assert len(page["data"]) <= limit
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    expected = [otlp.hex_id(span) for span in spans.values()]
    assert walked == (expected if order == "asc" else expected[::-1])
