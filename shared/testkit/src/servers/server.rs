//! One running server: how it is started, stopped, and started again.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

/// Starting takes seconds; a loaded machine gets much longer before the test run gives up.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// A server that is asked to stop and has not by then is killed; its data is worth nothing.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// The children of a server that was killed hold on to what was its own until they notice; whoever starts it tries again.
const STARTS_TRIED: usize = 20;
const BETWEEN_STARTS: Duration = Duration::from_millis(250);
/// A greeting comes at once or not at all.
const GREETED_WITHIN: Duration = Duration::from_secs(1);
/// Another process may take a port between our choice of it and the start.
const PORTS_TRIED: usize = 3;
/// Bytes of a failed server's output in the error.
const OUTPUT_SHOWN: usize = 2_000;

/// A server in a directory of its own. It ends, and its directory goes, when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// What tests find it by: environment variables and their values.
    pub variables: Vec<(&'static str, String)>,
    process: Child,
    recipe: Recipe,
}

/// How a server is run; its output is added to `log` in the directory.
#[derive(Debug)]
pub(super) struct Recipe {
    pub name: &'static str,
    pub command: Command,
    pub stop_signal: Signal,
    pub port: u16,
    pub greeting: Greeting,
    /// Its data.
    pub directory: TempDir,
    /// A process that has to run beside it.
    pub _companion: Option<Companion>,
}

/// How a client sees that a server is ready: what to send, and how the answer begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Greeting {
    pub send: &'static [u8],
    pub answer: &'static [u8],
}

/// Why a server cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(
        "{program} is not installed; it is part of the Debian package {package} (apt-get install {package})"
    )]
    NotInstalled { program: &'static str, package: &'static str },
    #[error("{program} is not built (cargo build --workspace --bins)")]
    NotBuilt { program: &'static str },
    #[error("{what}: {source}")]
    System { what: String, source: std::io::Error },
    #[error("{what}; its output ends:\n{output}")]
    Failed { what: String, output: String },
}

impl Server {
    /// Runs the recipe, and answers when the server is ready.
    pub(super) fn run(
        mut recipe: Recipe,
        variables: Vec<(&'static str, String)>,
    ) -> Result<Self, ServerError> {
        let process = recipe.spawn()?;
        let mut server = Self { variables, process, recipe };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Of its main process; those that it starts are below it.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Stops it in good order; its data stays.
    pub fn stop(&mut self) {
        if self.exited().is_some() {
            return;
        }
        // An error means that it has ended by itself.
        let _ = self.pid().map(|pid| kill_process(pid, self.recipe.stop_signal));
        if !within(STOPPED_WITHIN, || self.exited().is_some()) {
            self.kill();
        }
    }

    /// SIGKILL: no chance to save anything.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Lets it stand still, as on an overloaded machine, until [`Self::thaw`].
    pub fn freeze(&self) {
        let _ = self.pid().map(|pid| kill_process_group(pid, Signal::STOP));
    }

    pub fn thaw(&self) {
        let _ = self.pid().map(|pid| kill_process_group(pid, Signal::CONT));
    }

    /// Starts it again after a stop or a kill, on the same port with the data it had.
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        self.stop();
        let mut started = self.spawn_again();
        for _ in 1..STARTS_TRIED {
            if started.is_ok() {
                break;
            }
            std::thread::sleep(BETWEEN_STARTS);
            started = self.spawn_again();
        }
        started
    }

    fn spawn_again(&mut self) -> Result<(), ServerError> {
        self.process = self.recipe.spawn()?;
        self.wait_until_ready()
    }

    /// A program that finds the server as it finds itself: same environment, same directory.
    pub(super) fn tool(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let variables = self.recipe.command.get_envs();
        command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.recipe.directory.path());
        command
    }

    fn wait_until_ready(&mut self) -> Result<(), ServerError> {
        let (port, greeting) = (self.recipe.port, self.recipe.greeting);
        let settled = within(READY_WITHIN, || self.exited().is_some() || greeting.is_answered(port));
        if settled && self.exited().is_none() {
            return Ok(());
        }
        Err(self.recipe.failed())
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.process.id()).ok()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.exited().is_none() {
            self.thaw();
        }
        self.stop();
    }
}

impl Recipe {
    fn spawn(&mut self) -> Result<Child, ServerError> {
        let making = || failed_to(format!("making the log of {}", self.name));
        let log = self.directory.path().join("log");
        let output = File::options().create(true).append(true).open(log).map_err(making())?;
        let errors = output.try_clone().map_err(making())?;
        self.command.stdin(Stdio::null()).stdout(output).stderr(errors);
        self.command.spawn().map_err(failed_to(format!("starting {}", self.name)))
    }

    fn failed(&self) -> ServerError {
        let output = fs::read(self.directory.path().join("log")).unwrap_or_default();
        let what = format!("{} does not start on port {}", self.name, self.port);
        ServerError::Failed { what, output: tail(&output) }
    }
}

impl Greeting {
    fn is_answered(self, port: u16) -> bool {
        let greet = || {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_read_timeout(Some(GREETED_WITHIN))?;
            stream.write_all(self.send)?;
            let mut answer = vec![0; self.answer.len()];
            stream.read_exact(&mut answer)?;
            Ok::<_, std::io::Error>(answer == self.answer)
        };
        greet().unwrap_or(false)
    }
}

/// A process that ends with the server it belongs to.
#[derive(Debug)]
pub(super) struct Companion(Child);

impl Companion {
    pub fn run(mut command: Command, name: &str) -> Result<Self, ServerError> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Self).map_err(failed_to(format!("starting {name}")))
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server on free ports, on others when those were taken meanwhile.
pub(super) fn on_free_ports<const COUNT: usize>(
    start: impl Fn([u16; COUNT]) -> Result<Server, ServerError>,
) -> Result<Server, ServerError> {
    let mut started = start(free_ports()?);
    for _ in 1..PORTS_TRIED {
        let Err(ServerError::Failed { .. }) = started else { break };
        started = start(free_ports()?);
    }
    started
}

/// Held together until all are found, so that they differ.
fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT], ServerError> {
    let finding = || failed_to("finding a free port");
    let mut listeners = Vec::with_capacity(COUNT);
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(finding())?;
        *port = listener.local_addr().map_err(finding())?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// Looks until `happened`; `false` if it has not by then.
fn within(limit: Duration, mut happened: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !happened() {
        if began.elapsed() > limit {
            return false;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    true
}

pub(super) fn failed_to(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> ServerError {
    let what = what.into();
    |source| ServerError::System { what, source }
}

pub(super) fn tail(output: &[u8]) -> String {
    let shown = &output[output.len().saturating_sub(OUTPUT_SHOWN)..];
    String::from_utf8_lossy(shown).trim().to_owned()
}
