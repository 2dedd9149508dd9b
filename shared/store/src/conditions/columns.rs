//! Columns that conditions compare with literals.

use bennu_domain::facets::{cut, storable_text};
use bennu_domain::filter::{Expr, Field, Flavour, Literal, Order};
use bennu_domain::ids::{SpanId, TraceId};
use bennu_domain::kind::{SpanKind, StatusCode};
use sea_orm::Value;
use sea_orm::sea_query::{Alias, Expr as Sql, ExprTrait as _, Query, SimpleExpr};

use super::logic::{Narrowing, ordered};
use crate::entities::{session, span, trace};
use crate::prepared::{NAME_BYTES, storable_session_id};

impl Narrowing {
    /// `field order literal`.
    pub(super) fn column(self, field: Field, order: Order, literal: &Literal) -> Option<SimpleExpr> {
        match literal {
            Literal::Time(time) => Some(ordered(time_column(field)?, order, Sql::value(time.0))),
            Literal::Number(number) => {
                let (column, unit) = self.whole_number(field)?;
                near(column, order, number.as_f64() * unit)
            }
            Literal::Text(text) if order == Order::Equal && self.codes(field, |_| true).is_none() => {
                self.text_is(field, std::slice::from_ref(text))
            }
            Literal::Text(text) => self.codes(field, |code| allows(order, code, text)),
            Literal::Null | Literal::Boolean(_) => None,
        }
    }

    /// `field in literals`, or not in them.
    pub(super) fn column_one_of(self, field: Field, items: &[Expr], wanted: bool) -> Option<SimpleExpr> {
        let texts = items.iter().map(|item| match item {
            Expr::Literal(Literal::Text(text)) => Some(text.clone()),
            _ => None,
        });
        let texts = texts.collect::<Option<Vec<String>>>()?;
        let codes = self.codes(field, |code| texts.iter().any(|text| text == code) == wanted);
        codes.or_else(|| wanted.then(|| self.text_is(field, &texts)).flatten())
    }

    /// A column of whole numbers, and how many of its units one of the field has.
    fn whole_number(self, field: Field) -> Option<(SimpleExpr, f64)> {
        let column = |name: &str| Sql::col(Alias::new(name));
        match (self.flavour, field) {
            (_, Field::LatencyMs) => Some((column("end_time").sub(column("start_time")), 1_000.0)),
            (Flavour::Trace, Field::SpanCount) => Some((column("span_count"), 1.0)),
            (Flavour::Trace, Field::ErrorCount) => Some((column("error_count"), 1.0)),
            (Flavour::Trace, Field::PromptTokens) => Some((column("prompt_tokens"), 1.0)),
            (Flavour::Trace, Field::CompletionTokens) => Some((column("completion_tokens"), 1.0)),
            (Flavour::Trace, Field::TotalTokens) => {
                Some((column("prompt_tokens").add(column("completion_tokens")), 1.0))
            }
            _ => None,
        }
    }

    /// The rows whose kind or status passes; `None` for other fields.
    pub(super) fn codes(self, field: Field, passes: impl Fn(&str) -> bool) -> Option<SimpleExpr> {
        let all = (0..).map_while(SpanKind::from_code);
        let (column, codes): (_, Vec<i16>) = match (self.flavour, field) {
            (Flavour::Span, Field::SpanKind) => {
                (span::Column::Kind, all.filter(|kind| passes(kind.as_str())).map(SpanKind::code).collect())
            }
            (Flavour::Span, Field::StatusCode) => {
                let all = (0..).map_while(StatusCode::from_code);
                (
                    span::Column::Status,
                    all.filter(|code| passes(code.as_str())).map(StatusCode::code).collect(),
                )
            }
            _ => return None,
        };
        Some(Sql::col(column).is_in(codes))
    }

    /// The rows whose text is one of these.
    fn text_is(self, field: Field, texts: &[String]) -> Option<SimpleExpr> {
        let bytes = |bytes: &[u8]| Value::Bytes(Some(bytes.to_vec()));
        let span_ids = || texts.iter().map(|text| bytes(SpanId::from_text(text).as_bytes()));
        let trace_ids = || texts.iter().map(|text| bytes(TraceId::from_text(text).as_bytes()));
        Some(match (self.flavour, field) {
            (Flavour::Span, Field::Name) => Sql::col(span::Column::Name)
                .is_in(texts.iter().map(|text| storable_text(cut(text, NAME_BYTES)))),
            (Flavour::Span, Field::SpanId) => Sql::col(span::Column::SpanId).is_in(span_ids()),
            (Flavour::Span, Field::ParentId) => Sql::col(span::Column::ParentId).is_in(span_ids()),
            (Flavour::Span, Field::TraceId) => {
                let rows = Query::select()
                    .column(trace::Column::Id)
                    .from(trace::Entity)
                    .and_where(Sql::col(trace::Column::TenantId).eq(self.tenant))
                    .and_where(Sql::col(trace::Column::TraceId).is_in(trace_ids()))
                    .to_owned();
                Sql::col(span::Column::TraceRowId).in_subquery(rows)
            }
            (Flavour::Trace, Field::TraceId) => Sql::col(trace::Column::TraceId).is_in(trace_ids()),
            (Flavour::Session, Field::SessionId) => {
                Sql::col(session::Column::SessionId).is_in(texts.iter().map(|id| storable_session_id(id)))
            }
            _ => return None,
        })
    }

    /// Spans without a parent id, or without a stored parent.
    pub(super) fn parent(self, field: Field, missing: bool) -> Option<SimpleExpr> {
        if self.flavour != Flavour::Span {
            return None;
        }
        let missing_rows = match field {
            Field::ParentId => Sql::col(span::Column::ParentId).is_null(),
            _ => parent_is_missing(),
        };
        Some(if missing { missing_rows } else { missing_rows.not() })
    }
}

/// Whether no span of the same trace has the id that `parent_id` names.
pub(crate) fn parent_is_missing() -> SimpleExpr {
    let parent = Alias::new("parent");
    let of_parent = |column: span::Column| Sql::col((parent.clone(), column));
    let of_span = |column: span::Column| Sql::col((span::Entity, column));
    let stored = Query::select()
        .expr(Sql::value(1))
        .from_as(span::Entity, parent.clone())
        .and_where(of_parent(span::Column::TenantId).eq(of_span(span::Column::TenantId)))
        .and_where(of_parent(span::Column::TraceRowId).eq(of_span(span::Column::TraceRowId)))
        .and_where(of_parent(span::Column::SpanId).eq(of_span(span::Column::ParentId)))
        .to_owned();
    Sql::exists(stored).not()
}

fn time_column(field: Field) -> Option<SimpleExpr> {
    let name = match field {
        Field::StartTime => "start_time",
        Field::EndTime => "end_time",
        _ => return None,
    };
    Some(Sql::col(Alias::new(name)))
}

fn allows(order: Order, code: &str, text: &str) -> bool {
    match order {
        Order::Equal => code == text,
        Order::NotEqual => code != text,
        Order::Less => code < text,
        Order::LessOrEqual => code <= text,
        Order::Greater => code > text,
        Order::GreaterOrEqual => code >= text,
    }
}

/// `column order number`, one unit to the generous side.
#[expect(clippy::cast_possible_truncation, reason = "saturates, beyond every value of a column")]
fn near(column: SimpleExpr, order: Order, number: f64) -> Option<SimpleExpr> {
    let (below, above) = (number.floor() as i64, number.ceil() as i64);
    let (below, above) = (below.saturating_sub(1), above.saturating_add(1));
    Some(match order {
        Order::Equal => column.between(below, above),
        Order::NotEqual => return None,
        Order::Less | Order::LessOrEqual => column.lte(above),
        Order::Greater | Order::GreaterOrEqual => column.gte(below),
    })
}
