//! Row ids taken before the rows are written, because rows of one batch refer to each other.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::error::StoreError;

/// Fresh ids for so many rows of each table, rising, in one query. On SQLite the transaction must hold the write lock.
pub(crate) async fn reserve_ids<const TABLES: usize>(
    connection: &impl ConnectionTrait,
    tables: [(&'static str, usize); TABLES],
) -> Result<[Vec<i64>; TABLES], StoreError> {
    match connection.get_database_backend() {
        DbBackend::Postgres => from_sequences(connection, tables).await,
        _ => after_the_last(connection, tables).await,
    }
}

/// One array a table: a row for each id would cost more than the id. The name of a sequence is looked up once, for which it needs a
/// query of its own.
async fn from_sequences<const TABLES: usize>(
    connection: &impl ConnectionTrait,
    tables: [(&'static str, usize); TABLES],
) -> Result<[Vec<i64>; TABLES], StoreError> {
    let arrays: Vec<String> = (0..TABLES)
        .map(|place| {
            let (table, count) = (2 * place + 1, 2 * place + 2);
            format!(
                "ARRAY(SELECT nextval((SELECT pg_get_serial_sequence(${table}, 'id')::regclass)) \
                 FROM generate_series(1, ${count}))"
            )
        })
        .collect();
    let sql = format!("SELECT {}", arrays.join(", "));
    let parameters = tables.iter().flat_map(|(table, count)| [(*table).into(), as_i64(*count).into()]);
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, parameters);
    let row = connection.query_one_raw(statement).await?.ok_or(StoreError::LostRace)?;
    let mut ids = tables.map(|_| Vec::new());
    for ((place, ids), (_, count)) in ids.iter_mut().enumerate().zip(tables) {
        *ids = row.try_get_by_index(place)?;
        if ids.len() < count {
            return Err(StoreError::LostRace);
        }
    }
    Ok(ids)
}

/// Inserting rows with ids above it moves the sequence of a table on.
async fn after_the_last<const TABLES: usize>(
    connection: &impl ConnectionTrait,
    tables: [(&'static str, usize); TABLES],
) -> Result<[Vec<i64>; TABLES], StoreError> {
    let places = vec!["?"; TABLES].join(", ");
    let sql = format!("SELECT name, seq FROM sqlite_sequence WHERE name IN ({places})");
    let names = tables.map(|(table, _)| table.into());
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, names);
    let mut last = [0_i64; TABLES];
    for row in connection.query_all_raw(statement).await? {
        let name: String = row.try_get_by_index(0)?;
        if let Some(place) = tables.iter().position(|(table, _)| *table == name) {
            last[place] = row.try_get_by_index(1)?;
        }
    }
    let mut last = last.into_iter();
    Ok(tables.map(|(_, count)| {
        let last = last.next().unwrap_or_default();
        (last + 1..=last + as_i64(count)).collect()
    }))
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
