//! Both brokers behind one face, envelopes, and patience.

use std::sync::Arc;
use std::time::Duration;

use bennu_access::{SystemScope, TenantScope};
use bennu_archive::Archive;
use bennu_domain::ids::TenantId;
use bennu_domain::otlp::validate_request;
use bennu_domain::project::ProjectName;
use bennu_domain::span::Span;
use bennu_queue::{
    Delivery, Envelope, RabbitMq, RabbitMqOptions, SpanBroker, SpanDeliveries, embedded_span_broker,
};
use bennu_testkit::otlp::{request, span};
use bennu_testkit::servers::rabbitmq;
use tempfile::TempDir;

/// What happens at all happens within seconds, but for a broker that starts again.
const PATIENCE: Duration = Duration::from_secs(40);

/// A sender's and a writer's end of a new, empty broker.
pub struct Ends {
    pub broker: Arc<dyn SpanBroker>,
    pub deliveries: Box<dyn SpanDeliveries>,
}

/// Runs a test on the embedded broker and on RabbitMQ.
pub async fn on_both_brokers(test: impl AsyncFn(Ends)) {
    let (broker, deliveries) = embedded_span_broker(256);
    test(Ends { broker: Arc::new(broker), deliveries: Box::new(deliveries) }).await;
    let rabbit = Rabbit::connect().await;
    test(rabbit.ends().await).await;
}

/// RabbitMQ with exchanges and queues of the test's own.
pub struct Rabbit {
    pub broker: RabbitMq,
    pub archive: Archive,
    pub objects: TempDir,
}

impl Rabbit {
    pub async fn connect() -> Self {
        Self::with(options()).await
    }

    pub async fn with(options: RabbitMqOptions) -> Self {
        let objects = tempfile::tempdir().unwrap();
        let archive = Archive::in_directory(objects.path()).unwrap();
        let broker = RabbitMq::connect(&options, "test", archive.clone()).await.unwrap();
        Self { broker, archive, objects }
    }

    pub async fn ends(&self) -> Ends {
        let deliveries = self.broker.span_deliveries(std::future::pending()).await.unwrap();
        Ends { broker: Arc::new(self.broker.span_broker()), deliveries: Box::new(deliveries) }
    }
}

/// The broker of the test run, under names that no other test has.
pub fn options() -> RabbitMqOptions {
    let url = std::env::var(rabbitmq::URL_VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{} is not set: this test needs RabbitMQ. Run `make test`, or \
             `cargo run -p bennu-testkit --bin with-servers -- cargo test …`.",
            rabbitmq::URL_VARIABLE
        )
    });
    RabbitMqOptions { prefix: format!("test-{:016x}", fastrand::u64(..)), ..RabbitMqOptions::new(url) }
}

/// A broker of one's own, to be treated badly.
pub fn options_on(server: &bennu_testkit::servers::Server) -> RabbitMqOptions {
    RabbitMqOptions::new(server.variables[0].1.clone())
}

pub fn tenant(number: i64) -> TenantScope {
    SystemScope::for_tenant(TenantId(number), "a test")
}

/// An envelope of the tenant 7 with one span of this number.
pub fn envelope(number: u64) -> Envelope {
    let bytes = request().span(span(number.into(), number)).bytes();
    Envelope {
        scope: tenant(7),
        project: None,
        request: validate_request(bytes).unwrap().request,
        gzip: None,
    }
}

/// The number of an [`envelope`].
pub fn number(envelope: &Envelope) -> u64 {
    let groups = envelope.request.clone().into_groups();
    let span = Span::decode(&groups[0].spans[0]).unwrap();
    u64::from_be_bytes(span.span_id.as_bytes().try_into().unwrap())
}

pub fn project(name: &str) -> Option<ProjectName> {
    ProjectName::new(name)
}

/// Waits for what is sure to come.
pub async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.expect("it never came")
}

pub async fn next(deliveries: &mut Box<dyn SpanDeliveries>) -> Delivery {
    soon(deliveries.next()).await.unwrap()
}

/// Sends as an exporter does: again and again until it is taken.
pub async fn send(broker: &Arc<dyn SpanBroker>, number: u64) {
    soon(async {
        while broker.publish(envelope(number)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Looks again and again until it is so.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    soon(async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
