"""Logging in with a directory (LDAP)."""

import socket
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import accounts
import serving
from accounts import Caller, first_admin, nobody
from directory import BASE, PASSWORD, SEARCHER_PASSWORD, directory

pytestmark = pytest.mark.bennu

WRONG = (401, "Invalid username and/or password")
ACCESS = "phoenix-access-token"


@pytest.fixture(scope="module")
def ldap():
    with directory() as started:
        yield started


@pytest.fixture(scope="module")
def auth(ldap):
    with accounts.server(**ldap.settings()) as started:
        yield started


def try_log_in(server, username: str, password: str = PASSWORD, path: str = "") -> httpx.Response:
    return nobody(server).post(f"{path}/auth/ldap/login", {"username": username, "password": password})


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.text


def user(server, username: str) -> dict:
    answer = try_log_in(server, username)
    assert told(answer) == (204, "")
    return Caller(server.url, cookies={ACCESS: answer.cookies[ACCESS]}).taken("GET", "/v1/user")


@contextmanager
def another(ldap, **more: str):
    with accounts.server(**ldap.settings(**more)) as started:
        yield started


def test_the_directory_knows_who_somebody_is(auth):
    answer = try_log_in(auth, "ada")
    assert told(answer) == (204, "")
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2 and all("HttpOnly" in cookie and "SameSite=Strict" in cookie for cookie in cookies)
    ada = user(auth, " ADA ")
    assert (ada["username"], ada["email"]) == ("Ada Lovelace", "ada@example.com")
    assert (ada["auth_method"], ada["role"]) == ("LDAP", "ADMIN")
    grace = user(auth, "grace")
    assert (grace["username"], grace["role"]) == ("grace", "MEMBER")
    assert user(auth, "ada")["id"] == ada["id"]
    assert nobody(auth).taken("GET", "/auth/methods")["ldap"] is True


def test_everybody_else_is_refused_alike(auth):
    for username, password in (
        ("grace", "wrong"),
        ("nobody", PASSWORD),
        ("grace", ""),  # which the directory itself would take for an anonymous bind
        ("", PASSWORD),
        (" ", PASSWORD),
        ("alan", PASSWORD),  # in none of the groups
        ("nomail", PASSWORD),
        ("twin", PASSWORD),  # one of two entries
        ("root", PASSWORD),  # has the address of another account
    ):
        assert told(try_log_in(auth, username, password)) == WRONG, (username, password)
    for body in ({}, {"username": "ada"}, {"password": "x"}, [], {"username": 1, "password": "x"}):
        answer = nobody(auth).post("/auth/ldap/login", body)
        assert told(answer) == (401, "Username and password required")
    # The password of the directory is none of ours.
    answer = nobody(auth).post("/auth/login", {"email": "ada@example.com", "password": PASSWORD})
    assert answer.status_code == 401


def test_a_name_is_no_filter(auth):
    for username in ("*", "ad*", "ada)(uid=*", "*)(objectClass=*", "ada)(|(uid=ada", "\\61da", "ada\x00"):
        assert told(try_log_in(auth, username)) == WRONG, username
    assert user(auth, "parens(x)")["email"] == "parens@example.com"


def test_a_name_is_locked_after_five_failures_even_for_the_right_password(ldap):
    with another(ldap) as started:
        for name in ("grace", "nobody"):
            for _ in range(5):
                assert told(try_log_in(started, name, "wrong")) == WRONG
            answer = try_log_in(started, name.upper())
            assert told(answer) == (429, "Too many failed login attempts. Please try again later.")
        # A success forgets them.
        for _ in range(2):
            for _ in range(4):
                try_log_in(started, "ada", "wrong")
            assert try_log_in(started, "ada").status_code == 204


def test_attempts_of_an_address_are_counted(ldap):
    with accounts.server(BENNU_DISABLE_RATE_LIMIT="false", **ldap.settings()) as started:
        answers = [nobody(started).post("/auth/ldap/login", {}).status_code for _ in range(13)]
        assert answers == [401] * 12 + [429]


def test_groups_are_searched_where_entries_do_not_name_them(ldap):
    by_name = {
        "GROUP_SEARCH_BASE_DNS": f'["ou=groups,{BASE}"]',
        "GROUP_SEARCH_FILTER": "(&(objectClass=posixGroup)(memberUid=%s))",
        "GROUP_ROLE_MAPPINGS": f'[{{"group_dn": "cn=posix,ou=groups,{BASE}", "role": "MEMBER"}}]',
    }
    with another(ldap, **by_name) as started:
        assert user(started, "alan")["role"] == "MEMBER"
        assert told(try_log_in(started, "grace")) == WRONG
    by_entry = by_name | {
        "GROUP_SEARCH_FILTER": "(member=%s)",
        "GROUP_SEARCH_FILTER_USER_ATTR": "dn",
        "GROUP_ROLE_MAPPINGS": f'[{{"group_dn": "cn=staff,ou=groups,{BASE}", "role": "MEMBER"}},'
        ' {"group_dn": "*", "role": "VIEWER"}]',
    }
    with another(ldap, **by_entry) as started:
        assert user(started, "grace")["role"] == "MEMBER"
        assert user(started, "parens(x)")["role"] == "MEMBER"
        assert user(started, "alan")["role"] == "VIEWER"


def test_the_role_follows_the_groups(ldap, auth):
    assert user(auth, "grace")["role"] == "MEMBER"
    entry = f"dn: cn=admins,ou=groups,{BASE}\nchangetype: modify\n{{}}: member\nmember: uid=grace,ou=people,{BASE}\n"
    ldap.change(entry.format("add"))
    try:
        assert user(auth, "grace")["role"] == "ADMIN"
    finally:
        ldap.change(entry.format("delete"))
    assert user(auth, "grace")["role"] == "MEMBER"


def test_an_account_is_found_by_its_id_when_the_address_changes(ldap):
    with another(ldap, ATTR_UNIQUE_ID="entryUUID") as started:
        before = user(started, "grace")
        change = f"dn: uid=grace,ou=people,{BASE}\nchangetype: modify\nreplace: mail\nmail: {{}}\n"
        ldap.change(change.format("hopper@example.com"))
        try:
            after = user(started, "grace")
            assert (after["id"], after["email"]) == (before["id"], "hopper@example.com")
            # The address alone is not enough: it may have gone to somebody else.
            ldap.change(f"dn: uid=alan,ou=people,{BASE}\nchangetype: modify\nreplace: mail\nmail: hopper@example.com\n")
            ldap.change(f"dn: cn=staff,ou=groups,{BASE}\nchangetype: modify\nadd: member\nmember: uid=alan,ou=people,{BASE}\n")
            assert told(try_log_in(started, "alan")) == WRONG
        finally:
            ldap.change(change.format("grace@example.com"))
            ldap.change(f"dn: uid=alan,ou=people,{BASE}\nchangetype: modify\nreplace: mail\nmail: alan@example.com\n")
            ldap.change(f"dn: cn=staff,ou=groups,{BASE}\nchangetype: modify\ndelete: member\nmember: uid=alan,ou=people,{BASE}\n")
    with another(ldap, ATTR_UNIQUE_ID="carLicense") as started:
        assert told(try_log_in(started, "grace")) == WRONG


def test_a_directory_may_tell_no_addresses(ldap):
    with another(ldap, ATTR_EMAIL="null", ATTR_UNIQUE_ID="entryUUID") as started:
        nomail, ada = user(started, "nomail"), user(started, "ada")
        assert "email" not in nomail and "email" not in ada
        assert (nomail["username"], nomail["auth_method"], nomail["role"]) == ("nomail", "LDAP", "MEMBER")
        assert user(started, "nomail")["id"] == nomail["id"] != ada["id"]
        admin = first_admin(started)
        listed = {row["username"]: row for row in admin.taken("GET", "/v1/users")}
        assert "email" not in listed["nomail"] and listed["admin"]["email"] == "admin@localhost"
        # What stands in the place of an address is none to log in with, nor one that others can have.
        for email in ("untold:", "untold:x@example.com"):
            answer = nobody(started).post("/auth/login", {"email": email, "password": PASSWORD})
            assert answer.status_code == 401
        key = Caller(started.url, cookies={ACCESS: try_log_in(started, "nomail").cookies[ACCESS]})
        key.taken("POST", "/v1/user/api_keys", json={"data": {"name": "key"}})
        [row] = admin.taken("GET", "/v1/users/api_keys")
        assert row["user"]["username"] == "nomail" and not row["user"].get("email")


def test_without_sign_up_accounts_are_made_beforehand(ldap):
    with another(ldap, ALLOW_SIGN_UP="false") as started:
        assert told(try_log_in(started, "grace")) == WRONG
        made = {"auth_method": "LDAP", "email": "grace@example.com", "username": "Grace", "role": "VIEWER"}
        made = first_admin(started).taken("POST", "/v1/users", json={"user": made})
        grace = user(started, "grace")
        assert (grace["id"], grace["username"], grace["role"]) == (made["id"], "Grace", "MEMBER")


def test_a_directory_can_be_that_of_one_tenant(ldap):
    with another(ldap, TENANT="acme") as started:
        admin = {"email": "owner@acme.example", "username": "owner", "password": "a-password"}
        accounts.deployment(started).taken("POST", "/platform/v1/tenants", json={"slug": "acme", "admin": admin})
        answer = try_log_in(started, "ada")
        caller = Caller(started.url, cookies={ACCESS: answer.cookies[ACCESS]})
        memberships = caller.taken("GET", "/platform/v1/memberships")
        assert [(entry["tenant"], entry["role"]) for entry in memberships] == [("acme", "ADMIN")]
        assert try_log_in(started, "ada", path="/s/acme").status_code == 204
        assert told(try_log_in(started, "ada", path="/s/default")) == WRONG


def test_tls_is_checked(ldap):
    authority = str(ldap.folder / "authority.pem")
    with another(ldap, TLS_MODE="starttls", TLS_CA_CERT_FILE=authority) as started:
        assert user(started, "ada")["role"] == "ADMIN"
    for host, more in (("127.0.0.1", {}), ("localhost", {"TLS_CA_CERT_FILE": str(other_authority(ldap.folder))})):
        with another(ldap, HOST=host, TLS_MODE="starttls", **more) as started:
            assert try_log_in(started, "ada").status_code == 503
    with another(ldap, TLS_MODE="starttls", TLS_VERIFY="false") as started:
        assert user(started, "ada")["role"] == "ADMIN"


def other_authority(folder: Path) -> Path:
    from directory import certificates

    other = folder / "other"
    other.mkdir()
    certificates(other)
    return other / "authority.pem"


def test_a_replica_that_is_away_is_passed_over(ldap):
    # Nothing listens on the second loopback address.
    with another(ldap, HOST=f"127.0.0.2,{ldap.host}") as started:
        assert user(started, "ada")["role"] == "ADMIN"
    with another(ldap, PORT=str(serving.free_port())) as started:
        for _ in range(6):
            answer = try_log_in(started, "ada")
            assert told(answer) == (503, "The directory cannot be asked at the moment.")
            assert answer.headers["retry-after"] == "5"


def test_a_directory_that_hangs_is_waited_for_ten_seconds():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {
            "BENNU_LDAP_HOST": "127.0.0.1",
            "BENNU_LDAP_PORT": str(silent.getsockname()[1]),
            "BENNU_LDAP_TLS_MODE": "none",
            "BENNU_LDAP_USER_SEARCH_BASE_DNS": '["dc=example"]',
            "BENNU_LDAP_GROUP_ROLE_MAPPINGS": '[{"group_dn": "*", "role": "VIEWER"}]',
        }
        with accounts.server(**settings) as started:
            begun = time.monotonic()
            assert try_log_in(started, "ada").status_code == 503
            assert 9 < time.monotonic() - begun < 20


def test_without_a_directory_there_is_no_such_log_in():
    with accounts.server() as started:
        assert try_log_in(started, "ada").status_code == 404


def test_no_secret_is_written_down(auth):
    try_log_in(auth, "grace", "a-canary-password")
    try_log_in(auth, "grace")
    written = auth.log.read_text() + nobody(auth).get("/metrics").text
    canaries = [PASSWORD, SEARCHER_PASSWORD, "a-canary-password"]
    assert [canary for canary in canaries if canary in written] == []
