//! Settings of which there is one of each identity provider: `BENNU_OAUTH2_OKTA_CLIENT_ID`.

use super::settings::{SETTINGS, Setting};

/// What stands in the table for the name that the provider is given by these very variables.
const PLACE: &str = "<IDP>";

/// A variable that belongs to a provider.
pub(super) struct OfProvider {
    pub setting: &'static Setting,
    /// The place of the name among those of the setting, from 0.
    pub rank: usize,
    /// As in paths: in lower case.
    pub provider: String,
}

/// Which setting of which provider a variable is; none if it is no such variable.
pub(super) fn read(variable: &str) -> Option<OfProvider> {
    let fitting = SETTINGS.iter().flat_map(|setting| {
        let names = std::iter::once(&setting.name).chain(setting.aliases).enumerate();
        names.filter_map(move |(rank, pattern)| {
            let (before, after) = pattern.split_once(PLACE)?;
            let provider = variable.strip_prefix(before)?.strip_suffix(after)?;
            let plain = provider.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let provider = provider.to_ascii_lowercase();
            (plain && !provider.is_empty()).then_some(OfProvider { setting, rank, provider })
        })
    });
    // Names may have underscores: the longest setting is meant.
    fitting.min_by_key(|found| found.provider.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_stands_between_prefix_and_setting() {
        let found = |name| read(name).map(|found| (found.setting.name, found.rank, found.provider));
        let id = "BENNU_OAUTH2_<IDP>_CLIENT_ID";
        assert_eq!(found("BENNU_OAUTH2_OKTA_CLIENT_ID"), Some((id, 0, "okta".to_owned())));
        assert_eq!(found("PHOENIX_OAUTH2_AWS_COGNITO_CLIENT_ID"), Some((id, 1, "aws_cognito".to_owned())));
        for other in ["BENNU_OAUTH2_CLIENT_ID", "BENNU_OAUTH2_A-B_CLIENT_ID", "BENNU_OAUTH2_OKTA_COLOUR"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
