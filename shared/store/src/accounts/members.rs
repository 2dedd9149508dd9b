//! Accounts, and the members of a tenant.

use bennu_access::{PasswordHash, Role};
use bennu_domain::account::{AuthMethod, Email, Username};
use bennu_domain::audit::AuditAction;
use bennu_domain::global_id::Node as _;
use bennu_domain::ids::UserId;
use bennu_domain::page::Page;
use bennu_domain::time::Timestamp;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ColumnTrait as _, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set, TryInsert,
    TryInsertResult,
};

use super::Directory;
use super::account_email::{AccountEmail, read_address};
use crate::audit::AuditEntry;
use crate::database::refuse_erased;
use crate::entities::{api_key, auth_session, membership, oauth_code, user};
use crate::error::StoreError;
use crate::store::ScopedStore;

/// An account as those see it who check its password.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: UserId,
    /// None if the person's directory tells none.
    pub email: Option<String>,
    pub auth_method: AuthMethod,
    pub password: Option<PasswordHash>,
    pub password_set_at: Timestamp,
    pub manages_platform: bool,
}

/// An account as a tenant sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub user: UserId,
    /// None if the person's directory tells none.
    pub email: Option<String>,
    pub username: String,
    pub role: Role,
    pub auth_method: AuthMethod,
    pub password_needs_reset: bool,
    pub oauth2_client_id: Option<String>,
    pub oauth2_user_id: Option<String>,
    pub picture_url: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An account that is to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    pub email: AccountEmail,
    pub auth_method: AuthMethod,
    pub password: Option<PasswordHash>,
    pub password_needs_reset: bool,
    pub oauth2_client_id: Option<String>,
    pub oauth2_user_id: Option<String>,
}

/// An account that is to be made, as a member of a tenant.
#[derive(Debug, Clone)]
pub struct NewMember {
    pub account: NewAccount,
    pub username: Username,
    pub role: Role,
}

impl NewAccount {
    /// An account with a password, which its owner is to change if somebody else chose it.
    pub fn local(email: Email, password: Option<PasswordHash>, password_needs_reset: bool) -> Self {
        let auth_method = AuthMethod::Local;
        Self {
            email: email.into(),
            auth_method,
            password,
            password_needs_reset,
            oauth2_client_id: None,
            oauth2_user_id: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddMember {
    Added(Member),
    EmailTaken,
    UsernameTaken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    Done,
    NoMember,
    /// A tenant that nobody can manage would be lost to its people.
    LastAdmin,
}

impl Directory<'_> {
    pub async fn account(self, id: UserId) -> Result<Option<Account>, StoreError> {
        Ok(user::Entity::find_by_id(id.0).one(&self.reads()).await?.map(read_account))
    }

    pub async fn account_of(self, email: &Email) -> Result<Option<Account>, StoreError> {
        let found =
            user::Entity::find().filter(user::Column::Email.eq(email.as_str())).one(&self.reads()).await?;
        Ok(found.map(read_account))
    }

    /// Sets a password and ends every log-in of the account.
    pub async fn set_password(self, id: UserId, password: &PasswordHash) -> Result<(), StoreError> {
        let now = self.store.now();
        let transaction = self.begin().await?;
        user::Entity::update_many()
            .col_expr(user::Column::PasswordHash, Expr::value(password.as_str()))
            .col_expr(user::Column::PasswordSetAt, Expr::value(now))
            .col_expr(user::Column::PasswordNeedsReset, Expr::value(false))
            .col_expr(user::Column::UpdatedAt, Expr::value(now))
            .filter(user::Column::Id.eq(id.0))
            .exec(&transaction)
            .await?;
        end_log_ins(&transaction, id).await?;
        transaction.commit().await
    }

    /// Gives an account that has none its first password, which is to be changed. `false` if it has one.
    pub async fn set_first_password(self, id: UserId, password: &PasswordHash) -> Result<bool, StoreError> {
        let now = self.store.now();
        let transaction = self.begin().await?;
        let set = user::Entity::update_many()
            .col_expr(user::Column::PasswordHash, Expr::value(password.as_str()))
            .col_expr(user::Column::PasswordSetAt, Expr::value(now))
            .filter(user::Column::Id.eq(id.0))
            .filter(user::Column::PasswordHash.is_null())
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(set.rows_affected > 0)
    }

    /// Makes the account one that manages tenants.
    pub async fn let_manage_platform(self, id: UserId) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        user::Entity::update_many()
            .col_expr(user::Column::ManagesPlatform, Expr::value(true))
            .filter(user::Column::Id.eq(id.0))
            .exec(&transaction)
            .await?;
        transaction.commit().await
    }
}

impl<'a> ScopedStore<'a> {
    /// Accounts are out of reach of tenants, as they may belong to people of several.
    fn accounts(self) -> Directory<'a> {
        self.store.directory("the accounts of a tenant's members")
    }

    /// Newest first.
    pub async fn members(
        self,
        from: Option<UserId>,
        limit: usize,
    ) -> Result<Page<Member, UserId>, StoreError> {
        let mut query = membership::Entity::find().filter(membership::Column::TenantId.eq(self.tenant));
        if let Some(from) = from {
            query = query.filter(membership::Column::UserId.lte(from.0));
        }
        let rows = query
            .order_by_desc(membership::Column::UserId)
            .limit(limit as u64 + 1)
            .all(&self.reads())
            .await?;
        let next = rows.get(limit).map(|row| UserId(row.user_id));
        let rows = rows.into_iter().take(limit).collect();
        Ok(Page { items: self.with_accounts(rows).await?, next })
    }

    pub async fn member(self, user: UserId) -> Result<Option<Member>, StoreError> {
        let row = membership::Entity::find_by_id((self.tenant, user.0)).one(&self.reads()).await?;
        Ok(self.with_accounts(row.into_iter().collect()).await?.pop())
    }

    async fn with_accounts(self, rows: Vec<membership::Model>) -> Result<Vec<Member>, StoreError> {
        let ids = rows.iter().map(|row| row.user_id);
        let accounts = user::Entity::find().filter(user::Column::Id.is_in(ids));
        let accounts = accounts.all(&self.accounts().reads()).await?;
        let account_of = |id| accounts.iter().find(|account| account.id == id).cloned();
        let members = rows.into_iter().filter_map(|row| Some(read_member(account_of(row.user_id)?, row)));
        Ok(members.collect())
    }

    /// Makes an account and its membership.
    pub async fn add_member(self, new: NewMember) -> Result<AddMember, StoreError> {
        let now = self.store.now();
        let transaction = self.accounts().begin().await?;
        refuse_erased(&transaction, self.tenant).await?;
        let Some(account) = make_account(&transaction, new.account, now).await? else {
            transaction.rollback().await?;
            return Ok(AddMember::EmailTaken);
        };
        let joined =
            join(&transaction, self.tenant, UserId(account.id), &new.username, new.role, now).await?;
        let Some(row) = joined else {
            transaction.rollback().await?;
            return Ok(AddMember::UsernameTaken);
        };
        let member = read_member(account, row);
        let entry = AuditEntry::new(AuditAction::CreateUser, member.user.global_id())
            .with("username", member.username.as_str())
            .with("role", member.role.as_str());
        self.record_in(&transaction, entry).await?;
        transaction.commit().await?;
        Ok(AddMember::Added(member))
    }

    /// Gives a member another role.
    pub async fn set_role(self, user: UserId, role: Role) -> Result<MemberChange, StoreError> {
        let transaction = self.begin().await?;
        if role != Role::Admin && is_last_admin(&transaction, self.tenant, user).await? {
            transaction.rollback().await?;
            return Ok(MemberChange::LastAdmin);
        }
        let changed = membership::Entity::update_many()
            .col_expr(membership::Column::Role, Expr::value(role.as_str()))
            .col_expr(membership::Column::UpdatedAt, Expr::value(self.store.now()))
            .filter(membership::Column::TenantId.eq(self.tenant))
            .filter(membership::Column::UserId.eq(user.0))
            .exec(&transaction)
            .await?;
        if changed.rows_affected > 0 {
            let entry = AuditEntry::new(AuditAction::ChangeRole, user.global_id());
            self.record_in(&transaction, entry.with("role", role.as_str())).await?;
        }
        transaction.commit().await?;
        Ok(if changed.rows_affected > 0 { MemberChange::Done } else { MemberChange::NoMember })
    }

    /// Ends a membership with its keys and log-ins; the account goes with its last membership.
    pub async fn remove_member(self, user: UserId) -> Result<MemberChange, StoreError> {
        let transaction = self.accounts().begin().await?;
        if is_last_admin(&transaction, self.tenant, user).await? {
            transaction.rollback().await?;
            return Ok(MemberChange::LastAdmin);
        }
        let removed = self.part_with(&transaction, user).await?;
        if removed {
            self.record_in(&transaction, AuditEntry::new(AuditAction::RemoveMember, user.global_id()))
                .await?;
        }
        transaction.commit().await?;
        Ok(if removed { MemberChange::Done } else { MemberChange::NoMember })
    }

    /// The same, even if nobody is left who can manage the tenant.
    pub(super) async fn drop_member(self, user: UserId) -> Result<(), StoreError> {
        let transaction = self.accounts().begin().await?;
        self.part_with(&transaction, user).await?;
        transaction.commit().await
    }

    async fn part_with(self, connection: &impl ConnectionTrait, user: UserId) -> Result<bool, StoreError> {
        let removed = membership::Entity::delete_by_id((self.tenant, user.0)).exec(connection).await?;
        api_key::Entity::delete_many()
            .filter(api_key::Column::TenantId.eq(self.tenant))
            .filter(api_key::Column::UserId.eq(user.0))
            .exec(connection)
            .await?;
        oauth_code::Entity::delete_many()
            .filter(oauth_code::Column::TenantId.eq(self.tenant))
            .filter(oauth_code::Column::UserId.eq(user.0))
            .exec(connection)
            .await?;
        auth_session::Entity::delete_many()
            .filter(auth_session::Column::TenantId.eq(self.tenant))
            .filter(auth_session::Column::UserId.eq(user.0))
            .exec(connection)
            .await?;
        let elsewhere = membership::Entity::find()
            .filter(membership::Column::UserId.eq(user.0))
            .count(connection)
            .await?;
        if elsewhere == 0 {
            end_log_ins(connection, user).await?;
            user::Entity::delete_by_id(user.0).exec(connection).await?;
        }
        Ok(removed.rows_affected > 0)
    }
}

/// Whether a tenant would be without an administrator without this member.
async fn is_last_admin(
    connection: &impl ConnectionTrait,
    tenant: i64,
    user: UserId,
) -> Result<bool, StoreError> {
    let admins = membership::Entity::find()
        .filter(membership::Column::TenantId.eq(tenant))
        .filter(membership::Column::Role.eq(Role::Admin.as_str()))
        .lock_exclusive()
        .all(connection)
        .await?;
    Ok(admins.len() == 1 && admins[0].user_id == user.0)
}

/// Makes an account a member; `None` if the name is taken, or it is a member already.
pub(super) async fn join(
    connection: &impl ConnectionTrait,
    tenant: i64,
    user: UserId,
    username: &Username,
    role: Role,
    now: i64,
) -> Result<Option<membership::Model>, StoreError> {
    let row = membership::ActiveModel {
        tenant_id: Set(tenant),
        user_id: Set(user.0),
        username: Set(username.as_str().to_owned()),
        role: Set(role.as_str().to_owned()),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let insert = membership::Entity::insert(row).on_conflict(OnConflict::new().do_nothing().to_owned());
    inserted(insert.try_insert(), connection).await
}

/// Makes an account; `None` if the address has one.
pub(super) async fn make_account(
    connection: &impl ConnectionTrait,
    new: NewAccount,
    now: i64,
) -> Result<Option<user::Model>, StoreError> {
    let row = user::ActiveModel {
        id: NotSet,
        email: Set(new.email.as_stored()),
        auth_method: Set(new.auth_method.as_str().to_owned()),
        password_hash: Set(new.password.map(|hash| hash.as_str().to_owned())),
        password_set_at: Set(now),
        password_needs_reset: Set(new.password_needs_reset),
        oauth2_client_id: Set(new.oauth2_client_id),
        oauth2_user_id: Set(new.oauth2_user_id),
        manages_platform: Set(false),
        created_at: Set(now),
        updated_at: Set(now),
        picture_url: Set(None),
        // At once: by the address nobody would find it.
        ldap_unique_id: Set(new.email.unique_id().map(str::to_owned)),
    };
    let unless_taken = OnConflict::column(user::Column::Email).do_nothing().to_owned();
    inserted(user::Entity::insert(row).on_conflict(unless_taken).try_insert(), connection).await
}

/// The row that was inserted; `None` if another one stands in its way.
pub(super) async fn inserted<A>(
    insert: TryInsert<A>,
    connection: &impl ConnectionTrait,
) -> Result<Option<<A::Entity as EntityTrait>::Model>, StoreError>
where
    A: ActiveModelTrait,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    Ok(match insert.exec_with_returning_many(connection).await? {
        TryInsertResult::Inserted(mut rows) => rows.pop(),
        TryInsertResult::Conflicted | TryInsertResult::Empty => None,
    })
}

/// With the codes by which programs would begin further ones.
pub(super) async fn end_log_ins(connection: &impl ConnectionTrait, user: UserId) -> Result<(), StoreError> {
    oauth_code::Entity::delete_many().filter(oauth_code::Column::UserId.eq(user.0)).exec(connection).await?;
    auth_session::Entity::delete_many()
        .filter(auth_session::Column::UserId.eq(user.0))
        .exec(connection)
        .await?;
    Ok(())
}

pub(super) fn read_account(row: user::Model) -> Account {
    Account {
        id: UserId(row.id),
        email: read_address(row.email),
        auth_method: read_method(&row.auth_method),
        password: row.password_hash.map(PasswordHash::from_stored),
        password_set_at: Timestamp(row.password_set_at),
        manages_platform: row.manages_platform,
    }
}

fn read_member(account: user::Model, row: membership::Model) -> Member {
    Member {
        user: UserId(account.id),
        username: row.username,
        role: read_role(&row.role),
        auth_method: read_method(&account.auth_method),
        email: read_address(account.email),
        password_needs_reset: account.password_needs_reset,
        oauth2_client_id: account.oauth2_client_id,
        oauth2_user_id: account.oauth2_user_id,
        picture_url: account.picture_url,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(account.updated_at.max(row.updated_at)),
    }
}

/// What only this crate writes; anything else is the weakest.
pub(super) fn read_role(text: &str) -> Role {
    text.parse().unwrap_or(Role::Viewer)
}

fn read_method(text: &str) -> AuthMethod {
    AuthMethod::from_name(text).unwrap_or(AuthMethod::Local)
}
