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
    assert (chat["cache_read_cost"], chat["reasoning_cost"]) == (pytest.approx(0.0005), None)
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
    details = costs[1].pop("details")
    assert costs == [None, {"prompt": 0.002, "completion": 0.001, "total": 0.003}, None]
    assert [(kind["token_type"], kind["is_prompt"], kind["tokens"]) for kind in details] == [
        ("cache_read", True, 400),
        ("input", True, 600),
        ("output", False, 100),
    ]
    assert [kind["cost"] for kind in details] == pytest.approx([0.0005, 0.0015, 0.001])


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
        ({"filter": "llm.token_count.prompt > 500 and 'WER' in input.value"}, ["chat"]),
        ({"filter": "latency_ms >= 2500 or status_code == 'ERROR'"}, ["tool", "chat", "root"]),
        ({"filter": "status_code != 'ERROR'", "order": "asc", "limit": 1}, ["root"]),
        ({"filter": "total_cost > 0.002", "span_kind": ["LLM", "CHAIN"]}, ["chat"]),
        ({"filter": "parent_span is not None", "name": ["root", "tool"]}, ["tool"]),
        ({"filter": "any(d.token_type == 'cache_read' and d.tokens == 400 for d in cost_details)"}, ["chat"]),
        ({"filter": "sum(d.cost for d in cost_details if d.is_prompt == True) > 0.0019"}, ["chat"]),
        ({"filter": " "}, ["tool", "chat", "root"]),
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


def test_a_condition_selects_few_among_many(http, project):
    for batch in range(4):
        spans = [otlp.span(f"{batch}/{place}", pairs={"input.value": "x" * 300 + str(place)}) for place in range(500)]
        body = otlp.export(spans, project).SerializeToString()
        assert http.post("/v1/traces", content=body, headers=otlp.PROTOBUF).status_code == 200
    names = list(frame(http, project, filter="'x499' in input.value")["name"])
    assert names == ["3/499", "2/499", "1/499", "0/499"]
    assert [line["name"] for line in lines(http, project, filter="'x499' in input.value")] == names


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
    reply = http.get(f"/v1/projects/{project}/spans.{suffix}", params={"filter": "name == 'x' and"})
    assert (reply.status_code, "at character 16" in reply.text) == (400, True), reply.text
