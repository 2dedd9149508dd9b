"""The server under test, its official client, and the two ways to wait for it."""

import os
import re
import secrets
import time

import grpc
import httpx
import pytest

import otlp
import serving

# The reference answers before it stores, the distributed shape once the broker has the spans; ten seconds is twenty insert
# rounds of the former.
LAG_SECONDS = 10
# What waits for a late span is looked at again after growing pauses, of a second at first.
QUEUE_PATIENCE_SECONDS = 20

for name in list(os.environ):
    # The clients read these too, and a test must not depend on who runs it.
    if name.startswith(("PHOENIX_", "OTEL_")):
        del os.environ[name]


@pytest.fixture(scope="session")
def server():
    """`BENNU_TEST_URL` and `BENNU_TEST_GRPC` name a running server, else Bennu is started."""
    url = os.environ.get("BENNU_TEST_URL")
    if url is None:
        with serving.bennu() as started:
            yield started
        return
    yield serving.Server(
        url=url.rstrip("/"),
        grpc=os.environ.get("BENNU_TEST_GRPC", "127.0.0.1:4317"),
        is_reference=os.environ.get("BENNU_TEST_TARGET") == "reference",
        lags=os.environ.get("BENNU_TEST_TARGET") in ("reference", "distributed"),
    )


@pytest.fixture(autouse=True)
def only_bennu_keeps_its_promises(request):
    if request.node.get_closest_marker("bennu") and os.environ.get("BENNU_TEST_TARGET") == "reference":
        pytest.skip("a promise of Bennu, not of the reference")


@pytest.fixture(scope="session")
def binary():
    """Path of the `bennu` binary, for tests that start their own process."""
    path = serving.bennu_binary()
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return path


@pytest.fixture(scope="session")
def http(server):
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def client(server):
    from phoenix.client import Client

    return Client(base_url=server.url)


@pytest.fixture(scope="session")
def grpc_export(server):
    """The raw OTLP call: request bytes in, response bytes out."""
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel.unary_unary(otlp.EXPORT)


@pytest.fixture
def project(request):
    """A project name of this test alone."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"e2e-{test[:60]}-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def eventually(server):
    """Reads once where what was acknowledged can be read; polls a server that lags until `until` holds."""

    def read(question, until=bool):
        deadline = time.monotonic() + (LAG_SECONDS if server.lags else 0)
        while True:
            try:
                answer = question()
                if until(answer):
                    return answer
            except (httpx.HTTPStatusError, ValueError):
                if time.monotonic() >= deadline:
                    raise
            if time.monotonic() >= deadline:
                raise AssertionError(f"not visible after the acknowledgement: {answer!r}")
            time.sleep(0.1)

    return read


@pytest.fixture(scope="session")
def settled():
    """Polls until `until` holds: for what is queued when it is acknowledged."""

    def read(question, until=bool):
        deadline = time.monotonic() + QUEUE_PATIENCE_SECONDS
        while True:
            answer = question()
            if until(answer):
                return answer
            if time.monotonic() >= deadline:
                raise AssertionError(f"not as it should be in {QUEUE_PATIENCE_SECONDS} s: {answer!r}")
            time.sleep(0.05)

    return read


@pytest.fixture(scope="session")
def send(http, client, eventually):
    """Exports spans to a project over OTLP/HTTP and returns once all of them can be read."""

    def export(spans, project):
        body = otlp.export(spans, project).SerializeToString()
        reply = http.post("/v1/traces", content=body, headers=otlp.PROTOBUF)
        assert (reply.status_code, reply.content) == (200, b"")
        wanted = {otlp.hex_id(span) for span in spans}
        eventually(lambda: visible_ids(client, project), until=wanted.issubset)

    return export


def visible_ids(client, project) -> set[str]:
    return {span["context"]["span_id"] for span in client.spans.get_spans(project_identifier=project, limit=1000)}
