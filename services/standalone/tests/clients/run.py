#!/usr/bin/env python3
"""Prepares and runs the suites around the programs: `run.py python|npm|stack|compat|deploy|load|all [-- arguments for the suite]`.
`run.py reference` only installs the reference server, for the benchmark.

Needs Python 3.11, Node.js 20 and a built `bennu` (`BENNU_BIN`, default target/debug/bennu), or a running
server in BENNU_TEST_URL and BENNU_TEST_GRPC.
"""

import argparse
import hashlib
import os
import socket
import subprocess
import sys
import venv
from pathlib import Path

from stack.settings import settings

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[3]
ENVIRONMENTS = REPOSITORY / ".venv"
SUITES = ("python", "npm", "stack", "compat", "deploy", "load")
BENNU = Path(os.environ.get("BENNU_BIN", REPOSITORY / "target" / "debug" / "bennu")).absolute()
# What differs in the distributed shape: annotations wait in Redis for a worker of their own.
OF_THE_STACK = {
    "python": ["test_annotations.py", "test_receipts.py", "test_evaluations.py"],
    "npm": ["annotations.test.js"],
}


def main() -> int:
    options = parsed()
    suites = SUITES if options.suite == "all" else (options.suite,)
    # A broken suite does not hide what the next one would say.
    results = {name: globals()[f"run_{name}"](options) for name in suites}
    for name, code in results.items():
        print(f"{name}: {'passed' if code == 0 else f'failed ({code})'}")
    return max(results.values())


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=[*SUITES, "all", "reference"])
    parser.add_argument(
        "--reference-optional",
        action="store_true",
        help="skip compat, with a message, when the reference server cannot be installed",
    )
    parser.add_argument("rest", nargs="*", help="passed on to pytest, node, compare.py or bench load")
    return parser.parse_args()


def run_python(options: argparse.Namespace) -> int:
    return ended([clients_python(), "-m", "pytest", "-q", *options.rest], HERE)


def run_npm(options: argparse.Namespace) -> int:
    folder = HERE / "npm"
    lock = folder / "package-lock.json"
    prepare(
        folder / "node_modules" / ".stamp", lock, ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], folder
    )
    return ended([clients_python(), "serve.py", "node", "--test", "--test-reporter=spec", *options.rest], folder)


def run_stack(options: argparse.Namespace) -> int:
    """Those of both clients that matter there, against the distributed shape, which is started for them."""
    program = os.environ.get("BENNU_WITH_SERVERS", REPOSITORY / "target" / "debug" / "with-servers")
    results = []
    for suite, files in OF_THE_STACK.items():
        files = [f"python/{name}" for name in files] if suite == "python" else files
        command = [program, "--stack", sys.executable, __file__, suite, "--", *files, *options.rest]
        results.append(ended(command, HERE))
    # Callers are verified there, also by an identity provider that the tests start.
    provider = f"http://127.0.0.1:{free_port()}"
    given = [argument for name, value in settings(provider).items() for argument in ("--set", f"{name}={value}")]
    tests = [clients_python(), "-m", "pytest", "-q", "stack", *options.rest]
    results.append(ended([program, "--stack", *given, *tests], HERE, BENNU_TEST_IDENTITY_PROVIDER=provider))
    return max(results)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run_compat(options: argparse.Namespace) -> int:
    command = [clients_python(), "compat/compare.py"]
    if not any(argument.startswith("--reference-url") for argument in options.rest):
        try:
            python = reference_python()
        except subprocess.CalledProcessError:
            if not options.reference_optional:
                print(
                    "compat: the reference server cannot be installed; --reference-optional skips this", file=sys.stderr
                )
                return 1
            print("compat: SKIPPED, the reference server cannot be installed from the package index")
            return 0
        command += ["--reference", python.parent / "phoenix"]
    return ended([*command, *options.rest], HERE)


def run_deploy(options: argparse.Namespace) -> int:
    folder = REPOSITORY / "deploy" / "tests"
    python = environment("deploy", folder / "requirements.txt")
    return ended([python, "-m", "pytest", *options.rest], folder)


def run_load(options: argparse.Namespace) -> int:
    """Every scenario for a moment, if the arguments do not name one."""
    k6 = environment("k6", REPOSITORY / "loadtests" / "k6" / "requirements.txt").parent / "k6"
    command = [BENNU.with_name("bench"), "load", "--k6", k6, "--bennu", BENNU]
    return ended([*command, *(options.rest or ["all", "--smoke"])], REPOSITORY)


def run_reference(_options: argparse.Namespace) -> int:
    reference_python()
    return 0


def reference_python() -> Path:
    return environment("reference", HERE / "compat" / "requirements.txt")


def clients_python() -> Path:
    return environment("clients", HERE / "python" / "requirements.txt")


def environment(name: str, requirements: Path) -> Path:
    """The interpreter of a virtual environment that has the requirements; made and filled when they changed."""
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
    prepare(folder / ".stamp", requirements, install, HERE)
    return python


def prepare(stamp: Path, source: Path, command: list, folder: Path) -> None:
    """Runs the command unless it already ran for this content of the source."""
    content = hashlib.sha256(source.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == content:
        return
    subprocess.run(command, cwd=folder, check=True)
    stamp.write_text(content)


def ended(command: list, folder: Path, **variables: str) -> int:
    return subprocess.run(command, cwd=folder, env=os.environ | variables).returncode


if __name__ == "__main__":
    sys.exit(main())
