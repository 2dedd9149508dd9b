//! The rows of spans that were annotated lately: evaluators come to the same spans one after the other, and to find a span
//! by its id every part of the index is asked (see `span_ids`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bennu_domain::ids::SpanId;

/// Spans that are remembered, some megabytes; of more, all are looked up again.
const MOST_SPANS: usize = 65_536;

/// What is remembered may be deleted meanwhile. Whoever then does not find the row forgets it and looks again.
#[derive(Default)]
pub(crate) struct SpanRows(Mutex<HashMap<(i64, SpanId), i64>>);

impl SpanRows {
    /// Moves the spans of a tenant that are remembered out of `ids`, and answers their rows.
    pub fn take_known(&self, tenant: i64, ids: &mut Vec<SpanId>) -> HashMap<SpanId, i64> {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = HashMap::new();
        ids.retain(|id| {
            let row = rows.get(&(tenant, *id));
            known.extend(row.map(|row| (*id, *row)));
            row.is_none()
        });
        known
    }

    pub fn remember(&self, tenant: i64, found: impl IntoIterator<Item = (SpanId, i64)>) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.extend(found.into_iter().map(|(id, row)| ((tenant, id), row)));
        if rows.len() > MOST_SPANS {
            rows.clear();
        }
    }

    pub fn forget(&self, tenant: i64, ids: impl IntoIterator<Item = SpanId>) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            rows.remove(&(tenant, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> SpanId {
        SpanId::from_bytes(&number.to_be_bytes()).unwrap()
    }

    #[test]
    fn rows_are_remembered_of_their_tenant_until_they_are_forgotten() {
        let rows = SpanRows::default();
        rows.remember(1, [(id(1), 10), (id(2), 20)]);
        let mut ids = vec![id(1), id(2), id(3)];
        assert_eq!(rows.take_known(1, &mut ids), HashMap::from([(id(1), 10), (id(2), 20)]));
        assert_eq!(ids, [id(3)]);
        assert_eq!(rows.take_known(2, &mut vec![id(1)]), HashMap::new());
        rows.forget(1, [id(1)]);
        assert_eq!(rows.take_known(1, &mut vec![id(1), id(2)]), HashMap::from([(id(2), 20)]));
    }

    #[test]
    fn there_is_a_bound() {
        let rows = SpanRows::default();
        rows.remember(1, (1..=MOST_SPANS as u64).map(|number| (id(number), 1)));
        assert_eq!(rows.take_known(1, &mut vec![id(1)]).len(), 1);
        rows.remember(1, [(id(u64::MAX), 1)]);
        assert_eq!(rows.take_known(1, &mut vec![id(1), id(u64::MAX)]).len(), 0);
    }
}
