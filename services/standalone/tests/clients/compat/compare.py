"""Sends the same spans to the reference server and to Bennu, asks both the same questions, compares the answers.

    python compare.py --reference .venv/reference/bin/phoenix            # starts both
    python compare.py --reference-url URL --reference-grpc HOST:PORT     # uses a running reference
    BENNU_TEST_URL and BENNU_TEST_GRPC name a running Bennu instead of starting one.

Exits with 1 when answers differ in a way that `differences.py` does not declare.
"""

import argparse
import os
import secrets
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from annotations import annotations
from conditions import conditions
from corpus import Batch, Corpus
from frames import frames
from json_spans import json_spans
from reads import reads
from report import Report
from sides import Probe, Side
from writes import writes

import serving

SENT, VISIBLE = "POST /v1/traces", "stored"
LOST_BY_THE_REFERENCE = ("digits of other scripts",)


def compare(reference: Side, bennu: Side, tag: str, report: Report) -> None:
    corpus = Corpus(tag)
    for batch in corpus.batches:
        send(batch, reference, bennu, report)
    for questions in (reads, conditions, frames, writes, json_spans, annotations):
        for probe in questions(corpus):
            report.compare(probe, reference.ask(probe), bennu.ask(probe))
            if probe.witness is not None:
                await_both(probe, reference, bennu, report)


def await_both(probe: Probe, reference: Side, bennu: Side, report: Report) -> None:
    report.state(VISIBLE, str(probe), bennu.stores(probe.witness), "Bennu did not store it at once")
    report.state(VISIBLE, str(probe), reference.stores(probe.witness), "the reference did not store it")


def send(batch: Batch, reference: Side, bennu: Side, report: Report) -> None:
    """The next batch waits until this one is stored, so that rows get their ids in the same order."""
    deliberate = "partial success" if batch.title == "odd ids" else None
    sent = Probe(SENT, "POST", f"/v1/traces ({batch.title})", deliberate=deliberate)
    report.compare(sent, reference.send(batch), bennu.send(batch))
    lost = batch.title in LOST_BY_THE_REFERENCE
    if not (lost and report.against_itself):
        report.state(VISIBLE, batch.title, bennu.stores(batch.witness), "Bennu did not store it at once")
    if not lost:
        report.state(VISIBLE, batch.title, reference.stores(batch.witness), "the reference did not store it")


def main(arguments: list[str] | None = None) -> int:
    options = parsed(arguments)
    tag = options.tag or chosen_tag(options)
    report = Report(options.against_itself)
    with ExitStack() as running:
        reference = chosen_reference(options, running)
        bennu = chosen_bennu(running)
        sides = (
            Side(reference.url, reference.grpc, visible_at_once=False),
            Side(bennu.url, bennu.grpc, visible_at_once=not options.against_itself),
        )
        compare(*sides, tag, report)
    report.print(options.show)
    print(f"tag {tag}")
    return 0 if report.passed else 1


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--reference", type=Path, help="the reference's executable")
    chosen.add_argument("--reference-url", help="a running reference server")
    parser.add_argument("--reference-grpc", default="127.0.0.1:4317", help="its gRPC address (default %(default)s)")
    parser.add_argument("--tag", help="seed and part of every name; default fixed, or random with a running server")
    parser.add_argument("--show", type=int, default=40, help="differing requests to show (default %(default)s)")
    parser.add_argument(
        "--against-itself", action="store_true", help="both sides are the reference: expect no difference"
    )
    return parser.parse_args(arguments)


def chosen_tag(options: argparse.Namespace) -> str:
    """Always the same where both servers are new; a running one may have seen that already."""
    running = options.reference_url or "BENNU_TEST_URL" in os.environ
    return secrets.token_hex(3) if running else "first"


def chosen_reference(options: argparse.Namespace, running: ExitStack) -> serving.Server:
    if options.reference_url:
        return serving.Server(options.reference_url.rstrip("/"), options.reference_grpc, is_reference=True, lags=True)
    return running.enter_context(serving.reference(options.reference))


def chosen_bennu(running: ExitStack) -> serving.Server:
    url = os.environ.get("BENNU_TEST_URL")
    if url is None:
        return running.enter_context(serving.bennu())
    return serving.Server(url.rstrip("/"), os.environ.get("BENNU_TEST_GRPC", "127.0.0.1:4317"))


if __name__ == "__main__":
    sys.exit(main())
