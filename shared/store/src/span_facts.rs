//! What conditions read of spans besides their own bytes.

use std::collections::{HashMap, HashSet};

use bennu_domain::annotation::TargetKind;
use bennu_domain::filter::{Cumulative, Needs, SpanContext, SpanFacts};
use bennu_domain::ids::SpanId;
use bennu_domain::kind::StatusCode;
use bennu_domain::span::{Span, TokenCounts};
use bennu_domain::span_tree::{TreeSpan, cumulative};
use sea_orm::{ColumnTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QuerySelect as _};

use crate::entities::{span, trace};
use crate::error::StoreError;
use crate::store::ScopedStore;

/// Rows of whole traces held at once, 100 bytes each; a larger trace comes alone.
const ROWS_AT_ONCE: i64 = 100_000;

/// A span as a node of its trace's tree.
#[derive(Debug, FromQueryResult)]
struct TreeRow {
    trace_row_id: i64,
    span_id: Vec<u8>,
    parent_id: Option<Vec<u8>>,
    status: i16,
    prompt_tokens: i64,
    completion_tokens: i64,
}

impl ScopedStore<'_> {
    /// The facts of decoded spans, in the order of their rows.
    pub(crate) async fn span_facts(
        self,
        rows: &[span::Model],
        spans: Vec<Span>,
        needs: Needs,
    ) -> Result<Vec<SpanFacts>, StoreError> {
        let parents = if needs.parents { self.stored_parents(rows).await? } else { HashSet::new() };
        let mut sums = if needs.cumulative { self.cumulative_of(rows).await? } else { HashMap::new() };
        let mut annotations = HashMap::new();
        if needs.span_annotations {
            let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
            annotations = self.annotation_facts(TargetKind::Span, &ids).await?;
        }
        let mut of_traces = HashMap::new();
        if needs.trace_annotations {
            let traces: HashSet<i64> = rows.iter().map(|row| row.trace_row_id).collect();
            let traces: Vec<i64> = traces.into_iter().collect();
            of_traces = self.annotation_facts(TargetKind::Trace, &traces).await?;
        }
        let prices = if needs.cost_details { Some(self.price_book().await?) } else { None };
        let facts = rows.iter().zip(spans).map(|(row, span)| {
            let tokens = span.token_counts();
            let cost = row.cost();
            let context = SpanContext {
                tokens,
                cost: cost.unwrap_or_default(),
                cost_details: prices.as_ref().map(|prices| prices.details(&span, cost)).unwrap_or_default(),
                cumulative: sums.remove(&(row.trace_row_id, span.span_id)).unwrap_or_default(),
                parent_is_stored: span.parent_id.is_some_and(|id| parents.contains(&(row.trace_row_id, id))),
                annotations: annotations.remove(&row.id).unwrap_or_default(),
                trace_annotations: of_traces.get(&row.trace_row_id).cloned().unwrap_or_default(),
            };
            SpanFacts { span, context }
        });
        Ok(facts.collect())
    }

    /// The parents of these rows that are stored, by trace and id.
    async fn stored_parents(self, rows: &[span::Model]) -> Result<HashSet<(i64, SpanId)>, StoreError> {
        let parents: HashSet<&Vec<u8>> = rows.iter().filter_map(|row| row.parent_id.as_ref()).collect();
        let traces: HashSet<i64> = rows.iter().map(|row| row.trace_row_id).collect();
        let found: Vec<(i64, Vec<u8>)> = span::Entity::find()
            .select_only()
            .columns([span::Column::TraceRowId, span::Column::SpanId])
            .filter(span::Column::TenantId.eq(self.tenant))
            .filter(span::Column::TraceRowId.is_in(traces))
            .filter(span::Column::SpanId.is_in(parents.into_iter().cloned()))
            .into_tuple()
            .all(&self.reads())
            .await?;
        Ok(found.into_iter().filter_map(|(trace, id)| Some((trace, SpanId::from_bytes(&id).ok()?))).collect())
    }

    /// Tokens and errors of each span of these rows and all below it.
    async fn cumulative_of(
        self,
        rows: &[span::Model],
    ) -> Result<HashMap<(i64, SpanId), Cumulative>, StoreError> {
        let wanted: HashSet<(i64, &[u8])> =
            rows.iter().map(|row| (row.trace_row_id, row.span_id.as_slice())).collect();
        let traces: HashSet<i64> = rows.iter().map(|row| row.trace_row_id).collect();
        let mut sums = HashMap::new();
        for some in self.in_portions(traces).await? {
            let mut by_trace: HashMap<i64, Vec<TreeSpan>> = HashMap::new();
            for row in self.tree_rows(&some).await? {
                let trace = row.trace_row_id;
                by_trace.entry(trace).or_default().extend(tree_span(&row));
            }
            for (trace, tree) in by_trace {
                let of_trace = tree.iter().zip(cumulative(&tree));
                let asked = of_trace.filter(|(span, _)| wanted.contains(&(trace, span.id.as_bytes())));
                sums.extend(asked.map(|(span, sum)| ((trace, span.id), sum)));
            }
        }
        Ok(sums)
    }

    /// Traces in groups that together have few enough spans to be held at once.
    pub(crate) async fn in_portions(self, traces: HashSet<i64>) -> Result<Vec<Vec<i64>>, StoreError> {
        let sizes: Vec<(i64, i64)> = trace::Entity::find()
            .select_only()
            .columns([trace::Column::Id, trace::Column::SpanCount])
            .filter(trace::Column::TenantId.eq(self.tenant))
            .filter(trace::Column::Id.is_in(traces))
            .into_tuple()
            .all(&self.reads())
            .await?;
        let mut portions: Vec<Vec<i64>> = Vec::new();
        let mut room = 0;
        for (trace, spans) in sizes {
            if spans > room || portions.is_empty() {
                portions.push(Vec::new());
                room = ROWS_AT_ONCE;
            }
            portions.last_mut().into_iter().for_each(|portion| portion.push(trace));
            room -= spans;
        }
        Ok(portions)
    }

    async fn tree_rows(self, traces: &[i64]) -> Result<Vec<TreeRow>, StoreError> {
        let rows = span::Entity::find()
            .select_only()
            .columns([
                span::Column::TraceRowId,
                span::Column::SpanId,
                span::Column::ParentId,
                span::Column::Status,
                span::Column::PromptTokens,
                span::Column::CompletionTokens,
            ])
            .filter(span::Column::TenantId.eq(self.tenant))
            .filter(span::Column::TraceRowId.is_in(traces.iter().copied()));
        Ok(rows.into_model().all(&self.reads()).await?)
    }
}

fn tree_span(row: &TreeRow) -> Option<TreeSpan> {
    let tokens = TokenCounts { prompt: row.prompt_tokens, completion: row.completion_tokens };
    Some(TreeSpan {
        id: SpanId::from_bytes(&row.span_id).ok()?,
        parent: row.parent_id.as_deref().and_then(|id| SpanId::from_bytes(id).ok()),
        own: own_sums(tokens, row.status),
    })
}

/// What a span adds to the sums of those above it.
pub(crate) fn own_sums(tokens: TokenCounts, status: i16) -> Cumulative {
    Cumulative { tokens, errors: i64::from(status == StatusCode::Error.code()) }
}
