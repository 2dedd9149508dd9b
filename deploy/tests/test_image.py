"""The Dockerfile, as far as it can be checked without an engine: what it copies, and the script that says whether a container can serve."""

import os
import re
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest

from repository import DEPLOY, ROOT, TEMPLATE, names_of_the_gateway

READY = DEPLOY / "image" / "bennu-ready"
BENNU = Path(os.environ.get("BENNU_BIN", ROOT / "target" / "debug" / "bennu"))


@pytest.fixture(scope="module")
def dockerfile():
    text = (DEPLOY / "Dockerfile").read_text()
    return re.sub(r"\\\n\s*", "", text)


def instructions(dockerfile: str, name: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in dockerfile.splitlines() if line.startswith(f"{name} ")]


def test_images_are_pinned(dockerfile):
    images = dict(argument.split("=", 1) for argument in instructions(dockerfile, "ARG"))
    assert images, "the images are arguments, so that a digest can be given"
    for name, image in images.items():
        assert re.search(r":\d[\w.-]*$", image), f"{name} has no version"
    for source in instructions(dockerfile, "FROM"):
        known = re.fullmatch(r"(\$\{(\w+)\}|(\w+)) AS \w+", source)
        assert known and (known[3] or known[2] in images), source


def test_the_toolchain_can_build_the_workspace(dockerfile):
    needed = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    version = re.search(r"BUILD_IMAGE=rust:(\d+)\.(\d+)", dockerfile)
    assert tuple(map(int, version.groups())) >= tuple(map(int, needed.split(".")))


def test_what_is_copied_is_in_the_repository(dockerfile):
    copied = [copy for copy in instructions(dockerfile, "COPY") if not copy.startswith("--from")]
    sources = [part for copy in copied for part in copy.split()[:-1] if not part.startswith("--")]
    assert set(sources) == {".", "deploy/image/bennu-ready", "deploy/gateway/bennu.conf.template"}
    assert all((ROOT / source).exists() for source in sources)


def test_the_final_image_is_not_root_and_has_every_program(dockerfile):
    assert instructions(dockerfile, "USER") == ["10001:10001"]
    assert "cargo build --release --locked --workspace --bins" in dockerfile
    # Their names are those that the build stage looks for.
    manifests = [tomllib.loads(path.read_text()) for path in (ROOT / "services").glob("*/Cargo.toml")]
    programs = {
        program["name"] for manifest in manifests for program in manifest.get("bin", [{"name": manifest["package"]["name"]}])
    }
    assert {"bennu", "bennu-ingest", "bennu-query", "bennu-annotation-worker"} <= programs
    assert all(re.fullmatch(r"bennu(-.+)?", program) for program in programs)


def test_the_gateway_of_the_image_fills_in_all_names(dockerfile):
    assert "COPY deploy/gateway/bennu.conf.template /etc/nginx/templates/default.conf.template" in dockerfile
    # nginx' own variables are written without braces: the image's filter must leave them, and finds only ours.
    assert set(re.findall(r"\$\{(\w+)\}", TEMPLATE.read_text())) == names_of_the_gateway()


def test_ready_is_what_readyz_says(tmp_path):
    if not BENNU.exists():
        pytest.skip(f"{BENNU} is not built")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    own = {"BENNU_HOST": "127.0.0.1", "BENNU_PORT": str(port), "BENNU_GRPC_PORT": "0", "BENNU_WORKING_DIR": str(tmp_path)}
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("BENNU_")}

    def ready() -> bool:
        return subprocess.run([READY], env=foreign | own, capture_output=True, timeout=10).returncode == 0

    assert not ready()
    server = subprocess.Popen([BENNU, "serve"], env=foreign | own, stdout=subprocess.PIPE, text=True)
    try:
        # It says so itself.
        assert any("is ready" in line for line in server.stdout)
        assert ready()
    finally:
        server.terminate()
        server.communicate()
    assert not ready()


def test_not_ready_is_any_other_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        asking = subprocess.Popen([READY], env=os.environ | {"BENNU_PORT": str(port)})
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as request:
            assert [request.readline(), request.readline()] == [b"GET /readyz HTTP/1.0\r\n", b"\r\n"]
            connection.sendall(b"HTTP/1.0 503 Service Unavailable\r\n\r\n")
        assert asking.wait(timeout=10) != 0
