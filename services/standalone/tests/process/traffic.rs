//! What the senders send: realistic agent runs whose traces are cut in two, so that both halves of a trace meet in the
//! store, in any order.

use bennu_loadtests::span_reader::hex;
use bennu_loadtests::trace_generator::TraceGenerator;
use prost::Message as _;

/// 2026-01-01T00:00:00Z, in nanoseconds.
const FIRST_START: u64 = 1_767_225_600_000_000_000;

/// Makes requests by number: the same number gives the same bytes. Numbers 2n and 2n + 1 are the halves of the same traces.
pub struct Traffic {
    generator: TraceGenerator,
}

/// A request of 24 spans, ready to send.
pub struct SentRequest {
    /// `ExportTraceServiceRequest`, protobuf.
    pub body: Vec<u8>,
    /// Trace id and span id of each span, in hex.
    pub spans: Vec<(String, String)>,
}

impl Traffic {
    pub fn new(seed: u64, project: &str) -> Self {
        Self { generator: TraceGenerator::new(seed, project, FIRST_START) }
    }

    pub fn request(&self, number: usize) -> SentRequest {
        let mut message = self.generator.message(number / 2);
        let spans = &mut message.resource_spans[0].scope_spans[0].spans;
        // The root of each trace, which names the session, is in the even half.
        let mut parity = [0, 1].into_iter().cycle();
        spans.retain(|_| parity.next() == Some(number % 2));
        let spans = spans.iter().map(|span| (hex(&span.trace_id), hex(&span.span_id))).collect();
        SentRequest { body: message.encode_to_vec(), spans }
    }
}
