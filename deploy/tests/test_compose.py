"""compose.yaml, as Debian's docker-compose reads it: that needs no engine. That the containers run is not tested here."""

import json
import re
import subprocess

import pytest
import yaml

from repository import DEPLOY, ROOT, is_setting, names_of_the_gateway

SERVICES = ["receiver", "writer", "query", "annotation-worker", "auth"]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    directory = tmp_path_factory.mktemp("secrets")
    subprocess.run([DEPLOY / "secrets.sh", directory], check=True)
    return directory


@pytest.fixture(scope="module")
def compose():
    """With anchors, variables and short forms resolved."""
    command = ["docker-compose", "-f", DEPLOY / "compose.yaml", "config"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


def test_every_variable_is_a_setting(compose):
    for name, service in compose["services"].items():
        ours = {variable for variable in service.get("environment", {}) if variable.startswith("BENNU_")}
        if name == "gateway":
            assert ours == names_of_the_gateway()
        else:
            assert [variable for variable in ours if not is_setting(variable)] == [], name
            assert not ours or name in SERVICES


def test_every_part_can_be_watched_and_is_bounded(compose):
    healthy_by_image = {"bennu:local", "bennu-gateway:local"}
    for name, service in compose["services"].items():
        assert "healthcheck" in service or service["image"] in healthy_by_image, name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert service["restart"] == "unless-stopped", name
        # An image without a tag, or with a moving one, is another one tomorrow.
        assert re.search(r":(?!latest$)[\w.-]+$", service["image"]), name


def test_services_wait_for_what_they_need(compose):
    services = compose["services"]
    for name in SERVICES:
        needs = services[name]["depends_on"]
        assert set(needs) >= {"postgres", "rabbitmq", "redis"}, name
        assert services[name]["read_only"] and services[name]["cap_drop"] == ["ALL"], name
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services and how == {"condition": "service_healthy"}


def test_only_the_gateway_is_open(compose):
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["gateway"]
    assert compose["networks"]["inside"]["internal"] is True


def test_all_secrets_are_made_and_reach_the_services(compose, secrets):
    for name, secret in compose["secrets"].items():
        made = secrets / name
        assert secret["file"] == str(DEPLOY / "secrets" / name)
        assert made.stat().st_size > 0 and made.stat().st_mode & 0o777 == 0o444, name
    assert secrets.stat().st_mode & 0o777 == 0o700
    for name in SERVICES:
        mounted = {secret["source"] for secret in compose["services"][name]["secrets"]}
        for variable, value in compose["services"][name]["environment"].items():
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in mounted, variable


def test_callers_are_verified(compose):
    services = compose["services"]
    for name in SERVICES:
        environment = services[name]["environment"]
        assert environment["BENNU_ENABLE_AUTH"] == "true"
        # One service knows the secret; the others ask it.
        assert ("BENNU_SECRET_FILE" in environment) != ("BENNU_AUTH_URL" in environment), name
        assert ("BENNU_SECRET_FILE" in environment) == (name == "auth")


def test_secrets_stay_as_they_are_once_made(secrets):
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    subprocess.run([DEPLOY / "secrets.sh", secrets], check=True)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    password = before["postgres_password"].strip()
    assert re.fullmatch(r"[\w-]{32}", password)
    assert before["database_url"] == f"postgresql://bennu:{password}@postgres:5432/bennu\n"


def test_the_broker_gets_the_definitions_of_the_repository(compose, secrets):
    files = {volume.split(":")[1]: volume.split(":")[0] for volume in compose["services"]["rabbitmq"]["volumes"]}
    assert files["/etc/rabbitmq/definitions/bennu.json"] == str(DEPLOY / "rabbitmq" / "definitions.json")
    configuration = (DEPLOY / "rabbitmq" / "rabbitmq.conf").read_text()
    assert "load_definitions = /etc/rabbitmq/definitions\n" in configuration
    users = json.loads((secrets / "rabbitmq_users.json").read_text())
    password = (secrets / "rabbitmq_password").read_text().strip()
    assert users["users"] == [{"name": "bennu", "password": password, "tags": []}]
    assert (secrets / "broker_url").read_text() == f"amqp://bennu:{password}@rabbitmq:5672/%2f\n"


def test_what_is_built_is_in_the_repository(compose):
    for name in [*SERVICES, "gateway"]:
        build = compose["services"][name]["build"]
        assert build["context"] == str(ROOT) and (ROOT / build["dockerfile"]).is_file()
        assert build["target"] == ("gateway" if name == "gateway" else "bennu")
