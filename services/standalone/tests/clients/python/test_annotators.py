"""Whose an annotation is, and who may delete it."""

from types import SimpleNamespace

import httpx
import pytest
from phoenix.client import Client

import accounts
import otlp
from accounts import deployment, first_admin, new_member, system_key, user_key
from test_evaluations import ARROW, arrow, frame_of

pytestmark = pytest.mark.bennu


@pytest.fixture(scope="module")
def auth():
    with accounts.server() as started:
        yield started


@pytest.fixture(scope="module")
def admin(auth):
    return first_admin(auth)


@pytest.fixture
def traced(auth, admin, project):
    """A span in a session, which retrieved a document."""
    pairs = {"session.id": project, "retrieval.documents.0.document.content": "text"}
    span = otlp.span("ask", kind="RETRIEVER", pairs=pairs)
    body = otlp.export([span], project).SerializeToString()
    assert admin.post("/v1/traces", content=body, headers=otlp.PROTOBUF).status_code == 200
    ids = {"span": otlp.hex_id(span), "trace": otlp.hex_trace(span), "session": project}
    return SimpleNamespace(project=project, raw=span, ids=ids)


def own_id(caller) -> str:
    return caller.taken("GET", "/v1/user")["id"]


def official(caller) -> Client:
    """The official client with the key of a caller."""
    return Client(base_url=caller.url, api_key=caller.headers["authorization"].removeprefix("Bearer "))


def annotators(admin, traced, kind: str) -> dict[str, str | None]:
    """Accounts by the names of annotations."""
    params = {f"{kind}_ids": traced.ids[kind], "limit": 100}
    found = admin.taken("GET", f"/v1/projects/{traced.project}/{kind}_annotations", params=params)
    return {row["name"]: row["user_id"] for row in found}


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("kind", ["span", "trace", "session"])
def test_annotations_carry_the_account_of_their_caller(auth, admin, traced, settled, kind, sync):
    member = new_member(auth, admin, "MEMBER")
    by_key = official(user_key(auth, member))
    add = getattr(getattr(by_key, f"{kind}s"), f"add_{kind}_annotation")
    add(**{f"{kind}_id": traced.ids[kind]}, annotation_name="client", label="l", sync=sync)
    item = {f"{kind}_id": traced.ids[kind], "annotator_kind": "CODE"}
    for caller, name in ((admin, "admin"), (deployment(auth), "secret"), (system_key(auth, admin), "key")):
        path = f"/v1/{kind}_annotations?sync={str(sync).lower()}"
        caller.taken("POST", path, json={"data": [item | {"name": name}]})
    member.taken("POST", f"/v1/{kind}_notes", json={"data": {f"{kind}_id": traced.ids[kind], "note": "text"}})
    system = own_id(deployment(auth))
    expected = {
        "client": own_id(member), "note": own_id(member), "admin": own_id(admin), "secret": system, "key": system
    }
    assert settled(lambda: annotators(admin, traced, kind), until=lambda found: len(found) == 5) == expected


def test_a_later_annotation_of_another_becomes_theirs(auth, admin, traced):
    """Also when both say the same: the row tells who said it last."""
    one, other = new_member(auth, admin, "MEMBER"), new_member(auth, admin, "MEMBER")
    body = {"data": [{"span_id": traced.ids["span"], "name": "n", "annotator_kind": "HUMAN"}]}
    ids = [caller.taken("POST", "/v1/span_annotations?sync=true", json=body) for caller in (one, other)]
    assert ids[0] == ids[1]
    assert annotators(admin, traced, "span") == {"n": own_id(other)}


def test_evaluations_and_documents_carry_it_too(auth, admin, traced, settled):
    member = new_member(auth, admin, "MEMBER")
    answer = member.post("/v1/evaluations", content=arrow(frame_of("span", [traced.raw] * 2)[:1], "e", "span"), headers=ARROW)
    assert answer.status_code == 204, answer.text
    assert settled(lambda: annotators(admin, traced, "span")) == {"e": own_id(member)}
    body = {"span_id": traced.ids["span"], "document_position": 0, "name": "d", "annotator_kind": "LLM"}
    member.taken("POST", "/v1/document_annotations?sync=true", json={"data": [body]})


@pytest.mark.parametrize("kind", ["span", "trace", "session"])
def test_only_administrators_delete_annotations_of_others(auth, admin, traced, kind):
    one, other = new_member(auth, admin, "MEMBER"), new_member(auth, admin, "MEMBER")
    callers = {"one": one, "other": user_key(auth, other), "key": system_key(auth, admin), "admin": admin}

    def annotate() -> None:
        item = {f"{kind}_id": traced.ids[kind], "annotator_kind": "HUMAN"}
        for name, caller in callers.items():
            caller.taken("POST", f"/v1/{kind}_annotations?sync=true", json={"data": [item | {"name": name}]})

    def delete(caller, **narrowed) -> int:
        path = f"/v1/projects/{traced.project}/{kind}_annotations"
        return caller.delete(path, params={"delete_all": "true", **narrowed}).status_code

    annotate()
    assert delete(new_member(auth, admin, "VIEWER")) == 403
    assert delete(new_member(auth, admin, "MEMBER")) == 204
    assert len(annotators(admin, traced, kind)) == 4
    # Nobody is told that there is one of somebody else.
    assert delete(one, name="other") == 204
    assert set(annotators(admin, traced, kind)) == set(callers)
    assert delete(one) == 204
    assert set(annotators(admin, traced, kind)) == {"other", "key", "admin"}
    assert delete(callers["key"]) == 204
    assert set(annotators(admin, traced, kind)) == {"other", "admin"}
    # By a log-in what came by the same person's key.
    assert delete(other) == 204
    assert set(annotators(admin, traced, kind)) == {"admin"}
    annotate()
    assert delete(admin) == 204
    assert annotators(admin, traced, kind) == {}
    annotate()
    assert delete(deployment(auth)) == 204
    assert annotators(admin, traced, kind) == {}


def test_the_official_client_tells_whose_an_annotation_is(auth, admin, traced):
    member = new_member(auth, admin, "MEMBER")
    client = official(user_key(auth, member))
    client.spans.add_span_annotation(span_id=traced.ids["span"], annotation_name="n", label="l", sync=True)
    found = client.spans.get_span_annotations(span_ids=[traced.ids["span"]], project_identifier=traced.project)
    assert [row["user_id"] for row in found] == [own_id(member)]
    with pytest.raises(httpx.HTTPStatusError):
        official(user_key(auth, new_member(auth, admin, "VIEWER"))).spans.add_span_annotation(
            span_id=traced.ids["span"], annotation_name="n", label="l", sync=True
        )


def test_members_drop_their_own_failed_annotations_alone(auth, admin, traced):
    one, other, key = new_member(auth, admin, "MEMBER"), new_member(auth, admin, "MEMBER"), system_key(auth, admin)
    item = {"span_id": traced.ids["span"], "name": "n", "annotator_kind": "HUMAN", "document_position": 7}

    def fail(caller) -> None:
        """There is no such document."""
        answer = caller.post("/v1/document_annotations", {"data": [item | {"result": {"score": 1}}]})
        receipt = caller.get(f"/v1/receipts/{answer.headers['x-bennu-receipt']}", params={"wait": "10s"})
        assert receipt.json()["data"]["failed"] == 1

    def left() -> list[str]:
        return [row["id"] for row in admin.taken("GET", "/v1/annotations/failed")]

    def drop(caller, **which) -> int:
        return caller("DELETE", "/v1/annotations/failed", json=which).status_code

    fail(one)
    fail(other)
    fail(key)
    of_key, of_other, of_one = left()
    assert drop(new_member(auth, admin, "VIEWER"), all=True) == 403
    assert drop(new_member(auth, admin, "MEMBER"), all=True) == 204
    # Nobody is told that there is one of somebody else.
    assert drop(one, ids=[of_other, of_key]) == 204
    assert left() == [of_key, of_other, of_one]
    assert drop(one, all=True) == 204
    assert left() == [of_key, of_other]
    # By a log-in what came by the same person's key, and the other way round.
    assert drop(user_key(auth, other), ids=[of_other]) == 204
    assert left() == [of_key]
    assert drop(admin, all=True) == 204
    assert left() == []
