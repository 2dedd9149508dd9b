//! The spans that annotations are about, looked up before the transaction: by their ids, and with the number of documents
//! that they retrieved, which only the span itself tells.

use std::collections::{HashMap, HashSet};

use bennu_domain::annotation::{OutOfBounds, Target};
use bennu_domain::attributes::Attributes;
use bennu_domain::ids::SpanId;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::Value;

use super::StorableWrite;
use crate::blocks::load_spans;
use crate::entities::span;
use crate::error::StoreError;
use crate::store::ScopedStore;

/// Spans decoded at once; bounds the memory.
const SPANS_AT_ONCE: usize = 250;

/// A span keeps its row until it is deleted; of a running one a newer version may have more documents a moment later.
#[derive(Debug, Default)]
pub(crate) struct KnownSpans {
    rows: HashMap<SpanId, i64>,
    /// By row, of the spans whose documents are annotated.
    documents: HashMap<i64, i64>,
}

impl KnownSpans {
    pub fn row(&self, id: &str) -> Option<i64> {
        SpanId::meant_by(id).iter().find_map(|id| self.rows.get(id).copied())
    }

    pub fn check(&self, target: &Target, span_row: i64) -> Result<(), OutOfBounds> {
        let Target::Document(_, position) = target else { return Ok(()) };
        let count = self.documents.get(&span_row).copied().unwrap_or_default();
        let inside = (0..count).contains(position);
        if inside { Ok(()) } else { Err(OutOfBounds { position: *position, last: count - 1 }) }
    }
}

impl ScopedStore<'_> {
    /// The spans that are annotated, or whose documents are.
    pub(crate) async fn know_spans(self, writes: &[StorableWrite<'_>]) -> Result<KnownSpans, StoreError> {
        let mut known = KnownSpans::default();
        let named: HashSet<&str> =
            writes.iter().filter_map(|write| span_of(&write.annotation.target)).collect();
        let mut ids: Vec<SpanId> = named.into_iter().flat_map(SpanId::meant_by).collect();
        ids.sort_unstable();
        ids.dedup();
        let remembered = self.store.span_rows.take_known(self.tenant, &mut ids);
        for (id, row) in self.span_rows_with_ids(&ids).await? {
            // A span id may be in several traces; the first one that came stands for all.
            let first = known.rows.entry(id).or_insert(row.0);
            *first = row.0.min(*first);
        }
        self.store.span_rows.remember(self.tenant, known.rows.iter().map(|(id, row)| (*id, *row)));
        known.rows.extend(remembered);
        let of_document = |write: &StorableWrite<'_>| match &write.annotation.target {
            Target::Document(id, _) => known.row(id),
            _ => None,
        };
        let mut rows: Vec<i64> = writes.iter().filter_map(of_document).collect();
        rows.sort_unstable();
        rows.dedup();
        for some in rows.chunks(SPANS_AT_ONCE) {
            let rows = span::Entity::find()
                .filter(span::Column::TenantId.eq(self.tenant))
                .filter(span::Column::Id.is_in(some.iter().copied()))
                .order_by_asc(span::Column::BlockId)
                .all(&self.reads())
                .await?;
            let spans = load_spans(self, &rows).await?;
            let counted = rows.iter().zip(spans);
            let counted = counted.filter_map(|(row, span)| Some((row.id, documents(&span?.attributes))));
            known.documents.extend(counted);
        }
        Ok(known)
    }
}

fn span_of(target: &Target) -> Option<&str> {
    match target {
        Target::Span(id) | Target::Document(id, _) => Some(id),
        Target::Trace(_) | Target::Session(_) => None,
    }
}

fn documents(attributes: &Attributes) -> i64 {
    let documents = attributes.get("retrieval").and_then(|retrieval| retrieval.get("documents"));
    let documents = documents.and_then(Value::as_array);
    documents.map_or(0, |documents| i64::try_from(documents.len()).unwrap_or(i64::MAX))
}
