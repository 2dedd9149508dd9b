//! Logging in with a directory (LDAP, RFC 4511): it finds the person, and checks the password.

mod directory;
mod entry;
mod filter;
mod log_in;
mod roles;
mod tls;

pub use directory::LdapDirectory;
pub use log_in::{ApiDoc, log_in_with_directory, routes};
