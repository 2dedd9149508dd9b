//! Where the broker is.

use std::fmt;

use super::database_url::mask;

const EXPECTED: &str = "amqp://user:password@host:5672/virtual-host or amqps://…";

/// The URL of a RabbitMQ broker. `Debug` and `Display` mask user, password and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl(String);

impl BrokerUrl {
    /// Takes `amqp:` and `amqps:` URLs with a host; the error says what is expected.
    pub fn parse(value: &str) -> Result<Self, String> {
        let (scheme, rest) = value.split_once("://").ok_or(EXPECTED)?;
        let blank = |c: char| c.is_whitespace() || c.is_control();
        if !matches!(scheme, "amqp" | "amqps") || rest.is_empty() || rest.contains(blank) {
            return Err(EXPECTED.to_owned());
        }
        Ok(Self(value.to_owned()))
    }

    /// With the password.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerUrl({self})")
    }
}
