//! Ids that a condition demands: their indexes are a way in that SQL does not find itself.

use bennu_domain::filter::{Expr, Field, Literal, Order, Place};
use bennu_domain::ids::SpanId;

/// What every span that matches has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DemandedIds {
    /// One of these ids.
    pub spans: Option<Vec<SpanId>>,
    /// One of some trace ids.
    pub trace: bool,
}

impl DemandedIds {
    pub fn of(condition: &Expr) -> Self {
        match condition {
            Expr::And(operands) => operands.iter().map(Self::of).fold(Self::default(), |all, next| Self {
                spans: all.spans.or(next.spans),
                trace: all.trace || next.trace,
            }),
            Expr::Compare(Order::Equal, _, left, right) => match (&**left, &**right) {
                (Expr::Field(Place::Subject, field), item) | (item, Expr::Field(Place::Subject, field)) => {
                    Self::one_of(*field, std::slice::from_ref(item))
                }
                _ => Self::default(),
            },
            Expr::OneOf(value, _, items) => match &**value {
                Expr::Field(Place::Subject, field) => Self::one_of(*field, items),
                _ => Self::default(),
            },
            _ => Self::default(),
        }
    }

    fn one_of(field: Field, items: &[Expr]) -> Self {
        let ids = items.iter().map(|item| match item {
            Expr::Literal(Literal::Text(text)) => Some(SpanId::from_text(text)),
            _ => None,
        });
        let ids = ids.collect::<Option<Vec<SpanId>>>();
        match field {
            Field::SpanId => Self { spans: ids, trace: false },
            Field::TraceId => Self { spans: None, trace: ids.is_some() },
            _ => Self::default(),
        }
    }

    pub fn any(&self) -> bool {
        self.trace || self.spans.is_some()
    }
}

#[cfg(test)]
mod tests {
    use bennu_domain::filter::{Condition, Flavour};

    use super::*;

    fn demanded(condition: &str) -> DemandedIds {
        DemandedIds::of(Condition::parse(Flavour::Span, condition).unwrap().expr())
    }

    #[test]
    fn only_what_every_match_has_is_demanded() {
        let ids = |texts: &[&str]| Some(texts.iter().map(|text| SpanId::from_text(text)).collect::<Vec<_>>());
        assert_eq!(demanded("span_id == 'a' and name == 'x'").spans, ids(&["a"]));
        assert_eq!(demanded("name == 'x' and context.span_id in ['a', 'b']").spans, ids(&["a", "b"]));
        assert!(demanded("'t' == trace_id").trace);
        for condition in
            ["span_id == 'a' or name == 'x'", "not span_id == 'a'", "span_id != 'a'", "span_id == name"]
        {
            assert!(!demanded(condition).any(), "{condition}");
        }
    }
}
