"""`phoenix.otel.register()` sends over every transport, and the client reads what was sent."""

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression as HttpCompression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Status, StatusCode
from phoenix.otel import SimpleSpanProcessor, TracerProvider, register

ATTRIBUTES = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o",
    "llm.token_count.prompt": 12,
    "score": 0.5,
    "stream": True,
    "tags": ("a", "b"),
    "input.value": "Grüße, 世界 🌍",
}


def trace_a_question(provider) -> dict[str, str]:
    """Records a root and a child; the ids by span name."""
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("question") as root:
        with tracer.start_as_current_span("answer", attributes=ATTRIBUTES) as child:
            child.add_event("token", {"index": 1})
            child.set_status(Status(StatusCode.ERROR, "out of words"))
    assert provider.force_flush()
    provider.shutdown()
    return {
        "trace": format(root.get_span_context().trace_id, "032x"),
        "question": format(root.get_span_context().span_id, "016x"),
        "answer": format(child.get_span_context().span_id, "016x"),
    }


def assert_stored(client, eventually, project, ids):
    spans = eventually(lambda: client.spans.get_spans(project_identifier=project), until=lambda spans: len(spans) >= 2)
    by_name = {span["name"]: span for span in spans}
    assert set(by_name) == {"question", "answer"}
    assert {span["context"]["trace_id"] for span in spans} == {ids["trace"]}
    root, child = by_name["question"], by_name["answer"]
    assert (root["context"]["span_id"], root["parent_id"]) == (ids["question"], None)
    assert (child["context"]["span_id"], child["parent_id"]) == (ids["answer"], ids["question"])
    assert (root["span_kind"], child["span_kind"]) == ("UNKNOWN", "LLM")
    assert (child["status_code"], child["status_message"]) == ("ERROR", "out of words")
    assert child["attributes"] == {
        "llm.model_name": "gpt-4o",
        "llm.token_count.prompt": 12,
        "score": 0.5,
        "stream": True,
        "tags": ["a", "b"],
        "input.value": "Grüße, 世界 🌍",
    }
    [event] = child["events"]
    assert (event["name"], event["attributes"]) == ("token", {"index": 1})
    assert root["start_time"] <= child["start_time"] <= child["end_time"] <= root["end_time"]


@pytest.mark.parametrize("batch", [False, True], ids=["one-by-one", "batch"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"], ids=["http", "grpc"])
def test_registered_spans_come_back(server, client, eventually, project, protocol, batch):
    endpoint = server.url + "/v1/traces" if protocol == "http/protobuf" else "http://" + server.grpc
    provider = register(
        endpoint=endpoint,
        protocol=protocol,
        project_name=project,
        batch=batch,
        set_global_tracer_provider=False,
        verbose=False,
    )
    assert_stored(client, eventually, project, trace_a_question(provider))


def test_the_transport_is_guessed_from_the_endpoint(server, client, eventually, project):
    provider = register(
        endpoint=server.url + "/v1/traces", project_name=project, set_global_tracer_provider=False, verbose=False
    )
    assert_stored(client, eventually, project, trace_a_question(provider))


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_gzip_from_the_exporter(server, client, eventually, project, transport):
    if transport == "http":
        exporter = HttpExporter(endpoint=server.url + "/v1/traces", compression=HttpCompression.Gzip)
    else:
        exporter = GrpcExporter(endpoint=server.grpc, insecure=True, compression=grpc.Compression.Gzip)
    provider = TracerProvider(
        resource=Resource({"openinference.project.name": project}), endpoint=server.url + "/v1/traces", verbose=False
    )
    provider.add_span_processor(SimpleSpanProcessor(span_exporter=exporter))
    assert_stored(client, eventually, project, trace_a_question(provider))


def test_a_large_batch_is_stored_whole(server, client, eventually, project):
    provider = register(
        endpoint=server.url + "/v1/traces",
        project_name=project,
        batch=True,
        set_global_tracer_provider=False,
        verbose=False,
    )
    tracer = provider.get_tracer("test")
    for number in range(300):
        tracer.start_span(f"step {number}", attributes={"number": number}).end()
    assert provider.force_flush()
    provider.shutdown()
    spans = eventually(
        lambda: client.spans.get_spans(project_identifier=project, limit=1000),
        until=lambda spans: len(spans) >= 300,
    )
    assert sorted(span["attributes"]["number"] for span in spans) == list(range(300))
