//! Turns on the processors, which tenants get one after the other: a flood waits behind itself.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use bennu_domain::ids::TenantId;
use tokio::sync::oneshot;

/// As many as may compute at the same time. Cheap to clone. Those who wait hold a request each, which the budget of the
/// receivers bounds.
#[derive(Debug, Clone)]
pub struct Turns {
    queue: Arc<Mutex<Queue>>,
}

/// Leave to compute; dropping it gives it to the next one.
#[derive(Debug)]
pub struct Turn {
    /// `None` once it was given to another one.
    turns: Option<Turns>,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    /// Tenants that wait, the one whose turn is next in front, with their requests in the order of arrival.
    tenants: VecDeque<(TenantId, VecDeque<oneshot::Sender<Turn>>)>,
}

impl Turns {
    /// One for each processor: more would take turns there, each with memory of its own.
    pub fn of_this_machine() -> Self {
        Self::new(available_parallelism().map_or(1, NonZero::get))
    }

    fn new(free: usize) -> Self {
        Self { queue: Arc::new(Mutex::new(Queue { free, tenants: VecDeque::new() })) }
    }

    /// Waits for a turn.
    pub async fn take(&self, tenant: TenantId) -> Turn {
        loop {
            let waiting = {
                let mut queue = self.queue();
                if queue.free > 0 {
                    queue.free -= 1;
                    return Turn { turns: Some(self.clone()) };
                }
                queue.wait(tenant)
            };
            if let Ok(turn) = waiting.await {
                return turn;
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn wait(&mut self, tenant: TenantId) -> oneshot::Receiver<Turn> {
        let (sender, receiver) = oneshot::channel();
        match self.tenants.iter_mut().find(|(waiting, _)| *waiting == tenant) {
            Some((_, requests)) => requests.push_back(sender),
            None => self.tenants.push_back((tenant, VecDeque::from([sender]))),
        }
        receiver
    }

    /// The first request of the tenant in front, which goes to the end.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let (tenant, mut requests) = self.tenants.pop_front()?;
        let next = requests.pop_front();
        if !requests.is_empty() {
            self.tenants.push_back((tenant, requests));
        }
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.turns.take() else { return };
        loop {
            let next = {
                let mut queue = turns.queue();
                let Some(next) = queue.next() else {
                    queue.free += 1;
                    return;
                };
                next
            };
            match next.send(Self { turns: Some(turns.clone()) }) {
                Ok(()) => return,
                // Who waited has gone away.
                Err(mut refused) => refused.turns = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const NOISY: TenantId = TenantId(1);
    const QUIET: TenantId = TenantId(2);

    #[tokio::test]
    async fn a_tenant_that_waits_for_one_turn_passes_another_that_waits_for_many() {
        let turns = Turns::new(1);
        let first = turns.take(NOISY).await;
        let mut flood: Vec<_> = (0..3).map(|_| Box::pin(turns.take(NOISY))).collect();
        assert!(flood.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
        let mut quiet = Box::pin(turns.take(QUIET));
        assert!((&mut quiet).now_or_never().is_none());

        drop(first);
        let second = (&mut flood[0]).now_or_never().expect("the first that waited");
        assert!((&mut quiet).now_or_never().is_none());
        drop(second);
        let third = (&mut quiet).now_or_never().expect("the other tenant");
        assert!((&mut flood[1]).now_or_never().is_none());
        drop(third);
        assert!((&mut flood[1]).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_turn_passes_those_who_have_gone_away() {
        let turns = Turns::new(1);
        let first = turns.take(NOISY).await;
        let mut gone: Vec<_> = (0..3).map(|_| Box::pin(turns.take(NOISY))).collect();
        assert!(gone.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
        let mut last = Box::pin(turns.take(NOISY));
        assert!((&mut last).now_or_never().is_none());
        gone.clear();
        drop(first);
        assert!((&mut last).now_or_never().is_some());
        assert!(turns.take(QUIET).now_or_never().is_some());
    }
}
