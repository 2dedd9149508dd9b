//! One JSON object a line.

use bennu_kit::http::ApiError;
use bytes::Bytes;
use serde::Serialize;

use super::super::listing::SpanBody;
use super::{Exported, SpanEncoder};
use crate::responses::{CostBody, CostDetailBody};

pub(super) struct JsonLines;

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    span: SpanBody,
    cost: Option<DetailedCost>,
}

#[derive(Serialize)]
struct DetailedCost {
    #[serde(flatten)]
    sums: CostBody,
    details: Vec<CostDetailBody>,
}

impl SpanEncoder for JsonLines {
    fn add(&mut self, spans: Vec<Exported>) -> Result<Bytes, ApiError> {
        let mut lines = Vec::new();
        for Exported { stored, cost_details } in spans {
            let details = cost_details.into_iter().map(CostDetailBody::from).collect();
            let cost = stored.cost.map(|cost| DetailedCost { sums: cost.into(), details });
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
