"""Runs a command with BENNU_TEST_URL set: to the server it already names, else to a Bennu started for it."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import serving


def run(command: list[str], url: str) -> int:
    return subprocess.run(command, env=serving.clean_environment(**targets(url))).returncode


def targets(url: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("BENNU_TEST_TARGET",) if name in os.environ}
    return kept | {"BENNU_TEST_URL": url}


def main() -> int:
    running = os.environ.get("BENNU_TEST_URL")
    if running is not None:
        return run(sys.argv[1:], running)
    with serving.bennu() as server:
        return run(sys.argv[1:], server.url)


if __name__ == "__main__":
    sys.exit(main())
