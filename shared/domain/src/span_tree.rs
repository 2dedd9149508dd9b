//! Sums over a span and everything below it.

use std::collections::HashMap;

use crate::filter::Cumulative;
use crate::ids::SpanId;
use crate::span::TokenCounts;

/// A span of a trace with what it adds itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeSpan {
    pub id: SpanId,
    pub parent: Option<SpanId>,
    pub own: Cumulative,
}

/// The sums of the spans of one trace, in their order. Spans that are their own ancestors add nothing to each other.
pub fn cumulative(spans: &[TreeSpan]) -> Vec<Cumulative> {
    let places: HashMap<SpanId, usize> =
        spans.iter().enumerate().map(|(place, span)| (span.id, place)).collect();
    let parent_of = |span: &TreeSpan| span.parent.and_then(|parent| places.get(&parent)).copied();
    let mut open_children = vec![0_usize; spans.len()];
    for parent in spans.iter().filter_map(parent_of) {
        open_children[parent] += 1;
    }
    let mut sums: Vec<Cumulative> = spans.iter().map(|span| span.own).collect();
    let mut finished: Vec<usize> = (0..spans.len()).filter(|place| open_children[*place] == 0).collect();
    while let Some(place) = finished.pop() {
        let Some(parent) = parent_of(&spans[place]) else { continue };
        sums[parent] = sums[parent].plus(sums[place]);
        open_children[parent] -= 1;
        if open_children[parent] == 0 {
            finished.push(parent);
        }
    }
    sums
}

impl Cumulative {
    fn plus(self, other: Self) -> Self {
        Self {
            tokens: TokenCounts {
                prompt: self.tokens.prompt.saturating_add(other.tokens.prompt),
                completion: self.tokens.completion.saturating_add(other.tokens.completion),
            },
            errors: self.errors.saturating_add(other.errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: u8, parent: u8) -> TreeSpan {
        let own = Cumulative { tokens: TokenCounts { prompt: i64::from(id), completion: 0 }, errors: 1 };
        let id_of = |number: u8| SpanId::from_bytes(&[number; 8]).ok();
        TreeSpan { id: id_of(id).unwrap(), parent: id_of(parent), own }
    }

    fn prompts(spans: &[TreeSpan]) -> Vec<i64> {
        cumulative(spans).iter().map(|sum| sum.tokens.prompt).collect()
    }

    #[test]
    fn sums_include_everything_below_in_any_order() {
        assert_eq!(prompts(&[span(1, 0), span(2, 1), span(3, 2), span(4, 1)]), [10, 5, 3, 4]);
        assert_eq!(prompts(&[span(3, 2), span(4, 1), span(2, 1), span(1, 9)]), [3, 4, 5, 10]);
    }

    #[test]
    fn circles_end() {
        assert_eq!(prompts(&[span(1, 2), span(2, 1), span(3, 1), span(4, 4)]), [4, 2, 3, 4]);
    }
}
