"""Fills the golden vectors of this folder from a running reference server.

    python observe.py http://127.0.0.1:6006 [file.json ...]

Needs the packages `requests` and `opentelemetry-proto`. A vector file is a list of cases; a case is written by hand
as `name` and `attributes` (pairs of key and value, in order) and gets its observed fields from here:
  nested   the stored attributes, null if the span was dropped or cannot be rendered
  flat     as in GET .../spans, in output.json only
  otlp     as in GET .../spans/otlpv1, in output.json only
A case on which the project differs on purpose also has `differs` (why) and `ours` (our values of some of these fields).
Values are JSON; what JSON lacks is written {"$bytes": base64}, {"$double": "NaN"}, {"$unset": true}.
"""

import base64
import json
import pathlib
import secrets
import sys
import time

import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

PATIENCE_SECONDS = 60


def any_value(value):
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
        case {"$bytes": text}:
            return AnyValue(bytes_value=base64.b64decode(text))
        case {"$double": text}:
            return AnyValue(double_value=float(text))
        case {"$unset": _}:
            return AnyValue()
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=key_values(value.items())))
    raise ValueError(f"no notation for {value!r}")


def key_values(pairs):
    return [KeyValue(key=key, value=any_value(value)) for key, value in pairs]


def send(base, project, name, attributes):
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = secrets.token_bytes(16), secrets.token_bytes(8), name
    span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + 1
    span.attributes.extend(key_values(attributes))
    headers = {"content-type": "application/x-protobuf", "x-project-name": project}
    requests.post(f"{base}/v1/traces", data=request.SerializeToString(), headers=headers).raise_for_status()


def spans(base, project, path):
    """The spans of a project; none if it is unknown, or if the reference cannot render them."""
    answer = requests.get(f"{base}/v1/projects/{project}/{path}")
    if answer.status_code in (404, 500):
        return []
    answer.raise_for_status()
    return answer.json()["data"]


def in_order(value):
    """The reference gives members in no particular order."""
    match value:
        case dict():
            return {key: in_order(value[key]) for key in sorted(value)}
        case list():
            return [in_order(item) for item in value]
    return value


def nested(base, span):
    query = "query($id: ID!) { node(id: $id) { ... on Span { attributes } } }"
    body = {"query": query, "variables": {"id": span["id"]}}
    answer = requests.post(f"{base}/graphql", json=body).json()
    return in_order(json.loads(answer["data"]["node"]["attributes"]))


def await_last(base, project):
    """Spans are stored in the order received, so the last one stands for all."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not spans(base, project, "spans"):
        if time.monotonic() > deadline:
            raise SystemExit(f"the last span was not visible within {PATIENCE_SECONDS} s")
        time.sleep(0.2)


def observe(base, cases, with_output):
    """Each case has a project of its own: one span that cannot be rendered spoils the list it is in."""
    run = f"attrs-{secrets.token_hex(4)}"
    projects = [f"{run}-{number}" for number in range(len(cases) + 1)]
    for project, case in zip(projects, cases):
        send(base, project, case["name"], case["attributes"])
    send(base, projects[-1], "last", [])
    await_last(base, projects[-1])
    for project, case in zip(projects, cases):
        stored = spans(base, project, "spans")
        case["nested"] = nested(base, stored[0]) if stored else None
        if with_output:
            rendered = spans(base, project, "spans/otlpv1")
            case["flat"] = in_order(stored[0]["attributes"]) if stored else None
            case["otlp"] = sorted(rendered[0]["attributes"], key=lambda pair: pair["key"]) if rendered else None
    for project in projects:
        requests.delete(f"{base}/v1/projects/{project}")


def text(cases):
    """One line per field, so that a change of one answer is a change of one line."""
    blocks = []
    for case in cases:
        lines = (f"  {json.dumps(field)}: {json.dumps(value, ensure_ascii=False)}" for field, value in case.items())
        blocks.append("{\n" + ",\n".join(lines) + "\n}")
    return "[\n" + ",\n".join(blocks) + "\n]\n"


def main():
    base, *names = sys.argv[1:]
    here = pathlib.Path(__file__).parent
    for path in map(pathlib.Path, names) if names else sorted(here.glob("*.json")):
        cases = json.loads(path.read_text())
        observe(base.rstrip("/"), cases, with_output=path.name == "output.json")
        path.write_text(text(cases))
        print(f"{path.name}: {len(cases)} cases")


if __name__ == "__main__":
    main()
