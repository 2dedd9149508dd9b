//! The filters of blocks: each is written, replaced and deleted with its block, in one transaction.

use bennu_domain::filter::{DemandedGrams, GramPlace};
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, QueryFilter as _, QuerySelect as _, Value,
};

use crate::bulk::{ColumnType, RowSet};
use crate::entities::{text_filter, trace_block};
use crate::error::StoreError;
use crate::store::ScopedStore;

impl ScopedStore<'_> {
    /// Writes the filters of new blocks.
    pub(crate) async fn write_text_filters(
        self,
        transaction: &impl ConnectionTrait,
        filters: impl ExactSizeIterator<Item = (i64, Vec<u8>)>,
    ) -> Result<(), StoreError> {
        const FILTER: &[(&str, ColumnType)] = &[("id", ColumnType::BigInt), ("bits", ColumnType::Bytes)];
        let mut rows = RowSet::new(FILTER, filters.len());
        filters.for_each(|(block, bits)| rows.push([block.into(), bits.into()]));
        let sql = "INSERT INTO text_filters (tenant_id, id, bits) SELECT {0}, v.id, v.bits FROM v";
        rows.execute(transaction, sql, &[self.tenant.into()]).await?;
        Ok(())
    }

    /// Writes the filter of a block that was rewritten.
    pub(crate) async fn replace_text_filter(
        self,
        transaction: &impl ConnectionTrait,
        block: i64,
        bits: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.drop_text_filters(transaction, [block]).await?;
        self.write_text_filters(transaction, [(block, bits)].into_iter()).await
    }

    /// Before or after the blocks themselves are deleted.
    pub(crate) async fn drop_text_filters(
        self,
        transaction: &impl ConnectionTrait,
        blocks: impl IntoIterator<Item = i64>,
    ) -> Result<(), StoreError> {
        text_filter::Entity::delete_many()
            .filter(text_filter::Column::TenantId.eq(self.tenant))
            .filter(text_filter::Column::Id.is_in(blocks))
            .exec(transaction)
            .await?;
        Ok(())
    }

    /// Before the blocks themselves are deleted.
    pub(crate) async fn drop_text_filters_of_traces(
        self,
        transaction: &impl ConnectionTrait,
        traces: &[i64],
    ) -> Result<(), StoreError> {
        let blocks: Vec<i64> = trace_block::Entity::find()
            .select_only()
            .column(trace_block::Column::Id)
            .filter(trace_block::Column::TenantId.eq(self.tenant))
            .filter(trace_block::Column::TraceRowId.is_in(traces.iter().copied()))
            .into_tuple()
            .all(transaction)
            .await?;
        for some in blocks.chunks(BLOCKS_A_STATEMENT) {
            self.drop_text_filters(transaction, some.iter().copied()).await?;
        }
        Ok(())
    }
}

/// Blocks named in one statement; SQLite allows 32,766 parameters.
const BLOCKS_A_STATEMENT: usize = 500;

/// SQL for the filters, in the column `bits`, that let a text with the grams pass.
pub(crate) fn lets_pass(dialect: DbBackend, demanded: &DemandedGrams) -> SimpleExpr {
    let texts = demanded.texts().map(|grams| {
        let grams = grams.iter().map(|gram| has_gram(dialect, *gram));
        grams.reduce(ExprTrait::and).unwrap_or_else(|| Expr::value(true))
    });
    texts.reduce(ExprTrait::or).unwrap_or_else(|| Expr::value(true))
}

fn has_gram(dialect: DbBackend, gram: GramPlace) -> SimpleExpr {
    let byte = Value::from(i32::from(gram.byte));
    if dialect == DbBackend::Postgres {
        let values = [byte, i32::from(gram.bit).into()];
        return Expr::cust_with_values("get_bit(bits, $1 % octet_length(bits) * 8 + $2) = 1", values);
    }
    // SQLite has no operators on the bits of bytes: is it one of the bytes that have the bit?
    let with_bit: Vec<u8> = (0..=u8::MAX).filter(|byte| byte >> gram.bit & 1 == 1).collect();
    Expr::cust_with_values("instr(?, substr(bits, 1 + ? % length(bits), 1)) > 0", [with_bit.into(), byte])
}
