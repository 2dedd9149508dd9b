//! A directory with which people log in (LDAP).

use std::path::PathBuf;

use bennu_access::Role;
use bennu_domain::account::TenantSlug;
use serde::Deserialize;

use super::auth::{flag, list, optional, path};
use super::identity_provider::{role_of_people, slug};
use super::number;
use super::secret_text::SecretText;
use super::variables::{ConfigError, Variables};

/// What stands in a filter for the name that is searched.
const PLACE: &str = "%s";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapSettings {
    /// Replicas: each is asked when the ones before it are away.
    pub hosts: Vec<String>,
    pub port: u16,
    pub tls: LdapTls,
    /// False: anybody can claim to be the directory.
    pub verify_certificates: bool,
    /// Certificates of authorities, in PEM; those of the machine if not set.
    pub authorities: Option<PathBuf>,
    /// Certificate and key by which the directory knows us, in PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Who searches for people; nobody in particular if not set.
    pub searcher: Option<(String, SecretText)>,
    pub user_bases: Vec<String>,
    pub user_filter: String,
    /// None: the directory tells no addresses, and people are known by their ids alone.
    pub email_attribute: Option<String>,
    pub name_attribute: String,
    /// Stays what it is, whatever becomes of the address.
    pub unique_id_attribute: Option<String>,
    pub groups: LdapGroups,
    /// In the order in which they are tried; `*` is everybody.
    pub roles: Vec<(String, Role)>,
    pub allow_sign_up: bool,
    /// The tenant that people join; the first if not set.
    pub tenant: Option<TenantSlug>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LdapTls {
    None,
    /// The connection begins without.
    StartTls,
    Ldaps,
}

/// How the groups of a person are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LdapGroups {
    /// The entry of the person names them.
    Attribute(String),
    /// Theirs name the person: by the login name, or by an attribute of the person's entry.
    Search { bases: Vec<String>, filter: String, user_attribute: Option<String> },
}

/// None unless a host is set.
pub(super) fn read(vars: &Variables) -> Result<Option<LdapSettings>, ConfigError> {
    let hosts = vars.read("BENNU_LDAP_HOST", |v| list(v, ',', super::host))?;
    if hosts.is_empty() {
        return Ok(None);
    }
    let tls = vars.read("BENNU_LDAP_TLS_MODE", tls)?;
    let usual_port = if tls == LdapTls::Ldaps { 636 } else { 389 };
    let port = vars.read("BENNU_LDAP_PORT", |v| optional(v, |v| number(v, 1..=65_535)))?;
    let user_bases = vars.read("BENNU_LDAP_USER_SEARCH_BASE_DNS", names)?;
    if user_bases.is_empty() {
        let expected = r#"["ou=people,dc=example,dc=com"], where people are found"#.to_owned();
        return Err(ConfigError::Missing { name: "BENNU_LDAP_USER_SEARCH_BASE_DNS", expected });
    }
    let text = |name| vars.read(name, |v| Ok(v.to_owned()));
    Ok(Some(LdapSettings {
        hosts,
        port: port.unwrap_or(usual_port),
        tls,
        verify_certificates: vars.read("BENNU_LDAP_TLS_VERIFY", flag)?,
        authorities: vars.read("BENNU_LDAP_TLS_CA_CERT_FILE", |v| optional(v, path))?,
        client_certificate: client_certificate(vars)?,
        searcher: searcher(vars)?,
        user_bases,
        user_filter: vars.read("BENNU_LDAP_USER_SEARCH_FILTER", filter)?,
        email_attribute: email_attribute(vars)?,
        name_attribute: text("BENNU_LDAP_ATTR_DISPLAY_NAME")?,
        unique_id_attribute: vars.text("BENNU_LDAP_ATTR_UNIQUE_ID"),
        groups: groups(vars)?,
        roles: roles(vars)?,
        allow_sign_up: vars.read("BENNU_LDAP_ALLOW_SIGN_UP", flag)?,
        tenant: vars.read("BENNU_LDAP_TENANT", |v| optional(v, slug))?,
    }))
}

/// `null`, as a variable that is empty is one that is not set.
fn email_attribute(vars: &Variables) -> Result<Option<String>, ConfigError> {
    let name = "BENNU_LDAP_ATTR_EMAIL";
    let attribute = vars.text(name).filter(|attribute| !attribute.eq_ignore_ascii_case("null"));
    if attribute.is_some() {
        return Ok(attribute);
    }
    if vars.text("BENNU_LDAP_ATTR_UNIQUE_ID").is_none() {
        return vars.refuse(name, "BENNU_LDAP_ATTR_UNIQUE_ID beside null, by which people are known then");
    }
    // Nobody could make their accounts beforehand.
    if !vars.read("BENNU_LDAP_ALLOW_SIGN_UP", flag)? {
        return vars.refuse(name, "BENNU_LDAP_ALLOW_SIGN_UP=true beside null");
    }
    Ok(None)
}

fn searcher(vars: &Variables) -> Result<Option<(String, SecretText)>, ConfigError> {
    match (vars.text("BENNU_LDAP_BIND_DN"), vars.text("BENNU_LDAP_BIND_PASSWORD")) {
        (Some(name), Some(password)) => Ok(Some((name, SecretText::new(&password)))),
        (None, None) => Ok(None),
        (Some(_), None) => vars.refuse("BENNU_LDAP_BIND_DN", "BENNU_LDAP_BIND_PASSWORD beside it"),
        (None, Some(_)) => vars.refuse("BENNU_LDAP_BIND_PASSWORD", "BENNU_LDAP_BIND_DN beside it"),
    }
}

fn client_certificate(vars: &Variables) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    let (certificate, key) = ("BENNU_LDAP_TLS_CLIENT_CERT_FILE", "BENNU_LDAP_TLS_CLIENT_KEY_FILE");
    match (vars.read(certificate, |v| optional(v, path))?, vars.read(key, |v| optional(v, path))?) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) => vars.refuse(certificate, format!("{key} beside it")),
        (None, Some(_)) => vars.refuse(key, format!("{certificate} beside it")),
    }
}

fn groups(vars: &Variables) -> Result<LdapGroups, ConfigError> {
    let bases = vars.read("BENNU_LDAP_GROUP_SEARCH_BASE_DNS", names)?;
    let filter = vars.read("BENNU_LDAP_GROUP_SEARCH_FILTER", |v| optional(v, filter))?;
    let user_attribute = vars.text("BENNU_LDAP_GROUP_SEARCH_FILTER_USER_ATTR");
    match filter {
        Some(filter) if !bases.is_empty() => Ok(LdapGroups::Search { bases, filter, user_attribute }),
        Some(_) => {
            vars.refuse("BENNU_LDAP_GROUP_SEARCH_FILTER", "BENNU_LDAP_GROUP_SEARCH_BASE_DNS beside it")
        }
        None => vars.read("BENNU_LDAP_ATTR_MEMBER_OF", |v| Ok(LdapGroups::Attribute(v.to_owned()))),
    }
}

#[derive(Deserialize)]
struct RoleOfGroup {
    group_dn: String,
    role: String,
}

fn roles(vars: &Variables) -> Result<Vec<(String, Role)>, ConfigError> {
    let expected = r#"[{"group_dn": "cn=admins,dc=example,dc=com", "role": "ADMIN"}, {"group_dn": "*", "role": "VIEWER"}]"#;
    let roles = vars.read("BENNU_LDAP_GROUP_ROLE_MAPPINGS", |value| {
        let read: Vec<RoleOfGroup> = serde_json::from_str(value).map_err(|_| expected.to_owned())?;
        let role = |entry: RoleOfGroup| Some((entry.group_dn, role_of_people(&entry.role)?));
        read.into_iter().map(|entry| role(entry).ok_or_else(|| expected.to_owned())).collect()
    })?;
    if Vec::is_empty(&roles) {
        let name = "BENNU_LDAP_GROUP_ROLE_MAPPINGS";
        return Err(ConfigError::Missing { name, expected: expected.to_owned() });
    }
    Ok(roles)
}

fn tls(value: &str) -> Result<LdapTls, String> {
    match value.to_ascii_lowercase().as_str() {
        "none" => Ok(LdapTls::None),
        "starttls" => Ok(LdapTls::StartTls),
        "ldaps" => Ok(LdapTls::Ldaps),
        _ => Err("starttls, ldaps or none".to_owned()),
    }
}

/// Names of entries have commas, hence JSON.
fn names(value: &str) -> Result<Vec<String>, String> {
    let expected = || r#"a JSON list such as ["ou=people,dc=example,dc=com"]"#.to_owned();
    optional(value, |value| {
        let names: Vec<String> = serde_json::from_str(value).map_err(|_| expected())?;
        if names.iter().any(|name| name.trim().is_empty()) { Err(expected()) } else { Ok(names) }
    })
    .map(Option::unwrap_or_default)
}

fn filter(value: &str) -> Result<String, String> {
    let shaped = value.starts_with('(') && value.ends_with(')') && value.contains(PLACE);
    if shaped { Ok(value.to_owned()) } else { Err("a filter in parentheses with %s in it".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [(&str, &str); 3] = [
        ("PHOENIX_LDAP_HOST", "one.example.com, two.example.com"),
        ("PHOENIX_LDAP_USER_SEARCH_BASE_DNS", r#"["ou=people,dc=example,dc=com"]"#),
        ("PHOENIX_LDAP_GROUP_ROLE_MAPPINGS", r#"[{"group_dn": "*", "role": "viewer"}]"#),
    ];

    fn read_from(more: &[(&str, &str)]) -> Result<Option<LdapSettings>, String> {
        let given =
            REQUIRED.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Variables::collect(given).and_then(|vars| read(&vars)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_directory_is_reached_with_tls_unless_told_otherwise() {
        let settings = read_from(&[]).unwrap().unwrap();
        assert_eq!(settings.hosts, ["one.example.com", "two.example.com"]);
        assert_eq!((settings.port, settings.tls), (389, LdapTls::StartTls));
        assert!(settings.verify_certificates && settings.allow_sign_up);
        assert_eq!(settings.groups, LdapGroups::Attribute("memberOf".to_owned()));
        assert_eq!(settings.roles, [("*".to_owned(), Role::Viewer)]);
        let settings = read_from(&[("BENNU_LDAP_TLS_MODE", "LDAPS")]).unwrap().unwrap();
        assert_eq!((settings.port, settings.tls), (636, LdapTls::Ldaps));
        assert_eq!(Variables::collect([]).and_then(|vars| read(&vars)), Ok(None));
    }

    #[test]
    fn a_directory_without_addresses_knows_people_by_their_ids() {
        let null = ("PHOENIX_LDAP_ATTR_EMAIL", "null");
        let known = ("BENNU_LDAP_ATTR_UNIQUE_ID", "entryUUID");
        assert_eq!(read_from(&[]).unwrap().unwrap().email_attribute.as_deref(), Some("mail"));
        assert_eq!(read_from(&[null, known]).unwrap().unwrap().email_attribute, None);
        let closed = read_from(&[null, known, ("BENNU_LDAP_ALLOW_SIGN_UP", "false")]).unwrap_err();
        assert!(closed.starts_with(null.0) && closed.contains("BENNU_LDAP_ALLOW_SIGN_UP"), "{closed}");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (name, value) in [
            ("BENNU_LDAP_TLS_MODE", "tls"),
            ("BENNU_LDAP_USER_SEARCH_BASE_DNS", "ou=people"),
            ("BENNU_LDAP_USER_SEARCH_FILTER", "(uid=x)"),
            ("BENNU_LDAP_BIND_DN", "cn=searcher"),
            ("BENNU_LDAP_BIND_PASSWORD", "hush"),
            ("BENNU_LDAP_GROUP_SEARCH_FILTER", "(member=%s)"),
            ("BENNU_LDAP_GROUP_ROLE_MAPPINGS", r#"[{"group_dn": "*", "role": "SYSTEM"}]"#),
            ("BENNU_LDAP_GROUP_ROLE_MAPPINGS", "[]"),
            ("BENNU_LDAP_TLS_CLIENT_KEY_FILE", "/key.pem"),
            ("BENNU_LDAP_ATTR_EMAIL", "null"),
        ] {
            let error = read_from(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(name) && !error.contains("hush"), "{error}");
        }
    }
}
