"""What Bennu tells of annotations that are sent without `sync`."""

import httpx
import pytest

import otlp
import serving

pytestmark = pytest.mark.bennu


@pytest.fixture
def span(project, send):
    span = otlp.span("seen")
    send([span], project)
    return otlp.hex_id(span)


def annotation(span_id: str, **more) -> dict:
    return {"span_id": span_id, "name": "n", "annotator_kind": "CODE", "result": {"score": 1}} | more


def receipt_of(reply) -> str:
    reply.raise_for_status()
    return reply.headers["x-bennu-receipt"]


def test_a_receipt_tells_of_every_item(http, span):
    items = [annotation(span, name=str(n)) for n in range(250)]
    receipt = receipt_of(http.post("/v1/span_annotations", json={"data": items}))
    found = http.get(f"/v1/receipts/{receipt}", params={"wait": "10s"}).json()["data"]
    assert (found["status"], found["applied"], found["failed"], found["queued"]) == ("applied", 250, 0, 0)
    assert [item["index"] for item in found["items"]] == list(range(250))
    assert len({item["annotation_id"] for item in found["items"]}) == 250


def test_a_late_span_is_queued_and_its_neighbours_are_applied(http, span, settled):
    items = [annotation(otlp.new_span_id()), annotation(span)]
    receipt = receipt_of(http.post("/v1/span_annotations", json={"data": items}))
    url = f"/v1/receipts/{receipt}"
    found = settled(lambda: http.get(url).json()["data"], until=lambda found: found["applied"] == 1)
    assert (found["status"], found["queued"]) == ("queued", 1)
    assert [item["status"] for item in found["items"]] == ["queued", "applied"]
    assert http.get(url, params={"wait": "0.2"}).json()["data"]["status"] == "queued"


def test_what_can_never_be_applied_is_kept_replayed_and_dropped(http, span, settled):
    body = {"data": [annotation(span, document_position=3), annotation(span, document_position=4)]}
    receipt = receipt_of(http.post("/v1/document_annotations", json=body))
    found = http.get(f"/v1/receipts/{receipt}", params={"wait": "10s"}).json()["data"]
    assert (found["status"], found["failed"]) == ("failed", 2)
    assert "out of bounds" in found["items"][0]["reason"]

    failed = [row for row in http.get("/v1/annotations/failed").json()["data"] if row["receipt"] == receipt]
    assert [(row["index"], row["annotation"]["document_position"]) for row in failed] == [(1, 4), (0, 3)]
    reply = http.post("/v1/annotations/failed/replay", json={"ids": [failed[0]["id"]]})
    assert reply.json() == {"data": {"replayed": 1}}
    again = http.get(f"/v1/receipts/{receipt_of(reply)}", params={"wait": "10s"}).json()["data"]
    assert (again["status"], again["failed"]) == ("failed", 1)

    def mine():
        rows = http.get("/v1/annotations/failed").json()["data"]
        return [row for row in rows if row["annotation"]["span_id"] == span]

    ids = [row["id"] for row in mine()]
    assert len(ids) == 2
    dropped = http.request("DELETE", "/v1/annotations/failed", json={"ids": ids})
    assert dropped.status_code == 204
    assert mine() == []


@pytest.mark.parametrize("body", [{}, {"all": True, "ids": ["1"]}, {"ids": ["x"]}, {"ids": []}])
def test_which_failures_are_meant_must_be_said(http, body):
    assert http.post("/v1/annotations/failed/replay", json=body).status_code == 422
    assert http.request("DELETE", "/v1/annotations/failed", json=body).status_code == 422


def test_unknown_receipts_are_not_found(http):
    assert http.get("/v1/receipts/nobody's").status_code == 404
    assert http.get("/v1/receipts/nobody's", params={"wait": "long"}).status_code == 422


def test_summaries_count_what_is_there(http, client, project, span):
    for name, label, score in (("a", "good", 1), ("b", "bad", 0), ("c", "good", 0.5)):
        client.spans.add_span_annotation(
            span_id=span, annotation_name="quality", label=label, score=score, identifier=name, sync=True
        )
    client.spans.add_span_annotation(span_id=span, annotation_name="other", explanation="e", sync=True)
    url = f"/v1/projects/{project}/annotation_summaries"
    rows = {row["name"]: row for row in http.get(url).json()["data"]}
    assert rows["quality"] == {
        "target": "span",
        "name": "quality",
        "count": 3,
        "mean_score": 0.5,
        "score_count": 3,
        "labels": [
            {"label": "good", "count": 2, "fraction": 2 / 3},
            {"label": "bad", "count": 1, "fraction": 1 / 3},
        ],
    }
    assert (rows["other"]["mean_score"], rows["other"]["labels"]) == (None, [])
    assert http.get(url, params={"name": "other", "target": "trace"}).json() == {"data": []}
    assert http.get(url, params={"start_time": "2020-01-01", "end_time": "2020-01-02"}).json() == {"data": []}
    assert [row["name"] for row in http.get(url, params={"start_time": "2020-01-01"}).json()["data"]] == [
        "other",
        "quality",
    ]


def test_kill_nine_in_the_middle_of_batches_applies_everything_once(tmp_path, settled):
    own = {"BENNU_WORKING_DIR": str(tmp_path), "BENNU_ANNOTATION_LEASE_SECONDS": "1"}
    spans = [otlp.span(f"span {n}") for n in range(100)]
    body = otlp.export(spans, "killed").SerializeToString()
    receipts = []
    with serving.bennu(**own) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        http.post("/v1/traces", content=body, headers=otlp.PROTOBUF).raise_for_status()
        for n in range(60):
            items = [annotation(otlp.hex_id(span), name=f"round {n}") for span in spans]
            receipts.append(receipt_of(http.post("/v1/span_annotations", json={"data": items})))
        server.process.kill()
        server.process.wait()
    with serving.bennu(**own) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        for receipt in receipts:
            found = http.get(f"/v1/receipts/{receipt}", params={"wait": "20s"}).json()["data"]
            assert (found["status"], found["applied"]) == ("applied", 100)
        [*summaries] = http.get("/v1/projects/killed/annotation_summaries").json()["data"]
        assert {row["name"]: row["count"] for row in summaries} == {f"round {n}": 100 for n in range(60)}
        listed = http.get(
            "/v1/projects/killed/span_annotations",
            params={"span_ids": [otlp.hex_id(span) for span in spans], "limit": 10_000},
        ).json()
        assert (len(listed["data"]), listed["next_cursor"]) == (6_000, None)
