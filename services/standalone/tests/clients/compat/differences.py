"""Where Bennu answers differently on purpose. Each entry says why, and what Bennu promises instead."""

from collections.abc import Callable
from dataclasses import dataclass

from sides import Answer


@dataclass(frozen=True)
class Deliberate:
    reason: str
    promised: Callable[[Answer], bool]


def status(code: int) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == code


def span_names(*names: str) -> Callable[[Answer], bool]:
    return lambda answer: sorted(item["name"] for item in answer.body["data"]) == sorted(names)


DELIBERATE: dict[str, Deliberate] = {
    "unknown path": Deliberate("an unknown path is 404; the reference serves the page of its UI", status(404)),
    "head": Deliberate(
        "HEAD answers as GET would, without the body; the reference answers as the page of its UI",
        lambda answer: answer.status == 200 and answer.body == "empty",
    ),
    "name taken": Deliberate("a project name that is taken is 409; the reference fails with 500", status(409)),
    "corrupt compression": Deliberate(
        "a body that cannot be inflated is 400; the reference fails with 500", status(400)
    ),
    "otlp json": Deliberate("OTLP/JSON is accepted; the reference knows protobuf only", status(200)),
    "media type parameters": Deliberate("parameters of the media type are allowed, as HTTP has it", status(200)),
    "zstd": Deliberate("zstd bodies are accepted; the reference knows gzip and deflate", status(200)),
    "echo traces": Deliberate(
        "a repeated span changes nothing; on the reference it stretches its trace",
        lambda answer: (
            answer.body["data"][0]["start_time"].startswith("2026-01-02T03:04:05")
            and "2026-01-02T03:04:07+00:00" in {trace["end_time"] for trace in answer.body["data"]}
        ),
    ),
    "twins": Deliberate(
        "a span id is unique within its trace, as OTLP has it; the reference drops the second trace's span",
        span_names("twin", "other twin", "after the twins"),
    ),
    "twins traces": Deliberate(
        "a span id is unique within its trace, so both twins have their trace",
        lambda answer: len(answer.body["data"]) == 3,
    ),
    "bytes": Deliberate(
        "bytes are stored as base64; the reference drops the whole span", span_names("binary", "beside the binary")
    ),
    "bytes traces": Deliberate("the span with bytes has its trace", lambda answer: len(answer.body["data"]) == 2),
    "odd-kinds": Deliberate(
        "a span kind that is no text does not hide its neighbours; lists of the reference fail with 500",
        lambda answer: len(answer.body["data"]) == 5,
    ),
    "digits": Deliberate(
        "only 0 to 9 make a list index; the reference drops a span with a superscript digit and all that follow it",
        span_names("beside the digits", "digits of other scripts"),
    ),
    "digits traces": Deliberate("the span with odd digits has its trace", lambda answer: len(answer.body["data"]) == 2),
    "ids": Deliberate(
        "ids of a wrong length are rejected by partial_success; the reference stores what has any length",
        span_names("beside the odd ids"),
    ),
    "ids traces": Deliberate("rejected spans leave no trace", lambda answer: len(answer.body["data"]) == 1),
    "partial success": Deliberate(
        "rejected spans are named in the answer; the reference never says so",
        lambda answer: answer.status == 200 and answer.body == "content",
    ),
}
