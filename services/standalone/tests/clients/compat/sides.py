"""Asks one server and writes its answer in words that do not depend on row ids."""

import base64
import binascii
import gzip
import json
import re
import time
import zlib
from dataclasses import dataclass, field
from urllib.parse import quote

import grpc
import httpx
from tables import tables

import otlp

# Sixty insert rounds of the reference, which answers before it stores.
STORED_SECONDS = 30
# Longer than any walk of the corpus with one item a page; a cursor that does not advance ends here.
MOST_PAGES = 600
COMPARED_HEADERS = ("content-type", "x-phoenix-server-version", "x-colab-notebook-cache-control")
REFERENCE_TO = re.compile(r"«(\w+):([^»]+)»")


@dataclass(frozen=True)
class Probe:
    """One request to both servers; `«Type:key»` in path, query or body stands for that side's global id."""

    endpoint: str
    method: str
    path: str
    query: tuple = ()
    body: object = None
    content: bytes | None = None
    headers: dict = field(default_factory=dict)
    # Follow `next_cursor` to the end and compare all pages.
    walk: bool = False
    # Take the cursor that this other query of the same path gave.
    cursor_of: tuple | None = None
    # Look at these items of the list only: the reference may hold projects of others.
    only: str | None = None
    # Key of the table in `differences.py`.
    deliberate: str | None = None
    # A span (project, id) that the next question waits for.
    witness: tuple | None = None
    # What the request is about, where its ids do not tell.
    title: str = ""

    def __str__(self) -> str:
        query = "&".join(f"{key}={value}" for key, value in self.query)
        body = "" if self.body is None else " " + json.dumps(self.body, ensure_ascii=False)
        title = f"[{self.title}] " if self.title else ""
        return (
            f"{title}{self.method} {self.path}{'?' if query else ''}{query}{body}{' (all pages)' if self.walk else ''}"
        )


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    # JSON in comparable form, else whether there is any content: texts are each server's own words.
    body: object


class Side:
    def __init__(self, url: str, grpc_target: str, visible_at_once: bool):
        self.http = httpx.Client(
            base_url=url,
            timeout=60,
            headers={"accept-encoding": "identity"},
            # The reference closes a connection after a 500, and a kept one would race with that.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.channel = grpc.insecure_channel(grpc_target)
        self.visible_at_once = visible_at_once
        self.ids: dict[str, str] = {}
        self.keys: dict[str, str] = {}

    def send(self, batch) -> Answer:
        body = batch.request.SerializeToString()
        if batch.transport == "grpc":
            self.channel.unary_unary(otlp.EXPORT)(body, timeout=60)
            return Answer(200, {}, None)
        headers = otlp.PROTOBUF | batch.headers
        if batch.encoding:
            body = {"gzip": gzip.compress, "deflate": zlib.compress}[batch.encoding](body)
            headers = headers | {"content-encoding": batch.encoding}
        return self.read(self.http.post("/v1/traces", content=body, headers=headers))

    def stores(self, witness: tuple[str, str]) -> bool:
        """Whether the span can be read: now, or in the reference's own time."""
        project, span_id = witness
        deadline = time.monotonic() + (0 if self.visible_at_once else STORED_SECONDS)
        while True:
            reply = self.http.get(quoted(f"/v1/projects/{project}/spans"), params={"span_id": span_id})
            if reply.status_code == 200 and reply.json()["data"]:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)

    def ask(self, probe: Probe) -> Answer:
        query = [(key, self.resolved(value)) for key, value in probe.query]
        if probe.cursor_of is not None:
            first = self.request(probe, [(key, self.resolved(value)) for key, value in probe.cursor_of])
            query.append(("cursor", first.json()["next_cursor"]))
        if not probe.walk:
            return self.read(self.request(probe, query), probe.only)
        pages, cursor = [], None
        while len(pages) < MOST_PAGES:
            reply = self.request(probe, query if cursor is None else [*query, ("cursor", cursor)])
            pages.append(self.read(reply, probe.only))
            cursor = reply.json()["next_cursor"] if reply.status_code == 200 else None
            if cursor is None:
                break
        statuses = {page.status for page in pages}
        return Answer(max(statuses), pages[0].headers, [page.body for page in pages])

    def request(self, probe: Probe, query: list) -> httpx.Response:
        body = None if probe.body is None else json.loads(self.resolved(json.dumps(probe.body)))
        return self.http.request(
            probe.method,
            quoted(self.resolved(probe.path)),
            params=query,
            json=body,
            content=probe.content,
            headers=probe.headers,
        )

    def resolved(self, value):
        if not isinstance(value, str):
            return value
        return REFERENCE_TO.sub(lambda found: self.ids.get(found[0][1:-1], "unknown-" + found[2]), value)

    def read(self, reply: httpx.Response, only: str | None = None) -> Answer:
        headers = {name: reply.headers.get(name) for name in COMPARED_HEADERS}
        if not reply.content and reply.status_code == 204:
            # An empty answer has no type worth comparing.
            headers["content-type"] = None
        frames = tables(reply) if reply.status_code == 200 else None
        if frames is not None:
            headers["content-type"] = headers["content-type"].partition(";")[0]
            return Answer(200, headers, frames)
        json_body = (headers["content-type"] or "").startswith("application/json") and reply.content
        if not json_body:
            return Answer(reply.status_code, headers, refusal(reply) or ("content" if reply.content else "empty"))
        body = reply.json()
        if reply.status_code == 422:
            return Answer(422, headers, validation(body))
        if only is not None and "data" in body:
            body["data"] = [item for item in body["data"] if only in item["name"]]
        self.learn(body)
        return Answer(reply.status_code, headers, self.normalised(body))

    def learn(self, node, trace_id: str = "") -> None:
        """Remembers which global id belongs to which project, trace, span and session."""
        if isinstance(node, list):
            for item in node:
                self.learn(item, trace_id)
        if not isinstance(node, dict):
            return
        trace_id = node.get("trace_id", trace_id)
        key = natural_key(node, trace_id)
        if key is not None:
            self.ids[key] = node["id"]
            self.keys[node["id"]] = key
        for name in ("data", "spans", "traces"):
            self.learn(node.get(name), trace_id)

    def normalised(self, node, name: str = ""):
        if isinstance(node, dict):
            return {key: self.normalised(value, key) for key, value in node.items()}
        if isinstance(node, list):
            items = [self.normalised(item) for item in node]
            return by_key(items) if all(is_pair(item) for item in items) else items
        if isinstance(node, str) and name in ("id", "project_id", "destination_project_id"):
            return self.keys.get(node, f"{type_of_global_id(node)}:?")
        if name in ("created_at", "updated_at"):
            return "a time"
        if name == "identifier" and MADE_UP.match(node):
            return "made up"
        if name.endswith("_unix_nano"):
            # The reference computes them as doubles, up to 512 ns off; stored are whole microseconds.
            return round(node, -3)
        if name == "next_cursor":
            return None if node is None else "more"
        return node


# Notes without an identifier get a random one.
MADE_UP = re.compile(r"px-(span|trace|session)-note:[0-9a-f-]{36}$")


def natural_key(node: dict, trace_id: str) -> str | None:
    if "id" not in node or "annotator_kind" in node or "optimization_direction" in node:
        return None
    if "context" in node:
        return f"Span:{node['context']['trace_id']}/{node['context']['span_id']}"
    if "span_id" in node:
        return f"Span:{trace_id}/{node['span_id']}"
    if "session_id" in node:
        return f"ProjectSession:{node['session_id']}"
    if "trace_id" in node:
        return f"Trace:{node['trace_id']}"
    return f"Project:{node['name']}" if "name" in node else None


def validation(body):
    """What clients can rely on in a validation error; the wording, `ctx.error` included, is each server's own."""
    return [
        {part: problem.get(part) for part in ("type", "loc", "input")}
        | {"ctx": {name: value for name, value in problem.get("ctx", {}).items() if name != "error"}}
        for problem in body.get("detail", [])
    ]


def refusal(reply: httpx.Response):
    """The text in which spans given as JSON are refused is read by clients: its wording apart, it is compared."""
    if reply.status_code != 400 or not reply.text.startswith("{"):
        return None
    body = reply.json()
    body.pop("error", None)
    return body


def type_of_global_id(text: str) -> str:
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "not a global id"
    return decoded.partition(":")[0]


def is_pair(item) -> bool:
    return isinstance(item, dict) and set(item) == {"key", "value"}


def by_key(pairs: list[dict]) -> list[dict]:
    """In order of their keys. Of equal ones the last stays, as in the dictionary a client makes of them: OTLP wants
    keys to be unique, but the reference repeats one that stands both nested and dotted."""
    unique = {pair["key"]: pair for pair in pairs}
    return [unique[key] for key in sorted(unique)]


def quoted(path: str) -> str:
    """Percent-encodes what the clients percent-encode, slashes inside a name excepted."""
    return quote(path, safe="/=")
