//! The compactor and the sweep: what they did, and what waits for them.

use prometheus::{IntCounter, IntGauge, Registry};

/// `bennu_compactor_…` and `bennu_sweep_…`; of a process that does not lead they stand still.
#[derive(Clone)]
pub struct CompactorMetrics {
    leads: IntGauge,
    traces: IntCounter,
    merged: IntCounter,
    archived: IntCounter,
    archived_bytes: IntCounter,
    failures: IntCounter,
    swept: IntCounter,
    seen: IntCounter,
    sweeps: IntCounter,
    failed_sweeps: IntCounter,
}

impl CompactorMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let leads = IntGauge::new(
            "bennu_compactor_leads",
            "1 while this process compacts, 0 while another one does.",
        )?;
        registry.register(Box::new(leads.clone()))?;
        Ok(Self {
            leads,
            traces: counter("bennu_compactor_traces_total", "Traces looked at.")?,
            merged: counter("bennu_compactor_blocks_merged_total", "Blocks that joined another one.")?,
            archived: counter("bennu_compactor_blocks_archived_total", "Blocks put into the object store.")?,
            archived_bytes: counter("bennu_compactor_archived_bytes_total", "Their bytes, compressed.")?,
            failures: counter(
                "bennu_compactor_failures_total",
                "Traces that could not be compacted for now.",
            )?,
            swept: counter("bennu_sweep_deleted_total", "Objects deleted because nothing referred to them.")?,
            seen: counter("bennu_sweep_seen_total", "Objects looked at.")?,
            sweeps: counter("bennu_sweep_rounds_total", "Searches of the whole object store.")?,
            failed_sweeps: counter("bennu_sweep_failures_total", "Searches that had to be given up.")?,
        })
    }

    pub fn leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
    }

    pub fn compacted(&self, merged: usize, archived: usize, archived_bytes: usize) {
        self.traces.inc();
        self.merged.inc_by(merged as u64);
        self.archived.inc_by(archived as u64);
        self.archived_bytes.inc_by(archived_bytes as u64);
    }

    pub fn failed(&self) {
        self.failures.inc();
    }

    /// A part of a sweep.
    pub fn swept(&self, seen: usize, deleted: usize) {
        self.seen.inc_by(seen as u64);
        self.swept.inc_by(deleted as u64);
    }

    pub fn sweep_failed(&self) {
        self.failed_sweeps.inc();
    }

    pub fn sweep_done(&self) {
        self.sweeps.inc();
    }
}
