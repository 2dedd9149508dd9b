"""A server with authentication, and the people and programs that call it."""

import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

import serving

SECRET = "a-secret-of-the-tests-0123456789-abcdefgh"
ADMIN_SECRET = "an-admin-secret-of-the-tests-0123456789"
FIRST_PASSWORD = "first-password"

# What a hash costs is tested elsewhere; here people log in often.
CHEAP_PASSWORDS = {"BENNU_PASSWORD_MEMORY_KIB": "64", "BENNU_PASSWORD_PASSES": "1"}


@contextmanager
def server(**own: str):
    settings = {
        "BENNU_ENABLE_AUTH": "true",
        "BENNU_SECRET": SECRET,
        "BENNU_ADMIN_SECRET": ADMIN_SECRET,
        "BENNU_DEFAULT_ADMIN_INITIAL_PASSWORD": FIRST_PASSWORD,
        "BENNU_DISABLE_RATE_LIMIT": "true",
        **CHEAP_PASSWORDS,
        **own,
    }
    with serving.bennu(**settings) as started:
        yield started


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@dataclass
class Caller:
    """Somebody with a credential, or nobody."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, **more) -> httpx.Response:
        headers = self.headers | more.pop("headers", {})
        with httpx.Client(base_url=self.url, cookies=self.cookies, timeout=60) as client:
            return client.request(method, path, headers=headers, **more)

    def get(self, path: str, **more) -> httpx.Response:
        return self("GET", path, **more)

    def post(self, path: str, json=None, **more) -> httpx.Response:
        return self("POST", path, json=json, **more)

    def delete(self, path: str, **more) -> httpx.Response:
        return self("DELETE", path, **more)

    def taken(self, method: str, path: str, **more):
        """The data of an answer that must be a success."""
        answer = self(method, path, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["data"] if answer.content else None


def nobody(server) -> Caller:
    return Caller(server.url)


def deployment(server) -> Caller:
    """Whoever has the administration secret."""
    return Caller(server.url, bearer(ADMIN_SECRET))


def with_token(server, token: str) -> Caller:
    return Caller(server.url, bearer(token))


def log_in(server, email: str, password: str, tenant: str | None = None) -> Caller:
    prefix = f"/s/{tenant}" if tenant else ""
    answer = nobody(server).post(f"{prefix}/auth/login", {"email": email, "password": password})
    assert answer.status_code == 204, answer.text
    return Caller(server.url, cookies=dict(answer.cookies))


def first_admin(server) -> Caller:
    return log_in(server, "admin@localhost", FIRST_PASSWORD)


def unique(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(4)}"


def new_user(admin: Caller, role: str, password: str = "a-password") -> dict:
    name = unique(role.lower())
    user = {
        "auth_method": "LOCAL",
        "email": f"{name}@example.com",
        "username": name,
        "role": role,
        "password": password,
    }
    return admin.taken("POST", "/v1/users", json={"user": user})


def new_member(server, admin: Caller, role: str) -> Caller:
    """A new member of the administrator's tenant, logged in."""
    user = new_user(admin, role)
    return log_in(server, user["email"], "a-password")


def new_tenant(server) -> tuple[str, Caller]:
    """The slug of a new tenant, and its administrator, logged in."""
    slug = unique("tenant")
    admin = {"email": f"{slug}@example.com", "username": "owner", "password": "a-password"}
    deployment(server).taken("POST", "/platform/v1/tenants", json={"slug": slug, "admin": admin})
    return slug, log_in(server, admin["email"], "a-password")


def user_key(server, caller: Caller, **more) -> Caller:
    key = caller.taken("POST", "/v1/user/api_keys", json={"data": {"name": "key", **more}})["key"]
    return with_token(server, key)


def system_key(server, admin: Caller, **more) -> Caller:
    key = admin.taken("POST", "/v1/system/api_keys", json={"data": {"name": "key", **more}})["key"]
    return with_token(server, key)
