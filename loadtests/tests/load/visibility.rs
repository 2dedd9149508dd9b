//! Whether a load is called visible only when every span of it is.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::tiny_server::{Answer, TinyServer};
use bennu_loadtests::otlp_client::{Endpoint, LoadOutcome};
use bennu_loadtests::span_reader::{Listing, SpanReader, hex};
use bennu_loadtests::trace_generator::{GeneratedRequest, TraceGenerator};
use bennu_loadtests::visibility::{verify_all, wait_for_last};
use serde_json::json;

/// Two acknowledged requests: 96 spans.
fn acknowledged() -> (Vec<GeneratedRequest>, LoadOutcome) {
    let requests = TraceGenerator::new(5, "unit", 1_767_225_600_000_000_000).requests(0..2).unwrap();
    let latencies = vec![Duration::from_millis(1); 2];
    (requests, LoadOutcome { acknowledged: vec![0, 1], latencies, ..LoadOutcome::default() })
}

fn ids(requests: &[GeneratedRequest]) -> Vec<String> {
    requests.iter().flat_map(|request| &request.spans).map(|(_, span)| hex(span)).collect()
}

/// A span list in pages of 40 that answers the n-th full listing (from 0) with `listings[n]`, the last one for ever
/// after. A query by span id sees what the next listing will show; before the first `absent` queries are over
/// the project does not exist.
fn reader(listings: Vec<Vec<String>>, absent: usize) -> SpanReader {
    let state = Mutex::new((0, absent));
    let server = TinyServer::start(move |request| {
        let path = request.head[0].split(' ').nth(1).unwrap();
        assert!(path.starts_with("/v1/projects/unit/spans?limit="), "{path}");
        let (listing, absent) = &mut *state.lock().unwrap();
        if *absent > 0 {
            *absent -= 1;
            return Answer { status: "404 Not Found", body: Vec::new() };
        }
        let all = &listings[(*listing).min(listings.len() - 1)];
        if path.contains("span_id=") {
            return page(all.iter().filter(|id| path.contains(id.as_str())), None);
        }
        let begin: usize = path.split_once("cursor=").map_or(0, |(_, cursor)| cursor.parse().unwrap());
        let end = (begin + 40).min(all.len());
        let next = (end < all.len()).then(|| end.to_string());
        *listing += usize::from(next.is_none());
        page(all[begin..end].iter(), next.as_deref())
    });
    SpanReader::new(&Endpoint { base_url: server.unwrap().base_url, api_key: None }, "unit")
}

fn page<'a>(ids: impl Iterator<Item = &'a String>, next_cursor: Option<&str>) -> Answer {
    let data: Vec<_> = ids.map(|id| json!({"context": {"span_id": id, "trace_id": "0a"}})).collect();
    let body = json!({"data": data, "next_cursor": next_cursor}).to_string().into_bytes();
    Answer { status: "200 OK", body }
}

#[test]
fn the_moment_seen_stands_when_the_first_count_is_complete() {
    let (requests, load) = acknowledged();
    let reader = reader(vec![ids(&requests)], 0);
    let seen = Instant::now();
    assert_eq!(verify_all(&reader, &requests, &load, seen).unwrap(), seen);
}

#[test]
fn a_span_that_appears_later_moves_the_moment() {
    let (requests, load) = acknowledged();
    let all = ids(&requests);
    let reader = reader(vec![all[..95].to_vec(), all[1..].to_vec(), all], 0);
    let seen = Instant::now();
    assert!(verify_all(&reader, &requests, &load, seen).unwrap() > seen);
}

#[test]
fn spans_of_requests_that_were_not_acknowledged_are_not_expected() {
    let (requests, mut load) = acknowledged();
    load.acknowledged = vec![1];
    let reader = reader(vec![ids(&requests[1..])], 0);
    let seen = Instant::now();
    assert_eq!(verify_all(&reader, &requests, &load, seen).unwrap(), seen);
}

#[test]
fn a_span_listed_twice_is_an_error() {
    let (requests, load) = acknowledged();
    let mut listing = ids(&requests);
    listing.push(listing[0].clone());
    let error = verify_all(&reader(vec![listing], 0), &requests, &load, Instant::now()).unwrap_err();
    assert!(error.to_string().contains("listed twice"), "{error}");
}

#[test]
fn waiting_goes_on_while_the_project_does_not_exist() {
    let (requests, load) = acknowledged();
    let reader = reader(vec![ids(&requests)], 3);
    wait_for_last(&reader, &requests, &load).unwrap();
    let page = reader.page(Listing::Spans, 40, None).unwrap();
    assert_eq!((page.span_ids.len(), page.next_cursor.as_deref()), (40, Some("40")));
}
