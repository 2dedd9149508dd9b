"""All spans of a project as a file: Parquet for notebooks, JSON lines for everything else."""

import io
import json

import pandas
import pyarrow
import pyarrow.parquet
import pytest

import otlp

pytestmark = pytest.mark.bennu


def some_spans():
    trace = otlp.new_trace_id()
    root = otlp.span("root", trace=trace, kind="CHAIN", end=9, pairs={"session.id": "s", "user.id": 5, "tags": ["a", "b"]})
    usage = {
        "llm.model_name": "gpt-4o",
        "llm.provider": "openai",
        "llm.token_count.prompt": 1_000,
        "llm.token_count.completion": 100,
        "llm.token_count.prompt_details.cache_read": 400,
        "input.value": "Wer? 😀",
    }
    chat = otlp.span("chat", trace=trace, parent=otlp.hex_id(root), kind="LLM", start=1, end=3.5, pairs=usage)
    event = otlp.event("exception", at=4, exception__message="broken")
    tool = otlp.span("tool", trace=trace, parent=otlp.hex_id(root), kind="TOOL", status="ERROR", message="no", events=[event])
    return [root, chat, tool]


@pytest.fixture(scope="module")
def recorded(http):
    spans, project = some_spans(), f"e2e-exports-{otlp.new_span_id()}"
    body = otlp.export(spans, project).SerializeToString()
    assert http.post("/v1/traces", content=body, headers=otlp.PROTOBUF).status_code == 200
    return project, spans


def frame(http, project, **query):
    reply = http.get(f"/v1/projects/{project}/spans.parquet", params=query)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/vnd.apache.parquet")
    return pandas.read_parquet(io.BytesIO(reply.content))


def lines(http, project, **query):
    reply = http.get(f"/v1/projects/{project}/spans.jsonl", params=query)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/jsonl")
    return [json.loads(line) for line in reply.text.splitlines()]


def test_a_parquet_file_has_a_typed_column_for_each_fact(http, recorded):
    project, spans = recorded
    reply = http.get(f"/v1/projects/{project}/spans.parquet")
    table = pyarrow.parquet.read_table(io.BytesIO(reply.content))
    assert table.schema.field("start_time").type == pyarrow.timestamp("us", tz="UTC")
    assert table.schema.field("prompt_tokens").type == pyarrow.int64()
    assert table.schema.field("total_cost").type == pyarrow.float64()
    metadata = pyarrow.parquet.read_metadata(io.BytesIO(reply.content))
    assert metadata.row_group(0).column(0).compression == "ZSTD"

    rows = {row["name"]: row for row in table.to_pylist()}
    assert list(rows) == ["tool", "chat", "root"], "newest first, as in the list"
    chat = rows["chat"]
    assert (chat["trace_id"], chat["span_id"]) == (otlp.hex_trace(spans[1]), otlp.hex_id(spans[1]))
    assert (chat["parent_id"], rows["root"]["parent_id"]) == (otlp.hex_id(spans[0]), None)
    assert (chat["span_kind"], chat["model_name"], chat["provider"]) == ("LLM", "gpt-4o", "openai")
    assert (chat["prompt_tokens"], chat["completion_tokens"], chat["cache_read_tokens"]) == (1_000, 100, 400)
    assert (chat["prompt_cost"], chat["total_cost"]) == (pytest.approx(0.002), pytest.approx(0.003))
    assert chat["latency_ms"] == 2_500
    assert chat["start_time"].isoformat() == "2026-01-02T03:04:06+00:00"
    assert json.loads(chat["attributes"])["input.value"] == "Wer? 😀"
    assert (rows["root"]["session_id"], rows["root"]["user_id"], rows["root"]["total_cost"]) == ("s", "5", None)
    tool = rows["tool"]
    assert (tool["status_code"], tool["status_message"]) == ("ERROR", "no")
    [event] = json.loads(tool["events"])
    assert (event["name"], event["attributes"]) == ("exception", {"exception.message": "broken"})


def test_json_lines_are_the_items_of_the_list_with_their_cost(http, client, recorded):
    project, _ = recorded
    exported = lines(http, project)
    costs = [line.pop("cost") for line in exported]
    assert exported == client.spans.get_spans(project_identifier=project)
    assert costs == [None, {"prompt": 0.002, "completion": 0.001, "total": 0.003}, None]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["tool", "chat", "root"]),
        ({"order": "asc"}, ["root", "chat", "tool"]),
        ({"limit": 2}, ["tool", "chat"]),
        ({"span_kind": "LLM"}, ["chat"]),
        ({"name": ["root", "tool"]}, ["tool", "root"]),
        ({"status_code": "ERROR"}, ["tool"]),
        ({"parent_id": "null"}, ["root"]),
        ({"attribute": "user.id:5"}, ["root"]),
        ({"start_time": "2026-01-02T03:04:06Z"}, ["chat"]),
        ({"name": "nothing"}, []),
    ],
)
def test_the_filters_are_those_of_the_list(http, recorded, query, expected):
    project, _ = recorded
    assert [line["name"] for line in lines(http, project, **query)] == expected
    assert list(frame(http, project, **query)["name"]) == expected


def test_many_spans_of_many_sizes_come_once_each(http, project):
    for batch in range(6):
        sizes = [10 if number % 50 else 40_000 for number in range(500)]
        spans = [otlp.span(f"{batch}/{place}", pairs={"input.value": "x" * size}) for place, size in enumerate(sizes)]
        body = otlp.export(spans, project).SerializeToString()
        assert http.post("/v1/traces", content=body, headers=otlp.PROTOBUF).status_code == 200
    everything = frame(http, project)
    assert len(everything) == 3_000 and everything["span_id"].is_unique
    assert list(frame(http, project, order="asc")["span_id"]) == list(everything["span_id"])[::-1]
    assert [line["context"]["span_id"] for line in lines(http, project)] == list(everything["span_id"])


def test_an_empty_project_is_an_empty_file(http, project):
    http.post("/v1/projects", json={"name": project})
    empty = frame(http, project)
    assert (len(empty), "attributes" in empty.columns) == (0, True)
    assert lines(http, project) == []


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_what_cannot_be_exported_has_a_status(http, recorded, suffix):
    project, _ = recorded
    assert http.get(f"/v1/projects/nobody-made-this/spans.{suffix}").status_code == 404
    for query in ({"limit": 0}, {"order": "sideways"}, {"span_kind": "wizard"}, {"start_time": "x"}):
        assert http.get(f"/v1/projects/{project}/spans.{suffix}", params=query).status_code == 422
