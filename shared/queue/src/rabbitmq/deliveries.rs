//! The receiving side: messages are acknowledged once they are stored, tried again while that may help, and parked
//! when it cannot.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bennu_proto::SpanEnvelope;
use bytes::Bytes;
use futures::StreamExt as _;
use lapin::message::Delivery as Message;
use lapin::options::{BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, BasicProperties, Consumer};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::RabbitMq;
use super::acknowledgements::Acknowledgements;
use super::dead_letters::park;
use super::link::{Link, Live};
use super::packing::{UnpackError, Unpacked, read_message, stored_body, stored_key};
use crate::span_broker::{Delivery, Outcome, SpanDeliveries};

/// Between attempts to store a message that could not be stored for now. The message stays here meanwhile: each return to the
/// broker would count towards its delivery limit, and a database may be away for hours.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A body in the object store is renewed when its message was held for so long, and again each time after that: far below the
/// age at which the sweep takes bodies.
const RENEWED_EVERY: Duration = Duration::from_mins(10);

/// Deliveries between here and the writer; the prefetch bounds those under way.
const HANDED_OVER: usize = 16;

/// Messages as deliveries.
pub struct RabbitMqDeliveries {
    deliveries: mpsc::Receiver<Delivery>,
}

impl RabbitMqDeliveries {
    pub(super) fn start(
        broker: RabbitMq,
        link: Link,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let (hand_over, deliveries) = mpsc::channel(HANDED_OVER);
        let (stopping, stopped) = watch::channel(false);
        tokio::spawn(async move {
            stop.await;
            stopping.send_replace(true);
        });
        let consuming = Consuming { broker, link, hand_over, stopped, under_way: JoinSet::new() };
        tokio::spawn(consuming.run());
        Self { deliveries }
    }
}

#[async_trait]
impl SpanDeliveries for RabbitMqDeliveries {
    /// `None` once consuming was stopped and every delivery is settled.
    async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }
}

/// Consumes over one connection after the other.
struct Consuming {
    broker: RabbitMq,
    link: Link,
    hand_over: mpsc::Sender<Delivery>,
    stopped: watch::Receiver<bool>,
    under_way: JoinSet<()>,
}

#[derive(PartialEq)]
enum Ended {
    Stopped,
    Lost,
}

impl Consuming {
    async fn run(mut self) {
        let mut last: Option<Arc<Live>> = None;
        while let Some(live) = self.next_live(last.as_ref()).await {
            match self.consume(&live).await {
                Ok(Ended::Stopped) => break,
                Ok(Ended::Lost) => {}
                Err(error) => tracing::warn!(%error, "spans cannot be consumed"),
            }
            live.give_up();
            last = Some(live);
        }
        // What the connections before left under way.
        while self.under_way.join_next().await.is_some() {}
        // What the broker has sent beyond those goes back to the queue with the connection.
        self.link.close().await;
    }

    /// `None` when it is to end.
    async fn next_live(&mut self, last: Option<&Arc<Live>>) -> Option<Arc<Live>> {
        tokio::select! {
            live = self.link.next_live(last) => live,
            _ = self.stopped.wait_for(|stopped| *stopped) => None,
        }
    }

    /// Until it is to end and what it received is settled, or until the connection is lost.
    async fn consume(&mut self, live: &Live) -> lapin::Result<Ended> {
        // The channel ends with it, and what is not acknowledged by then goes back to the queue.
        let mut consumer = self.start_consumer(live).await?;
        let acknowledgements = Acknowledgements::default();
        let delivering = async {
            let ended = self.deliver_all(&mut consumer, &acknowledgements).await;
            if ended == Ended::Stopped {
                while self.under_way.join_next().await.is_some() {}
            }
            ended
        };
        let mut acknowledging = pin!(acknowledgements.run());
        let ended = tokio::select! {
            ended = delivering => ended,
            failed = &mut acknowledging => return failed.map(|()| Ended::Lost),
        };
        if ended == Ended::Stopped {
            acknowledgements.end();
            acknowledging.await?;
        }
        Ok(ended)
    }

    async fn start_consumer(&self, live: &Live) -> lapin::Result<Consumer> {
        let channel = live.channel().await?;
        channel.basic_qos(self.broker.prefetch, BasicQosOptions::default()).await?;
        let (queue, options) = (self.broker.topology.spans_queue.as_str(), BasicConsumeOptions::default());
        channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await
    }

    async fn deliver_all(&mut self, consumer: &mut Consumer, acknowledgements: &Acknowledgements) -> Ended {
        loop {
            let message = tokio::select! {
                message = consumer.next() => message,
                Some(_) = self.under_way.join_next() => continue,
                _ = self.stopped.wait_for(|stopped| *stopped) => return Ended::Stopped,
            };
            let Some(Ok(message)) = message else { return Ended::Lost };
            acknowledgements.received(message.delivery_tag, message.acker.clone());
            let handling = Handling {
                broker: self.broker.clone(),
                hand_over: self.hand_over.clone(),
                stopped: self.stopped.clone(),
                acknowledgements: acknowledgements.clone(),
            };
            self.under_way.spawn(handling.deliver(message));
        }
    }
}

/// The care of one message.
struct Handling {
    broker: RabbitMq,
    hand_over: mpsc::Sender<Delivery>,
    stopped: watch::Receiver<bool>,
    acknowledgements: Acknowledgements,
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
        let Message { delivery_tag: tag, data, acker, properties, redelivered, .. } = message;
        let data = Bytes::from(data);
        let (verdict, stored) = match read_message(data.clone()) {
            Ok(envelope) => {
                let stored = stored_key(&envelope).map(str::to_owned);
                (self.persist(&envelope, &acker, redelivered).await, stored)
            }
            Err(error) => (Verdict::Park(error.to_string()), None),
        };
        match verdict {
            Verdict::Done => {
                self.acknowledgements.finished(tag);
                if let Some(key) = stored {
                    self.broker.packing.discard(&key).await;
                }
            }
            Verdict::Park(reason) => {
                tracing::error!(reason, "a message goes to the dead letters");
                if self.park(&data, &properties, &reason, &acker).await {
                    self.acknowledgements.finished(tag);
                }
            }
            Verdict::Return => self.give_back(tag, &acker).await,
            Verdict::Leave => {}
        }
    }

    /// Hands the message over until something final can be said about it.
    async fn persist(&self, envelope: &SpanEnvelope, acker: &Acker, redelivered: bool) -> Verdict {
        let mut patience = Patience::new(self.stopped.clone());
        let renewing = self.renew_body(envelope);
        tokio::pin!(renewing);
        loop {
            let attempt = tokio::select! {
                attempt = self.attempt(envelope, redelivered) => attempt,
                never = &mut renewing => match never {},
            };
            let reason = match attempt {
                Step::Finally(verdict) => return verdict,
                Step::Again(reason) => reason,
            };
            tracing::warn!(reason, "a message will be tried again");
            if !patience.pause(acker).await {
                return Verdict::Leave;
            }
        }
    }

    /// For as long as the message is held.
    async fn renew_body(&self, envelope: &SpanEnvelope) -> Infallible {
        let Some(stored) = stored_body(envelope) else { return std::future::pending().await };
        loop {
            tokio::time::sleep(RENEWED_EVERY).await;
            if let Err(error) = self.broker.packing.renew(stored).await {
                tracing::warn!(%error, "the body of a message could not be renewed for now");
            }
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

    async fn give_back(&self, tag: u64, acker: &Acker) {
        // Not at once: a message that fails quickly would come round and round.
        tokio::time::sleep(FIRST_PAUSE).await;
        match acker.nack(BasicNackOptions { requeue: true, ..Default::default() }).await {
            Ok(_) => self.acknowledgements.returned(tag),
            // The broker has it back with the connection.
            Err(error) => tracing::warn!(%error, "a message could not be given back"),
        }
    }

    /// False if the message has to stay where it is.
    async fn park(&self, message: &[u8], properties: &BasicProperties, reason: &str, acker: &Acker) -> bool {
        let mut patience = Patience::new(self.stopped.clone());
        loop {
            let parked = match self.broker.link.publishable() {
                Ok(live) => park(&self.broker.topology, &live, message, properties, reason).await.is_ok(),
                Err(_) => false,
            };
            if parked || !patience.pause(acker).await {
                return parked;
            }
        }
    }
}

/// Longer and longer pauses.
struct Patience {
    pause: Duration,
    stopped: watch::Receiver<bool>,
}

impl Patience {
    fn new(stopped: watch::Receiver<bool>) -> Self {
        Self { pause: FIRST_PAUSE, stopped }
    }

    /// False when trying again has no use: the broker has the message back, or is about to.
    async fn pause(&mut self, acker: &Acker) -> bool {
        let pause = self.pause.mul_f64(0.5 + fastrand::f64());
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        tokio::select! {
            () = tokio::time::sleep(pause) => acker.usable(),
            _ = self.stopped.wait_for(|stopped| *stopped) => false,
        }
    }
}
