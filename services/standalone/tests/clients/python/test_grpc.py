"""The gRPC receiver, raw: compression, partial success, malformed messages."""

import grpc
import httpx
import pytest
import zstandard

import otlp
from otlp import ExportTraceServiceResponse

COMPRESSIONS = {
    "plain": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}


@pytest.fixture
def stored(client, eventually, project):
    def names(count: int):
        spans = eventually(
            lambda: client.spans.get_spans(project_identifier=project), until=lambda spans: len(spans) >= count
        )
        return sorted(span["name"] for span in spans)

    return names


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_each_compression_of_grpcio(grpc_export, project, stored, compression):
    body = otlp.export([otlp.span("here", pairs={"text": "x" * 5000})], project).SerializeToString()
    assert grpc_export(body, timeout=30, compression=COMPRESSIONS[compression]) == b""
    assert stored(1) == ["here"]


@pytest.mark.bennu
def test_zstd(server, project, stored):
    """grpcio does not speak zstd, so the frame is made by hand: flag, length, message."""
    message = zstandard.compress(otlp.export([otlp.span("here")], project).SerializeToString())
    frame = b"\x01" + len(message).to_bytes(4, "big") + message
    headers = {"content-type": "application/grpc", "te": "trailers", "grpc-encoding": "zstd"}
    with httpx.Client(http1=False, http2=True) as client:
        reply = client.post(f"http://{server.grpc}{otlp.EXPORT}", content=frame, headers=headers)
    # The status comes in the trailers, which httpx does not show; an error without a message has it in the headers.
    assert (reply.status_code, reply.headers.get("grpc-status", "0")) == (200, "0")
    assert stored(1) == ["here"]


@pytest.mark.bennu
def test_a_bad_id_rejects_its_span_alone(grpc_export, project, stored):
    spans = [otlp.span("before"), otlp.span("bad", id="abcd"), otlp.span("nameless", trace=""), otlp.span("after")]
    answer = grpc_export(otlp.export(spans, project).SerializeToString(), timeout=30)
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert partial.rejected_spans == 2
    assert partial.error_message
    assert stored(2) == ["after", "before"]


@pytest.mark.bennu
def test_the_project_header_is_read_on_http_only(grpc_export, project, stored):
    body = otlp.export([otlp.span("here")], project).SerializeToString()
    grpc_export(body, timeout=30, metadata=[("x-project-name", project + "-ignored")])
    assert stored(1) == ["here"]


@pytest.mark.bennu
@pytest.mark.parametrize("body", [b"not protobuf", b"\x0a\xff\xff"], ids=["text", "length beyond the end"])
def test_a_malformed_message_is_refused(grpc_export, body):
    with pytest.raises(grpc.RpcError) as refused:
        grpc_export(body, timeout=30)
    assert refused.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)


def test_an_unknown_method_is_unimplemented(server):
    with grpc.insecure_channel(server.grpc) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(otlp.EXPORT + "Twice")(b"", timeout=30)
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
