//! Accounts, tenants, keys and log-ins.
//!
//! What a tenant's own people see and change goes through a [`ScopedStore`](crate::ScopedStore). Finding out who is calling
//! cannot: there is no tenant before it. That goes through the [`Directory`].

mod account_email;
mod api_keys;
mod erase;
mod identities;
mod invitations;
mod limits;
mod log_ins;
mod members;
mod oauth_clients;
mod oauth_codes;
mod tenants;

use crate::database::Reads;
use crate::error::StoreError;
use crate::store::Store;
use crate::transaction::WriteTransaction;

pub use account_email::AccountEmail;
pub use api_keys::{ApiKey, KeyHolder, KeyOwner, NewStoredKey};
pub use identities::{Identity, KnownAccount, ProfileChange};
pub use invitations::{Accept, Invitation, Invitee, NewInvitation};
pub use limits::StoredUsage;
pub use log_ins::{LogIn, NewLogIn, Renewal, Rotation};
pub use members::{Account, AddMember, Member, MemberChange, NewAccount, NewMember};
pub use oauth_clients::{NewOAuthClient, OAuthClient};
pub use oauth_codes::{NewOAuthCode, Redeemed, Redemption};
pub use tenants::{CreateTenant, Membership, Tenant};

/// Accounts, tenants, keys and log-ins across tenants.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    store: &'a Store,
    reason: &'static str,
}

impl Store {
    /// For those who verify credentials and who manage the platform; the reason goes to the log.
    pub fn directory(&self, reason: &'static str) -> Directory<'_> {
        Directory { store: self, reason }
    }
}

impl<'a> Directory<'a> {
    fn reads(self) -> Reads<'a> {
        self.store.reads_across_tenants(self.reason)
    }

    async fn begin(self) -> Result<WriteTransaction, StoreError> {
        self.store.begin_across_tenants(self.reason).await
    }
}
