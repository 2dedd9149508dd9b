//! Table `spans`, without the facets, which only conditions read.

use bennu_domain::cost::Cost;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "spans")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: i64,
    #[sea_orm(primary_key)]
    pub id: i64,
    pub project_id: i64,
    pub trace_row_id: i64,
    pub span_id: Vec<u8>,
    pub parent_id: Option<Vec<u8>>,
    pub name: String,
    pub kind: i16,
    pub status: i16,
    pub start_time: i64,
    pub end_time: i64,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub block_id: i64,
    pub block_index: i64,
    pub span_text: Option<String>,
    pub parent_text: Option<String>,
    pub unfinished: bool,
    pub prompt_cost: Option<i64>,
    pub completion_cost: Option<i64>,
}

impl Model {
    /// `None` where no price was known when the span arrived.
    pub fn cost(&self) -> Option<Cost> {
        let cost = self.prompt_cost.zip(self.completion_cost);
        cost.map(|(prompt, completion)| Cost { prompt, completion })
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
