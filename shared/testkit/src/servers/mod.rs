//! Servers for a test run: each is started empty in a temporary directory on a free loopback port, and
//! thrown away afterwards.
//!
//! One module a server, all of one shape: `start()` answers a [`Server`] that is ready, and tests find it through the
//! environment variables it brings. To add one, write its module and name it in [`Kind`].

mod certificate;
mod debian;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
pub mod s3;
mod server;
mod stack;

pub use server::{Server, ServerError};
pub use stack::Stack;

/// The servers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    RabbitMq,
    Redis,
    S3,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Postgres, Self::RabbitMq, Self::Redis, Self::S3];

    /// As on the command line of `with-servers`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::RabbitMq => "rabbitmq",
            Self::Redis => "redis",
            Self::S3 => "s3",
        }
    }

    pub fn start(self) -> Result<Server, ServerError> {
        match self {
            Self::Postgres => postgres::start(),
            Self::RabbitMq => rabbitmq::start(),
            Self::Redis => redis::start(),
            Self::S3 => s3::start(),
        }
    }
}

/// Starts servers side by side, as some take seconds; when one fails, the others are stopped.
pub fn start(kinds: &[Kind]) -> Result<Vec<Server>, ServerError> {
    std::thread::scope(|scope| {
        let starting: Vec<_> = kinds.iter().map(|kind| scope.spawn(|| kind.start())).collect();
        let started: Vec<_> = starting.into_iter().map(|start| start.join().expect("no panic")).collect();
        started.into_iter().collect()
    })
}
