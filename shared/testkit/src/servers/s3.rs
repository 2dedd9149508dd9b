//! S3: a small server of this workspace (see `shared/s3-server`) with one bucket, that checks every signature.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use super::server::{Greeting, Recipe, Server, ServerError, failed_to, on_free_ports};

/// Holds the address of the server: `http://127.0.0.1:<port>`.
pub const URL_VARIABLE: &str = "BENNU_TEST_S3_URL";

pub const BUCKET: &str = "bennu-test";
pub const ACCESS_KEY: &str = "test-access-key";
pub const SECRET_KEY: &str = "test-secret-key";

const PROGRAM: &str = "s3-server";

/// Any answer will do; it refuses who does not sign.
const GREETING: Greeting =
    Greeting { send: b"GET / HTTP/1.1\r\nhost: greeting\r\n\r\n", answer: b"HTTP/1.1 " };

/// A new server with an empty bucket.
pub fn start() -> Result<Server, ServerError> {
    let program = find()?;
    on_free_ports(|[port]| {
        let directory = tempfile::tempdir().map_err(failed_to("making a directory for S3"))?;
        let buckets = directory.path().join("buckets");
        fs::create_dir_all(buckets.join(BUCKET)).map_err(failed_to("making a bucket"))?;
        let mut command = Command::new(&program);
        command.current_dir(directory.path()).process_group(0);
        command.arg(buckets).arg(port.to_string()).args([ACCESS_KEY, SECRET_KEY]);
        let recipe = Recipe {
            name: "S3",
            command,
            stop_signal: Signal::TERM,
            port,
            greeting: GREETING,
            directory,
            _companion: None,
        };
        Server::run(recipe, vec![(URL_VARIABLE, format!("http://127.0.0.1:{port}"))])
    })
}

/// Cargo puts programs beside each other, and tests into a directory below them.
fn find() -> Result<PathBuf, ServerError> {
    let here = std::env::current_exe().map_err(failed_to("looking for this program"))?;
    let found = here.ancestors().skip(1).take(2).map(|directory| directory.join(PROGRAM));
    found.into_iter().find(|program| program.is_file()).ok_or(ServerError::NotBuilt { program: PROGRAM })
}
