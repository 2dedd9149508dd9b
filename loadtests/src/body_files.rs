//! Request bodies as files, for load generators that cannot make their own: the scripts of k6 open them.
//!
//! A body can be sent any number of times: the manifest says where its trace ids are, so that the sender writes others over
//! them, and every request brings new spans.

use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::Serialize;

use crate::trace_generator::{SPANS_PER_REQUEST, TraceGenerator};

/// Names the bodies and says what is in them.
pub const MANIFEST: &str = "manifest.json";

/// Few: every virtual user of k6 has them all in memory.
const USUAL_BODIES: usize = 6;
const LARGE_BODIES: usize = 1;
/// Requests of the usual size that make a large one, of about 8 MB: more than a broker takes in one message.
const REQUESTS_IN_LARGE: usize = 54;

/// `Span.trace_id` in protobuf: field 1, a string of 16 bytes (OTLP specification 1.x).
const TRACE_ID_FIELD: [u8; 2] = [0x0a, 16];

#[derive(Debug, Serialize)]
struct Manifest {
    usual: Vec<Body>,
    large: Vec<Body>,
}

/// An `ExportTraceServiceRequest`, protobuf, not compressed.
#[derive(Debug, Serialize)]
struct Body {
    file: String,
    spans: usize,
    /// Where the 16 bytes of each trace id begin.
    trace_ids: Vec<usize>,
}

/// Writes bodies and their manifest into a directory.
pub fn write_bodies(generator: &TraceGenerator, directory: &Path) -> Result<()> {
    let mut next = 0;
    let mut write = |name: &str, count: usize, requests: usize| {
        (0..count)
            .map(|number| {
                let file = format!("{name}-{number}.pb");
                let (bytes, trace_ids) = joined(generator, next..next + requests);
                next += requests;
                let path = directory.join(&file);
                fs::write(&path, bytes).with_context(|| format!("could not write {}", path.display()))?;
                Ok(Body { file, spans: requests * SPANS_PER_REQUEST, trace_ids })
            })
            .collect::<Result<Vec<_>>>()
    };
    let manifest = Manifest {
        usual: write("usual", USUAL_BODIES, 1)?,
        large: write("large", LARGE_BODIES, REQUESTS_IN_LARGE)?,
    };
    fs::write(directory.join(MANIFEST), serde_json::to_vec(&manifest)?)?;
    Ok(())
}

/// Messages of protobuf one after the other are one message with the repeated fields of all.
fn joined(generator: &TraceGenerator, indices: Range<usize>) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ids) = (Vec::new(), HashSet::new());
    for index in indices {
        let message = generator.message(index);
        ids.extend(trace_ids_of(&message));
        bytes.extend(message.encode_to_vec());
    }
    let places = places_of_trace_ids(&bytes, &ids);
    (bytes, places)
}

pub(crate) fn trace_ids_of(message: &ExportTraceServiceRequest) -> HashSet<Vec<u8>> {
    let spans = message.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    spans.flat_map(|scope| &scope.spans).map(|span| span.trace_id.clone()).collect()
}

/// Where these trace ids begin in a body, each as often as it has spans.
pub(crate) fn places_of_trace_ids(body: &[u8], ids: &HashSet<Vec<u8>>) -> Vec<usize> {
    let (field, length) = (TRACE_ID_FIELD.len(), usize::from(TRACE_ID_FIELD[1]));
    let windows = body.windows(field + length).enumerate();
    let found =
        windows.filter(|(_, window)| window.starts_with(&TRACE_ID_FIELD) && ids.contains(&window[field..]));
    found.map(|(place, _)| place + field).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn generator() -> TraceGenerator {
        TraceGenerator::new(5, "unit", 1_767_225_600_000_000_000)
    }

    #[test]
    fn the_manifest_says_where_every_trace_id_is() {
        let directory = tempfile::tempdir().unwrap();
        write_bodies(&generator(), directory.path()).unwrap();
        let manifest: Value =
            serde_json::from_slice(&fs::read(directory.path().join(MANIFEST)).unwrap()).unwrap();
        let bodies = ["usual", "large"].map(|kind| manifest[kind].as_array().unwrap().clone());
        assert_eq!(bodies.each_ref().map(Vec::len), [USUAL_BODIES, LARGE_BODIES]);
        for body in bodies.iter().flatten() {
            let mut bytes = fs::read(directory.path().join(body["file"].as_str().unwrap())).unwrap();
            let places: Vec<usize> = serde_json::from_value(body["trace_ids"].clone()).unwrap();
            assert_eq!(body["spans"], places.len());
            for place in places.iter().copied() {
                bytes[place..place + 8].copy_from_slice(b"new ids!");
            }
            let message = ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap();
            let spans = message.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans);
            let ids: Vec<&[u8]> = spans.map(|span| span.trace_id.as_slice()).collect();
            assert_eq!(ids.len(), places.len());
            assert!(ids.iter().all(|id| id.starts_with(b"new ids!")));
        }
        let large = fs::metadata(directory.path().join("large-0.pb")).unwrap().len();
        assert!((7 << 20..10 << 20).contains(&large), "{large}");
    }
}
