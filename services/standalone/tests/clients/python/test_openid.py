"""Logging in with an outside identity provider, as a browser does."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import httpx
import pytest

import accounts
import serving
import waiting
from accounts import FIRST_PASSWORD, Caller, first_admin, new_tenant, nobody, unique
from identity_provider import CLIENT_SECRET

pytestmark = pytest.mark.bennu

STATE, NONCE, VERIFIER = (f"phoenix-oauth2-{name}" for name in ("state", "nonce", "code-verifier"))
ACCESS, REFRESH = "phoenix-access-token", "phoenix-refresh-token"


@contextmanager
def identity_provider(seconds: int = 300, port: int | None = None):
    port = port or serving.free_port()
    program = Path(__file__).parent / "identity_provider.py"
    command = [sys.executable, str(program), str(port), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def is_there() -> bool:
        try:
            return httpx.get(url + "/jwks", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    try:
        waiting.until(is_there, "the identity provider answers", seconds=60)
        yield url
    finally:
        serving.stop(process)


def settings(name: str, url: str, prefix: str = "BENNU", **more: str) -> dict[str, str]:
    given = {
        "CLIENT_ID": f"client-{name}",
        "CLIENT_SECRET": CLIENT_SECRET,
        "OIDC_CONFIG_URL": url + "/.well-known/openid-configuration",
    }
    return {f"{prefix}_OAUTH2_{name.upper()}_{setting}": value for setting, value in (given | more).items()}


def says_that_it_signs_by(url: str, algorithm: str) -> str:
    return f"{url}/.well-known/openid-configuration?algorithms={algorithm}"


@pytest.fixture(scope="module")
def provider():
    with identity_provider() as url:
        yield url


@pytest.fixture(scope="module")
def expired_provider():
    with identity_provider(seconds=-600) as url:
        yield url


@pytest.fixture(scope="module")
def auth(provider, expired_provider):
    roles = {"ROLE_ATTRIBUTE_PATH": "role", "ROLE_MAPPING": "Owner:ADMIN,Developer:MEMBER"}
    given = [
        settings("plain", provider, prefix="PHOENIX", DISPLAY_NAME="The Company"),
        settings("pkce", provider, USE_PKCE="true", TOKEN_ENDPOINT_AUTH_METHOD="client_secret_post"),
        settings("public", provider, CLIENT_ID="public-client", TOKEN_ENDPOINT_AUTH_METHOD="none"),
        settings("closed", provider, ALLOW_SIGN_UP="false"),
        settings("roles", provider, **roles),
        settings("first_role", provider, ROLE_RESYNC="false", **roles),
        settings("strict", provider, ROLE_ATTRIBUTE_STRICT="true", ROLE_ATTRIBUTE_PATH="asked_role"),
        settings("groups", provider, GROUPS_ATTRIBUTE_PATH="teams[*].name", ALLOWED_GROUPS="dev,ops"),
        settings("tenant", provider, TENANT="acme", **roles),
        settings("no_tenant", provider, TENANT="nowhere"),
        settings("expired", expired_provider),
        settings("away", f"http://127.0.0.1:{serving.free_port()}", AUTO_LOGIN="true"),
        settings("wrong_secret", provider, CLIENT_SECRET="a-wrong-secret"),
        settings("shared", provider, CLIENT_ID="shared", OIDC_CONFIG_URL=says_that_it_signs_by(provider, "HS256")),
        settings(
            "unsaid", provider, CLIENT_ID="shared-unsaid", OIDC_CONFIG_URL=says_that_it_signs_by(provider, "RS256")
        ),
    ]
    with accounts.server(**{name: value for group in given for name, value in group.items()}) as started:
        admin = {"email": "owner@acme.example", "username": "owner", "password": "a-password"}
        tenant = {"slug": "acme", "admin": admin}
        accounts.deployment(started).taken("POST", "/platform/v1/tenants", json=tenant)
        yield started


class Browser:
    """What a person does to log in, step by step."""

    def __init__(self, server, provider: str, **claims):
        self.server, self.provider = server, provider
        self.client = httpx.Client(base_url=server.url, timeout=60)
        self.sub = unique("person")
        self.claims = {"email": f"{self.sub}@example.com", "email_verified": True, "name": self.sub}
        self.tell(**claims)

    def tell(self, **claims) -> None:
        """What the provider says about the person from now on."""
        self.claims |= claims
        told = {name: value for name, value in self.claims.items() if value is not None}
        assert httpx.put(f"{self.provider}/users/{self.sub}", json=told).status_code == 204

    def leave(self, idp: str, path: str = "", **query: str) -> httpx.Response:
        return self.client.get(f"{path}/oauth2/{idp}/login", params=query)

    def approve(self, url: str, **form: str) -> str:
        """Logs in at the provider, which sends the browser back to a URL."""
        answer = httpx.post(url, data={"sub": self.sub} | form)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def come_back(self, url: str) -> httpx.Response:
        return self.client.get(url)

    def log_in(self, idp: str, path: str = "", **query: str) -> httpx.Response:
        return self.come_back(self.approve(self.leave(idp, path, **query).headers["location"]))

    def caller(self) -> Caller:
        return Caller(self.server.url, cookies={ACCESS: self.client.cookies[ACCESS]})

    def user(self) -> dict:
        return self.caller().taken("GET", "/v1/user")


@pytest.fixture
def browser(auth, provider):
    return lambda **claims: Browser(auth, provider, **claims)


def went_to(answer: httpx.Response) -> str:
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def refused(answer: httpx.Response) -> str:
    """The reason by which somebody is sent to the page of log-ins, without any token."""
    set_now = {cookie.split("=")[0] for cookie in answer.headers.get_list("set-cookie")}
    assert not set_now & {ACCESS, REFRESH}
    page, _, reason = went_to(answer).partition("?error=")
    assert page == "/login"
    return reason


def cookies_of(answer: httpx.Response) -> dict[str, set[str]]:
    parts = [cookie.split("; ") for cookie in answer.headers.get_list("set-cookie")]
    return {first.split("=")[0]: set(more) for first, *more in parts}


def test_the_secret_of_the_client_signs_only_where_the_provider_says_so(auth, browser):
    person = browser()
    assert went_to(person.log_in("shared")) == "/"
    assert person.user()["email"] == person.claims["email"]
    assert refused(browser().log_in("unsaid")) == "auth_failed"
    assert "does not say that it does so" in auth.log.read_text()


def test_people_come_back_to_the_root_url(provider):
    """Behind a proxy, which answers at an address of its own."""
    root = "https://traces.example.com/bennu"
    own = settings("plain", provider) | {"BENNU_ROOT_URL": f"{root}/", "BENNU_HOST_ROOT_PATH": "/bennu"}
    with accounts.server(**own) as server:
        person = Browser(server, provider)
        away = person.leave("plain", "/bennu", returnUrl="/projects")
        asked = parse_qs(urlparse(went_to(away)).query)
        assert asked["redirect_uri"] == [f"{root}/oauth2/plain/tokens"]
        back = person.approve(went_to(away))
        assert back.startswith(f"{root}/oauth2/plain/tokens?")
        # The proxy passes it on.
        assert went_to(person.come_back(back.removeprefix("https://traces.example.com"))) == "/bennu/projects"
        assert person.user()["email"] == person.claims["email"]


def test_a_new_person_gets_an_account_and_comes_back_to_it(auth, browser):
    person = browser(picture="https://example.com/me.png")
    away = person.leave("plain")
    assert cookies_of(away) == {
        name: {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=900"} for name in (STATE, NONCE)
    }
    asked = parse_qs(urlparse(went_to(away)).query)
    assert asked["redirect_uri"] == [f"{auth.url}/oauth2/plain/tokens"]
    assert (asked["response_type"], asked["client_id"]) == (["code"], ["client-plain"])
    assert asked["scope"] == ["openid email profile"] and "code_challenge" not in asked
    back = person.come_back(person.approve(went_to(away)))
    assert went_to(back) == "/" and back.headers["cache-control"] == "no-store"
    given = cookies_of(back)
    assert given[ACCESS] == {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=600"}
    assert given[REFRESH] == {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"}
    assert all("Max-Age=0" in given[name] for name in (STATE, NONCE, VERIFIER))
    user = person.user()
    assert (user["auth_method"], user["role"]) == ("OAUTH2", "VIEWER")
    assert (user["email"], user["username"]) == (f"{person.sub}@example.com", person.sub)
    assert (user["oauth2_client_id"], user["oauth2_user_id"]) == ("client-plain", person.sub)
    assert user["profile_picture_url"] == "https://example.com/me.png"
    # The address changes, the account stays.
    person.tell(email=f"other-{person.sub}@example.com", picture=None)
    assert went_to(person.log_in("plain")) == "/"
    again = person.user()
    assert again["id"] == user["id"] and again["email"].startswith("other-")
    assert "profile_picture_url" not in again
    # One that is not verified is not taken over.
    person.tell(email=f"third-{person.sub}@example.com", email_verified=False)
    assert went_to(person.log_in("plain")) == "/"
    assert person.user()["email"].startswith("other-")


def test_a_password_does_not_open_such_an_account(auth, browser):
    person = browser()
    person.log_in("plain")
    answer = nobody(auth).post("/auth/login", {"email": person.claims["email"], "password": ""})
    assert answer.status_code == 401


def test_names_that_are_taken_get_something_behind_them(browser):
    name = unique("Grace Hopper")
    people = [browser(name=name), browser(name=name), browser(name=None, preferred_username=unique("gh"))]
    for person in people:
        assert went_to(person.log_in("plain")) == "/"
    first, second, third = (person.user()["username"] for person in people)
    assert first == name and second.startswith(name + " ")
    assert third == people[2].claims["preferred_username"]


def test_pkce_and_public_clients(browser):
    for idp in ("pkce", "public"):
        person = browser()
        away = person.leave(idp)
        assert VERIFIER in cookies_of(away)
        assert parse_qs(urlparse(went_to(away)).query)["code_challenge_method"] == ["S256"]
        url = person.approve(went_to(away))
        person.client.cookies.set(VERIFIER, "x" * 43, domain="127.0.0.1", path="/")
        assert refused(person.come_back(url)) == "oauth_error"
        assert went_to(person.log_in(idp)) == "/"
        url = person.approve(went_to(person.leave(idp)))
        person.client.cookies.delete(VERIFIER)
        assert refused(person.come_back(url)) == "invalid_state"


def test_an_answer_that_belongs_to_no_log_in_of_this_browser_is_refused(browser):
    person, other = browser(), browser()
    url = person.approve(went_to(person.leave("plain")))
    # In a browser that began none, and in one that began another.
    assert refused(other.come_back(url)) == "invalid_state"
    other.leave("plain")
    assert refused(other.come_back(url)) == "invalid_state"
    # By way of another provider, without a state, with a changed one.
    assert refused(person.come_back(url.replace("/oauth2/plain/", "/oauth2/roles/"))) == "invalid_state"
    for change in ("other=", "state=x&other="):
        person = browser()
        url = person.approve(went_to(person.leave("plain")))
        assert refused(person.come_back(url.replace("state=", change))) == "invalid_state"
    # A cookie and a state that are equal, and not ours.
    person.client.cookies.set(STATE, "forged", domain="127.0.0.1", path="/")
    assert refused(person.come_back("/oauth2/plain/tokens?code=x&state=forged")) == "invalid_state"
    # It is good for one answer.
    person = browser()
    url = person.approve(went_to(person.leave("plain")))
    assert went_to(person.come_back(url)) == "/"
    assert refused(person.come_back(url)) == "invalid_state"


def test_a_token_for_another_log_in_is_refused(browser):
    person = browser()
    url = person.approve(went_to(person.leave("plain")))
    person.client.cookies.set(NONCE, "another", domain="127.0.0.1", path="/")
    assert refused(person.come_back(url)) == "auth_failed"
    person = browser()
    url = person.approve(went_to(person.leave("plain")))
    person.client.cookies.delete(NONCE)
    assert refused(person.come_back(url)) == "invalid_state"


def test_an_expired_token_is_refused(auth, expired_provider):
    assert refused(Browser(auth, expired_provider).log_in("expired")) == "auth_failed"


def test_a_code_that_is_not_taken_and_a_provider_that_is_away(browser):
    person = browser()
    url = person.approve(went_to(person.leave("plain")))
    code = parse_qs(urlparse(url).query)["code"][0]
    assert refused(person.come_back(url.replace(code, "x"))) == "oauth_error"
    assert refused(person.log_in("wrong_secret")) == "oauth_error"
    assert refused(person.leave("away")) == "oauth_error"
    assert refused(person.leave("unknown")) == "unknown_idp"
    assert refused(person.come_back("/oauth2/unknown/tokens?code=x&state=x")) == "unknown_idp"
    denied = person.approve(went_to(person.leave("plain")), action="deny")
    state = person.client.cookies[STATE]
    # Not every provider sends the state with an error.
    assert refused(person.come_back(denied)) == "invalid_state"
    person.client.cookies.set(STATE, state, domain="127.0.0.1", path="/")
    assert refused(person.come_back(f"{denied}&state={state}")) == "auth_failed"


def test_an_address_is_needed_and_must_not_be_another_account_s(auth, browser):
    assert refused(browser(email=None).log_in("plain")) == "missing_email_scope"
    assert refused(browser(email="admin@localhost").log_in("plain")) == "email_in_use"
    assert refused(browser(email_verified=False).log_in("plain")) == "sign_in_not_allowed"
    assert went_to(browser(email_verified=None).log_in("plain")) == "/"
    accounts.log_in(auth, "admin@localhost", FIRST_PASSWORD)


def prepared(auth, person: Browser, **more: str) -> dict:
    """An account that an administrator made for somebody."""
    user = {"auth_method": "OAUTH2", "email": person.claims["email"], "username": unique("u"), "role": "MEMBER"}
    return first_admin(auth).taken("POST", "/v1/users", json={"user": user | more})


def test_without_sign_up_those_get_in_whom_an_administrator_made_or_invited(auth, browser):
    assert refused(browser().log_in("closed")) == "sign_in_not_allowed"
    assert refused(browser(email="admin@localhost").log_in("closed")) == "sign_in_not_allowed"
    person = browser()
    made = prepared(auth, person)
    assert went_to(person.log_in("closed")) == "/"
    user = person.user()
    assert (user["id"], user["role"]) == (made["id"], "MEMBER")
    assert (user["oauth2_client_id"], user["oauth2_user_id"]) == ("client-closed", person.sub)
    # Somebody else who has the address now is not the same person.
    heir = browser(email=person.claims["email"])
    assert refused(heir.log_in("closed")) == "sign_in_not_allowed"
    assert person.user()["id"] == made["id"]
    slug, owner = new_tenant(auth)
    guest = browser()
    invitation = {"email": guest.claims["email"], "role": "MEMBER"}
    owner.taken("POST", "/v1/invitations", json=invitation)
    assert went_to(guest.log_in("closed")) == "/"
    assert guest.user()["role"] == "MEMBER"
    tenants = [entry["tenant"] for entry in guest.caller().taken("GET", "/platform/v1/memberships")]
    assert tenants == [slug]
    assert owner.taken("GET", "/v1/invitations") == []


def test_an_address_that_is_not_verified_opens_no_account(auth, browser):
    for verified in (False, None):
        person = browser(email_verified=verified)
        prepared(auth, person)
        assert refused(person.log_in("plain")) == "email_in_use"
        # Nor does it accept an invitation.
        guest = browser(email_verified=verified)
        owner = new_tenant(auth)[1]
        owner.taken("POST", "/v1/invitations", json={"email": guest.claims["email"], "role": "ADMIN"})
        refused(guest.log_in("closed"))
        assert len(owner.taken("GET", "/v1/invitations")) == 1
    # Where the administrator named the provider, its silence is enough.
    person = browser(email_verified=None)
    made = prepared(auth, person, oauth2_client_id="client-plain")
    assert went_to(person.log_in("plain")) == "/" and person.user()["id"] == made["id"]


def test_roles_come_from_the_provider_at_each_log_in_or_the_first(browser):
    for idp, later in (("roles", "ADMIN"), ("first_role", "MEMBER")):
        person = browser(role="Developer")
        person.log_in(idp)
        assert person.user()["role"] == "MEMBER"
        person.tell(role="Owner")
        person.log_in(idp)
        assert person.user()["role"] == later
    person = browser(role="owner")
    person.log_in("roles")
    assert person.user()["role"] == "VIEWER"


def test_a_role_can_be_required_and_be_told_when_asked(browser):
    person = browser(asked_role="member")
    assert went_to(person.log_in("strict")) == "/"
    assert person.user()["role"] == "MEMBER"
    for role in (None, "SYSTEM", "boss"):
        assert refused(browser(asked_role=role).log_in("strict")) == "auth_failed"


def test_groups_can_be_required(browser):
    assert went_to(browser(teams=[{"name": "art"}, {"name": "ops"}]).log_in("groups")) == "/"
    for teams in ([{"name": "art"}], [], None):
        assert refused(browser(teams=teams).log_in("groups")) == "auth_failed"


def test_a_provider_of_one_tenant_lets_people_in_to_that_alone(auth, browser):
    person = browser(role="Owner")
    assert went_to(person.log_in("tenant")) == "/"
    memberships = person.caller().taken("GET", "/platform/v1/memberships")
    assert [(entry["tenant"], entry["role"]) for entry in memberships] == [("acme", "ADMIN")]
    # Neither into accounts of other tenants, nor by their invitations.
    other = browser()
    prepared(auth, other)
    assert refused(other.log_in("tenant")) == "email_in_use"
    guest = browser()
    _, owner = new_tenant(auth)
    owner.taken("POST", "/v1/invitations", json={"email": guest.claims["email"], "role": "ADMIN"})
    assert went_to(guest.log_in("tenant")) == "/"
    tenants = [entry["tenant"] for entry in guest.caller().taken("GET", "/platform/v1/memberships")]
    assert tenants == ["acme"]
    assert refused(browser().log_in("no_tenant")) == "sign_in_not_allowed"


def test_the_tenant_to_work_in_can_be_named(auth, browser):
    person = browser()
    slug, owner = new_tenant(auth)
    owner.taken("POST", "/v1/invitations", json={"email": person.claims["email"], "role": "MEMBER"})
    assert went_to(person.log_in("plain", path=f"/s/{slug}")) == "/"
    assert person.user()["role"] == "MEMBER"
    assert refused(person.log_in("plain", path="/s/acme")) == "sign_in_not_allowed"


def test_people_go_on_where_they_were_within_this_server(browser):
    assert went_to(browser().log_in("plain", returnUrl="/projects/1?tab=spans")) == "/projects/1?tab=spans"
    for url in ("https://evil.example.com", "//evil.example.com", "/\\evil.example.com"):
        assert refused(browser().leave("plain", returnUrl=url)) == "unsafe_return_url"


def test_pages_learn_by_which_ways_people_log_in(auth):
    methods = nobody(auth).taken("GET", "/auth/methods")
    assert (methods["password"], methods["ldap"]) == (True, False)
    providers = {provider["name"]: provider for provider in methods["identity_providers"]}
    assert providers["plain"] == {
        "name": "plain",
        "display_name": "The Company",
        "login_path": "/oauth2/plain/login",
        "auto_login": False,
    }
    assert providers["away"]["auto_login"] is True
    assert providers["first_role"]["display_name"] == "First Role"


def test_log_ins_with_a_provider_are_counted_too(provider):
    with accounts.server(BENNU_DISABLE_RATE_LIMIT="false", **settings("plain", provider)) as started:
        answers = [nobody(started).get("/oauth2/plain/login").status_code for _ in range(13)]
        assert answers == [302] * 12 + [429]


def test_no_secret_of_a_log_in_is_written_down(auth, browser):
    person = browser()
    away = person.leave("pkce")
    verifier, nonce = person.client.cookies[VERIFIER], person.client.cookies[NONCE]
    url = person.approve(went_to(away))
    code = parse_qs(urlparse(url).query)["code"][0]
    person.come_back(url)
    refused(person.come_back(url))
    refused(browser().log_in("wrong_secret"))
    written = auth.log.read_text() + nobody(auth).get("/metrics").text
    canaries = [CLIENT_SECRET, "a-wrong-secret", verifier, nonce, code, person.client.cookies[ACCESS]]
    assert [canary for canary in canaries if canary in written] == []


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"BENNU_OAUTH2_X_CLIENT_SECRET": None}, "CLIENT_SECRET"),
        ({"BENNU_OAUTH2_X_OIDC_CONFIG_URL": "http://id.example.com/"}, "BENNU_OAUTH2_X_OIDC_CONFIG_URL"),
        ({"BENNU_OAUTH2_X_ROLE_ATTRIBUTE_PATH": "role["}, "BENNU_OAUTH2_X_ROLE_ATTRIBUTE_PATH"),
        ({"BENNU_OAUTH2_X_COLOUR": "blue"}, "BENNU_OAUTH2_X_COLOUR"),
    ],
)
def test_settings_that_cannot_be_used_end_the_start(given, variable, tmp_path, binary):
    own = {"BENNU_ENABLE_AUTH": "true", "BENNU_SECRET": accounts.SECRET, "BENNU_LOG": "error"}
    own |= settings("x", "https://id.example.com") | given
    environment = serving.clean_environment(**serving.bennu_settings(tmp_path, **own))
    done = subprocess.run([binary, "serve"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and variable in done.stderr.splitlines()[0], done.stderr
    assert CLIENT_SECRET not in done.stderr


def test_the_client_secret_can_be_in_a_file(provider, tmp_path):
    file = tmp_path / "secret"
    file.write_text(CLIENT_SECRET + "\n")
    own = settings("plain", provider)
    del own["BENNU_OAUTH2_PLAIN_CLIENT_SECRET"]
    with accounts.server(BENNU_OAUTH2_PLAIN_CLIENT_SECRET_FILE=str(file), **own) as started:
        assert went_to(Browser(started, provider).log_in("plain")) == "/"


def test_without_authentication_there_is_nothing_to_log_in_to(server):
    assert httpx.get(f"{server.url}/oauth2/plain/login").status_code == 404
