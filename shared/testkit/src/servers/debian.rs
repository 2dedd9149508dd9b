//! Servers as Debian packages them: where their programs are, and the user they run as.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::{ServerError, failed_to};

/// `program` in one of `PATH`.
pub fn find_program(program: &'static str, package: &'static str) -> Result<PathBuf, ServerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|directory| directory.join(program));
    programs.find(|program| program.is_file()).ok_or(ServerError::NotInstalled { program, package })
}

/// `program` in the newest of the versioned directories `<root>/<version>/bin`, or else in one of `PATH`.
pub fn find_newest_program(
    root: &str,
    program: &'static str,
    package: &'static str,
) -> Result<PathBuf, ServerError> {
    let versions = fs::read_dir(root).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin").join(program)))
        })
        .collect();
    versions.sort();
    let newest = versions.into_iter().rev().map(|(_, program)| program).find(|program| program.is_file());
    newest.map_or_else(|| find_program(program, package), Ok)
}

/// The user that servers run as: oneself, but `nobody` when that is root, as which Postgres refuses to run.
#[derive(Debug, Clone, Copy)]
pub struct ServerUser {
    nobody: Option<(u32, u32)>,
}

impl ServerUser {
    pub fn choose() -> Result<Self, ServerError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { nobody: None });
        }
        let users = fs::read_to_string("/etc/passwd").map_err(failed_to("reading /etc/passwd"))?;
        let nobody = users.lines().find_map(|line| {
            let mut fields = line.strip_prefix("nobody:")?.split(':').skip(1);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        });
        match nobody {
            Some(ids) => Ok(Self { nobody: Some(ids) }),
            None => Err(failed_to("looking for the user nobody")(std::io::ErrorKind::NotFound.into())),
        }
    }

    pub fn give(self, path: &Path) -> Result<(), ServerError> {
        let Some((user, group)) = self.nobody else { return Ok(()) };
        chown(path, Some(user), Some(group))
            .map_err(failed_to(format!("giving {} to nobody", path.display())))
    }

    /// A command that runs as this user inside `directory`, out of reach of a Ctrl-C meant for the tests.
    pub fn command(self, program: &Path, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(directory).process_group(0);
        if let Some((user, group)) = self.nobody {
            command.uid(user).gid(group);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_found_and_a_missing_program_names_its_package() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "current"] {
            let directory = root.path().join(version).join("bin");
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("served"), "").unwrap();
        }
        let found = find_newest_program(root.path().to_str().unwrap(), "served", "a-package").unwrap();
        assert_eq!(found, root.path().join("15/bin/served"));
        let error = find_newest_program("/nonexistent", "no-such-program", "a-package").unwrap_err();
        assert!(error.to_string().contains("apt-get install a-package"), "{error}");
    }
}
