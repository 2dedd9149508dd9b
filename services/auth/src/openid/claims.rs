//! What the claims of a person mean here: address, groups and role.

use anyhow::Context as _;
use bennu_access::Role;
use bennu_domain::account::Email;
use bennu_kit::config::{GroupRule, IdentityProvider, RoleRule, role_of_people};
use jmespath::{Expression, Variable};
use serde_json::Value;

use super::id_token::Claims;
use crate::outside_accounts::EmailTrust;

/// The address where OpenID Connect has it: `email_verified` is about that one alone.
const STANDARD_EMAIL: &str = "email";

/// The paths of the settings, compiled.
pub struct ClaimRules {
    email: Expression<'static>,
    groups: Option<(Expression<'static>, GroupRule)>,
    roles: Option<(Expression<'static>, RoleRule)>,
}

/// The provider tells no role, and the settings insist on one.
#[derive(Debug, PartialEq, Eq)]
pub struct NoRole;

impl ClaimRules {
    pub fn compile(settings: &IdentityProvider) -> anyhow::Result<Self> {
        let compile = |path: &str, setting: &str| {
            let variable = format!("BENNU_OAUTH2_{}_{setting}", settings.name.to_ascii_uppercase());
            jmespath::compile(path)
                .with_context(|| format!("{variable}={path}: expected a JMESPath expression"))
        };
        let groups = settings
            .groups
            .as_ref()
            .map(|rule| anyhow::Ok((compile(&rule.path, "GROUPS_ATTRIBUTE_PATH")?, rule.clone())));
        let roles = settings
            .roles
            .as_ref()
            .map(|rule| anyhow::Ok((compile(&rule.path, "ROLE_ATTRIBUTE_PATH")?, rule.clone())));
        Ok(Self {
            email: compile(&settings.email_path, "EMAIL_ATTRIBUTE_PATH")?,
            groups: groups.transpose()?,
            roles: roles.transpose()?,
        })
    }

    /// Whether the claims answer everything; if not, the provider may tell more when it is asked.
    pub fn are_answered_by(&self, claims: &Claims) -> bool {
        let tells = |path: &Expression<'static>| !texts(path, claims).is_empty();
        tells(&self.email)
            && self.groups.as_ref().is_none_or(|(path, _)| tells(path))
            && self.roles.as_ref().is_none_or(|(path, _)| tells(path))
    }

    /// The address, and whether the provider has seen that it belongs to the person.
    pub fn email(&self, claims: &Claims) -> Option<(Email, EmailTrust)> {
        let email = texts(&self.email, claims).into_iter().next()?;
        let verified = claims.get("email_verified").filter(|_| self.email.as_str() == STANDARD_EMAIL);
        let trust = match verified {
            Some(Value::Bool(true)) => EmailTrust::Verified,
            // Some providers send texts.
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => EmailTrust::Verified,
            None | Some(Value::Null) => EmailTrust::Unknown,
            Some(_) => EmailTrust::Refuted,
        };
        Some((Email::parse(&email).ok()?, trust))
    }

    /// Whether the person is in a group that gets in.
    pub fn admit(&self, claims: &Claims) -> bool {
        self.groups
            .as_ref()
            .is_none_or(|(path, rule)| texts(path, claims).iter().any(|group| rule.allowed.contains(group)))
    }

    /// None where the settings leave roles to administrators.
    pub fn role(&self, claims: &Claims) -> Result<Option<Role>, NoRole> {
        let Some((path, rule)) = &self.roles else { return Ok(None) };
        let told = texts(path, claims).into_iter().next();
        let role = told.and_then(|told| match &rule.mapping {
            Some(mapping) => mapping.get(&told).copied(),
            None => role_of_people(&told),
        });
        match role {
            Some(role) => Ok(Some(role)),
            None if rule.strict => Err(NoRole),
            None => Ok(Some(Role::Viewer)),
        }
    }
}

/// A text or the texts of a list. An expression that does not suit the claims finds nothing.
fn texts(path: &Expression<'static>, claims: &Claims) -> Vec<String> {
    let Ok(found) = path.search(claims) else { return Vec::new() };
    let text = |value: &Variable| {
        value.as_string().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    match found.as_array() {
        Some(list) => list.iter().filter_map(|value| text(value)).collect(),
        None => text(&found).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use bennu_kit::config::{AuthMode, Config};
    use serde_json::json;

    use super::*;

    fn rules(more: &[(&str, &str)]) -> ClaimRules {
        let given = [
            ("BENNU_WORKING_DIR", "/nowhere"),
            ("BENNU_ENABLE_AUTH", "true"),
            ("BENNU_SECRET", "a-secret-of-the-tests-0123456789-abcdefgh"),
            ("BENNU_OAUTH2_X_CLIENT_ID", "bennu"),
            ("BENNU_OAUTH2_X_CLIENT_SECRET", "hush"),
            ("BENNU_OAUTH2_X_OIDC_CONFIG_URL", "https://id.example.com/"),
        ];
        let vars = given.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let AuthMode::Verify(settings) = Config::from_vars(vars).unwrap().auth.mode else { unreachable!() };
        ClaimRules::compile(&settings.identity_providers[0]).unwrap()
    }

    fn claims(value: Value) -> Claims {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_address_is_trusted_as_far_as_the_provider_does() {
        let told = |more: Value| {
            let mut all = claims(json!({ "email": " Ada@Example.com " }));
            all.extend(claims(more));
            rules(&[]).email(&all).unwrap()
        };
        let ada = Email::parse("ada@example.com").unwrap();
        for (verified, trust) in [
            (json!({ "email_verified": true }), EmailTrust::Verified),
            (json!({ "email_verified": "true" }), EmailTrust::Verified),
            (json!({}), EmailTrust::Unknown),
            (json!({ "email_verified": false }), EmailTrust::Refuted),
            (json!({ "email_verified": 1 }), EmailTrust::Refuted),
        ] {
            assert_eq!(told(verified), (ada.clone(), trust));
        }
        let elsewhere = rules(&[("BENNU_OAUTH2_X_EMAIL_ATTRIBUTE_PATH", "upn")]);
        let told = elsewhere.email(&claims(json!({ "upn": "ada@example.com", "email_verified": true })));
        assert_eq!(told, Some((ada, EmailTrust::Unknown)), "another address than the one that was verified");
        assert_eq!(rules(&[]).email(&claims(json!({ "email": "nonsense" }))), None);
    }

    #[test]
    fn groups_open_the_door() {
        let rules = rules(&[
            ("BENNU_OAUTH2_X_GROUPS_ATTRIBUTE_PATH", "teams[*].name"),
            ("BENNU_OAUTH2_X_ALLOWED_GROUPS", "dev,ops"),
        ]);
        assert!(rules.admit(&claims(json!({ "teams": [{ "name": "art" }, { "name": "ops" }] }))));
        for others in [json!({ "teams": [{ "name": "art" }] }), json!({}), json!({ "teams": "ops" })] {
            assert!(!rules.admit(&claims(others)));
        }
    }

    #[test]
    fn roles_are_mapped_or_named() {
        let mapped = [
            ("BENNU_OAUTH2_X_ROLE_ATTRIBUTE_PATH", "app.role"),
            ("BENNU_OAUTH2_X_ROLE_MAPPING", "Owner:ADMIN"),
        ];
        let role = |rules: &ClaimRules, value: Value| rules.role(&claims(value));
        let lenient = rules(&mapped);
        assert_eq!(role(&lenient, json!({ "app": { "role": "Owner" } })), Ok(Some(Role::Admin)));
        for other in [json!({ "app": { "role": "ADMIN" } }), json!({}), json!({ "app": { "role": [] } })] {
            assert_eq!(role(&lenient, other), Ok(Some(Role::Viewer)), "least that there is");
        }
        let strict = rules(&[mapped[0], mapped[1], ("BENNU_OAUTH2_X_ROLE_ATTRIBUTE_STRICT", "true")]);
        assert_eq!(role(&strict, json!({})), Err(NoRole));
        let computed = "contains(groups[*], 'admin') && 'ADMIN' || 'MEMBER'";
        let computed = rules(&[("BENNU_OAUTH2_X_ROLE_ATTRIBUTE_PATH", computed)]);
        assert_eq!(role(&computed, json!({ "groups": ["admin"] })), Ok(Some(Role::Admin)));
        assert_eq!(role(&computed, json!({ "groups": ["x"] })), Ok(Some(Role::Member)));
        assert_eq!(role(&computed, json!({})), Ok(Some(Role::Viewer)), "an expression that does not suit");
        let named = rules(&[("BENNU_OAUTH2_X_ROLE_ATTRIBUTE_PATH", "role")]);
        assert_eq!(role(&named, json!({ "role": "member" })), Ok(Some(Role::Member)));
        assert_eq!(role(&named, json!({ "role": "SYSTEM" })), Ok(Some(Role::Viewer)));
        assert_eq!(rules(&[]).role(&claims(json!({ "role": "ADMIN" }))), Ok(None));
    }
}
