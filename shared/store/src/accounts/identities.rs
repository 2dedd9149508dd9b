//! Accounts of people whom somebody else vouches for: an identity provider (OpenID Connect) or a directory (LDAP).

use bennu_access::SystemScope;
use bennu_domain::account::{AuthMethod, Email, Username};
use bennu_domain::audit::AuditAction;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{TenantId, UserId};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::invitations::is_of_erased;
use super::members::{Account, NewAccount, join, make_account, read_account, read_role};
use super::{Accept, Directory};
use crate::audit::AuditEntry;
use crate::entities::{invitation, user};
use crate::error::StoreError;

/// Who somebody is to the one who vouches for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    OAuth2 {
        client_id: String,
        user_id: String,
    },
    /// Entries without an id of their own are known by their address alone.
    Ldap {
        unique_id: Option<String>,
    },
}

impl Identity {
    pub fn auth_method(&self) -> AuthMethod {
        match self {
            Self::OAuth2 { .. } => AuthMethod::OAuth2,
            Self::Ldap { .. } => AuthMethod::Ldap,
        }
    }

    fn accounts(&self) -> Option<Select<user::Entity>> {
        let of_method = user::Entity::find().filter(user::Column::AuthMethod.eq(self.auth_method().as_str()));
        Some(match self {
            Self::OAuth2 { client_id, user_id } => of_method
                .filter(user::Column::Oauth2ClientId.eq(client_id.as_str()))
                .filter(user::Column::Oauth2UserId.eq(user_id.as_str())),
            Self::Ldap { unique_id } => {
                of_method.filter(user::Column::LdapUniqueId.eq(unique_id.as_deref()?))
            }
        })
    }
}

/// An account, and the identity that it has already.
#[derive(Debug, Clone)]
pub struct KnownAccount {
    pub account: Account,
    pub oauth2_client_id: Option<String>,
    pub oauth2_user_id: Option<String>,
    pub ldap_unique_id: Option<String>,
    pub picture_url: Option<String>,
}

/// What changes as somebody logs in; what is not set stays.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    pub identity: Option<Identity>,
    pub email: Option<Email>,
    /// Empty: there is none any more.
    pub picture_url: Option<String>,
}

impl Directory<'_> {
    pub async fn account_of_identity(self, identity: &Identity) -> Result<Option<KnownAccount>, StoreError> {
        let Some(accounts) = identity.accounts() else { return Ok(None) };
        let oldest = accounts.order_by_asc(user::Column::Id);
        Ok(oldest.one(&self.reads()).await?.map(KnownAccount::from))
    }

    pub async fn known_account_of(self, email: &Email) -> Result<Option<KnownAccount>, StoreError> {
        let of_email = user::Entity::find().filter(user::Column::Email.eq(email.as_str()));
        Ok(of_email.one(&self.reads()).await?.map(KnownAccount::from))
    }

    /// `false`, and nothing is changed, if another account has the address.
    pub async fn change_profile(self, id: UserId, change: ProfileChange) -> Result<bool, StoreError> {
        let now = self.store.now();
        let transaction = self.begin().await?;
        if let Some(email) = &change.email {
            let taken = user::Entity::find()
                .filter(user::Column::Email.eq(email.as_str()))
                .filter(user::Column::Id.ne(id.0))
                .lock_exclusive()
                .one(&transaction)
                .await?;
            if taken.is_some() {
                transaction.rollback().await?;
                return Ok(false);
            }
        }
        let mut update = user::Entity::update_many()
            .col_expr(user::Column::UpdatedAt, Expr::value(now))
            .filter(user::Column::Id.eq(id.0));
        for (column, value) in change.columns() {
            update = update.col_expr(column, value);
        }
        update.exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Makes an account and its membership by the newest open invitation of its address, which is used up by it; within one
    /// tenant, or within any.
    pub async fn accept_invitation_of(
        self,
        account: NewAccount,
        username: &Username,
        within: Option<TenantId>,
    ) -> Result<Accept, StoreError> {
        let Some(email) = account.email.known() else { return Ok(Accept::NoInvitation) };
        let now = self.store.now();
        let transaction = self.begin().await?;
        let mut open = invitation::Entity::find()
            .filter(invitation::Column::Email.eq(email.as_str()))
            .filter(invitation::Column::ExpiresAt.gt(now));
        if let Some(tenant) = within {
            open = open.filter(invitation::Column::TenantId.eq(tenant.0));
        }
        let newest = open.order_by_desc(invitation::Column::CreatedAt).lock_exclusive();
        let Some(invitation) = newest.one(&transaction).await? else {
            transaction.rollback().await?;
            return Ok(Accept::NoInvitation);
        };
        if is_of_erased(&transaction, &invitation).await? {
            transaction.rollback().await?;
            return Ok(Accept::NoInvitation);
        }
        let Some(account) = make_account(&transaction, account, now).await? else {
            transaction.rollback().await?;
            return Ok(Accept::EmailTaken);
        };
        let (tenant, user) = (TenantId(invitation.tenant_id), UserId(account.id));
        let role = read_role(&invitation.role);
        if join(&transaction, tenant.0, user, username, role, now).await?.is_none() {
            transaction.rollback().await?;
            return Ok(Accept::UsernameTaken);
        }
        invitation::Entity::delete_by_id((tenant.0, invitation.id)).exec(&transaction).await?;
        let entry = AuditEntry::new(AuditAction::AddMember, user.global_id())
            .with("invitation", invitation.id)
            .with("username", username.as_str())
            .with("role", role.as_str());
        let scope = SystemScope::for_tenant(tenant, "an invitation is accepted by logging in");
        self.store.scoped(&scope).record_in(&transaction, entry).await?;
        transaction.commit().await?;
        Ok(Accept::Joined { tenant, user })
    }
}

impl ProfileChange {
    fn columns(self) -> Vec<(user::Column, SimpleExpr)> {
        let mut columns = Vec::new();
        match self.identity {
            Some(Identity::OAuth2 { client_id, user_id }) => {
                columns.push((user::Column::Oauth2ClientId, Expr::value(client_id)));
                columns.push((user::Column::Oauth2UserId, Expr::value(user_id)));
            }
            Some(Identity::Ldap { unique_id }) => {
                columns.push((user::Column::LdapUniqueId, Expr::value(unique_id)));
            }
            None => {}
        }
        if let Some(email) = self.email {
            columns.push((user::Column::Email, Expr::value(email.as_str())));
        }
        if let Some(url) = self.picture_url {
            columns.push((user::Column::PictureUrl, Expr::value((!url.is_empty()).then_some(url))));
        }
        columns
    }
}

impl From<user::Model> for KnownAccount {
    fn from(row: user::Model) -> Self {
        Self {
            oauth2_client_id: row.oauth2_client_id.clone(),
            oauth2_user_id: row.oauth2_user_id.clone(),
            ldap_unique_id: row.ldap_unique_id.clone(),
            picture_url: row.picture_url.clone(),
            account: read_account(row),
        }
    }
}
