//! How often an actor may come back, and how long it waits before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// At most `restarts` within `window`; waits double from `first_wait` to `longest_wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    pub restarts: usize,
    pub window: Duration,
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

impl Default for RestartPolicy {
    /// Five in a minute, after 0.1 s, 0.2 s … 1.6 s: enough for a database that restarts, and an actor that can never run is
    /// given up in some seconds, so that the process is replaced.
    fn default() -> Self {
        Self {
            restarts: 5,
            window: Duration::from_mins(1),
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(5),
        }
    }
}

/// The restarts of one actor.
pub(super) struct RestartBudget {
    policy: RestartPolicy,
    /// Within the window, oldest first; never more than `policy.restarts`.
    recent: VecDeque<Instant>,
}

impl RestartBudget {
    pub(super) fn new(policy: RestartPolicy) -> Self {
        Self { policy, recent: VecDeque::new() }
    }

    /// The wait before the restart of an actor that failed at `now`; none when the budget is spent.
    pub(super) fn take(&mut self, now: Instant) -> Option<Duration> {
        while self.recent.front().is_some_and(|at| now.duration_since(*at) >= self.policy.window) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.policy.restarts {
            return None;
        }
        let doublings = u32::try_from(self.recent.len()).unwrap_or(u32::MAX).min(31);
        self.recent.push_back(now);
        Some(self.policy.first_wait.saturating_mul(1 << doublings).min(self.policy.longest_wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_the_budget_ends() {
        let second = Duration::from_secs(1);
        let policy =
            RestartPolicy { restarts: 4, window: 60 * second, first_wait: second, longest_wait: 3 * second };
        let mut budget = RestartBudget::new(policy);
        let start = Instant::now();
        let waits: Vec<_> = (0..5).map(|_| budget.take(start)).collect();
        assert_eq!(waits, [Some(second), Some(2 * second), Some(3 * second), Some(3 * second), None]);
    }

    #[test]
    fn restarts_outside_the_window_are_forgiven() {
        let policy = RestartPolicy { restarts: 1, ..RestartPolicy::default() };
        let mut budget = RestartBudget::new(policy);
        let start = Instant::now();
        assert_eq!(budget.take(start), Some(policy.first_wait));
        assert_eq!(budget.take(start + policy.window / 2), None);
        assert_eq!(budget.take(start + policy.window), Some(policy.first_wait));
    }
}
