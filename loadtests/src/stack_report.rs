//! The tables of the distributed shape: one run, and the curve of a filling store.

use std::fmt::{self, Display};

use crate::fill_curve::FillPoint;
use crate::report::{Target, number};
use crate::stack_load::StackMeasurement;

/// Of the rate that bare COPY reaches into tables with the same indexes.
const SHARE_OF_COPY: f64 = 1.0 / 3.0;
/// What must be left of the empty store's rate.
const SHARE_OF_EMPTY: f64 = 0.6;

impl Display for StackMeasurement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |measure: &str, value: f64, target: Option<Target>| {
            let verdict = target.map_or_else(String::new, |target| target.verdict(value));
            writeln!(formatter, "{}", format!("{measure:<44} {:>10}   {verdict}", number(value)).trim_end())
        };
        let (copy, half) = (&self.raw_copy, &self.half_rate);
        row("acknowledged spans/s", self.acknowledged_per_s, None)?;
        row("durable spans/s", self.durable_per_s, Some(Target::AtLeast(10_000.0)))?;
        row("acknowledgement p50 ms, full load", self.acknowledgement.p50_ms, None)?;
        row("acknowledgement p99 ms, full load", self.acknowledgement.p99_ms, None)?;
        row("acknowledgement p50 ms, half rate", half.acknowledgement.p50_ms, None)?;
        row("acknowledgement p99 ms, half rate", half.acknowledgement.p99_ms, None)?;
        for used in &self.cpu {
            row(&format!("CPU ms a span, {}", used.part), used.cpu_ms_per_span, None)?;
        }
        row("CPU ms a span, together", self.cpu.iter().map(|used| used.cpu_ms_per_span).sum(), None)?;
        row("bare COPY into the same tables, spans/s", copy.with_indexes_per_s, None)?;
        row("bare COPY without indexes, spans/s", copy.without_indexes_per_s, None)?;
        let share = self.durable_per_s / copy.with_indexes_per_s;
        row("durable / COPY into the same tables", share, Some(Target::AtLeast(SHARE_OF_COPY)))?;
        row("durable / COPY without indexes", self.durable_per_s / copy.without_indexes_per_s, None)
    }
}

/// A curve as lines of stored spans, rate, and the share of the empty store's rate.
pub struct CurveTable<'a>(pub &'a [FillPoint]);

impl Display for CurveTable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:>12} {:>16} {:>10}", "stored spans", "durable spans/s", "of empty")?;
        let Some(first) = self.0.first() else { return Ok(()) };
        for point in self.0 {
            let (share, stored) = (point.durable_per_s / first.durable_per_s, as_f64(point.stored));
            let verdict = Target::AtLeast(SHARE_OF_EMPTY).verdict(share);
            let (stored, rate) = (number(stored), number(point.durable_per_s));
            writeln!(formatter, "{stored:>12} {rate:>16} {share:>10.2}   {verdict}")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "span counts of a run stay far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
