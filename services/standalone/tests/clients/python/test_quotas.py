"""What a tenant or a key may use, and what happens beyond."""

from datetime import datetime, timedelta, timezone

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

import accounts
import otlp
import waiting
from accounts import deployment, new_tenant, system_key

pytestmark = pytest.mark.bennu

PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture(scope="module")
def auth():
    with accounts.server(BENNU_LIMITS_CHECK_SECONDS="1") as started:
        yield started


def limit(auth, slug: str, **limits) -> dict:
    named = {"spans_per_second": None, "bytes_per_second": None, "stored_bytes": None, "retention_days": None} | limits
    return deployment(auth).taken("PATCH", f"/platform/v1/tenants/{slug}", json={"limits": named})["limits"]


def spans(number: int, project: str = "quota", **more) -> bytes:
    return otlp.export([otlp.span("counted", **more) for _ in range(number)], project=project).SerializeToString()


def send(caller, number: int, **more):
    return caller("POST", "/v1/traces", content=spans(number, **more), headers=PROTOBUF)


def test_spans_beyond_the_rate_of_a_tenant_are_put_off_and_those_of_others_are_not(auth):
    (slug, owner), (_, other) = new_tenant(auth), new_tenant(auth)
    assert limit(auth, slug, spans_per_second=1)["spans_per_second"] == 1
    key, other_key = system_key(auth, owner), system_key(auth, other)
    # A bucket that is not empty gives whatever is asked for, and those behind wait.
    assert send(key, 1_000).status_code == 200
    refused = send(key, 1)
    assert refused.status_code == 429
    assert refused.text == "over quota: the tenant may send 1 spans a second; send it again later"
    assert 900 < int(refused.headers["retry-after"]) <= 1_000
    assert send(owner, 1).status_code == 429
    # Who comes again too early is refused before its body is looked at, and hears the same.
    early = key("POST", "/v1/traces", content=b"no request", headers=PROTOBUF)
    assert (early.status_code, early.text) == (429, refused.text)
    assert 900 < int(early.headers["retry-after"]) <= 1_000
    assert send(other_key, 100).status_code == 200
    with grpc.insecure_channel(auth.grpc) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as error:
            export(spans(1), metadata=[("authorization", key.headers["authorization"])], timeout=30)
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        # Without it an exporter drops the spans (OTLP specification, "Failures").
        details = dict(error.value.trailing_metadata())["grpc-status-details-bin"]
        info = RetryInfo()
        assert Status.FromString(details).details[0].Unpack(info)
        assert 900 < info.retry_delay.seconds <= 1_000
    # Without the limit it goes on.
    limit(auth, slug)
    assert send(key, 1).status_code == 200


def test_a_key_may_have_a_rate_of_its_own(auth):
    _, owner = new_tenant(auth)
    slow, fast = system_key(auth, owner, bytes_per_second=10), system_key(auth, owner)
    assert send(slow, 10).status_code == 200
    assert send(slow, 1).text == "over quota: the API key may send 10 bytes a second; send it again later"
    assert send(fast, 1).status_code == 200
    for rate in (0, -1, "many"):
        answer = owner.post("/v1/system/api_keys", {"data": {"name": "k", "spans_per_second": rate}})
        assert answer.status_code == 422, rate


def test_a_tenant_that_stores_too_much_sends_again_once_it_has_deleted(auth):
    slug, owner = new_tenant(auth)
    assert send(owner, 10).status_code == 200
    usage = owner.taken("GET", "/v1/usage")
    assert usage["stored_spans"] == 10 and usage["stored_bytes"] > 0 and not usage["storage_full"]
    assert usage["limits"] == {name: None for name in usage["limits"]}
    limit(auth, slug, stored_bytes=1)
    waiting.until(lambda: send(owner, 0).status_code == 200 and send(owner, 1).status_code == 429, "it is full", 30)
    assert "stored bytes" in send(owner, 1).text
    assert owner.taken("GET", "/v1/usage")["storage_full"] is True
    assert owner.get("/v1/projects/quota/spans").status_code == 200
    assert owner.delete("/v1/projects/quota").status_code == 204
    waiting.until(lambda: send(owner, 1).status_code == 200, "there is room again", 30)


def test_traces_beyond_the_retention_are_deleted(auth):
    slug, owner = new_tenant(auth)
    now = (datetime.now(timezone.utc) - timedelta(hours=1)).timestamp() - otlp.EPOCH_NANOS / 1e9
    old = now - timedelta(days=3).total_seconds()
    body = otlp.export(
        [otlp.span("old", start=old, end=old), otlp.span("new", start=now, end=now)], project="kept"
    ).SerializeToString()
    assert owner("POST", "/v1/traces", content=body, headers=PROTOBUF).status_code == 200
    limit(auth, slug, retention_days=2)

    def names() -> list[str]:
        return sorted(span["name"] for span in owner.taken("GET", "/v1/projects/kept/spans"))

    waiting.until(lambda: names() == ["new"], "the old trace is gone", 30)


@pytest.mark.parametrize("limits", [{"spans_per_second": 0}, {"stored_bytes": 2**64}, {"retention_days": -1}])
def test_limits_that_make_no_sense_are_named(auth, limits):
    slug, _ = new_tenant(auth)
    answer = deployment(auth)("PATCH", f"/platform/v1/tenants/{slug}", json={"limits": limits})
    assert answer.status_code == 422
