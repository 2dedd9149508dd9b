//! The given variables, matched with the table: aliases, defaults, misspelt names, and the error that names them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::database_url::mask;
use super::provider_names;
use super::secret_file;
use super::settings::{SETTINGS, Setting, Shown};

/// One line that says which variable is wrong and what is expected; never shows a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{name}: unknown setting{}", suggestion.map(|s| format!(", did you mean {s}?")).unwrap_or_default())]
    Unknown { name: String, suggestion: Option<&'static str> },
    #[error("{name}={value}: expected {expected}")]
    Invalid { name: String, value: String, expected: String },
    #[error("{name}: not set, expected {expected}")]
    Missing { name: &'static str, expected: String },
}

/// Values by the name of their setting.
#[derive(Default)]
pub(super) struct Variables {
    given: BTreeMap<&'static str, Given>,
    /// The same of each identity provider.
    of_providers: BTreeMap<String, BTreeMap<&'static str, Given>>,
    working_dir: String,
    home: Option<String>,
}

#[derive(Clone)]
struct Given {
    /// The name or alias under which it came, and the place of that among the names of the setting, from 0.
    name: String,
    rank: usize,
    value: String,
}

impl Variables {
    /// Sorts the variables out. A `BENNU_*` name that is not in the table is an error.
    pub(super) fn collect(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut all = Self::default();
        let mut files = Vec::new();
        for (name, value) in vars {
            let value = value.trim().to_owned();
            if name == "HOME" && !value.is_empty() {
                all.home = Some(value);
                continue;
            }
            if is_service_link(&name, &value) {
                continue;
            }
            match SETTINGS.iter().find(|s| s.name == name || s.aliases.contains(&name.as_str())) {
                Some(setting) => all.give(setting, name, value),
                None => match secret_file::setting_of(&name) {
                    Some(setting) => files.push((setting, name, value)),
                    None if all.take_of_provider(&name, &value)? => {}
                    None if name.starts_with("BENNU_") => {
                        return Err(ConfigError::Unknown { suggestion: nearest(&name), name });
                    }
                    None => {}
                },
            }
        }
        all.read_files(files)?;
        Ok(all)
    }

    /// A file beside a value is a mistake: nobody could tell which of them is meant.
    fn read_files(&mut self, files: Vec<(&'static Setting, String, String)>) -> Result<(), ConfigError> {
        for (setting, name, path) in files.into_iter().filter(|(.., path)| !path.is_empty()) {
            if let Some(given) = self.given.get(setting.name) {
                let expected = format!("no file, as {} is set", given.name);
                return Err(ConfigError::Invalid { name, value: Shown::Plain.show(&path), expected });
            }
            let value = secret_file::read(&name, &path)?;
            self.give(setting, name, value);
        }
        Ok(())
    }

    /// `false` if the variable is not one of an identity provider.
    fn take_of_provider(&mut self, name: &str, value: &str) -> Result<bool, ConfigError> {
        let of_file = || {
            let found = provider_names::read(secret_file::without_suffix(name)?)?;
            (found.setting.shown == Shown::Never).then_some((found, true))
        };
        let found = provider_names::read(name).map(|found| (found, false)).or_else(of_file);
        let Some((found, is_file)) = found else { return Ok(false) };
        if value.is_empty() {
            return Ok(true);
        }
        let value = if is_file { secret_file::read(name, value)? } else { value.to_owned() };
        let given = self.of_providers.entry(found.provider).or_default();
        if given.get(found.setting.name).is_none_or(|given| found.rank < given.rank) {
            given.insert(found.setting.name, Given { name: name.to_owned(), rank: found.rank, value });
        }
        Ok(true)
    }

    /// The names of the identity providers that variables name.
    pub(super) fn providers(&self) -> Vec<String> {
        self.of_providers.keys().cloned().collect()
    }

    /// What is set for one of them.
    pub(super) fn of_provider(&self, name: &str) -> Self {
        let given = self.of_providers.get(name).cloned().unwrap_or_default();
        Self { given, ..Self::default() }
    }

    fn give(&mut self, setting: &Setting, name: String, value: String) {
        // Compose files pass variables that are not set as empty ones.
        if value.is_empty() {
            return;
        }
        let rank = setting.aliases.iter().position(|alias| *alias == name).map_or(0, |place| place + 1);
        if self.given.get(setting.name).is_none_or(|given| rank < given.rank) {
            self.given.insert(setting.name, Given { name, rank, value });
        }
    }

    /// The value of a setting, or its default, through `parse`, whose error says what is expected.
    pub(super) fn read<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        match self.given.get(name) {
            Some(given) => parse(&given.value),
            None => parse(&self.default_of(name)),
        }
        .or_else(|expected| self.refuse(name, expected))
    }

    /// As [`Self::read`]; none when there is neither a value nor a default.
    pub(super) fn text(&self, name: &'static str) -> Option<String> {
        let text = self.given.get(name).map_or_else(|| self.default_of(name), |given| given.value.clone());
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The error for the value that `name` has now.
    pub(super) fn refuse<T>(
        &self,
        name: &'static str,
        expected: impl Into<String>,
    ) -> Result<T, ConfigError> {
        let expected = expected.into();
        let (given_name, value) = match self.given.get(name) {
            Some(given) => (given.name.clone(), given.value.clone()),
            None => (name.to_owned(), self.default_of(name)),
        };
        if value.is_empty() {
            return Err(ConfigError::Missing { name, expected });
        }
        let shown = SETTINGS.iter().find(|s| s.name == name).map_or(Shown::Never, |s| s.shown);
        Err(ConfigError::Invalid { name: given_name, value: shown.show(&value), expected })
    }

    /// The settings that have a value of their own.
    pub(super) fn names(&self) -> BTreeSet<&'static str> {
        self.given.keys().copied().collect()
    }

    pub(super) fn home(&self) -> Option<String> {
        self.home.clone()
    }

    pub(super) fn set_working_dir(&mut self, directory: &Path) {
        self.working_dir = directory.display().to_string();
    }

    fn default_of(&self, name: &str) -> String {
        let default = SETTINGS.iter().find(|s| s.name == name).map_or("", |s| s.default);
        default.replace("{working_dir}", &self.working_dir)
    }
}

impl Shown {
    pub(super) fn show(self, value: &str) -> String {
        match self {
            // A value of megabytes or with line breaks would not be one line.
            Self::Plain => value.chars().take(200).flat_map(char::escape_debug).collect(),
            Self::Url => mask(value),
            Self::Never => "***".to_owned(),
        }
    }
}

/// Kubernetes injects `<SERVICE>_PORT=tcp://…` and relatives into every pod beside a service of that name.
fn is_service_link(name: &str, value: &str) -> bool {
    let of_port =
        |(_, rest): (&str, &str)| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains("_TCP");
    (name.ends_with("_PORT") && value.starts_with("tcp://"))
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.rsplit_once("_PORT_").is_some_and(of_port)
        || name.split_once("_PORT_").is_some_and(of_port)
}

/// The known name closest to `name`, if it is close enough to be a slip.
fn nearest(name: &str) -> Option<&'static str> {
    let candidates = SETTINGS.iter().map(|s| (distance(name, s.name), s.name));
    let (slips, nearest) = candidates.min()?;
    // Beyond a third of the letters it is another word, not a slip.
    (slips <= nearest.len() / 3).then_some(nearest)
}

/// Levenshtein distance, over the first 64 characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().take(64).enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let changed = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
