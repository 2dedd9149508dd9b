//! Applying annotations: the one way in, for those of a request and for those of the queue.

use super::known_spans::KnownSpans;
use super::upsert::{Upsert, upsert};
use super::{AnnotationOutcome, AnnotationWrite, StorableWrite};
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

/// Another process may add or delete the same annotation or its target in between; each attempt sees what it did.
const ATTEMPTS: usize = 5;

impl ScopedStore<'_> {
    /// Applies all annotations or, if one of them cannot be, none; the outcomes are in order.
    pub async fn annotate(self, writes: Vec<AnnotationWrite>) -> Result<Vec<AnnotationOutcome>, StoreError> {
        let writes: Vec<StorableWrite<'_>> =
            writes.iter().map(|write| StorableWrite::new(&write.annotation, write.received)).collect();
        for _ in 0..ATTEMPTS {
            let spans = self.know_spans(&writes).await?;
            let transaction = self.begin().await?;
            match self.apply(&transaction, &writes, &spans).await {
                Ok(outcomes) if outcomes.iter().all(|outcome| outcome.stored().is_some()) => {
                    transaction.commit().await?;
                    return Ok(outcomes);
                }
                Ok(outcomes) => {
                    transaction.rollback().await?;
                    return Ok(outcomes);
                }
                Err(StoreError::LostRace) => transaction.rollback().await?,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::LostRace)
    }

    /// Applies the annotations that can be, inside a transaction.
    pub(crate) async fn apply(
        self,
        transaction: &WriteTransaction,
        writes: &[StorableWrite<'_>],
        spans: &KnownSpans,
    ) -> Result<Vec<AnnotationOutcome>, StoreError> {
        let places = self.hold_targets(transaction, writes, spans).await?;
        let mut outcomes = vec![AnnotationOutcome::NoTarget; writes.len()];
        let mut upserts = Vec::with_capacity(writes.len());
        for (index, (write, place)) in writes.iter().zip(places).enumerate() {
            let Some(place) = place else { continue };
            match spans.check(&write.annotation.target, place.row) {
                Ok(()) => upserts.push(Upsert { index, write, place }),
                Err(out_of_bounds) => outcomes[index] = AnnotationOutcome::OutOfBounds(out_of_bounds),
            }
        }
        for (index, id) in upsert(self, transaction, &upserts).await? {
            outcomes[index] = AnnotationOutcome::Stored(id);
        }
        Ok(outcomes)
    }
}
