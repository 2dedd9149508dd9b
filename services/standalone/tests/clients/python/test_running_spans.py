"""Spans that are sent before their end can be seen while they run, and are replaced when they end."""

from itertools import permutations

import pytest

import otlp

pytestmark = pytest.mark.bennu


def running(name, **more):
    span = otlp.span(name, **more)
    span.end_time_unix_nano = 0
    return span


def export(http, project, *spans):
    body = otlp.export(list(spans), project).SerializeToString()
    assert http.post("/v1/traces", content=body, headers=otlp.PROTOBUF).status_code == 200


def test_a_running_agent_is_seen_and_then_finished(http, client, project):
    trace, root = otlp.new_trace_id(), otlp.new_span_id()
    export(http, project, running("agent, thinking", trace=trace, id=root, kind="AGENT"))
    export(http, project, otlp.span("tool", trace=trace, parent=root, start=1, end=2, kind="TOOL"))
    [seen] = client.spans.get_spans(project_identifier=project, parent_id="null")
    assert seen["name"] == "agent, thinking"
    [listed] = client.traces.get_traces(project_identifier=project)
    assert listed["end_time"] == "2026-01-02T03:04:07+00:00", "it reaches as far as its spans do by now"

    export(http, project, otlp.span("agent", trace=trace, id=root, end=9, kind="AGENT", status="ERROR"))
    [ended] = client.spans.get_spans(project_identifier=project, parent_id="null")
    assert (ended["id"], ended["name"], ended["status_code"]) == (seen["id"], "agent", "ERROR")
    [listed] = client.traces.get_traces(project_identifier=project, error=True)
    assert listed["end_time"] == "2026-01-02T03:04:14+00:00"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_version_wins_in_any_order(http, client, project, order):
    trace, id = otlp.new_trace_id(), otlp.new_span_id()
    tokens = lambda count: {"llm.token_count.prompt": count}  # noqa: E731
    versions = [
        running("first", trace=trace, id=id, kind="LLM", pairs=tokens(1)),
        otlp.span("second", trace=trace, id=id, end=5, kind="LLM", pairs=tokens(2) | {"bennu.partial": True}),
        otlp.span("last", trace=trace, id=id, end=3, kind="LLM", pairs=tokens(3)),
    ]
    for place in order:
        export(http, project, versions[place])
        export(http, project, versions[place])
    [span] = client.spans.get_spans(project_identifier=project)
    assert span["name"] == "last"
    [listed] = client.traces.get_traces(project_identifier=project)
    assert (listed["token_count_prompt"], listed["end_time"]) == (3, "2026-01-02T03:04:08+00:00")


def test_a_json_span_may_come_again_until_it_is_finished(client, project):
    def log(name, **attributes):
        span = {
            "name": name,
            "context": {"trace_id": f"{project} trace", "span_id": f"{project} span"},
            "span_kind": "CHAIN",
            "start_time": "2026-01-02T03:04:05Z",
            "end_time": "2026-01-02T03:04:05Z",
            "status_code": "UNSET",
            "attributes": attributes,
        }
        client.spans.log_spans(project_identifier=project, spans=[span])
        return client.spans.get_spans(project_identifier=project)[0]["name"]

    assert log("started", **{"bennu.partial": True}) == "started"
    assert log("finished") == "finished"
    with pytest.raises(Exception, match="uplicate"):
        log("too late", **{"bennu.partial": True})
