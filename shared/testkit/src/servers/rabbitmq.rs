//! RabbitMQ: one node with the user guest, which may only connect over loopback.
//!
//! Erlang's port mapper is a daemon that outlives those who started it; so the node gets one of its own, as a child.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::debian::{ServerUser, find_program};
use super::server::{Companion, Greeting, Recipe, Server, ServerError, failed_to, on_free_ports};

/// Holds the URL of the server: `amqp://guest:guest@127.0.0.1:<port>`.
pub const URL_VARIABLE: &str = "BENNU_TEST_RABBITMQ_URL";

const PACKAGE: &str = "rabbitmq-server";
/// The wrapper in `/usr/sbin` insists on the user of Debian's own instance.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/// The protocol header, and the start of the frame that answers it (AMQP 0-9-1, section 4.2.2).
const GREETING: Greeting = Greeting { send: b"AMQP\x00\x00\x09\x01", answer: &[1, 0, 0] };

/// Two schedulers that do not spin while idle: tests share the machine with the broker.
const ERLANG: &str =
    "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}";

/// A new server, ready for connections.
pub fn start() -> Result<Server, ServerError> {
    on_free_ports(start_on)
}

fn start_on([port, distribution, mapper]: [u16; 3]) -> Result<Server, ServerError> {
    let epmd = find_program("epmd", "erlang-base")?;
    if !Path::new(PROGRAM).is_file() {
        return Err(ServerError::NotInstalled { program: PROGRAM, package: PACKAGE });
    }
    let user = ServerUser::choose()?;
    let directory = tempfile::tempdir().map_err(failed_to("making a directory for RabbitMQ"))?;
    user.give(directory.path())?;
    let mut port_mapper = user.command(&epmd, directory.path());
    port_mapper.args(["-port", &mapper.to_string(), "-address", "127.0.0.1"]);
    let companion = Companion::run(port_mapper, "epmd")?;

    fs::write(directory.path().join("rabbitmq.conf"), "").map_err(failed_to("configuring RabbitMQ"))?;
    let mut command = user.command(Path::new(PROGRAM), directory.path());
    keep_inside(&mut command, directory.path());
    command
        .env("RABBITMQ_NODENAME", format!("bennu-{port}@localhost"))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env("ERL_EPMD_PORT", mapper.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG)
        // Its script then becomes the server instead of waiting for it, so that signals reach the server.
        .env("RUNNING_UNDER_SYSTEMD", "1");
    let recipe = Recipe {
        name: "RabbitMQ",
        command,
        stop_signal: Signal::TERM,
        port,
        greeting: GREETING,
        directory,
        _companion: Some(companion),
    };
    Server::run(recipe, vec![(URL_VARIABLE, format!("amqp://guest:guest@127.0.0.1:{port}"))])
}

/// Runs `rabbitmqctl` on a server that [`start`] made.
///
/// # Panics
/// When it fails.
pub fn control(server: &Server, arguments: &[&str]) {
    let done = server.tool(Path::new(CONTROL)).args(arguments).output().expect("rabbitmqctl");
    assert!(done.status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Nothing outside `directory` is read or written.
fn keep_inside(command: &mut Command, directory: &Path) {
    let places = [
        ("HOME", ""),
        ("RABBITMQ_MNESIA_BASE", "data"),
        ("RABBITMQ_LOG_BASE", "logs"),
        ("RABBITMQ_CONFIG_FILE", "rabbitmq"),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced.config"),
        ("RABBITMQ_GENERATED_CONFIG_DIR", "generated"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
        ("RABBITMQ_PID_FILE", "pid"),
        ("RABBITMQ_CONF_ENV_FILE", "environment"),
    ];
    command.envs(places.map(|(variable, place)| (variable, directory.join(place))));
    command.env("RABBITMQ_LOGS", "-"); // to its output
}
