//! Table `tenants`: the customers of the deployment.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    pub slug: String,
    pub name: String,
    pub created_at: i64,
    pub suspended_at: Option<i64>,
    pub spans_per_second: Option<i64>,
    pub bytes_per_second: Option<i64>,
    pub stored_bytes: Option<i64>,
    pub retention_days: Option<i64>,
    pub storage_full: bool,
    pub erased_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
