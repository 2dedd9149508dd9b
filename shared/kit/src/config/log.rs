//! What is logged, and in which form.

/// A checked filter in the syntax of `tracing_subscriber::EnvFilter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// Takes a level, a level of the reference server such as `WARNING`, or directives separated by commas.
    pub fn parse(value: &str) -> Result<Self, String> {
        let directives = value.split(',').map(|part| directive(part.trim())).collect::<Option<Vec<_>>>();
        let filter = directives.map(|parts| parts.join(","));
        filter.filter(|filter| tracing_subscriber::EnvFilter::try_new(filter).is_ok()).map(Self).ok_or_else(
            || {
                "off, error, warn, info, debug, trace, or directives such as info,bennu_store=debug"
                    .to_owned()
            },
        )
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A lone word must be a level: the filter syntax would take a misspelt one for the name of a module.
fn directive(part: &str) -> Option<String> {
    if part.contains('=') {
        return Some(part.to_owned());
    }
    let level = match part.to_ascii_lowercase().as_str() {
        "warning" => "warn",
        "critical" | "fatal" => "error",
        "notset" => "trace",
        level @ ("off" | "error" | "warn" | "info" | "debug" | "trace") => return Some(level.to_owned()),
        _ => return None,
    };
    Some(level.to_owned())
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl LogFormat {
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        match value.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("text or json".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_both_servers_and_directives_are_taken() {
        let filter = |value| LogFilter::parse(value).unwrap().as_str().to_owned();
        assert_eq!(filter("WARNING"), "warn");
        assert_eq!(filter("critical"), "error");
        assert_eq!(filter("info, bennu_store=debug"), "info,bennu_store=debug");
    }

    #[test]
    fn a_misspelt_level_is_refused() {
        for value in ["verbose", "inf", "info,", "a=b=c", "bennu_store=loud"] {
            assert!(LogFilter::parse(value).is_err(), "{value}");
        }
    }
}
