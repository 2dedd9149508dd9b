//! Runs a command beside throw-away servers: `with-servers cargo test --workspace`, or beside some of them only:
//! `with-servers --only postgres,redis cargo test -p bennu-store`; or beside the whole distributed shape, with the services
//! built into the directory of this program and with settings for them: `with-servers --stack [--set NAME=VALUE]… COMMAND`.
//!
//! The command finds the servers through environment variables (see `bennu_testkit::servers`). Its exit code
//! becomes that of this program; a signal that ends this program is passed on to it first.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use bennu_testkit::servers::{self, Kind, Server, Stack};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// As long as container runtimes give a process between asking and killing.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// As shells report a command that could not be run, and faults of their own.
const NOT_RUN: u8 = 127;
const FAULT: u8 = 125;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments: VecDeque<OsString> = std::env::args_os().skip(1).collect();
    let wanted = match arguments.front().and_then(|option| option.to_str()) {
        Some("--only") => {
            arguments.pop_front();
            arguments.pop_front().and_then(|names| kinds(names.to_str()?)).map(Wanted::Servers)
        }
        Some("--stack") => {
            arguments.pop_front();
            settings(&mut arguments).map(Wanted::Stack)
        }
        _ => Some(Wanted::Servers(Kind::ALL.to_vec())),
    };
    let (Some(wanted), Some(program)) = (wanted, arguments.pop_front()) else {
        let names = Kind::ALL.map(Kind::name).join(",");
        eprintln!("usage: with-servers [--only {names} | --stack [--set NAME=VALUE]…] COMMAND [ARGUMENT]…");
        return ExitCode::from(FAULT);
    };
    match run(&wanted, program, arguments.into()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("with-servers: {error}");
            ExitCode::from(FAULT)
        }
    }
}

/// What is to run beside the command.
enum Wanted {
    Servers(Vec<Kind>),
    /// With settings for all services.
    Stack(Vec<(String, String)>),
}

/// What runs beside it; stops as it is dropped.
enum Running {
    Servers(Vec<Server>),
    Stack(Box<Stack>),
}

impl Running {
    fn start(wanted: &Wanted) -> Result<Self, Box<dyn std::error::Error>> {
        match wanted {
            Wanted::Servers(kinds) => Ok(Self::Servers(servers::start(kinds)?)),
            Wanted::Stack(settings) => {
                let program = std::env::current_exe()?;
                let programs = program.parent().ok_or("this program is in no directory")?;
                let settings: Vec<(&str, &str)> =
                    settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                Ok(Self::Stack(Box::new(Stack::start(programs, &settings)?)))
            }
        }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Servers(servers) => servers.iter().flat_map(|server| server.variables.clone()).collect(),
            Self::Stack(stack) => stack.variables(),
        }
    }
}

/// Takes the settings off the arguments; `None` if one has no value.
fn settings(arguments: &mut VecDeque<OsString>) -> Option<Vec<(String, String)>> {
    let mut settings = Vec::new();
    while arguments.front().is_some_and(|option| option == "--set") {
        arguments.pop_front();
        let setting = arguments.pop_front()?.into_string().ok()?;
        let (name, value) = setting.split_once('=')?;
        settings.push((name.to_owned(), value.to_owned()));
    }
    Some(settings)
}

/// Reads names separated by commas; `None` if one is unknown.
fn kinds(names: &str) -> Option<Vec<Kind>> {
    names.split(',').map(|name| Kind::ALL.into_iter().find(|kind| kind.name() == name)).collect()
}

async fn run(
    wanted: &Wanted,
    program: OsString,
    arguments: Vec<OsString>,
) -> Result<u8, Box<dyn std::error::Error>> {
    // Listened for from here on, so that a signal during the start is not lost, nor the servers behind it.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let running = Running::start(wanted)?;
    let mut command = match start(&program, &arguments, &running) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("with-servers: {}: {error}", program.display());
            return Ok(NOT_RUN);
        }
    };
    tokio::select! {
        status = command.wait() => Ok(exit_code(status?)),
        _ = interrupt.recv() => end(&mut command, Signal::INT).await,
        _ = terminate.recv() => end(&mut command, Signal::TERM).await,
        _ = hang_up.recv() => end(&mut command, Signal::HUP).await,
    }
    // The servers stop as they are dropped, on every way out.
}

fn start(program: &OsString, arguments: &[OsString], running: &Running) -> std::io::Result<Child> {
    Command::new(program).args(arguments).envs(running.variables()).kill_on_drop(true).spawn()
}

/// Passes a signal on to the command, and kills it if that does not end it.
async fn end(command: &mut Child, signal: Signal) -> Result<u8, Box<dyn std::error::Error>> {
    if let Some(pid) = command.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        kill_process(pid, signal)?;
    }
    if let Ok(status) = tokio::time::timeout(ENDS_WITHIN, command.wait()).await {
        return Ok(exit_code(status?));
    }
    command.kill().await?;
    Ok(exit_code(command.wait().await?))
}

/// The command's own code, or 128 and the number of the signal that ended it.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAULT)
}
