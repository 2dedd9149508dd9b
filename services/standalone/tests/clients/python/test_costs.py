"""What spans cost: list prices, prices of one's own, and where they are shown."""

import secrets

import pytest

import otlp

pytestmark = pytest.mark.bennu


@pytest.fixture
def model(http):
    """A model name of this test alone, whose prices go with it."""
    name = f"our-{secrets.token_hex(4)}"
    yield name
    for price in http.get("/v1/models", params={"source": "override", "name_contains": name}).json()["data"]:
        http.delete(f"/v1/models/{price['name'].replace('/', '%2F')}")


def llm(model, prompt, completion, **details):
    pairs = {
        "llm.model_name": model,
        "llm.token_count.prompt": prompt,
        "llm.token_count.completion": completion,
        "session.id": f"session of {model}",
    } | {f"llm.token_count.{name.replace('__', '.')}": count for name, count in details.items()}
    return otlp.span("chat", kind="LLM", pairs=pairs)


def costs(http, project, what="traces"):
    reply = http.get(f"/v1/projects/{project}/{what}", params={"include_cost": "true", "order": "asc"})
    return [item["cost"] for item in reply.json()["data"]]


def test_list_prices_apply_without_any_setting(http, send, project):
    send([llm("gpt-4o-mini-2024-07-18", 1_000_000, 100_000, prompt_details__cache_read=500_000)], project)
    [cost] = costs(http, project)
    assert cost == pytest.approx({"prompt": 0.1125, "completion": 0.06, "total": 0.1725})
    assert costs(http, project, "sessions") == [cost]
    [plain] = http.get(f"/v1/projects/{project}/traces").json()["data"]
    assert "cost" not in plain, "only on demand: clients know the fields of the reference"


def test_a_price_of_ones_own_applies_to_what_arrives_after_it(http, send, project, model):
    send([llm(model, 1_000, 1_000)], project)
    price = {"usd_per_million_tokens": {"prompt": 1.5, "completion": 2, "cache_read": 0.5}}
    assert http.put(f"/v1/models/{model}", json=price).status_code == 200
    send([llm(model, 1_000, 1_000, prompt_details__cache_read=1_000)], project)
    assert [cost["total"] for cost in costs(http, project)] == pytest.approx([0, 0.0025])
    assert http.delete(f"/v1/models/{model}").status_code == 204
    send([llm(model, 1_000, 1_000)], project)
    assert [cost["total"] for cost in costs(http, project)] == pytest.approx([0, 0.0025, 0])


def test_prices_are_put_listed_and_deleted(http, model):
    name = f"{model}/of our own"
    path = f"/v1/models/{name.replace('/', '%2F')}"
    body = {
        "model": f"{model}*",
        "provider": "azure",
        "usd_per_million_tokens": {"prompt": 2.5, "completion": 10, "reasoning": 12},
        "above_prompt_tokens": [{"prompt_tokens": 200_000, "usd_per_million_tokens": {"prompt": 5}}],
    }
    stored = http.put(path, json=body).json()["data"]
    assert stored == {"name": name, "source": "override", **body}
    assert http.get(path).json()["data"] == stored
    found = http.get("/v1/models", params={"name_contains": model.upper()}).json()
    assert found == {"data": [stored], "next_cursor": None}
    for provider, expected in (("AZURE", [stored]), ("openai", [])):
        asked = {"model": f"{model}-large", "provider": provider}
        assert http.get("/v1/models", params=asked).json()["data"] == expected
    assert http.delete(path).status_code == 204
    assert (http.delete(path).status_code, http.get(path).status_code) == (404, 404)


def test_list_prices_can_be_read_page_by_page(http):
    walked, cursor = [], None
    while True:
        query = {"source": "list", "name_contains": "gpt-4o", "limit": 7} | ({"cursor": cursor} if cursor else {})
        page = http.get("/v1/models", params=query).json()
        walked += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    names = [price["name"] for price in walked]
    assert names == sorted(set(names)) and {"gpt-4o", "azure/gpt-4o"} <= set(names)
    [applied] = http.get("/v1/models", params={"model": "gpt-4o", "provider": "azure"}).json()["data"]
    assert (applied["name"], applied["source"]) == ("azure/gpt-4o", "list")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"usd_per_million_tokens": {}},
        {"usd_per_million_tokens": {"prompt": -1}},
        {"usd_per_million_tokens": {"prompt": 1e9}},
        {"usd_per_million_tokens": {"prompt": "1"}},
        {"usd_per_million_tokens": {"promt": 1}},
        {"usd_per_million_tokens": {"prompt": 1}, "model": "x" * 1000},
        {"usd_per_million_tokens": {"prompt": 1}, "model": " "},
        {"usd_per_million_tokens": {"prompt": 1}, "above_prompt_tokens": [{"prompt_tokens": 0}]},
        {
            "usd_per_million_tokens": {"prompt": 1},
            "above_prompt_tokens": [{"prompt_tokens": 0, "usd_per_million_tokens": {"prompt": 1}}],
        },
    ],
)
def test_a_price_that_makes_no_sense_is_refused(http, model, body):
    reply = http.put(f"/v1/models/{model}", json=body)
    assert (reply.status_code, reply.json()["detail"][0]["loc"][0]) == (422, "body")
    assert http.get(f"/v1/models/{model}").status_code == 404
