//! The connection to the Redis that all processes count in.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};

/// Connects, and connects again whenever the connection is lost. Answers are waited for no longer than this; neither is a
/// connection.
pub async fn connect(url: &str, patience: Duration) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience));
    ConnectionManager::new_with_config(Client::open(url)?, config).await
}
