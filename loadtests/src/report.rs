//! The table that a run ends with, and the targets it is held against.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::measure::Latencies;
use crate::scenario::{Measurement, Settings};

/// Both sides of one run.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub cores: usize,
    pub settings: Settings,
    pub bennu: Measurement,
    pub reference: Option<Measurement>,
    pub targets: Vec<TargetResult>,
}

/// One target and whether it was reached; `ok` is `None` when it needs the reference and there was none.
#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct TargetResult {
    pub measure: String,
    pub target: String,
    pub ok: Option<bool>,
}

impl Comparison {
    pub fn new(cores: usize, settings: Settings, bennu: Measurement, reference: Option<Measurement>) -> Self {
        let targets = rows(&bennu, reference.as_ref()).iter().filter_map(Row::result).collect();
        Self { cores, settings, bennu, reference, targets }
    }
}

impl Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reference = self.reference.as_ref().map_or(0, |reference| reference.full_load.spans);
        writeln!(
            formatter,
            "{} cores; full load: {} spans to Bennu, {reference} to the reference, {} connections\n",
            self.cores, self.bennu.full_load.spans, self.settings.concurrency
        )?;
        writeln!(
            formatter,
            "{:<46} {:>12} {:>12} {:>9}   {:<14} verdict",
            "measure", "Bennu", "reference", "Bennu/ref", "target"
        )?;
        for row in rows(&self.bennu, self.reference.as_ref()) {
            row.write(formatter)?;
        }
        Ok(())
    }
}

/// What a row must satisfy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Bennu divided by the reference.
    RatioAtLeast(f64),
    RatioAtMost(f64),
}

impl Target {
    /// The target and whether a figure that stands alone reaches it.
    pub(crate) fn verdict(self, value: f64) -> String {
        let reached = if self.holds(value, None) == Some(true) { "ok" } else { "MISSED" };
        format!("{:<14} {reached}", self.to_string())
    }

    fn holds(self, bennu: f64, ratio: Option<f64>) -> Option<bool> {
        match self {
            Self::AtLeast(bound) => Some(bennu >= bound),
            Self::AtMost(bound) => Some(bennu <= bound),
            Self::RatioAtLeast(bound) => ratio.map(|ratio| ratio >= bound),
            Self::RatioAtMost(bound) => ratio.map(|ratio| ratio <= bound),
        }
    }
}

impl Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(formatter, "≥ {}", number(*bound)),
            Self::AtMost(bound) => write!(formatter, "≤ {}", number(*bound)),
            Self::RatioAtLeast(bound) => write!(formatter, "≥ {} × ref", number(*bound)),
            Self::RatioAtMost(bound) => write!(formatter, "≤ {} × ref", number(*bound)),
        }
    }
}

struct Row {
    measure: String,
    bennu: Option<f64>,
    reference: Option<f64>,
    targets: Vec<Target>,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        Some(self.bennu? / self.reference.filter(|reference| *reference > 0.0)?)
    }

    /// All targets of the row as one result.
    fn result(&self) -> Option<TargetResult> {
        let bennu = self.bennu?;
        let verdicts: Vec<Option<bool>> =
            self.targets.iter().map(|target| target.holds(bennu, self.ratio())).collect();
        let ok = if verdicts.contains(&Some(false)) {
            Some(false)
        } else if verdicts.contains(&None) {
            None
        } else {
            Some(true)
        };
        let target = self.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        (!self.targets.is_empty()).then(|| TargetResult { measure: self.measure.clone(), target, ok })
    }

    fn write(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), number);
        let line = format!(
            "{:<46} {:>12} {:>12} {:>9}",
            self.measure,
            shown(self.bennu),
            shown(self.reference),
            shown(self.ratio())
        );
        match self.result() {
            None => writeln!(formatter, "{line}"),
            Some(TargetResult { target, ok, .. }) => {
                let verdict = match ok {
                    Some(true) => "ok",
                    Some(false) => "MISSED",
                    None => "needs the reference",
                };
                writeln!(formatter, "{line}   {target:<14} {verdict}")
            }
        }
    }
}

fn rows(bennu: &Measurement, reference: Option<&Measurement>) -> Vec<Row> {
    let row = |measure: &str, value: fn(&Measurement) -> Option<f64>, targets: &[Target]| Row {
        measure: measure.to_owned(),
        bennu: value(bennu),
        reference: reference.and_then(value),
        targets: targets.to_vec(),
    };
    let deep = reference.map_or(bennu.pages.deep_number, |reference| reference.pages.deep_number);
    let deep = format!("100-span page {} (ref: {deep}), p50 ms", bennu.pages.deep_number);
    let large_trace = format!("trace of {} spans, p50 ms", thousands(bennu.queries.large_trace_spans));
    let held = |m: &Measurement| thousands(m.queries.spans);
    let in_reference = reference.map_or_else(String::new, |reference| format!(" (ref: {})", held(reference)));
    let within = |condition: &str| format!("`{condition}` of {}{in_reference}, p50 ms", held(bennu));
    let summed_up = bennu.annotations.summaries.map_or(0, |(annotations, _)| annotations);
    let summaries = format!("summaries of {} annotations, p50 ms", thousands(summed_up));
    vec![
        row("acknowledged spans/s", |m| Some(m.full_load.acknowledged_per_s), &[]),
        row("durable spans/s", |m| Some(m.full_load.durable_per_s), &[Target::AtLeast(20_000.0)]),
        row(
            "durable spans/s, against the reference",
            |m| Some(m.full_load.durable_per_s),
            &[Target::RatioAtLeast(150.0)],
        ),
        row("answers \"busy\" at full load", |m| Some(count(m.full_load.busy_answers)), &[]),
        row("acknowledgement p50 ms, full load", |m| Some(m.full_load.acknowledgement.p50_ms), &[]),
        row("acknowledgement p99 ms, full load", |m| Some(m.full_load.acknowledgement.p99_ms), &[]),
        row(
            "acknowledgement p50 ms, half rate",
            |m| m.half_rate.map(|load| load.acknowledgement.p50_ms),
            &[],
        ),
        row(
            "acknowledgement p99 ms, half rate",
            |m| m.half_rate.map(|load| load.acknowledgement.p99_ms),
            &[Target::AtMost(100.0)],
        ),
        row("CPU ms a span", |m| Some(m.full_load.cpu_ms_per_span), &[]),
        row("memory idle, MB", |m| Some(megabytes(m.idle_memory)), &[Target::AtMost(60.0)]),
        row(
            "memory peak at full load, MB",
            |m| Some(megabytes(m.full_load.peak_memory)),
            &[Target::AtMost(300.0)],
        ),
        row("memory peak of the run, MB", |m| Some(megabytes(m.peak_memory)), &[]),
        row("disk KB a span, running", |m| Some(m.stop.disk_per_span_running / 1e3), &[]),
        row("disk KB a span, stopped", |m| Some(m.stop.disk_per_span_stopped / 1e3), &[Target::AtMost(1.5)]),
        row("start to ready s, empty", |m| Some(m.start_to_ready_s), &[Target::AtMost(1.0)]),
        row("start to ready s, with the data", |m| Some(m.stop.restart_to_ready_s), &[]),
        row("100-span page 1, p50 ms", |m| Some(m.pages.first.p50_ms), &[Target::RatioAtMost(0.1)]),
        row("100-span page 1, p99 ms", |m| Some(m.pages.first.p99_ms), &[]),
        row(&deep, |m| Some(m.pages.deep.p50_ms), &[Target::RatioAtMost(0.1)]),
        row("  the same, p99 ms", |m| Some(m.pages.deep.p99_ms), &[]),
        row("1,000-span otlpv1 page, p50 ms", |m| Some(m.pages.otlp.p50_ms), &[]),
        row("1,000-span otlpv1 page, p99 ms", |m| Some(m.pages.otlp.p99_ms), &[]),
        row(
            "data frame of 1,000 spans, p50 ms",
            |m| Some(m.queries.frame.p50_ms),
            &[Target::RatioAtMost(0.1)],
        ),
        row(&large_trace, |m| Some(m.queries.large_trace.p50_ms), &[Target::RatioAtMost(0.1)]),
        row(&within("user.id == …"), |m| Some(m.queries.equality.p50_ms), &[]),
        row(
            "  spans looked through a second",
            |m| Some(m.queries.looked_through_per_s(&m.queries.equality)),
            &[Target::RatioAtLeast(10.0)],
        ),
        row(&within("… in output.value"), |m| Some(m.queries.search.p50_ms), &[]),
        row(
            "  spans looked through a second",
            |m| Some(m.queries.looked_through_per_s(&m.queries.search)),
            &[Target::RatioAtLeast(10.0)],
        ),
        row(
            "everything as Parquet, spans/s (ref: frame)",
            |m| Some(m.export.spans_per_s),
            &[Target::RatioAtLeast(10.0)],
        ),
        row(
            "  memory peak of a server that only does it",
            |m| Some(megabytes(m.export.peak_memory)),
            &[Target::AtMost(200.0)],
        ),
        row(
            "100 annotations, sync, p50 ms",
            |m| Some(m.annotations.sync.p50_ms),
            &[Target::RatioAtMost(0.1)],
        ),
        row("100 annotations, sync, p99 ms", |m| Some(m.annotations.sync.p99_ms), &[]),
        row("100 annotations queued, p50 ms", |m| Some(m.annotations.queued.p50_ms), &[]),
        row(
            "queued annotations applied/s",
            |m| Some(m.annotations.applied_per_s),
            &[Target::AtLeast(10_000.0), Target::RatioAtLeast(50.0)],
        ),
        row(
            &summaries,
            |m| m.annotations.summaries.map(|(_, latencies)| latencies.p50_ms),
            &[Target::AtMost(50.0)],
        ),
        row("reading everything back, spans/s", |m| Some(m.full_load.read_back_per_s), &[]),
    ]
}

/// One line about a load that was only sent.
pub fn load_line(spans_per_second: f64, latencies: Option<Latencies>) -> String {
    let latencies = latencies.map_or_else(
        || "nothing acknowledged".to_owned(),
        |l| format!("p50 {} ms, p99 {} ms, max {} ms", number(l.p50_ms), number(l.p99_ms), number(l.max_ms)),
    );
    format!("{} spans/s acknowledged; {latencies}", number(spans_per_second))
}

#[expect(clippy::cast_precision_loss, reason = "memory sizes stay far below 2^52 bytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "request counts stay far below 2^52")]
fn count(value: u64) -> f64 {
    value as f64
}

/// Three significant digits below 100, whole numbers with thousands separators above.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 99.95 {
        return with_separators(&format!("{value:.0}"));
    }
    let decimals = match magnitude {
        m if m >= 9.995 || m == 0.0 => 1,
        m if m >= 0.9995 => 2,
        m if m >= 0.09995 => 3,
        _ => 4,
    };
    let fixed = format!("{value:.decimals$}");
    fixed.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn thousands(count: usize) -> String {
    with_separators(&count.to_string())
}

fn with_separators(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.char_indices() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_significant_digits() {
        let shown = [24_123.4, 150.0, 99.96, 20.0, 12.34, 1.234, 0.1, 0.01234, 0.0, 1_234_567.0].map(number);
        assert_eq!(shown, ["24,123", "150", "100", "20", "12.3", "1.23", "0.1", "0.0123", "0", "1,234,567"]);
    }

    fn example(targets: &[Target], reference: Option<f64>) -> Option<TargetResult> {
        let row = Row { measure: "m".to_owned(), bennu: Some(30.0), reference, targets: targets.to_vec() };
        row.result()
    }

    #[test]
    fn a_row_is_ok_only_when_every_target_holds() {
        use Target::{AtLeast, AtMost, RatioAtLeast, RatioAtMost};
        let verdict = |targets: &[Target], reference| example(targets, reference).map(|result| result.ok);
        assert_eq!(verdict(&[], None), None);
        assert_eq!(verdict(&[AtLeast(30.0)], None), Some(Some(true)));
        assert_eq!(verdict(&[AtMost(29.9)], None), Some(Some(false)));
        assert_eq!(verdict(&[AtLeast(1.0), RatioAtLeast(3.0)], Some(10.0)), Some(Some(true)));
        assert_eq!(verdict(&[AtLeast(1.0), RatioAtMost(0.1)], Some(10.0)), Some(Some(false)));
        assert_eq!(verdict(&[RatioAtLeast(3.0)], None), Some(None));
    }

    #[test]
    fn targets_read_as_written_in_the_plan() {
        assert_eq!(Target::AtLeast(20_000.0).to_string(), "≥ 20,000");
        assert_eq!(Target::RatioAtMost(0.1).to_string(), "≤ 0.1 × ref");
    }
}
