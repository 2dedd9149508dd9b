//! Listening on a port, with an error that an operator can act on.

use std::io;
use std::net::TcpListener;

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {host}:{port}: {}", reason(source))]
pub struct BindError {
    host: String,
    port: u16,
    source: io::Error,
}

/// Listens on `host`, an address or a name; port 0 takes a free one.
pub fn bind(host: &str, port: u16) -> Result<TcpListener, BindError> {
    let listen = || {
        let listener = TcpListener::bind((host, port))?;
        // Async servers poll it.
        listener.set_nonblocking(true)?;
        // Accepted connections inherit it. Without it an answer in several pieces waits for the client's delayed
        // acknowledgement, 40 ms.
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        Ok(listener)
    };
    listen().map_err(|source| BindError { host: host.to_owned(), port, source })
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use by another process".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
        io::ErrorKind::PermissionDenied => "not permitted (ports below 1024 need a privilege)".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named() {
        let first = bind("127.0.0.1", 0).unwrap();
        let port = first.local_addr().unwrap().port();
        let error = bind("127.0.0.1", port).unwrap_err();
        let expected = format!("cannot listen on 127.0.0.1:{port}: the port is in use by another process");
        assert_eq!(error.to_string(), expected);
    }
}
