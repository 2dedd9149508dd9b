//! Conditions on the spans of a project: SQL that narrows towards one, and the word that the condition itself has last.

use bennu_domain::filter::{Condition, Flavour, Needs, SpanFacts, Subject};
use bennu_domain::ids::ProjectId;
use bennu_domain::span::Span;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait as _, Condition as SqlCondition};

use crate::conditions::{DemandedIds, Narrowing};
use crate::entities::span;
use crate::error::StoreError;
use crate::store::ScopedStore;

impl ScopedStore<'_> {
    /// SQL for the spans of a project; it may let some through for which the condition does not hold.
    pub(crate) async fn narrowed(
        self,
        project: ProjectId,
        condition: Option<&Condition>,
    ) -> Result<SqlCondition, StoreError> {
        let expr = condition.map(Condition::expr);
        let dialect = self.store.backend();
        let narrowing = Narrowing { flavour: Flavour::Span, dialect, tenant: self.tenant };
        let demanded = expr.map(DemandedIds::of).unwrap_or_default();
        // With ids given, their index is the way in; an expression keeps SQLite from walking the whole project.
        let in_project = match demanded.any() {
            true => Expr::col(span::Column::ProjectId).add(0).eq(project.0),
            false => span::Column::ProjectId.eq(project.0),
        };
        let with_ids = match &demanded.spans {
            Some(ids) => Some(self.span_rows_with_ids(ids).await?.into_iter().map(|(_, row)| row.0)),
            None => None,
        };
        Ok(SqlCondition::all()
            .add(span::Column::TenantId.eq(self.tenant))
            .add(in_project)
            .add_option(with_ids.map(|rows| span::Column::Id.is_in(rows)))
            .add_option(expr.and_then(|expr| narrowing.of(expr))))
    }

    /// The rows for whose spans the condition holds, with what it and the caller `needs` to know of each.
    pub(crate) async fn for_which_holds(
        self,
        rows: Vec<span::Model>,
        spans: Vec<Span>,
        condition: Option<&Condition>,
        needs: Needs,
    ) -> Result<Vec<(span::Model, SpanFacts)>, StoreError> {
        let needs = needs.and(condition.map(Condition::needs));
        let facts = self.span_facts(&rows, spans, needs).await?;
        let mut found = Vec::with_capacity(facts.len());
        for (row, facts) in rows.into_iter().zip(facts) {
            if condition.map_or(Ok(true), |condition| condition.holds(Subject::Span(&facts)))? {
                found.push((row, facts));
            }
        }
        Ok(found)
    }
}
