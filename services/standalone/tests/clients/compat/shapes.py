"""Named spans, one per rule of attribute shaping, events, status and time."""

import json

import otlp

MANY_MESSAGES = {
    f"llm.input_messages.{index}.message.{key}": value
    for index in range(12)
    for key, value in {"role": "user", "content": f"message {index}"}.items()
}

ATTRIBUTES: dict[str, object] = {
    "no attributes": {},
    "scalars": {"text": "blue", "yes": True, "no": False, "whole": 42, "fraction": 0.25, "empty": ""},
    "numbers at the edge": {
        "largest": 2**63 - 1,
        "smallest": -(2**63),
        "beyond 2^53": 2**53 + 1,
        "tenth": 0.1,
        "huge": 1e300,
        "tiny": 5e-324,
        "whole fraction": 7.0,
        "negative zero": -0.0,
        "large whole fraction": 1e16,
    },
    "NUL": {"a\0b": "x\0y", "list": ["\0"]},
    "arrays": {"text": ["a", "b"], "whole": [1, 2], "mixed": [1, "a", True, 0.5], "empty": [], "nested": [[1], [2, 3]]},
    "arrays with nulls": {"nulls": [None, 1, None], "only nulls": [None]},
    "objects": {"o": {"a": {"b": 1}, "c": [1, 2]}, "empty object": {}, "dotted": {"x.y": 1, "0": "zero"}},
    "lists of objects": {"l": [{"a": 1}, {"b": {"c": 2}}], "some objects": [1, {"a": 1}, "x"]},
    "null values": {"gone": None, "kept": 1, "o": {"gone": None, "kept": 2}},
    "empty key": {"": "nothing", "kept": 1},
    "dots and blanks": {"a..b": 1, " c . d ": 2, ".e": 3, "f.": 4, "...": 5, "g. .h": 7},
    "digits at the end": {"tags.0": "x", "tags.1": "y"},
    "digits in the middle": {"m.0.x": 1, "m.1.x": 2, "m.1.y.0.z": 3},
    "gaps are packed": {"m.0.x": 1, "m.5.x": 2, "n.3.x": "only"},
    "leading zeros": {"m.00.x": 1, "m.01.x": 2, "n.00": 3},
    "same index twice": {"m.0.x": 1, "m.00.y": 2},
    "more than ten": MANY_MESSAGES,
    "no indices": {"m.-1.x": 1, "m.1a.x": 2},
    "list and key": {"t.0.x": 1, "t.k": 2},
    "list and scalar position": {"a.0": 0, "a.0.b": 1, "a.1.b": 2},
    "digits at the top": {"0": "a", "1.x": "b", "2.0.x": "c"},
    "deep under a list": {"m.0.a.b.0.c": 1, "m.0.a.b.1.c": 2, "m.0.a.k": 3},
    "object and deeper key": {"a": {"b": 1}, "a.c": 2},
    "scalar and deeper key": {"a": 1, "a.b": 2, "a.b.c": 3},
    "deeper key and scalar": {"a.b.c": 3, "a.b": 2, "a": 1},
    "list value and deeper key": {"a": [1, 2], "a.0.b": 3},
    "same key twice": [("a", 1), ("a", 2), ("b.c", 1), ("b.c", "two")],
    "metadata object": {"metadata": json.dumps({"a": {"b": 1}, "c": [1, {"d": 2}], "e": None, "f.g": 3})},
    "metadata list": {"metadata": '[1, {"a": 2}, "x"]'},
    "metadata scalars": {"metadata": "5", "x.metadata": '"text"', "y.metadata": "true", "z.metadata": "1.50"},
    "metadata broken": {"metadata": "{broken", "x.metadata": "", "y.metadata": "plain"},
    "metadata null": {"metadata": "null", "kept": 1},
    "metadata not text": {"metadata": 5, "x.metadata": {"a": 1}, "y.metadata": ["{}"]},
    "metadata twice the same key": {"metadata": '{"a": 1, "a": 2}'},
    "metadata numbers": {"metadata": '{"largest": 9223372036854775807, "e": 1e3, "zeros": 1.50, "neg": -0.0}'},
    "metadata and deeper key": {"metadata": '{"a": 1}', "metadata.b": 2},
    "suffixes that parse": {
        "foo.metadata": '{"a": 1}',
        "mymetadata": '{"b": 2}',
        "llm.prompt_template.variables": '{"name": "x"}',
        "tool.parameters": '{"p": [1, 2]}',
        "retrieval.documents.0.document.metadata": '{"source": "s"}',
    },
    "texts that stay": {
        "llm.invocation_parameters": '{"temperature": 0}',
        "input.value": '{"q": 1}',
        "output.value": "[1]",
        "tool.json_schema": "{}",
        "metadata.x": "{}",
    },
    "input not text": {"input.value": 5},
    "input object": {"input.value": {"a": [1, "é"], "b": None}, "input.mime_type": "text/plain"},
    "input list": {"input.value": ["a", 1, 0.5, True]},
    "input true": {"input.value": True},
    "input as a deeper key": {"input.value.b.c": 2},
    "output not text": {"output.value": {"a": 1}, "output.mime_type": "text/plain"},
    "document lists": {
        "retrieval.documents.0.document.content": "first",
        "retrieval.documents.0.document.score": 0.9,
        "retrieval.documents.1.document.id": "d1",
    },
    "tool calls": {
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"x": 1}',
        "llm.output_messages.0.message.contents.0.message_content.type": "text",
        "llm.output_messages.0.message.contents.0.message_content.text": "hi",
    },
    "unicode": {
        "ключ": "значение",
        "k.日本.x": "世界",
        "emoji 🌍": "👩‍👩‍👧",
        "rtl": "שלום",
        "control": "a\tb\nc\u0001d\u007f",
    },
    "long text": {"short": "x" * 256, "cut": "y" * 257, "long": "z" * 20_000, "wide": "ü" * 300},
    "many keys": {f"key.{number}.value": number for number in range(300)},
    "user and session": {"user.id": "u1", "llm.model_name": "gpt-4o", "exception.message": "not an event"},
}

# Spans that Bennu shows otherwise on purpose: list of `differences.py` to its spans.
ODD_ATTRIBUTES: dict[str, dict[str, dict]] = {
    "not-finite": {"doubles": {"n": float("nan"), "list": [float("inf"), 1.0], "o": {"n": float("-inf")}}},
    "metadata-not-finite": {"metadata": {"metadata": '{"n": NaN, "i": [-Infinity, 1]}'}},
    "metadata-odd-numbers": {"metadata": {"metadata": '{"big": 12345678901234567890, "neg": -0}'}},
    "empty-segments": {
        "beside a value": {"x": 1, ".x.y": "kept"},
        "beside an object": {"1.2.a": 1, ".1.b": "kept too"},
        "at the end": {"z..": "last"},
    },
}

# Token counts are text, fractions and nonsense in real traffic; only LLM spans have them summed.
TOKENS: dict[str, dict] = {
    "whole": {"prompt": 12, "completion": 5, "total": 17},
    "text": {"prompt": "12", "completion": " 5 ", "total": "1_0"},
    "fraction": {"prompt": 7.0, "completion": 7.9},
    "nonsense": {"prompt": "many", "completion": "7.5", "total": [1]},
    "booleans": {"prompt": True, "completion": False},
    "negative": {"prompt": -3, "completion": 0},
    "details": {"prompt": 10, "prompt_details.cache_read": 4, "completion_details.reasoning": "3"},
}

KINDS = [
    *["TOOL", "CHAIN", "LLM", "PROMPT", "RETRIEVER", "EMBEDDING", "AGENT", "RERANKER", "EVALUATOR", "GUARDRAIL"],
    *["DECISION", "UNKNOWN", "llm", "Agent", "FOO", "", " LLM"],
]
# A span with one of these breaks every list of the reference that it is in.
KINDS_THAT_ARE_NO_TEXT = [5, True, ["LLM"], {"a": 1}]

EVENTS: dict[str, list] = {
    "plain": [otlp.event("token", 0.5, index=1)],
    "dotted and nested": [otlp.event("e", 0.5, a__b=1, a__0__c=2, o={"x": {"y": 1}}, l=[1, "a"])],
    "exception": [
        otlp.event(
            "exception",
            0.5,
            exception__type="E",
            exception__message="m",
            exception__stacktrace="s",
            exception__escaped="False",
        )
    ],
    "exception, escaped as bool": [otlp.event("exception", 0.5, exception__message="m", exception__escaped=True)],
    "exception, escaped as text": [otlp.event("exception", 0.5, exception__message="m", exception__escaped="true")],
    "exception without attributes": [otlp.event("exception", 0.5)],
    "exception with extras": [otlp.event("exception", 0.5, exception__message="m", extra=1, exception__extra="x")],
    "exception, odd types": [otlp.event("exception", 0.5, exception__type=5, exception__message=7)],
    "several in order": [otlp.event("b", 0.9), otlp.event("a", 0.1), otlp.event("b", 0.5, n=1)],
    "no name": [otlp.event("", 0.5)],
    "null and empty": [otlp.event("e", 0.5, gone=None, empty={}, nothing=[])],
}

STATUSES = {
    "ok": otlp.Status(code=1),
    "ok with message": otlp.Status(code=1, message="fine"),
    "error": otlp.Status(code=2),
    "error with message": otlp.Status(code=2, message="Grüße\n2nd line"),
    "unset with message": otlp.Status(message="odd"),
    "unknown code": otlp.Status(code=7, message="seven"),
}

# (start, end) in nanoseconds.
TIMES = {
    "whole second": (otlp.EPOCH_NANOS, otlp.EPOCH_NANOS + 1_000_000_000),
    "zero": (0, 0),
    "one nanosecond": (1, 2),
    "rounds up": (otlp.EPOCH_NANOS + 123_456_789, otlp.EPOCH_NANOS + 123_456_999),
    "rounds to even": (otlp.EPOCH_NANOS + 500, otlp.EPOCH_NANOS + 1_500),
    "milliseconds": (otlp.EPOCH_NANOS + 120_000_000, otlp.EPOCH_NANOS + 999_999_500),
    "ends before it starts": (otlp.EPOCH_NANOS + 2_000_000_000, otlp.EPOCH_NANOS),
    "no end": (otlp.EPOCH_NANOS, 0),
    "long ago": (86_400_000_000_000, 86_400_000_001_000),
    "year 2262": (9_223_372_036_000_000_000, 9_223_372_036_854_775_807),
}
