"""Members of a tenant and their API keys."""

import pytest

import accounts
from accounts import deployment, first_admin, log_in, new_member, new_user, nobody, system_key, user_key, with_token

pytestmark = pytest.mark.bennu

NOT_ADMIN = "Only admin or system users can perform this action."


@pytest.fixture(scope="module")
def auth():
    with accounts.server() as started:
        yield started


@pytest.fixture(scope="module")
def admin(auth):
    return first_admin(auth)


def test_a_user_is_made_listed_and_deleted(auth, admin):
    user = new_user(admin, "MEMBER")
    assert set(user) == {
        "id", "created_at", "updated_at", "email", "username", "role", "auth_method", "password_needs_reset"
    }
    listed = admin.taken("GET", "/v1/users")
    assert listed[0] == user
    assert [known["username"] for known in listed[-2:]] == ["admin", "system"]
    page = admin.get("/v1/users?limit=1").json()
    assert [known["id"] for known in page["data"]] == [user["id"]]
    following = admin.get(f"/v1/users?limit=1&cursor={page['next_cursor']}").json()
    assert following["data"][0]["id"] == page["next_cursor"] != user["id"]
    caller = log_in(auth, user["email"], "a-password")
    key = user_key(auth, caller)
    assert admin.delete(f"/v1/users/{user['id']}").status_code == 204
    for gone in (caller, key):
        assert gone.get("/v1/user").status_code == 401
    assert admin.delete(f"/v1/users/{user['id']}").status_code == 404
    # The address is free again.
    again = {"auth_method": "LOCAL", "email": user["email"], "username": user["username"], "role": "VIEWER"}
    assert admin.post("/v1/users", {"user": again}).status_code == 201


def test_addresses_and_names_are_taken_once(admin):
    user = new_user(admin, "MEMBER")
    base = {"auth_method": "LOCAL", "role": "MEMBER", "password": "a-password"}
    for changed, text in (
        ({"email": user["email"].upper(), "username": "other"}, "Email already exists"),
        ({"email": "other@example.com", "username": user["username"]}, "Username already exists"),
    ):
        answer = admin.post("/v1/users", {"user": base | changed})
        assert (answer.status_code, answer.text) == (409, text)


@pytest.mark.parametrize(
    ("changed", "status", "field"),
    [
        ({"role": "SYSTEM"}, 400, None),
        ({"role": "OWNER"}, 422, "role"),
        ({"email": "no address"}, 422, "email"),
        ({"username": " "}, 422, "username"),
        ({"password": "abc"}, 422, "password"),
        ({"auth_method": "MAGIC"}, 422, "auth_method"),
    ],
)
def test_fields_that_cannot_be_used_are_named(admin, changed, status, field):
    name = accounts.unique("user")
    user = {"auth_method": "LOCAL", "email": f"{name}@b", "username": name, "role": "MEMBER", "password": "abcd"}
    answer = admin.post("/v1/users", {"user": user | changed})
    assert answer.status_code == status
    if field:
        assert answer.json()["detail"][0]["loc"] == ["body", "user", field]


def test_accounts_of_other_providers_have_no_password(auth, admin):
    name = accounts.unique("sso")
    user = {
        "auth_method": "OAUTH2", "email": f"{name}@example.com", "username": name, "role": "VIEWER",
        "oauth2_client_id": "client", "oauth2_user_id": "42",
    }
    made = admin.taken("POST", "/v1/users", json={"user": user})
    assert (made["oauth2_client_id"], made["oauth2_user_id"]) == ("client", "42")
    assert "password_needs_reset" not in made
    answer = nobody(auth).post("/auth/login", {"email": user["email"], "password": ""})
    assert answer.status_code == 401
    assert admin.post(f"/v1/users/{made['id']}/password_reset").status_code == 409


def test_roles_change_at_once_and_the_deployment_keeps_its_own_accounts(auth, admin):
    user = new_user(admin, "VIEWER")
    caller = log_in(auth, user["email"], "a-password")
    refused = caller.post("/v1/projects", {"name": accounts.unique("p")})
    assert (refused.status_code, refused.text) == (403, "Viewers cannot perform this action.")
    changed = admin.taken("PATCH", f"/v1/users/{user['id']}", json={"role": "MEMBER"})
    assert changed["role"] == "MEMBER"
    assert caller.post("/v1/projects", {"name": accounts.unique("p")}).status_code == 200
    for known in admin.taken("GET", "/v1/users"):
        if known["username"] in ("admin", "system"):
            assert admin.delete(f"/v1/users/{known['id']}").status_code == 403
            assert admin("PATCH", f"/v1/users/{known['id']}", json={"role": "VIEWER"}).status_code == 403
    assert admin.delete("/v1/users/no-id").status_code == 422


def test_an_administrator_does_not_become_one_of_the_platform_by_resetting_a_password(auth, admin):
    (first,) = [user for user in admin.taken("GET", "/v1/users") if user["username"] == "admin"]
    reset = f"/v1/users/{first['id']}/password_reset"
    tenant_admin = new_member(auth, admin, "ADMIN")
    for caller in (tenant_admin, user_key(auth, tenant_admin), user_key(auth, admin)):
        assert caller.post(reset).status_code == 409
    for caller in (admin, deployment(auth)):
        assert caller.post(reset).status_code == 201


def test_only_administrators_manage_users(auth, admin):
    for caller in (new_member(auth, admin, "MEMBER"), new_member(auth, admin, "VIEWER"), system_key(auth, admin)):
        for method, path in (("GET", "/v1/users"), ("POST", "/v1/users"), ("DELETE", "/v1/users/x")):
            answer = caller(method, path)
            assert (answer.status_code, answer.text) == (403, NOT_ADMIN)
    assert deployment(auth).get("/v1/users").status_code == 200
    assert user_key(auth, admin).get("/v1/users").status_code == 200


def test_a_key_acts_for_its_owner_until_it_is_deleted(auth, admin):
    viewer = new_member(auth, admin, "VIEWER")
    made = viewer.taken("POST", "/v1/user/api_keys", json={"data": {"name": " mine ", "description": "d"}})
    assert made["name"] == "mine" and made["key"].startswith(f"bnu_{made['public_name']}_")
    caller = with_token(auth, made["key"])
    assert caller.taken("GET", "/v1/user") == viewer.taken("GET", "/v1/user")
    assert caller.post("/v1/projects", {"name": "x"}).status_code == 403
    for header in ("api-key", "api_key"):
        assert nobody(auth).get("/v1/user", headers={header: made["key"]}).status_code == 200
    listed = viewer.taken("GET", "/v1/user/api_keys")
    assert [key["id"] for key in listed] == [made["id"]] and "key" not in listed[0]
    assert [key["user"]["email"] for key in admin.taken("GET", "/v1/users/api_keys") if key["id"] == made["id"]]
    stranger = new_member(auth, admin, "MEMBER")
    assert stranger.delete(f"/v1/user/api_keys/{made['id']}").status_code == 404
    assert viewer.delete(f"/v1/user/api_keys/{made['id']}").status_code == 204
    assert caller.get("/v1/user").status_code == 401
    assert viewer.delete("/v1/user/api_keys/x").status_code == 422


def test_keys_make_no_keys_and_the_administration_secret_makes_those_of_the_tenant(auth, admin):
    key = user_key(auth, admin)
    for path in ("/v1/user/api_keys", "/v1/system/api_keys"):
        answer = key.post(path, {"data": {"name": "x"}})
        assert (answer.status_code, answer.text) == (403, "API keys cannot create API keys")
    secret = deployment(auth)
    assert secret.taken("GET", "/v1/user")["username"] == "system"
    assert secret.taken("GET", "/v1/user/api_keys") == []
    assert secret.post("/v1/user/api_keys", {"data": {"name": "x"}}).status_code == 403
    made = secret.taken("POST", "/v1/system/api_keys", json={"data": {"name": "automation"}})
    caller = with_token(auth, made["key"])
    assert caller.taken("GET", "/v1/user")["role"] == "SYSTEM"
    assert caller.taken("GET", "/v1/user/api_keys") == []
    assert caller.post("/v1/projects", {"name": accounts.unique("p")}).status_code == 200
    assert caller.delete("/v1/user/api_keys/x").status_code == 403
    assert made["id"] in [known["id"] for known in admin.taken("GET", "/v1/system/api_keys")]
    assert admin.delete(f"/v1/system/api_keys/{made['id']}").status_code == 204
    assert caller.get("/v1/user").status_code == 401


@pytest.mark.parametrize(
    "changed",
    [{"name": "  "}, {"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": "soon"}, {"traffic": "ALL"}, {"project": "none"}],
)
def test_fields_of_keys_that_cannot_be_used_are_named(admin, changed):
    answer = admin.post("/v1/user/api_keys", {"data": {"name": "key"} | changed})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "data", next(iter(changed))]


def test_a_key_can_be_restricted_to_a_direction_and_a_project(auth, admin):
    name, other = accounts.unique("mine"), accounts.unique("other")
    for project in (name, other):
        assert admin.post("/v1/projects", {"name": project}).status_code == 200
    ingest = user_key(auth, admin, traffic="INGEST_ONLY")
    assert ingest.get("/v1/projects").text == "This API key may only send spans."
    read = user_key(auth, admin, traffic="READ_ONLY")
    assert read.get("/v1/projects").status_code == 200
    assert read.post("/v1/projects", {"name": "x"}).text == "This API key may only read."
    mine = user_key(auth, admin, project=name)
    assert mine.get(f"/v1/projects/{name}/spans").status_code == 200
    assert mine.get(f"/v1/projects/{other}/spans").status_code == 403
    assert mine.get("/v1/projects").status_code == 403
    span = {
        "name": "s", "context": {"trace_id": "1" * 32, "span_id": "2" * 16}, "span_kind": "CHAIN",
        "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:01Z", "status_code": "OK",
    }
    assert mine.post(f"/v1/projects/{other}/spans", {"data": [span]}).status_code == 403
    assert mine.post(f"/v1/projects/{name}/spans", {"data": [span]}).status_code == 202


def test_without_authentication_there_are_users_and_no_keys():
    import serving

    with serving.bennu() as started:
        caller = nobody(started)
        assert caller.taken("GET", "/v1/user") == {"auth_method": "ANONYMOUS"}
        assert new_user(caller, "MEMBER")["role"] == "MEMBER"
        for method, path in (("GET", "/v1/user/api_keys"), ("POST", "/v1/system/api_keys"), ("GET", "/v1/users/api_keys")):
            assert caller(method, path, json={"data": {"name": "x"}}).status_code == 403, path
        assert caller.post("/auth/login", {}).status_code == 404
