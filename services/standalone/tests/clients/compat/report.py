"""Counts what was compared and shows where two answers part."""

import json
from collections import Counter, defaultdict

from differences import DELIBERATE
from sides import Answer, Probe

# Enough to see the pattern of a list that differs throughout.
PATHS_SHOWN = 4
WIDTH = 110


class Report:
    def __init__(self, against_itself: bool = False):
        self.against_itself = against_itself
        self.counts: dict[str, Counter] = defaultdict(Counter)
        self.used: Counter = Counter()
        self.different: list[tuple[str, str, list[str]]] = []

    def compare(self, probe: Probe, reference: Answer, bennu: Answer) -> None:
        promise = None if self.against_itself or probe.deliberate is None else DELIBERATE[probe.deliberate]
        paths = parting(vars(reference), vars(bennu))
        broken = promise is not None and not kept(promise, bennu)
        if not broken and not paths:
            self.count(probe.endpoint, "equal")
        elif not broken and promise is not None:
            self.used[probe.deliberate] += 1
            self.count(probe.endpoint, "deliberate")
        else:
            self.count(probe.endpoint, "different")
            promised = [f"promised instead: {promise.reason}"] if promise else []
            self.different.append((probe.endpoint, str(probe), promised + paths))

    def state(self, endpoint: str, about: str, holds: bool, otherwise: str) -> None:
        """A comparison with a promise instead of an answer."""
        self.count(endpoint, "equal" if holds else "different")
        if not holds:
            self.different.append((endpoint, about, [otherwise]))

    def count(self, endpoint: str, outcome: str) -> None:
        self.counts[endpoint][outcome] += 1

    @property
    def passed(self) -> bool:
        return not self.different and not self.outdated

    @property
    def outdated(self) -> list[str]:
        """Declared differences that nothing showed."""
        return [] if self.against_itself else [name for name in DELIBERATE if not self.used[name]]

    def print(self, shown: int) -> None:
        for _endpoint, request, paths in self.different[:shown]:
            print(f"\ndifferent: {request}")
            for path in paths[:PATHS_SHOWN]:
                print("   ", path)
            if len(paths) > PATHS_SHOWN:
                print(f"    and {len(paths) - PATHS_SHOWN} more")
        if len(self.different) > shown:
            print(f"\nand {len(self.different) - shown} more requests")
        self.print_deliberate()
        self.print_table()

    def print_deliberate(self) -> None:
        if self.used:
            print("\ndeliberate differences")
        for name, times in self.used.items():
            print(f"  {times:3} × {DELIBERATE[name].reason}")
        for name in self.outdated:
            print(f"  declared, but equal: {name}")

    def print_table(self) -> None:
        outcomes = ("equal", "deliberate", "different")
        print(f"\n{'endpoint':34}{'compared':>9}" + "".join(f"{name:>12}" for name in outcomes))
        total = Counter()
        for endpoint, counts in self.counts.items():
            total += counts
            self.print_row(endpoint, [counts[name] for name in outcomes])
        self.print_row("all", [total[name] for name in outcomes])

    @staticmethod
    def print_row(endpoint: str, counts: list[int]) -> None:
        print(f"{endpoint:34}{sum(counts):9}" + "".join(f"{count:12}" for count in counts))


def kept(promise, answer: Answer) -> bool:
    try:
        return promise.promised(answer)
    except (KeyError, IndexError, TypeError):
        return False


def parting(left, right, path: str = "") -> list[str]:
    """The paths where two JSON values differ; 1, 1.0 and true are three values."""
    if isinstance(left, dict) and isinstance(right, dict):
        keys = list(left) + [key for key in right if key not in left]
        missing = "(absent)"
        return [
            line for key in keys for line in parting(left.get(key, missing), right.get(key, missing), f"{path}.{key}")
        ]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [line for n, pair in enumerate(zip(left, right, strict=True)) for line in parting(*pair, f"{path}[{n}]")]
    if json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True):
        return []
    return [f"{path[1:]}: reference {brief(left)} | bennu {brief(right)}"]


def brief(value) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}… ({len(text)} characters)"
