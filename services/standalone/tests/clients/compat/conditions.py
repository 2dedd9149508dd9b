"""The questions that conditions select by: examples of the language, and random conditions from the seed."""

import random
from collections.abc import Iterator

from corpus import Corpus
from sides import Probe

# Random conditions of each sort, no two alike: 2,200 in all.
RANDOM = {"span": 1400, "trace": 400, "session": 400}

SPAN_EXAMPLES = r"""
span_kind == 'LLM'
'llm' == span_kind
span_kind in ['llm', 'TOOL'] and status_code not in ('error',)
'L' in span_kind
name != 'ask 3'
'ASK 1' in name
name + '!' == 'ask 1!'
whole == 3
whole == '3'
whole in [1, 2]
whole not in ['1', '2']
1 < whole <= 4
whole % 3 == 1 and whole / 2 > 1
-whole < -2 and +whole > 0
digits == 12
digits > 5
float(digits) > 5 and str(digits) == '12'
text == 'blue'
text > 'b'
'BLUE' in text
text not in ['blue', 'red']
flag == True
flag is not True
flag is None
nothing == 1
not (nothing == 1)
nothing is None
parent_id is None
parent_span is None
parent_span is not None and parent_id is not None
latency_ms > 1000
start_time >= '2026-01-02T03:04:15Z'
'2026-01-02T03:04:05+00:00' < start_time < '2026-01-02T05:04:20+02:00'
start_time < end_time
deep.er.key == 'well'
attributes['deep']['er']['key'] == 'well'
attributes['deep.er.key'] == 'well'
attributes['tags'][0] == 'a'
'a' in tags
metadata['k'] == 1
metadata['o']['p'] is not None
llm.model_name == 'nobody knows it'
llm.token_count.prompt - llm.token_count.completion > 1
cumulative_llm_token_count_total > 10
cumulative_token_count.prompt == 5
status_message == 'boom'
name is 'x'
name
yes and no
True
name == 5
latency_ms == '5'
start_time > '2026-01-02'
name.startswith('a')
name in ['a', None]
'a' in ['a']
parent_span == 1
foo['bar'] == 1
any(x > 1 for x in spans)
len([x for x in cost_details]) == 0
name ==
(name == 'x'
name = 'x'
""".strip("\n").split("\n")

TRACE_EXAMPLES = r"""
num_spans > 2 and error_count == 0
llm_span_count + tool_span_count >= 1
token_count_total > 10 or token_count_prompt == 0
latency_ms / num_spans > 100
'question' in input and output is not None
user.id == 'u1'
attributes['input.value'] == 'question 1'
attributes['whole'] == 3
metadata['k'] == 1
start_time >= '2026-01-02T03:04:15Z'
any(s.span_kind == 'tool' for s in spans)
all(s.status_code != 'ERROR' for s in spans)
len([s for s in spans if s.latency_ms > 500]) >= 2
sum(s.latency_ms for s in spans if s.span_kind == 'LLM') > 100
max(s.latency_ms for s in spans if s.span_kind == 'TOOL') is None
min(s.start_time for s in spans) > '2026-01-02T03:04:15Z'
any(s.parent_span.name == 'ask 0' for s in spans)
any(len([c for c in s.children]) == 2 for s in spans)
any(len([c for c in s.siblings]) == 1 for s in spans)
any(any(c.latency_ms < s.latency_ms for c in spans) for s in spans)
all(s.llm_token_count_total > 0 for s in spans)
any(s.cumulative_error_count > 0 for s in spans)
foo == 1
name == 'x'
input.value == 'x'
num_spans
num_spans == '4'
num_traces > 1
any(s.foo == 1 for s in spans)
any(s for s in spans)
num_spans >
""".strip("\n").split("\n")

SESSION_EXAMPLES = r"""
num_traces > 1 and num_traces_with_error == 0
duration_ms > 1000
token_count_total > 10
first_input == 'question 1'
'question' in any_input and 'x' not in any_output
last_output is None
user.id == 'u1'
llm_span_count > 1
any(t.latency_ms > 1000 for t in traces)
max(len([s for s in t.spans]) for t in traces) > 2
sum(s.llm_token_count_total for s in spans) > 10
any_input == 'x'
latency_ms > 1
trace_id == 'x'
""".strip("\n").split("\n")


def conditions(corpus: Corpus) -> Iterator[Probe]:
    generated = Generator(random.Random(f"conditions {corpus.tag}"))
    asked = {
        "span": SPAN_EXAMPLES + different(lambda: generated.span(3), RANDOM["span"]),
        "trace": TRACE_EXAMPLES + different(lambda: generated.trace(2), RANDOM["trace"]),
        "session": SESSION_EXAMPLES + different(lambda: generated.session(2), RANDOM["session"]),
    }
    for condition in asked["span"]:
        yield of_spans(corpus, condition)
    for kind in ("trace", "session"):
        at = f"/v1/projects/{corpus.project('ask')}/{kind}s"
        for condition in asked[kind]:
            yield Probe(f"GET {kind}s?filter", "GET", at, (("filter", condition), ("limit", 100)))
    yield from deliberate(corpus)


def different(generate, count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        found[generate()] = None
    return list(found)


def of_spans(corpus: Corpus, condition: str, **how) -> Probe:
    body = {"queries": [{"filter": {"condition": condition}, "select": {"name": {"key": "name"}}}]}
    query = (("project_name", corpus.project("ask")),)
    headers = {"accept": "application/json"}
    return Probe("POST spans, conditions", "POST", "/v1/spans", query, body=body, headers=headers, **how)


def deliberate(corpus: Corpus) -> Iterator[Probe]:
    for difference, condition in (
        ("boolean as text", "flag == 'true'"),
        ("whole part", "int(fraction) == 0"),
        ("remainder of fractions", "fraction % 1 == 0.25"),
        ("exact whole numbers", "big == 9007199254740993"),
        ("sum of typed attributes", "llm.token_count.prompt + llm.token_count.completion == 10"),
        ("order against nothing", "latency_ms > None"),
    ):
        yield of_spans(corpus, condition, deliberate=difference)


class Generator:
    """Conditions that are well typed, and whose answer does not hang on what is declared to differ."""

    def __init__(self, chance: random.Random):
        self.chance = chance

    def one(self, *choices):
        return self.chance.choice(choices)

    def order(self) -> str:
        return self.one("==", "!=", "<", "<=", ">", ">=")

    def combined(self, leaf, depth: int) -> str:
        if depth == 0 or self.chance.random() < 0.3:
            return leaf()
        shape = self.one("not", "and", "or", "and")
        if shape == "not":
            return f"not ({self.combined(leaf, depth - 1)})"
        parts = [self.combined(leaf, depth - 1) for _ in range(self.one(2, 2, 3))]
        return "(" + f" {shape} ".join(parts) + ")"

    def number(self) -> str:
        return str(self.one(0, 1, 2, 3, 5, 7, 12, -1, 0.25, 0.5, 100, 1000, 1500))

    def text(self) -> str:
        return repr(self.one("blue", "Blue", "red", "", "12", "3", "b", "ask 1", "question 1", "äö", "%", "it's"))

    def time(self) -> str:
        return f"'2026-01-02T03:04:{self.one(5, 10, 15, 20, 30):02}{self.one('Z', '.5Z', '+00:00')}'"

    def span(self, depth: int) -> str:
        leaves = (
            self.compared_numbers,
            self.compared_numbers,
            self.compared_texts,
            self.compared_codes,
            self.membership,
            self.searched,
            self.missing,
            self.compared_times,
            self.compared_flags,
        )
        return self.combined(lambda: self.one(*leaves)(), depth)

    def numeric(self) -> str:
        names = ("whole", "fraction", "digits", "latency_ms", "llm.token_count.prompt", "nothing", "float(digits)")
        plain = self.one(*names)
        shape = self.chance.random()
        if shape < 0.6:
            return plain
        if shape < 0.7:
            return f"-{plain}"
        if shape < 0.8:
            return f"whole % {self.one(2, 3, 5)}"
        return f"{plain} {self.one('-', '*', '/')} {self.one(self.number(), 'whole', 'latency_ms')}"

    def compared_numbers(self) -> str:
        if self.chance.random() < 0.2:
            return f"{self.number()} {self.one('<', '<=')} {self.numeric()} {self.one('<', '<=')} {self.number()}"
        left, right = self.numeric(), self.number()
        return f"{right} {self.order()} {left}" if self.chance.random() < 0.3 else f"{left} {self.order()} {right}"

    def textual(self) -> str:
        names = ("name", "text", "status_message", "input.value", "deep.er.key", "str(text)", "nothing", "digits")
        return self.one(*names)

    def compared_texts(self) -> str:
        return f"{self.textual()} {self.order()} {self.text()}"

    def compared_codes(self) -> str:
        code = self.one("'LLM'", "'llm'", "'TOOL'", "'UNKNOWN'", "'nope'")
        status = self.one("'OK'", "'error'", "'UNSET'")
        return self.one(f"span_kind {self.one('==', '!=')} {code}", f"status_code {self.one('==', '!=')} {status}")

    def membership(self) -> str:
        sort = self.one("in", "not in")
        many = self.chance.randrange(4)
        if self.chance.random() < 0.5:
            return f"{self.one('whole', 'digits', 'fraction')} {sort} [{', '.join(self.number() for _ in range(many))}]"
        return f"{self.textual()} {sort} [{', '.join(self.text() for _ in range(many))}]"

    def searched(self) -> str:
        where = self.one("name", "text", "input.value", "span_kind", "tags", "status_message", "nothing")
        part = repr(self.one("b", "A", "LU", "ÄÖ", "1", ""))
        return f"{part} {self.one('in', 'not in')} {where}"

    def missing(self) -> str:
        what = self.one("parent_id", "parent_span", "text", "flag", "nothing", "metadata['k']", "attributes['tags'][1]")
        return f"{what} {self.one('is None', 'is not None', '== None', '!= None')}"

    def compared_times(self) -> str:
        return f"{self.one('start_time', 'end_time')} {self.order()} {self.time()}"

    def compared_flags(self) -> str:
        return f"flag {self.one('==', '!=', 'is', 'is not')} {self.one('True', 'False')}"

    def trace(self, depth: int) -> str:
        leaves = (self.rolled_up, self.of_root, self.reduced, self.quantified)
        return self.combined(lambda: self.one(*leaves)(), depth)

    def rolled_up(self) -> str:
        counts = ("num_spans", "error_count", "llm_span_count", "tool_span_count", "token_count_total", "latency_ms")
        left = self.one(*counts, f"{self.one(*counts)} {self.one('+', '-', '*', '/')} {self.one('num_spans', '2')}")
        return f"{left} {self.order()} {self.number()}"

    def of_root(self) -> str:
        return self.one(
            f"{self.one(repr('question'), repr('1'))} {self.one('in', 'not in')} {self.one('input', 'output')}",
            f"{self.one('input', 'output', 'user.id')} {self.one('is None', 'is not None')}",
            f"attributes['whole'] {self.order()} {self.number()}",
            f"attributes['text'] {self.one('==', '!=')} {self.text()}",
            f"start_time {self.order()} {self.time()}",
        )

    def element(self) -> str:
        return self.one(
            f"s.span_kind {self.one('==', '!=')} {self.one(repr('llm'), repr('TOOL'))}",
            f"s.status_code == {self.one(repr('ok'), repr('error'))}",
            f"s.latency_ms {self.order()} {self.number()}",
            f"s.llm_token_count_total {self.order()} {self.number()}",
            f"{self.one(repr('ask'), repr('1'))} in s.name",
        )

    def quantified(self) -> str:
        suffix = f" if {self.element()}" if self.chance.random() < 0.4 else ""
        return f"{self.one('any', 'all')}({self.element()} for s in spans{suffix})"

    def reduced(self) -> str:
        suffix = f" if {self.element()}" if self.chance.random() < 0.5 else ""
        if self.chance.random() < 0.4:
            return f"len([s for s in spans{suffix}]) {self.order()} {self.one(0, 1, 2, 3)}"
        what = self.one("s.latency_ms", "s.llm_token_count_prompt", "s.latency_ms / 2")
        return f"{self.one('sum', 'max', 'min')}({what} for s in spans{suffix}) {self.order()} {self.number()}"

    def session(self, depth: int) -> str:
        leaves = (self.of_session, self.reduced, self.quantified, self.contents)
        return self.combined(lambda: self.one(*leaves)(), depth)

    def of_session(self) -> str:
        count = self.one("num_traces", "num_traces_with_error", "duration_ms", "token_count_prompt", "llm_span_count")
        return f"{count} {self.order()} {self.number()}"

    def contents(self) -> str:
        part = self.one(repr("question"), repr("ANSWER"), repr("1"), repr("zzz"))
        return self.one(
            f"{part} {self.one('in', 'not in')} {self.one('any_input', 'any_output', 'first_input', 'last_output')}",
            f"{self.one('first_input', 'last_output')} {self.one('is None', 'is not None')}",
        )
