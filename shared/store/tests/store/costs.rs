//! What spans cost, and what that adds up to.

use std::time::Duration;

use bennu_domain::cost::{Cost, ModelPrices, NamePattern, Override, Price, PriceBook, TokenPrices};
use bennu_domain::otlp::validate_request;
use bennu_store::{MOST_OVERRIDES, PreparedSpan, PutPrice, ScopedStore};
use bennu_testkit::otlp::{RequestBuilder, SpanBuilder, request, span};

use crate::support::{
    NOTHING_IS_LARGE, TestStore, every_session, every_trace, on_both_engines, span_id, trace_list,
};

on_both_engines!(
    costs_add_up_in_traces_and_sessions,
    a_deleted_span_takes_its_cost_along,
    an_override_prices_what_arrives_after_it,
    an_override_is_replaced_and_deleted_by_its_name,
    overrides_belong_to_their_tenant,
    another_process_learns_of_an_override_within_seconds,
    overrides_are_bounded_in_number,
);

fn llm(trace: u128, id: u64, prompt: i64, completion: i64) -> SpanBuilder {
    span(trace, id).tokens(prompt, completion).attribute("llm.model_name", "gpt-4o").session("s")
}

fn price(name: &str, prompt: f64) -> Override {
    let base = TokenPrices {
        prompt: Price::per_million(prompt),
        cache_read: Price::per_million(0.25),
        ..TokenPrices::default()
    };
    let above = vec![(1_000, TokenPrices { prompt: Price::per_million(9.0), ..TokenPrices::default() })];
    Override {
        name: name.to_owned(),
        model: NamePattern::new(name),
        provider: Some("openai".to_owned()),
        prices: ModelPrices { base, above },
    }
}

/// As a consumer does: priced by what the store says at this moment.
async fn arrive(data: ScopedStore<'_>, request: RequestBuilder) {
    let prices = data.price_book().await.unwrap();
    let request = validate_request(request.bytes()).unwrap().request;
    let spans = PreparedSpan::from_request(request, None, &prices).unwrap();
    data.write_spans(spans.into_iter().map(Into::into).collect()).await.unwrap();
}

async fn trace_costs(data: ScopedStore<'_>) -> Vec<Cost> {
    let project = data.project_named("default").await.unwrap().unwrap().id;
    every_trace(data, trace_list(project)).await.iter().map(|trace| trace.cost).collect()
}

async fn costs_add_up_in_traces_and_sessions(db: TestStore) {
    arrive(db.data(), request().spans([llm(1, 1, 1_000, 100), span(1, 2), llm(2, 1, 1_000, 0)])).await;
    arrive(db.data(), request().span(llm(1, 3, 10, 1))).await;
    // Once more: nothing changes.
    arrive(db.data(), request().spans([llm(1, 3, 10, 1), llm(1, 1, 1_000, 100)])).await;
    // The list price of gpt-4o is 2.50 and 10 dollars.
    let first = Cost { prompt: 2_525_000, completion: 1_010_000 };
    let second = Cost { prompt: 2_500_000, completion: 0 };
    assert_eq!(trace_costs(db.data()).await, [first, second]);
    let session = every_session(db.data(), db.project("default").await).await.remove(0);
    assert_eq!(session.cost, first.plus(second));
    assert_eq!(db.number("SELECT count(*) FROM spans WHERE prompt_cost IS NULL").await, 1);
}

async fn a_deleted_span_takes_its_cost_along(db: TestStore) {
    arrive(db.data(), request().spans([llm(1, 1, 1_000, 100), llm(1, 2, 10, 1), span(1, 3)])).await;
    for id in [1, 3] {
        let row = db.data().span_rows_with_id(span_id(id)).await.unwrap()[0];
        assert!(db.data().delete_span(row).await.unwrap());
    }
    assert_eq!(trace_costs(db.data()).await, [Cost { prompt: 25_000, completion: 10_000 }]);
}

async fn an_override_prices_what_arrives_after_it(db: TestStore) {
    let sent = |trace| {
        let cached = llm(trace, 1, 1_000, 10).attribute("llm.provider", "openai");
        request().span(cached.attribute("llm.token_count.prompt_details.cache_read", 400))
    };
    arrive(db.data(), sent(1)).await;
    assert_eq!(db.data().put_price(&price("gpt-4*", 1.0)).await.unwrap(), PutPrice::Stored);
    arrive(db.data(), sent(2)).await;
    arrive(db.data(), request().span(llm(3, 1, 2_000, 0).attribute("llm.provider", "OpenAI"))).await;
    arrive(db.data(), request().span(llm(4, 1, 1_000, 0))).await;
    let expected = [
        Cost { prompt: 2_000_000, completion: 100_000 },
        Cost { prompt: 700_000, completion: 0 },
        Cost { prompt: 18_000_000, completion: 0 },
        Cost { prompt: 2_500_000, completion: 0 },
    ];
    assert_eq!(trace_costs(db.data()).await, expected);
}

async fn an_override_is_replaced_and_deleted_by_its_name(db: TestStore) {
    for dollars in [1.0, 0.123_456] {
        db.data().put_price(&price("m", dollars)).await.unwrap();
    }
    assert_eq!(db.data().price_overrides().await.unwrap(), [price("m", 0.123_456)]);
    assert!(db.data().delete_price("m").await.unwrap());
    assert!(!db.data().delete_price("m").await.unwrap());
    assert_eq!(db.data().price_overrides().await.unwrap(), []);
}

async fn overrides_belong_to_their_tenant(db: TestStore) {
    db.data().put_price(&price("gpt-4o", 1.0)).await.unwrap();
    let stranger = db.fresh_tenant();
    assert_eq!(stranger.price_overrides().await.unwrap(), []);
    assert!(stranger.price_book().await.unwrap().overriding("gpt-4o", Some("openai")).is_none());
    assert!(!stranger.delete_price("gpt-4o").await.unwrap());
    stranger.put_price(&price("gpt-4o", 2.0)).await.unwrap();
    assert_eq!(db.data().price_overrides().await.unwrap(), [price("gpt-4o", 1.0)]);
}

async fn another_process_learns_of_an_override_within_seconds(db: TestStore) {
    let other = db.another(NOTHING_IS_LARGE).await;
    let scope = bennu_access::SystemScope::for_tenant(bennu_domain::ids::TenantId::DEFAULT, "test");
    let known = |book: &PriceBook| book.overriding("m", Some("openai")).is_some();
    assert!(!known(&other.scoped(&scope).price_book().await.unwrap()));
    db.data().put_price(&price("m", 1.0)).await.unwrap();
    assert!(known(&db.data().price_book().await.unwrap()), "at once where it was set");
    db.clock.advance(Duration::from_secs(5));
    assert!(known(&other.scoped(&scope).price_book().await.unwrap()));
}

async fn overrides_are_bounded_in_number(db: TestStore) {
    for number in 0..MOST_OVERRIDES {
        db.data().put_price(&price(&format!("model {number}"), 1.0)).await.unwrap();
    }
    assert_eq!(db.data().put_price(&price("one more", 1.0)).await.unwrap(), PutPrice::TooMany);
    assert_eq!(db.data().put_price(&price("model 7", 2.0)).await.unwrap(), PutPrice::Stored);
}
