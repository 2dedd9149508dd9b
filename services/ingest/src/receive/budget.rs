//! The memory that requests may take: from the first inflated byte until the answer.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A request holds at least this much, which bounds the number of requests too.
const SMALLEST_KIB: usize = 4;

/// Bytes of all requests that are received and not yet answered. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget {
    free_kib: Arc<Semaphore>,
    kib: usize,
}

/// A request's share of the budget; dropping it gives it back.
#[derive(Debug)]
pub struct Held {
    permit: OwnedSemaphorePermit,
}

/// The budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many spans are waiting to be stored; send them again later")]
pub struct BudgetSpent;

impl Budget {
    pub fn new(bytes: usize) -> Self {
        let kib = (bytes / 1024).clamp(SMALLEST_KIB, Semaphore::MAX_PERMITS);
        Self { free_kib: Arc::new(Semaphore::new(kib)), kib }
    }

    pub fn hold(&self, bytes: usize) -> Result<Held, BudgetSpent> {
        Ok(Held { permit: self.take(kib_of(bytes))? })
    }

    pub fn held_bytes(&self) -> usize {
        self.kib.saturating_sub(self.free_kib.available_permits()) * 1024
    }

    fn take(&self, kib: usize) -> Result<OwnedSemaphorePermit, BudgetSpent> {
        let kib = u32::try_from(kib).map_err(|_| BudgetSpent)?;
        Arc::clone(&self.free_kib).try_acquire_many_owned(kib).map_err(|_| BudgetSpent)
    }
}

impl Held {
    /// Makes it a share for `bytes` altogether; a larger one stays as it is.
    pub fn grow_to(&mut self, bytes: usize, budget: &Budget) -> Result<(), BudgetSpent> {
        let more = kib_of(bytes).saturating_sub(self.permit.num_permits());
        if more > 0 {
            self.permit.merge(budget.take(more)?);
        }
        Ok(())
    }
}

fn kib_of(bytes: usize) -> usize {
    (bytes / 1024).max(SMALLEST_KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back() {
        let budget = Budget::new(100 * 1024);
        let mut held = budget.hold(10 * 1024).unwrap();
        held.grow_to(90 * 1024, &budget).unwrap();
        held.grow_to(1, &budget).unwrap();
        assert_eq!(budget.held_bytes(), 90 * 1024);
        assert_eq!(budget.hold(20 * 1024).unwrap_err(), BudgetSpent);
        assert_eq!(held.grow_to(101 * 1024, &budget), Err(BudgetSpent));
        drop(held);
        assert_eq!(budget.held_bytes(), 0);
    }

    #[test]
    fn small_requests_are_bounded_in_number() {
        let budget = Budget::new(8 * 1024);
        let held = [budget.hold(1).unwrap(), budget.hold(0).unwrap()];
        assert_eq!(budget.hold(1).unwrap_err(), BudgetSpent);
        drop(held);
    }
}
