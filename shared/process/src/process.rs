//! The life of a process, from its configuration to its exit code.

use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use actix::System;
use actix_web::web::ServiceConfig;
use bennu_archive::Archive;
use bennu_kit::config::{Config, ConfigError, LogFormat};
use bennu_kit::http::{self, Access, Frame};
use bennu_kit::lifecycle::{Readiness, Shutdown};
use bennu_kit::telemetry::{Metrics, init_logging};
use bennu_store::Store;
use tokio::task::JoinHandle;

/// Threads for gRPC and background work; the HTTP server brings its own.
const RUNTIME_THREADS: usize = 2;

/// What is left of the shutdown time for writers and the database, once the servers have had theirs.
const CLOSING_TIME: Duration = Duration::from_secs(1);

/// What is left of it for the process itself to go, once everything else has had its time.
const EXIT_TIME: Duration = Duration::from_millis(250);

/// Between looks at what the process depends on: often enough for a load balancer that asks `/readyz` every few seconds.
const WATCH_PERIOD: Duration = Duration::from_secs(2);

/// What every part of a process shares.
pub struct Process {
    pub config: Config,
    pub shutdown: Shutdown,
    pub readiness: Readiness,
    pub metrics: Metrics,
    deadline: JoinHandle<()>,
}

/// The whole of `main` but for its arguments. A failure to start is one line, so that it is read, and exit code 1.
pub fn run(
    program: &str,
    config: Result<Config, ConfigError>,
    serve: impl AsyncFnOnce(Process) -> anyhow::Result<()>,
) -> ExitCode {
    match config.map_err(anyhow::Error::from).and_then(|config| start(config, serve)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{program}: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn start(config: Config, serve: impl AsyncFnOnce(Process) -> anyhow::Result<()>) -> anyhow::Result<u8> {
    init_logging(&config)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build()?;
    System::with_tokio_rt(|| runtime).block_on(async {
        let process = Process::begin(config)?;
        let shutdown = process.shutdown.clone();
        serve(process).await?;
        tracing::info!("stopped");
        Ok(shutdown.exit_code())
    })
}

impl Process {
    fn begin(config: Config) -> anyhow::Result<Self> {
        let shutdown = Shutdown::new();
        shutdown.listen_for_signals()?;
        let grace = config.shutdown_grace.saturating_sub(EXIT_TIME);
        let deadline = tokio::spawn(grace_is_over(shutdown.clone(), grace));
        Ok(Self { config, shutdown, readiness: Readiness::new(), metrics: Metrics::new()?, deadline })
    }

    /// Says that the program is ready and where it listens, for people; machines read the log.
    pub fn announce(&self, title: &str, places: &[(&str, String)]) {
        tracing::info!(?places, "ready");
        if self.config.log_format == LogFormat::Text {
            println!("{title} {} is ready", env!("CARGO_PKG_VERSION"));
            for (label, place) in places {
                println!("  {label:<10} {place}");
            }
            println!("  Ctrl-C ends it");
        }
    }

    /// Serves HTTP until a signal, to those whom `access` lets in.
    pub async fn serve_http(
        &self,
        listener: TcpListener,
        access: Access,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> std::io::Result<()> {
        let frame =
            Frame::new(self.config.root_path.clone(), access, self.metrics.clone(), self.readiness.clone())
                .allowing_origins(&self.config.auth.allowed_origins);
        let grace = self.config.shutdown_grace.saturating_sub(CLOSING_TIME);
        http::serve(listener, frame, routes, self.shutdown.clone(), grace).await
    }

    /// Has `/readyz` say whether something answers that the process cannot do without; it does as this is called.
    pub fn watch<F, E>(&self, name: &'static str, probe: impl Fn() -> F + Send + 'static) -> JoinHandle<()>
    where
        F: Future<Output = Result<(), E>> + Send,
        E: std::fmt::Display,
    {
        let (check, shutdown) = (self.readiness.check(name), self.shutdown.clone());
        check.ready();
        tokio::spawn(async move {
            while !shutdown.is_fired() {
                match probe().await {
                    Ok(()) => check.ready(),
                    Err(error) => check.missing(error.to_string()),
                }
                tokio::select! {
                    _ = shutdown.fired() => {}
                    () = tokio::time::sleep(WATCH_PERIOD) => {}
                }
            }
        })
    }

    /// Has `/readyz` say whether the database answers.
    pub fn watch_store(&self, store: &Store) -> JoinHandle<()> {
        let store = store.clone();
        self.watch("database", move || {
            let store = store.clone();
            async move { store.ping().await }
        })
    }

    /// Has `/readyz` say whether the object store answers.
    pub fn watch_archive(&self, archive: &Archive) -> JoinHandle<()> {
        let archive = archive.clone();
        self.watch("objects", move || {
            let archive = archive.clone();
            async move { archive.ping().await }
        })
    }

    /// Ends the rest in the time that is left after the signal.
    pub async fn end(self, ending: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        tokio::select! {
            ended = ending => ended,
            // Nothing acknowledged is lost: what is not stored was not acknowledged.
            _ = self.deadline => {
                tracing::warn!("work in hand was not finished in time");
                Ok(())
            }
        }
    }
}

/// Waits until the time after the signal is over.
async fn grace_is_over(shutdown: Shutdown, grace: Duration) {
    shutdown.fired().await;
    tokio::time::sleep(grace).await;
}
