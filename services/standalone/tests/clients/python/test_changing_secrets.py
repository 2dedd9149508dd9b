"""Secrets are changed while log-ins and keys are in use."""

import subprocess

import pytest

import accounts
from accounts import FIRST_PASSWORD, SECRET, first_admin, log_in, user_key

pytestmark = pytest.mark.bennu

NEXT_SECRET = "another-secret-of-the-tests-0123456789"


def with_secrets(folder, **own):
    """A server whose data stays when it ends."""
    return accounts.server(BENNU_WORKING_DIR=str(folder), **own)


def test_a_new_secret_leaves_people_and_programs_in(tmp_path):
    with with_secrets(tmp_path) as started:
        admin = first_admin(started)
        key = user_key(started, admin)
    for settings, status in (
        ({"BENNU_SECRET": NEXT_SECRET}, 401),
        ({"BENNU_SECRET": NEXT_SECRET, "BENNU_PREVIOUS_SECRETS": f"{SECRET}"}, 200),
    ):
        with with_secrets(tmp_path, **settings) as started:
            for caller in (admin, key):
                caller.url = started.url
                assert caller.get("/v1/user").status_code == status, settings
            log_in(started, "admin@localhost", FIRST_PASSWORD)


def test_an_ed25519_key_signs_in_place_of_the_secret(tmp_path):
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    data = tmp_path / "data"
    data.mkdir()
    with with_secrets(data) as started:
        before = first_admin(started)
    signing = {"BENNU_TOKEN_PRIVATE_KEY_FILE": str(private), "BENNU_TOKEN_PUBLIC_KEY_FILES": str(public)}
    with with_secrets(data, **signing) as started:
        after = first_admin(started)
        before.url = started.url
        assert before.get("/v1/user").status_code == after.get("/v1/user").status_code == 200
    with with_secrets(data, BENNU_TOKEN_PUBLIC_KEY_FILES=str(public)) as started:
        after.url = started.url
        assert after.get("/v1/user").status_code == 200
    with with_secrets(data) as started:
        after.url = started.url
        assert after.get("/v1/user").status_code == 401
