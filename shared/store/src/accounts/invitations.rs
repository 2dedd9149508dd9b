//! Invitations: links by which people become members, once.

use bennu_access::{PasswordHash, Role, SystemScope};
use bennu_domain::account::{Email, Username};
use bennu_domain::audit::AuditAction;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::{TenantId, UserId};
use bennu_domain::time::Timestamp;
use sea_orm::{
    ActiveValue::NotSet, ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Set,
};

use super::Directory;
use super::members::{NewAccount, join, make_account, read_role};
use crate::audit::AuditEntry;
use crate::database::refuse_erased;
use crate::entities::{invitation, user};
use crate::error::StoreError;
use crate::store::ScopedStore;
use crate::transaction::WriteTransaction;

/// An invitation that nobody has accepted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub id: i64,
    pub tenant: TenantId,
    /// Whom it is for; anybody who has the link if not set.
    pub email: Option<String>,
    pub role: Role,
    pub invited_by: Option<UserId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// A hash of the secret in the link.
    pub token_hash: Vec<u8>,
    pub email: Option<Email>,
    pub role: Role,
    pub invited_by: Option<UserId>,
    pub expires_at: Timestamp,
}

/// Who accepts an invitation.
#[derive(Debug, Clone)]
pub enum Invitee {
    /// A person who is logged in.
    Known(UserId),
    /// One who gets an account by it.
    New { email: Email, password: PasswordHash },
}

/// What became of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accept {
    Joined {
        tenant: TenantId,
        user: UserId,
    },
    /// There is none, it is used, or it has expired.
    NoInvitation,
    /// It is for another address.
    OtherEmail,
    /// There is an account of this address: its owner logs in first.
    EmailTaken,
    /// The name is taken, or the person is a member already.
    UsernameTaken,
}

impl ScopedStore<'_> {
    pub async fn invite(self, new: NewInvitation) -> Result<Invitation, StoreError> {
        let row = invitation::ActiveModel {
            tenant_id: Set(self.tenant),
            id: NotSet,
            token_hash: Set(new.token_hash),
            email: Set(new.email.map(|email| email.as_str().to_owned())),
            role: Set(new.role.as_str().to_owned()),
            invited_by: Set(new.invited_by.map(|user| user.0)),
            created_at: Set(self.store.now()),
            expires_at: Set(new.expires_at.0),
        };
        let transaction = self.begin().await?;
        let row = invitation::Entity::insert(row).exec_with_returning(&transaction).await?;
        let entry = AuditEntry::new(AuditAction::InviteMember, row.id.to_string());
        self.record_in(&transaction, entry.with("role", row.role.as_str())).await?;
        transaction.commit().await?;
        Ok(row.into())
    }

    /// Newest first; those that have expired are forgotten.
    pub async fn invitations(self, limit: usize) -> Result<Vec<Invitation>, StoreError> {
        let rows = invitation::Entity::find()
            .filter(invitation::Column::TenantId.eq(self.tenant))
            .filter(invitation::Column::ExpiresAt.gt(self.store.now()))
            .order_by_desc(invitation::Column::Id)
            .limit(limit as u64)
            .all(&self.reads())
            .await?;
        Ok(rows.into_iter().map(Invitation::from).collect())
    }

    pub async fn count_invitations(self) -> Result<u64, StoreError> {
        let open = invitation::Entity::find()
            .filter(invitation::Column::TenantId.eq(self.tenant))
            .filter(invitation::Column::ExpiresAt.gt(self.store.now()));
        Ok(open.count(&self.reads()).await?)
    }

    /// `false` if there is no such invitation.
    pub async fn withdraw_invitation(self, id: i64) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        let deleted = invitation::Entity::delete_by_id((self.tenant, id)).exec(&transaction).await?;
        if deleted.rows_affected > 0 {
            self.record_in(&transaction, AuditEntry::new(AuditAction::WithdrawInvitation, id.to_string()))
                .await?;
        }
        transaction.commit().await?;
        Ok(deleted.rows_affected > 0)
    }
}

impl Directory<'_> {
    /// Makes somebody a member by an invitation, which is used up by it.
    pub async fn accept_invitation(
        self,
        token_hash: &[u8],
        invitee: Invitee,
        username: &Username,
    ) -> Result<Accept, StoreError> {
        let transaction = self.begin().await?;
        let accepted = self.accept(&transaction, token_hash, invitee, username).await?;
        if matches!(accepted, Accept::Joined { .. }) {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        Ok(accepted)
    }

    async fn accept(
        self,
        transaction: &WriteTransaction,
        token_hash: &[u8],
        invitee: Invitee,
        username: &Username,
    ) -> Result<Accept, StoreError> {
        let now = self.store.now();
        let found = invitation::Entity::find()
            .filter(invitation::Column::TokenHash.eq(token_hash))
            .filter(invitation::Column::ExpiresAt.gt(now))
            .lock_exclusive()
            .one(transaction)
            .await?;
        let Some(invitation) = found else { return Ok(Accept::NoInvitation) };
        if is_of_erased(transaction, &invitation).await? {
            return Ok(Accept::NoInvitation);
        }
        let user = match invitee {
            Invitee::Known(id) => {
                let Some(account) = user::Entity::find_by_id(id.0).one(transaction).await? else {
                    return Ok(Accept::NoInvitation);
                };
                if invitation.email.as_ref().is_some_and(|email| *email != account.email) {
                    return Ok(Accept::OtherEmail);
                }
                id
            }
            Invitee::New { email, password } => {
                if invitation.email.as_ref().is_some_and(|wanted| wanted != email.as_str()) {
                    return Ok(Accept::OtherEmail);
                }
                let account = NewAccount::local(email, Some(password), false);
                match make_account(transaction, account, now).await? {
                    Some(account) => UserId(account.id),
                    None => return Ok(Accept::EmailTaken),
                }
            }
        };
        let (tenant, role) = (invitation.tenant_id, read_role(&invitation.role));
        if join(transaction, tenant, user, username, role, now).await?.is_none() {
            return Ok(Accept::UsernameTaken);
        }
        invitation::Entity::delete_by_id((tenant, invitation.id)).exec(transaction).await?;
        let entry = AuditEntry::new(AuditAction::AddMember, user.global_id())
            .with("invitation", invitation.id)
            .with("username", username.as_str())
            .with("role", role.as_str());
        let scope = SystemScope::for_tenant(TenantId(tenant), "an invitation is accepted");
        self.store.scoped(&scope).record_in(transaction, entry).await?;
        Ok(Accept::Joined { tenant: TenantId(tenant), user })
    }
}

/// Whether the invitation goes with its tenant; if not, the tenant stays until the end of the transaction.
pub(super) async fn is_of_erased(
    transaction: &WriteTransaction,
    invitation: &invitation::Model,
) -> Result<bool, StoreError> {
    match refuse_erased(transaction, invitation.tenant_id).await {
        Err(StoreError::TenantErased) => Ok(true),
        held => held.map(|()| false),
    }
}

impl From<invitation::Model> for Invitation {
    fn from(row: invitation::Model) -> Self {
        Self {
            id: row.id,
            tenant: TenantId(row.tenant_id),
            email: row.email,
            role: read_role(&row.role),
            invited_by: row.invited_by.map(UserId),
            created_at: Timestamp(row.created_at),
            expires_at: Timestamp(row.expires_at),
        }
    }
}
