//! The accounts that a deployment begins with.

use anyhow::Context as _;
use bennu_access::{PasswordHasher, Role, SystemScope};
use bennu_domain::ids::{TenantId, UserId};
use bennu_kit::config::Credentials;
use bennu_store::{AddMember, NewAccount, NewMember, Store};

/// Gives the first administrator a password, and makes those that the configuration names.
pub async fn bootstrap(
    store: &Store,
    settings: &Credentials,
    passwords: &PasswordHasher,
) -> anyhow::Result<()> {
    let directory = store.directory("the first accounts");
    let first = directory.account(UserId::FIRST_ADMIN).await?;
    if first.is_some_and(|account| account.password.is_none()) {
        let hash = passwords.hash(settings.first_password.clone()).await?;
        directory.set_first_password(UserId::FIRST_ADMIN, &hash).await?;
    }
    let scope = SystemScope::for_tenant(TenantId::DEFAULT, "administrators that the configuration names");
    for (username, email) in &settings.admins {
        if directory.account_of(email).await?.is_some() {
            continue;
        }
        // As people without a password do, they set one through a link.
        let hash = passwords.hash(random_password()?).await?;
        let account = NewAccount::local(email.clone(), Some(hash), true);
        let admin = NewMember { account, username: username.clone(), role: Role::Admin };
        match store.scoped(&scope).add_member(admin).await.context("BENNU_ADMINS")? {
            AddMember::Added(member) => directory.let_manage_platform(member.user).await?,
            AddMember::EmailTaken => {}
            AddMember::UsernameTaken => {
                anyhow::bail!("BENNU_ADMINS: the name {username} is taken by another account")
            }
        }
    }
    Ok(())
}

/// Nobody knows it.
pub fn random_password() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bennu_domain::ids::encode_hex(&bytes))
}
