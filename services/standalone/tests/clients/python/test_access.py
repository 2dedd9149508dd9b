"""Every route of the API document × every kind of caller, compared with the table beside this file.

A new route needs its line: `UPDATE_ACCESS_TABLE=1` writes the table anew, for its author to read.
"""

import base64
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import accounts
import waiting
from accounts import first_admin, new_member, new_tenant, nobody, system_key, user_key, with_token

pytestmark = pytest.mark.bennu

TABLE = Path(__file__).parent / "access_table.txt"
CALLERS = ("nobody", "expired", "revoked", "viewer", "member", "system-key", "ingest-key", "read-key", "admin", "platform")
METHODS = ("get", "post", "put", "patch", "delete")


def global_id(kind: str, row: int) -> str:
    return base64.b64encode(f"{kind}:{row}".encode()).decode()


# Of nothing that exists: those who are let in hear that.
UNKNOWN = {
    "project_identifier": global_id("Project", 999_999),
    "span_identifier": global_id("Span", 999_999),
    "trace_identifier": global_id("Trace", 999_999),
    "session_identifier": global_id("ProjectSession", 999_999),
    "user_id": global_id("User", 999_999),
    "config_identifier": "no-such-config",
    "config_id": global_id("CategoricalAnnotationConfig", 999_999),
    "slug": "no-such-tenant",
    "model_name": "no-such-model",
    "receipt": "0" * 32,
    "trace_id": "f" * 32,
    "receipt_id": "0" * 32,
    "invitation_id": global_id("Invitation", 999_999),
    "api_key_id": global_id("UserApiKey", 999_999),
}


@pytest.fixture(scope="module")
def auth():
    with accounts.server() as started:
        yield started


@pytest.fixture(scope="module")
def routes(auth):
    document = nobody(auth).get("/openapi.json").json()
    found = [(method.upper(), path) for path, item in document["paths"].items() for method in METHODS if method in item]
    # Log-ins are for everybody, and have tests of their own.
    return sorted(route for route in found if not route[1].startswith(("/auth/", "/oauth2/")))


@pytest.fixture(scope="module")
def callers(auth):
    platform, (_, owner) = first_admin(auth), new_tenant(auth)
    revoked = owner.taken("POST", "/v1/user/api_keys", json={"data": {"name": "revoked"}})
    assert owner.delete(f"/v1/user/api_keys/{revoked['id']}").status_code == 204
    soon = (datetime.now(timezone.utc) + timedelta(seconds=1)).isoformat()
    expired = user_key(auth, owner, expires_at=soon)
    waiting.until(lambda: expired.get("/v1/user").text == "Expired token", "the key expires", seconds=60)
    return {
        "nobody": nobody(auth),
        "expired": expired,
        "revoked": with_token(auth, revoked["key"]),
        "viewer": new_member(auth, owner, "VIEWER"),
        "member": new_member(auth, owner, "MEMBER"),
        "system-key": system_key(auth, owner),
        "ingest-key": user_key(auth, owner, traffic="INGEST_ONLY"),
        "read-key": user_key(auth, owner, traffic="READ_ONLY"),
        "admin": owner,
        "platform": platform,
    }


def fill(path: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    assert "{" not in path, f"{path}: name the parameter in UNKNOWN"
    return path


def test_the_table_says_who_may_call_what(auth, routes, callers):
    lines = [" ".join(("method", "path", *CALLERS))]
    for method, path in routes:
        statuses = []
        for name in CALLERS:
            # A body of no use: whoever is let in is told so, and changes nothing.
            answer = callers[name](method, fill(path, UNKNOWN), content=b"[", headers={"content-type": "text/x-nothing"})
            assert answer.status_code < 500 or answer.status_code == 503, (method, path, name, answer.text)
            statuses.append(str(answer.status_code) if answer.status_code in (401, 403) else "in")
        lines.append(" ".join((method, path, *statuses)))
    written = "\n".join(lines) + "\n"
    if os.environ.get("UPDATE_ACCESS_TABLE"):
        TABLE.write_text(written)
    assert written == TABLE.read_text()


def test_the_administrator_of_another_tenant_reaches_nothing(auth, routes):
    (_, owner), (_, stranger) = new_tenant(auth), new_tenant(auth)
    canary = accounts.unique("canary")
    ids, look = everything_of(owner, canary)
    before = look()
    for method, path in routes:
        if path.startswith("/platform/") or not any("{" + name + "}" in path for name in ids):
            continue
        for named in (ids, ids | {"project_identifier": canary}):
            answer = stranger(method, fill(path, UNKNOWN | named))
            assert canary not in answer.text.replace(f'"{canary}"', ""), (method, path)
            assert not answer.is_success, (method, path, answer.text)
    assert look() == before


def everything_of(owner, canary: str):
    """The ids of one thing of each kind, and a look at all of them."""
    span = {
        "name": canary, "span_kind": "CHAIN", "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:01Z",
        "status_code": "OK", "context": {"trace_id": "a" * 32, "span_id": "b" * 16},
        "attributes": {"session.id": canary},
    }
    assert owner.post(f"/v1/projects/{canary}/spans", {"data": [span]}).status_code == 202
    config = owner.taken(
        "POST", "/v1/annotation_configs", json={"name": canary, "type": "FREEFORM", "description": canary}
    )
    member = accounts.new_user(owner, "VIEWER")
    invitation = owner.taken("POST", "/v1/invitations", json={"role": "VIEWER"})
    key = owner.taken("POST", "/v1/user/api_keys", json={"data": {"name": canary}})
    price = {"name": canary, "model": canary, "prices": {"prompt": 1.0}}
    owner("PUT", f"/v1/models/{canary}", json=price)
    of_project = f"/v1/projects/{canary}"

    def look():
        lists = (
            f"{of_project}/spans", f"{of_project}/traces", f"{of_project}/sessions", "/v1/users", "/v1/invitations",
            "/v1/user/api_keys", "/v1/annotation_configs", "/v1/projects", "/v1/models",
        )
        return {path: owner.taken("GET", path) for path in lists}

    seen = look()
    ids = {
        "project_identifier": owner.taken("GET", of_project)["id"],
        "span_identifier": seen[f"{of_project}/spans"][0]["id"],
        "trace_identifier": seen[f"{of_project}/traces"][0]["id"],
        "session_identifier": seen[f"{of_project}/sessions"][0]["id"],
        "user_id": member["id"],
        "config_id": config["id"],
        "config_identifier": config["id"],
        "invitation_id": invitation["id"],
        "api_key_id": key["id"],
    }
    return ids, look
