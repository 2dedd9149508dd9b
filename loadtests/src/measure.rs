//! Percentiles of measured durations, and rates.

use std::time::Duration;

use serde::Serialize;

/// What a set of latencies looks like. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latencies {
    pub count: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Latencies {
    /// `None` when nothing was measured.
    pub fn of(durations: &[Duration]) -> Option<Self> {
        let mut sorted = durations.to_vec();
        sorted.sort_unstable();
        Some(Self {
            count: sorted.len(),
            p50_ms: milliseconds(percentile(&sorted, 50)?),
            p99_ms: milliseconds(percentile(&sorted, 99)?),
            max_ms: milliseconds(*sorted.last()?),
        })
    }
}

/// Nearest-rank percentile (1–100) of ascending values: always a value that was really measured.
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent.min(100)).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The middle one, or the upper of two; 0 of none.
pub fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// `total` for each of `count` things.
#[expect(clippy::cast_precision_loss, reason = "span counts of a run stay far below 2^52")]
pub fn per(total: f64, count: usize) -> f64 {
    total / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(milliseconds: u64) -> Vec<Duration> {
        (1..=milliseconds).map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        assert_eq!(percentile(&up_to(100), 50), Some(Duration::from_millis(50)));
        assert_eq!(percentile(&up_to(100), 99), Some(Duration::from_millis(99)));
        assert_eq!(percentile(&up_to(10), 99), Some(Duration::from_millis(10)));
        assert_eq!(percentile(&up_to(3), 50), Some(Duration::from_millis(2)));
        assert_eq!(percentile(&up_to(1), 1), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn latencies_do_not_depend_on_the_order_of_arrival() {
        let mut shuffled = up_to(200);
        shuffled.reverse();
        let expected = Latencies { count: 200, p50_ms: 100.0, p99_ms: 198.0, max_ms: 200.0 };
        assert_eq!(Latencies::of(&shuffled), Some(expected));
        assert_eq!(Latencies::of(&[]), None);
    }
}
