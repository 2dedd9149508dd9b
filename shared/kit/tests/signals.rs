//! Signals and log lines of a real process: this test binary, started again.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bennu_kit::config::Config;
use bennu_kit::lifecycle::Shutdown;
use bennu_kit::telemetry::init_logging;

/// Not a test of its own: the process that the test below starts.
#[actix_web::test]
#[ignore = "started by another test, as a process"]
async fn process_that_never_finishes() {
    let vars = [("HOME", "/home/kit"), ("BENNU_LOG_FORMAT", "json")];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    init_logging(&Config::from_vars(vars).unwrap()).unwrap();
    let shutdown = Shutdown::new();
    shutdown.listen_for_signals().unwrap();
    tracing::info!("listening");
    let endless = async {
        let code = shutdown.fired().await;
        tracing::info!(code, "fired");
        std::future::pending::<()>().await;
    };
    // A minute, in case nobody sends the signals.
    let _ = tokio::time::timeout(Duration::from_mins(1), endless).await;
}

/// Ends the process even if the test fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "process_that_never_finishes", "--nocapture"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

#[test]
fn the_first_signal_asks_to_end_and_the_second_ends_at_once() {
    let mut process = Process::start();
    let lines = BufReader::new(process.0.stderr.take().unwrap()).lines();
    let mut events = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());

    assert_eq!(events.next().unwrap()["message"], "listening");
    process.signal("TERM");
    let shutting_down = events.next().unwrap();
    assert_eq!(
        (&shutting_down["message"], &shutting_down["signal"]),
        (&"shutting down".into(), &"SIGTERM".into())
    );
    let fired = events.next().unwrap();
    assert_eq!((&fired["message"], &fired["code"]), (&"fired".into(), &0.into()));

    process.signal("INT");
    assert_eq!(process.0.wait().unwrap().code(), Some(130));
}
