//! Deterministic OTLP requests with known ids: the same seed and index give the same bytes.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::thread;

use anyhow::{Context, Result, anyhow};
use fastrand::Rng;
use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::agent_trace::{SPANS_PER_TRACE, agent_trace, text};
use crate::prose::Prose;

pub type TraceId = [u8; 16];
pub type SpanId = [u8; 8];

/// Whole traces in one request; an SDK's batch exporter sends a similar amount.
pub const TRACES_PER_REQUEST: usize = 8;
/// 48 spans, about 150 KB before compression.
pub const SPANS_PER_REQUEST: usize = TRACES_PER_REQUEST * SPANS_PER_TRACE;
/// Distance between two trace starts, so that a list by time has a definite order.
const NANOSECONDS_BETWEEN_TRACES: u64 = 1_000_000;

/// One ready-to-send body and the ids it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedRequest {
    /// `ExportTraceServiceRequest`, protobuf, gzip.
    pub body_gzip: Vec<u8>,
    /// Size of the protobuf before gzip, in bytes.
    pub wire_bytes: usize,
    /// Every span of the body, in order; the spans of a trace follow each other, its root first.
    pub spans: Vec<(TraceId, SpanId)>,
}

/// Makes requests by index. Indices are independent, so any range can be made on any thread.
pub struct TraceGenerator {
    seed: u64,
    project: String,
    first_start: u64,
    prose: Prose,
}

impl TraceGenerator {
    /// `project` goes into the resource; `first_start` (Unix nanoseconds) is when the first trace begins.
    pub fn new(seed: u64, project: &str, first_start: u64) -> Self {
        Self { seed, project: project.to_owned(), first_start, prose: Prose::new() }
    }

    /// The message of one index, for callers that do their own encoding (gRPC, a changed span).
    pub fn message(&self, index: usize) -> ExportTraceServiceRequest {
        let mut rng = self.randomness(index);
        let spans = (0..TRACES_PER_REQUEST)
            .flat_map(|position| {
                let trace_id = rng.u128(1..).to_be_bytes();
                let age = (index * TRACES_PER_REQUEST + position) as u64 * NANOSECONDS_BETWEEN_TRACES;
                agent_trace(&self.prose, &mut rng, trace_id, self.first_start + age)
            })
            .collect();
        let scope = InstrumentationScope {
            name: "openinference.instrumentation.openai".to_owned(),
            version: "0.1.30".to_owned(),
            ..InstrumentationScope::default()
        };
        let attributes = vec![
            text("openinference.project.name", &self.project),
            text("service.name", "support-assistant"),
            text("telemetry.sdk.language", "python"),
            text("telemetry.sdk.name", "opentelemetry"),
            text("telemetry.sdk.version", "1.37.0"),
        ];
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource { attributes, ..Resource::default() }),
                scope_spans: vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }],
                schema_url: String::new(),
            }],
        }
    }

    /// The same for another project, with ids of its own: a trace belongs to one project.
    #[must_use]
    pub fn for_project(&self, project: &str) -> Self {
        Self::new(!self.seed, project, self.first_start)
    }

    /// So many requests whose spans are all of one trace, below the root of the first.
    pub fn one_trace(&self, requests: usize) -> Result<Vec<GeneratedRequest>> {
        let mut root: Option<Span> = None;
        let in_trace = |index| {
            let mut message = self.message(index);
            for span in spans_of(&mut message) {
                let root = root.get_or_insert_with(|| span.clone());
                span.trace_id.clone_from(&root.trace_id);
                if span.parent_span_id.is_empty() && span.span_id != root.span_id {
                    span.parent_span_id.clone_from(&root.span_id);
                }
            }
            encoded(&message)
        };
        (0..requests).map(in_trace).collect()
    }

    /// One encoded and compressed request.
    pub fn request(&self, index: usize) -> Result<GeneratedRequest> {
        encoded(&self.message(index))
    }

    /// The requests of a range of indices, made on all cores.
    pub fn requests(&self, indices: Range<usize>) -> Result<Vec<GeneratedRequest>> {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let parts = thread::scope(|scope| {
            let handles: Vec<_> = (0..workers)
                .map(|worker| {
                    let mine = indices.clone().skip(worker).step_by(workers);
                    scope.spawn(move || {
                        mine.map(|index| Ok((index, self.request(index)?))).collect::<Result<Vec<_>>>()
                    })
                })
                .collect();
            handles
                .into_iter()
                .map(|handle| handle.join().map_err(|_| anyhow!("a generator thread panicked"))?)
                .collect::<Result<Vec<_>>>()
        })?;
        let ordered: BTreeMap<usize, GeneratedRequest> = parts.into_iter().flatten().collect();
        Ok(ordered.into_values().collect())
    }

    fn randomness(&self, index: usize) -> Rng {
        // Odd multiplier (golden ratio): neighbouring indices must not start from neighbouring seeds.
        Rng::with_seed(self.seed ^ (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

fn spans_of(message: &mut ExportTraceServiceRequest) -> impl Iterator<Item = &mut Span> {
    let scopes = message.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    scopes.flat_map(|scope| &mut scope.spans)
}

fn encoded(message: &ExportTraceServiceRequest) -> Result<GeneratedRequest> {
    let spans = message
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| &scope.spans)
        .map(|span| Ok((span.trace_id.as_slice().try_into()?, span.span_id.as_slice().try_into()?)))
        .collect::<Result<_>>()?;
    let wire = message.encode_to_vec();
    let mut gzip = GzEncoder::new(Vec::with_capacity(wire.len() / 3), Compression::default());
    gzip.write_all(&wire)?;
    let body_gzip = gzip.finish().context("could not compress a generated request")?;
    Ok(GeneratedRequest { body_gzip, wire_bytes: wire.len(), spans })
}

/// How many whole requests carry at least `spans` spans.
pub fn requests_for(spans: usize) -> usize {
    spans.div_ceil(SPANS_PER_REQUEST)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    const START: u64 = 1_767_225_600_000_000_000;

    fn generator(seed: u64) -> TraceGenerator {
        TraceGenerator::new(seed, "unit", START)
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_other_ids() {
        let requests = generator(7).requests(3..9).unwrap();
        assert_eq!(requests, generator(7).requests(3..9).unwrap());
        assert_eq!(requests[2], generator(7).request(5).unwrap());
        assert_ne!(requests[0].spans, generator(8).request(3).unwrap().spans);
    }

    #[test]
    fn a_span_has_about_three_kilobytes_and_compresses_like_prompts() {
        let requests = generator(1).requests(0..20).unwrap();
        let wire: usize = requests.iter().map(|request| request.wire_bytes).sum();
        let gzip: usize = requests.iter().map(|request| request.body_gzip.len()).sum();
        let per_span = wire / (requests.len() * SPANS_PER_REQUEST);
        assert!((2_700..=3_300).contains(&per_span), "{per_span} bytes a span");
        let tenths = wire * 10 / gzip;
        assert!((30..=45).contains(&tenths), "gzip ratio {}.{}", tenths / 10, tenths % 10);
    }

    #[test]
    fn the_listed_ids_are_those_in_the_body_and_never_repeat() {
        let requests = generator(2).requests(0..10).unwrap();
        for request in &requests {
            let mut wire = Vec::new();
            GzDecoder::new(request.body_gzip.as_slice()).read_to_end(&mut wire).unwrap();
            let message = ExportTraceServiceRequest::decode(wire.as_slice()).unwrap();
            let sent: Vec<(Vec<u8>, Vec<u8>)> = message.resource_spans[0].scope_spans[0]
                .spans
                .iter()
                .map(|span| (span.trace_id.clone(), span.span_id.clone()))
                .collect();
            let listed: Vec<_> =
                request.spans.iter().map(|(trace, span)| (trace.to_vec(), span.to_vec())).collect();
            assert_eq!(sent, listed);
        }
        let spans: HashSet<SpanId> = requests.iter().flat_map(|r| &r.spans).map(|(_, span)| *span).collect();
        assert_eq!(spans.len(), 10 * SPANS_PER_REQUEST);
    }

    #[test]
    fn a_trace_is_a_tree_under_one_root_whose_times_enclose_the_others() {
        let message = generator(3).message(0);
        let spans = &message.resource_spans[0].scope_spans[0].spans;
        assert_eq!(spans.len(), SPANS_PER_REQUEST);
        for trace in spans.chunks(SPANS_PER_TRACE) {
            let root = &trace[0];
            assert!(root.parent_span_id.is_empty());
            for keys in ["session.id", "user.id"] {
                assert!(root.attributes.iter().any(|attribute| attribute.key == keys), "{keys}");
            }
            for span in &trace[1..] {
                assert!(trace.iter().any(|parent| parent.span_id == span.parent_span_id));
                assert!(span.start_time_unix_nano >= root.start_time_unix_nano);
                assert!(span.start_time_unix_nano < span.end_time_unix_nano);
                assert!(span.end_time_unix_nano <= root.end_time_unix_nano);
            }
        }
        let starts: Vec<u64> =
            spans.iter().step_by(SPANS_PER_TRACE).map(|s| s.start_time_unix_nano).collect();
        assert!(starts.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_large_trace_has_one_root() {
        let requests = generator(4).one_trace(3).unwrap();
        let ids: Vec<_> = requests.iter().flat_map(|request| &request.spans).collect();
        assert_eq!(ids.len(), 3 * SPANS_PER_REQUEST);
        assert!(ids.iter().all(|(trace, _)| *trace == ids[0].0));
        let mut wire = Vec::new();
        GzDecoder::new(requests[2].body_gzip.as_slice()).read_to_end(&mut wire).unwrap();
        let mut message = ExportTraceServiceRequest::decode(wire.as_slice()).unwrap();
        assert!(spans_of(&mut message).all(|span| !span.parent_span_id.is_empty()));
    }

    #[test]
    fn a_number_of_spans_is_rounded_up_to_whole_requests() {
        assert_eq!([0, 1, 48, 49].map(requests_for), [0, 1, 1, 2]);
    }
}
