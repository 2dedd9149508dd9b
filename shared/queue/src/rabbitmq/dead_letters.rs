//! Messages that could not be stored: looked at, sent on their way again, or thrown away, by people.

use bennu_domain::time::Timestamp;
use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::types::{AMQPValue, FieldTable};

use super::RabbitMq;
use super::link::{BrokerError, Live, NotTaken};
use super::packing::{read_message, stored_key};
use super::publisher::persistent;
use super::topology::Topology;

/// Header with the reason, in words.
const REASON: &str = "x-bennu-reason";

/// What is known of a parked message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names the message; given when it was first published.
    pub id: String,
    pub reason: String,
    /// `None` if it cannot be read at all.
    pub tenant: Option<i64>,
    pub project: Option<String>,
    pub received_at: Option<Timestamp>,
    pub spans: u32,
    /// Of the message; a body in the object store comes on top.
    pub bytes: usize,
}

/// What to do with a parked message that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Replay,
    Drop,
}

/// The parked messages of a broker.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    broker: RabbitMq,
}

impl DeadLetters {
    pub(super) fn new(broker: RabbitMq) -> Self {
        Self { broker }
    }

    /// All parked messages, oldest first.
    pub async fn list(&self) -> Result<Vec<DeadLetter>, BrokerError> {
        let mut all = Vec::new();
        self.walk(|letter, _| {
            all.push(letter.clone());
            Fate::Keep
        })
        .await?;
        Ok(all)
    }

    /// One of them with its spans as an OTLP `ExportTraceServiceRequest`; the bytes of the message if it holds no such thing.
    pub async fn show(&self, id: &str) -> Result<Option<(DeadLetter, Bytes)>, BrokerError> {
        let mut found = None;
        self.walk(|letter, message| {
            if letter.id == id && found.is_none() {
                found = Some((letter.clone(), Bytes::copy_from_slice(message)));
            }
            Fate::Keep
        })
        .await?;
        let Some((letter, message)) = found else { return Ok(None) };
        let body = match read_message(message.clone()) {
            Ok(envelope) => self.broker.packing.body(&envelope).await,
            Err(_) => Ok(message),
        };
        Ok(Some((letter, body.map_err(|error| BrokerError(error.to_string()))?)))
    }

    /// Sends those that `chosen` wants back to the writers; answers how many.
    pub async fn replay(&self, mut chosen: impl FnMut(&DeadLetter) -> bool) -> Result<usize, BrokerError> {
        self.walk(|letter, _| if chosen(letter) { Fate::Replay } else { Fate::Keep }).await
    }

    /// Deletes those that `chosen` wants, with their bodies; answers how many.
    pub async fn drop(&self, mut chosen: impl FnMut(&DeadLetter) -> bool) -> Result<usize, BrokerError> {
        self.walk(|letter, _| if chosen(letter) { Fate::Drop } else { Fate::Keep }).await
    }

    /// Looks at every parked message once. Those that are kept stay unacknowledged until the end, so that the next one
    /// comes; closing the channel puts them back in their places.
    async fn walk(&self, mut decide: impl FnMut(&DeadLetter, &[u8]) -> Fate) -> Result<usize, BrokerError> {
        let live = self.broker.link.publishable()?;
        let channel = live.channel().await.map_err(failed)?;
        let queue = self.broker.topology.dead_letters_queue.as_str();
        let (mut changed, mut left) = (0, u32::MAX);
        // Those that are there at the start: what is replayed in vain comes again, and again.
        while left > 0
            && let Some(message) =
                channel.basic_get(queue.into(), BasicGetOptions::default()).await.map_err(failed)?
        {
            left = message.message_count.min(left - 1);
            let letter = describe(&message);
            let fate = decide(&letter, &message.data);
            if fate == Fate::Keep {
                continue;
            }
            self.settle(&live, &letter, message, fate).await?;
            changed += 1;
        }
        channel.close(200, "".into()).await.map_err(failed)?;
        Ok(changed)
    }

    async fn settle(
        &self,
        live: &Live,
        letter: &DeadLetter,
        message: BasicGetMessage,
        fate: Fate,
    ) -> Result<(), BrokerError> {
        let RabbitMq { topology, packing, .. } = &self.broker;
        let data = &message.delivery.data;
        if fate == Fate::Replay {
            let routing_key = letter.tenant.unwrap_or_default().to_string();
            let replayed =
                live.publish(&topology.spans_exchange, &routing_key, data, persistent(&letter.id)).await;
            replayed.map_err(|not_taken| BrokerError(describe_refusal(&not_taken)))?;
        }
        message.delivery.acker.ack(BasicAckOptions::default()).await.map_err(failed)?;
        let envelope = read_message(message.delivery.data.into()).ok();
        if let (Fate::Drop, Some(key)) = (fate, envelope.as_ref().and_then(stored_key)) {
            packing.discard(key).await;
        }
        Ok(())
    }
}

/// Puts a message among the dead letters, with the reason in words.
pub(super) async fn park(
    topology: &Topology,
    live: &Live,
    message: &[u8],
    properties: &BasicProperties,
    reason: &str,
) -> Result<(), NotTaken> {
    let mut headers = FieldTable::default();
    headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
    let id = properties.message_id().as_ref().map_or("", |id| id.as_str()).to_owned();
    live.publish(&topology.dead_letters_exchange, "", message, persistent(&id).with_headers(headers)).await
}

fn describe(message: &BasicGetMessage) -> DeadLetter {
    let properties = &message.delivery.properties;
    let envelope = read_message(Bytes::copy_from_slice(&message.delivery.data)).ok();
    DeadLetter {
        id: properties.message_id().as_ref().map_or("", |id| id.as_str()).to_owned(),
        reason: reason(properties.headers().as_ref()),
        tenant: envelope.as_ref().map(|envelope| envelope.tenant),
        project: envelope.as_ref().and_then(|envelope| envelope.project.clone()),
        received_at: envelope.as_ref().map(|envelope| Timestamp(envelope.received_at)),
        spans: envelope.as_ref().map_or(0, |envelope| envelope.spans),
        bytes: message.delivery.data.len(),
    }
}

/// Ours in words, or that of the broker.
fn reason(headers: Option<&FieldTable>) -> String {
    let text = |name: &str| match headers?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        _ => None,
    };
    match (text(REASON), text("x-first-death-reason").as_deref()) {
        (Some(reason), _) => reason,
        (None, Some("delivery_limit")) => "every writer that took it ended before it was stored".to_owned(),
        (None, Some(other)) => other.to_owned(),
        (None, None) => "unknown".to_owned(),
    }
}

fn describe_refusal(not_taken: &NotTaken) -> String {
    match not_taken {
        NotTaken::Full => "the span queue is full".to_owned(),
        NotTaken::Unknown(reason) => reason.clone(),
    }
}

#[allow(clippy::needless_pass_by_value)] // the shape that map_err wants
fn failed(error: lapin::Error) -> BrokerError {
    BrokerError(error.to_string())
}
