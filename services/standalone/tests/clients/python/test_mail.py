"""Mails with links: new passwords, welcomes, invitations."""

import re
import time

import pytest

import accounts
import waiting
from accounts import deployment, first_admin, log_in, new_user, nobody, unique
from mailserver import mail_server

pytestmark = pytest.mark.bennu

SITE = "https://traces.example.com/bennu"
# What a test that waits for nothing waits for: a mail that must not come would have come by then.
A_WHILE = 0.5


def settings(mailbox, **own: str) -> dict[str, str]:
    return {
        "BENNU_SMTP_HOSTNAME": "localhost",
        "BENNU_SMTP_PORT": str(mailbox.port),
        "BENNU_SMTP_TLS": "none",
        "BENNU_SMTP_MAIL_FROM": "Traces <traces@example.com>",
        "BENNU_ROOT_URL": f"{SITE}/",
        **own,
    }


@pytest.fixture
def mailbox():
    with mail_server() as started:
        yield started


@pytest.fixture
def auth(mailbox):
    with accounts.server(**settings(mailbox)) as started:
        yield started


@pytest.fixture
def admin(auth):
    return first_admin(auth)


def silent_user(admin) -> dict:
    """A new member who is sent no welcome."""
    name = unique("user")
    user = {"auth_method": "LOCAL", "email": f"{name}@example.com", "username": name, "role": "MEMBER"}
    body = {"user": user | {"password": "a-password"}, "send_welcome_email": False}
    return admin.taken("POST", "/v1/users", json=body)


def ask_for_link(server, email: str, **more) -> int:
    return nobody(server).post("/auth/password-reset-email", {"email": email}, **more).status_code


def set_password(server, token: str, password: str) -> int:
    body = {"token": token, "password": password}
    return nobody(server).post("/auth/password-reset", body).status_code


def test_a_link_sets_a_new_password_once(auth, admin, mailbox):
    user = silent_user(admin)
    assert ask_for_link(auth, f" {user['email'].upper()} ") == 204
    [mail] = mailbox.wait_for(1)
    assert (mail["from"], mail["to"]) == ("Traces <traces@example.com>", user["email"])
    assert mailbox.recipients == [[user["email"]]]
    assert mail.get_content_type() == "text/plain"
    assert mailbox.link(0).startswith(f"{SITE}/reset-password-with-token?token=")
    token = mailbox.token(0)
    assert set_password(auth, token, "another-password") == 204
    log_in(auth, user["email"], "another-password")
    assert set_password(auth, token, "a-third-password") == 401
    assert token not in auth.log.read_text()


def test_nobody_learns_who_has_an_account(auth, admin, mailbox):
    elsewhere = {"auth_method": "OAUTH2", "email": "o@example.com", "username": "o", "role": "MEMBER"}
    admin.taken("POST", "/v1/users", json={"user": elsewhere, "send_welcome_email": False})
    for email in ("nobody@example.com", "o@example.com", "system@localhost", "no address"):
        assert ask_for_link(auth, email) == 204, email
    assert nobody(auth).post("/auth/password-reset-email", {"email": " "}).status_code == 422
    user = silent_user(admin)
    assert ask_for_link(auth, user["email"]) == 204
    mailbox.wait_for(1)
    time.sleep(A_WHILE)
    assert mailbox.recipients == [[user["email"]]]


def test_an_address_gets_no_flood_of_mails(auth, admin, mailbox):
    user, other = silent_user(admin), silent_user(admin)
    assert [ask_for_link(auth, user["email"]) for _ in range(10)] == [204] * 10
    assert ask_for_link(auth, other["email"]) == 204
    mailbox.wait_for(4)
    time.sleep(A_WHILE)
    assert sorted(mailbox.recipients) == sorted([[user["email"]]] * 3 + [[other["email"]]])


def test_new_members_are_welcome(auth, admin, mailbox):
    user = new_user(admin, "MEMBER")
    mailbox.wait_for(1)
    assert mailbox.recipients == [[user["email"]]]
    assert set_password(auth, mailbox.token(0), "of-my-own") == 204
    log_in(auth, user["email"], "of-my-own")
    elsewhere = {"auth_method": "OAUTH2", "email": "o@example.com", "username": "o", "role": "MEMBER"}
    admin.taken("POST", "/v1/users", json={"user": elsewhere})
    text = mailbox.wait_for(2)[1].get_content()
    assert SITE in text and "token" not in text


def test_the_first_administrator_of_a_tenant_is_welcome(auth, mailbox):
    slug, _ = accounts.new_tenant(auth)
    mailbox.wait_for(1)
    assert mailbox.recipients == [[f"{slug}@example.com"]]
    assert set_password(auth, mailbox.token(0), "of-my-own") == 204


def test_invitations_reach_whom_they_are_for(auth, admin, mailbox):
    admin.taken("POST", "/v1/invitations", json={"role": "MEMBER"})
    made = admin.taken("POST", "/v1/invitations", json={"role": "MEMBER", "email": "ada@example.com"})
    [mail] = mailbox.wait_for(1)
    assert mail["to"] == "ada@example.com"
    assert mailbox.link(0) == f"{SITE}/invitation?token={made['token']}"
    body = {"token": mailbox.token(0), "username": "Ada", "email": "ada@example.com", "password": "a-password"}
    assert nobody(auth).post("/platform/v1/invitations/accept", body).status_code == 201
    log_in(auth, "ada@example.com", "a-password")


def test_a_mail_that_is_put_off_is_sent_later(auth, admin, mailbox):
    mailbox.deferred = 1
    user = silent_user(admin)
    assert ask_for_link(auth, user["email"]) == 204
    mailbox.wait_for(1)


def test_who_asks_does_not_choose_where_links_lead(mailbox):
    evil, good = {"referer": "https://evil.example.com/x"}, {"referer": "https://app.example.com/x"}
    with accounts.server(**settings(mailbox, BENNU_ROOT_URL="")) as server:
        user = silent_user(first_admin(server))
        assert ask_for_link(server, user["email"], headers=evil) == 204
        port = server.url.rsplit(":", 1)[1]
        assert mailbox.link(0).startswith(f"http://localhost:{port}/reset-password-with-token?")
    trusted = settings(mailbox, BENNU_ROOT_URL="", BENNU_CSRF_TRUSTED_ORIGINS="https://app.example.com")
    with accounts.server(**trusted) as server:
        user = silent_user(first_admin(server))
        assert ask_for_link(server, user["email"], headers=evil) == 401
        assert ask_for_link(server, user["email"], headers=good) == 204
        assert mailbox.link(1).startswith("https://app.example.com/reset-password-with-token?")


def test_the_connection_is_kept_from_others(tmp_path):
    login = ("traces", "a-password-of-the-mail-server")
    with mail_server(tmp_path, login) as mailbox:
        # The names of the reference server.
        named = {
            "PHOENIX_SMTP_HOSTNAME": "localhost",
            "PHOENIX_SMTP_PORT": str(mailbox.port),
            "PHOENIX_SMTP_USERNAME": login[0],
            "PHOENIX_SMTP_PASSWORD": login[1],
            "PHOENIX_SMTP_MAIL_FROM": "traces@example.com",
        }
        with accounts.server(**named, SSL_CERT_FILE=str(tmp_path / "certificate.pem")) as server:
            assert ask_for_link(server, silent_user(first_admin(server))["email"]) == 204
            mailbox.wait_for(1)
            assert mailbox.used_tls and mailbox.logged_in
        with accounts.server(**named, PHOENIX_SMTP_VALIDATE_CERTS="false") as server:
            assert ask_for_link(server, silent_user(first_admin(server))["email"]) == 204
            mailbox.wait_for(2)
        # Nobody vouches for the certificate: neither the mail nor the password leaves.
        with accounts.server(**named) as server:
            assert ask_for_link(server, silent_user(first_admin(server))["email"]) == 204
            deadline = time.monotonic() + 20
            while "a mail is tried again" not in (text := server.log.read_text()):
                assert time.monotonic() < deadline, text
                time.sleep(0.05)
            assert "certificate" in text and login[1] not in text
        assert len(mailbox.mails) == 2


def test_a_server_without_tls_gets_no_mail_unless_that_is_wanted(mailbox):
    secure = settings(mailbox, BENNU_SMTP_TLS="starttls")
    with accounts.server(**secure) as server:
        assert ask_for_link(server, silent_user(first_admin(server))["email"]) == 204
        time.sleep(A_WHILE)
    assert mailbox.mails == []


def counted(server, what: str) -> dict[str, int]:
    """The counts of a metric by kind of mail."""
    lines = nobody(server).get("/metrics").text.splitlines()
    found = (re.fullmatch(rf'bennu_mail_{what}_total{{kind="(\w+)"}} (\d+)', line) for line in lines)
    return {match[1]: int(match[2]) for match in found if match}


def test_mails_are_counted_by_what_they_are_about(auth, admin, mailbox):
    user = new_user(admin, "MEMBER")
    assert ask_for_link(auth, user["email"]) == 204
    assert ask_for_link(auth, "nobody@example.com") == 204
    made = {"role": "MEMBER", "email": "ada@example.com"}
    admin.taken("POST", "/v1/invitations", json=made)
    sent = {"welcome": 1, "password_reset": 1, "invitation": 1}
    waiting.until(lambda: counted(auth, "sent") == sent, "three mails are counted", seconds=30)
    mailbox.refuses = True
    admin.taken("POST", "/v1/invitations", json=made)
    waiting.until(lambda: counted(auth, "failed") == {"invitation": 1}, "the refused mail is counted", seconds=30)
    assert counted(auth, "sent") == sent


def test_answers_do_not_wait_for_a_mail_server_that_is_away(mailbox):
    with accounts.server(**settings(mailbox, BENNU_SMTP_HOSTNAME="127.0.0.1", BENNU_SMTP_PORT="9")) as server:
        admin = first_admin(server)
        begin = time.monotonic()
        user = new_user(admin, "MEMBER")
        assert ask_for_link(server, user["email"]) == 204
        assert admin.post("/v1/invitations", {"role": "MEMBER", "email": "ada@example.com"}).status_code == 201
        assert time.monotonic() - begin < 5


def test_without_a_mail_server_nothing_changes(mailbox):
    with accounts.server() as server:
        answer = nobody(server).post("/auth/password-reset-email", {"email": "admin@localhost"})
        assert (answer.status_code, answer.text) == (503, "SMTP server not configured")
        assert nobody(server).post("/auth/password-reset-email", {}).status_code == 422
        made = deployment(server).taken("POST", "/v1/invitations", json={"role": "MEMBER", "email": "a@example.com"})
        assert made["link"].startswith("/invitation?token=")
