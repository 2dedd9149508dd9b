"""Logging in with an identity provider and programs that act for people, in the distributed shape: the gateway sends each request
to the service that answers it, and what one service grants opens the others."""

import os
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlparse

import httpx
import pytest

import accounts
import otlp
import test_oauth
import test_openid
from identity_provider import CLIENT_SECRET as SECRET_OF_THE_PROVIDER
from stack.settings import ADMIN_SECRET, CLIENT_SECRET, FIRST_PASSWORD
from test_openid import identity_provider, went_to
from waiting import until

pytestmark = pytest.mark.bennu

# From the answer to the exporter until the span can be read, and from a revocation until every service has heard of it.
SOON_SECONDS = 15


@pytest.fixture(scope="module")
def stack():
    assert (ADMIN_SECRET, FIRST_PASSWORD) == (accounts.ADMIN_SECRET, accounts.FIRST_PASSWORD)
    return SimpleNamespace(url=os.environ["BENNU_TEST_URL"])


@pytest.fixture(scope="module")
def provider():
    assert CLIENT_SECRET == SECRET_OF_THE_PROVIDER
    url = os.environ["BENNU_TEST_IDENTITY_PROVIDER"]
    with identity_provider(port=urlparse(url).port):
        yield url


def send_span(stack, headers: dict[str, str], project: str) -> int:
    body = otlp.export([otlp.span("sent")], project).SerializeToString()
    return httpx.post(f"{stack.url}/v1/traces", content=body, headers=headers | otlp.PROTOBUF, timeout=60).status_code


def test_people_log_in_with_their_provider_and_come_back_to_the_gateway(stack, provider):
    slug, admin = accounts.new_tenant(stack)
    person = test_openid.Browser(stack, provider)
    invited = {"role": "MEMBER", "email": person.claims["email"]}
    admin.taken("POST", "/v1/invitations", json=invited)
    away = person.leave("company", f"/s/{slug}", returnUrl="/projects")
    assert parse_qs(urlparse(went_to(away)).query)["redirect_uri"] == [f"{stack.url}/oauth2/company/tokens"]
    assert went_to(person.come_back(person.approve(went_to(away)))) == "/projects"
    user = person.user()
    assert (user["email"], user["role"], user["auth_method"]) == (person.claims["email"], "MEMBER", "OAUTH2")
    # The cookie of `auth` opens `query`.
    assert person.client.get("/v1/projects").status_code == 200
    assert person.client.get(f"/s/{slug}/v1/projects").status_code == 200
    assert person.client.get("/s/default/v1/projects").status_code == 404
    refused = person.come_back("/oauth2/company/tokens?state=forged&code=x")
    assert went_to(refused) == "/login?error=invalid_state"
    shown = person.client.get(went_to(refused))
    assert shown.status_code == 200 and "Log in with Company" in shown.text


def test_a_program_acts_for_a_person_in_every_service(stack):
    slug, _ = accounts.new_tenant(stack)
    path = f"/s/{slug}"
    person = test_oauth.Browser(stack, f"{slug}@example.com")
    # Refused by `query` it finds `auth`, which sends it through the pages and gives it tokens.
    challenge = httpx.get(f"{stack.url}{path}/v1/projects").headers["www-authenticate"]
    address = challenge.split('resource_metadata="')[1].split('"')[0]
    assert address.startswith(f"{stack.url}{path}/")
    [issuer] = httpx.get(address).json()["authorization_servers"]
    described = httpx.get(f"{stack.url}/.well-known/oauth-authorization-server{path}").json()
    assert described["issuer"] == issuer == f"{stack.url}{path}"
    known = httpx.post(described["registration_endpoint"], json={"redirect_uris": [test_oauth.CALLBACK]}).json()
    client, tokens = test_oauth.authorized(stack, person, client_id=known["client_id"], path=path)
    headers = accounts.bearer(tokens["access_token"])
    assert send_span(stack, headers, "by-program") == 200
    projects = lambda: httpx.get(f"{stack.url}/v1/projects", headers=headers).json()["data"]  # noqa: E731
    until(lambda: "by-program" in [row["name"] for row in projects()], "the span is stored", SOON_SECONDS)
    renewed = client.refresh_token(described["token_endpoint"])
    by_query = lambda token: httpx.get(f"{stack.url}/v1/projects", headers=accounts.bearer(token)).status_code  # noqa: E731
    until(lambda: by_query(tokens["access_token"]) == 401, "the old token is void everywhere", SOON_SECONDS)
    assert by_query(renewed["access_token"]) == 200
    client.revoke_token(described["revocation_endpoint"], token=renewed["refresh_token"])
    until(lambda: by_query(renewed["access_token"]) == 401, "all are void everywhere", SOON_SECONDS)
    until(lambda: send_span(stack, accounts.bearer(renewed["access_token"]), "x") == 401, "also in ingest", SOON_SECONDS)


@pytest.mark.parametrize("below", ["", "/s/default"])
def test_the_gateway_knows_the_way(stack, below):
    """Each of these is answered by `auth` alone; `query` would not find it."""
    for path, status in {
        "/.well-known/oauth-authorization-server": 200,
        "/.well-known/openid-configuration": 200,
        "/.well-known/oauth-protected-resource": 200,
        "/login": 200,
        "/login?returnUrl=/projects": 200,
        "/auth/methods": 200,
        f"/oauth2/authorize?{urlencode(test_oauth.parameters())}": 302,
        "/oauth2/consent": 400,
        "/oauth2/token": 405,
    }.items():
        assert httpx.get(f"{stack.url}{below}{path}").status_code == status, path
    for path, status in {"/oauth2/token": 400, "/oauth2/revoke": 400, "/oauth2/register": 400}.items():
        assert httpx.post(f"{stack.url}{below}{path}").status_code == status, path
    for name in ("oauth-authorization-server", "oauth-protected-resource"):
        assert httpx.get(f"{stack.url}/.well-known/{name}/s/default").status_code == 200
