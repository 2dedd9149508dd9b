"""Starts the servers the suites talk to: Bennu from its binary, the reference from its virtual environment."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parents[4]
# Bennu promises one second; the rest is room for a debug build on a busy machine.
BENNU_READY_SECONDS = 20
# The reference imports for about fifteen seconds before it listens.
REFERENCE_READY_SECONDS = 120
# Bennu's own promise, see "drain" in the README.
STOP_SECONDS = 5


@dataclass
class Server:
    """A running server; `process` is None when somebody else started it."""

    url: str
    grpc: str
    is_reference: bool = False
    # Whether what is acknowledged can be read a moment later only.
    lags: bool = False
    process: subprocess.Popen | None = None
    log: Path | None = None

    def peak_memory_bytes(self) -> int:
        """Highest resident memory so far (VmHWM of the process)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


def bennu_binary() -> Path:
    return Path(os.environ.get("BENNU_BIN", REPOSITORY / "target" / "debug" / "bennu"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def clean_environment(**own: str) -> dict[str, str]:
    """This process's environment without settings that would reach a server or a client by accident."""
    foreign = ("BENNU_", "PHOENIX_", "OTEL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | own


def bennu_settings(working_dir: Path, **own: str | None) -> dict[str, str]:
    """Free loopback ports and a directory; `own` replaces settings, None removes one."""
    settings = {
        "BENNU_HOST": "127.0.0.1",
        "BENNU_PORT": str(free_port()),
        "BENNU_GRPC_PORT": str(free_port()),
        "BENNU_WORKING_DIR": str(working_dir),
    }
    return {name: value for name, value in (settings | own).items() if value is not None}


@contextmanager
def bennu(**own: str):
    """Runs `bennu serve` on free loopback ports in its own directory; `own` adds or replaces settings."""
    with tempfile.TemporaryDirectory(prefix="bennu-test-", ignore_cleanup_errors=True) as folder:
        settings = bennu_settings(Path(folder), **own)
        server = Server(
            url=f"http://127.0.0.1:{settings['BENNU_PORT']}",
            grpc=f"127.0.0.1:{settings['BENNU_GRPC_PORT']}",
            log=Path(folder) / "server.log",
        )
        with running(server, [str(bennu_binary()), "serve"], settings, "/readyz", BENNU_READY_SECONDS):
            yield server


@contextmanager
def reference(executable: Path):
    """Runs the reference server, telemetry off, on free loopback ports in its own directory."""
    with tempfile.TemporaryDirectory(prefix="reference-test-", ignore_cleanup_errors=True) as folder:
        port, grpc_port = free_port(), free_port()
        settings = {
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(grpc_port),
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        server = Server(
            url=f"http://127.0.0.1:{port}",
            grpc=f"127.0.0.1:{grpc_port}",
            is_reference=True,
            lags=True,
            log=Path(folder) / "server.log",
        )
        with running(server, [str(executable), "serve"], settings, "/healthz", REFERENCE_READY_SECONDS):
            yield server


@contextmanager
def running(server: Server, command: list[str], settings: dict[str, str], probe: str, seconds: float):
    with server.log.open("wb") as log:
        server.process = subprocess.Popen(
            command, env=clean_environment(**settings), cwd=server.log.parent, stdout=log, stderr=log
        )
    try:
        wait_until_ready(server, probe, seconds)
        yield
    finally:
        stop(server.process)


def wait_until_ready(server: Server, probe: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended with {server.process.returncode}:\n{server.log.read_text()[-4000:]}")
        try:
            if httpx.get(server.url + probe, timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"{server.url}{probe} did not answer within {seconds} s:\n{server.log.read_text()[-4000:]}")


def stop(process: subprocess.Popen) -> None:
    """Asks the process to end and makes sure that it does; the promise itself has its own test."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=STOP_SECONDS * 2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
