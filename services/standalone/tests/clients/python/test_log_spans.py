"""`client.spans.log_spans`: spans as JSON, all of them or none."""

import secrets

import httpx
import pandas
import pytest
from phoenix.client.exceptions import SpanCreationError

import otlp


def span(name="step", *, trace=None, id=None, **more):
    return {
        "name": name,
        "context": {"trace_id": trace or otlp.new_trace_id(), "span_id": id or otlp.new_span_id()},
        "span_kind": "CHAIN",
        "start_time": "2026-01-02T03:04:05+00:00",
        "end_time": "2026-01-02T03:04:06.500000+00:00",
        "status_code": "OK",
        **more,
    }


def stored(client, project, eventually, count):
    return eventually(
        lambda: client.spans.get_spans(project_identifier=project), until=lambda spans: len(spans) == count
    )


def test_what_is_logged_can_be_read(client, project, eventually):
    logged = span(
        "chat",
        span_kind="LLM",
        parent_id=otlp.new_span_id(),
        status_message="fine",
        attributes={"llm.model_name": "m", "llm": {"nested": {"deep": [1, 2]}}, "metadata": '{"a": 1}'},
        events=[{"name": "exception", "timestamp": "2026-01-02T04:04:05+01:00", "attributes": {"own": "kept"}}],
    )
    answer = client.spans.log_spans(project_identifier=project, spans=[logged, span()])
    assert answer == {"total_received": 2, "total_queued": 2}
    found = {item["name"]: item for item in stored(client, project, eventually, 2)}
    chat = found["chat"]
    del chat["id"]
    assert chat == {
        **logged,
        "attributes": {"llm.model_name": "m", "llm.nested.deep": [1, 2], "metadata": '{"a": 1}'},
        "events": [{"name": "exception", "timestamp": "2026-01-02T03:04:05+00:00", "attributes": {"own": "kept"}}],
    }


def test_ids_may_be_any_text(http, client, project, eventually):
    tag = secrets.token_hex(4)
    trace, root, child = f"trace {tag}", f"root/{tag}", f"Ünïcode {tag}"
    family = [span("root", trace=trace, id=root), span("child", trace=trace, id=child, parent_id=root)]
    client.spans.log_spans(project_identifier=project, spans=family)
    stored(client, project, eventually, 2)
    [found] = client.spans.get_spans(project_identifier=project, parent_id=root, trace_ids=[trace])
    assert found["context"] == {"trace_id": trace, "span_id": child}
    assert found["parent_id"] == root
    [listed] = client.traces.get_traces(project_identifier=project, include_spans=True)
    assert listed["trace_id"] == trace
    assert sorted(item["span_id"] for item in listed["spans"]) == sorted([root, child])
    assert http.delete(f"/v1/traces/{trace}").status_code == 204
    assert client.traces.get_traces(project_identifier=project) == []


def test_one_duplicate_refuses_them_all(client, project, eventually):
    first, second = span("first"), span("second")
    client.spans.log_spans(project_identifier=project, spans=[first])
    stored(client, project, eventually, 1)
    with pytest.raises(SpanCreationError) as refused:
        client.spans.log_spans(project_identifier=project, spans=[second, first])
    assert (refused.value.total_received, refused.value.total_duplicates) == (2, 1)
    assert refused.value.duplicate_spans == [first["context"]]
    assert len(stored(client, project, eventually, 1)) == 1


def test_a_time_without_a_zone_is_the_callers_mistake(client, project):
    naive = span(start_time="2026-01-02T03:04:05")
    with pytest.raises(SpanCreationError) as refused:
        client.spans.log_spans(project_identifier=project, spans=[span(), naive])
    assert refused.value.invalid_spans[0]["span_id"] == naive["context"]["span_id"]


def test_a_dataframe_comes_back_as_it_was_logged(client, project, eventually):
    rows = [span("one", attributes={"input.value": "q"}), span("two", span_kind="LLM")]
    frame = pandas.DataFrame(
        {
            "name": [row["name"] for row in rows],
            "span_kind": [row["span_kind"] for row in rows],
            "context.trace_id": [row["context"]["trace_id"] for row in rows],
            "context.span_id": [row["context"]["span_id"] for row in rows],
            "start_time": [pandas.Timestamp(row["start_time"]) for row in rows],
            "end_time": [pandas.Timestamp(row["end_time"]) for row in rows],
            "status_code": ["OK", "ERROR"],
            "attributes.input.value": ["q", None],
        }
    )
    answer = client.spans.log_spans_dataframe(project_identifier=project, spans_dataframe=frame)
    assert answer["total_queued"] == 2
    found = {item["name"]: item for item in stored(client, project, eventually, 2)}
    assert found["one"]["attributes"]["input.value"] == "q"
    assert (found["two"]["span_kind"], found["two"]["status_code"]) == ("LLM", "ERROR")
    assert found["one"]["context"] == rows[0]["context"]


@pytest.mark.bennu
def test_what_cannot_be_stored_is_named(http, project):
    early, nameless = span(start_time="1960-01-01T00:00:00Z"), span(id=" ")
    nameless["context"]["span_id"] = ""
    nested = {"a": 1}
    for _ in range(40):
        nested = {"a": nested}
    deep = span(attributes=nested)
    reply = http.post(f"/v1/projects/{project}/spans", json={"data": [span(), early, nameless, deep]})
    assert (reply.status_code, reply.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    refusal = reply.json()
    assert (refusal["total_received"], refusal["total_queued"], refusal["total_invalid"]) == (4, 0, 3)
    assert [item["span_id"] for item in refusal["invalid_spans"]] == [
        item["context"]["span_id"] for item in (early, nameless, deep)
    ]
    assert http.get(f"/v1/projects/{project}").status_code == 404, "nothing of it was stored"


@pytest.mark.bennu
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data": 5}', b'{"data": [5]}', b'{"data": [' + b"[" * 100_000])
def test_a_body_of_another_form_is_refused(http, project, body):
    reply = http.post(
        f"/v1/projects/{project}/spans", content=body, headers={"content-type": "application/json"}
    )
    assert (reply.status_code, reply.json()["detail"][0]["loc"][0]) == (422, "body")


@pytest.mark.bennu
def test_ten_thousand_spans_in_one_request(client, project):
    trace = otlp.new_trace_id()
    spans = [span(f"span {number}", trace=trace, attributes={"input.value": "x" * 200}) for number in range(10_000)]
    answer = client.spans.log_spans(project_identifier=project, spans=spans, timeout=60)
    assert answer["total_queued"] == 10_000
    page = client.spans.get_spans(project_identifier=project, limit=10_000)
    assert len(page) == 10_000


def test_an_unknown_id_is_not_found(http):
    reply = http.post("/v1/projects/UHJvamVjdDo5OTk5OTk5/spans", json={"data": [span()]})
    assert reply.status_code == 404


def test_a_transferred_trace_takes_its_future_along(http, client, project, eventually):
    first, later = span("first"), None
    client.spans.log_spans(project_identifier=project, spans=[first])
    stored(client, project, eventually, 1)
    target = client.projects.create(name=f"{project}-target")
    trace = first["context"]["trace_id"]
    body = {"trace_identifiers": [trace], "destination_project_identifier": target["id"]}
    reply = http.post("/v1/traces/transfer", json=body)
    assert reply.json() == {"data": {"transferred_trace_count": 1, "destination_project_id": target["id"]}}
    later = span("later", trace=trace)
    client.spans.log_spans(project_identifier=project, spans=[later])
    found = stored(client, target["name"], eventually, 2)
    assert sorted(item["name"] for item in found) == ["first", "later"]
    assert client.spans.get_spans(project_identifier=project) == []


def test_traces_of_a_range_of_time_are_deleted(http, client, project, eventually):
    times = [("early", "2026-01-01T00:00:00Z"), ("at start", "2026-01-02T00:00:00Z"), ("at end", "2026-01-03T00:00:00Z")]
    spans = [span(name, start_time=time, end_time=time, attributes={"session.id": f"{project} {name}"}) for name, time in times]
    client.spans.log_spans(project_identifier=project, spans=spans)
    stored(client, project, eventually, 3)
    span_of_time = {"start_time": "2026-01-02T00:00:00Z", "end_time": "2026-01-03T00:00:00Z"}
    assert http.delete(f"/v1/projects/{project}/traces", params=span_of_time).status_code == 204
    assert sorted(item["name"] for item in stored(client, project, eventually, 2)) == ["at end", "early"]
    sessions = client.sessions.list(project_name=project)
    assert sorted(item["session_id"] for item in sessions) == [f"{project} at end", f"{project} early"]
    backwards = {"start_time": span_of_time["end_time"], "end_time": span_of_time["start_time"]}
    assert http.delete(f"/v1/projects/{project}/traces", params=backwards).status_code == 422
    with pytest.raises(httpx.HTTPStatusError):
        http.delete(f"/v1/projects/{project}/traces").raise_for_status()
