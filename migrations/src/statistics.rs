//! What SQLite's planner is to assume about the indexes.
//!
//! Without statistics it takes the first column of an index to be selective. Ours is `tenant_id`, of which an embedded store has
//! one value, so it would read whole tables where a few rows are asked for by their ids. The figures are for a large
//! store of one tenant with one project; that they are always the same keeps plans the same.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// One line for each index, in the form of `ANALYZE`: rows of the table, then rows that agree in the first column, in the
/// first two, and so on. A column without a name is the part of an index, see `m0003_spans`. Runs of evaluators have many
/// annotations each.
const ASSUME: &str = r#"
    INSERT INTO sqlite_stat1 (tbl, idx, stat)
    SELECT made.tbl_name, made.name, '1000000' || (
        SELECT group_concat(CASE
            WHEN part.name IN ('tenant_id', 'project_id', 'target_kind') THEN ' 1000000'
            WHEN part.name IS NULL THEN ' 16384'
            WHEN made.name = 'annotations_by_key' AND part.name IN ('identifier', 'name') THEN ' 10000'
            WHEN kind."unique" AND part.seqno = (SELECT max(seqno) FROM pragma_index_info(made.name)) THEN ' 1'
            ELSE ' 10'
        END, '')
        FROM (SELECT * FROM pragma_index_info(made.name) ORDER BY seqno) AS part
    )
    FROM sqlite_schema AS made
    JOIN pragma_index_list(made.tbl_name) AS kind ON kind.name = made.name
    WHERE made.type = 'index'"#;

/// To be called after the last step. Does nothing on Postgres, which gathers statistics by itself.
pub async fn assume_statistics(connection: &impl ConnectionTrait) -> Result<(), DbErr> {
    if connection.get_database_backend() != DbBackend::Sqlite {
        return Ok(());
    }
    // The first makes the table, the last has it read.
    for sql in ["ANALYZE sqlite_schema", "DELETE FROM sqlite_stat1", ASSUME, "ANALYZE sqlite_schema"] {
        connection.execute_unprepared(sql).await?;
    }
    Ok(())
}
