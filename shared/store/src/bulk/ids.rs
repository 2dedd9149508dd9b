//! Row ids taken before the rows are written, because rows of one batch refer to each other.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::error::StoreError;

/// `count` fresh ids for `table`, rising. On SQLite the transaction must hold the write lock.
pub(crate) async fn reserve_ids(
    connection: &impl ConnectionTrait,
    table: &'static str,
    count: usize,
) -> Result<Vec<i64>, StoreError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    if connection.get_database_backend() == DbBackend::Postgres {
        let sql =
            "SELECT nextval(pg_get_serial_sequence($1, 'id')) AS id FROM generate_series(1, $2) ORDER BY 1";
        let statement =
            Statement::from_sql_and_values(DbBackend::Postgres, sql, [table.into(), count.into()]);
        let rows = connection.query_all_raw(statement).await?;
        return Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?);
    }
    // Inserting rows with ids above it moves the sequence on.
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?";
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, [table.into()]);
    let last: i64 = match connection.query_one_raw(statement).await? {
        Some(row) => row.try_get("", "seq")?,
        None => 0,
    };
    Ok((last + 1..=last + count).collect())
}
