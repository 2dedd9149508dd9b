//! The queue of annotations in Redis: a stream with a consumer group.
//!
//! | Key | What it holds |
//! |---|---|
//! | `bennu:{annotations}:jobs` | stream; an entry is one job. Claimed ones stay pending until they are settled. |
//! | `bennu:{annotations}:later` | sorted set of jobs that wait, by the time at which they are due (µs) |
//! | `bennu:{annotations}:queued` | hash of tenant and receipt: annotations of it that are in either of the two |
//! | `bennu:{annotations}:unreadable` | stream of entries that are no jobs, the last 10,000 |
//!
//! The hash tag keeps the keys on one node of a cluster, which the scripts need.

mod scripts;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bennu_access::{SystemScope, TenantScope};
use bennu_domain::annotation_job::AnnotationJob;
use bennu_domain::ids::TenantId;
use bennu_domain::time::Clock;
use bennu_store::Committed;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::streams::{StreamAutoClaimReply, StreamId, StreamReadReply};
use redis::{Client, RedisError, from_redis_value_ref};

use self::scripts::{GROUP, JOBS, LATER, QUEUED, Scripts, UNREADABLE};
use super::{AnnotationJobs, CLAIM_BYTES, ClaimedJob, JobEnd, JobId, JobLimits, JobsError};

/// Redis answers in microseconds; a silence of this length is a fault.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a claim waits for a new job, and so how often a worker looks for those that become due.
const WAIT: Duration = Duration::from_millis(250);
/// Entries of one read: bounds what a claim brings beyond its bytes.
const ENTRIES_AT_ONCE: usize = 10;
/// How long an enqueue waits for the replicas that must have it.
const REPLICA_TIMEOUT: Duration = Duration::from_secs(2);

/// When a queued job counts as durable. Either way Redis must have its append-only file on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RedisDurability {
    /// Insist on `appendfsync always`: a job survives the death of the machine. With Redis's default, `everysec`, it survives
    /// that of the process, and the machine's costs up to a second of jobs.
    pub every_write_synced: bool,
    /// Replicas that must have a job before it counts as queued (`WAIT`): that many machines may die.
    pub replicas: u32,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct RedisAnnotationJobs {
    /// Claims wait in Redis, which holds up whatever else is on their connection.
    claiming: ConnectionManager,
    connection: ConnectionManager,
    consumer: Arc<str>,
    durability: RedisDurability,
    limits: JobLimits,
    clock: Arc<dyn Clock>,
    scripts: Arc<Scripts>,
}

impl RedisAnnotationJobs {
    /// Connects, and makes sure that Redis keeps what it is given. That of a `rediss:` URL must show a certificate of an authority
    /// that the system knows, or the file that `SSL_CERT_FILE` names. `consumer` names this process among the workers.
    pub async fn connect(
        url: &str,
        consumer: &str,
        durability: RedisDurability,
        limits: JobLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, JobsError> {
        choose_cryptography();
        let client = Client::open(url).map_err(unavailable)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let connect = || ConnectionManager::new_with_config(client.clone(), config.clone());
        let mut connection = connect().await.map_err(unavailable)?;
        check_persistence(&mut connection, durability).await?;
        let claiming = connect().await.map_err(unavailable)?;
        let (consumer, scripts) = (consumer.into(), Arc::new(Scripts::new()));
        let jobs = Self { claiming, connection, consumer, durability, limits, clock, scripts };
        jobs.create_group().await?;
        Ok(jobs)
    }

    async fn create_group(&self) -> Result<(), JobsError> {
        let mut command = redis::cmd("XGROUP");
        command.arg("CREATE").arg(JOBS).arg(GROUP).arg("0").arg("MKSTREAM");
        match command.query_async::<()>(&mut self.connection.clone()).await {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(unavailable(error)),
            _ => Ok(()),
        }
    }

    /// Those of dead workers first, then new ones. Redis counts entries, not bytes: so they are asked for a few at a time.
    async fn claim_entries(&self, most: usize) -> Result<Vec<StreamId>, RedisError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while entries.len() < most && bytes < CLAIM_BYTES {
            let some = ENTRIES_AT_ONCE.min(most - entries.len());
            let found = self.claim_some(some, entries.is_empty()).await?;
            let count = found.len();
            bytes += found.iter().map(payload_bytes).sum::<usize>();
            entries.extend(found);
            if count < some {
                break;
            }
        }
        Ok(entries)
    }

    async fn claim_some(&self, most: usize, waits: bool) -> Result<Vec<StreamId>, RedisError> {
        let mut connection = self.claiming.clone();
        let now = self.clock.now().0;
        self.scripts
            .promote
            .key(LATER)
            .key(JOBS)
            .arg(now)
            .arg(most)
            .invoke_async::<()>(&mut connection)
            .await?;
        let lease = i64::try_from(self.limits.lease.as_millis()).unwrap_or(i64::MAX);
        let mut claim = redis::cmd("XAUTOCLAIM");
        claim.arg(JOBS).arg(GROUP).arg(&*self.consumer).arg(lease).arg("0-0").arg("COUNT").arg(most);
        let claimed: StreamAutoClaimReply = claim.query_async(&mut connection).await?;
        let mut entries = claimed.claimed;
        if entries.len() < most {
            let mut read = redis::cmd("XREADGROUP");
            read.arg("GROUP").arg(GROUP).arg(&*self.consumer).arg("COUNT").arg(most - entries.len());
            if waits && entries.is_empty() {
                read.arg("BLOCK").arg(i64::try_from(WAIT.as_millis()).unwrap_or(i64::MAX));
            }
            read.arg("STREAMS").arg(JOBS).arg(">");
            let fresh: Option<StreamReadReply> = read.query_async(&mut connection).await?;
            entries.extend(fresh.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids));
        }
        Ok(entries)
    }

    /// An entry that is no job is put aside: nobody can do anything with it, and it would come up again and again.
    async fn put_aside(&self, entry: &str) -> Result<(), JobsError> {
        tracing::error!(entry, "an entry of the annotation queue cannot be read");
        let mut aside = self.scripts.put_aside.prepare_invoke();
        aside.key(JOBS).key(UNREADABLE).arg(GROUP).arg(entry);
        aside.invoke_async(&mut self.connection.clone()).await.map_err(unavailable)
    }

    async fn wait_for_replicas(&self) -> Result<(), JobsError> {
        if self.durability.replicas == 0 {
            return Ok(());
        }
        let timeout = i64::try_from(REPLICA_TIMEOUT.as_millis()).unwrap_or(i64::MAX);
        let mut wait = redis::cmd("WAIT");
        wait.arg(self.durability.replicas).arg(timeout);
        let reached: u32 = wait.query_async(&mut self.connection.clone()).await.map_err(unavailable)?;
        if reached < self.durability.replicas {
            let wanted = self.durability.replicas;
            return Err(JobsError::Unavailable(format!("{reached} of {wanted} replicas have the job")));
        }
        Ok(())
    }
}

#[async_trait]
impl AnnotationJobs for RedisAnnotationJobs {
    async fn enqueue(&self, scope: &TenantScope, jobs: Vec<AnnotationJob>) -> Result<(), JobsError> {
        let tenant = scope.tenant();
        let mut enqueue = self.scripts.enqueue.prepare_invoke();
        enqueue.key(JOBS).key(QUEUED).key(LATER).arg(self.limits.capacity).arg(tenant.0);
        for job in &jobs {
            enqueue.arg(field(tenant, &job.receipt)).arg(job.items.len()).arg(payload(job)?);
        }
        if jobs.is_empty() {
            return Ok(());
        }
        let queued: bool =
            enqueue.invoke_async(&mut self.connection.clone()).await.map_err(|error| match error.code() {
                Some("OOM") => JobsError::Full, // Redis has no memory left
                _ => unavailable(error),
            })?;
        if !queued {
            return Err(JobsError::Full);
        }
        self.wait_for_replicas().await
    }

    async fn claim(&self, most: usize) -> Result<Vec<ClaimedJob>, JobsError> {
        let entries = match self.claim_entries(most).await {
            Err(error) if error.code() == Some("NOGROUP") => {
                self.create_group().await?; // Redis was emptied
                return Ok(Vec::new());
            }
            entries => entries.map_err(unavailable)?,
        };
        let mut claimed = Vec::with_capacity(entries.len());
        for entry in entries {
            match read_entry(&entry) {
                Some((scope, job)) => claimed.push(ClaimedJob { id: JobId::Entry(entry.id), scope, job }),
                None => self.put_aside(&entry.id).await?,
            }
        }
        Ok(claimed)
    }

    async fn settle(&self, ended: Vec<(ClaimedJob, JobEnd)>, done: Committed) -> Result<(), JobsError> {
        done.durable().await.map_err(|error| JobsError::Unavailable(error.to_string()))?;
        let mut settle = self.scripts.settle.prepare_invoke();
        settle.key(JOBS).key(QUEUED).key(LATER).arg(GROUP);
        for (claimed, end) in &ended {
            let JobId::Entry(entry) = &claimed.id else { continue };
            let tenant = claimed.scope.tenant();
            let (left, due, member) = match end {
                JobEnd::Done => (0, 0, String::new()),
                // The members of a sorted set differ: by receipt, and within one by the places of the annotations.
                JobEnd::Again(job, due) => {
                    (job.items.len(), due.0, format!("{} {}", tenant.0, payload(job)?))
                }
            };
            let settled = claimed.job.items.len().saturating_sub(left);
            settle.arg(entry).arg(field(tenant, &claimed.job.receipt)).arg(settled).arg(due).arg(member);
        }
        settle.invoke_async(&mut self.connection.clone()).await.map_err(unavailable)
    }

    async fn release(&self) -> Result<(), JobsError> {
        Ok(()) // nothing is kept
    }

    async fn queued_items(&self, scope: &TenantScope, receipt: &str) -> Result<usize, JobsError> {
        let mut get = redis::cmd("HGET");
        get.arg(QUEUED).arg(field(scope.tenant(), receipt));
        let items: Option<usize> =
            get.query_async(&mut self.connection.clone()).await.map_err(unavailable)?;
        Ok(items.unwrap_or_default())
    }

    async fn depth(&self) -> Result<usize, JobsError> {
        let mut pipe = redis::pipe();
        pipe.cmd("XLEN").arg(JOBS).cmd("ZCARD").arg(LATER);
        let (jobs, later): (usize, usize) =
            pipe.query_async(&mut self.connection.clone()).await.map_err(unavailable)?;
        Ok(jobs + later)
    }
}

fn field(tenant: TenantId, receipt: &str) -> String {
    format!("{} {receipt}", tenant.0)
}

fn payload(job: &AnnotationJob) -> Result<String, JobsError> {
    serde_json::to_string(job).map_err(|error| JobsError::Unavailable(error.to_string()))
}

fn payload_bytes(entry: &StreamId) -> usize {
    match entry.map.get("job") {
        Some(redis::Value::BulkString(bytes)) => bytes.len(),
        _ => 0,
    }
}

fn read_entry(entry: &StreamId) -> Option<(TenantScope, AnnotationJob)> {
    let text = |field: &str| from_redis_value_ref::<String>(entry.map.get(field)?).ok();
    let tenant = TenantId(text("tenant")?.parse().ok()?);
    let job = serde_json::from_str(&text("job")?).ok()?;
    Some((SystemScope::for_tenant(tenant, "annotations of its queue"), job))
}

/// A Redis without an append-only file forgets everything when it ends, and one that evicts forgets at any time.
async fn check_persistence(
    connection: &mut ConnectionManager,
    durability: RedisDurability,
) -> Result<(), JobsError> {
    let setting = async |connection: &mut ConnectionManager, name: &str| {
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg(name);
        let found: Result<Vec<String>, RedisError> = get.query_async(connection).await;
        found.ok().and_then(|pair| pair.into_iter().nth(1))
    };
    let wrong = |name: &str, value: &str, wanted: &str| {
        Err(JobsError::Unavailable(format!("Redis has {name} {value}, annotations need {wanted}")))
    };
    match setting(connection, "appendonly").await.as_deref() {
        Some("yes") => {}
        Some(off) => return wrong("appendonly", off, "yes"),
        None => tracing::warn!("Redis does not tell its settings; annotations need appendonly yes"),
    }
    if let Some(policy) = setting(connection, "maxmemory-policy").await
        && policy != "noeviction"
        && setting(connection, "maxmemory").await.is_none_or(|limit| limit != "0")
    {
        return wrong("maxmemory-policy", &policy, "noeviction");
    }
    match setting(connection, "appendfsync").await.as_deref() {
        Some(sync) if durability.every_write_synced && sync != "always" => {
            wrong("appendfsync", sync, "always")
        }
        _ => Ok(()),
    }
}

/// The client takes what the process has chosen. Of several in one program none is chosen by itself; another part of the
/// process may have done it before.
fn choose_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[allow(clippy::needless_pass_by_value)] // fits `map_err`
fn unavailable(error: RedisError) -> JobsError {
    JobsError::Unavailable(error.to_string())
}
