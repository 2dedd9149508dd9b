//! Opens what the configuration names; an error says which variable named it.

use std::sync::Arc;

use anyhow::Context as _;
use bennu_access::SystemScope;
use bennu_archive::{Archive, ArchiveError, BucketCredentials, BucketOptions};
use bennu_domain::ids::TenantId;
use bennu_domain::project::ProjectName;
use bennu_domain::time::{Clock, SystemClock};
use bennu_kit::config::{BrokerUrl, Config, DatabaseUrl, ObjectStoreUrl, S3Settings};
use bennu_queue::{
    AnnotationJobs, EmbeddedAnnotationJobs, EmbeddedEvents, Events, JobLimits, RabbitMq, RabbitMqOptions,
    RedisAnnotationJobs, RedisDurability,
};
use bennu_quota::{LogInCounts, MemoryBuckets, MemoryLogInCounts, Quota, RedisBuckets, RedisLogInCounts};
use bennu_store::{BlockPolicy, ConnectOptions, DatabaseLocation, Store};

/// The object store, tried out.
pub async fn open_archive(config: &Config) -> anyhow::Result<Archive> {
    let opening = async {
        let archive = match &config.object_store {
            ObjectStoreUrl::Directory(objects) => Archive::in_directory(objects)?,
            ObjectStoreUrl::Bucket { bucket, prefix } => {
                Archive::in_bucket(&bucket_options(&config.s3, bucket, prefix))?
            }
        };
        archive.try_out().await?;
        Ok::<_, ArchiveError>(archive)
    };
    opening.await.context("BENNU_OBJECT_STORE_URL")
}

fn bucket_options(settings: &S3Settings, bucket: &str, prefix: &str) -> BucketOptions {
    BucketOptions {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        endpoint: settings.endpoint.clone(),
        region: settings.region.clone(),
        credentials: settings.keys.as_ref().map(|keys| BucketCredentials {
            access_key: keys.access_key.clone(),
            secret_key: keys.secret_key.clone(),
            session_token: keys.session_token.clone(),
        }),
        allow_http: settings.allow_http,
        path_style: settings.path_style,
        timeout: settings.timeout,
        retries: settings.retries,
        retry_for: settings.retry_for,
    }
}

/// The database with large blocks in the archive, brought up to date.
pub async fn open_store(config: &Config, archive: Archive) -> anyhow::Result<Store> {
    let location = match &config.database {
        DatabaseUrl::SqliteMemory => DatabaseLocation::SqliteMemory,
        DatabaseUrl::SqliteFile(path) => DatabaseLocation::SqliteFile(path.clone()),
        DatabaseUrl::Postgres(url) => DatabaseLocation::Postgres(url.clone()),
    };
    let options = ConnectOptions {
        location,
        connections: config.database_connections,
        acquire: config.database_acquire,
        statement: config.database_statement,
    };
    let blocks = BlockPolicy { large_bytes: config.large_block_bytes };
    let mut store = Store::open(&options, archive, blocks, Arc::new(SystemClock))
        .await
        .with_context(|| format!("BENNU_DATABASE_URL: cannot open {}", config.database))?;
    if let Some(replica @ DatabaseUrl::Postgres(url)) = &config.database_replica {
        let opened = store.read_from_replica(url, &options).await;
        opened.with_context(|| format!("BENNU_DATABASE_READ_URL: cannot open {replica}"))?;
    }
    create_default_project(&store).await?;
    Ok(store)
}

/// Clients expect the default project to be there before its first span.
async fn create_default_project(store: &Store) -> anyhow::Result<()> {
    let scope = SystemScope::for_tenant(TenantId::DEFAULT, "the default project of an open deployment");
    let store = store.scoped(&scope);
    store.create_project(&ProjectName::default(), Some("Default project".to_owned())).await?;
    Ok(())
}

/// The broker; `name` tells the connections of programs apart in its own tools.
pub async fn connect_broker(
    config: &Config,
    url: &BrokerUrl,
    name: &str,
    archive: Archive,
) -> anyhow::Result<RabbitMq> {
    let options = RabbitMqOptions {
        large_bytes: config.broker_large_bytes,
        prefetch: config.broker_prefetch,
        room_bytes: config.ingest_buffer_bytes,
        ..RabbitMqOptions::new(url.as_str().to_owned())
    };
    let connected = RabbitMq::connect(&options, name, archive).await;
    connected.with_context(|| format!("BENNU_BROKER_URL: cannot use {url}"))
}

/// News of other processes, and the broker that brings them if there is one.
pub struct EventsConnection {
    pub events: Arc<dyn Events>,
    broker: Option<RabbitMq>,
}

/// Events by the broker that the configuration names; within the process when it names none. Who only listens to news goes
/// on without them while the broker is away.
pub async fn connect_events(
    config: &Config,
    name: &str,
    archive: Archive,
) -> anyhow::Result<EventsConnection> {
    let Some(url) = &config.broker else {
        return Ok(EventsConnection { events: Arc::new(EmbeddedEvents::new()), broker: None });
    };
    let broker = connect_broker(config, url, name, archive).await?;
    Ok(EventsConnection { events: Arc::new(broker.events()), broker: Some(broker) })
}

impl EventsConnection {
    pub async fn end(self) {
        drop(self.events);
        if let Some(broker) = self.broker {
            broker.close().await;
        }
    }
}

/// The queue of annotations: Redis if there is a URL, else a table of the store.
pub async fn open_annotation_jobs(config: &Config, store: &Store) -> anyhow::Result<Arc<dyn AnnotationJobs>> {
    let settings = &config.annotations;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let limits = JobLimits { capacity: settings.queue_jobs, lease: settings.lease };
    let Some(url) = &settings.redis_url else {
        return Ok(Arc::new(EmbeddedAnnotationJobs::new(store.clone(), clock, limits)));
    };
    let durability = RedisDurability {
        every_write_synced: settings.redis_syncs_every_write,
        replicas: settings.redis_replicas,
    };
    // Names the process among those of other machines, where process ids are equal.
    let consumer = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
    let jobs = RedisAnnotationJobs::connect(url, &consumer, durability, limits, clock).await;
    Ok(Arc::new(jobs.context("BENNU_ANNOTATION_QUEUE_URL")?))
}

/// How much callers may send: counted in Redis if there is a URL, else by this process alone.
pub async fn open_quota(config: &Config) -> anyhow::Result<Quota> {
    let Some(url) = &config.quota_url else {
        return Ok(Quota::new(Arc::new(MemoryBuckets::new(Arc::new(SystemClock)))));
    };
    Ok(Quota::new(Arc::new(RedisBuckets::connect(url.as_str()).await.context("BENNU_QUOTA_URL")?)))
}

/// Attempts to log in, counted where quotas are.
pub async fn open_log_in_counts(config: &Config) -> anyhow::Result<Arc<dyn LogInCounts>> {
    let Some(url) = &config.quota_url else {
        return Ok(Arc::new(MemoryLogInCounts::new(Arc::new(SystemClock))));
    };
    Ok(Arc::new(RedisLogInCounts::connect(url.as_str()).await.context("BENNU_QUOTA_URL")?))
}
