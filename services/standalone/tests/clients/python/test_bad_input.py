"""What is wrong is refused with the right status, and takes nothing else along."""

import gzip
import json
import zlib

import bombs
import pytest
import zstandard

import otlp
from otlp import ExportTraceServiceResponse

pytestmark = pytest.mark.bennu

PACK = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}
SPOIL = {
    "cut": lambda packed: packed[: len(packed) // 2],
    "foreign": lambda _: b"never packed",
    "overwritten": lambda packed: packed[:9] + b"\xff" * 9 + packed[18:],
}


@pytest.fixture
def post(http):
    def send(content: bytes, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return http.post("/v1/traces", content=content, headers=otlp.PROTOBUF | named)

    return send


@pytest.fixture
def stored(client, project):
    """Names of the spans in this test's project."""
    return lambda: sorted(span["name"] for span in client.spans.get_spans(project_identifier=project, limit=1000))


def assert_rejects(reply_body: ExportTraceServiceResponse, spans: int, *named: str):
    assert reply_body.partial_success.rejected_spans == spans
    for name in named:
        assert name in reply_body.partial_success.error_message


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "application/grpc", ""])
def test_an_unknown_content_type_is_415(post, content_type):
    assert post(b"", content_type=content_type).status_code == 415


@pytest.mark.parametrize("encoding", ["br", "snappy", "gzip, gzip"])
def test_an_unknown_encoding_is_415(post, encoding):
    assert post(b"", content_encoding=encoding).status_code == 415


@pytest.mark.parametrize(
    "content",
    [b"not protobuf", b"\x0a\xff\xff", b"\x0a\x80", otlp.export([otlp.span()]).SerializeToString()[:-1]],
    ids=["text", "length beyond the end", "cut varint", "cut message"],
)
def test_malformed_protobuf_is_422(post, content):
    reply = post(content)
    assert reply.status_code == 422
    assert reply.text.strip()


def test_a_name_that_is_not_utf8_rejects_its_span_alone(post, project, stored):
    body = otlp.export([otlp.span("NAME"), otlp.span("beside")], project).SerializeToString()
    reply = post(body.replace(b"NAME", b"n\xff\xfee"))
    assert reply.status_code == 200
    assert_rejects(ExportTraceServiceResponse.FromString(reply.content), 1)
    assert stored() == ["beside"]


@pytest.mark.parametrize("encoding", PACK)
def test_each_encoding_is_inflated(post, project, stored, encoding):
    body = PACK[encoding](otlp.export([otlp.span("packed")], project).SerializeToString())
    assert post(body, content_encoding=encoding).status_code == 200
    assert stored() == ["packed"]


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("spoil", SPOIL)
def test_corrupt_compression_is_400(post, project, encoding, spoil):
    packed = PACK[encoding](otlp.export([otlp.span(pairs={"n": list(range(500))})], project).SerializeToString())
    assert post(SPOIL[spoil](packed), content_encoding=encoding).status_code == 400


def test_an_empty_project_header_is_no_header(post, project, stored, http):
    body = otlp.export([otlp.span("kept")], project).SerializeToString()
    assert post(body, x_project_name="").status_code == 200
    assert stored() == ["kept"]
    assert http.get("/v1/projects").status_code == 200


@pytest.mark.parametrize(
    ("trace", "id", "why"),
    [
        ("", otlp.new_span_id(), "no trace id"),
        (otlp.new_trace_id(), "", "no span id"),
        (otlp.new_trace_id()[:30], otlp.new_span_id(), "short trace id"),
        (otlp.new_trace_id() + "00", otlp.new_span_id(), "long trace id"),
        (otlp.new_trace_id(), otlp.new_span_id()[:4], "short span id"),
        (otlp.new_trace_id(), otlp.new_span_id() + "00", "long span id"),
        ("00" * 16, otlp.new_span_id(), "trace id of zeros"),
        (otlp.new_trace_id(), "00" * 8, "span id of zeros"),
    ],
    ids=lambda value: value if " " in value else "",
)
def test_a_bad_id_rejects_its_span_alone(post, project, stored, trace, id, why):
    spans = [otlp.span("before"), otlp.span("bad", trace=trace, id=id), otlp.span("after")]
    reply = post(otlp.export(spans, project).SerializeToString())
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-protobuf")
    assert_rejects(ExportTraceServiceResponse.FromString(reply.content), 1)
    assert ExportTraceServiceResponse.FromString(reply.content).partial_success.error_message
    assert stored() == ["after", "before"]


def test_nul_bytes_are_kept_or_replaced_but_harm_nobody(post, project, client):
    odd = otlp.span("na\0me", pairs={"k\0ey": "va\0lue", "plain": "kept"}, events=[otlp.event("e\0v", 0.5, a="\0")])
    reply = post(otlp.export([odd, otlp.span("beside")], project + "\0x").SerializeToString(), x_project_name=project)
    assert (reply.status_code, reply.content) == (200, b"")
    spans = client.spans.get_spans(project_identifier=project)
    assert len(spans) == 2
    [stored] = [span for span in spans if span["context"]["span_id"] == otlp.hex_id(odd)]
    assert stored["attributes"]["plain"] == "kept"


def test_bytes_are_shown_as_base64(post, project, client):
    body = otlp.export(
        [otlp.span("binary", pairs={"raw": b"\x00\xff"}), otlp.span("beside")], project
    ).SerializeToString()
    assert post(body).status_code == 200
    [span] = client.spans.get_spans(project_identifier=project, name="binary")
    assert span["attributes"] == {"raw": "AP8="}


def test_numbers_that_are_not_finite_make_valid_json(post, project, http, stored):
    odd = otlp.span("odd", pairs={"n": float("nan"), "i": float("inf"), "list": [float("-inf"), 1.0], "kept": 1})
    assert post(otlp.export([odd, otlp.span("beside")], project).SerializeToString()).status_code == 200
    assert stored() == ["beside", "odd"]
    for path in ("spans", "spans/otlpv1"):
        text = http.get(f"/v1/projects/{project}/{path}").text
        json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_million_attributes_are_stored_or_refused_with_a_reason(post, project, client, http):
    crowded, beside = otlp.span("crowded"), otlp.span("beside")
    one = otlp.any_value(1).SerializeToString()
    attributes = b"".join(bombs.with_attribute(b"", f"k{number}", one) for number in range(1_000_000))
    # Not built with protobuf objects: a million of them are slow in Python.
    resource = bombs.delimited(1, otlp.attributes({"openinference.project.name": project})[0].SerializeToString())
    body = bombs.request_of(resource, crowded.SerializeToString() + attributes, beside.SerializeToString())
    reply = post(body)
    if reply.status_code == 200:
        assert client.spans.get_spans(project_identifier=project, span_ids=[otlp.hex_id(beside)])
    else:
        assert reply.status_code in (413, 422)
        assert reply.text.strip()
    assert http.get("/readyz").status_code == 200


@pytest.mark.parametrize("depth", [1_000, 20_000])
def test_a_deeply_nested_value_is_rejected_by_name(post, project, stored, depth):
    deep, beside = otlp.span("the nested one"), otlp.span("beside")
    nested = bombs.with_attribute(deep.SerializeToString(), "k", bombs.nested_value(depth))
    resource = bombs.delimited(1, otlp.attributes({"openinference.project.name": project})[0].SerializeToString())
    reply = post(bombs.request_of(resource, nested, beside.SerializeToString()))
    assert reply.status_code == 200
    assert_rejects(ExportTraceServiceResponse.FromString(reply.content), 1, "the nested one")
    assert stored() == ["beside"]
