//! RabbitMQ: spans through a quorum queue, what cannot be stored in a dead-letter queue, events over a topic exchange.

mod acknowledgements;
mod dead_letters;
mod deliveries;
mod events;
mod link;
mod packing;
mod publisher;
mod topology;

use std::time::Duration;

use bennu_archive::Archive;

pub use dead_letters::{DeadLetter, DeadLetters};
pub use deliveries::RabbitMqDeliveries;
pub use events::RabbitMqEvents;
pub use link::BrokerError;
pub use packing::is_body;
pub use publisher::RabbitMqSpanBroker;

use link::Link;
use packing::Packing;
use topology::Topology;

/// What the names on the broker begin with.
const PREFIX: &str = "bennu";

/// How to use a broker.
#[derive(Debug, Clone)]
pub struct RabbitMqOptions {
    /// `amqp://user:password@host:port/virtual-host`, or `amqps:`.
    pub url: String,
    /// What exchanges and queues are called begins with this.
    pub prefix: String,
    /// Bodies of at least this many bytes go to the object store. Brokers refuse messages beyond a limit (16 MiB by default),
    /// and copy each a few times.
    pub large_bytes: usize,
    /// Messages that a writer may hold unacknowledged.
    pub prefetch: u16,
    /// Bytes of bodies from the object store that a writer may hold.
    pub room_bytes: usize,
}

impl RabbitMqOptions {
    /// The defaults for this broker.
    pub fn new(url: String) -> Self {
        Self {
            url,
            prefix: PREFIX.to_owned(),
            // Several hundred of them may wait in a writer.
            large_bytes: 1 << 20,
            // About three full batches of 4,096 spans at 48 spans a request: one being written, one being prepared, one under way.
            prefetch: 256,
            room_bytes: 128 << 20,
        }
    }
}

/// For a moment in which no message waits.
const LOOKS: usize = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A connected broker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    /// For publishing. Consumers have a link of their own: a broker in need stops reading from connections that publish,
    /// acknowledgements included.
    link: Link,
    url: String,
    name: String,
    topology: Topology,
    packing: Packing,
    events: RabbitMqEvents,
    prefetch: u16,
}

impl RabbitMq {
    /// Connects, and declares exchanges and queues. `name` tells connections apart in the broker's own tools. `archive` keeps
    /// the large bodies.
    pub async fn connect(
        options: &RabbitMqOptions,
        name: &str,
        archive: Archive,
    ) -> Result<Self, BrokerError> {
        let topology = Topology::named(&options.prefix);
        let link = Link::open(&options.url, &format!("{name}, publishing"), &topology).await?;
        Ok(Self {
            packing: Packing::new(archive, options.large_bytes, options.room_bytes),
            events: RabbitMqEvents::new(link.clone(), topology.clone()),
            link,
            url: options.url.clone(),
            name: name.to_owned(),
            topology,
            prefetch: options.prefetch,
        })
    }

    /// Whether messages can be published now, or why not.
    pub fn health(&self) -> Result<(), BrokerError> {
        self.link.publishable().map(drop)
    }

    pub fn span_broker(&self) -> RabbitMqSpanBroker {
        RabbitMqSpanBroker::new(self.clone())
    }

    /// Starts consuming; `stop` ends it, and what was delivered until then is settled first.
    pub async fn span_deliveries(
        &self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<RabbitMqDeliveries, BrokerError> {
        let link = Link::open(&self.url, &format!("{}, consuming", self.name), &self.topology).await?;
        Ok(RabbitMqDeliveries::start(self.clone(), link, stop))
    }

    /// Whether no message waits, neither for writers nor among the dead letters. Writers may hold some; they renew what those
    /// have in the object store. A busy queue is empty for moments: this looks for one, for a while.
    pub async fn nothing_waits(&self) -> Result<bool, BrokerError> {
        let Topology { spans_queue, dead_letters_queue, .. } = &self.topology;
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            let live = self.link.live()?;
            if live.waiting(spans_queue).await? == 0 && live.waiting(dead_letters_queue).await? == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn events(&self) -> RabbitMqEvents {
        self.events.clone()
    }

    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.clone())
    }

    /// Ends the connection for publishing.
    pub async fn close(&self) {
        self.link.close().await;
    }

    /// Exchanges and queues as a definitions file of RabbitMQ.
    pub fn definitions() -> String {
        format!("{:#}\n", Topology::named(PREFIX).definitions())
    }
}
