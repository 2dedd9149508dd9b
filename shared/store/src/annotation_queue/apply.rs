//! Annotations of the queue are applied, and their receipts written, in one transaction: a job that comes again finds in
//! the receipt what is done already, and does not do it twice.

use std::slice;

use bennu_domain::time::Timestamp;

use super::failures::NewFailure;
use super::receipts::{ItemOutcome, Receipts};
use super::{QueuedEnd, QueuedWrite, no_target, out_of_bounds};
use crate::annotations::{AnnotationOutcome, KnownSpans, StorableWrite};
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::Committed;

/// See `annotate`.
const ATTEMPTS: usize = 5;
/// What an annotation takes in the database, about.
const ROW_BYTES: usize = 300;

/// Annotations of the queue, with what is looked up before the transaction that applies them.
pub struct GatheredWrites<'a> {
    items: &'a [QueuedWrite<'a>],
    writes: Vec<StorableWrite<'a>>,
    spans: KnownSpans,
}

impl ScopedStore<'_> {
    /// What [`Self::apply_gathered`] takes; while others write.
    pub async fn gather_queued<'a>(
        self,
        items: &'a [QueuedWrite<'a>],
    ) -> Result<GatheredWrites<'a>, StoreError> {
        let writes: Vec<StorableWrite<'_>> =
            items.iter().map(|item| StorableWrite::new(item.annotation, item.received)).collect();
        let spans = self.know_spans(&writes).await?;
        Ok(GatheredWrites { items, writes, spans })
    }

    /// Applies what can be; what waited for its target since before `patience_ends` fails. The ends are in order. What is for an
    /// erased tenant is settled without a trace. Readers see it; the queue waits until it is durable.
    pub async fn apply_queued<'a>(
        self,
        items: &'a [QueuedWrite<'a>],
        patience_ends: Timestamp,
    ) -> Result<(Vec<QueuedEnd>, Committed), StoreError> {
        self.apply_gathered(self.gather_queued(items).await?, patience_ends).await
    }

    /// Like [`Self::apply_queued`], of what was gathered a moment ago.
    pub async fn apply_gathered(
        self,
        mut gathered: GatheredWrites<'_>,
        patience_ends: Timestamp,
    ) -> Result<(Vec<QueuedEnd>, Committed), StoreError> {
        let items = gathered.items;
        for _ in 0..ATTEMPTS {
            match self.try_apply(gathered, patience_ends).await {
                Err(StoreError::LostRace) => gathered = self.gather_queued(items).await?,
                Err(StoreError::TenantErased) => {
                    return Ok((vec![QueuedEnd::Settled; items.len()], Committed::nothing()));
                }
                settled => return settled,
            }
        }
        Err(StoreError::LostRace)
    }

    async fn try_apply(
        self,
        GatheredWrites { items, mut writes, spans }: GatheredWrites<'_>,
        patience_ends: Timestamp,
    ) -> Result<(Vec<QueuedEnd>, Committed), StoreError> {
        let transaction = self.begin().await?;
        let mut receipts = Receipts::load(self, &transaction, items).await?;
        let (mut ends, mut failures) = (vec![QueuedEnd::Settled; items.len()], Vec::new());
        let left: Vec<usize> = (0..items.len()).filter(|index| !receipts.is_settled(*index)).collect();
        let mut index = 0..;
        writes.retain(|_| index.next().is_some_and(|index| !receipts.is_settled(index)));
        let outcomes = self.apply(&transaction, &writes, &spans).await?;
        for (index, outcome) in left.into_iter().zip(outcomes) {
            let item = &items[index];
            let target = &item.annotation.target;
            let reason = match outcome {
                AnnotationOutcome::Stored(id) => {
                    receipts.settle(index, ItemOutcome::Applied(id));
                    continue;
                }
                AnnotationOutcome::NoTarget if item.waits_since > patience_ends => {
                    ends[index] = QueuedEnd::Waiting;
                    continue;
                }
                AnnotationOutcome::NoTarget => no_target(target),
                AnnotationOutcome::OutOfBounds(error) => out_of_bounds(target, error),
            };
            receipts.settle(index, ItemOutcome::Failed(reason.clone()));
            failures.push(NewFailure { item, reason });
        }
        self.insert_failures(&transaction, &failures).await?;
        receipts.write(self, &transaction).await?;
        let committed = transaction.commit_visibly().await?;
        self.store.written(writes.len() * ROW_BYTES);
        Ok((ends, committed))
    }

    /// An annotation that the database never takes is put aside with the reason.
    pub async fn fail_queued(self, item: &QueuedWrite<'_>, reason: &str) -> Result<(), StoreError> {
        let transaction = match self.begin().await {
            Err(StoreError::TenantErased) => return Ok(()),
            begun => begun?,
        };
        let mut receipts = Receipts::load(self, &transaction, slice::from_ref(item)).await?;
        if !receipts.is_settled(0) {
            receipts.settle(0, ItemOutcome::Failed(reason.to_owned()));
            self.insert_failures(&transaction, &[NewFailure { item, reason: reason.to_owned() }]).await?;
            receipts.write(self, &transaction).await?;
        }
        transaction.commit().await
    }
}
