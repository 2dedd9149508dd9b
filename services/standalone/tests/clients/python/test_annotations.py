"""`add_*`, `log_*` and `*_dataframe` of spans, traces, sessions and documents, sync and async; notes; lists."""

import httpx
import pandas as pd
import pytest

import otlp


@pytest.fixture
def traced(project, send):
    """A trace of two spans in a session; the second one retrieved two documents."""
    documents = {f"retrieval.documents.{n}.document.content": f"text {n}" for n in range(2)}
    trace = otlp.new_trace_id()
    spans = [
        otlp.span("ask", trace=trace, pairs={"session.id": project}),
        otlp.span("find", trace=trace, kind="RETRIEVER", pairs={"session.id": project, **documents}),
    ]
    send(spans, project)
    return Traced(project, trace, otlp.hex_id(spans[0]), otlp.hex_id(spans[1]))


class Traced:
    def __init__(self, project: str, trace: str, span: str, retriever: str):
        self.project, self.session, self.trace, self.span, self.retriever = project, project, trace, span, retriever

    def id(self, kind: str) -> str:
        return {"span": self.span, "trace": self.trace, "session": self.session}[kind]


@pytest.fixture
def listed(http, settled):
    """The annotations of a target, oldest first, once there are `count` of them."""

    def ask(traced: Traced, kind: str, count: int) -> list[dict]:
        url = f"/v1/projects/{traced.project}/{kind}_annotations"
        return settled(
            lambda: http.get(url, params={f"{kind}_ids": traced.id(kind), "limit": 100}).json()["data"][::-1],
            until=lambda found: len(found) == count,
        )

    return ask


def helpers(client, kind: str):
    """The three helpers of a kind: one annotation, many, and a data frame."""
    resource = getattr(client, f"{kind}s")
    return (
        getattr(resource, f"add_{kind}_annotation"),
        getattr(resource, f"log_{kind}_annotations"),
        getattr(resource, f"log_{kind}_annotations_dataframe"),
    )


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize("kind", ["span", "trace", "session"])
def test_every_helper_annotates(client, traced, listed, kind, sync):
    add, log, log_dataframe = helpers(client, kind)
    id_field, target = f"{kind}_id", traced.id(kind)
    added = add(
        **{id_field: target},
        annotation_name="added",
        annotator_kind="LLM",
        label="good",
        score=0.75,
        explanation="because",
        metadata={"b": [1, {"c": None}], "a": "é"},
        identifier="first",
        sync=sync,
    )
    logged = log(
        **{
            f"{kind}_annotations": [
                {"name": f"logged {n}", "annotator_kind": "CODE", id_field: target, "result": {"score": n}}
                for n in range(3)
            ]
        },
        sync=sync,
    )
    frame = pd.DataFrame({id_field: [target] * 2, "name": ["frame 0", "frame 1"], "label": ["x", "y"]})
    framed = log_dataframe(dataframe=frame, annotator_kind="HUMAN", sync=sync)

    annotations = {found["name"]: found for found in listed(traced, kind, 6)}
    first = annotations["added"]
    assert first["result"] == {"label": "good", "score": 0.75, "explanation": "because"}
    assert (first["annotator_kind"], first["identifier"], first["source"]) == ("LLM", "first", "API")
    assert (first["metadata"], first["user_id"], first[id_field]) == ({"b": [1, {"c": None}], "a": "é"}, None, target)
    assert [annotations[f"logged {n}"]["result"]["score"] for n in range(3)] == [0, 1, 2]
    assert [annotations[f"frame {n}"]["result"]["label"] for n in range(2)] == ["x", "y"]
    if sync:
        assert added["id"] == first["id"]
        assert [row["id"] for row in logged] == [annotations[f"logged {n}"]["id"] for n in range(3)]
        assert [row["id"] for row in framed] == [annotations[f"frame {n}"]["id"] for n in range(2)]
    else:
        assert not added and not logged and not framed


@pytest.mark.bennu
@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_documents_are_annotated(client, http, traced, settled, sync):
    client.spans.add_document_annotation(
        span_id=traced.retriever, document_position=0, annotation_name="added", label="relevant", sync=sync
    )
    rows = [
        {"name": "logged", "annotator_kind": "LLM", "span_id": traced.retriever, "document_position": 1, "result": {"score": 1}}
    ]
    client.spans.log_document_annotations(document_annotations=rows, sync=sync)
    frame = pd.DataFrame({"span_id": [traced.retriever], "document_position": [1], "score": [0.5]})
    client.spans.log_document_annotations_dataframe(
        dataframe=frame, annotation_name="framed", annotator_kind="CODE", sync=sync
    )
    # Documents have no list of their own.
    summaries = f"/v1/projects/{traced.project}/annotation_summaries"
    found = settled(
        lambda: http.get(summaries, params={"target": "document"}).json()["data"], until=lambda found: len(found) == 3
    )
    assert [(row["name"], row["count"], row["mean_score"]) for row in found] == [
        ("added", 1, None),
        ("framed", 1, 0.5),
        ("logged", 1, 1.0),
    ]


def test_a_data_frame_of_several_chunks_is_logged(client, traced, listed):
    names = [f"name {n}" for n in range(250)]
    frame = pd.DataFrame({"span_id": traced.span, "name": names, "annotator_kind": "CODE", "score": range(250)})
    inserted = client.spans.log_span_annotations_dataframe(dataframe=frame, sync=True)
    assert len({row["id"] for row in inserted}) == 250
    found = client.spans.get_span_annotations(
        span_ids=[traced.span], project_identifier=traced.project, limit=100
    )
    assert sorted(row["name"] for row in found) == sorted(names)


def test_annotations_come_back_as_a_data_frame(client, traced):
    client.spans.add_span_annotation(
        span_id=traced.span, annotation_name="n", label="l", score=1.5, metadata={"k": 1}, sync=True
    )
    frame = client.spans.get_span_annotations_dataframe(span_ids=[traced.span], project_identifier=traced.project)
    assert list(frame.index) == [traced.span]
    row = frame.iloc[0]
    assert (row["annotation_name"], row["result.label"], row["result.score"]) == ("n", "l", 1.5)
    assert row["metadata"] == {"k": 1}


def test_notes_pile_up_unless_they_are_identified(client, http, traced, listed):
    for text in ("one", " two "):
        client.spans.add_span_note(span_id=traced.span, note=text)
    for kind in ("trace", "session"):
        body = {f"{kind}_id": traced.id(kind), "note": "first", "identifier": "mine"}
        ids = []
        for text in ("first", "second"):
            reply = http.post(f"/v1/{kind}_notes", json={"data": body | {"note": text}})
            ids.append(reply.json()["data"]["id"])
        assert ids[0] == ids[1]
        assert [row["result"]["explanation"] for row in listed(traced, kind, 1)] == ["second"]
    notes = listed(traced, "span", 2)
    assert [(row["name"], row["annotator_kind"]) for row in notes] == [("note", "HUMAN")] * 2
    assert [row["result"]["explanation"] for row in notes] == ["one", "two"]
    assert all(row["identifier"].startswith("px-span-note:") for row in notes)


def test_what_is_missing_is_named(client, traced):
    nobody = otlp.new_span_id()
    with pytest.raises(httpx.HTTPStatusError) as error:
        client.spans.add_span_annotation(span_id=nobody, annotation_name="n", score=1, sync=True)
    assert error.value.response.status_code == 404
    assert nobody in error.value.response.text


def test_an_annotation_may_come_before_its_span(client, http, project, send, listed):
    span = otlp.span("late")
    target = Traced(project, otlp.hex_trace(span), otlp.hex_id(span), "")
    client.spans.add_span_annotation(span_id=target.span, annotation_name="early", label="bird")
    client.traces.add_trace_annotation(trace_id=target.trace, annotation_name="early", label="bird")
    send([span], project)
    assert listed(target, "span", 1)[0]["result"]["label"] == "bird"
    assert listed(target, "trace", 1)[0]["result"]["label"] == "bird"


def test_every_bad_item_is_told_with_its_index(http, traced):
    good = {"span_id": traced.span, "name": "n", "annotator_kind": "HUMAN"}
    items = [good, good | {"annotator_kind": "human"}, good, {**good, "result": {"score": "high"}}, {"name": 1}]
    reply = http.post("/v1/span_annotations", json={"data": items})
    assert reply.status_code == 422
    places = [error["loc"][:3] for error in reply.json()["detail"]]
    assert {tuple(place) for place in places} == {("body", "data", 1), ("body", "data", 3), ("body", "data", 4)}


def test_deletes_need_a_range_or_a_word(client, http, traced, listed):
    for name in ("a", "b"):
        client.spans.add_span_annotation(span_id=traced.span, annotation_name=name, label="l", sync=True)
    url = f"/v1/projects/{traced.project}/span_annotations"
    assert http.delete(url).status_code == 422
    assert http.delete(url, params={"start_time": "2020-01-01"}).status_code == 422
    assert http.delete(url, params={"start_time": "2020-01-01", "end_time": "2020-01-02"}).status_code == 204
    assert len(listed(traced, "span", 2)) == 2
    assert http.delete(url, params={"delete_all": True, "name": "a"}).status_code == 204
    assert [row["name"] for row in listed(traced, "span", 1)] == ["b"]
    assert http.delete(url, params={"delete_all": True}).status_code == 204
    assert http.delete(url, params={"delete_all": True}).status_code == 204


def test_a_deleted_trace_takes_its_annotations(client, http, traced):
    client.spans.add_span_annotation(span_id=traced.span, annotation_name="n", label="l", identifier="i", sync=True)
    http.delete(f"/v1/traces/{traced.trace}").raise_for_status()
    reply = http.get(f"/v1/projects/{traced.project}/span_annotations", params={"identifier": "i"})
    assert reply.json() == {"data": [], "next_cursor": None}


@pytest.mark.bennu
def test_conditions_read_annotations(client, http, traced):
    client.spans.add_span_annotation(span_id=traced.span, annotation_name="q", score=0.9, label="good", sync=True)
    client.traces.add_trace_annotation(trace_id=traced.trace, annotation_name="t", label="fine", sync=True)
    client.sessions.add_session_annotation(session_id=traced.session, annotation_name="s", score=1, sync=True)

    def spans(condition: str) -> list[str]:
        from phoenix.client.types.spans import SpanQuery

        frame = client.spans.get_spans_dataframe(query=SpanQuery().where(condition), project_identifier=traced.project)
        return sorted(frame["name"]) if len(frame) else []

    assert spans("annotations['q'].score > 0.5") == ["ask"]
    assert spans("annotations['q'].label == 'bad'") == []
    assert spans("not annotations['q']") == ["find"]
    assert spans("trace_annotations['t'].label == 'fine'") == ["ask", "find"]

    def listed(what: str, condition: str) -> int:
        reply = http.get(f"/v1/projects/{traced.project}/{what}", params={"filter": condition})
        reply.raise_for_status()
        return len(reply.json()["data"])

    assert listed("traces", "trace_annotations['t'].label == 'fine'") == 1
    assert listed("traces", "trace_annotations['t'].label == 'other'") == 0
    assert listed("sessions", "session_annotations['s'].score == 1") == 1
    assert listed("sessions", "session_annotations['s'].score == 2") == 0
