//! The memory that requests may take: from the first inflated byte until the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bennu_domain::ids::TenantId;

/// A request holds at least this much, which bounds the number of requests too.
const SMALLEST: usize = 4 * 1024;

/// Bytes of all requests that are received and not yet answered. One tenant gets three quarters of them at most, or room for
/// the largest body, so that its flood does not turn others away. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget {
    held: Arc<Mutex<Ledger>>,
    most: usize,
    most_of_tenant: usize,
}

#[derive(Debug, Default)]
struct Ledger {
    all: usize,
    tenants: HashMap<TenantId, usize>,
}

/// A request's share of the budget; dropping it gives it back.
#[derive(Debug)]
pub struct Held {
    budget: Budget,
    tenant: TenantId,
    bytes: usize,
}

/// The budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many spans are waiting to be stored; send them again later")]
pub struct BudgetSpent;

impl Budget {
    pub fn new(bytes: usize, largest_body: usize) -> Self {
        let most = bytes.max(SMALLEST);
        let most_of_tenant = (most - most / 4).max(largest_body).min(most);
        Self { held: Arc::default(), most, most_of_tenant }
    }

    pub fn hold(&self, tenant: TenantId, bytes: usize) -> Result<Held, BudgetSpent> {
        let mut held = Held { budget: self.clone(), tenant, bytes: 0 };
        held.grow_to(bytes)?;
        Ok(held)
    }

    pub fn held_bytes(&self) -> usize {
        self.ledger().all
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Makes it a share for `bytes` altogether; a larger one stays as it is.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), BudgetSpent> {
        let more = bytes.max(SMALLEST).saturating_sub(self.bytes);
        let mut ledger = self.budget.ledger();
        let of_tenant = ledger.tenants.get(&self.tenant).copied().unwrap_or_default();
        let (all, of_tenant) = (ledger.all.saturating_add(more), of_tenant.saturating_add(more));
        if all > self.budget.most || of_tenant > self.budget.most_of_tenant {
            return Err(BudgetSpent);
        }
        ledger.all = all;
        ledger.tenants.insert(self.tenant, of_tenant);
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut ledger = self.budget.ledger();
        ledger.all = ledger.all.saturating_sub(self.bytes);
        if let Some(of_tenant) = ledger.tenants.get_mut(&self.tenant) {
            *of_tenant = of_tenant.saturating_sub(self.bytes);
            if *of_tenant == 0 {
                ledger.tenants.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId(1);
    const OTHER: TenantId = TenantId(2);
    const KIB: usize = 1_024;

    #[test]
    fn what_is_held_comes_back() {
        let budget = Budget::new(100 * KIB, 100 * KIB);
        let mut held = budget.hold(TENANT, 10 * KIB).unwrap();
        held.grow_to(90 * KIB).unwrap();
        held.grow_to(1).unwrap();
        assert_eq!(budget.held_bytes(), 90 * KIB);
        assert_eq!(budget.hold(TENANT, 20 * KIB).unwrap_err(), BudgetSpent);
        assert_eq!(held.grow_to(101 * KIB), Err(BudgetSpent));
        assert_eq!(budget.held_bytes(), 90 * KIB);
        drop(held);
        assert_eq!(budget.held_bytes(), 0);
    }

    #[test]
    fn small_requests_are_bounded_in_number() {
        let budget = Budget::new(8 * KIB, 8 * KIB);
        let held = [budget.hold(TENANT, 1).unwrap(), budget.hold(TENANT, 0).unwrap()];
        assert_eq!(budget.hold(TENANT, 1).unwrap_err(), BudgetSpent);
        drop(held);
    }

    #[test]
    fn a_tenant_leaves_room_for_others() {
        let budget = Budget::new(100 * KIB, 10 * KIB);
        let flood: Vec<Held> = std::iter::from_fn(|| budget.hold(TENANT, 10 * KIB).ok()).collect();
        assert_eq!(flood.len(), 7);
        let others: Vec<Held> = std::iter::from_fn(|| budget.hold(OTHER, 10 * KIB).ok()).collect();
        assert_eq!(others.len(), 3);
        drop(flood);
        assert!(budget.hold(OTHER, 40 * KIB).is_ok());
    }
}
