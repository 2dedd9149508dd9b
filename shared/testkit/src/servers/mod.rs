//! Servers for a test run: each is started empty in a temporary directory on a free loopback port, and
//! thrown away afterwards.
//!
//! One module a server, all of one shape: `start()` answers a [`Server`] that is ready, and tests find it through the
//! environment variables it brings. To add one, write its module and name it in [`start_all`].

mod debian;
pub mod postgres;

use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Starting takes a second or two; a loaded machine gets much longer before the test run gives up.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// A server that is asked to stop and has not by then is killed; its data is worth nothing.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A running server; it ends, and its directory goes, when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// What tests find it by: environment variables and their values.
    pub variables: Vec<(&'static str, String)>,
    process: Child,
    stop_signal: Signal,
    /// Its data and its log.
    _directory: TempDir,
}

/// Why a server cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(
        "{program} is not installed; it is part of the Debian package {package} (apt-get install {package})"
    )]
    NotInstalled { program: &'static str, package: &'static str },
    #[error("{what}: {source}")]
    System { what: String, source: std::io::Error },
    #[error("{what}; its output ends:\n{output}")]
    Failed { what: String, output: String },
}

/// Starts every server that tests need; when one fails, those before it are stopped.
pub fn start_all() -> Result<Vec<Server>, ServerError> {
    Ok(vec![postgres::start()?])
}

impl Server {
    fn exited(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    fn stop(&mut self) {
        if self.exited().is_some() {
            return;
        }
        if let Ok(pid) = i32::try_from(self.process.id())
            && let Some(pid) = Pid::from_raw(pid)
        {
            // An error means that it has ended by itself.
            let _ = kill_process(pid, self.stop_signal);
        }
        if !within(STOPPED_WITHIN, || self.exited().is_some()) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Looks until `happened`; `false` if it has not by then.
fn within(limit: Duration, mut happened: impl FnMut() -> bool) -> bool {
    let began = std::time::Instant::now();
    while !happened() {
        if began.elapsed() > limit {
            return false;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    true
}

fn failed_to(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> ServerError {
    let what = what.into();
    |source| ServerError::System { what, source }
}
