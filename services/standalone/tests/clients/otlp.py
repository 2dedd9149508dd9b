"""Builds OTLP spans and export requests, as protobuf and as OTLP/JSON."""

import base64
import secrets

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    # Read by the tests from here, as the rest of the protocol.
    ExportTraceServiceResponse as ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
# 2026-01-02T03:04:05Z, so that tests state times as offsets in seconds.
EPOCH_NANOS = 1_767_323_045_000_000_000


def new_trace_id() -> str:
    return secrets.token_hex(16)


def new_span_id() -> str:
    return secrets.token_hex(8)


def any_value(value) -> AnyValue:
    match value:
        case AnyValue():
            return value
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=attributes(value)))
    raise TypeError(f"no AnyValue for {type(value)}")


def attributes(pairs) -> list[KeyValue]:
    """From a dict, or from a list of pairs where a key may repeat."""
    items = pairs.items() if isinstance(pairs, dict) else pairs
    return [KeyValue(key=key, value=any_value(value)) for key, value in items]


def event(name: str, at: float = 0.0, **pairs) -> Span.Event:
    """Attribute names are given with `__` for the dot."""
    dotted = {key.replace("__", "."): value for key, value in pairs.items()}
    return Span.Event(name=name, time_unix_nano=nanos(at), attributes=attributes(dotted))


def nanos(seconds: float) -> int:
    return EPOCH_NANOS + round(seconds * 1_000_000) * 1_000


def span(
    name: str = "step",
    *,
    trace: str | None = None,
    id: str | None = None,
    parent: str | None = None,
    start: float = 0.0,
    end: float = 1.0,
    kind: str | None = None,
    status: str | None = None,
    message: str = "",
    pairs=(),
    events: list[Span.Event] = (),
) -> Span:
    """A span; times are seconds after 2026-01-02T03:04:05Z, ids are hex and random when not given."""
    own = list(pairs.items() if isinstance(pairs, dict) else pairs)
    if kind is not None:
        own.append(("openinference.span.kind", kind))
    codes = {None: 0, "OK": 1, "ERROR": 2}
    return Span(
        trace_id=bytes.fromhex(trace if trace is not None else new_trace_id()),
        span_id=bytes.fromhex(id if id is not None else new_span_id()),
        parent_span_id=bytes.fromhex(parent or ""),
        name=name,
        start_time_unix_nano=nanos(start),
        end_time_unix_nano=nanos(end),
        status=Status(code=codes[status], message=message),
        attributes=attributes(own),
        events=events,
    )


def export(spans: list[Span], project: str | None = None, resource: dict | None = None) -> ExportTraceServiceRequest:
    described = dict(resource or {})
    if project is not None:
        described["openinference.project.name"] = project
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(resource=Resource(attributes=attributes(described)), scope_spans=[ScopeSpans(spans=spans)])
        ]
    )


def as_json(request: ExportTraceServiceRequest) -> dict:
    """OTLP/JSON: camelCase, 64-bit integers as text, enums as numbers, ids as hex instead of protobuf's base64."""
    return hex_ids(MessageToDict(request, use_integers_for_enums=True))


def hex_ids(node):
    if isinstance(node, list):
        return [hex_ids(item) for item in node]
    if not isinstance(node, dict):
        return node
    ids = ("traceId", "spanId", "parentSpanId")
    return {key: base64.b64decode(value).hex() if key in ids else hex_ids(value) for key, value in node.items()}


def hex_trace(span: Span) -> str:
    return span.trace_id.hex()


def hex_id(span: Span) -> str:
    return span.span_id.hex()
