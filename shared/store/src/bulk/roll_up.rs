//! Roll-ups: what is known of a trace without reading its spans.

use bennu_domain::cost::Cost;

/// Sums and bounds over spans. Merging is commutative, so the order of arrival does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RollUp {
    pub start: i64,
    pub end: i64,
    pub spans: i64,
    pub errors: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub cost: Cost,
}

/// Of no spans.
impl Default for RollUp {
    fn default() -> Self {
        Self {
            start: i64::MAX,
            end: i64::MIN,
            spans: 0,
            errors: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
            cost: Cost::default(),
        }
    }
}

impl RollUp {
    pub fn include(&mut self, start: i64, end: i64) {
        self.start = self.start.min(start);
        self.end = self.end.max(end);
    }

    pub fn merged(mut self, other: &Self) -> Self {
        self.include(other.start, other.end);
        self.spans += other.spans;
        self.errors += other.errors;
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.cost = self.cost.plus(other.cost);
        self
    }
}
