"""`client.projects`: create, get, list, update, delete; and which project a span lands in."""

import httpx
import pytest

import otlp


def test_the_default_project_is_there(client):
    default = client.projects.get(project_name="default")
    assert default["name"] == "default"
    assert default in client.projects.list()


def test_create_get_update_delete(client, project):
    made = client.projects.create(name=project, description="first")
    assert (made["name"], made["description"]) == (project, "first")
    assert client.projects.get(project_name=project) == made
    assert client.projects.get(project_id=made["id"]) == made

    changed = client.projects.update(project_id=made["id"], description="second")
    assert changed == {**made, "description": "second"}
    assert client.projects.get(project_name=project) == changed

    client.projects.delete(project_name=project)
    with pytest.raises(httpx.HTTPStatusError) as missing:
        client.projects.get(project_id=made["id"])
    assert missing.value.response.status_code == 404


def test_list_newest_first_and_by_part_of_the_name(client, project):
    names = [f"{project} {suffix}" for suffix in ("Ärger", "b", "c")]
    for name in names:
        client.projects.create(name=name)
    assert [found["name"] for found in client.projects.list(name_contains=project.upper())] == names[::-1]
    assert [found["name"] for found in client.projects.list(name_contains=f"{project} b")] == names[1:2]


def test_listing_walks_all_pages(http, project):
    names = {f"{project}-{number}" for number in range(5)}
    for name in names:
        http.post("/v1/projects", json={"name": name}).raise_for_status()
    query = {"name_contains": project, "limit": 2}
    walked = []
    while True:
        page = http.get("/v1/projects", params=query).raise_for_status().json()
        walked += [found["name"] for found in page["data"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert len(walked) == 5
    assert set(walked) == names


def test_the_default_project_cannot_be_deleted(client):
    with pytest.raises(httpx.HTTPStatusError) as refused:
        client.projects.delete(project_name="default")
    assert refused.value.response.status_code == 403


@pytest.mark.bennu
def test_a_name_is_taken_once(http, project):
    http.post("/v1/projects", json={"name": project}).raise_for_status()
    assert http.post("/v1/projects", json={"name": project}).status_code == 409


def test_deleting_a_project_deletes_its_spans(client, send, project):
    session = "of " + project
    send([otlp.span(pairs={"session.id": session})], project)
    client.projects.delete(project_name=project)
    send([otlp.span("anew")], project)
    assert [span["name"] for span in client.spans.get_spans(project_identifier=project)] == ["anew"]
    assert client.sessions.list(project_name=project) == []


def test_the_header_overrides_the_resource(http, client, eventually, project):
    body = otlp.export([otlp.span("here")], project + "-resource").SerializeToString()
    http.post("/v1/traces", content=body, headers=otlp.PROTOBUF | {"x-project-name": project}).raise_for_status()
    assert len(eventually(lambda: client.spans.get_spans(project_identifier=project))) == 1
    assert client.projects.list(name_contains=project + "-resource") == []


def test_a_trace_stays_in_its_first_project(client, send, http, eventually, project):
    first, second = otlp.span("first"), otlp.span("second")
    second.trace_id = first.trace_id
    send([first], project)
    body = otlp.export([second], project + "-late").SerializeToString()
    http.post("/v1/traces", content=body, headers=otlp.PROTOBUF).raise_for_status()
    spans = eventually(lambda: client.spans.get_spans(project_identifier=project), until=lambda spans: len(spans) == 2)
    assert {span["name"] for span in spans} == {"first", "second"}
    assert client.projects.list(name_contains=project + "-late") == []
