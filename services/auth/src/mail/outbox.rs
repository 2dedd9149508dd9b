//! Orders on their way to the postman.

use bennu_domain::account::Email;
use bennu_domain::ids::UserId;
use bennu_kit::lifecycle::Shutdown;
use bennu_kit::telemetry::MailMetrics;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Letter, MailKind, Postman};

/// Orders that wait: more than a mail server that is away for a minute makes of them, at the pace of people.
const WAITING: usize = 1_000;
/// Mails under way at once. Servers allow few connections.
const AT_ONCE: usize = 4;

/// A mail to send. Letters that hold a token are written only as they are sent.
#[derive(Debug)]
pub enum Order {
    /// A link that sets a new password, to whoever has the account of this address; if nobody has it, nothing.
    PasswordReset {
        email: Email,
        site: String,
    },
    /// A first link to somebody whose account was just made.
    Welcome {
        user: UserId,
        site: String,
    },
    Written(Letter),
}

impl Order {
    pub fn kind(&self) -> MailKind {
        match self {
            Self::PasswordReset { .. } => MailKind::PasswordReset,
            Self::Welcome { .. } => MailKind::Welcome,
            Self::Written(letter) => letter.kind,
        }
    }
}

/// Takes orders. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    orders: mpsc::Sender<Order>,
    metrics: MailMetrics,
}

impl Outbox {
    /// Starts the postman, who carries out what was ordered before the signal to end, as far as there is time.
    pub fn open(postman: Postman, shutdown: Shutdown) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let metrics = postman.metrics.clone();
        let orders = futures::stream::unfold((receiver, shutdown), |(mut receiver, shutdown)| async {
            let order = tokio::select! {
                biased;
                _ = shutdown.fired() => {
                    receiver.close();
                    receiver.recv().await
                }
                order = receiver.recv() => order,
            };
            order.map(|order| (order, (receiver, shutdown)))
        });
        let working = tokio::spawn(async move {
            postman.introduce().await;
            orders.for_each_concurrent(AT_ONCE, |order| postman.carry_out(order)).await;
        });
        (Self { orders: sender, metrics }, working)
    }

    /// `false` if too many are waiting.
    #[must_use]
    pub fn order(&self, order: Order) -> bool {
        let kind = order.kind().as_str();
        let taken = self.orders.try_send(order).is_ok();
        if !taken {
            self.metrics.failed(kind);
            tracing::error!("too many mails are waiting: one is not sent");
        }
        taken
    }
}
