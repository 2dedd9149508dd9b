"""Programs that act for people, with tokens of Bennu as an authorization server; `authlib` is the program."""

import re
import socket
from html import unescape
from urllib.parse import parse_qs, urlencode, urlparse

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client, OAuthError

import accounts
from accounts import FIRST_PASSWORD, deployment, first_admin, new_tenant, new_user, nobody, with_token

pytestmark = pytest.mark.bennu

CALLBACK = "http://127.0.0.1:9999/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
# Of that verifier: both are from appendix B of RFC 7636.
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.fixture(scope="module")
def auth():
    with accounts.server() as started:
        yield started


class Browser:
    """What a person does in a browser, page by page."""

    def __init__(self, server, email: str, password: str = "a-password"):
        self.server, self.email, self.password = server, email, password
        self.client = httpx.Client(base_url=server.url, timeout=60)

    def get(self, url: str, **headers: str) -> httpx.Response:
        return self.client.get(url, headers=headers)

    def send(self, shown: httpx.Response, origin: str | None = None, **typed: str) -> httpx.Response:
        """Sends the form of a page, as it is and with what is typed."""
        [action] = re.findall(r'<form method="post" action="([^"]*)"', shown.text)
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', shown.text)
        form = {name: unescape(value) for name, value in hidden} | typed
        return self.client.post(unescape(action), data=form, headers={"origin": origin or self.server.url})

    def log_in(self, shown: httpx.Response) -> httpx.Response:
        return self.send(shown, email=self.email, password=self.password)

    def consent_page(self, url: str) -> httpx.Response:
        """Follows what a program asks for to the page that asks the person."""
        answer = self.get(url)
        while answer.is_redirect:
            to = answer.headers["location"]
            answer = self.get(to)
            if urlparse(to).path.endswith("/login"):
                answer = self.log_in(answer)
        assert answer.status_code == 200, answer.text
        return answer

    def approve(self, url: str) -> str:
        """Where the browser is sent after the person lets the program act."""
        answer = self.send(self.consent_page(url), approved="true")
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]


@pytest.fixture
def person(auth):
    return Browser(auth, "admin@localhost", FIRST_PASSWORD)


def program(server, client_id: str = "phoenix-cli", path: str = "", redirect_uri: str = CALLBACK) -> OAuth2Client:
    """Finds out by itself where to ask."""
    described = httpx.get(f"{server.url}{path}/.well-known/oauth-authorization-server").json()
    client = OAuth2Client(
        client_id,
        redirect_uri=redirect_uri,
        token_endpoint_auth_method="none",
        code_challenge_method="S256",
        token_endpoint=described["token_endpoint"],
        timeout=60,
    )
    client.described = described
    return client


def asks(client: OAuth2Client, **more: str) -> str:
    url, _ = client.create_authorization_url(
        client.described["authorization_endpoint"], code_verifier=VERIFIER, **more
    )
    return url


def acts(client: OAuth2Client, back: str) -> dict:
    return client.fetch_token(client.described["token_endpoint"], authorization_response=back, code_verifier=VERIFIER)


def authorized(server, person: Browser, **which) -> tuple[OAuth2Client, dict]:
    client = program(server, **which)
    return client, dict(acts(client, person.approve(asks(client))))


def parameters(**changed: str | None) -> dict[str, str]:
    given = {
        "client_id": "phoenix-cli",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "a-state",
    }
    return {name: value for name, value in (given | changed).items() if value is not None}


def change(server, path: str = "", **form: str) -> httpx.Response:
    return httpx.post(f"{server.url}{path}/oauth2/token", data=form)


def told(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(url).query).items()}


def error_of(answer: httpx.Response) -> str:
    assert answer.status_code in (400, 401), answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["error_description"]
    return answer.json()["error"]


def code_of(browser: Browser, **changed: str) -> str:
    return told(browser.approve("/oauth2/authorize?" + urlencode(parameters(**changed))))["code"]


def redeem(server, code: str, path: str = "", **changed: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": "phoenix-cli",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return change(server, path, **form | changed)


def works(server, token: str, path: str = "") -> bool:
    status = with_token(server, token).get(f"{path}/v1/user").status_code
    assert status in (200, 401)
    return status == 200


def test_a_program_acts_for_a_person_until_it_gives_its_tokens_back(auth, person):
    client = program(auth)
    back = person.approve(asks(client))
    assert back.startswith(f"{CALLBACK}?code=")
    tokens = acts(client, back)
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)
    assert client.get(f"{auth.url}/v1/user").json()["data"]["email"] == "admin@localhost"
    first = dict(tokens)
    client.refresh_token(client.described["token_endpoint"])
    assert client.token["refresh_token"] != first["refresh_token"]
    assert client.get(f"{auth.url}/v1/user").status_code == 200
    assert not works(auth, first["access_token"])
    client.revoke_token(client.described["revocation_endpoint"], token=client.token["access_token"])
    assert not works(auth, client.token["access_token"])
    with pytest.raises(OAuthError, match="invalid_grant"):
        client.refresh_token(client.described["token_endpoint"])
    log = auth.log.read_text()
    assert told(back)["code"] not in log and tokens["refresh_token"] not in log and VERIFIER not in log


def test_programs_find_out_by_themselves_where_to_ask(auth):
    slug, _ = new_tenant(auth)
    for issuer, addresses in {
        auth.url: ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
        f"{auth.url}/s/{slug}": [
            f"/s/{slug}/.well-known/oauth-authorization-server",
            f"/.well-known/oauth-authorization-server/s/{slug}",
        ],
    }.items():
        for address in addresses:
            assert httpx.get(auth.url + address).json() == {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/oauth2/authorize",
                "token_endpoint": f"{issuer}/oauth2/token",
                "revocation_endpoint": f"{issuer}/oauth2/revoke",
                "registration_endpoint": f"{issuer}/oauth2/register",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "revocation_endpoint_auth_methods_supported": ["none"],
            }, address
        resource = issuer.removeprefix(auth.url)
        for address in (f"{resource}/.well-known/oauth-protected-resource", f"/.well-known/oauth-protected-resource{resource}"):
            found = httpx.get(auth.url + address).json()
            assert (found["resource"], found["authorization_servers"]) == (issuer, [issuer])
    refused = nobody(auth).get("/v1/user")
    metadata = f'resource_metadata="{auth.url}/.well-known/oauth-protected-resource"'
    assert (refused.status_code, metadata in refused.headers["www-authenticate"]) == (401, True)
    of_tenant = nobody(auth).get(f"/s/{slug}/v1/user").headers["www-authenticate"]
    assert f'resource_metadata="{auth.url}/s/{slug}/.well-known/oauth-protected-resource"' in of_tenant
    for nowhere in ("/s/nowhere/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/else"):
        assert httpx.get(auth.url + nowhere).status_code == 404


def test_a_code_is_good_once_and_for_its_program_alone(auth, person):
    code = code_of(person)
    tokens = redeem(auth, code).json()
    assert works(auth, tokens["access_token"])
    assert error_of(redeem(auth, code)) == "invalid_grant"
    # Somebody has a copy of the code: what it began has ended.
    assert not works(auth, tokens["access_token"])
    refresh = {"grant_type": "refresh_token", "client_id": "phoenix-cli", "refresh_token": tokens["refresh_token"]}
    assert error_of(change(auth, **refresh)) == "invalid_grant"
    other = httpx.post(f"{auth.url}/oauth2/register", json={"redirect_uris": [CALLBACK]}).json()["client_id"]
    for wrong in (
        {"code_verifier": VERIFIER[::-1]},
        {"client_id": other},
        {"redirect_uri": "http://127.0.0.1:9998/callback"},
    ):
        code = code_of(person)
        assert error_of(redeem(auth, code, **wrong)) == "invalid_grant", wrong
        assert error_of(redeem(auth, code)) == "invalid_grant", "who guesses does not guess twice"


def test_a_refresh_token_that_comes_twice_ends_what_the_program_may_do(auth, person):
    _, tokens = authorized(auth, person)
    refresh = {"grant_type": "refresh_token", "client_id": "phoenix-cli"}
    renewed = change(auth, **refresh, refresh_token=tokens["refresh_token"]).json()
    assert works(auth, renewed["access_token"])
    assert error_of(change(auth, **refresh, refresh_token=tokens["refresh_token"])) == "invalid_grant"
    assert not works(auth, renewed["access_token"])
    assert error_of(change(auth, **refresh, refresh_token=renewed["refresh_token"])) == "invalid_grant"


def test_log_ins_of_browsers_and_of_programs_are_apart(auth, person):
    _, tokens = authorized(auth, person)
    browser = first_admin(auth)
    form = {"grant_type": "refresh_token", "client_id": "phoenix-cli"}
    assert error_of(change(auth, **form, refresh_token=browser.cookies["phoenix-refresh-token"])) == "invalid_grant"
    as_browser = accounts.Caller(auth.url, cookies={"phoenix-refresh-token": tokens["refresh_token"]})
    assert as_browser.post("/auth/refresh").status_code == 401
    revoked = httpx.post(f"{auth.url}/oauth2/revoke", data={"token": browser.cookies["phoenix-access-token"]})
    assert revoked.status_code == 200 and works(auth, browser.cookies["phoenix-access-token"])
    # Neither try has ended anything.
    assert change(auth, **form, refresh_token=tokens["refresh_token"]).status_code == 200
    assert browser.post("/auth/refresh").status_code == 204


def test_a_program_does_not_let_others_act(auth, person):
    _, tokens = authorized(auth, person)
    as_program = with_token(auth, tokens["access_token"])
    decision = parameters() | {"approved": True}
    assert as_program.post("/oauth2/authorize/decision", decision, headers={"origin": auth.url}).status_code == 401
    assert as_program.get("/oauth2/authorize", params=parameters()).headers["location"].startswith("/login?")


def test_people_decide_on_a_page_of_ours(auth, person):
    url = "/oauth2/authorize?" + urlencode(parameters())
    shown = person.consent_page(url)
    assert "Phoenix CLI" in shown.text and "admin" in shown.text
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
    assert told(person.send(shown, approved="false").headers["location"]) | {"error_description": ""} == {
        "error": "access_denied", "error_description": "", "state": "a-state"
    }
    assert person.send(shown, origin="https://evil.example.com", approved="true").status_code == 403
    assert person.send(shown, origin="null", approved="true").status_code == 403
    # As pages with scripts do.
    body = parameters() | {"approved": True}
    decided = person.client.post("/oauth2/authorize/decision", json=body, headers={"origin": auth.url})
    assert decided.json()["redirect_to"].startswith(CALLBACK) and decided.headers["cache-control"] == "no-store"
    decided = person.client.post("/oauth2/authorize/decision", json={"approved": True}, headers={"origin": auth.url})
    assert decided.status_code == 400
    decided = person.client.post("/oauth2/authorize/decision", json={}, headers={"origin": auth.url})
    assert decided.status_code == 422


def test_a_browser_that_another_site_sends_keeps_its_log_in(auth, person):
    """It holds the cookies back once."""
    url = "/oauth2/authorize?" + urlencode(parameters())
    from_elsewhere = {"sec-fetch-site": "cross-site", "referer": "https://app.example.com/"}
    answer = person.get(url, **from_elsewhere)
    [to] = re.findall(r'http-equiv="refresh" content="0;url=([^"]*)"', answer.text)
    assert unescape(to).startswith("/oauth2/authorize?") and told(unescape(to)) == parameters()
    assert person.get(unescape(to)).headers["location"].startswith("/login?returnUrl=%2Foauth2%2Fauthorize%3F")
    with accounts.server(BENNU_CSRF_TRUSTED_ORIGINS="https://traces.example.com") as server:
        other = Browser(server, "admin@localhost", FIRST_PASSWORD)
        assert other.get(url, referer="https://app.example.com/").status_code == 302


def test_a_browser_that_outlived_its_access_token_need_not_log_in_again(auth, person):
    url = "/oauth2/authorize?" + urlencode(parameters())
    person.consent_page(url)
    refresh = person.client.cookies["phoenix-refresh-token"]
    person.client.cookies.delete("phoenix-access-token")
    answer = person.get(url)
    assert told(answer.headers["location"]) == parameters()
    assert "Let it act" in person.consent_page(answer.headers["location"]).text
    assert person.client.cookies["phoenix-refresh-token"] != refresh
    # Once, and not for those whose log-in is over.
    void = {"phoenix-access-token": "void", "phoenix-refresh-token": person.client.cookies["phoenix-refresh-token"]}
    assert httpx.get(auth.url + url, cookies=void).headers["location"].startswith("/login?")
    stale = httpx.Client(base_url=auth.url, cookies={"phoenix-refresh-token": refresh})
    assert stale.get(url).headers["location"].startswith("/login?")


def test_the_page_of_log_ins(auth, person):
    shown = person.get("/login?returnUrl=/projects&error=email_in_use")
    assert "another way" in shown.text
    assert person.send(shown, email=person.email, password="wrong").status_code == 401
    assert person.send(shown, origin="https://evil.example.com", email="x", password="x").status_code == 403
    went = person.log_in(shown)
    assert (went.status_code, went.headers["location"]) == (303, "/projects")
    assert person.client.get("/v1/user").json()["data"]["email"] == "admin@localhost"
    for elsewhere in ("//evil.example.com", "https://evil.example.com", "/\\evil"):
        shown = person.get("/login?" + urlencode({"returnUrl": elsewhere}))
        assert person.log_in(shown).headers["location"] == "/"


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example.com/callback"},
        {"redirect_uri": "http://localhost:9999/callback"},
        {"redirect_uri": "http://127.0.0.1:9999/other"},
    ],
)
def test_nothing_is_sent_to_where_nobody_is_known(auth, wrong):
    answer = nobody(auth).get("/oauth2/authorize", params=parameters(**wrong))
    assert answer.status_code == 400 and answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"resource": "https://other.example.com"}, "invalid_target"),
    ],
)
def test_programs_are_told_what_is_wrong(auth, wrong, error):
    answer = nobody(auth).get("/oauth2/authorize", params=parameters(**wrong))
    found = told(answer.headers["location"])
    assert (answer.status_code, found["error"], found["state"]) == (302, error, "a-state")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password", "client_id": "phoenix-cli"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "authorization_code", "client_id": "nobody", "code": "x"}, "invalid_client"),
        ({"grant_type": "authorization_code", "client_id": "phoenix-cli", "code": "x"}, "invalid_request"),
        ({"grant_type": "refresh_token", "client_id": "phoenix-cli"}, "invalid_request"),
        ({"grant_type": "refresh_token", "client_id": "phoenix-cli", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": ["refresh_token", "refresh_token"], "client_id": "phoenix-cli"}, "invalid_request"),
        (
            {"grant_type": "refresh_token", "client_id": "phoenix-cli", "refresh_token": "x", "resource": "x"},
            "invalid_target",
        ),
    ],
)
def test_tokens_are_asked_for_as_the_specification_says(auth, form, error):
    assert error_of(httpx.post(f"{auth.url}/oauth2/token", data=form)) == error


def test_what_is_no_token_needs_no_end(auth):
    assert httpx.post(f"{auth.url}/oauth2/revoke", data={"token": "x"}).status_code == 200
    assert error_of(httpx.post(f"{auth.url}/oauth2/revoke", data={})) == "invalid_request"


def register(server, path: str = "", **body) -> httpx.Response:
    return httpx.post(f"{server.url}{path}/oauth2/register", json=body)


def test_a_program_registers_itself_and_acts(auth, person):
    name = "<b>My & Program</b>"
    answer = register(auth, redirect_uris=["https://app.example.com/cb"], client_name=name, scope="all")
    assert answer.status_code == 201 and answer.headers["cache-control"] == "no-store"
    known = answer.json()
    assert {name: known[name] for name in known if name not in ("client_id", "client_id_issued_at")} == {
        "client_name": name,
        "redirect_uris": ["https://app.example.com/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    client = program(auth, known["client_id"], redirect_uri="https://app.example.com/cb")
    url = asks(client, resource=f"{auth.url}/mcp", scope="all")
    shown = person.consent_page(url)
    assert "&lt;b&gt;My &amp; Program&lt;/b&gt;" in shown.text and "<b>My" not in shown.text
    assert "app.example.com" in shown.text and "registered itself" in shown.text
    back = person.send(shown, approved="true").headers["location"]
    assert back.startswith("https://app.example.com/cb?code=")
    assert "refresh_token" in acts(client, back)
    once = register(auth, redirect_uris=[CALLBACK], grant_types=["authorization_code"]).json()["client_id"]
    _, tokens = authorized(auth, person, client_id=once)
    assert "refresh_token" not in tokens and works(auth, tokens["access_token"])
    entries = deployment(auth).taken("GET", "/v1/audit", params={"limit": 100})
    found = [(row["action"], row["actor"]["name"], row["details"]) for row in entries if row["target"] == known["client_id"]]
    assert [(action, actor) for action, actor, _ in found] == [
        ("client.authorize", "admin"),
        ("client.register", "anonymous"),
    ]
    assert found[1][2]["redirect_uris"] == ["https://app.example.com/cb"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "invalid_client_metadata"),
        ({"redirect_uris": []}, "invalid_client_metadata"),
        ({"redirect_uris": "http://127.0.0.1/"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK] * 11}, "invalid_client_metadata"),
        ({"redirect_uris": ["http://app.example.com/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a/#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [CALLBACK], "client_name": "x" * 201}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "client_name": "a\nb"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "logo_uri": "javascript:x"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "response_types": ["token"]}, "invalid_client_metadata"),
    ],
)
def test_what_cannot_be_registered_is_said(auth, body, error):
    assert error_of(register(auth, **body)) == error


def test_a_tenant_has_an_authorization_server_of_its_own(auth):
    slug, admin = new_tenant(auth)
    other_slug, _ = new_tenant(auth)
    path, other = f"/s/{slug}", f"/s/{other_slug}"
    person = Browser(auth, f"{slug}@example.com")
    known = register(auth, path, redirect_uris=[CALLBACK]).json()["client_id"]
    assert nobody(auth).get(f"{other}/oauth2/authorize", params=parameters(client_id=known)).status_code == 400
    assert nobody(auth).get("/oauth2/authorize", params=parameters(client_id=known)).status_code == 400
    client, tokens = authorized(auth, person, client_id=known, path=path)
    assert client.get(f"{auth.url}{path}/v1/user").json()["data"]["email"] == f"{slug}@example.com"
    assert works(auth, tokens["access_token"])
    assert with_token(auth, tokens["access_token"]).get(f"{other}/v1/user").status_code == 404
    # Codes and tokens of one are not those of another.
    url = f"{path}/oauth2/authorize?" + urlencode(parameters())
    code = told(person.approve(url))["code"]
    assert error_of(redeem(auth, code, other)) == "invalid_grant"
    tokens = redeem(auth, told(person.approve(url))["code"], path).json()
    refresh = {"grant_type": "refresh_token", "client_id": "phoenix-cli", "refresh_token": tokens["refresh_token"]}
    assert error_of(change(auth, other, **refresh)) == "invalid_grant"
    assert change(auth, path, **refresh).status_code == 200
    entries = admin.taken("GET", "/v1/audit", params={"limit": 100})
    assert {"client.register", "client.authorize"} <= {row["action"] for row in entries}
    # Whoever is no member does not get in there.
    stranger = Browser(auth, "admin@localhost", FIRST_PASSWORD)
    shown = stranger.get(stranger.get(url).headers["location"])
    assert stranger.log_in(shown).status_code == 401


def test_a_program_acts_in_one_tenant_and_manages_none(auth, person):
    slug, admin = new_tenant(auth)
    invited = admin.taken("POST", "/v1/invitations", json={"role": "MEMBER"})
    browser = first_admin(auth)
    body = {"token": invited["token"], "username": "visitor"}
    assert browser.post("/platform/v1/invitations/accept", body).is_success
    _, tokens = authorized(auth, person)
    as_program = with_token(auth, tokens["access_token"])
    assert browser.get(f"/s/{slug}/v1/projects").status_code == 200
    assert as_program.get("/v1/projects").status_code == as_program.get("/s/default/v1/projects").status_code == 200
    assert as_program.get(f"/s/{slug}/v1/projects").status_code == 404
    assert browser.get("/platform/v1/tenants").status_code == 200
    assert as_program.get("/platform/v1/tenants").status_code == 403
    _, tokens = authorized(auth, person, path=f"/s/{slug}")
    as_program = with_token(auth, tokens["access_token"])
    assert as_program.taken("GET", f"/s/{slug}/v1/user")["username"] == "visitor"
    assert as_program.taken("GET", "/v1/user")["username"] == "visitor"
    assert as_program.get("/s/default/v1/projects").status_code == 404


def test_no_address_is_too_strange(auth, person):
    for raw in ("é", "%FF", "%0d%0aset-cookie:x=y", "%00", "\"><script>"):
        query = urlencode(parameters(state=None)) + "&state=" + raw
        answers = [
            raw_get(auth, f"/oauth2/authorize?{query}"),
            raw_get(auth, f"/oauth2/consent?{query}"),
            raw_get(auth, f"/login?returnUrl=/{raw}"),
        ]
        for status, head in answers:
            assert status in (200, 302, 400), (raw, status)
            assert b"set-cookie" not in head.lower().split(b"location")[0]
    shown = person.get("/login?returnUrl=/x")
    typed = {"email": person.email, "password": person.password, "returnUrl": "/é"}
    assert person.send(shown, **typed).status_code == 303


def raw_get(server, path: str) -> tuple[int, bytes]:
    """Bytes that no client library sends."""
    host, port = urlparse(server.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head = answer.split(b"\r\n\r\n")[0]
    return int(head.split()[1]), head


def test_what_a_program_may_do_ends_with_the_log_ins_of_its_person(auth):
    admin = first_admin(auth)
    user = new_user(admin, "VIEWER")
    person = Browser(auth, user["email"])
    _, tokens = authorized(auth, person)
    as_program = with_token(auth, tokens["access_token"])
    assert as_program.taken("GET", "/v1/user")["role"] == "VIEWER"
    assert as_program.get("/v1/users").status_code == 403
    code = code_of(person)
    person.get("/auth/logout")
    assert not works(auth, tokens["access_token"])
    assert error_of(redeem(auth, code)) == "invalid_grant"


def test_settings_decide_who_may_register():
    web, local = ["https://app.example.com/cb"], [CALLBACK]
    with accounts.server(PHOENIX_OAUTH2_DYNAMIC_CLIENT_REGISTRATION="local_only") as server:
        assert error_of(register(server, redirect_uris=web)) == "invalid_redirect_uri"
        assert register(server, redirect_uris=local).status_code == 201
    with accounts.server(BENNU_OAUTH2_ALLOWED_REDIRECT_HOSTS="other.example.com") as server:
        assert error_of(register(server, redirect_uris=web)) == "invalid_redirect_uri"
    with accounts.server(BENNU_OAUTH2_DYNAMIC_CLIENT_REGISTRATION="disabled") as server:
        assert register(server, redirect_uris=local).status_code == 403
        assert "registration_endpoint" not in program(server).described
        assert authorized(server, Browser(server, "admin@localhost", FIRST_PASSWORD))
    with accounts.server(PHOENIX_ENABLE_OAUTH2_AUTHORIZATION_SERVER="false") as server:
        for path in ("/.well-known/oauth-authorization-server", "/oauth2/authorize"):
            assert nobody(server).get(path).status_code == 404
        assert "resource_metadata" not in nobody(server).get("/v1/user").headers["www-authenticate"]


def test_an_address_registers_some_programs_an_hour():
    with accounts.server(BENNU_DISABLE_RATE_LIMIT="false", PHOENIX_OAUTH2_DCR_RATE_LIMIT_PER_HOUR="3") as server:
        answers = [register(server, redirect_uris=[CALLBACK]).status_code for _ in range(4)]
        assert answers == [201, 201, 201, 429]
        # Logging in is counted apart.
        assert first_admin(server).get("/v1/user").status_code == 200


def test_behind_a_proxy_programs_find_the_root_url():
    root = "https://traces.example.com/bennu"
    with accounts.server(BENNU_ROOT_URL=root, BENNU_HOST_ROOT_PATH="/bennu") as server:
        described = httpx.get(f"{server.url}/.well-known/oauth-authorization-server/bennu").json()
        assert (described["issuer"], described["token_endpoint"]) == (root, f"{root}/oauth2/token")
        slug, _ = new_tenant(server)
        of_tenant = httpx.get(f"{server.url}/.well-known/oauth-authorization-server/bennu/s/{slug}").json()
        assert of_tenant["issuer"] == f"{root}/s/{slug}"
        assert root in nobody(server).get("/v1/user").headers["www-authenticate"]
        person = Browser(server, "admin@localhost", FIRST_PASSWORD)
        shown = person.consent_page("/bennu/oauth2/authorize?" + urlencode(parameters()))
        back = person.send(shown, origin="https://traces.example.com", approved="true").headers["location"]
        assert redeem(server, told(back)["code"], "/bennu").status_code == 200
