//! Codes by which a program that somebody lets act gets its tokens, once (RFC 6749, section 4.1).

use bennu_domain::audit::AuditAction;
use bennu_domain::ids::{TenantId, UserId};
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, Set,
};

use super::Directory;
use super::log_ins::LogIn;
use crate::audit::AuditEntry;
use crate::database::refuse_erased;
use crate::entities::{auth_session, oauth_code};
use crate::error::StoreError;
use crate::store::ScopedStore;

/// A code for a program that a person lets act in their name.
#[derive(Debug, Clone)]
pub struct NewOAuthCode {
    /// A hash of the code.
    pub code_hash: Vec<u8>,
    pub client_id: String,
    pub user: UserId,
    pub redirect_uri: String,
    /// A hash of the secret that the program keeps until it has the code (RFC 7636, method S256).
    pub code_challenge: String,
    /// Whether the program renews its tokens.
    pub refreshes: bool,
    pub expires_at: Timestamp,
}

/// What a program presents with its code, and the log-in that it gets.
#[derive(Debug, Clone)]
pub struct Redemption<'a> {
    pub code_hash: &'a [u8],
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    pub code_challenge: &'a str,
    /// The tenant that the path names.
    pub tenant: Option<TenantId>,
    /// Unguessable.
    pub log_in_id: String,
    pub expires_at: Timestamp,
    /// Beyond this the log-in is not renewed.
    pub ends_at: Timestamp,
}

/// What became of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    Granted {
        log_in: LogIn,
        refreshes: bool,
    },
    /// There is none, it has expired, or it is for somebody else. It is void now.
    Refused,
    /// It was used before: somebody has a copy of it. The log-in of this id has ended for both.
    Replayed(String),
}

impl ScopedStore<'_> {
    /// On record as what it is: somebody lets a program act in their name. Codes that have expired are forgotten.
    pub async fn authorize_oauth_client(self, new: NewOAuthCode) -> Result<(), StoreError> {
        let now = self.store.now();
        let transaction = self.begin().await?;
        oauth_code::Entity::delete_many()
            .filter(oauth_code::Column::TenantId.eq(self.tenant))
            .filter(oauth_code::Column::ExpiresAt.lte(now))
            .exec(&transaction)
            .await?;
        let entry = AuditEntry::new(AuditAction::AuthorizeClient, new.client_id.as_str())
            .with("redirect_uri", new.redirect_uri.as_str());
        let row = oauth_code::ActiveModel {
            tenant_id: Set(self.tenant),
            code_hash: Set(new.code_hash),
            client_id: Set(new.client_id),
            user_id: Set(new.user.0),
            redirect_uri: Set(new.redirect_uri),
            code_challenge: Set(new.code_challenge),
            refreshes: Set(new.refreshes),
            session_id: Set(None),
            created_at: Set(now),
            expires_at: Set(new.expires_at.0),
        };
        oauth_code::Entity::insert(row).exec_without_returning(&transaction).await?;
        self.record_in(&transaction, entry).await?;
        transaction.commit().await
    }
}

impl Directory<'_> {
    /// Changes a code for a log-in. One that is presented wrongly is void as well: it is somebody else who presents it.
    pub async fn redeem_oauth_code(self, redemption: Redemption<'_>) -> Result<Redeemed, StoreError> {
        let now = self.store.now();
        let transaction = self.begin().await?;
        let found = oauth_code::Entity::find()
            .filter(oauth_code::Column::CodeHash.eq(redemption.code_hash))
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let Some(code) = found.filter(|code| code.expires_at > now) else {
            transaction.rollback().await?;
            return Ok(Redeemed::Refused);
        };
        if let Some(log_in) = code.session_id {
            auth_session::Entity::delete_by_id(log_in.as_str()).exec(&transaction).await?;
            transaction.commit().await?;
            return Ok(Redeemed::Replayed(log_in));
        }
        let this = || {
            oauth_code::Entity::update_many()
                .filter(oauth_code::Column::TenantId.eq(code.tenant_id))
                .filter(oauth_code::Column::CodeHash.eq(redemption.code_hash))
        };
        if !is_presented_rightly(&code, &redemption) {
            this().col_expr(oauth_code::Column::ExpiresAt, Expr::value(now)).exec(&transaction).await?;
            transaction.commit().await?;
            return Ok(Redeemed::Refused);
        }
        refuse_erased(&transaction, code.tenant_id).await?;
        let log_in = auth_session::ActiveModel {
            id: Set(redemption.log_in_id.clone()),
            user_id: Set(code.user_id),
            tenant_id: Set(code.tenant_id),
            generation: Set(1),
            created_at: Set(now),
            refreshed_at: Set(now),
            expires_at: Set(redemption.expires_at.0.min(redemption.ends_at.0)),
            client_id: Set(Some(code.client_id.clone())),
            ends_at: Set(Some(redemption.ends_at.0)),
        };
        let log_in = log_in.insert(&transaction).await?.into();
        this()
            .col_expr(oauth_code::Column::SessionId, Expr::value(redemption.log_in_id))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(Redeemed::Granted { log_in, refreshes: code.refreshes })
    }
}

fn is_presented_rightly(code: &oauth_code::Model, by: &Redemption<'_>) -> bool {
    code.client_id == by.client_id
        && code.redirect_uri == by.redirect_uri
        && code.code_challenge == by.code_challenge
        && by.tenant.is_none_or(|tenant| tenant.0 == code.tenant_id)
}
