//! The span broker: from the receivers of spans to the writers of spans.

use async_trait::async_trait;
use bennu_access::TenantScope;
use bennu_domain::otlp::ValidRequest;
use bennu_domain::project::ProjectName;
use bytes::Bytes;
use tokio::sync::oneshot;

/// A validated OTLP request on its way to the store, stamped with the tenant of its verified sender.
#[derive(Debug)]
pub struct Envelope {
    pub scope: TenantScope,
    /// Overrides the project that the spans name themselves (HTTP header `x-project-name`).
    pub project: Option<ProjectName>,
    /// As received but for rejected spans. Brokers carry its bytes.
    pub request: ValidRequest,
    /// The same bytes as the sender compressed them, if it did: brokers may carry these instead.
    pub gzip: Option<Bytes>,
}

/// Why an envelope was not taken. Nothing of it is stored, or all of it may be: senders repeat it, and
/// repeated spans change nothing.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the span queue is full")]
    Full,
    #[error("the span queue is unavailable: {0}")]
    Unavailable(String),
    #[error("the spans cannot be stored: {0}")]
    Rejected(String),
}

/// The sending side. `publish` returns only when the spans survive the death of every process.
#[async_trait]
pub trait SpanBroker: Send + Sync {
    async fn publish(&self, envelope: Envelope) -> Result<(), PublishError>;

    /// Whether it carries bytes as the sender compressed them, so that they are worth keeping.
    fn passes_gzip_on(&self) -> bool {
        false
    }
}

/// The receiving side; the number of deliveries under way is bounded by the caller.
#[async_trait]
pub trait SpanDeliveries: Send {
    /// The next delivery; `None` when the broker is closed.
    async fn next(&mut self) -> Option<Delivery>;
}

/// An envelope in the hands of a writer.
#[derive(Debug)]
pub struct Delivery {
    pub envelope: Envelope,
    pub settlement: Settlement,
}

/// Where the outcome of a delivery goes. Dropped without one, the delivery goes back to the broker.
#[derive(Debug)]
pub struct Settlement(oneshot::Sender<Outcome>);

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Committed; the broker may forget it.
    Stored,
    /// Not stored, but may be later.
    Retry(String),
    /// Can never be stored, with the reason.
    Rejected(String),
}

impl Delivery {
    /// A delivery and the place where its outcome arrives.
    pub fn new(envelope: Envelope) -> (Self, oneshot::Receiver<Outcome>) {
        let (settle, outcome) = oneshot::channel();
        (Self { envelope, settlement: Settlement(settle) }, outcome)
    }
}

impl Settlement {
    pub fn settle(self, outcome: Outcome) {
        // The publisher may have given up waiting; the outcome stands all the same.
        let _ = self.0.send(outcome);
    }
}
