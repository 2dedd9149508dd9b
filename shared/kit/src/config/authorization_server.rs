//! Programs that act for people, with tokens of this server (OAuth 2.0).

use std::time::Duration;

use super::auth::{flag, list};
use super::number;
use super::variables::{ConfigError, Variables};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServerSettings {
    pub redirects: AllowedRedirects,
    /// How long a program acts for a person who let it, however often it renews its tokens.
    pub grant_life: Duration,
    /// Programs that an address may register in an hour.
    pub registrations_an_hour: u32,
}

/// Which programs may register themselves, and where they may have codes sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedRedirects {
    /// None may register.
    Disabled,
    /// Programs on the person's own machine.
    LocalOnly,
    /// Also those of the web, on these hosts, or on any if there are none.
    Web(Vec<String>),
}

/// None if it is switched off.
pub(super) fn read(vars: &Variables) -> Result<Option<AuthorizationServerSettings>, ConfigError> {
    let hosts = vars.read("BENNU_OAUTH2_ALLOWED_REDIRECT_HOSTS", |v| list(v, ',', host))?;
    let settings = AuthorizationServerSettings {
        redirects: match vars.text("BENNU_OAUTH2_DYNAMIC_CLIENT_REGISTRATION").as_deref() {
            Some("disabled") => AllowedRedirects::Disabled,
            Some("local_only") => AllowedRedirects::LocalOnly,
            Some("enabled") => AllowedRedirects::Web(hosts),
            _ => {
                let expected = "enabled, local_only or disabled";
                return vars.refuse("BENNU_OAUTH2_DYNAMIC_CLIENT_REGISTRATION", expected);
            }
        },
        grant_life: vars
            .read("BENNU_OAUTH2_GRANT_EXPIRY_DAYS", |v| number(v, 1..=3_650))
            .map(|days: u64| Duration::from_secs(days * 24 * 60 * 60))?,
        registrations_an_hour: vars
            .read("BENNU_OAUTH2_DCR_RATE_LIMIT_PER_HOUR", |v| number(v, 1..=1_000_000))?,
    };
    Ok(vars.read("BENNU_ENABLE_OAUTH2_AUTHORIZATION_SERVER", flag)?.then_some(settings))
}

fn host(value: &str) -> Result<String, String> {
    let fits = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    if fits { Ok(value.to_ascii_lowercase()) } else { Err("hosts such as app.example.com".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(given: &[(&str, &str)]) -> Result<Option<AuthorizationServerSettings>, String> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Variables::collect(given).and_then(|vars| read(&vars)).map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_on_for_all_programs_unless_settings_say_otherwise() {
        let settings = read_from(&[]).unwrap().unwrap();
        assert_eq!(settings.redirects, AllowedRedirects::Web(Vec::new()));
        assert_eq!((settings.grant_life.as_secs(), settings.registrations_an_hour), (7_776_000, 10));
        let some = read_from(&[("PHOENIX_OAUTH2_ALLOWED_REDIRECT_HOSTS", "A.example.com, b")]).unwrap();
        let hosts = vec!["a.example.com".to_owned(), "b".to_owned()];
        assert_eq!(some.unwrap().redirects, AllowedRedirects::Web(hosts));
        let local = read_from(&[("PHOENIX_OAUTH2_DYNAMIC_CLIENT_REGISTRATION", "local_only")]).unwrap();
        assert_eq!(local.unwrap().redirects, AllowedRedirects::LocalOnly);
        assert_eq!(read_from(&[("PHOENIX_ENABLE_OAUTH2_AUTHORIZATION_SERVER", "false")]), Ok(None));
        for (name, value) in [
            ("BENNU_OAUTH2_DYNAMIC_CLIENT_REGISTRATION", "some"),
            ("BENNU_OAUTH2_ALLOWED_REDIRECT_HOSTS", "https://a"),
            ("BENNU_OAUTH2_GRANT_EXPIRY_DAYS", "0"),
        ] {
            assert!(read_from(&[(name, value)]).unwrap_err().starts_with(name), "{name}");
        }
    }
}
