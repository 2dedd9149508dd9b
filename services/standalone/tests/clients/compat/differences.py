"""Where Bennu answers differently on purpose. Each entry says why, and what Bennu promises instead."""

import json
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


def shows(*texts: str) -> Callable[[Answer], bool]:
    """Each of these stands somewhere in the answer, as JSON writes it."""
    return lambda answer: answer.status == 200 and all(text in json.dumps(answer.body) for text in texts)


def selects(*names: str) -> Callable[[Answer], bool]:
    """The frame has some of these spans at least, and no other."""

    def promised(answer: Answer) -> bool:
        found = {row["name"] for row in answer.body[0]["rows"]}
        return bool(found) and all(name.startswith(names) for name in found)

    return promised


def column_type(column: str, of: str) -> Callable[[Answer], bool]:
    return lambda answer: answer.body[0]["fields"][column][0] == of


DELIBERATE: dict[str, Deliberate] = {
    "unknown path": Deliberate(
        "an unknown path is 404; the reference serves the page of its UI, or 405 to other methods than GET", status(404)
    ),
    "head": Deliberate(
        "HEAD answers as GET would, without the body; the reference answers as the page of its UI",
        lambda answer: answer.status == 200 and answer.body == "empty",
    ),
    "cursor of another list": Deliberate(
        "a cursor of another list is 422; the reference takes the number in it", status(422)
    ),
    "upper-case ids": Deliberate(
        "ids are found in either case, as OTLP/JSON has them; the reference compares text",
        lambda answer: answer.status == 200 and len(answer.body["data"]) > 0,
    ),
    "boolean and number": Deliberate(
        "a boolean does not equal a number; to the reference, true is 1", lambda answer: answer.body["data"] == []
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
        shows('"start_time": "2026-01-02T03:04:06+00:00", "end_time": "2026-01-02T03:04:07+00:00"'),
    ),
    "twins": Deliberate(
        "a span id is unique within its trace, as OTLP has it; the reference drops the second trace's span",
        span_names("twin", "other twin", "after the twins"),
    ),
    "bytes": Deliberate(
        "bytes are stored as base64; the reference drops the whole span", span_names("binary", "beside the binary")
    ),
    "bytes traces": Deliberate("the span with bytes has its trace", lambda answer: len(answer.body["data"]) == 2),
    "odd-kinds": Deliberate(
        "a span kind that is no text does not hide its neighbours; lists of the reference fail with 500",
        lambda answer: len(answer.body["data"]) == 5,
    ),
    "not-finite": Deliberate(
        "NaN and the infinities are shown as text; the reference shows null or nothing",
        shows('"NaN"', '"Infinity"', '"-Infinity"'),
    ),
    "metadata-not-finite": Deliberate(
        "text with NaN or Infinity is not JSON and stays text; the reference reads it and shows null or nothing",
        shows(json.dumps('{"n": NaN, "i": [-Infinity, 1]}')),
    ),
    "metadata-odd-numbers": Deliberate(
        "-0 stays negative; a whole number beyond 64 bits is a double in OTLP form, where the reference fails with 500",
        shows("2345678901234567", "-0.0"),
    ),
    "empty-segments": Deliberate(
        "empty segments of a key vanish; the reference keeps some, and loses values beside them",
        shows('"x.y"', '"1.b"', '"z"', '"kept"', '"kept too"', '"last"'),
    ),
    "odd-sessions sessions": Deliberate(
        "lists and objects name no session; the reference takes the text that Python shows for them",
        lambda answer: answer.body["data"] == [],
    ),
    "digits": Deliberate(
        "only 0 to 9 make a list index; the reference drops a span with a superscript digit and all that follow it",
        span_names("beside the digits", "digits of other scripts"),
    ),
    "digits traces": Deliberate("the span with odd digits has its trace", lambda answer: len(answer.body["data"]) == 2),
    "unfinished traces": Deliberate(
        "a span without an end counts with its start in the times of its trace; the reference lets the trace end in 1970",
        lambda answer: all(trace["end_time"] == trace["start_time"] for trace in answer.body["data"]),
    ),
    "nested below own keys": Deliberate(
        "objects below a key of the sender's own are nested; the reference keeps names of OpenInference dotted there",
        shows('"name": "weather"'),
    ),
    "ids": Deliberate(
        "ids of a wrong length are rejected by partial_success; the reference stores what has any length",
        span_names("beside the odd ids"),
    ),
    "ids traces": Deliberate("rejected spans leave no trace", lambda answer: len(answer.body["data"]) == 1),
    "span id of another trace": Deliberate(
        "span ids are unique within a trace, as OpenTelemetry has them; the reference refuses one that any trace has",
        status(202),
    ),
    "json before 1970": Deliberate(
        "a span that OTLP cannot express is refused by name; the reference takes times before 1970", status(400)
    ),
    "empty id": Deliberate("an empty id is refused by name; the reference takes one", status(400)),
    "partial success": Deliberate(
        "rejected spans are named in the answer; the reference never says so",
        lambda answer: answer.status == 200 and answer.body == "content",
    ),
    "boolean as text": Deliberate(
        "a boolean attribute read as text is true or false; the reference reads what its database makes of it, 1 or 0",
        selects("ask"),
    ),
    "whole part": Deliberate("int() takes the whole part; on the reference it changes nothing", selects("ask")),
    "remainder of fractions": Deliberate(
        "fractions have remainders, as in Python; the reference cuts both sides to whole numbers", selects("ask")
    ),
    "exact whole numbers": Deliberate(
        "whole numbers are compared exactly; the reference compares doubles", selects("ask", "retrieves")
    ),
    "sum of typed attributes": Deliberate(
        "the sum of two token counts is a number; the reference puts their digits side by side", selects("ask 5.0")
    ),
    "order against nothing": Deliberate("nothing is less than None: 422; the reference fails with 500", status(422)),
    "booleans selected": Deliberate(
        "a selected boolean is a boolean, as it is in the frame of everything; the reference gives 1 and 0",
        column_type("flag", "string"),
    ),
    "objects joined": Deliberate(
        "objects are joined as JSON; the reference shows them as Python does",
        lambda answer: '{"document": ' in answer.body[0]["rows"][0]["retrieval.documents"],
    ),
}
