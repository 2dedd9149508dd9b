"""The questions that change something, in order; and what is left after each."""

import gzip
import zlib
from collections.abc import Iterator

import zstandard
from corpus import Corpus
from sides import Probe

import otlp


def writes(corpus: Corpus) -> Iterator[Probe]:
    yield from project_changes(corpus)
    yield from exports(corpus)
    yield from span_deletes(corpus)
    yield from trace_deletes(corpus)
    yield from session_deletes(corpus)
    yield from project_deletes(corpus)


def project_changes(corpus: Corpus) -> Iterator[Probe]:
    made, label = f"compat-{corpus.tag}-made", "POST project"
    for body in (
        {"name": made, "description": "first"},
        {"name": made + " bare"},
        {"name": made + " null", "description": None, "unknown": 1},
        {"name": made + " Ünïcode 世界"},
        {"name": made + "/with slash"},
        {"name": ""},
        {"name": None},
        {"name": 5},
        {"description": "no name"},
        {"name": made + " odd", "description": 5},
        [],
        "text",
        None,
    ):
        yield Probe(label, "POST", "/v1/projects", body=body)
    yield Probe(label, "POST", "/v1/projects", body={"name": made}, deliberate="name taken")
    yield Probe(label, "POST", "/v1/projects", content=b"{broken", headers={"content-type": "application/json"})
    yield Probe(label, "POST", "/v1/projects", content=b"", headers={"content-type": "application/json"})
    yield Probe(label, "POST", "/v1/projects", content=b'{"name": "x"}')
    yield Probe(label, "POST", "/v1/projects", content=b'{"name": "x"}', headers={"content-type": "text/plain"})
    for at in (made, f"«Project:{made}»", "nobody made this", "UHJvamVjdDo5OTk5OTk5"):
        for body in (
            {"description": f"by {len(at)}"},
            {"description": None},
            {},
            {"description": 5},
            {"name": "other"},
        ):
            yield Probe("PUT project", "PUT", f"/v1/projects/{at}", body=body)
        yield Probe("GET project by name", "GET", f"/v1/projects/{made}")
    yield Probe("GET projects", "GET", "/v1/projects", (("name_contains", made),), walk=True)


def exports(corpus: Corpus) -> Iterator[Probe]:
    """Requests that store nothing, or nothing that other questions see."""
    label, path = "POST /v1/traces", "/v1/traces"
    empty = otlp.PROTOBUF
    yield Probe(label, "POST", path, content=b"", headers=empty)
    yield Probe(label, "POST", path, content=b"not protobuf", headers=empty)
    yield Probe(label, "POST", path, content=b"\x0a\xff\xff", headers=empty)
    for name in ("text/plain", "application/octet-stream", "application/grpc", ""):
        yield Probe(label, "POST", path, content=b"", headers={"content-type": name})
    yield Probe(label, "POST", path, content=b"{}", headers=otlp.JSON, deliberate="otlp json")
    parameter = {"content-type": "application/x-protobuf; charset=utf-8"}
    yield Probe(label, "POST", path, content=b"", headers=parameter, deliberate="media type parameters")
    for name in ("br", "snappy", "gzip, gzip"):
        yield Probe(label, "POST", path, content=b"", headers=empty | {"content-encoding": name})
    packed = {"gzip": gzip.compress(b""), "deflate": zlib.compress(b"")}
    for name, content in packed.items():
        encoded = empty | {"content-encoding": name}
        yield Probe(label, "POST", path, content=content, headers=encoded)
        yield Probe(
            label, "POST", path, content=content[:-3] + b"xyz", headers=encoded, deliberate="corrupt compression"
        )
        yield Probe(label, "POST", path, content=b"never packed", headers=encoded, deliberate="corrupt compression")
    zstd = empty | {"content-encoding": "zstd"}
    yield Probe(label, "POST", path, content=zstandard.compress(b""), headers=zstd, deliberate="zstd")


def left_over(corpus: Corpus, short: str = "doomed") -> Iterator[Probe]:
    at, everything = f"/v1/projects/{corpus.project(short)}", (("limit", 1000),)
    for path in ("spans", "traces", "sessions"):
        yield Probe("what a delete leaves", "GET", f"{at}/{path}", everything)


def span_deletes(corpus: Corpus) -> Iterator[Probe]:
    label = "DELETE span"
    ids = {number: corpus.named[f"doomed child {number}"] for number in range(3)}
    by_hex = otlp.hex_id(ids[0])
    by_id = f"«Span:{otlp.hex_trace(ids[1])}/{otlp.hex_id(ids[1])}»"
    root, child = corpus.named["doomed 2"], ids[2]
    for identifier in (by_hex, by_hex, by_id, otlp.hex_id(root), otlp.hex_id(child)):
        yield Probe(label, "DELETE", f"/v1/spans/{identifier}")
        yield from left_over(corpus)
    for identifier in ("nonsense", "U3Bhbjo5OTk5OTk5", "VHJhY2U6MQ==", by_hex.upper()):
        yield Probe(label, "DELETE", f"/v1/spans/{identifier}")
    # The parent of an orphan goes first, then the tree is read again.
    yield Probe(label, "DELETE", f"/v1/spans/{otlp.hex_id(corpus.named['its parent'])}")
    yield from left_over(corpus, "late")


def trace_deletes(corpus: Corpus) -> Iterator[Probe]:
    label = "DELETE trace"
    by_hex, by_id = (otlp.hex_trace(corpus.named[f"doomed {number}"]) for number in (3, 4))
    for identifier in (by_hex, by_hex, f"«Trace:{by_id}»"):
        yield Probe(label, "DELETE", f"/v1/traces/{identifier}")
        yield from left_over(corpus)
    for identifier in ("nonsense", "VHJhY2U6OTk5OTk5OQ==", "U3Bhbjox", by_hex.upper()):
        yield Probe(label, "DELETE", f"/v1/traces/{identifier}")


def session_deletes(corpus: Corpus) -> Iterator[Probe]:
    names = [corpus.session(f"doomed {number}") for number in range(4)]
    label, bulk = "DELETE session", "POST sessions/delete"
    for identifier in (names[0], names[0], f"«ProjectSession:{names[1]}»"):
        yield Probe(label, "DELETE", f"/v1/sessions/{identifier}")
        yield from left_over(corpus)
    for identifier in ("nonsense", "UHJvamVjdFNlc3Npb246OTk5OTk5OQ==", "U3Bhbjox"):
        yield Probe(label, "DELETE", f"/v1/sessions/{identifier}")
    mixed = [names[2], f"«ProjectSession:{names[3]}»"]
    for chosen in (mixed, [], ["nobody"], [5], None, "text"):
        yield Probe(bulk, "POST", "/v1/sessions/delete", body={"session_identifiers": chosen})
    yield from left_over(corpus)
    for chosen in ([names[2], "nobody"], [f"«ProjectSession:{names[3]}»"]):
        yield Probe(bulk, "POST", "/v1/sessions/delete", body={"session_identifiers": chosen})
        yield from left_over(corpus)
    # A session that a guest of another project joined takes the guest's trace along.
    yield Probe(label, "DELETE", f"/v1/sessions/{corpus.session('talk')}")
    yield from left_over(corpus, "sessions")
    yield from left_over(corpus, "sessions-elsewhere")


def project_deletes(corpus: Corpus) -> Iterator[Probe]:
    label = "DELETE project"
    doomed, crowd = corpus.project("doomed-project"), corpus.project("crowd")
    for identifier in (doomed, doomed, f"«Project:{crowd}»", f"«Project:{crowd}»", "default", "nobody", "U3Bhbjox"):
        yield Probe(label, "DELETE", f"/v1/projects/{identifier}")
    for name in (doomed, crowd):
        yield Probe("GET project by name", "GET", f"/v1/projects/{name}")
        yield from (
            Probe("what a delete leaves", "GET", f"/v1/projects/{name}/{path}") for path in ("spans", "sessions")
        )
    for session in ("crowd 0", "crowd 1"):
        yield Probe("what a delete leaves", "GET", f"/v1/sessions/{corpus.session(session)}")
    yield Probe("GET projects", "GET", "/v1/projects", (("name_contains", corpus.tag),), walk=True)
