"""Tenants, invitations, and what one tenant can see of another: nothing."""

import pytest

import accounts
import otlp
from accounts import (
    Caller, bearer, deployment, first_admin, log_in, new_member, new_tenant, nobody, system_key, user_key,
)

pytestmark = pytest.mark.bennu

TRACE, SPAN = bytes.fromhex("1" * 32), bytes.fromhex("2" * 16)


@pytest.fixture(scope="module")
def auth():
    with accounts.server() as started:
        yield started


@pytest.fixture(scope="module")
def two(auth):
    """The administrators of two tenants whose data have the same names and ids."""
    tenants = [new_tenant(auth) for _ in range(2)]
    for slug, admin in tenants:
        send(auth, admin, project="shared-name", name=f"span of {slug}")
    return tenants


def send(auth, caller: Caller, project: str, name: str, **ids) -> None:
    span = {
        "name": name, "span_kind": "CHAIN", "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:01Z",
        "status_code": "OK", "context": {"trace_id": TRACE.hex(), "span_id": SPAN.hex()},
        "attributes": {"session.id": "shared-session"},
    }
    answer = caller.post(f"/v1/projects/{project}/spans", {"data": [span]})
    assert answer.status_code == 202, answer.text


def test_equal_names_and_ids_of_two_tenants_never_meet(auth, two):
    for slug, admin in two:
        spans = admin.taken("GET", "/v1/projects/shared-name/spans")
        assert [span["name"] for span in spans] == [f"span of {slug}"]
        (session,) = admin.taken("GET", "/v1/projects/shared-name/sessions")
        assert session["session_id"] == "shared-session"
        names = {project["name"] for project in admin.taken("GET", "/v1/projects")}
        assert names == {"default", "shared-name"}
    default = first_admin(auth)
    assert default.get("/v1/projects/shared-name").status_code == 404


def test_a_foreign_id_looks_like_a_missing_one(auth, two):
    (_, one), (_, other) = two
    project = one.taken("GET", "/v1/projects/shared-name")["id"]
    span = one.taken("GET", "/v1/projects/shared-name/spans")[0]["id"]
    session = one.taken("GET", "/v1/projects/shared-name/sessions")[0]["id"]
    member = accounts.new_user(one, "VIEWER")
    key = one.taken("POST", "/v1/system/api_keys", json={"data": {"name": "k"}})
    foreign = [
        ("GET", f"/v1/projects/{project}"),
        ("DELETE", f"/v1/projects/{project}"),
        ("DELETE", f"/v1/spans/{span}"),
        ("GET", f"/v1/sessions/{session}"),
        ("DELETE", f"/v1/sessions/{session}"),
        ("DELETE", f"/v1/users/{member['id']}"),
        ("PATCH", f"/v1/users/{member['id']}"),
        ("DELETE", f"/v1/system/api_keys/{key['id']}"),
    ]
    for method, path in foreign:
        answer = other(method, path, json={"role": "MEMBER"} if method == "PATCH" else None)
        assert answer.status_code == 404, (method, path, answer.status_code, answer.text)
    assert [span["id"] for span in one.taken("GET", "/v1/projects/shared-name/spans")] == [span]


def test_a_path_names_one_of_several_tenants(auth, two):
    (first, one), (second, other) = two
    person = accounts.new_user(one, "MEMBER")
    caller = log_in(auth, person["email"], "a-password")
    invitation = other.taken("POST", "/v1/invitations", json={"role": "VIEWER", "email": person["email"]})
    accepted = caller.taken(
        "POST", "/platform/v1/invitations/accept", json={"token": invitation["token"], "username": "guest"}
    )
    assert accepted == {"user_id": person["id"], "tenant": second}

    def names(prefix: str, who: Caller = caller) -> list[str]:
        return [span["name"] for span in who.taken("GET", f"{prefix}/v1/projects/shared-name/spans")]

    assert names("") == names(f"/s/{first}") == [f"span of {first}"]
    assert names(f"/s/{second}") == [f"span of {second}"]
    assert caller.taken("GET", f"/s/{second}/v1/user")["role"] == "VIEWER"
    assert caller.get("/s/default/v1/projects").status_code == 404
    assert caller.get("/s/no-such-tenant/v1/projects").status_code == 404
    listed = caller.taken("GET", "/platform/v1/memberships")
    assert [(known["tenant"], known["role"], known["current"]) for known in listed] == [
        (first, "MEMBER", True),
        (second, "VIEWER", False),
    ]
    # Keys belong to one tenant.
    key = user_key(auth, caller)
    assert names("", key) == [f"span of {first}"]
    assert key.get(f"/s/{second}/v1/projects").status_code == 404
    # To go on in the other one.
    switched = caller.post(f"/platform/v1/memberships/{second}/switch")
    assert switched.status_code == 204
    moved = Caller(auth.url, cookies=dict(switched.cookies))
    assert names("", moved) == [f"span of {second}"]
    assert caller.get("/v1/user").status_code == 401
    directly = log_in(auth, person["email"], "a-password", tenant=second)
    assert names("", directly) == [f"span of {second}"]
    assert moved.delete(f"/platform/v1/memberships/{second}").status_code == 204
    assert moved.get("/v1/user").status_code == 401
    assert log_in(auth, person["email"], "a-password").taken("GET", "/v1/user")["role"] == "MEMBER"


def test_an_invitation_makes_one_new_member(auth, two):
    (slug, admin), _ = two
    email = accounts.unique("invited") + "@example.com"
    made = admin.taken("POST", "/v1/invitations", json={"role": "MEMBER", "email": email})
    assert made["link"].endswith(f"/invitation?token={made['token']}")
    assert made["id"] in [known["id"] for known in admin.taken("GET", "/v1/invitations")]
    accept = {"token": made["token"], "username": accounts.unique("new"), "email": email, "password": "a-password"}
    path = "/platform/v1/invitations/accept"
    assert nobody(auth).post(path, accept | {"email": "other@example.com"}).status_code == 403
    assert nobody(auth).post(path, accept | {"username": "owner"}).status_code == 409
    assert nobody(auth).post(path, accept | {"password": "abc"}).status_code == 422
    assert nobody(auth).post(path, accept).status_code == 201
    assert nobody(auth).post(path, accept).status_code == 404
    assert log_in(auth, email, "a-password").taken("GET", "/v1/user")["username"] == accept["username"]
    withdrawn = admin.taken("POST", "/v1/invitations", json={"role": "ADMIN"})
    assert admin.delete(f"/v1/invitations/{withdrawn['id']}").status_code == 204
    assert nobody(auth).post(path, accept | {"token": withdrawn["token"]}).status_code == 404
    assert admin.post("/v1/invitations", {"role": "SYSTEM"}).status_code == 422


def test_the_last_administrator_stays(auth, two):
    (slug, admin), _ = two
    (me,) = [user for user in admin.taken("GET", "/v1/users") if user["role"] == "ADMIN"]
    assert admin("PATCH", f"/v1/users/{me['id']}", json={"role": "VIEWER"}).status_code == 409
    assert admin.delete(f"/v1/users/{me['id']}").status_code == 409
    assert admin.delete(f"/platform/v1/memberships/{slug}").status_code == 409


def test_only_those_who_run_the_deployment_manage_tenants(auth, two):
    (slug, owner), _ = two
    member, key = new_member(auth, owner, "MEMBER"), system_key(auth, owner)
    for caller in (owner, member, key, user_key(auth, first_admin(auth))):
        for method, path in (("GET", "/platform/v1/tenants"), ("DELETE", f"/platform/v1/tenants/{slug}")):
            answer = caller(method, path)
            assert (answer.status_code, answer.text) == (
                403, "Only platform administrators can perform this action."
            ), path
    for caller in (deployment(auth), first_admin(auth)):
        page = caller.get("/platform/v1/tenants?limit=1").json()
        assert [tenant["slug"] for tenant in page["data"]] == ["default"]
        assert page["next_cursor"]
    for body, status in (
        ({"slug": slug}, 409), ({"slug": "No Slug"}, 422), ({"slug": "default"}, 409), ({}, 422),
        ({"slug": accounts.unique("t"), "admin": {"email": "admin@localhost", "username": "a", "password": "abcd"}}, 409),
    ):
        assert deployment(auth).post("/platform/v1/tenants", body).status_code == status, body
    assert deployment(auth).delete("/platform/v1/tenants/default").status_code == 403
    assert deployment(auth)("PATCH", "/platform/v1/tenants/default", json={"suspended": True}).status_code == 403


def test_a_suspended_tenant_can_be_used_again_later(auth):
    slug, admin = new_tenant(auth)
    key = system_key(auth, admin)
    platform = deployment(auth)
    changed = platform.taken("PATCH", f"/platform/v1/tenants/{slug}", json={"suspended": True, "name": "Renamed"})
    assert changed["name"] == "Renamed" and changed["suspended_at"]
    for caller in (admin, key):
        answer = caller.get("/v1/projects")
        assert (answer.status_code, answer.text) == (403, "This tenant is suspended.")
    platform.taken("PATCH", f"/platform/v1/tenants/{slug}", json={"suspended": False})
    for caller in (admin, key):
        assert caller.get("/v1/projects").status_code == 200


def test_a_deleted_tenant_leaves_nothing_behind(auth):
    slug, admin = new_tenant(auth)
    canary = accounts.unique("canary")
    send(auth, admin, project="secret-project", name=canary)
    key = system_key(auth, admin)
    assert deployment(auth).delete(f"/platform/v1/tenants/{slug}").status_code == 204
    assert deployment(auth).get(f"/platform/v1/tenants/{slug}").status_code == 404
    for caller in (admin, key):
        assert caller.get("/v1/projects").status_code == 401
    login = nobody(auth).post("/auth/login", {"email": f"{slug}@example.com", "password": "a-password"})
    assert login.status_code == 401
    # The slug and the address are free again.
    again = {"slug": slug, "admin": {"email": f"{slug}@example.com", "username": "owner", "password": "a-password"}}
    assert deployment(auth).post("/platform/v1/tenants", again).status_code == 201
    caller = log_in(auth, f"{slug}@example.com", "a-password")
    assert [project["name"] for project in caller.taken("GET", "/v1/projects")] == ["default"]
    files = [path.read_bytes() for path in auth.log.parent.glob("bennu.db*")]
    assert not any(canary.encode() in content for content in files)


def test_exporters_send_with_keys_over_http_and_grpc(auth, two):
    """The official exporters, with a key, into the tenant of the key."""
    from phoenix.otel import register

    (slug, admin), _ = two
    token = admin.taken("POST", "/v1/system/api_keys", json={"data": {"name": "exporter"}})["key"]
    for protocol, endpoint in (("http/protobuf", f"{auth.url}/v1/traces"), ("grpc", f"http://{auth.grpc}")):
        project = accounts.unique("exported")
        provider = register(
            project_name=project, endpoint=endpoint, protocol=protocol, api_key=token, verbose=False,
            set_global_tracer_provider=False,
        )
        with provider.get_tracer("test").start_as_current_span("exported"):
            pass
        provider.shutdown()
        assert [span["name"] for span in admin.taken("GET", f"/v1/projects/{project}/spans")] == ["exported"]


def test_grpc_refuses_strangers_and_viewers(auth, two):
    import grpc

    (_, admin), _ = two
    viewer = user_key(auth, new_member(auth, admin, "VIEWER")).headers["authorization"]
    member = user_key(auth, new_member(auth, admin, "MEMBER")).headers["authorization"]
    bare = member.removeprefix("Bearer ")
    cases = [
        ((), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", bare),), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", "Bearer nonsense"),), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", viewer),), grpc.StatusCode.PERMISSION_DENIED),
        ((("authorization", member),), grpc.StatusCode.OK),
        ((("api-key", bare),), grpc.StatusCode.OK),
        ((("authorization", bearer(accounts.ADMIN_SECRET)["authorization"]),), grpc.StatusCode.OK),
    ]
    with grpc.insecure_channel(auth.grpc) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        for metadata, expected in cases:
            try:
                export(b"", metadata=metadata, timeout=30)
                code = grpc.StatusCode.OK
            except grpc.RpcError as error:
                code = error.code()
            assert code == expected, metadata


def test_a_key_of_one_project_sends_into_it_whatever_spans_name(auth, two):
    (_, admin), _ = two
    name = accounts.unique("only")
    assert admin.post("/v1/projects", {"name": name}).status_code == 200
    key = user_key(auth, admin, project=name, traffic="INGEST_ONLY")
    body = otlp.export([otlp.span("kept")], project="named-by-the-sender").SerializeToString()
    answer = key("POST", "/v1/traces", content=body, headers={"content-type": "application/x-protobuf"})
    assert answer.status_code == 200
    assert [span["name"] for span in admin.taken("GET", f"/v1/projects/{name}/spans")] == ["kept"]
    assert admin.get("/v1/projects/named-by-the-sender").status_code == 404
