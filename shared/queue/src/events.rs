//! Small news between services: best effort, so nothing that must not be lost travels like this.

use async_trait::async_trait;
use bennu_domain::ids::{ProjectId, TenantId};
use tokio::sync::broadcast;

/// Something happened in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub tenant: TenantId,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// So many new spans can be read.
    SpansStored(u64),
    /// Created, renamed or deleted.
    ProjectChanged(ProjectId),
    /// An API key or a session, by its public name; those who cached it ask again.
    CredentialRevoked(String),
}

/// Tells events to everybody who listens at the moment.
#[async_trait]
pub trait Events: Send + Sync {
    /// Never fails: an event that cannot be told is forgotten.
    async fn publish(&self, event: Event);

    /// Listens from now on.
    async fn subscribe(&self) -> Subscription;
}

/// Events as they come.
#[derive(Debug)]
pub struct Subscription {
    events: broadcast::Receiver<Event>,
}

/// Events that a slow listener may be behind; then the oldest are forgotten.
const BEHIND: usize = 1_024;

impl Subscription {
    pub(crate) fn channel() -> broadcast::Sender<Event> {
        broadcast::Sender::new(BEHIND)
    }

    pub(crate) fn to(events: &broadcast::Sender<Event>) -> Self {
        Self { events: events.subscribe() }
    }

    /// The next event; `None` when there will be none.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.events.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// Events within one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EmbeddedEvents {
    events: broadcast::Sender<Event>,
}

impl EmbeddedEvents {
    pub fn new() -> Self {
        Self { events: Subscription::channel() }
    }
}

impl Default for EmbeddedEvents {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Events for EmbeddedEvents {
    async fn publish(&self, event: Event) {
        // An error means that nobody listens.
        let _ = self.events.send(event);
    }

    async fn subscribe(&self) -> Subscription {
        Subscription::to(&self.events)
    }
}
