//! Requests for filling a store: made much faster than those of the load, by writing new ids into a few that were made before.

use std::collections::HashMap;
use std::io::Write;

use anyhow::Result;
use fastrand::Rng;
use flate2::{Compression, write::GzEncoder};
use prost::Message;

use crate::body_files::{places_of_trace_ids, trace_ids_of};
use crate::trace_generator::{GeneratedRequest, SpanId, TraceGenerator, TraceId};

/// How the fields begin that follow the trace id in an encoded span.
const SPAN_ID_FIELD: [u8; 2] = [0x12, 8];
const PARENT_ID_FIELD: [u8; 2] = [0x22, 8];
/// Enough that texts, models and sessions differ from request to request.
const MODELS: usize = 48;

/// Makes requests whose spans were never sent before, without compressing them.
pub struct Filling {
    models: Vec<Model>,
    rng: Rng,
}

struct Model {
    bytes: Vec<u8>,
    /// Where trace ids are, in the order of `spans`.
    places: Vec<usize>,
    spans: Vec<(TraceId, SpanId)>,
}

impl Filling {
    pub fn new(generator: &TraceGenerator, seed: u64) -> Result<Self> {
        let models = generator.requests(0..MODELS)?.into_iter().enumerate().map(|(index, request)| {
            let message = generator.message(index);
            let bytes = message.encode_to_vec();
            let places = places_of_trace_ids(&bytes, &trace_ids_of(&message));
            Model { bytes, places, spans: request.spans }
        });
        Ok(Self { models: models.collect(), rng: Rng::with_seed(seed) })
    }

    pub fn requests(&mut self, count: usize) -> Result<Vec<GeneratedRequest>> {
        (0..count).map(|_| self.request()).collect()
    }

    fn request(&mut self) -> Result<GeneratedRequest> {
        let model = &self.models[self.rng.usize(..self.models.len())];
        let mut bytes = model.bytes.clone();
        let mut new_ids: HashMap<TraceId, TraceId> = HashMap::new();
        let mut spans = Vec::with_capacity(model.spans.len());
        let mask = self.rng.u64(1..).to_be_bytes();
        for (place, (trace, _)) in model.places.iter().zip(&model.spans) {
            let id = *new_ids.entry(*trace).or_insert_with(|| self.rng.u128(1..).to_be_bytes());
            let span_place = place + id.len() + SPAN_ID_FIELD.len();
            bytes[*place..place + id.len()].copy_from_slice(&id);
            let span = masked(&mut bytes, span_place, mask);
            let behind = span_place + span.len();
            if bytes[behind..].starts_with(&PARENT_ID_FIELD) {
                masked(&mut bytes, behind + PARENT_ID_FIELD.len(), mask);
            }
            spans.push((id, span));
        }
        let mut gzip = GzEncoder::new(Vec::with_capacity(bytes.len() + 1024), Compression::none());
        gzip.write_all(&bytes)?;
        Ok(GeneratedRequest { body_gzip: gzip.finish()?, wire_bytes: bytes.len(), spans })
    }
}

/// Makes the span id at this place another one, the same wherever it stands.
fn masked(bytes: &mut [u8], place: usize, mask: SpanId) -> SpanId {
    let mut id = mask;
    for (new, old) in id.iter_mut().zip(&mut bytes[place..]) {
        *new ^= *old;
        *old = *new;
    }
    id
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Read;

    use flate2::read::GzDecoder;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

    use super::*;

    #[test]
    fn every_request_brings_new_traces_of_new_spans_and_says_which() {
        let generator = TraceGenerator::new(3, "unit", 1_767_225_600_000_000_000);
        let mut filling = Filling::new(&generator, 1).unwrap();
        let (mut traces, mut span_ids) = (HashSet::new(), HashSet::new());
        for request in filling.requests(100).unwrap() {
            let mut wire = Vec::new();
            GzDecoder::new(request.body_gzip.as_slice()).read_to_end(&mut wire).unwrap();
            let message = ExportTraceServiceRequest::decode(wire.as_slice()).unwrap();
            let sent = message.resource_spans[0].scope_spans[0].spans.iter();
            let ids: HashSet<Vec<u8>> = sent.clone().map(|span| span.span_id.clone()).collect();
            let parents = sent.clone().map(|span| &span.parent_span_id).filter(|id| !id.is_empty());
            assert!(parents.clone().count() > 0 && parents.into_iter().all(|parent| ids.contains(parent)));
            span_ids.extend(ids);
            let sent: Vec<(Vec<u8>, Vec<u8>)> =
                sent.map(|span| (span.trace_id.clone(), span.span_id.clone())).collect();
            let said: Vec<_> = request.spans.iter().map(|(t, s)| (t.to_vec(), s.to_vec())).collect();
            assert_eq!(sent, said);
            traces.extend(request.spans.iter().map(|(trace, _)| *trace));
        }
        assert_eq!(traces.len(), 100 * crate::trace_generator::TRACES_PER_REQUEST);
        assert_eq!(span_ids.len(), 100 * crate::trace_generator::SPANS_PER_REQUEST);
    }
}
