"""The process: what stops its start, and how it ends."""

import signal
import socket
import subprocess
from contextlib import contextmanager

import httpx
import pytest

import otlp
import serving

pytestmark = pytest.mark.bennu


def start(binary, tmp_path, **own) -> subprocess.CompletedProcess:
    """Runs a server that must not start."""
    environment = serving.clean_environment(**serving.bennu_settings(tmp_path / "data", **own))
    return subprocess.run(
        [binary, "serve"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=serving.BENNU_READY_SECONDS,
    )


def assert_one_clear_line(ended: subprocess.CompletedProcess, *named: str):
    assert ended.returncode == 1
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    for text in named:
        assert text in lines[0]


@contextmanager
def occupied():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield str(listener.getsockname()[1])


@pytest.mark.parametrize("variable", ["BENNU_PORT", "BENNU_GRPC_PORT"])
def test_a_port_in_use(binary, tmp_path, variable):
    with occupied() as port:
        assert_one_clear_line(start(binary, tmp_path, **{variable: port}), port)


def test_a_working_directory_that_cannot_be_made(binary, tmp_path):
    """Below a file: not even root can make it."""
    (tmp_path / "file").write_text("")
    place = str(tmp_path / "file" / "data")
    assert_one_clear_line(start(binary, tmp_path, BENNU_WORKING_DIR=place), place)


def test_a_working_directory_that_cannot_be_written(binary, tmp_path):
    """`/proc` refuses new files, whoever asks."""
    assert_one_clear_line(start(binary, tmp_path, BENNU_WORKING_DIR="/proc/self"), "/proc/self")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BENNU_PORT", "abc"),
        ("BENNU_PORT", "70000"),
        ("BENNU_FOO", "1"),
        ("PHOENIX_PORT", "abc"),
        ("BENNU_DATABASE_URL", "oracle://nowhere"),
        ("BENNU_INGEST_MAX_BODY_BYTES", "much"),
    ],
)
def test_broken_settings(binary, tmp_path, variable, value):
    settings = {variable: value}
    if variable == "PHOENIX_PORT":
        # The alias counts only where Bennu's own name is absent.
        settings["BENNU_PORT"] = None
    assert_one_clear_line(start(binary, tmp_path, **settings), variable)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_in_time(binary, name):
    """With a client that keeps its connection open, as exporters do."""
    with serving.bennu() as server, httpx.Client(base_url=server.url) as http:
        body = otlp.export([otlp.span()], "e2e-signals").SerializeToString()
        http.post("/v1/traces", content=body, headers=otlp.PROTOBUF).raise_for_status()
        server.process.send_signal(signal.Signals[name])
        assert server.process.wait(timeout=serving.STOP_SECONDS) == 0


def test_what_was_acknowledged_survives_a_kill(binary, tmp_path):
    settings = {"BENNU_WORKING_DIR": str(tmp_path)}
    body = otlp.export([otlp.span("kept") for _ in range(50)], "e2e-kill").SerializeToString()
    with serving.bennu(**settings) as server:
        httpx.post(server.url + "/v1/traces", content=body, headers=otlp.PROTOBUF).raise_for_status()
        server.process.kill()
        server.process.wait()
    with serving.bennu(**settings) as server:
        spans = httpx.get(server.url + "/v1/projects/e2e-kill/spans").raise_for_status().json()["data"]
    assert len(spans) == 50


def test_help_teaches(binary):
    told = subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=10)
    assert told.returncode == 0
    assert "serve" in told.stdout
