//! Mails, and what became of them.

use prometheus::{IntCounterVec, Opts, Registry};

/// `bennu_mail_…`
#[derive(Clone)]
pub struct MailMetrics {
    sent: IntCounterVec,
    failed: IntCounterVec,
}

impl MailMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["kind"])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            sent: counter("bennu_mail_sent_total", "Mails that the mail server took, by kind.")?,
            failed: counter("bennu_mail_failed_total", "Mails that were given up, by kind.")?,
        })
    }

    /// `kind` is a word of the code: it becomes a label.
    pub fn sent(&self, kind: &'static str) {
        self.sent.with_label_values(&[kind]).inc();
    }

    pub fn failed(&self, kind: &'static str) {
        self.failed.with_label_values(&[kind]).inc();
    }
}
