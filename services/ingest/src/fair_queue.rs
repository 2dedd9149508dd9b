//! What tenants wait with, in a fair order: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996).
//!
//! The turn is of who has had least, and among equals of who waits with least. A tenant that comes starts level with the one
//! that was served last: it is next, though what it did without before does not come back. So who sends little waits for the
//! rest of one turn, however many flood, and a flood has its share, however many come and go.

use std::collections::{HashMap, VecDeque};

use bennu_domain::ids::TenantId;

/// Items of tenants. Whoever adds to it bounds it.
#[derive(Debug)]
pub struct FairQueue<T> {
    /// Those who wait, and those who are ahead of the clock.
    tenants: HashMap<TenantId, Tenant<T>>,
    /// What the tenant had had whose turn was the last.
    clock: u64,
    arrivals: u64,
}

#[derive(Debug)]
struct Tenant<T> {
    /// What it has had, as if it had been there from the start.
    served: u64,
    /// Of those who are equal in all else, the one that came first is next.
    arrival: u64,
    waiting: VecDeque<T>,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { tenants: HashMap::new(), clock: 0, arrivals: 0 }
    }
}

impl<T> FairQueue<T> {
    pub fn push(&mut self, tenant: TenantId, item: T) {
        let tenant = self.tenants.entry(tenant).or_default();
        if tenant.waiting.is_empty() {
            self.arrivals += 1;
            tenant.arrival = self.arrivals;
            tenant.served = tenant.served.max(self.clock);
        }
        tenant.waiting.push_back(item);
    }

    /// How many tenants wait.
    pub fn tenants(&self) -> usize {
        self.tenants.values().filter(|tenant| !tenant.waiting.is_empty()).count()
    }

    /// Lets the tenant whose turn it is take some of its items, those that came first in front, and say what they cost, in
    /// a unit of the caller's. `None` if nothing waits.
    pub fn turn<R>(&mut self, take: impl FnOnce(&mut VecDeque<T>) -> (R, usize)) -> Option<R> {
        self.turn_of(|_| true, take)
    }

    /// The same among those tenants that `may` have a turn.
    pub fn turn_of<R>(
        &mut self,
        may: impl Fn(TenantId) -> bool,
        take: impl FnOnce(&mut VecDeque<T>) -> (R, usize),
    ) -> Option<R> {
        let waiting = self.tenants.iter_mut().filter(|(id, tenant)| !tenant.waiting.is_empty() && may(**id));
        let waiting = waiting.map(|(_, tenant)| tenant);
        let next = waiting.min_by_key(|tenant| (tenant.served, tenant.waiting.len(), tenant.arrival))?;
        self.clock = next.served;
        let (taken, cost) = take(&mut next.waiting);
        next.served += cost as u64;
        self.tenants.retain(|_, tenant| !tenant.waiting.is_empty() || tenant.served > self.clock);
        Some(taken)
    }
}

impl<T> Default for Tenant<T> {
    fn default() -> Self {
        Self { served: 0, arrival: 0, waiting: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut FairQueue<i64>, tenant: i64, items: usize) {
        (0..items).for_each(|_| queue.push(TenantId(tenant), tenant));
    }

    /// The tenants of so many turns of one item each.
    fn turns(queue: &mut FairQueue<i64>, turns: usize) -> Vec<i64> {
        (0..turns).filter_map(|_| queue.turn(|waiting| (waiting.pop_front(), 1)).flatten()).collect()
    }

    #[test]
    fn a_tenant_that_comes_is_next_however_many_flood() {
        let mut queue = FairQueue::default();
        (1..=4).for_each(|flood| push(&mut queue, flood, 10));
        assert_eq!(turns(&mut queue, 6), [1, 2, 3, 4, 1, 2]);
        push(&mut queue, 5, 1);
        assert_eq!(turns(&mut queue, 3), [5, 3, 4]);
    }

    #[test]
    fn a_tenant_that_comes_and_goes_gets_no_more_than_one_that_stays() {
        let mut queue = FairQueue::default();
        push(&mut queue, 1, 10);
        let mut served = Vec::new();
        for _ in 0..3 {
            push(&mut queue, 2, 1);
            served.extend(turns(&mut queue, 2));
        }
        assert_eq!(served, [2, 1, 2, 1, 2, 1]);
    }

    #[test]
    fn turns_are_shared_by_what_they_cost() {
        let mut queue = FairQueue::default();
        push(&mut queue, 1, 20);
        push(&mut queue, 3, 20);
        // What the one with number 3 has is three times as costly.
        let mut turn =
            || queue.turn(|waiting| (waiting.pop_front(), waiting[0].try_into().unwrap())).flatten();
        let costly = (0..20).filter_map(|_| turn()).filter(|tenant| *tenant == 3).count();
        assert_eq!(costly, 5);
    }

    #[test]
    fn nobody_is_remembered_for_longer_than_it_matters() {
        let mut queue = FairQueue::default();
        (1..=100).for_each(|tenant| push(&mut queue, tenant, 1));
        assert_eq!(turns(&mut queue, 100).len(), 100);
        push(&mut queue, 1, 3);
        assert_eq!(turns(&mut queue, 3), [1, 1, 1]);
        assert_eq!((queue.tenants(), queue.tenants.len()), (0, 1));
        assert!(turns(&mut queue, 1).is_empty());
    }
}
