"""What is sent to both servers: the same requests with the same ids, in the same order."""

import json
import random
from dataclasses import dataclass, field

import genai
import shapes

import otlp
from otlp import ExportTraceServiceRequest, Span


@dataclass(frozen=True)
class Batch:
    """One export request; `witness` is the (project, span id) whose appearance means that all of it is stored."""

    title: str
    request: ExportTraceServiceRequest
    witness: tuple[str, str]
    headers: dict = field(default_factory=dict)
    encoding: str | None = None
    transport: str = "http"


class Corpus:
    """Everything random comes from the tag, so that two servers see the same and two runs do not collide."""

    def __init__(self, tag: str):
        self.tag = tag
        self.random = random.Random(tag)
        self.named: dict[str, Span] = {}
        # Name of a span to the project it is read from.
        self.homes: dict[str, str] = {}
        self.batches: list[Batch] = []
        self.projects: list[str] = []
        # Projects whose answers differ on purpose, by their short name.
        self.peculiar: dict[str, str] = {}
        fills = (shaped, generated, conversations, families, crowded, late, routed, repeated, peculiar, doomed, asked)
        for fill in fills:
            fill(self)

    def project(self, name: str) -> str:
        full = f"compat-{self.tag}-{name}"
        if full not in self.projects:
            self.projects.append(full)
        return full

    def peculiar_project(self, name: str) -> str:
        return self.peculiar.setdefault(name, f"compat-{self.tag}-{name}")

    def session(self, name: str) -> str:
        return f"{self.tag} {name}"

    def new_id(self, size: int = 8) -> str:
        return self.random.randbytes(size).hex()

    def span(self, name: str, **described) -> Span:
        described.setdefault("trace", self.new_id(16))
        described.setdefault("id", self.new_id())
        made = otlp.span(name, **described)
        self.named[name] = made
        return made

    def send(self, title: str, spans: list[Span], project: str, **how) -> None:
        """Sends to the project by resource attribute; `seen_in` says where the spans appear when elsewhere."""
        seen_in = how.pop("seen_in", project)
        resource = how.pop("resource", project)
        self.homes |= {span.name: seen_in for span in spans}
        request = otlp.export(spans, resource, {"service.name": "compat"})
        self.batches.append(Batch(title, request, (seen_in, otlp.hex_id(spans[-1])), **how))


def shaped(corpus: Corpus) -> None:
    corpus.send(
        "attribute shapes",
        [corpus.span(f"shape: {name}", pairs=pairs) for name, pairs in shapes.ATTRIBUTES.items()],
        corpus.project("shapes"),
        encoding="gzip",
    )
    tokens = [
        corpus.span(
            f"tokens: {name} ({kind})", kind=kind, pairs={f"llm.token_count.{key}": n for key, n in counts.items()}
        )
        for name, counts in shapes.TOKENS.items()
        for kind in ("LLM", "CHAIN")
    ]
    corpus.send("token counts", tokens, corpus.project("tokens"), encoding="deflate")
    kinds = [corpus.span(f"kind: {kind!r}", pairs={"openinference.span.kind": kind}) for kind in shapes.KINDS]
    corpus.send("kinds", kinds, corpus.project("kinds"), transport="grpc")
    events = [corpus.span(f"event: {name}", events=events) for name, events in shapes.EVENTS.items()]
    corpus.send("events", events, corpus.project("events"))
    statuses = []
    for name, status in shapes.STATUSES.items():
        statuses.append(corpus.span(f"status: {name}"))
        statuses[-1].status.CopyFrom(status)
    corpus.send("statuses", statuses, corpus.project("statuses"))
    times, unfinished = [], []
    for name, (start, end) in shapes.TIMES.items():
        span = corpus.span(f"time: {name}")
        span.start_time_unix_nano, span.end_time_unix_nano = start, end
        (unfinished if start > end == 0 else times).append(span)
    corpus.send("times", times, corpus.project("times"))
    corpus.send("unfinished spans", unfinished, corpus.peculiar_project("unfinished"))


def generated(corpus: Corpus) -> None:
    spans = [corpus.span(f"gen_ai: {name}", pairs=pairs) for name, pairs in genai.SPANS.items()]
    for span in spans:
        for pair in span.attributes:
            if pair.key in ("gen_ai.conversation.id", "session.id"):
                pair.value.string_value += corpus.session("")
    corpus.send("gen_ai", spans, corpus.project("gen-ai"))
    corpus.send(
        "random", [corpus.span(f"random: {n}", pairs=scrambled(corpus)) for n in range(120)], corpus.project("random")
    )


def scrambled(corpus: Corpus) -> list[tuple[str, object]]:
    """Keys that collide on purpose: few segments, many digits. Two spellings of one path are left out: which of them
    wins is chance on the reference. So are empty segments, beside which it loses values."""
    choose = corpus.random.choice
    segments = ["a", "b", "0", "1", "2", "10", "metadata", " a", "user", "id"]
    values = [1, 0.5, True, "x", "", '{"a": 1}', "[1]", "7", [1, 2], ["x"], {"a": 1}, {"0": {"b": 2}}, [{"a": 1}], None]
    sizes = [1, 1, 2, 2, 3, 4]
    pairs = {}
    for _ in range(corpus.random.randint(1, 6)):
        key = ".".join(choose(segments) for _ in range(choose(sizes)))
        path = tuple(segment.strip() for segment in key.split("."))
        pairs.setdefault(path, (key, choose(values)))
    return list(pairs.values())


def conversations(corpus: Corpus) -> None:
    """Sessions over several traces and two projects, and every form of a session id."""
    project, other = corpus.project("sessions"), corpus.project("sessions-elsewhere")
    tokens = {"llm.token_count.prompt": 5, "llm.token_count.completion": 2}
    for number in range(3):
        named = {"session.id": corpus.session("talk"), "input.value": f"q{number}", "output.value": f"a{number}"}
        root = corpus.span(f"turn {number}", start=number * 10, end=number * 10 + 4, kind="CHAIN", pairs=named)
        call = corpus.span(
            f"call {number}",
            trace=otlp.hex_trace(root),
            parent=otlp.hex_id(root),
            start=number * 10 + 1,
            kind="LLM",
            pairs=tokens | {"session.id": corpus.session("ignored")},
        )
        corpus.send(f"turn {number}", [root, call], project)
    forms = {
        "plain": corpus.session("plain"),
        "blanks": f"  {corpus.session('trimmed')}\t ",
        "blank": "   ",
        "empty": "",
        "null": None,
    }
    spans = [corpus.span(f"session: {name}", start=50, pairs={"session.id": form}) for name, form in forms.items()]
    number = int(corpus.new_id(6), 16)
    spans.append(corpus.span("session: number", start=51, pairs={"session.id": number}))
    spans.append(corpus.span("session: fraction", start=52, pairs={"session.id": number + 0.5}))
    corpus.send("session forms", spans, project)
    child = corpus.span("names its session late", start=60, trace=otlp.hex_trace(corpus.named["session: empty"]))
    child.attributes.extend(otlp.attributes({"session.id": corpus.session("late")}))
    corpus.send("late session id", [child], project)
    guest = corpus.span("guest", start=70, end=99, pairs={"session.id": corpus.session("talk")})
    corpus.send("same session, other project", [guest], other)


def families(corpus: Corpus) -> None:
    """The project for the filters: trees, a lone span, an orphan; kinds, statuses and typed attributes."""
    typed = {
        **{"text": "blue", "digits": "42", "whole": 42, "fraction": 0.25, "yes": True, "no": False},
        **{"deep.er.key": "well", "colon": "a:b", "list": [1, 2], "long": "l" * 400, "metadata": '{"k": {"n": 1}}'},
        **{"m.0.x": 1, "quote": 'say "hi"', "percent": "100%_", "true text": "true", "null text": "null"},
    }
    root = corpus.span("root", kind="CHAIN", status="OK", start=0, end=9)
    trace, parent = otlp.hex_trace(root), otlp.hex_id(root)
    chat = corpus.span("chat", trace=trace, parent=parent, kind="LLM", status="OK", start=1, pairs=typed)
    tool = corpus.span(
        "tool", trace=trace, parent=parent, kind="TOOL", status="ERROR", start=2, pairs={"whole": 7, "text": "Blue"}
    )
    deep = corpus.span("deep", trace=trace, parent=otlp.hex_id(tool), start=2.5, end=2.6, pairs={"whole": "42"})
    lone = corpus.span("lone", kind="llm", start=3.000001, end=3.5, pairs={"text": "red", "whole": 42.0, "yes": "true"})
    orphan = corpus.span(
        "orphan", parent=corpus.new_id(), start=4, end=4, pairs={"digits": "43", "fraction": 0.250000001}
    )
    corpus.send("filters", [root, chat, tool, deep, lone, orphan], corpus.project("filters"))


def crowded(corpus: Corpus) -> None:
    """Traces that tie in start and latency, for sorting and cursors; some with errors and sessions."""
    spans = []
    for number in range(12):
        status = "ERROR" if number % 4 == 0 else "OK"
        session = {"session.id": corpus.session(f"crowd {number % 2}")} if number % 3 else {}
        start = (number % 4) * 10
        root = corpus.span(
            f"crowd {number}",
            start=start,
            end=start + 1 + number % 3,
            status=status,
            kind="LLM",
            pairs=session | {"llm.token_count.prompt": number},
        )
        child = corpus.span(
            f"crowd child {number}",
            trace=otlp.hex_trace(root),
            parent=otlp.hex_id(root),
            start=start + 0.5,
            end=start + 0.75,
        )
        # Children first, as a simple processor sends them.
        spans += [child, root]
    corpus.send("crowd", spans, corpus.project("crowd"))


def late(corpus: Corpus) -> None:
    """Spans that come later, extend their trace on both sides, and bring the parent of an orphan."""
    project = corpus.project("late")
    parent_id = corpus.new_id()
    child = corpus.span("first", parent=parent_id, start=5, end=6)
    corpus.send("late, child", [child], project)
    trace = otlp.hex_trace(child)
    parent = corpus.span("its parent", trace=trace, id=parent_id, start=1, end=2, status="ERROR")
    corpus.send("late, parent", [parent], project)
    corpus.send("late, end", [corpus.span("the end", trace=trace, start=7, end=30)], project)
    corpus.send("late, unchanged", [corpus.span("inside", trace=trace, start=3, end=4)], project)


def routed(corpus: Corpus) -> None:
    """Which project a span lands in: header, resource, default, and the trace's first project."""
    by_header = corpus.project("by-header")
    corpus.send(
        "by header", [corpus.span("by header")], by_header, headers={"x-project-name": by_header}, resource="unused"
    )
    at_home = corpus.span("at home")
    corpus.send("home", [at_home], corpus.project("home"))
    stray = corpus.span("stray", trace=otlp.hex_trace(at_home), start=2)
    corpus.send("stray", [stray], corpus.project("never-made"), seen_in=corpus.project("home"))
    numbered = corpus.span("project is a number")
    request = otlp.export([numbered], resource={"openinference.project.name": 5})
    corpus.batches.append(Batch("project is a number", request, ("default", otlp.hex_id(numbered))))
    unicode = corpus.project("Ünïcode 世界 100% +&=?#")
    corpus.send("unicode project", [corpus.span("far away")], unicode)
    halves = [otlp.export([corpus.span(f"half {n}")], corpus.project(f"half-{n}")) for n in (1, 2)]
    both = ExportTraceServiceRequest(resource_spans=[half.resource_spans[0] for half in halves])
    corpus.batches.append(Batch("two projects", both, (corpus.project("half-2"), otlp.hex_id(corpus.named["half 2"]))))


def repeated(corpus: Corpus) -> None:
    """The same span again with the same times: the first write wins."""
    project = corpus.project("repeated")
    first = corpus.span("said once", start=1, end=2, pairs={"version": 1})
    again = corpus.span(
        "said twice", trace=otlp.hex_trace(first), id=otlp.hex_id(first), start=1, end=2, pairs={"version": 2}
    )
    corpus.send("said once", [first], project)
    corpus.send("said again", [again, corpus.span("after the echo")], project)


def peculiar(corpus: Corpus) -> None:
    """Where Bennu differs on purpose; each has a project of its own. See `differences.py`."""
    again = corpus.span("wider echo", start=1, end=2)
    echo = corpus.span("wider echo", trace=otlp.hex_trace(again), id=otlp.hex_id(again), start=0, end=9)
    corpus.send("echo, first", [again], corpus.peculiar_project("echo"))
    corpus.send("echo, wider", [echo, corpus.span("after the wider echo")], corpus.peculiar_project("echo"))

    twin = corpus.span("twin", start=1)
    other = corpus.span("other twin", id=otlp.hex_id(twin), start=2)
    corpus.send("twins", [twin, other, corpus.span("after the twins", start=3)], corpus.peculiar_project("twins"))

    binary = corpus.span("binary", pairs={"raw": b"\x00\xff", "text": "kept"})
    corpus.send("bytes values", [binary, corpus.span("beside the binary")], corpus.peculiar_project("bytes"))

    kinds = [
        corpus.span(f"kind: {kind!r}", pairs={"openinference.span.kind": kind})
        for kind in shapes.KINDS_THAT_ARE_NO_TEXT
    ]
    kinds.append(corpus.span("beside the odd kinds"))
    corpus.send("kinds that are no text", kinds, corpus.peculiar_project("odd-kinds"))

    for short, attributes in shapes.ODD_ATTRIBUTES.items():
        odd = [corpus.span(f"{short}: {name}", pairs=pairs) for name, pairs in attributes.items()]
        corpus.send(short, odd, corpus.peculiar_project(short))

    forms = {"list": [corpus.session("listed")], "object": {"is": corpus.session("named")}}
    odd = [corpus.span(f"session: {name}", pairs={"session.id": form}) for name, form in forms.items()]
    corpus.send("odd sessions", odd, corpus.peculiar_project("odd-sessions"))

    scripts = corpus.span("digits of other scripts", pairs={"m.²": 4, "m.٣.x": 3})
    corpus.send(
        "digits of other scripts", [corpus.span("beside the digits"), scripts], corpus.peculiar_project("digits")
    )

    short = corpus.span("short id", id=corpus.new_id(5))
    nameless = corpus.span("no id", id="")
    corpus.send("odd ids", [short, nameless, corpus.span("beside the odd ids")], corpus.peculiar_project("ids"))


def doomed(corpus: Corpus) -> None:
    """What the deletes at the end work on."""
    project = corpus.project("doomed")
    spans = []
    for number in range(8):
        session = {"session.id": corpus.session(f"doomed {number // 2}")}
        root = corpus.span(f"doomed {number}", start=number, end=number + 2, pairs=session)
        child = corpus.span(
            f"doomed child {number}", trace=otlp.hex_trace(root), parent=otlp.hex_id(root), start=number + 1
        )
        spans += [root, child]
    corpus.send("doomed", spans, project)
    corpus.send("doomed project", [corpus.span("in the doomed project")], corpus.project("doomed-project"))


def asked(corpus: Corpus) -> None:
    """What conditions and data frames are asked of: traces of every shape, attributes of every type, some missing."""
    spans = []
    for number in range(14):
        session = {"session.id": corpus.session(f"ask {number % 4}")} if number % 5 else {}
        says = {"input.value": f"question {number}"} if number % 3 else {}
        says |= {"output.value": f"Answer {number}"} if number % 2 else {}
        user = {"user.id": f"u{number % 3}"} if number % 3 == 1 else {}
        orphan = {"parent": corpus.new_id()} if number == 6 else {}
        root = corpus.span(
            f"ask {number}",
            start=number * 2,
            end=number * 2 + 1 + number % 3,
            kind="CHAIN",
            status=(None, "OK", "ERROR")[number % 3],
            message="boom" if number % 3 == 2 else "",
            pairs=session | says | user | typed(number),
            **orphan,
        )
        spans.append(root)
        for child in range(number % 4):
            kind = ("LLM", "TOOL", None)[child]
            tokens = {"llm.token_count.prompt": 5 * child + number, "llm.token_count.completion": number}
            spans.append(
                corpus.span(
                    f"ask {number}.{child}",
                    trace=otlp.hex_trace(root),
                    parent=otlp.hex_id(root),
                    start=number * 2 + 0.1,
                    end=number * 2 + 0.1 + child * 0.6,
                    kind=kind,
                    status=("OK", "ERROR", None)[(child + number) % 3],
                    pairs=typed(number + child) | (tokens if kind == "LLM" else {}),
                )
            )
    documents = {
        "input.value": "which?",
        "retrieval.documents.0.document.content": "first",
        "retrieval.documents.0.document.score": 0.75,
        "retrieval.documents.0.document.metadata": '{"page": 1}',
        "retrieval.documents.1.document.content": "second",
        "retrieval.documents.1.document.id": "d2",
    }
    spans.append(corpus.span("retrieves", start=40, kind="RETRIEVER", pairs=documents))
    corpus.send("asked", spans, corpus.project("ask"))


def typed(number: int) -> dict:
    """Attributes of every type, of which each span has some."""
    all_of_them = {
        "whole": number % 8,
        "fraction": (number % 5) / 4,
        "digits": str(number),
        "text": ("blue", "Blue", "red", "", "ÄÖ it's 100%")[number % 5],
        "flag": number % 2 == 0,
        "tags": ["a", "b"] if number % 4 else ["c"],
        "deep.er.key": "well",
        "metadata": json.dumps({"k": number % 3, "o": {"p": [number]}}),
        "big": 2**53 + 1,
    }
    return {key: value for place, (key, value) in enumerate(all_of_them.items()) if (number + place) % 4}
