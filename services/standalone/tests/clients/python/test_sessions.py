"""`client.sessions`: get, list, turns, delete."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

import otlp

NOON = datetime.fromtimestamp(otlp.EPOCH_NANOS / 1e9, tz=UTC)


def turn(session: str, number: int, **more) -> list[otlp.Span]:
    """One exchange of a conversation: a root with input and output, and an LLM call below it."""
    root = otlp.span(
        "turn",
        start=number * 10,
        end=number * 10 + 5,
        kind="CHAIN",
        pairs={
            "session.id": session,
            "input.value": f"question {number}",
            "input.mime_type": "text/plain",
            "output.value": f"answer {number}",
            **more,
        },
    )
    tokens = {"llm.token_count.prompt": 10, "llm.token_count.completion": number}
    call = otlp.span(
        "call",
        trace=otlp.hex_trace(root),
        parent=otlp.hex_id(root),
        start=number * 10 + 1,
        end=number * 10 + 2,
        kind="LLM",
        pairs=tokens,
    )
    return [root, call]


@pytest.fixture
def session():
    return "session " + otlp.new_span_id()


def test_a_session_sums_up_its_traces(client, send, project, session):
    spans = turn(session, 1) + turn(session, 2)
    send(spans, project)
    found = client.sessions.get(session_id=session)
    assert found["session_id"] == session
    assert found["project_id"] == client.projects.get(project_name=project)["id"]
    assert datetime.fromisoformat(found["start_time"]) == NOON + timedelta(seconds=10)
    assert datetime.fromisoformat(found["end_time"]) == NOON + timedelta(seconds=25)
    assert [trace["trace_id"] for trace in found["traces"]] == [
        otlp.hex_trace(spans[0]),
        otlp.hex_trace(spans[2]),
    ]
    counts = (found["token_count_prompt"], found["token_count_completion"], found["token_count_total"])
    assert counts == (20, 3, 23)
    assert client.sessions.get(session_id=found["id"]) == found


def test_sessions_of_a_project_oldest_first(client, send, project, session):
    names = [f"{session} {number}" for number in range(3)]
    for name in names:
        send(turn(name, 1), project)
    listed = client.sessions.list(project_name=project)
    assert [found["session_id"] for found in listed] == names
    assert client.sessions.list(project_id=listed[0]["project_id"]) == listed
    assert client.sessions.list(project_name=project, limit=2) == listed[:2]


def test_session_ids_are_text_and_trimmed(client, send, project):
    number = int(otlp.new_span_id(), 16) >> 2
    send([otlp.span(pairs={"session.id": number}), otlp.span(pairs={"session.id": f"  s{number} "})], project)
    send([otlp.span(pairs={"session.id": "   "})], project)
    listed = client.sessions.list(project_name=project)
    assert [found["session_id"] for found in listed] == [str(number), f"s{number}"]


def test_turns_pair_inputs_with_outputs(client, send, project, session):
    send(turn(session, 1) + turn(session, 2, **{"output.mime_type": "application/json"}), project)
    turns = client.sessions.get_session_turns(session_id=session)
    assert [t["input"]["value"] for t in turns] == ["question 1", "question 2"]
    assert [t["output"]["value"] for t in turns] == ["answer 1", "answer 2"]
    assert turns[0]["input"]["mime_type"] == "text/plain"
    assert turns[1]["output"]["mime_type"] == "application/json"
    assert {t["root_span"]["name"] for t in turns} == {"turn"}


def test_a_deleted_session_takes_its_traces_along(client, send, project, session):
    send(turn(session, 1) + [otlp.span("kept")], project)
    client.sessions.delete(session_id=session)
    assert client.sessions.list(project_name=project) == []
    assert [span["name"] for span in client.spans.get_spans(project_identifier=project)] == ["kept"]
    assert_missing(lambda: client.sessions.get(session_id=session))
    assert_missing(lambda: client.sessions.delete(session_id=session))


def test_a_session_is_deleted_by_its_global_id(client, send, project, session):
    send(turn(session, 1), project)
    client.sessions.delete(session_id=client.sessions.get(session_id=session)["id"])
    assert_missing(lambda: client.sessions.get(session_id=session))


def test_several_sessions_are_deleted_at_once(client, send, project, session):
    names = [f"{session} {number}" for number in range(3)]
    for name in names:
        send(turn(name, 1), project)
    client.sessions.bulk_delete(session_ids=[*names[:2], "a session nobody had"])
    assert [found["session_id"] for found in client.sessions.list(project_name=project)] == names[2:]


def assert_missing(call):
    with pytest.raises((httpx.HTTPStatusError, ValueError)) as missing:
        call()
    if isinstance(missing.value, httpx.HTTPStatusError):
        assert missing.value.response.status_code == 404
