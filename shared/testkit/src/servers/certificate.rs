//! A certificate for a loopback server, by an authority that nobody knows; both are worth something for two days.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::debian::find_program;
use super::server::{ServerError, failed_to, tail};

/// PEM files.
pub struct Certificate {
    pub authority: PathBuf,
    pub chain: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// Writes the files into a directory.
    pub fn make(directory: &Path) -> Result<Self, ServerError> {
        let at = |name: &str| directory.join(name);
        let (authority, authority_key) = (at("authority.pem"), at("authority.key"));
        issue(&authority_key, &authority, &["-subj", "/CN=authority of a test"], None)?;
        let (certificate, key) = (at("server.pem"), at("server.key"));
        // An authority may not serve: the default of openssl would make one.
        let own = [
            "-subj",
            "/CN=loopback",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=CA:FALSE",
        ];
        issue(&key, &certificate, &own, Some((&authority, &authority_key)))?;
        Ok(Self { authority, chain: certificate, key })
    }
}

fn issue(
    key: &Path,
    certificate: &Path,
    about: &[&str],
    by: Option<(&Path, &Path)>,
) -> Result<(), ServerError> {
    let mut command = std::process::Command::new(find_program("openssl", "openssl")?);
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]);
    command.args(about).arg("-keyout").arg(key).arg("-out").arg(certificate);
    if let Some((authority, authority_key)) = by {
        command.arg("-CA").arg(authority).arg("-CAkey").arg(authority_key);
    }
    let done = command.stdin(Stdio::null()).output().map_err(failed_to("running openssl"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(ServerError::Failed { what: "openssl failed".to_owned(), output: tail(&done.stderr) })
}
