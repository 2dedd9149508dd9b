//! The search for objects that nothing refers to: a process died between putting an object and the commit that names it, or
//! between a commit and deleting what it made useless.
//!
//! Blocks: no key is used twice, so an object that was put long ago and that no row names is of no use to anybody.
//! Bodies of requests: their messages are on the broker, where they cannot be looked up. Those that wait can be counted, and
//! writers renew what they hold (see the broker's `packing`). So when nothing waited at two sweeps, a body that was old at the
//! first of them belongs to no message any more.

use std::time::Duration;

use bennu_archive::{Archive, ArchiveError, ListedObject};
use bennu_domain::time::Timestamp;
use bennu_kit::config::CompactionSettings;
use bennu_kit::telemetry::CompactorMetrics;
use bennu_queue::{RabbitMq, is_body};
use bennu_store::{Store, StoreError};
use futures::StreamExt as _;
use futures::stream::BoxStream;

use super::work::before;

/// Objects looked at in a row, as many as S3 lists at once.
const PAGE: usize = 1_000;

/// Where all objects of tenants are.
const TENANTS: &str = "tenants";

/// Tells whose objects these are: the name of the database that swept them first.
const OWNER: &str = "deployment";

/// A sweep now and then, some objects at a time.
pub(super) struct Sweep {
    store: Store,
    archive: Archive,
    broker: Option<RabbitMq>,
    metrics: CompactorMetrics,
    every: Duration,
    grace: Duration,
    /// What is left of the sweep under way.
    left: Option<BoxStream<'static, Result<ListedObject, ArchiveError>>>,
    /// At once after the start: whoever was killed left something behind.
    next: Timestamp,
    /// When nothing waited on the broker, at the beginning of this sweep and of the one before.
    quiet: [Option<Timestamp>; 2],
}

/// Why a sweep stops.
#[derive(Debug, thiserror::Error)]
pub(super) enum SweepError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "its objects are of another database (see the object deployment): BENNU_OBJECT_STORE_URL and BENNU_DATABASE_URL do not belong together"
    )]
    Foreign,
}

impl Sweep {
    pub fn new(
        store: Store,
        archive: Archive,
        broker: Option<RabbitMq>,
        metrics: CompactorMetrics,
        settings: &CompactionSettings,
    ) -> Self {
        let (every, grace) = (settings.sweep_every, settings.sweep_grace);
        Self {
            store,
            archive,
            broker,
            metrics,
            every,
            grace,
            left: None,
            next: Timestamp(0),
            quiet: [None; 2],
        }
    }

    /// Another process leads.
    pub fn give_up(&mut self) {
        self.left = None;
        self.quiet = [None; 2];
    }

    /// Looks at the next objects, if it is time; answers whether it was.
    pub async fn some(&mut self, now: Timestamp) -> Result<bool, SweepError> {
        if self.left.is_none() && now < self.next {
            return Ok(false);
        }
        let swept = self.page(now).await;
        if swept.is_err() {
            self.metrics.sweep_failed();
            self.left = None;
            self.next = now.after(self.every);
        }
        swept.map(|()| true)
    }

    async fn page(&mut self, now: Timestamp) -> Result<(), SweepError> {
        let mut left = match self.left.take() {
            Some(left) => left,
            None => self.begin(now).await?,
        };
        let (mut old, mut seen) = (Vec::new(), 0);
        while seen < PAGE {
            let Some(object) = left.next().await else { break };
            let object = object?;
            seen += 1;
            if object.put_at < before(now, self.grace).0 {
                old.push(object);
            }
        }
        let deleted = self.delete_unused(old).await?;
        self.metrics.swept(seen, deleted);
        if seen == PAGE {
            self.left = Some(left);
        } else {
            self.next = now.after(self.every);
            self.metrics.sweep_done();
        }
        Ok(())
    }

    async fn begin(
        &mut self,
        now: Timestamp,
    ) -> Result<BoxStream<'static, Result<ListedObject, ArchiveError>>, SweepError> {
        self.make_sure_that_it_is_ours().await?;
        let is_quiet = match &self.broker {
            // Without an answer something may wait.
            Some(broker) => broker.nothing_waits().await.unwrap_or(false),
            None => false,
        };
        self.quiet = [is_quiet.then_some(now), self.quiet[0]];
        Ok(self.archive.list(TENANTS))
    }

    /// An empty database beside the objects of another one would find all of them useless.
    async fn make_sure_that_it_is_ours(&self) -> Result<(), SweepError> {
        let id = self.store.deployment_id().await?;
        match self.archive.get(OWNER).await {
            Ok(owner) if owner == id => Ok(()),
            Ok(_) => Err(SweepError::Foreign),
            Err(error) if error.is_missing() => Ok(self.archive.put(OWNER, id.into()).await?),
            Err(error) => Err(error.into()),
        }
    }

    async fn delete_unused(&self, old: Vec<ListedObject>) -> Result<usize, SweepError> {
        let abandoned = old.iter().filter(|object| self.is_abandoned_body(object));
        let mut unused: Vec<String> = abandoned.map(|object| object.key.clone()).collect();
        let keys: Vec<String> = old.into_iter().map(|object| object.key).collect();
        unused.extend(self.store.unnamed_block_objects(&keys).await?);
        for key in &unused {
            self.archive.delete(key).await?;
            tracing::info!(key, "deleted an object that nothing refers to");
        }
        Ok(unused.len())
    }

    fn is_abandoned_body(&self, object: &ListedObject) -> bool {
        let [Some(_), Some(first)] = self.quiet else { return false };
        is_body(&object.key) && object.put_at < before(first, self.grace).0
    }
}
