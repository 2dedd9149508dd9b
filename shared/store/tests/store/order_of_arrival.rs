//! Any order of arrival, in any batches and with any repetitions, ends in the same traces and sessions.

use bennu_domain::kind::SpanKind;
use bennu_testkit::otlp::{SpanBuilder, request, span};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{TestStore, everything, for_all, on_both_engines};

on_both_engines!(any_order_and_repetition_ends_in_the_same_rows);

/// A span and the project that its sender names.
#[derive(Debug, Clone)]
struct Sent {
    project: String,
    span: SpanBuilder,
}

/// Spans of up to five traces. All spans of a trace name the same project and session, and all traces of a session
/// the same project.
fn spans() -> impl Strategy<Value = Vec<Sent>> {
    let one =
        (1..=5_u128, 0..6_u64, 0..1_000_i64, 0..1_000_i64, any::<bool>(), proptest::option::of(0..50_i64));
    vec(one, 1..14).prop_map(|spans| {
        let numbered = spans.into_iter().zip(1..);
        numbered
            .map(|((trace, parent, start, length, error, tokens), id)| {
                let mut sent = span(trace, id).from_to(start, start + length).named(format!("span {id}"));
                if parent > 0 {
                    sent = sent.child_of(parent);
                }
                if error {
                    sent = sent.error();
                }
                sent = match tokens {
                    Some(tokens) => sent.tokens(tokens, 2 * tokens).attribute("llm.model_name", "gpt-4o"),
                    None => sent.kind(SpanKind::Chain),
                };
                // Traces 1 and 2 share a session, 3 has one of its own, the others have none.
                match trace {
                    1 | 2 => sent = sent.session("shared"),
                    3 => sent = sent.session("alone"),
                    _ => {}
                }
                Sent { project: if trace < 4 { "one" } else { "two" }.to_owned(), span: sent }
            })
            .collect()
    })
}

/// The same spans, some of them several times, in another order and cut into batches.
fn rearranged(spans: &[Sent]) -> impl Strategy<Value = Vec<Vec<Sent>>> + use<> {
    let spans = spans.to_vec();
    let repeated = vec(any::<prop::sample::Index>(), 0..6).prop_map(move |again| {
        let again: Vec<Sent> = again.iter().map(|index| index.get(&spans).clone()).collect();
        [spans.clone(), again].concat()
    });
    (repeated.prop_shuffle(), 1..6_usize)
        .prop_map(|(spans, size)| spans.chunks(size).map(<[Sent]>::to_vec).collect())
}

async fn any_order_and_repetition_ends_in_the_same_rows(db: TestStore) {
    let arrivals = spans().prop_flat_map(|spans| (rearranged(&spans), Just(spans)));
    for_all(48, arrivals, async |(batches, spans)| {
        let (at_once, rearranged) = (db.fresh_tenant(), db.fresh_tenant());
        write_batch(at_once, &spans).await;
        for batch in &batches {
            write_batch(rearranged, batch).await;
        }
        assert_eq!(everything(rearranged).await, everything(at_once).await);
    });
}

/// One write, whatever projects its spans name.
async fn write_batch(data: bennu_store::ScopedStore<'_>, spans: &[Sent]) {
    let mut prepared = Vec::new();
    for sent in spans {
        prepared.extend(crate::support::prepared(request().project(&sent.project).span(sent.span.clone())));
    }
    data.write_spans(prepared).await.unwrap();
}
