"""`client.spans.delete`: one span goes, its neighbours stay."""

import httpx
import pytest

import otlp


def a_family():
    root = otlp.span("root", end=5)
    child = otlp.span("child", trace=otlp.hex_trace(root), parent=otlp.hex_id(root))
    grandchild = otlp.span("grandchild", trace=otlp.hex_trace(root), parent=otlp.hex_id(child))
    return [root, child, grandchild]


def names(client, project):
    return sorted(span["name"] for span in client.spans.get_spans(project_identifier=project))


def test_by_hex_id(client, send, project):
    spans = a_family()
    send(spans, project)
    client.spans.delete(span_identifier=otlp.hex_id(spans[1]))
    assert names(client, project) == ["grandchild", "root"]
    [orphan] = client.spans.get_spans(project_identifier=project, name="grandchild")
    assert orphan["parent_id"] == otlp.hex_id(spans[1]), "children keep the parent they named"


def test_by_global_id(client, send, project):
    send(a_family(), project)
    [child] = client.spans.get_spans(project_identifier=project, name="child")
    client.spans.delete(span_identifier=child["id"])
    assert names(client, project) == ["grandchild", "root"]


def test_the_last_span_takes_the_trace_along(client, send, project):
    span = otlp.span("only")
    send([span], project)
    client.spans.delete(span_identifier=otlp.hex_id(span))
    assert client.spans.get_spans(project_identifier=project) == []
    assert client.traces.get_traces(project_identifier=project) == []


def test_what_is_not_there_is_not_found(client, send, project):
    spans = a_family()
    send(spans, project)
    gone = otlp.hex_id(spans[2])
    client.spans.delete(span_identifier=gone)
    for identifier in (gone, otlp.new_span_id(), "no such span"):
        with pytest.raises(httpx.HTTPStatusError) as missing:
            client.spans.delete(span_identifier=identifier)
        assert missing.value.response.status_code == 404
    assert names(client, project) == ["child", "root"]
