//! Log-ins, whose tokens are renewed again and again.

use bennu_domain::ids::{TenantId, UserId};
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, Set};

use super::Directory;
use super::members::end_log_ins;
use crate::database::refuse_erased;
use crate::entities::auth_session;
use crate::error::StoreError;

/// A log-in that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIn {
    pub id: String,
    pub user: UserId,
    /// The tenant that the person works in.
    pub tenant: TenantId,
    /// Tokens of any other generation are void.
    pub generation: i64,
    pub expires_at: Timestamp,
    /// The program that acts for the person; none for a browser.
    pub client: Option<String>,
}

#[derive(Debug, Clone)]
pub struct NewLogIn {
    /// Unguessable.
    pub id: String,
    pub user: UserId,
    pub tenant: TenantId,
    pub expires_at: Timestamp,
}

/// How a log-in goes on.
#[derive(Debug, Clone, Copy)]
pub struct Renewal<'a> {
    pub id: &'a str,
    /// Of the token that is presented.
    pub generation: i64,
    /// Who presents it: the program that it was given to, or none for a browser.
    pub client: Option<&'a str>,
    /// Another tenant to work in.
    pub tenant: Option<TenantId>,
    pub expires_at: Timestamp,
}

/// What became of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    Renewed(LogIn),
    /// The token had been used before: somebody has a copy of it. The log-in has ended for both.
    Reused(LogIn),
    /// There is no such log-in, or none any more.
    Ended,
}

impl Directory<'_> {
    pub async fn log_in(self, id: &str) -> Result<Option<LogIn>, StoreError> {
        Ok(auth_session::Entity::find_by_id(id).one(&self.reads()).await?.map(LogIn::from))
    }

    /// Begins a log-in, and forgets those that have expired. There is none to a tenant that is erased.
    pub async fn begin_log_in(self, new: NewLogIn) -> Result<LogIn, StoreError> {
        let now = self.store.now();
        let transaction = self.begin().await?;
        refuse_erased(&transaction, new.tenant.0).await?;
        auth_session::Entity::delete_many()
            .filter(auth_session::Column::ExpiresAt.lte(now))
            .exec(&transaction)
            .await?;
        let row = auth_session::ActiveModel {
            id: Set(new.id),
            user_id: Set(new.user.0),
            tenant_id: Set(new.tenant.0),
            generation: Set(1),
            created_at: Set(now),
            refreshed_at: Set(now),
            expires_at: Set(new.expires_at.0),
            client_id: Set(None),
            ends_at: Set(None),
        };
        let row = auth_session::Entity::insert(row).exec_with_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(row.into())
    }

    /// Begins the next generation of a log-in, in the same tenant or in another.
    pub async fn renew_log_in(self, renewal: Renewal<'_>) -> Result<Rotation, StoreError> {
        let Renewal { id, generation, client, tenant, expires_at } = renewal;
        let transaction = self.begin().await?;
        let found = auth_session::Entity::find_by_id(id).lock_exclusive().one(&transaction).await?;
        // For anybody else there is none.
        let Some(row) = found.filter(|row| row.client_id.as_deref() == client) else {
            transaction.rollback().await?;
            return Ok(Rotation::Ended);
        };
        if row.generation != generation {
            auth_session::Entity::delete_by_id(id).exec(&transaction).await?;
            transaction.commit().await?;
            return Ok(Rotation::Reused(row.into()));
        }
        let renewed = auth_session::Model {
            generation: generation + 1,
            tenant_id: tenant.map_or(row.tenant_id, |tenant| tenant.0),
            refreshed_at: self.store.now(),
            expires_at: row.ends_at.map_or(expires_at.0, |end| end.min(expires_at.0)),
            ..row
        };
        refuse_erased(&transaction, renewed.tenant_id).await?;
        auth_session::Entity::update_many()
            .col_expr(auth_session::Column::Generation, Expr::value(renewed.generation))
            .col_expr(auth_session::Column::TenantId, Expr::value(renewed.tenant_id))
            .col_expr(auth_session::Column::RefreshedAt, Expr::value(renewed.refreshed_at))
            .col_expr(auth_session::Column::ExpiresAt, Expr::value(renewed.expires_at))
            .filter(auth_session::Column::Id.eq(id))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(Rotation::Renewed(renewed.into()))
    }

    /// Ends one log-in; `false` if there is no such one.
    pub async fn end_log_in(self, id: &str) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        let ended = auth_session::Entity::delete_by_id(id).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(ended.rows_affected > 0)
    }

    /// Ends every log-in of an account, on all devices.
    pub async fn end_log_ins(self, user: UserId) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        end_log_ins(&transaction, user).await?;
        transaction.commit().await
    }
}

impl From<auth_session::Model> for LogIn {
    fn from(row: auth_session::Model) -> Self {
        Self {
            id: row.id,
            user: UserId(row.user_id),
            tenant: TenantId(row.tenant_id),
            generation: row.generation,
            expires_at: Timestamp(row.expires_at),
            client: row.client_id,
        }
    }
}
