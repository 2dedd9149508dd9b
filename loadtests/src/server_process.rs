//! A trace server as a child process on free loopback ports: start, wait until ready, stop.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use ureq::Agent;

use crate::otlp_client::{Endpoint, plain_agent};
use crate::process_usage::{PeakMemory, Usage, usage_of_tree};

/// The reference needs several seconds on a warm disk; a cold one may take ten times that.
const READY_LIMIT: Duration = Duration::from_mins(2);
/// Between two looks at the readiness route; also the resolution of the start-up time.
const READY_POLL: Duration = Duration::from_millis(5);
/// Time to drain after SIGTERM; orchestrators usually allow 30 seconds.
const STOP_LIMIT: Duration = Duration::from_mins(1);
const STOP_POLL: Duration = Duration::from_millis(10);
/// As much of a failed server's log as fits a screen.
const LOG_TAIL_LINES: usize = 30;

/// Which server, and with it the names of its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    Bennu,
    Reference,
}

impl ServerKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bennu => "bennu",
            Self::Reference => "reference",
        }
    }

    fn setting(self, name: &str) -> String {
        match self {
            Self::Bennu => format!("BENNU_{name}"),
            Self::Reference => format!("PHOENIX_{name}"),
        }
    }
}

/// A running server. It is killed when dropped without [`ServerProcess::stop`].
pub struct ServerProcess {
    child: Child,
    base_url: String,
    grpc_port: u16,
    start_to_ready: Duration,
}

impl ServerProcess {
    /// Runs `program serve` with its data in `directory/data` and its output in `directory/<name>.log`, and
    /// returns once it is ready. Starting again with the same directory finds the data of the last run.
    pub fn start(kind: ServerKind, program: &Path, directory: &Path) -> Result<Self> {
        Self::start_with(kind, program, directory, &[])
    }

    /// The same with settings, by their names without the prefix.
    pub fn start_with(
        kind: ServerKind,
        program: &Path,
        directory: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let data = data_directory(directory);
        fs::create_dir_all(&data)?;
        let log = directory.join(format!("{}.log", kind.name()));
        let output = File::create(&log)?;
        let (port, grpc_port) = (free_port()?, free_port()?);
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if [ServerKind::Bennu, ServerKind::Reference]
                .iter()
                .any(|kind| name.to_string_lossy().starts_with(&kind.setting("")))
            {
                command.env_remove(name); // both sides run on their defaults
            }
        }
        command
            .arg("serve")
            .envs(settings.iter().map(|(name, value)| (kind.setting(name), value)))
            .env(kind.setting("HOST"), "127.0.0.1")
            .env(kind.setting("PORT"), port.to_string())
            .env(kind.setting("GRPC_PORT"), grpc_port.to_string())
            .env(kind.setting("WORKING_DIR"), fs::canonicalize(&data)?)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        if kind == ServerKind::Reference {
            command.env(kind.setting("TELEMETRY_ENABLED"), "false");
        }
        let begin = Instant::now();
        let child = command.spawn().with_context(|| format!("could not start {}", program.display()))?;
        let base_url = format!("http://127.0.0.1:{port}");
        let mut server = Self { child, base_url, grpc_port, start_to_ready: Duration::ZERO };
        server
            .wait_until_ready(begin)
            .with_context(|| format!("{} did not become ready:\n{}", program.display(), tail(&log)))?;
        server.start_to_ready = begin.elapsed();
        Ok(server)
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint { base_url: self.base_url.clone(), api_key: None }
    }

    pub fn grpc_port(&self) -> u16 {
        self.grpc_port
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// From `exec` until the readiness route first answered 200.
    pub fn start_to_ready(&self) -> Duration {
        self.start_to_ready
    }

    pub fn usage(&self) -> Result<Usage> {
        usage_of_tree(self.pid())
    }

    pub fn watch_memory(&self) -> PeakMemory {
        PeakMemory::watch(self.pid())
    }

    /// SIGTERM, then waits for the exit. An error when the server does not go within a minute.
    pub fn stop(mut self) -> Result<ExitStatus> {
        let pid =
            i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("the process id is no pid")?;
        kill_process(pid, Signal::TERM)?;
        let begin = Instant::now();
        while begin.elapsed() < STOP_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(STOP_POLL);
        }
        bail!("the server was still running {} s after SIGTERM", STOP_LIMIT.as_secs())
    }

    /// SIGKILL: the server gets no chance to save anything.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn wait_until_ready(&mut self, begin: Instant) -> Result<()> {
        let agent = plain_agent();
        while begin.elapsed() < READY_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            match answer(&agent, &format!("{}/readyz", self.base_url)) {
                Some(200) => return Ok(()),
                Some(404) if answer(&agent, &format!("{}/healthz", self.base_url)) == Some(200) => {
                    return Ok(());
                }
                _ => thread::sleep(READY_POLL),
            }
        }
        bail!("no answer within {} s", READY_LIMIT.as_secs())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Nothing better can be done about a child that cannot be killed.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Where a server started in `directory` keeps its data.
pub fn data_directory(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn answer(agent: &Agent, url: &str) -> Option<u16> {
    agent.get(url).call().ok().map(|response| response.status().as_u16())
}

/// The kernel picks a free port. Another process may take it before the server does; the start then fails.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_server_that_ends_at_once_is_an_error_with_its_last_words() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("broken");
        fs::write(&program, "#!/bin/sh\necho \"$1: no such table in $BENNU_WORKING_DIR\" >&2\nexit 3\n")
            .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();

        let error = ServerProcess::start(ServerKind::Bennu, &program, directory.path()).err().unwrap();

        let text = format!("{error:#}");
        let data = fs::canonicalize(data_directory(directory.path())).unwrap();
        assert!(text.contains(&format!("serve: no such table in {}", data.display())), "{text}");
        assert!(text.contains("exit status: 3"), "{text}");
    }
}
