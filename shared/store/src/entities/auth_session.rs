//! Table `auth_sessions`: log-ins.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auth_sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub user_id: i64,
    pub tenant_id: i64,
    pub generation: i64,
    pub created_at: i64,
    pub refreshed_at: i64,
    pub expires_at: i64,
    /// The program whose log-in it is; none for that of a browser.
    pub client_id: Option<String>,
    /// However often it is renewed.
    pub ends_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
