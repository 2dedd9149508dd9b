//! The way to a guarded actor, which may be a new one after each restart.
//!
//! The mailbox bound of actix holds per sender: every clone of an `Addr` has a slot of its own, and `Addr::send` makes a
//! clone when the mailbox is full. So all clones of a [`Guarded`] share one `Addr`, and questions have a bound of their own.

use std::sync::Arc;

use actix::prelude::SendError;
use actix::{Actor, Addr, Context, Handler, Message};
use tokio::sync::{Semaphore, watch};

/// Points to the living actor. Cheap to clone and to send between threads.
pub struct Guarded<A: Actor> {
    pub(super) state: watch::Receiver<State<A>>,
    /// A permit for each message that may still be answered.
    pub(super) unanswered: Arc<Semaphore>,
}

/// Where the actor is.
pub(super) enum State<A: Actor> {
    Running(Addr<A>),
    Restarting,
    /// Ended for good: it stopped itself, or its restarts are spent.
    Ended,
}

/// The message did not reach the actor, or the actor ended before it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFailed {
    #[error("the actor has too much to do")]
    Full,
    #[error("the actor is not running")]
    Down,
}

impl<A: Actor> Clone for Guarded<A> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), unanswered: Arc::clone(&self.unanswered) }
    }
}

impl<A: Actor<Context = Context<A>>> Guarded<A> {
    /// Puts `message` into the mailbox if there is room.
    pub fn try_send<M>(&self, message: M) -> Result<(), SendFailed>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
    {
        self.with_address(|address| address.try_send(message))?.map_err(|error| match error {
            SendError::Full(_) => SendFailed::Full,
            SendError::Closed(_) => SendFailed::Down,
        })
    }

    /// Sends `message` and waits for the answer; `Full` at once when too many wait already.
    pub async fn send<M>(&self, message: M) -> Result<M::Result, SendFailed>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
    {
        let _permit = self.unanswered.try_acquire().map_err(|_| SendFailed::Full)?;
        let answer = self.with_address(|address| address.send(message))?;
        answer.await.map_err(|_| SendFailed::Down)
    }

    /// Waits until the actor runs; false when it has ended for good.
    pub async fn running(&self) -> bool {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Restarting)).await;
        // An error means that the guardian is gone, and the actor with it.
        settled.is_ok_and(|state| matches!(*state, State::Running(_)))
    }

    /// Waits until the actor has ended for good.
    pub async fn ended(&self) {
        let mut state = self.state.clone();
        // An error means that the guardian is gone, and the actor with it.
        let _ = state.wait_for(|state| matches!(state, State::Ended)).await;
    }

    fn with_address<T>(&self, action: impl FnOnce(&Addr<A>) -> T) -> Result<T, SendFailed> {
        match &*self.state.borrow() {
            State::Running(address) => Ok(action(address)),
            State::Restarting | State::Ended => Err(SendFailed::Down),
        }
    }
}
