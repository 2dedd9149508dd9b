//! The exchanges and queues of the broker, in one place: declared by every process that connects, and shipped as a
//! definitions file for brokers whose users may not declare.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use serde_json::{Value, json};

/// Deliveries of a message before it is parked: each end of a writer that held it counts, and a rolling restart
/// of many writers is no reason to park anything.
const DELIVERY_LIMIT: i64 = 20;

/// Bytes of waiting spans: hours of a writer's work. Beyond it the broker refuses, and receivers answer 503; its disk alarm
/// comes first on smaller disks.
const MOST_WAITING_BYTES: i64 = 64 << 30;

/// Bytes of parked messages, which people have to look at. When it is full, writers keep what they cannot park.
const MOST_PARKED_BYTES: i64 = 4 << 30;

/// Names of what is on the broker.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    /// Topic, by tenant: queues for some of the tenants can be bound beside the one for all.
    pub spans_exchange: String,
    pub spans_queue: String,
    /// Fanout.
    pub dead_letters_exchange: String,
    pub dead_letters_queue: String,
    /// Topic, by kind of event; every process binds a queue of its own.
    pub events_exchange: String,
}

enum Argument {
    Text(String),
    Number(i64),
}

/// A durable quorum queue and the exchange from which it gets everything.
struct BoundQueue<'a> {
    name: &'a str,
    exchange: &'a str,
    arguments: Vec<(&'static str, Argument)>,
}

impl Topology {
    /// All names begin with `prefix`.
    pub fn named(prefix: &str) -> Self {
        Self {
            spans_exchange: format!("{prefix}.spans"),
            spans_queue: format!("{prefix}.spans"),
            dead_letters_exchange: format!("{prefix}.dead-letters"),
            dead_letters_queue: format!("{prefix}.dead-letters"),
            events_exchange: format!("{prefix}.events"),
        }
    }

    fn exchanges(&self) -> [(&str, ExchangeKind); 3] {
        [
            (&self.spans_exchange, ExchangeKind::Topic),
            (&self.dead_letters_exchange, ExchangeKind::Fanout),
            (&self.events_exchange, ExchangeKind::Topic),
        ]
    }

    fn queues(&self) -> [BoundQueue<'_>; 2] {
        use Argument::{Number, Text};
        let quorum = || ("x-queue-type", Text("quorum".to_owned()));
        // Full queues refuse: dropping the oldest would lose what was acknowledged.
        let refuse = || ("x-overflow", Text("reject-publish".to_owned()));
        let spans = BoundQueue {
            name: &self.spans_queue,
            exchange: &self.spans_exchange,
            arguments: vec![
                quorum(),
                refuse(),
                ("x-max-length-bytes", Number(MOST_WAITING_BYTES)),
                ("x-delivery-limit", Number(DELIVERY_LIMIT)),
                ("x-dead-letter-exchange", Text(self.dead_letters_exchange.clone())),
                // A message leaves the queue only once it is parked.
                ("x-dead-letter-strategy", Text("at-least-once".to_owned())),
            ],
        };
        let dead_letters = BoundQueue {
            name: &self.dead_letters_queue,
            exchange: &self.dead_letters_exchange,
            arguments: vec![quorum(), refuse(), ("x-max-length-bytes", Number(MOST_PARKED_BYTES))],
        };
        [spans, dead_letters]
    }

    /// Makes what is missing; what is there must be as described here.
    pub async fn declare(&self, channel: &Channel) -> lapin::Result<()> {
        for (name, kind) in self.exchanges() {
            let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
            channel.exchange_declare(name.into(), kind, durable, FieldTable::default()).await?;
        }
        for BoundQueue { name, exchange, arguments } in self.queues() {
            let mut table = FieldTable::default();
            for (key, argument) in arguments {
                table.insert(key.into(), argument.into_amqp());
            }
            channel.queue_declare(name.into(), QueueDeclareOptions::durable(), table).await?;
            let binding = (QueueBindOptions::default(), FieldTable::default());
            channel.queue_bind(name.into(), exchange.into(), "#".into(), binding.0, binding.1).await?;
        }
        Ok(())
    }

    /// The same as a definitions file of RabbitMQ, for its virtual host `/`.
    pub fn definitions(&self) -> Value {
        let exchanges = self.exchanges().map(|(name, kind)| {
            let kind = if kind == ExchangeKind::Fanout { "fanout" } else { "topic" };
            json!({ "name": name, "vhost": "/", "type": kind, "durable": true, "auto_delete": false, "internal": false,
                "arguments": {} })
        });
        let queues = self.queues().map(|BoundQueue { name, arguments, .. }| {
            let arguments: serde_json::Map<String, Value> = arguments
                .into_iter()
                .map(|(key, argument)| (key.to_owned(), argument.into_json()))
                .collect();
            json!({ "name": name, "vhost": "/", "durable": true, "auto_delete": false, "arguments": arguments })
        });
        let bindings = self.queues().map(|BoundQueue { name, exchange, .. }| {
            json!({ "source": exchange, "vhost": "/", "destination": name, "destination_type": "queue",
                "routing_key": "#", "arguments": {} })
        });
        json!({ "vhosts": [{ "name": "/" }], "exchanges": exchanges, "queues": queues, "bindings": bindings })
    }
}

impl Argument {
    fn into_amqp(self) -> AMQPValue {
        match self {
            Self::Text(text) => AMQPValue::LongString(text.into()),
            Self::Number(number) => AMQPValue::LongLongInt(number),
        }
    }

    fn into_json(self) -> Value {
        match self {
            Self::Text(text) => text.into(),
            Self::Number(number) => number.into(),
        }
    }
}
