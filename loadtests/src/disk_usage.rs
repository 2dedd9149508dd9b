//! Space that a directory really occupies.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// `st_blocks` counts in this unit whatever the file system's block size (POSIX `stat`).
const STAT_BLOCK: u64 = 512;

/// Bytes allocated below `directory`. Files that vanish during the walk (a database's temporary files) count 0.
pub fn allocated_bytes(directory: &Path) -> io::Result<u64> {
    let mut total = 0;
    let mut pending = vec![directory.to_owned()];
    while let Some(current) = pending.pop() {
        for entry in tolerate_vanished(fs::read_dir(&current))?.into_iter().flatten() {
            let entry = entry?;
            let Some(metadata) = tolerate_vanished(entry.metadata())? else { continue };
            total += metadata.blocks() * STAT_BLOCK;
            if metadata.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    Ok(total)
}

fn tolerate_vanished<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_nested_directories_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let empty = allocated_bytes(directory.path()).unwrap();
        let nested = directory.path().join("a/b");
        fs::create_dir_all(&nested).unwrap();
        fs::write(nested.join("data"), vec![7; 300_000]).unwrap();
        fs::File::open(nested.join("data")).unwrap().sync_all().unwrap();
        let grown = allocated_bytes(directory.path()).unwrap() - empty;
        assert!((300_000..400_000).contains(&grown), "{grown}");
    }
}
