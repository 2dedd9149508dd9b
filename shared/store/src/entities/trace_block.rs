//! Table `trace_blocks`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "trace_blocks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    #[sea_orm(primary_key)]
    pub id: i64,
    pub trace_row_id: i64,
    pub codec: i16,
    pub span_count: i64,
    pub raw_bytes: i64,
    pub stored_bytes: i64,
    pub data: Option<Vec<u8>>,
    pub object_key: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
