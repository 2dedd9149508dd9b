//! One JSON object a line.

use bennu_domain::cost::Cost;
use bennu_kit::http::ApiError;
use bennu_store::StoredSpan;
use bytes::Bytes;
use serde::Serialize;

use super::super::listing::SpanBody;
use super::SpanEncoder;
use crate::responses::CostBody;

pub(super) struct JsonLines;

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    span: SpanBody,
    cost: Option<CostBody>,
}

impl SpanEncoder for JsonLines {
    fn add(&mut self, spans: Vec<StoredSpan>) -> Result<Bytes, ApiError> {
        let mut lines = Vec::new();
        for stored in spans {
            let cost = stored.cost.map(|cost: Cost| cost.into());
            let line = Line { cost, span: stored.into() };
            serde_json::to_writer(&mut lines, &line).map_err(ApiError::internal)?;
            lines.push(b'\n');
        }
        Ok(lines.into())
    }

    fn finish(&mut self) -> Result<Bytes, ApiError> {
        Ok(Bytes::new())
    }
}
