//! The one signal to end, fired by SIGTERM, Ctrl-C or a part that cannot go on.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Exit code of a process that a second signal ends before its work is finished: 128 + SIGINT.
const IMPATIENT_EXIT: i32 = 130;

/// Cheap to clone; all clones fire together.
#[derive(Clone, Debug)]
pub struct Shutdown {
    exit_code: Arc<watch::Sender<Option<u8>>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { exit_code: Arc::new(watch::Sender::new(None)) }
    }
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything to end; the process shall exit with this code. The highest code given wins, as a failure while
    /// ending is still a failure.
    pub fn fire(&self, exit_code: u8) {
        self.exit_code.send_if_modified(|code| {
            let higher = code.is_none_or(|code| code < exit_code);
            if higher {
                *code = Some(exit_code);
            }
            higher
        });
    }

    pub fn is_fired(&self) -> bool {
        self.exit_code.borrow().is_some()
    }

    /// Waits until fired; returns the exit code known by then.
    pub async fn fired(&self) -> u8 {
        let mut changes = self.exit_code.subscribe();
        // An error means that the sender is gone; it lives in `self`.
        changes.wait_for(Option::is_some).await.map_or(None, |code| *code).unwrap_or_default()
    }

    /// The code to exit with: 0 unless something failed.
    pub fn exit_code(&self) -> u8 {
        self.exit_code.borrow().unwrap_or_default()
    }

    /// Fires with code 0 at SIGTERM or SIGINT; a second signal exits at once. Needs a Tokio runtime.
    pub fn listen_for_signals(&self) -> io::Result<()> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(self.clone().obey(terminate, interrupt));
        Ok(())
    }

    async fn obey(self, mut terminate: Signal, mut interrupt: Signal) {
        for round in 1.. {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if round > 1 {
                tracing::warn!(signal = name, "second signal, exiting at once");
                std::process::exit(IMPATIENT_EXIT);
            }
            tracing::info!(signal = name, "shutting down");
            self.fire(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn all_clones_see_the_end_and_a_failure_outlives_a_success() {
        let shutdown = Shutdown::new();
        let waiting = actix_web::rt::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.fired().await }
        });
        assert!(!shutdown.is_fired());
        shutdown.clone().fire(1);
        assert_eq!(waiting.await.unwrap(), 1);
        shutdown.fire(0);
        assert_eq!((shutdown.is_fired(), shutdown.exit_code()), (true, 1));
    }
}
