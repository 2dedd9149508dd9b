//! Asking a directory: search as ourselves, bind as the person, and look at the groups.

use std::sync::Arc;
use std::time::Duration;

use bennu_access::Role;
use bennu_domain::account::Email;
use bennu_kit::config::{LdapGroups, LdapSettings, LdapTls};
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchEntry, SearchOptions,
};
use rustls::ClientConfig;
use tokio::sync::Semaphore;

use super::entry;
use super::filter::with_value;
use super::roles::role_of;
use super::tls;

/// Somebody waits for the answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections for log-ins at once are twice as many.
const AT_ONCE: usize = 16;
/// A second entry tells that the filter is not about one person.
const ENOUGH_PEOPLE: i32 = 2;
/// Enough for anybody; a filter that finds all groups ends here.
const MOST_GROUPS: i32 = 1_000;

/// RFC 4511, appendix A.1.
const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_CREDENTIALS: u32 = 49;

pub struct LdapDirectory {
    pub settings: LdapSettings,
    tls: Option<Arc<ClientConfig>>,
    at_once: Semaphore,
}

/// Whom the directory knows, with the right password.
#[derive(Debug)]
pub struct DirectoryPerson {
    /// None if the settings say that the directory tells none.
    pub email: Option<Email>,
    pub name: Option<String>,
    pub unique_id: Option<String>,
    pub role: Role,
}

/// What the directory says.
pub enum Answer {
    Known(Box<DirectoryPerson>),
    /// A wrong password, an unknown name, or nobody who gets in; the reason is for the log.
    Refused(&'static str),
}

/// None of the replicas can be asked; names no person and no password.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("{0}")]
    Ldap(#[from] LdapError),
    #[error("the directory answers with code {0}")]
    Code(u32),
    #[error("no replica is left to ask")]
    NoReplica,
}

impl LdapDirectory {
    /// Asks nothing yet: a directory that is away must not keep the server from starting.
    pub fn new(settings: LdapSettings) -> anyhow::Result<Self> {
        if settings.tls == LdapTls::None {
            tracing::warn!("BENNU_LDAP_TLS_MODE=none: passwords travel to the directory in the clear");
        } else if !settings.verify_certificates {
            tracing::warn!("BENNU_LDAP_TLS_VERIFY=false: anybody can claim to be the directory");
        }
        Ok(Self { tls: tls::configuration(&settings)?, settings, at_once: Semaphore::new(AT_ONCE) })
    }

    /// The first replica that can be asked decides.
    pub async fn authenticate(&self, name: &str, password: &str) -> Result<Answer, DirectoryError> {
        // Without a password a bind is an anonymous one, and succeeds (RFC 4513, section 5.1.2).
        if password.is_empty() || name.trim().is_empty() {
            return Ok(Answer::Refused("no name or no password"));
        }
        let _permit = self.at_once.acquire().await.map_err(|_| DirectoryError::NoReplica)?;
        let mut last = DirectoryError::NoReplica;
        for host in &self.settings.hosts {
            match self.ask(host, name.trim(), password).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::warn!(host, %error, "a directory cannot be asked");
                    last = error;
                }
            }
        }
        Err(last)
    }

    async fn ask(&self, host: &str, name: &str, password: &str) -> Result<Answer, DirectoryError> {
        let mut searching = self.connect(host).await?;
        if let Some((searcher, secret)) = &self.settings.searcher {
            checked(&searching.with_timeout(ANSWER_TIMEOUT).simple_bind(searcher, secret.reveal()).await?)?;
        }
        let found = self.person(&mut searching, name).await?;
        // For an unknown name, too, so that the time does not tell which names there are.
        let entry_name = match &found {
            Some(entry) => entry.dn.clone(),
            None => format!("cn=nobody,{}", self.settings.user_bases[0]),
        };
        let is_right = self.has_password(host, &entry_name, password).await?;
        let Some(person) = found.filter(|_| is_right) else {
            return Ok(Answer::Refused("an unknown name or a wrong password"));
        };
        let groups = self.groups(&mut searching, &person, name).await?;
        // The server closes the connection anyway.
        let _ = searching.unbind().await;
        Ok(self.judged(&person, &groups))
    }

    fn judged(&self, person: &SearchEntry, groups: &[String]) -> Answer {
        let settings = &self.settings;
        let Some(role) = role_of(groups, &settings.roles) else {
            return Answer::Refused("in none of the groups");
        };
        let email = match &settings.email_attribute {
            None => None,
            Some(attribute) => match entry::text(person, attribute).map(|text| Email::parse(&text)) {
                Some(Ok(email)) => Some(email),
                _ => return Answer::Refused("the entry has no e-mail address"),
            },
        };
        let unique_id = match &settings.unique_id_attribute {
            None => None,
            Some(attribute) => match entry::id(person, attribute) {
                // By the address alone somebody else could get in.
                None => return Answer::Refused("the entry lacks the attribute of BENNU_LDAP_ATTR_UNIQUE_ID"),
                id => id,
            },
        };
        let name = entry::text(person, &settings.name_attribute);
        Answer::Known(Box::new(DirectoryPerson { email, name, unique_id, role }))
    }

    async fn connect(&self, host: &str) -> Result<Ldap, DirectoryError> {
        let settings = LdapConnSettings::new()
            .set_conn_timeout(CONNECT_TIMEOUT)
            .set_starttls(self.settings.tls == LdapTls::StartTls)
            .set_no_tls_verify(!self.settings.verify_certificates);
        // A configuration of ours would bring its own checks.
        let settings = match &self.tls {
            Some(tls) if self.settings.verify_certificates => settings.set_config(Arc::clone(tls)),
            _ => settings,
        };
        let scheme = if self.settings.tls == LdapTls::Ldaps { "ldaps" } else { "ldap" };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let url = format!("{scheme}://{host}:{}", self.settings.port);
        let (connection, ldap) = LdapConnAsync::with_settings(settings, &url).await?;
        // Ends with the handle.
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "a connection to a directory ended");
            }
        });
        Ok(ldap)
    }

    /// The one entry of a name; none if there are two.
    async fn person(&self, ldap: &mut Ldap, name: &str) -> Result<Option<SearchEntry>, DirectoryError> {
        let filter = with_value(&self.settings.user_filter, name);
        let attributes = self.attributes();
        for base in &self.settings.user_bases {
            let mut found = search(ldap, base, &filter, &attributes, ENOUGH_PEOPLE).await?;
            match found.len() {
                0 => {}
                1 => return Ok(found.pop()),
                _ => {
                    tracing::warn!("BENNU_LDAP_USER_SEARCH_FILTER finds several entries of one name");
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Those that are looked at. Operational ones, such as `memberOf` and `entryUUID`, come only when they are named.
    fn attributes(&self) -> Vec<&str> {
        let settings = &self.settings;
        let of_groups = match &settings.groups {
            LdapGroups::Attribute(name) => Some(name),
            LdapGroups::Search { user_attribute, .. } => user_attribute.as_ref(),
        };
        let more = [settings.email_attribute.as_ref(), settings.unique_id_attribute.as_ref(), of_groups];
        [&settings.name_attribute].into_iter().chain(more.into_iter().flatten()).map(String::as_str).collect()
    }

    /// On a connection of its own: on the other we stay ourselves.
    async fn has_password(&self, host: &str, entry: &str, password: &str) -> Result<bool, DirectoryError> {
        let mut ldap = self.connect(host).await?;
        let bound = ldap.with_timeout(ANSWER_TIMEOUT).simple_bind(entry, password).await?;
        let _ = ldap.unbind().await;
        match bound.rc {
            SUCCESS => Ok(true),
            INVALID_CREDENTIALS | NO_SUCH_OBJECT => Ok(false),
            // Such as an account that is locked there.
            code => {
                tracing::info!(code, "a directory does not let somebody in");
                Ok(false)
            }
        }
    }

    async fn groups(
        &self,
        ldap: &mut Ldap,
        person: &SearchEntry,
        name: &str,
    ) -> Result<Vec<String>, DirectoryError> {
        let (bases, filter, user_attribute) = match &self.settings.groups {
            LdapGroups::Attribute(attribute) => return Ok(entry::texts(person, attribute)),
            LdapGroups::Search { bases, filter, user_attribute } => (bases, filter, user_attribute),
        };
        let value = match user_attribute.as_deref() {
            None => Some(name.to_owned()),
            Some(attribute) if attribute.eq_ignore_ascii_case("dn") => Some(person.dn.clone()),
            Some(attribute) => entry::text(person, attribute),
        };
        let Some(value) = value else { return Ok(Vec::new()) };
        let filter = with_value(filter, &value);
        let mut groups = Vec::new();
        for base in bases {
            // RFC 4511, section 4.5.1.8: no attributes.
            let found = search(ldap, base, &filter, &["1.1"], MOST_GROUPS).await?;
            groups.extend(found.into_iter().map(|entry| entry.dn));
        }
        Ok(groups)
    }
}

async fn search(
    ldap: &mut Ldap,
    base: &str,
    filter: &str,
    attributes: &[&str],
    most: i32,
) -> Result<Vec<SearchEntry>, DirectoryError> {
    let options = SearchOptions::new().sizelimit(most);
    let searching = ldap.with_search_options(options).with_timeout(ANSWER_TIMEOUT);
    let answer = searching.search(base, Scope::Subtree, filter, attributes.to_vec()).await?;
    match answer.1.rc {
        SUCCESS | SIZE_LIMIT_EXCEEDED => {}
        NO_SUCH_OBJECT => return Ok(Vec::new()),
        code => return Err(DirectoryError::Code(code)),
    }
    let entries = answer.0.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
    Ok(entries.map(SearchEntry::construct).collect())
}

fn checked(result: &LdapResult) -> Result<(), DirectoryError> {
    if result.rc == SUCCESS { Ok(()) } else { Err(DirectoryError::Code(result.rc)) }
}
