//! Outside identity providers, with which people log in (OpenID Connect).

use std::collections::BTreeMap;

use bennu_access::Role;
use bennu_domain::account::TenantSlug;

use super::auth::{flag, list, optional};
use super::secret_text::SecretText;
use super::variables::{ConfigError, Variables};

/// Of each setting there is one of each provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityProvider {
    /// As in paths: lower-case letters, digits and underscores.
    pub name: String,
    pub display_name: String,
    pub client_id: String,
    /// None for a public client.
    pub client_secret: Option<SecretText>,
    /// Where the provider describes itself (OpenID Connect Discovery).
    pub config_url: String,
    pub client_authentication: ClientAuthentication,
    pub use_pkce: bool,
    /// Beside `openid`, `email` and `profile`.
    pub scopes: Vec<String>,
    /// Whether people without an account get one.
    pub allow_sign_up: bool,
    /// Whether a page of log-ins goes straight to this one.
    pub auto_login: bool,
    /// JMESPath within the claims.
    pub email_path: String,
    pub groups: Option<GroupRule>,
    pub roles: Option<RoleRule>,
    /// The only tenant that it lets people in to. None: it is the deployment's own.
    pub tenant: Option<TenantSlug>,
}

/// How the token endpoint knows the client (OpenID Connect Core, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    Basic,
    Post,
    /// A public client, which proves itself by PKCE alone.
    None,
}

/// Only members of these groups get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRule {
    /// JMESPath within the claims.
    pub path: String,
    pub allowed: Vec<String>,
}

/// Where roles come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRule {
    /// JMESPath within the claims.
    pub path: String,
    /// From values of the provider; without one they are names of roles.
    pub mapping: Option<BTreeMap<String, Role>>,
    /// Whether people without a role are refused, in place of becoming viewers.
    pub strict: bool,
    /// Whether each log-in sets the role anew.
    pub resync: bool,
}

/// Those that any variable names, in the order of their names.
pub(super) fn read_all(vars: &Variables) -> Result<Vec<IdentityProvider>, ConfigError> {
    let mut providers: Vec<IdentityProvider> = Vec::new();
    for name in vars.providers() {
        let own = vars.of_provider(&name);
        let provider = read(&name, &own)?;
        // People are known by the client and their id with the provider: two of them must not be told apart by less.
        let alike = |other: &&IdentityProvider| {
            other.client_id == provider.client_id && other.config_url != provider.config_url
        };
        if let Some(other) = providers.iter().find(alike) {
            let expected = format!("another client than {} has", other.name);
            return own.refuse("BENNU_OAUTH2_<IDP>_CLIENT_ID", expected);
        }
        providers.push(provider);
    }
    Ok(providers)
}

fn read(name: &str, vars: &Variables) -> Result<IdentityProvider, ConfigError> {
    let required = |variable: &'static str| {
        vars.read(variable, |value| {
            if value.is_empty() {
                Err(format!("a value for the provider {name}"))
            } else {
                Ok(value.to_owned())
            }
        })
    };
    let client_authentication =
        vars.read("BENNU_OAUTH2_<IDP>_TOKEN_ENDPOINT_AUTH_METHOD", client_authentication)?;
    let is_public = client_authentication == ClientAuthentication::None;
    let client_secret = match is_public {
        true => None,
        false => Some(SecretText::new(&required("BENNU_OAUTH2_<IDP>_CLIENT_SECRET")?)),
    };
    let config_url = required("BENNU_OAUTH2_<IDP>_OIDC_CONFIG_URL")?;
    if !is_safe(&config_url) {
        return vars.refuse("BENNU_OAUTH2_<IDP>_OIDC_CONFIG_URL", "an https:// URL");
    }
    Ok(IdentityProvider {
        name: name.to_owned(),
        display_name: vars
            .read("BENNU_OAUTH2_<IDP>_DISPLAY_NAME", |v| optional(v, |v| Ok(v.to_owned())))?
            .unwrap_or_else(|| title(name)),
        client_id: required("BENNU_OAUTH2_<IDP>_CLIENT_ID")?,
        client_secret,
        config_url,
        client_authentication,
        use_pkce: is_public || vars.read("BENNU_OAUTH2_<IDP>_USE_PKCE", flag)?,
        scopes: vars.read("BENNU_OAUTH2_<IDP>_SCOPES", |v| list(v, ' ', |scope| Ok(scope.to_owned())))?,
        allow_sign_up: vars.read("BENNU_OAUTH2_<IDP>_ALLOW_SIGN_UP", flag)?,
        auto_login: vars.read("BENNU_OAUTH2_<IDP>_AUTO_LOGIN", flag)?,
        email_path: required("BENNU_OAUTH2_<IDP>_EMAIL_ATTRIBUTE_PATH")?,
        groups: group_rule(vars)?,
        roles: role_rule(vars)?,
        tenant: vars.read("BENNU_OAUTH2_<IDP>_TENANT", |v| optional(v, slug))?,
    })
}

fn group_rule(vars: &Variables) -> Result<Option<GroupRule>, ConfigError> {
    let path = vars.text("BENNU_OAUTH2_<IDP>_GROUPS_ATTRIBUTE_PATH");
    let allowed = vars.read("BENNU_OAUTH2_<IDP>_ALLOWED_GROUPS", |v| list(v, ',', |g| Ok(g.to_owned())))?;
    match path {
        Some(path) if !allowed.is_empty() => Ok(Some(GroupRule { path, allowed })),
        Some(_) => vars.refuse("BENNU_OAUTH2_<IDP>_GROUPS_ATTRIBUTE_PATH", "ALLOWED_GROUPS beside it"),
        None if allowed.is_empty() => Ok(None),
        None => vars.refuse("BENNU_OAUTH2_<IDP>_ALLOWED_GROUPS", "GROUPS_ATTRIBUTE_PATH beside it"),
    }
}

fn role_rule(vars: &Variables) -> Result<Option<RoleRule>, ConfigError> {
    let path = vars.text("BENNU_OAUTH2_<IDP>_ROLE_ATTRIBUTE_PATH");
    let mapping: BTreeMap<String, Role> =
        vars.read("BENNU_OAUTH2_<IDP>_ROLE_MAPPING", |v| list(v, ',', role_of_value))?.into_iter().collect();
    let strict = vars.read("BENNU_OAUTH2_<IDP>_ROLE_ATTRIBUTE_STRICT", flag)?;
    let resync = vars.read("BENNU_OAUTH2_<IDP>_ROLE_RESYNC", flag)?;
    let beside = "ROLE_ATTRIBUTE_PATH beside it";
    match path {
        Some(path) => {
            let mapping = (!mapping.is_empty()).then_some(mapping);
            Ok(Some(RoleRule { path, mapping, strict, resync }))
        }
        None if !mapping.is_empty() => vars.refuse("BENNU_OAUTH2_<IDP>_ROLE_MAPPING", beside),
        None if strict => vars.refuse("BENNU_OAUTH2_<IDP>_ROLE_ATTRIBUTE_STRICT", beside),
        None if !resync => vars.refuse("BENNU_OAUTH2_<IDP>_ROLE_RESYNC", beside),
        None => Ok(None),
    }
}

fn client_authentication(value: &str) -> Result<ClientAuthentication, String> {
    match value {
        "client_secret_basic" => Ok(ClientAuthentication::Basic),
        "client_secret_post" => Ok(ClientAuthentication::Post),
        "none" => Ok(ClientAuthentication::None),
        _ => Err("client_secret_basic, client_secret_post or none".to_owned()),
    }
}

/// `Owner:ADMIN`; values of providers may have colons.
fn role_of_value(text: &str) -> Result<(String, Role), String> {
    let expected = || "value:ROLE, with commas between them and ADMIN, MEMBER or VIEWER as roles".to_owned();
    let (value, role) = text.rsplit_once(':').ok_or_else(expected)?;
    Ok((value.trim().to_owned(), role_of_people(role).ok_or_else(expected)?))
}

/// A role that people can have, in any case.
pub fn role_of_people(name: &str) -> Option<Role> {
    name.trim().to_ascii_uppercase().parse().ok().filter(|role: &Role| role.is_for_people())
}

pub(super) fn slug(value: &str) -> Result<TenantSlug, String> {
    TenantSlug::parse(value).map_err(|error| format!("the slug of a tenant, which {error}"))
}

/// With TLS, or on this machine.
fn is_safe(url: &str) -> bool {
    let host = |rest: &str| rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    if let Some(rest) = url.strip_prefix("https://") {
        return !host(rest).is_empty();
    }
    let local = |host: String| {
        let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
        ["localhost", "127.0.0.1", "[::1]"].contains(&name)
    };
    url.strip_prefix("http://").map(host).is_some_and(local)
}

/// `aws_cognito` as people read it: `Aws Cognito`.
fn title(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [(&str, &str); 3] = [
        ("PHOENIX_OAUTH2_MY_SSO_CLIENT_ID", "bennu"),
        ("BENNU_OAUTH2_MY_SSO_CLIENT_SECRET", "hush"),
        ("BENNU_OAUTH2_MY_SSO_OIDC_CONFIG_URL", "https://id.example.com/.well-known/openid-configuration"),
    ];

    fn read_from(more: &[(&str, &str)]) -> Result<Vec<IdentityProvider>, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        // Of each the last.
        let given: BTreeMap<String, String> = REQUIRED.iter().chain(more).map(owned).collect();
        Variables::collect(given).and_then(|vars| read_all(&vars)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_provider_needs_a_client_and_a_url() {
        let [provider] = read_from(&[]).unwrap().try_into().unwrap();
        assert_eq!((provider.name.as_str(), provider.display_name.as_str()), ("my_sso", "My Sso"));
        assert_eq!((provider.client_id.as_str(), provider.email_path.as_str()), ("bennu", "email"));
        assert!(provider.allow_sign_up && !provider.use_pkce && provider.roles.is_none());
        assert!(!format!("{provider:?}").contains("hush"));
        let public = read_from(&[
            ("BENNU_OAUTH2_MY_SSO_TOKEN_ENDPOINT_AUTH_METHOD", "none"),
            ("BENNU_OAUTH2_MY_SSO_USE_PKCE", "false"),
        ]);
        assert!(public.unwrap()[0].use_pkce, "nothing else would protect the code");
        let error = read_from(&[("BENNU_OAUTH2_OTHER_CLIENT_SECRET", "x")]).unwrap_err();
        assert!(error.contains("other") && error.contains("not set"), "{error}");
    }

    #[test]
    fn roles_and_groups_are_read_by_paths() {
        let [provider] = read_from(&[
            ("BENNU_OAUTH2_MY_SSO_GROUPS_ATTRIBUTE_PATH", "groups"),
            ("BENNU_OAUTH2_MY_SSO_ALLOWED_GROUPS", "dev, ops"),
            ("BENNU_OAUTH2_MY_SSO_ROLE_ATTRIBUTE_PATH", "role"),
            ("BENNU_OAUTH2_MY_SSO_ROLE_MAPPING", "urn:x:owner:admin,dev:MEMBER"),
        ])
        .unwrap()
        .try_into()
        .unwrap();
        let groups =
            GroupRule { path: "groups".to_owned(), allowed: vec!["dev".to_owned(), "ops".to_owned()] };
        assert_eq!(provider.groups, Some(groups));
        let mapping = [("urn:x:owner".to_owned(), Role::Admin), ("dev".to_owned(), Role::Member)];
        let (strict, resync, path) = (false, true, "role".to_owned());
        let expected = RoleRule { path, mapping: Some(BTreeMap::from(mapping)), strict, resync };
        assert_eq!(provider.roles, Some(expected));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (name, value) in [
            ("BENNU_OAUTH2_MY_SSO_OIDC_CONFIG_URL", "http://id.example.com/x"),
            ("BENNU_OAUTH2_MY_SSO_ROLE_MAPPING", "dev:MEMBER"),
            ("BENNU_OAUTH2_MY_SSO_ROLE_ATTRIBUTE_STRICT", "true"),
            ("BENNU_OAUTH2_MY_SSO_ALLOWED_GROUPS", "dev"),
            ("BENNU_OAUTH2_MY_SSO_GROUPS_ATTRIBUTE_PATH", "groups"),
            ("BENNU_OAUTH2_MY_SSO_TOKEN_ENDPOINT_AUTH_METHOD", "magic"),
            ("BENNU_OAUTH2_MY_SSO_TENANT", "Not A Slug"),
            ("BENNU_OAUTH2_MY_SSO_COLOUR", "blue"),
        ] {
            let error = read_from(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(name), "{error}");
        }
        let role = [
            ("BENNU_OAUTH2_MY_SSO_ROLE_ATTRIBUTE_PATH", "role"),
            ("BENNU_OAUTH2_MY_SSO_ROLE_MAPPING", "x:SYSTEM"),
        ];
        assert!(read_from(&role).is_err(), "nobody becomes the deployment itself");
        let twin = [
            ("BENNU_OAUTH2_TWIN_CLIENT_ID", "bennu"),
            ("BENNU_OAUTH2_TWIN_CLIENT_SECRET", "x"),
            ("BENNU_OAUTH2_TWIN_OIDC_CONFIG_URL", "https://other.example.com/x"),
        ];
        assert!(read_from(&twin).unwrap_err().contains("my_sso"));
    }

    #[test]
    fn a_url_without_tls_is_for_this_machine_only() {
        for safe in ["https://a", "http://localhost:9000/x", "http://127.0.0.1:9/x", "http://[::1]:9/x"] {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_url in ["http://a", "http://localhost.evil.com/", "https:///x", "ftp://localhost", ""] {
            assert!(!is_safe(unsafe_url), "{unsafe_url}");
        }
    }
}
