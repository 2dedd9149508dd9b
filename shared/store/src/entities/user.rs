//! Table `users`: the accounts of people.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub email: String,
    pub auth_method: String,
    pub password_hash: Option<String>,
    pub password_set_at: i64,
    pub password_needs_reset: bool,
    pub oauth2_client_id: Option<String>,
    pub oauth2_user_id: Option<String>,
    pub manages_platform: bool,
    pub created_at: i64,
    pub updated_at: i64,
    pub picture_url: Option<String>,
    pub ldap_unique_id: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
