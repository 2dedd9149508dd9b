"""`/v1/evaluations` as clients of before version 14 use it: data frames and protobuf messages, in and out."""

import gzip
import json
import struct
import uuid

import pandas as pd
import pyarrow as pa
import pytest

import otlp

pytestmark = pytest.mark.bennu

ARROW = {"content-type": "application/x-pandas-arrow"}
KINDS = {"span": "SpanEvaluations", "trace": "TraceEvaluations", "document": "DocumentEvaluations"}


@pytest.fixture
def traced(project, send):
    documents = {f"retrieval.documents.{n}.document.content": f"text {n}" for n in range(2)}
    spans = [otlp.span(name, trace=otlp.new_trace_id(), pairs=documents) for name in "ab"]
    send(spans, project)
    return spans


def frame_of(kind: str, spans) -> pd.DataFrame:
    columns = {"score": [0.5, None], "label": ["good", None], "explanation": [None, "because"]}
    if kind == "document":
        index = pd.MultiIndex.from_tuples(
            [(otlp.hex_id(spans[0]), 0), (otlp.hex_id(spans[0]), 1)], names=["context.span_id", "document_position"]
        )
    else:
        ids = [otlp.hex_id(span) if kind == "span" else otlp.hex_trace(span) for span in spans]
        index = pd.Index(ids, name=f"context.{kind}_id")
    return pd.DataFrame(columns, index=index)


def arrow(frame: pd.DataFrame, name: str, kind: str) -> bytes:
    """As `Evaluations.to_pyarrow_table` of those clients makes it."""
    table = pa.Table.from_pandas(frame)
    own = {"eval_id": str(uuid.uuid4()), "eval_name": name, "eval_type": KINDS[kind]}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"arize": json.dumps(own).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def tables(content: bytes) -> list[tuple[dict, pd.DataFrame]]:
    """As `get_evaluations` of those clients reads it: stream after stream, until there is none."""
    read, source = [], pa.py_buffer(content)
    stream = pa.input_stream(source)
    while True:
        try:
            reader = pa.ipc.open_stream(stream)
        except pa.ArrowInvalid:
            return read
        table = reader.read_all()
        read.append((json.loads(table.schema.metadata[b"arize"]), table.to_pandas()))


def add(http, content: bytes, headers: dict) -> None:
    reply = http.post("/v1/evaluations", content=content, headers=headers)
    assert reply.status_code == 204, reply.text
    found = http.get(f"/v1/receipts/{reply.headers['x-bennu-receipt']}", params={"wait": "10s"}).json()["data"]
    assert found["status"] == "applied"


@pytest.mark.parametrize("kind", KINDS)
def test_data_frames_round_trip(http, project, traced, kind):
    frame = frame_of(kind, traced)
    add(http, arrow(frame, "quality", kind), ARROW)
    reply = http.get("/v1/evaluations", params={"project_name": project})
    assert reply.headers["content-type"] == "application/x-pandas-arrow"
    [(metadata, found)] = tables(reply.content)
    assert (metadata["eval_name"], metadata["eval_type"]) == ("quality", KINDS[kind])
    uuid.UUID(metadata["eval_id"])
    expected = frame.sort_index()
    found = found.sort_index()[expected.columns]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_index_type=False)


def test_all_frames_of_a_project_come_in_order(http, project, traced):
    for kind in ("document", "span", "trace"):
        for name in ("b", "a"):
            add(http, arrow(frame_of(kind, traced), name, kind), ARROW)
    found = tables(http.get("/v1/evaluations", headers={"project-name": project}).content)
    kinds = [KINDS[kind] for kind in ("trace", "trace", "span", "span", "document", "document")]
    assert [(own["eval_type"], own["eval_name"]) for own, _ in found] == list(zip(kinds, "ababab", strict=True))


def test_ids_may_be_columns_and_labels_categories(http, project, traced):
    ids = [otlp.hex_id(span) for span in traced]
    frame = pd.DataFrame({"span_id": ids, "label": pd.Categorical(["x", "y"]), "score": [1, 2], "more": [None, {}]})
    add(http, arrow(frame.drop(columns="more"), "n", "span"), ARROW)
    [(_, found)] = tables(http.get("/v1/evaluations", params={"project-name": project}).content)
    assert found.loc[ids]["label"].tolist() == ["x", "y"]
    assert found.loc[ids]["score"].tolist() == [1.0, 2.0]


def test_annotations_of_people_are_no_evaluations(http, client, project, traced):
    client.spans.add_span_annotation(span_id=otlp.hex_id(traced[0]), annotation_name="n", label="l", sync=True)
    reply = http.get("/v1/evaluations", params={"project_name": project})
    assert (reply.status_code, reply.content) == (404, b"")
    assert http.get("/v1/evaluations", params={"project_name": "nobody's"}).status_code == 404


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize("encoding", ["gzip", None])
def test_protobuf_messages_are_evaluations(http, project, traced, encoding):
    score = field(1, b"\x09" + struct.pack("<d", 0.25))
    message = field(1, b"exact") + field(2, field(2, otlp.hex_id(traced[0]).encode())) + field(3, score)
    headers = {"content-type": "application/x-protobuf"}
    if encoding:
        headers["content-encoding"] = encoding
        message = gzip.compress(message)
    add(http, message, headers)
    [(metadata, found)] = tables(http.get("/v1/evaluations", params={"project_name": project}).content)
    assert (metadata["eval_name"], found["score"].tolist()) == ("exact", [0.25])


def test_what_is_no_evaluation_is_refused(http, traced):
    frame = frame_of("span", traced)
    good = arrow(frame, "n", "span")

    def status(content, content_type="application/x-pandas-arrow", **headers):
        reply = http.post("/v1/evaluations", content=content, headers={"content-type": content_type, **headers})
        return reply.status_code

    assert status(good, "application/json") == 415
    assert status(good, **{"content-encoding": "gzip"}) == 415
    for content in (b"", b"\xff" * 100, b"\xff\xff\xff\xff\xff\xff\xff\x7f", good[:-100], good[:200]):
        assert status(content) == 422, content
    assert status(arrow(frame, " ", "span")) == 422
    assert status(arrow(frame.drop(columns=["score", "label", "explanation"]), "n", "span")) == 422
    assert status(arrow(frame.reset_index(drop=True), "n", "span")) == 422
    assert status(arrow(frame.assign(score="high"), "n", "span")) == 422
    protobuf = "application/x-protobuf"
    assert status(b"\xff", protobuf) == 422
    assert status(field(1, b" ") + field(2, field(2, b"ab")), protobuf) == 422
    assert status(b"no gzip", protobuf, **{"content-encoding": "gzip"}) == 422
    assert status(b"", protobuf, **{"content-encoding": "br"}) == 415
