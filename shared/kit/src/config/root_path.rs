//! The path prefix of a proxy in front of the server.

use std::fmt;

/// Empty, or a path that starts with `/` and does not end with `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootPath(String);

impl RootPath {
    /// Takes a prefix such as `/bennu`; the error says what is expected.
    pub fn parse(value: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        let shaped = value.starts_with('/') && !value.ends_with('/') && !value.contains("//");
        if value.is_empty() || (shaped && value.chars().all(allowed)) {
            return Ok(Self(value.to_owned()));
        }
        Err("empty, or a path that starts with / and does not end with /, such as /bennu".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the prefix in `path`, starting with `/`; none if `path` is not below the prefix.
    pub fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        if self.0.is_empty() {
            return None;
        }
        match path.strip_prefix(&self.0)? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }
}

impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_starts_with_a_slash_and_does_not_end_with_one() {
        for refused in ["bennu", "/", "/bennu/", "//x", "/a b", "https://host/bennu"] {
            assert!(RootPath::parse(refused).is_err(), "{refused}");
        }
        for taken in ["", "/bennu", "/tools/bennu-1"] {
            assert_eq!(RootPath::parse(taken).unwrap().as_str(), taken);
        }
    }

    #[test]
    fn only_whole_segments_are_stripped() {
        let root = RootPath::parse("/bennu").unwrap();
        assert_eq!(root.strip("/bennu/v1/traces"), Some("/v1/traces"));
        assert_eq!(root.strip("/bennu"), Some("/"));
        assert_eq!(root.strip("/bennus/v1"), None);
        assert_eq!(root.strip("/v1/traces"), None);
    }
}
