//! Attributes that their row holds only in part, or not at all, are found nevertheless.

use bennu_domain::facets::FACET_STRING_BYTES;
use bennu_domain::span_filter::{AttributeMatch, SpanFilter};
use bennu_testkit::otlp::{SpanBuilder, request, span};
use serde_json::{Value, json};

use crate::support::{NO_SPANS, TestStore, matching, on_both_engines};

on_both_engines!(
    strings_that_differ_behind_the_cut_are_told_apart,
    a_string_cut_inside_a_character_is_found,
    an_attribute_beyond_the_last_facet_is_found,
    attributes_that_rows_leave_out_are_found,
    odd_paths_are_found,
    paths_that_no_span_has_match_nothing,
    extreme_numbers_are_found,
    neighbouring_numbers_are_told_apart,
);

/// Numbers of the spans whose attribute at `path` is `value`.
async fn having(db: &TestStore, path: &str, value: impl Into<Value>) -> Vec<u8> {
    let attributes = vec![AttributeMatch { path: path.to_owned(), value: value.into() }];
    matching(db, SpanFilter { attributes, ..SpanFilter::default() }).await
}

async fn write(db: &TestStore, spans: impl IntoIterator<Item = SpanBuilder>) {
    db.write(request().spans(spans)).await;
}

async fn strings_that_differ_behind_the_cut_are_told_apart(db: TestStore) {
    let exact = "x".repeat(FACET_STRING_BYTES);
    let texts = [
        exact[1..].to_owned(),
        exact.clone(),
        format!("{exact}a"),
        format!("{exact}b"),
        "x\0".to_owned(),
        "x\u{FFFD}".to_owned(),
    ];
    write(&db, texts.iter().zip(1..).map(|(text, id)| span(1, id).attribute("text", text.as_str()))).await;
    for (text, id) in texts.iter().zip(1..) {
        assert_eq!(having(&db, "text", text.as_str()).await, [id], "{text:?}");
    }
    assert_eq!(having(&db, "text", format!("{exact}c")).await, NO_SPANS);
}

async fn a_string_cut_inside_a_character_is_found(db: TestStore) {
    let text = format!("{}é and more", "x".repeat(FACET_STRING_BYTES - 1));
    write(&db, [span(1, 1).attribute("text", text.as_str())]).await;
    assert_eq!(having(&db, "text", text.as_str()).await, [1]);
}

async fn an_attribute_beyond_the_last_facet_is_found(db: TestStore) {
    let many = (0..1_000).fold(span(1, 1), |span, number| span.attribute(format!("key{number}"), number));
    write(&db, [many, span(1, 2).attribute("key999", 999)]).await;
    assert_eq!(having(&db, "key0", 0).await, [1]);
    assert_eq!(having(&db, "key999", 999).await, [1, 2]);
    assert_eq!(having(&db, "key999", 998).await, NO_SPANS);
}

async fn attributes_that_rows_leave_out_are_found(db: TestStore) {
    let kind = |id, kind: &str| span(1, id).attribute("openinference.span.kind", kind);
    let spans = [
        kind(1, "LLM"),
        kind(2, "llm"),
        kind(3, "wizard"),
        kind(4, "WIZARD"),
        span(1, 5).attribute("input.mime_type", "text/plain"),
    ];
    write(&db, spans).await;
    for (text, id) in [("LLM", 1), ("llm", 2), ("wizard", 3), ("WIZARD", 4)] {
        assert_eq!(having(&db, "openinference.span.kind", text).await, [id], "{text}");
    }
    assert_eq!(having(&db, "openinference.span.kind", "UNKNOWN").await, NO_SPANS);
    assert_eq!(having(&db, "openinference.span.kind", 1).await, NO_SPANS);
    assert_eq!(having(&db, "input.mime_type", "text/plain").await, [5]);
}

async fn odd_paths_are_found(db: TestStore) {
    let long = "k".repeat(500);
    let paths = [
        "a.b",
        "a\"b",
        "it's",
        "a\\b",
        "$.a",
        "a[0]",
        "#",
        "ключ.β",
        "tab\there",
        "new\nline",
        "\u{7f}",
        "nul\0",
        "🙂",
        "%",
        "0",
        "a b",
        long.as_str(),
    ];
    write(&db, paths.iter().zip(1..).map(|(path, id)| span(1, id).attribute(*path, "here"))).await;
    for (path, id) in paths.iter().zip(1..) {
        assert_eq!(having(&db, path, "here").await, [id], "{path:?}");
    }
}

async fn paths_that_no_span_has_match_nothing(db: TestStore) {
    // The empty segments of a sent key vanish, a path that is asked for is taken as it is.
    write(
        &db,
        [
            span(1, 1).attribute("a..b", 1),
            span(1, 2).attribute("..", 2),
            span(1, 3).attribute("list", json!([1])),
        ],
    )
    .await;
    assert_eq!(having(&db, "a.b", 1).await, [1]);
    for path in ["a..b", ".a.b", "a.b.", ".", "..", "a", "list", "list.0", "A.B"] {
        assert_eq!(having(&db, path, 1).await, NO_SPANS, "{path:?}");
    }
    assert_eq!(having(&db, "", 2).await, [2], "the key of which nothing is left");
}

async fn extreme_numbers_are_found(db: TestStore) {
    let numbers = [
        json!(i64::MAX),
        json!(i64::MIN),
        json!(f64::MAX),
        json!(f64::MIN),
        json!(f64::MIN_POSITIVE),
        json!(5e-324),
        json!(1.1e-310),
        json!(0.1),
        json!(1e22),
        json!(123_456_789.123_456_78),
        json!(-0.0),
    ];
    write(&db, numbers.iter().zip(1..).map(|(number, id)| span(1, id).attribute("n", number.clone()))).await;
    for (number, id) in numbers.iter().zip(1..) {
        assert_eq!(having(&db, "n", number.clone()).await, [id], "{number}");
    }
}

async fn neighbouring_numbers_are_told_apart(db: TestStore) {
    let numbers = [
        json!(9_007_199_254_740_993_i64),
        json!(9_007_199_254_740_992_i64),
        json!(1.0),
        json!(1.000_000_000_000_000_2),
    ];
    write(&db, numbers.iter().zip(1..).map(|(number, id)| span(1, id).attribute("n", number.clone()))).await;
    for (number, id) in numbers.iter().zip(1..) {
        assert_eq!(having(&db, "n", number.clone()).await, [id], "{number}");
    }
}
