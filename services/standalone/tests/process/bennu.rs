//! `bennu serve` as a child process. The kernel chooses its ports, and it says itself when it is ready: nothing here polls or
//! guesses.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bennu_loadtests::process_usage::usage_of_tree;
use rustix::process::{Pid, Signal, kill_process};

/// The promise is a second; the rest is room for a debug build on a busy machine.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// The promise is five seconds, which a test of its own checks.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const STOP_POLL: Duration = Duration::from_millis(5);

const PROGRAM: &str = env!("CARGO_BIN_EXE_bennu");

/// A running server; killed when dropped.
pub struct Bennu {
    child: Child,
    /// `http://127.0.0.1:<port>` and the root path.
    pub url: String,
    pub grpc_port: u16,
}

impl Bennu {
    /// Runs with its data in `directory` on ports of the system's choice; `settings` come on top. A second start in the
    /// directory finds the data of the first.
    pub fn start(directory: &Path, settings: &[(&str, &str)]) -> Self {
        Self::announced(spawn(command(directory, settings)))
    }

    /// Runs with these settings alone; what they do not say is as the program has it. Its home is `directory`.
    pub fn start_bare(directory: &Path, settings: &[(&str, &str)]) -> Self {
        Self::announced(spawn(bare_command(directory, settings)))
    }

    /// Starts like [`Bennu::start`], but does not wait.
    pub fn spawn(directory: &Path, settings: &[(&str, &str)]) -> Starting {
        Starting(spawn(command(directory, settings)))
    }

    fn announced(mut child: Child) -> Self {
        let lines = follow(child.stdout.take().unwrap());
        let begin = Instant::now();
        let mut announced = |label: &str| loop {
            match lines.recv_timeout(READY_LIMIT.saturating_sub(begin.elapsed())) {
                Ok(line) => {
                    if let Some(value) = line.trim().strip_prefix(label) {
                        break value.trim().to_owned();
                    }
                }
                Err(error) => panic!("no line {label:?}: {error}; the server: {:?}", child.try_wait()),
            }
        };
        let traces = announced("OTLP HTTP");
        let grpc = announced("OTLP gRPC");
        let url = traces.strip_suffix("/v1/traces").unwrap().replace("localhost", "127.0.0.1");
        let grpc_port = grpc.rsplit_once(':').unwrap().1.parse().unwrap();
        Self { child, url, grpc_port }
    }

    /// An address below the server's: `at("/healthz")`.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Highest resident memory so far, in bytes (`VmHWM`).
    pub fn peak_memory(&self) -> u64 {
        usage_of_tree(self.child.id()).unwrap().high_water
    }

    /// SIGKILL: no chance to save anything.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(9), "it ended before it was killed");
    }

    /// SIGTERM; answers how it ended and how long that took.
    pub fn terminate(mut self) -> (ExitStatus, Duration) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        let begin = Instant::now();
        kill_process(pid, Signal::TERM).unwrap();
        while begin.elapsed() < STOP_LIMIT {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, begin.elapsed());
            }
            thread::sleep(STOP_POLL);
        }
        panic!("it still runs {STOP_LIMIT:?} after SIGTERM");
    }

    /// Ends in good order.
    pub fn stop(self) {
        let (status, _) = self.terminate();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Bennu {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A server that nobody has heard from yet; killed when dropped.
pub struct Starting(Child);

impl Drop for Starting {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// What a command of the program prints, such as `settings`.
pub fn printed(command: &str) -> String {
    let output = Command::new(PROGRAM).arg(command).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Exit code and output of another command than `serve`, on the data in `directory`.
pub fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(directory, &[]).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// One at a time: two tests under full load on one machine would measure each other.
pub fn whole_machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn command(directory: &Path, settings: &[(&str, &str)]) -> Command {
    let data = directory.to_str().unwrap();
    let mut own = vec![
        ("BENNU_HOST", "127.0.0.1"),
        ("BENNU_PORT", "0"),
        ("BENNU_GRPC_PORT", "0"),
        ("BENNU_WORKING_DIR", data),
        ("BENNU_LOG", "warn"),
    ];
    own.extend(settings);
    bare_command(directory, &own)
}

fn bare_command(directory: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars_os() {
        if ["BENNU_", "PHOENIX_", "AWS_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.env("HOME", directory).envs(settings.iter().copied()).current_dir(directory);
    command
}

fn spawn(mut command: Command) -> Child {
    // Its log goes where the test's own output goes: nothing to follow, and there when a test fails.
    command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Lines as they come. Goes on reading when nobody listens any more, so that the server never waits for its reader.
fn follow(output: ChildStdout) -> Receiver<String> {
    let (lines, listener) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
    listener
}

/// Nothing better can be done about a child that cannot be killed.
fn end(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        let _ = child.kill();
        let _ = child.wait();
    }
}
