//! Programs that registered themselves to act for people (RFC 7591).

use std::time::Duration;

use bennu_domain::audit::AuditAction;
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, Set};

use crate::audit::AuditEntry;
use crate::entities::oauth_client;
use crate::error::StoreError;
use crate::store::ScopedStore;

/// Anybody may register a program. One that nobody lets act within this time is forgotten.
const UNUSED_LIFE: Duration = Duration::from_hours(7 * 24);

/// A program that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthClient {
    pub client_id: String,
    /// As it calls itself.
    pub name: Option<String>,
    pub logo_uri: Option<String>,
    pub redirect_uris: Vec<String>,
    /// Whether it renews its tokens.
    pub refreshes: bool,
    pub created_at: Timestamp,
}

/// A program that is to be known.
#[derive(Debug, Clone)]
pub struct NewOAuthClient {
    /// Unguessable, so that none is taken.
    pub client_id: String,
    pub name: Option<String>,
    pub logo_uri: Option<String>,
    pub redirect_uris: Vec<String>,
    pub refreshes: bool,
}

impl ScopedStore<'_> {
    /// `None` if the tenant has as many as it may; those that nobody used for a week are forgotten first.
    pub async fn register_oauth_client(
        self,
        new: NewOAuthClient,
        most: u64,
    ) -> Result<Option<OAuthClient>, StoreError> {
        let now = self.store.now();
        let transaction = self.begin().await?;
        let of_tenant = || oauth_client::Column::TenantId.eq(self.tenant);
        oauth_client::Entity::delete_many()
            .filter(of_tenant())
            .filter(oauth_client::Column::LastUsedAt.is_null())
            .filter(oauth_client::Column::CreatedAt.lt(Timestamp(now).before(UNUSED_LIFE).0))
            .exec(&transaction)
            .await?;
        if oauth_client::Entity::find().filter(of_tenant()).count(&transaction).await? >= most {
            transaction.commit().await?;
            return Ok(None);
        }
        let redirect_uris = serde_json::to_string(&new.redirect_uris).map_err(json)?;
        let row = oauth_client::ActiveModel {
            tenant_id: Set(self.tenant),
            client_id: Set(new.client_id),
            name: Set(new.name),
            logo_uri: Set(new.logo_uri),
            redirect_uris: Set(redirect_uris),
            refreshes: Set(new.refreshes),
            created_at: Set(now),
            last_used_at: Set(None),
        };
        let row = oauth_client::Entity::insert(row).exec_with_returning(&transaction).await?;
        let entry = AuditEntry::new(AuditAction::RegisterClient, row.client_id.as_str());
        let entry = entry.with("name", row.name.as_deref()).with("redirect_uris", new.redirect_uris);
        self.record_in(&transaction, entry).await?;
        transaction.commit().await?;
        Ok(Some(read(row)?))
    }

    pub async fn oauth_client(self, client_id: &str) -> Result<Option<OAuthClient>, StoreError> {
        let found = oauth_client::Entity::find_by_id((self.tenant, client_id.to_owned()));
        found.one(&self.reads()).await?.map(read).transpose()
    }

    /// Notes that somebody let it act: it is not forgotten any more.
    pub async fn oauth_client_used(self, client_id: &str) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        oauth_client::Entity::update_many()
            .col_expr(oauth_client::Column::LastUsedAt, Expr::value(self.store.now()))
            .filter(oauth_client::Column::TenantId.eq(self.tenant))
            .filter(oauth_client::Column::ClientId.eq(client_id))
            .exec(&transaction)
            .await?;
        transaction.commit().await
    }
}

fn read(row: oauth_client::Model) -> Result<OAuthClient, StoreError> {
    Ok(OAuthClient {
        redirect_uris: serde_json::from_str(&row.redirect_uris).map_err(json)?,
        client_id: row.client_id,
        name: row.name,
        logo_uri: row.logo_uri,
        refreshes: row.refreshes,
        created_at: Timestamp(row.created_at),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over")]
fn json(error: serde_json::Error) -> StoreError {
    StoreError::Database(DbErr::Json(error.to_string()))
}
