//! A connection to the broker that comes back by itself.
//!
//! A task owns the connection; everybody else sees its state and borrows it while it is up. Publishing and consuming
//! each have a link, as a broker in need stops reading from connections that publish.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Event};
use tokio::sync::{Notify, watch};

use super::topology::Topology;

/// A broker that takes longer to say hello will not be of use soon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Confirms take milliseconds; exporters give up after 10 s.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(9);
/// Seconds between signs of life; two that are missing end the connection.
const HEARTBEAT: u16 = 5;
/// Between attempts to connect: soon after a hiccup, seldom enough for a broker that many processes wait for.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct BrokerError(pub(super) String);

/// What became of a message that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// The broker refused it: a queue is full.
    Full,
    /// It may have been taken or not.
    Unknown(String),
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Link {
    state: watch::Receiver<State>,
    closing: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Clone)]
enum State {
    Up(Arc<Live>),
    /// Connected, but the broker takes no messages: its memory or its disk is short.
    Blocked(Arc<Live>, String),
    Down(String),
}

/// A connection while it lasts.
#[derive(Debug)]
pub(super) struct Live {
    connection: Connection,
    /// With confirmations.
    publishing: Channel,
    /// Without, for events.
    telling: Channel,
    given_up: Notify,
}

impl Link {
    /// Connects for the first time; later losses are repaired in the background.
    pub async fn open(url: &str, name: &str, topology: &Topology) -> Result<Self, BrokerError> {
        let live = Live::open(url, name, topology).await?;
        let (publish, state) = watch::channel(State::Up(Arc::clone(&live)));
        let (closing, closed) = watch::channel(false);
        let keeper = Keeper {
            url: url.to_owned(),
            name: name.to_owned(),
            topology: topology.clone(),
            publish,
            closed,
        };
        tokio::spawn(keeper.keep(live));
        Ok(Self { state, closing: Arc::new(closing) })
    }

    /// The connection, also while the broker takes no messages.
    pub fn live(&self) -> Result<Arc<Live>, BrokerError> {
        match &*self.state.borrow() {
            State::Up(live) | State::Blocked(live, _) => Ok(Arc::clone(live)),
            State::Down(reason) => Err(BrokerError(reason.clone())),
        }
    }

    /// The connection if messages can be published now.
    pub fn publishable(&self) -> Result<Arc<Live>, BrokerError> {
        match &*self.state.borrow() {
            State::Up(live) => Ok(Arc::clone(live)),
            State::Blocked(_, reason) => Err(BrokerError(format!("the broker takes no messages: {reason}"))),
            State::Down(reason) => Err(BrokerError(reason.clone())),
        }
    }

    /// Waits until messages cannot be published, and says why.
    pub async fn unpublishable(&self) -> BrokerError {
        let mut state = self.state.clone();
        // An error means that the link is closed, which `publishable` cannot tell.
        let _ = state.wait_for(|state| !matches!(state, State::Up(_))).await;
        self.publishable().err().unwrap_or_else(|| BrokerError("the connection is closed".to_owned()))
    }

    /// Waits for a connection other than `last`; `None` once the link is closed.
    pub async fn next_live(&self, last: Option<&Arc<Live>>) -> Option<Arc<Live>> {
        let mut state = self.state.clone();
        let is_new = |live: &Arc<Live>| last.is_none_or(|last| !Arc::ptr_eq(last, live));
        let found = state.wait_for(|state| match state {
            State::Up(live) | State::Blocked(live, _) => is_new(live),
            State::Down(_) => false,
        });
        found.await.ok()?;
        self.live().ok()
    }

    /// Ends the connection; call it when nothing uses it any more.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        // The keeper drops its end when it is done.
        let mut state = self.state.clone();
        while state.changed().await.is_ok() {}
    }
}

impl Live {
    async fn open(url: &str, name: &str, topology: &Topology) -> Result<Arc<Self>, BrokerError> {
        let opening = async {
            let mut uri: lapin::uri::AMQPUri = url.parse().map_err(BrokerError)?;
            uri.query.heartbeat.get_or_insert(HEARTBEAT);
            let properties = ConnectionProperties::default().with_connection_name(name.into());
            let connection = Connection::connect_uri(uri, properties).await.map_err(failed)?;
            let publishing = connection.create_channel().await.map_err(failed)?;
            topology.declare(&publishing).await.map_err(failed)?;
            publishing.confirm_select(ConfirmSelectOptions::default()).await.map_err(failed)?;
            let telling = connection.create_channel().await.map_err(failed)?;
            Ok(Arc::new(Self { connection, publishing, telling, given_up: Notify::new() }))
        };
        let late = |_| BrokerError(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()));
        tokio::time::timeout(CONNECT_TIMEOUT, opening).await.map_err(late)?
    }

    pub async fn channel(&self) -> lapin::Result<Channel> {
        self.connection.create_channel().await
    }

    /// Publishes a message, and returns when the broker has it on the disks of a majority of its nodes.
    pub async fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        message: &[u8],
        properties: BasicProperties,
    ) -> Result<(), NotTaken> {
        let publishing = async {
            let mandatory = BasicPublishOptions { mandatory: true, ..Default::default() };
            let sent = self.publishing.basic_publish(
                exchange.into(),
                routing_key.into(),
                mandatory,
                message,
                properties,
            );
            sent.await?.await
        };
        match tokio::time::timeout(CONFIRM_TIMEOUT, publishing).await {
            Ok(Ok(Confirmation::Ack(None))) => Ok(()),
            Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::NotRequested)) => {
                // Somebody deleted the queue; connecting anew declares it again.
                self.give_up();
                Err(NotTaken::Unknown(format!("no queue is bound to {exchange}")))
            }
            Ok(Ok(Confirmation::Nack(_))) => Err(NotTaken::Full),
            Ok(Err(error)) => {
                self.give_up();
                Err(NotTaken::Unknown(error.to_string()))
            }
            Err(_) => Err(NotTaken::Unknown("the broker did not confirm in time".to_owned())),
        }
    }

    /// How many messages wait in a queue; those that somebody holds do not count.
    pub async fn waiting(&self, queue: &str) -> Result<u32, BrokerError> {
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let counting = async {
            let channel = self.connection.create_channel().await?;
            let queue = channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
            channel.close(200, "".into()).await?;
            Ok(queue.message_count())
        };
        let late = |_| BrokerError(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()));
        tokio::time::timeout(CONNECT_TIMEOUT, counting).await.map_err(late)?.map_err(failed)
    }

    /// Publishes without waiting for a confirmation, to whoever listens.
    pub async fn tell(&self, exchange: &str, routing_key: &str, message: &[u8]) -> lapin::Result<()> {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let telling =
            self.telling.basic_publish(exchange.into(), routing_key.into(), options, message, properties);
        telling.await.map(drop)
    }

    /// Has the link connect anew.
    pub fn give_up(&self) {
        self.given_up.notify_one();
    }

    async fn close(&self) {
        // It may be gone already.
        let _ = self.connection.close(200, "".into()).await;
    }
}

/// Looks after one link.
struct Keeper {
    url: String,
    name: String,
    topology: Topology,
    publish: watch::Sender<State>,
    closed: watch::Receiver<bool>,
}

/// Why a connection ended.
enum Ended {
    Lost(String),
    Closed,
}

impl Keeper {
    async fn keep(mut self, mut live: Arc<Live>) {
        loop {
            let ended = self.watch(&live).await;
            // Whatever is left of it, so that its messages go back to their queue.
            let _ = tokio::time::timeout(FIRST_WAIT, live.close()).await;
            let Ended::Lost(reason) = ended else { return };
            tracing::warn!(link = self.name.as_str(), reason, "the connection to the broker is lost");
            self.publish.send_replace(State::Down(reason));
            let Some(new) = self.connect_again().await else { return };
            tracing::info!(link = self.name.as_str(), "the broker is back");
            self.publish.send_replace(State::Up(Arc::clone(&new)));
            live = new;
        }
    }

    /// Passes the broker's moods on until the connection ends.
    async fn watch(&mut self, live: &Arc<Live>) -> Ended {
        let mut events = live.connection.events_listener();
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = live.given_up.notified() => return Ended::Lost("the connection was given up".to_owned()),
                // An error means that all links are dropped.
                _ = self.closed.wait_for(|closed| *closed) => return Ended::Closed,
            };
            match event {
                Some(Event::ConnectionBlocked(reason)) => {
                    tracing::warn!(link = self.name.as_str(), reason, "the broker takes no messages");
                    self.publish.send_replace(State::Blocked(Arc::clone(live), reason));
                }
                Some(Event::ConnectionUnblocked) => {
                    tracing::info!(link = self.name.as_str(), "the broker takes messages again");
                    self.publish.send_replace(State::Up(Arc::clone(live)));
                }
                Some(Event::Error(error)) => return Ended::Lost(error.to_string()),
                Some(_) => {}
                None => return Ended::Lost("the connection ended".to_owned()),
            }
        }
    }

    /// `None` once the link is closed.
    async fn connect_again(&mut self) -> Option<Arc<Live>> {
        let mut wait = FIRST_WAIT;
        loop {
            // Spread, so that processes that lost the broker together do not all come back at once.
            let pause = tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64()));
            tokio::select! {
                () = pause => {}
                _ = self.closed.wait_for(|closed| *closed) => return None,
            }
            match Live::open(&self.url, &self.name, &self.topology).await {
                Ok(live) => return Some(live),
                Err(error) => {
                    tracing::debug!(link = self.name.as_str(), %error, "the broker is still away");
                    self.publish.send_replace(State::Down(error.to_string()));
                }
            }
            wait = LONGEST_WAIT.min(wait * 2);
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // the shape that map_err wants
fn failed(error: lapin::Error) -> BrokerError {
    BrokerError(error.to_string())
}
