//! The distributed shape on one machine: the servers, Bennu's services beside them, and the gateway before them.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::debian::{ServerUser, find_program};
use super::server::{Greeting, Recipe, Server, ServerError, failed_to, on_free_ports};
use super::{postgres, rabbitmq, redis, s3};

/// Hold the addresses of the gateway: `http://127.0.0.1:<port>` and `127.0.0.1:<port>`.
pub const URL_VARIABLE: &str = "BENNU_TEST_URL";
pub const GRPC_VARIABLE: &str = "BENNU_TEST_GRPC";

/// Says to the client suites that what is acknowledged can be read a moment later only: `distributed`.
pub const TARGET_VARIABLE: &str = "BENNU_TEST_TARGET";

/// The gateway as it is shipped.
const GATEWAY: &str = include_str!("../../../../deploy/gateway/bennu.conf.template");

const READY: Greeting = Greeting { send: b"GET /readyz HTTP/1.0\r\n\r\n", answer: b"HTTP/1.0 200" };
/// Any answer will do: what is behind it has been ready before.
const OPEN: Greeting =
    Greeting { send: b"GET /healthz HTTP/1.0\r\nhost: gateway\r\n\r\n", answer: b"HTTP/1.1 200" };

/// Secrets that no other service needs.
const KNOWN_TO_AUTH: [&str; 3] =
    ["BENNU_SECRET", "BENNU_ADMIN_SECRET", "BENNU_DEFAULT_ADMIN_INITIAL_PASSWORD"];

/// Everything, running. Each part can be stopped, killed and started again on its own.
#[derive(Debug)]
pub struct Stack {
    pub gateway: Server,
    pub query: Server,
    pub auth: Server,
    pub annotation_worker: Server,
    pub receiver: Server,
    pub writer: Server,
    pub s3: Server,
    pub redis: Server,
    pub rabbitmq: Server,
    pub postgres: Server,
    /// `http://127.0.0.1:<port>`
    pub url: String,
    pub grpc_port: u16,
    /// `postgres://…`, with the database.
    pub database: String,
}

impl Stack {
    /// Starts everything with the programs in a directory such as `target/debug`; `settings` reach all services.
    pub fn start(programs: &Path, settings: &[(&str, &str)]) -> Result<Self, ServerError> {
        Self::start_on(programs, settings, postgres::start)
    }

    /// The same on a Postgres that waits for its disk: for measuring.
    pub fn start_durable(programs: &Path, settings: &[(&str, &str)]) -> Result<Self, ServerError> {
        Self::start_on(programs, settings, postgres::start_durable)
    }

    fn start_on(
        programs: &Path,
        settings: &[(&str, &str)],
        postgres: fn() -> Result<Server, ServerError>,
    ) -> Result<Self, ServerError> {
        let (postgres, rabbitmq, redis, s3) = std::thread::scope(|scope| {
            let (postgres, rabbitmq) = (scope.spawn(postgres), scope.spawn(rabbitmq::start));
            let (redis, s3) = (redis::start(), s3::start());
            (postgres.join().expect("no panic"), rabbitmq.join().expect("no panic"), redis, s3)
        });
        let (postgres, rabbitmq, redis, s3) = (postgres?, rabbitmq?, redis?, s3?);
        let database = format!("{}/postgres", postgres.variables[0].1);
        let bucket_url = format!("s3://{}/stack", s3::BUCKET);
        let mut shared = vec![
            ("BENNU_DATABASE_URL", database.as_str()),
            ("BENNU_BROKER_URL", &rabbitmq.variables[0].1),
            ("BENNU_OBJECT_STORE_URL", &bucket_url),
            ("BENNU_S3_ENDPOINT", &s3.variables[0].1),
            ("BENNU_S3_ACCESS_KEY_ID", s3::ACCESS_KEY),
            ("BENNU_S3_SECRET_ACCESS_KEY", s3::SECRET_KEY),
            ("BENNU_S3_ALLOW_HTTP", "true"),
            ("BENNU_ANNOTATION_QUEUE_URL", &redis.variables[0].1),
            ("BENNU_QUOTA_URL", &redis.variables[0].1),
        ];
        shared.extend(settings);
        // It verifies credentials itself; the others ask it.
        let auth = service(programs, "bennu-auth", &shared)?;
        let auth_url = format!("http://{}", auth.variables[1].1);
        shared.retain(|(name, _)| !KNOWN_TO_AUTH.contains(name));
        shared.push(("BENNU_AUTH_URL", &auth_url));
        let with = |own: &[(&'static str, &'static str)]| [shared.as_slice(), own].concat();

        let writer = service(programs, "bennu-ingest", &with(&[("BENNU_INGEST_ROLES", "writer")]))?;
        let receiver = service(programs, "bennu-ingest", &with(&[("BENNU_INGEST_ROLES", "receiver")]))?;
        let query = service(programs, "bennu-query", &with(&[]))?;
        let annotation_worker = service(programs, "bennu-annotation-worker", &with(&[]))?;
        let gateway = gateway(&receiver, &query, &auth)?;
        let [(_, url), (_, grpc)] = gateway.variables.as_slice() else { unreachable!("see gateway()") };
        let grpc_port = grpc.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        Ok(Self {
            url: url.clone(),
            grpc_port,
            gateway,
            query,
            auth,
            annotation_worker,
            receiver,
            writer,
            s3,
            redis,
            rabbitmq,
            postgres,
            database,
        })
    }
}

impl Stack {
    /// What tests find it by.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.gateway.variables.clone();
        variables.push((TARGET_VARIABLE, "distributed".to_owned()));
        variables
    }
}

/// A service; its variables are the addresses of its ports.
fn service(programs: &Path, program: &'static str, settings: &[(&str, &str)]) -> Result<Server, ServerError> {
    let path = programs.join(program);
    if !path.is_file() {
        let what = format!("looking for {}", path.display());
        return Err(failed_to(what)(std::io::ErrorKind::NotFound.into()));
    }
    on_free_ports(|[http, grpc]| {
        let directory =
            tempfile::tempdir().map_err(failed_to(format!("making a directory for {program}")))?;
        let mut command = Command::new(&path);
        for (name, _) in std::env::vars_os() {
            if ["BENNU_", "PHOENIX_", "AWS_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix))
            {
                command.env_remove(name);
            }
        }
        command.arg("serve").current_dir(directory.path()).process_group(0);
        command.env("BENNU_HOST", "127.0.0.1").env("BENNU_LOG", "warn");
        command.env("BENNU_PORT", http.to_string()).env("BENNU_GRPC_PORT", grpc.to_string());
        command.env("BENNU_WORKING_DIR", directory.path()).envs(settings.iter().copied());
        let variables = vec![("http", format!("127.0.0.1:{http}")), ("grpc", format!("127.0.0.1:{grpc}"))];
        let recipe = Recipe {
            name: program,
            command,
            stop_signal: Signal::TERM,
            port: http,
            greeting: READY,
            directory,
            _companion: None,
        };
        Server::run(recipe, variables)
    })
}

/// Debian's nginx with the configuration that is shipped.
fn gateway(receiver: &Server, query: &Server, auth: &Server) -> Result<Server, ServerError> {
    // It is not in the PATH of ordinary users.
    let nginx = find_program("nginx", "nginx-light").or_else(|error| {
        let path = Path::new("/usr/sbin/nginx");
        if path.is_file() { Ok(path.to_owned()) } else { Err(error) }
    })?;
    let user = ServerUser::choose()?;
    on_free_ports(|[http, grpc]| {
        let directory = tempfile::tempdir().map_err(failed_to("making a directory for nginx"))?;
        user.give(directory.path())?;
        let (url, grpc_address) = (format!("http://127.0.0.1:{http}"), format!("127.0.0.1:{grpc}"));
        let servers = [
            ("${BENNU_INGEST}", receiver.variables[0].1.as_str()),
            ("${BENNU_INGEST_GRPC}", &receiver.variables[1].1),
            ("${BENNU_QUERY}", &query.variables[0].1),
            ("${BENNU_AUTH}", &auth.variables[0].1),
            ("${BENNU_GATEWAY_HTTP}", &format!("127.0.0.1:{http}")),
            ("${BENNU_GATEWAY_GRPC}", &grpc_address),
        ];
        let servers =
            servers.iter().fold(GATEWAY.to_owned(), |text, (name, value)| text.replace(name, value));
        let configuration = format!(
            "daemon off; worker_processes 2; pid pid; error_log stderr warn; events {{ worker_connections 1024; }}\n\
             http {{ access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; \
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n{servers}\n}}\n"
        );
        let file = directory.path().join("nginx.conf");
        fs::write(&file, configuration).map_err(failed_to("configuring nginx"))?;
        let mut command = user.command(&nginx, directory.path());
        command.arg("-p").arg(directory.path()).arg("-e").arg("stderr").arg("-c").arg(&file);
        let recipe = Recipe {
            name: "nginx",
            command,
            stop_signal: Signal::TERM,
            port: http,
            greeting: OPEN,
            directory,
            _companion: None,
        };
        Server::run(recipe, vec![(URL_VARIABLE, url), (GRPC_VARIABLE, grpc_address)])
    })
}
