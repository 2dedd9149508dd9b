"""Logging in and out, tokens and their renewal, lockouts and limits."""

import httpx
import pytest

import accounts
from accounts import FIRST_PASSWORD, Caller, first_admin, log_in, new_user, nobody, with_token

pytestmark = pytest.mark.bennu

ACCESS, REFRESH = "phoenix-access-token", "phoenix-refresh-token"


@pytest.fixture(scope="module")
def auth():
    with accounts.server() as started:
        yield started


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.text


def refresh(caller: Caller) -> httpx.Response:
    return caller.post("/auth/refresh")


def test_a_log_in_gives_both_tokens_as_cookies_that_scripts_cannot_read(auth):
    answer = nobody(auth).post("/auth/login", {"email": " ADMIN@localhost ", "password": FIRST_PASSWORD})
    assert told(answer) == (204, "")
    cookies = sorted(answer.headers.get_list("set-cookie"))
    for cookie, name, age in zip(cookies, (ACCESS, REFRESH), (600, 604_800), strict=True):
        words = {word.strip() for word in cookie.split(";")[1:]}
        assert cookie.startswith(f"{name}=")
        assert words == {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={age}"}
    user = Caller(auth.url, cookies=dict(answer.cookies)).taken("GET", "/v1/user")
    assert (user["username"], user["role"], user["auth_method"]) == ("admin", "ADMIN", "LOCAL")
    assert user["password_needs_reset"] is True
    as_header = with_token(auth, answer.cookies[ACCESS])
    assert as_header.get("/v1/projects").status_code == 200


def test_a_wrong_password_and_an_unknown_account_look_alike(auth):
    wrong = nobody(auth).post("/auth/login", {"email": "admin@localhost", "password": "x"})
    unknown = nobody(auth).post("/auth/login", {"email": "nobody@localhost", "password": "x"})
    assert told(wrong) == told(unknown) == (401, "Invalid email and/or password")
    for body in ({}, {"email": "a@b"}, {"password": "x"}, [], {"email": 1, "password": "x"}):
        assert told(nobody(auth).post("/auth/login", body)) == (401, "Email and password required")
    system = nobody(auth).post("/auth/login", {"email": "system@localhost", "password": ""})
    assert told(system) == (401, "Invalid email and/or password")
    log_in(auth, "admin@localhost", FIRST_PASSWORD)


def test_who_has_no_credential_is_refused(auth):
    for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic x"}, {"api-key": "x"}):
        answer = nobody(auth).get("/v1/projects", headers=headers)
        assert told(answer) == (401, "Invalid token")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    # A header that is no bearer token hides the cookie.
    caller = first_admin(auth)
    assert caller.get("/v1/projects", headers={"authorization": "Basic x"}).status_code == 401
    for path in ("/", "/healthz", "/readyz", "/arize_phoenix_version", "/openapi.json"):
        assert nobody(auth).get(path).status_code == 200, path
    assert nobody(auth).get("/v1/no-such-thing").status_code == 401


def test_a_renewal_voids_both_old_tokens(auth):
    before = first_admin(auth)
    answer = refresh(before)
    assert answer.status_code == 204
    after = Caller(auth.url, cookies=dict(answer.cookies))
    assert before.get("/v1/user").status_code == 401
    assert after.get("/v1/user").status_code == 200
    assert told(refresh(nobody(auth))) == (401, "Missing refresh token")
    assert told(refresh(Caller(auth.url, cookies={REFRESH: "x"}))) == (401, "Invalid refresh token")
    # Tokens of one kind are not taken for another.
    assert with_token(auth, after.cookies[REFRESH]).get("/v1/user").status_code == 401
    assert told(refresh(Caller(auth.url, cookies={REFRESH: after.cookies[ACCESS]}))) == (401, "Invalid refresh token")


def test_a_refresh_token_that_is_used_twice_ends_the_log_in(auth):
    first = first_admin(auth)
    second = Caller(auth.url, cookies=dict(refresh(first).cookies))
    assert second.get("/v1/user").status_code == 200
    assert told(refresh(first)) == (401, "Invalid refresh token")
    assert second.get("/v1/user").status_code == 401
    assert told(refresh(second)) == (401, "Invalid refresh token")


def test_logging_out_ends_all_log_ins_of_the_person(auth):
    user = new_user(first_admin(auth), "MEMBER")
    here, there = (log_in(auth, user["email"], "a-password") for _ in range(2))
    answer = here.get("/auth/logout")
    assert (answer.status_code, answer.headers["location"]) == (302, "/login")
    for cookie in answer.headers.get_list("set-cookie"):
        assert "Max-Age=0" in cookie
    for caller in (here, there):
        assert caller.get("/v1/user").status_code == 401
        assert refresh(caller).status_code == 401
    assert nobody(auth).get("/auth/logout").status_code == 302
    assert nobody(auth).post("/auth/logout").status_code == 405


def test_an_account_is_locked_after_five_failures_even_for_the_right_password(auth):
    user = new_user(first_admin(auth), "VIEWER")
    for email in (user["email"], accounts.unique("nobody") + "@example.com"):
        for _ in range(5):
            answer = nobody(auth).post("/auth/login", {"email": email, "password": "wrong"})
            assert answer.status_code == 401
        answer = nobody(auth).post("/auth/login", {"email": email, "password": "a-password"})
        assert told(answer) == (429, "Too many failed login attempts. Please try again later.")


def test_a_link_resets_the_password_once_and_ends_all_log_ins(auth):
    admin = first_admin(auth)
    user = new_user(admin, "MEMBER")
    caller = log_in(auth, user["email"], "a-password")
    for _ in range(5):
        nobody(auth).post("/auth/login", {"email": user["email"], "password": "wrong"})
    token = admin.taken("POST", f"/v1/users/{user['id']}/password_reset")["token"]
    reset = {"token": token, "password": "new-password"}
    assert told(nobody(auth).post("/auth/password-reset", {"token": token})) == (422, "Password required")
    assert nobody(auth).post("/auth/password-reset", {"token": token, "password": "abc"}).status_code == 422
    assert nobody(auth).post("/auth/password-reset", reset).status_code == 204
    assert told(nobody(auth).post("/auth/password-reset", reset)) == (401, "Invalid token")
    assert caller.get("/v1/user").status_code == 401
    # It also ends the lockout.
    changed = log_in(auth, user["email"], "new-password")
    assert changed.taken("GET", "/v1/user")["password_needs_reset"] is False
    assert with_token(auth, token).get("/v1/user").status_code == 401


def test_mail_is_not_sent(auth):
    assert told(nobody(auth).post("/auth/password-reset-email", {"email": ""})) == (422, "Email required")
    answer = nobody(auth).post("/auth/password-reset-email", {"email": "admin@localhost"})
    assert told(answer) == (503, "SMTP server not configured")


def test_an_address_may_try_twelve_times():
    with accounts.server(BENNU_DISABLE_RATE_LIMIT="false") as started:
        answers = [told(nobody(started).post("/auth/login", {})) for _ in range(12)]
        assert answers == [(401, "Email and password required")] * 12
        thirteenth = nobody(started).post("/auth/refresh")
        assert told(thirteenth) == (429, "Too Many Requests")
        assert 1 <= int(thirteenth.headers["retry-after"]) <= 5


def test_passwords_can_be_switched_off():
    with accounts.server(BENNU_DISABLE_BASIC_AUTH="true") as started:
        answer = nobody(started).post("/auth/login", {"email": "admin@localhost", "password": FIRST_PASSWORD})
        assert answer.status_code == 403
        assert accounts.deployment(started).get("/v1/users").status_code == 200
        assert nobody(started).get("/auth/logout").headers["location"] == "/logout"


def test_pages_of_other_hosts_may_not_send_requests():
    with accounts.server(BENNU_CSRF_TRUSTED_ORIGINS="https://app.example.com, http://localhost:3000") as started:
        caller = accounts.deployment(started)
        for headers, expected in (
            ({}, (200, None)),
            ({"origin": "https://app.example.com"}, (200, None)),
            ({"origin": "http://localhost:3000", "referer": "http://localhost:3000/x"}, (200, None)),
            ({"origin": "https://evil.example.com"}, (401, "untrusted origin")),
            ({"origin": "null"}, (401, "untrusted origin")),
            ({"referer": "https://evil.example.com/page"}, (401, "untrusted referer")),
        ):
            answer = caller.get("/v1/user", headers=headers)
            assert answer.status_code == expected[0], headers
            assert expected[1] is None or answer.text == expected[1]
            if answer.status_code == 401:
                assert "www-authenticate" not in answer.headers


def test_secrets_are_never_written_down(auth):
    caller = first_admin(auth)
    key = caller.taken("POST", "/v1/user/api_keys", json={"data": {"name": "canary"}})["key"]
    with_token(auth, key).get("/v1/projects")
    with_token(auth, key + "x").get("/v1/projects")
    nobody(auth).post("/auth/login", {"email": "admin@localhost", "password": "a-canary-password"})
    written = auth.log.read_text() + nobody(auth).get("/metrics").text
    canaries = [key, "a-canary-password", FIRST_PASSWORD, accounts.SECRET, accounts.ADMIN_SECRET, caller.cookies[ACCESS]]
    assert [canary for canary in canaries if canary in written] == []


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"BENNU_SECRET": None}, "BENNU_SECRET"),
        ({"BENNU_SECRET": "short1"}, "BENNU_SECRET"),
        ({"BENNU_ADMIN_SECRET": accounts.SECRET}, "BENNU_ADMIN_SECRET"),
        ({"BENNU_TOKEN_PRIVATE_KEY_FILE": "/nowhere.pem", "BENNU_TOKEN_PUBLIC_KEY_FILES": "/nowhere"}, "BENNU_TOKEN_"),
        ({"BENNU_ADMINS": "no address"}, "BENNU_ADMINS"),
    ],
)
def test_settings_that_cannot_be_used_end_the_start(settings, variable, tmp_path, binary):
    import subprocess

    import serving

    given = {"BENNU_ENABLE_AUTH": "true", "BENNU_SECRET": accounts.SECRET, "BENNU_LOG": "error"} | settings
    environment = serving.clean_environment(**serving.bennu_settings(tmp_path, **given))
    done = subprocess.run([binary, "serve"], env=environment, capture_output=True, text=True, timeout=60)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 1, done.stderr
    assert variable in lines[0] and accounts.SECRET not in lines[0]
