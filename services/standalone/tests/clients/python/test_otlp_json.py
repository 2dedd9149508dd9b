"""OTLP/JSON, which the reference refuses: every spelling the protocol allows, and what is wrong with it."""

import gzip
import json

import pytest

import otlp

pytestmark = pytest.mark.bennu


@pytest.fixture
def post(http):
    def send(content: bytes | str | dict, **headers):
        content = json.dumps(content) if isinstance(content, dict) else content
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return http.post("/v1/traces", content=content, headers=otlp.JSON | named)

    return send


@pytest.fixture
def stored(client, project):
    return lambda: {span["name"]: span for span in client.spans.get_spans(project_identifier=project, limit=1000)}


def request(project: str, *spans: dict) -> dict:
    attributes = [{"key": "openinference.project.name", "value": {"stringValue": project}}]
    return {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": list(spans)}]}]}


def span(name: str, **more) -> dict:
    return {
        "traceId": otlp.new_trace_id(),
        "spanId": otlp.new_span_id(),
        "name": name,
        "startTimeUnixNano": str(otlp.EPOCH_NANOS),
        "endTimeUnixNano": str(otlp.EPOCH_NANOS + 1_000_000_000),
    } | more


def attribute(key: str, **value) -> dict:
    return {"key": key, "value": value}


def assert_accepted(reply):
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.json() == {} or reply.json() == {"partialSuccess": {}}


def assert_rejects(reply, spans: int):
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("application/json")
    partial = reply.json()["partialSuccess"]
    assert int(partial["rejectedSpans"]) == spans
    assert partial["errorMessage"]


def test_the_same_span_as_json_and_as_protobuf(http, post, client, project):
    """Both come back alike."""
    described = dict(
        kind="LLM",
        status="ERROR",
        message="no",
        pairs={"text": "Grüße 🌍", "n": 42, "f": 0.5, "t": True, "l": [1, "a"], "o": {"a": 1}, "raw": b"\x00\xff"},
        events=[otlp.event("exception", 0.5, exception__message="m")],
    )
    as_json, as_protobuf = otlp.span("twin", **described), otlp.span("twin", **described)
    assert_accepted(post(otlp.as_json(otlp.export([as_json], project))))
    body = otlp.export([as_protobuf], project).SerializeToString()
    http.post("/v1/traces", content=body, headers=otlp.PROTOBUF).raise_for_status()
    twins = client.spans.get_spans(project_identifier=project)
    assert len(twins) == 2
    assert {twin["context"]["span_id"] for twin in twins} == {otlp.hex_id(as_json), otlp.hex_id(as_protobuf)}
    first, second = ({key: value for key, value in twin.items() if key not in ("id", "context")} for twin in twins)
    assert first == second


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_spellings_of_the_content_type(post, project, stored, content_type):
    assert_accepted(post(request(project, span("here")), content_type=content_type))
    assert set(stored()) == {"here"}


def test_gzip(post, project, stored):
    body = gzip.compress(json.dumps(request(project, span("packed"))).encode())
    assert_accepted(post(body, content_encoding="gzip"))
    assert set(stored()) == {"packed"}


def test_integers_are_text_or_numbers(post, project, stored):
    described = span(
        "numbers",
        startTimeUnixNano=otlp.EPOCH_NANOS,
        attributes=[attribute("text", intValue="42"), attribute("number", intValue=43)],
    )
    assert_accepted(post(request(project, described)))
    found = stored()["numbers"]
    assert found["attributes"] == {"text": 42, "number": 43}
    assert found["start_time"] == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize("code", [2, "STATUS_CODE_ERROR"], ids=str)
@pytest.mark.parametrize("kind", [3, "SPAN_KIND_CLIENT"], ids=str)
def test_enums_are_names_or_numbers(post, project, stored, kind, code):
    assert_accepted(post(request(project, span("enums", kind=kind, status={"code": code, "message": "m"}))))
    found = stored()["enums"]
    assert (found["status_code"], found["status_message"]) == ("ERROR", "m")


def test_ids_are_hex_in_either_case(post, project, stored):
    trace_id = "AbCdEf" + otlp.new_trace_id()[6:]
    described = span("cased", traceId=trace_id, parentSpanId=otlp.new_span_id().upper())
    assert_accepted(post(request(project, described)))
    found = stored()["cased"]
    assert found["context"]["trace_id"] == trace_id.lower()
    assert found["parent_id"] == described["parentSpanId"].lower()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_finite(post, project, stored, number):
    odd = span("odd", attributes=[attribute("n", doubleValue=number), attribute("kept", intValue=1)])
    assert_accepted(post(request(project, odd, span("beside"))))
    assert set(stored()) == {"odd", "beside"}
    assert stored()["odd"]["attributes"]["kept"] == 1


def test_unknown_fields_and_nulls_are_skipped(post, project, stored):
    odd = span("odd", later="added", attributes=None, events=None, status=None, links=[], parentSpanId="")
    assert_accepted(post(request(project, odd) | {"also": {"later": []}}))
    assert set(stored()) == {"odd"}


def test_an_empty_request_is_fine(post):
    assert_accepted(post({}))
    assert_accepted(post({"resourceSpans": []}))


@pytest.mark.parametrize(
    "bad",
    [
        {"traceId": ""},
        {"spanId": ""},
        {"traceId": "abcd"},
        {"spanId": "abcd"},
        {"traceId": "zz" * 16},
        {"spanId": "AAAAAAAAAAA="},
    ],
    ids=str,
)
def test_a_bad_id_rejects_its_span_alone(post, project, stored, bad):
    assert_rejects(post(request(project, span("before"), span("bad", **bad), span("after"))), 1)
    assert set(stored()) == {"before", "after"}


def test_a_lone_surrogate_harms_nobody(post, project, client):
    """`\\ud800` is half a character: the name may be mended or the span rejected, its neighbour stays."""
    odd = span("odd")
    body = json.dumps(request(project, odd, span("beside"))).replace('"odd"', '"half \\ud800 name"')
    reply = post(body)
    assert reply.status_code == 200
    names = {found["context"]["span_id"]: found["name"] for found in client.spans.get_spans(project_identifier=project)}
    assert "beside" in names.values()
    if "partialSuccess" in reply.json() and reply.json()["partialSuccess"].get("rejectedSpans"):
        assert_rejects(reply, 1)
    else:
        assert names[odd["spanId"]].startswith("half ")


@pytest.mark.parametrize("depth", [500, 100_000])
def test_deep_nesting_rejects_its_span_alone(post, http, project, stored, depth):
    value = '{"arrayValue":{"values":[' * depth + '{"intValue":"1"}' + "]}}" * depth
    body = json.dumps(request(project, span("deep", attributes=[{"key": "k", "value": "DEEP"}]), span("beside")))
    reply = post(body.replace('"DEEP"', value))
    assert_rejects(reply, 1)
    assert set(stored()) == {"beside"}
    assert http.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut"),
        pytest.param("[]", id="list"),
        pytest.param('"text"', id="text"),
        pytest.param("5", id="number"),
        pytest.param('{"resourceSpans": 5}', id="wrong type"),
        pytest.param('{"resourceSpans": [{"scopeSpans": {}}]}', id="wrong type below"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param(b"\xff\xfe", id="not utf-8"),
    ],
)
def test_malformed_json_is_422(post, content):
    reply = post(content)
    assert reply.status_code == 422
    assert reply.text.strip()
