//! Project names.

use std::fmt;

use crate::facets::{cut, storable_text};

/// A project name: any text but the empty one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName(String);

impl ProjectName {
    /// The project of spans that name none; it cannot be deleted.
    pub const DEFAULT: &'static str = "default";

    /// Names are keys of an index, where Postgres bounds the size of an entry to about 2,700 bytes.
    pub const MAX_BYTES: usize = 1024;

    /// `None` for empty text, which callers treat as "no name given". Longer names are cut.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(storable_text(cut(text, Self::MAX_BYTES))))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_default(&self) -> bool {
        self.0 == Self::DEFAULT
    }
}

impl Default for ProjectName {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
