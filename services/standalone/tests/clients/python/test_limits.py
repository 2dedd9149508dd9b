"""Bodies over the limit are refused before they cost memory."""

import gzip

import bombs
import grpc
import httpx
import pytest
import zstandard

import otlp
import serving

pytestmark = pytest.mark.bennu

LIMIT = 1 << 20
MIB = 1 << 20


@pytest.fixture(scope="module")
def small(binary):
    """A server that takes bodies of up to one MiB."""
    with serving.bennu(BENNU_INGEST_MAX_BODY_BYTES=str(LIMIT)) as server:
        yield server


def post(server, content: bytes, **headers):
    named = otlp.PROTOBUF | {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(server.url + "/v1/traces", content=content, headers=named, timeout=60)


def body_of(size: int) -> bytes:
    """A valid request of about `size` bytes."""
    return otlp.export([otlp.span("large", pairs={"text": "x" * (size - 200)})], "e2e-limits").SerializeToString()


def assert_alive(server):
    assert post(server, otlp.export([otlp.span("after")], "e2e-limits").SerializeToString()).status_code == 200


def test_the_limit_itself_is_allowed(small):
    assert post(small, body_of(LIMIT - 1000)).status_code == 200


def test_a_plain_body_over_the_limit_is_413(small):
    assert post(small, body_of(LIMIT + 1000)).status_code == 413
    assert_alive(small)


def test_a_chunked_body_over_the_limit_is_413(small):
    """Nobody announced its length."""
    body = body_of(4 * LIMIT)
    chunks = (body[start : start + 65536] for start in range(0, len(body), 65536))
    try:
        reply = httpx.post(small.url + "/v1/traces", content=chunks, headers=otlp.PROTOBUF, timeout=60)
        assert reply.status_code == 413
    except httpx.TransportError:
        # The server may hang up once it has answered; the client then sees only that.
        pass
    assert_alive(small)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)], ids=["gzip", "zstd"]
)
def test_an_inflated_body_over_the_limit_is_413(small, encoding, pack):
    packed = pack(body_of(4 * LIMIT))
    assert len(packed) < LIMIT
    assert post(small, packed, content_encoding=encoding).status_code == 413
    assert_alive(small)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip], ids=["plain", "gzip"])
def test_a_grpc_message_over_the_limit_is_resource_exhausted(small, compression):
    with grpc.insecure_channel(small.grpc) as channel:
        export = channel.unary_unary(otlp.EXPORT)
        with pytest.raises(grpc.RpcError) as refused:
            export(body_of(4 * LIMIT), timeout=30, compression=compression)
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert export(otlp.export([otlp.span("after")], "e2e-limits").SerializeToString(), timeout=30) == b""


def test_a_large_prompt_passes_by_default(http, grpc_export, client, project):
    """Beyond the usual gRPC limit of 4 MiB."""
    body = otlp.export([otlp.span("large", pairs={"input.value": "x" * (12 * MIB)})], project).SerializeToString()
    assert grpc_export(body, timeout=60) == b""
    body = otlp.export([otlp.span("large", pairs={"input.value": "y" * (12 * MIB)})], project).SerializeToString()
    assert http.post("/v1/traces", content=body, headers=otlp.PROTOBUF).status_code == 200
    spans = client.spans.get_spans(project_identifier=project, timeout=60)
    assert [len(span["attributes"]["input.value"]) for span in spans] == [12 * MIB] * 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_refused_without_being_inflated(binary, encoding):
    """About 3 MiB (zstd: less) that inflate to 3 GiB."""
    make = {
        "gzip": lambda: bombs.deflate_bomb(3 * bombs.GIB, 31),
        "deflate": lambda: bombs.deflate_bomb(3 * bombs.GIB, 15),
        "zstd": lambda: bombs.zstd_bomb(3 * bombs.GIB),
    }
    bomb = make[encoding]()
    assert len(bomb) < 5 * MIB
    # A process of its own: peak memory never goes down again.
    with serving.bennu() as server:
        assert_alive(server)
        before = server.peak_memory_bytes()
        assert post(server, bomb, content_encoding=encoding).status_code == 413
        assert server.peak_memory_bytes() - before < 100 * MIB
        assert_alive(server)
