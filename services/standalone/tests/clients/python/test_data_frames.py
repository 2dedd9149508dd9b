"""`client.spans.get_spans_dataframe` with every part of a query, and the conditions in lists."""

import io

import httpx
import pyarrow
import pytest
from phoenix.client.types.spans import SpanQuery

import otlp

DOCUMENTS = {
    "input.value": "which?",
    "retrieval.documents.0.document.content": "first",
    "retrieval.documents.0.document.score": 0.75,
    "retrieval.documents.1.document.content": "second",
}


@pytest.fixture(scope="module")
def stored(send):
    talk = {"session.id": otlp.new_span_id(), "input.value": "Hello"}
    root = otlp.span("root", kind="CHAIN", status="OK", start=0, end=9, pairs=talk)
    inside = {"trace": otlp.hex_trace(root), "parent": otlp.hex_id(root)}
    tokens = {"llm.model_name": "m", "llm.token_count.prompt": 10, "whole": 1}
    chat = otlp.span("chat", kind="LLM", start=1, end=3.5, pairs=tokens, **inside)
    found = DOCUMENTS | {"whole": 2}
    search = otlp.span("search", kind="RETRIEVER", status="ERROR", start=4, end=5, pairs=found, **inside)
    project = "e2e-frames-" + otlp.new_span_id()
    send([root, chat, search, otlp.span("alone", start=6)], project)
    return project


@pytest.fixture
def frame(client, stored):
    def ask(query, **options):
        return client.spans.get_spans_dataframe(query=query, project_identifier=stored, **options)

    return ask


def test_a_query_without_parts_gives_everything_newest_first(frame):
    found = frame(SpanQuery())
    assert list(found["name"]) == ["alone", "search", "chat", "root"]
    assert found.index.name == "context.span_id"
    assert found["attributes.retrieval.documents"].iloc[1][0]["document.content"] == "first"
    assert str(found["start_time"].dtype) == "datetime64[ns, UTC]"


def test_columns_and_attributes_are_selected_with_their_types(frame):
    found = frame(SpanQuery().where("whole is not None").select("name", "latency_ms", "whole"))
    assert sorted(found["whole"]) == [1, 2]
    assert {name: str(kind) for name, kind in found.dtypes.items()} == {
        "name": "str",
        "latency_ms": "float64",
        "whole": "int64",
    }


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("span_kind == 'LLM' and latency_ms > 1000", {"chat"}),
        ("parent_span is None", {"root", "alone"}),
        ("cumulative_token_count.prompt == 10", {"root", "chat"}),
        ("'HEL' in input.value or status_code == 'error'", {"root", "search"}),
        ("not (whole == 1)", {"search"}),
        ("start_time >= '2026-01-02T03:04:09Z'", {"search", "alone"}),
    ],
)
def test_conditions_select_spans(frame, condition, names):
    assert set(frame(SpanQuery().where(condition).select("name"))["name"]) == names


def test_a_mistake_is_told_with_its_place(frame):
    with pytest.raises(httpx.HTTPStatusError) as refused:
        frame(SpanQuery().where("name == 'x' and latency_ms > 'y'"))
    assert refused.value.response.status_code == 422
    assert refused.value.response.text.startswith("Invalid query: cannot compare number and string")


def test_documents_are_exploded_and_joined(frame):
    exploded = frame(SpanQuery().explode("retrieval.documents", text="document.content", score="document.score"))
    assert exploded.index.names == ["context.span_id", "document_position"]
    assert list(exploded["text"]) == ["first", "second"]
    joined = frame(SpanQuery().select("input.value").concat("retrieval.documents", reference="document.content"))
    assert joined.iloc[0].to_dict() == {"input.value": "which?", "reference": "first\n\nsecond"}


def test_options_of_a_query(frame):
    roots = frame(SpanQuery().select("name"), root_spans_only=True)
    assert set(roots["name"]) == {"root", "alone"}
    assert len(frame(SpanQuery(), limit=2)) == 2
    renamed = frame(SpanQuery().select("name").rename(name="called").with_index("trace_id"))
    assert (list(renamed.columns), renamed.index.name) == (["called"], "context.trace_id")
    assert frame(SpanQuery().where("name == 'nobody'").select("name")).empty


def test_older_clients_read_arrow_streams(http, stored):
    body = {"queries": [{}, {"select": {"name": {"key": "name"}}}]}
    reply = http.post("/v1/spans", params={"project_name": stored}, json=body)
    assert reply.headers["content-type"] == "application/x-pandas-arrow"
    source = io.BytesIO(reply.content)
    frames = [pyarrow.ipc.open_stream(source).read_pandas() for _ in body["queries"]]
    assert [len(frame) for frame in frames] == [4, 4]
    assert {frame.index.name for frame in frames} == {"context.span_id"}
    assert set(frames[1]["name"]) == {"root", "chat", "search", "alone"}


@pytest.mark.parametrize(
    ("list_name", "condition", "found"),
    [
        ("traces", "num_spans == 3 and error_count == 1", 1),
        ("traces", "any(s.span_kind == 'LLM' for s in spans) and input == 'Hello'", 1),
        ("traces", "all(s.latency_ms > 5000 for s in spans)", 0),
        ("sessions", "num_traces == 1 and 'hello' in first_input", 1),
        ("sessions", "len([s for s in spans if s.status_code == 'ERROR']) > 1", 0),
    ],
)
def test_lists_take_conditions(http, stored, list_name, condition, found):
    reply = http.get(f"/v1/projects/{stored}/{list_name}", params={"filter": condition})
    assert (reply.status_code, len(reply.json()["data"])) == (200, found)


def test_an_unknown_name_in_a_list_is_400(http, stored):
    reply = http.get(f"/v1/projects/{stored}/traces", params={"filter": "num_spans > 1 and foo == 1"})
    assert reply.status_code == 400
    assert reply.text.startswith("invalid name `foo`")
