//! Secrets from files, as container platforms mount them: `BENNU_DATABASE_URL_FILE=/run/secrets/database_url`.

use std::fs::File;
use std::io::Read as _;

use super::settings::{SETTINGS, Setting, Shown};
use super::variables::ConfigError;

/// What the name of the variable ends with.
const SUFFIX: &str = "_FILE";
/// Longer than any URL or key; the wrong file may be one without end.
const MOST_BYTES: u64 = 64 * 1024;

/// The setting whose value is in the file that a variable of this name names: any that can hold a secret has one.
pub(super) fn setting_of(name: &str) -> Option<&'static Setting> {
    let name = without_suffix(name)?;
    SETTINGS.iter().find(|setting| setting.name == name && setting.shown != Shown::Plain)
}

/// The name of the setting itself.
pub(super) fn without_suffix(name: &str) -> Option<&str> {
    name.strip_suffix(SUFFIX)
}

/// What the file holds, without the white space around it.
pub(super) fn read(variable: &str, path: &str) -> Result<String, ConfigError> {
    let refused = |expected: String| {
        let (name, value) = (variable.to_owned(), Shown::Plain.show(path));
        Err(ConfigError::Invalid { name, value, expected })
    };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    match (read, text.trim()) {
        (Err(error), _) => refused(format!("a file that can be read ({error})")),
        (Ok(_), "") => refused("a file with a value in it".to_owned()),
        (Ok(_), _) if text.len() as u64 > MOST_BYTES => {
            refused(format!("a file of at most {MOST_BYTES} bytes"))
        }
        (Ok(_), value) => Ok(value.to_owned()),
    }
}
