//! Acknowledgements of what one consumer received. Messages are stored many at a time, and as long as none before them is missing, one
//! acknowledgement stands for all (AMQP 0-9-1, section 1.8.3.13, `multiple`): the log of a quorum queue then has one entry instead
//! of one for each.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lapin::Acker;
use lapin::options::BasicAckOptions;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Those of a batch are finished one after the other on several threads, within this time.
const GATHERING: Duration = Duration::from_millis(1);
/// A message that takes longer does not hold up those behind it any more: they are acknowledged one by one.
const LATE: Duration = Duration::from_millis(100);

/// Cheap to clone. The prefetch bounds what it holds.
#[derive(Clone, Default)]
pub(super) struct Acknowledgements(Arc<Shared>);

#[derive(Default)]
struct Shared {
    received: Mutex<Received<Acker>>,
    /// Something is finished, or everything.
    news: Notify,
    ending: AtomicBool,
}

/// Messages that the broker regards as being worked on, in the order in which they came.
struct Received<A>(VecDeque<Message<A>>);

struct Message<A> {
    tag: u64,
    acker: A,
    finished: Option<Instant>,
}

/// What can be acknowledged.
#[derive(Debug, PartialEq, Eq)]
struct Due<A> {
    /// Stands for all before it too.
    last: Option<A>,
    alone: Vec<A>,
    /// Whether more is finished that waits for what came before it.
    held_up: bool,
}

impl Acknowledgements {
    /// Notes a message when it comes.
    pub fn received(&self, tag: u64, acker: Acker) {
        self.messages().0.push_back(Message { tag, acker, finished: None });
    }

    /// Has the message acknowledged soon.
    pub fn finished(&self, tag: u64) {
        self.messages().finish(tag, Instant::now());
        self.0.news.notify_one();
    }

    /// Forgets a message that the broker has back.
    pub fn returned(&self, tag: u64) {
        self.messages().0.retain(|message| message.tag != tag);
    }

    /// Acknowledges what is finished, until the end. An error says that the connection is lost.
    pub async fn run(&self) -> lapin::Result<()> {
        let mut held_up = false;
        loop {
            let news = self.0.news.notified();
            if held_up {
                let _ = timeout(LATE, news).await; // then some are late
            } else {
                news.await;
            }
            if self.0.ending.load(Ordering::Acquire) {
                return self.acknowledge(Duration::ZERO).await.map(drop);
            }
            sleep(GATHERING).await;
            held_up = self.acknowledge(LATE).await?;
        }
    }

    /// Nothing is going to be finished any more.
    pub fn end(&self) {
        self.0.ending.store(true, Ordering::Release);
        self.0.news.notify_one();
    }

    async fn acknowledge(&self, late: Duration) -> lapin::Result<bool> {
        let Due { last, alone, held_up } = self.messages().take_due(Instant::now(), late);
        if let Some(last) = last {
            last.ack(BasicAckOptions { multiple: true }).await?;
        }
        for acker in alone {
            acker.ack(BasicAckOptions::default()).await?;
        }
        Ok(held_up)
    }

    fn messages(&self) -> MutexGuard<'_, Received<Acker>> {
        self.0.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Received<A> {
    fn finish(&mut self, tag: u64, now: Instant) {
        let place = self.0.binary_search_by_key(&tag, |message| message.tag); // tags rise
        if let Some(message) = place.ok().and_then(|place| self.0.get_mut(place)) {
            message.finished = Some(now);
        }
    }

    /// Takes those before which nothing is missing, and those that were held up for too long.
    fn take_due(&mut self, now: Instant, late: Duration) -> Due<A> {
        let mut last = None;
        while let Some(message) = self.0.pop_front_if(|message| message.finished.is_some()) {
            last = Some(message.acker);
        }
        let is_late = |message: &Message<A>| {
            message.finished.is_some_and(|finished| now.saturating_duration_since(finished) >= late)
        };
        let (alone, left) = std::mem::take(&mut self.0).into_iter().partition::<VecDeque<_>, _>(is_late);
        let held_up = left.iter().any(|message| message.finished.is_some());
        self.0 = left;
        Due { last, alone: alone.into_iter().map(|message| message.acker).collect(), held_up }
    }
}

impl<A> Default for Received<A> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many messages, named by their tags; of some it is known that they are finished.
    fn received(tags: u64, finished: &[u64], now: Instant) -> Received<u64> {
        let message = |tag| Message { tag, acker: tag, finished: None };
        let mut received = Received((1..=tags).map(message).collect());
        finished.iter().for_each(|tag| received.finish(*tag, now));
        received
    }

    fn due(last: Option<u64>, alone: &[u64], held_up: bool) -> Due<u64> {
        Due { last, alone: alone.to_vec(), held_up }
    }

    #[test]
    fn one_acknowledgement_stands_for_all_before_which_nothing_is_missing() {
        let now = Instant::now();
        let mut received = received(5, &[3, 1, 2, 5], now);
        assert_eq!(received.take_due(now, LATE), due(Some(3), &[], true));
        received.finish(4, now);
        assert_eq!(received.take_due(now, LATE), due(Some(5), &[], false));
        assert_eq!(received.take_due(now, LATE), due(None, &[], false));
    }

    #[test]
    fn a_message_that_takes_long_is_left_out_and_holds_nothing_up_for_long() {
        let now = Instant::now();
        let mut received = received(4, &[2], now);
        let later = now + LATE;
        received.finish(4, later);
        assert_eq!(received.take_due(later, LATE), due(None, &[2], true));
        assert_eq!(received.take_due(later + LATE, LATE), due(None, &[4], false));
        received.finish(1, later);
        assert_eq!(received.take_due(later, LATE), due(Some(1), &[], false), "not for 3");
    }
}
