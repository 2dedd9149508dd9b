//! The receiving side: messages are acknowledged once they are stored, tried again while that may help, and parked
//! when it cannot.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bennu_proto::SpanEnvelope;
use bytes::Bytes;
use futures::StreamExt as _;
use lapin::message::Delivery as Message;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, BasicProperties, Consumer};
use tokio::sync::{mpsc, watch};

use super::RabbitMq;
use super::dead_letters::park;
use super::link::Live;
use super::packing::{UnpackError, Unpacked, read_message, stored_key};
use crate::span_broker::{Delivery, Outcome, SpanDeliveries};

/// Between attempts to store a message that could not be stored for now. The message stays here meanwhile: each return to the
/// broker would count towards its delivery limit, and a database may be away for hours.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Deliveries between here and the writer; the prefetch bounds those under way.
const HANDED_OVER: usize = 16;

/// Messages as deliveries.
pub struct RabbitMqDeliveries {
    deliveries: mpsc::Receiver<Delivery>,
}

impl RabbitMqDeliveries {
    pub(super) fn start(broker: RabbitMq, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        let (hand_over, deliveries) = mpsc::channel(HANDED_OVER);
        let (stopping, stopped) = watch::channel(false);
        tokio::spawn(async move {
            stop.await;
            stopping.send_replace(true);
        });
        tokio::spawn(consume(broker, hand_over, stopped));
        Self { deliveries }
    }
}

#[async_trait]
impl SpanDeliveries for RabbitMqDeliveries {
    /// `None` once consuming was stopped and every delivery is settled: each holds a sender until then.
    async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }
}

/// Consumes over one connection after the other.
async fn consume(broker: RabbitMq, hand_over: mpsc::Sender<Delivery>, mut stopped: watch::Receiver<bool>) {
    let mut last: Option<Arc<Live>> = None;
    loop {
        let live = tokio::select! {
            live = broker.link.next_live(last.as_ref()) => live,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let Some(live) = live else { return };
        let consumer = match start_consumer(&broker, &live).await {
            Ok(consumer) => consumer,
            Err(error) => {
                tracing::warn!(%error, "spans cannot be consumed");
                live.give_up();
                last = Some(live);
                continue;
            }
        };
        if deliver_all(&broker, &live, consumer, &hand_over, &mut stopped).await == Consumed::Stopped {
            return;
        }
        live.give_up();
        last = Some(live);
    }
}

async fn start_consumer(broker: &RabbitMq, live: &Live) -> lapin::Result<Consumer> {
    let channel = live.channel().await?;
    channel.basic_qos(broker.prefetch, BasicQosOptions::default()).await?;
    let queue = broker.topology.spans_queue.as_str();
    channel
        .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
}

#[derive(PartialEq)]
enum Consumed {
    Stopped,
    Lost,
}

async fn deliver_all(
    broker: &RabbitMq,
    live: &Arc<Live>,
    mut consumer: Consumer,
    hand_over: &mpsc::Sender<Delivery>,
    stopped: &mut watch::Receiver<bool>,
) -> Consumed {
    loop {
        let message = tokio::select! {
            message = consumer.next() => message,
            // What the broker has sent beyond this goes back to the queue with the connection.
            _ = stopped.wait_for(|stopped| *stopped) => return Consumed::Stopped,
        };
        let Some(Ok(message)) = message else { return Consumed::Lost };
        let handling = Handling {
            broker: broker.clone(),
            live: Arc::clone(live),
            hand_over: hand_over.clone(),
            stopped: stopped.clone(),
        };
        tokio::spawn(handling.deliver(message));
    }
}

/// The care of one message.
struct Handling {
    broker: RabbitMq,
    live: Arc<Live>,
    hand_over: mpsc::Sender<Delivery>,
    stopped: watch::Receiver<bool>,
}

/// What is to be done with a message in the end.
enum Verdict {
    /// Stored.
    Done,
    Park(String),
    /// Back to the broker, which counts.
    Return,
    /// The broker has it back already, or will when the connection ends.
    Leave,
}

/// What is to be done with a message now.
enum Step {
    Finally(Verdict),
    Again(String),
}

impl Handling {
    async fn deliver(self, message: Message) {
        let Message { data, acker, properties, redelivered, .. } = message;
        let data = Bytes::from(data);
        let (verdict, stored) = match read_message(data.clone()) {
            Ok(envelope) => {
                let stored = stored_key(&envelope).map(str::to_owned);
                (self.persist(&envelope, &acker, redelivered).await, stored)
            }
            Err(error) => (Verdict::Park(error.to_string()), None),
        };
        if let Err(error) = self.finish(verdict, &acker, &data, properties, stored).await {
            // It will be delivered again, and change nothing.
            tracing::warn!(%error, "a message could not be settled");
        }
    }

    /// Hands the message over until something final can be said about it.
    async fn persist(&self, envelope: &SpanEnvelope, acker: &Acker, redelivered: bool) -> Verdict {
        let mut pause = FIRST_PAUSE;
        let mut stopped = self.stopped.clone();
        loop {
            let reason = match self.attempt(envelope, redelivered).await {
                Step::Finally(verdict) => return verdict,
                Step::Again(reason) => reason,
            };
            tracing::warn!(reason, "a message will be tried again");
            tokio::select! {
                () = tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return Verdict::Leave,
            }
            if !acker.usable() {
                return Verdict::Leave;
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn attempt(&self, envelope: &SpanEnvelope, redelivered: bool) -> Step {
        let Unpacked { envelope, room: _held_until_settled } =
            match self.broker.packing.unpack(envelope).await {
                Ok(unpacked) => unpacked,
                // Bodies are removed once their spans are stored; the acknowledgement of that got lost.
                Err(UnpackError::BodyGone) if redelivered => return Step::Finally(Verdict::Done),
                Err(UnpackError::Unavailable(reason)) => return Step::Again(reason),
                Err(error) => return Step::Finally(Verdict::Park(error.to_string())),
            };
        let (delivery, outcome) = Delivery::new(envelope);
        if self.hand_over.send(delivery).await.is_err() {
            return Step::Finally(Verdict::Leave);
        }
        match outcome.await {
            Ok(Outcome::Stored) => Step::Finally(Verdict::Done),
            Ok(Outcome::Rejected(reason)) => Step::Finally(Verdict::Park(reason)),
            Ok(Outcome::Retry(reason)) => Step::Again(reason),
            Err(_) => Step::Finally(Verdict::Return),
        }
    }

    async fn finish(
        &self,
        verdict: Verdict,
        acker: &Acker,
        message: &[u8],
        properties: BasicProperties,
        stored: Option<String>,
    ) -> lapin::Result<()> {
        match verdict {
            Verdict::Done => {
                acker.ack(BasicAckOptions::default()).await?;
                if let Some(key) = stored {
                    self.broker.packing.discard(&key).await;
                }
            }
            Verdict::Park(reason) => {
                tracing::error!(reason, "a message is parked among the dead letters");
                let parked = park(&self.broker.topology, &self.live, message, properties, &reason).await;
                match parked {
                    Ok(()) => drop(acker.ack(BasicAckOptions::default()).await?),
                    Err(_) => self.give_back(acker).await?,
                }
            }
            Verdict::Return => self.give_back(acker).await?,
            Verdict::Leave => {}
        }
        Ok(())
    }

    async fn give_back(&self, acker: &Acker) -> lapin::Result<()> {
        // Not at once: a message that fails quickly would come round and round.
        tokio::time::sleep(FIRST_PAUSE).await;
        acker.nack(BasicNackOptions { requeue: true, ..Default::default() }).await.map(drop)
    }
}
