//! The database as it is, past the store.

use bennu_store::DatabaseLocation;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};

use super::TestStore;

/// Every table in which spans make rows.
pub const TABLES: [&str; 5] = ["projects", "sessions", "traces", "trace_blocks", "spans"];

impl TestStore {
    /// A connection of the test's own.
    pub async fn raw(&self) -> DatabaseConnection {
        let url = match &self.location {
            DatabaseLocation::Postgres(url) => url.clone(),
            DatabaseLocation::SqliteFile(path) => format!("sqlite://{}", path.display()),
            DatabaseLocation::SqliteMemory => panic!("a database in memory cannot be reached from outside"),
        };
        Database::connect(url).await.unwrap()
    }

    /// The one number that `sql` answers.
    pub async fn number(&self, sql: &str) -> i64 {
        let connection = self.raw().await;
        let statement = Statement::from_string(
            connection.get_database_backend(),
            format!("SELECT CAST(({sql}) AS BIGINT)"),
        );
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        let number = row.try_get_by_index(0).unwrap();
        connection.close().await.unwrap();
        number
    }

    pub async fn execute(&self, sql: &str) {
        let connection = self.raw().await;
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// As before the first start.
    pub async fn drop_every_table(&self) {
        let (names, cascade) = match &self.location {
            DatabaseLocation::Postgres(_) => {
                ("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'", "CASCADE")
            }
            _ => ("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", ""),
        };
        let connection = self.raw().await;
        let names = Statement::from_string(connection.get_database_backend(), names);
        for row in connection.query_all_raw(names).await.unwrap() {
            let name: String = row.try_get("", "name").unwrap();
            connection.execute_unprepared(&format!("DROP TABLE {name} {cascade}")).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    /// From now on the database refuses spans of this name, as it might data that nobody thought of.
    pub async fn refuse_spans_named(&self, name: &str) {
        self.execute(&match self.location {
            DatabaseLocation::Postgres(_) => format!("ALTER TABLE spans ADD CHECK (name <> '{name}')"),
            _ => format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON spans WHEN NEW.name = '{name}' \
                 BEGIN SELECT RAISE(ABORT, 'refused'); END"
            ),
        })
        .await;
    }

    /// How many rows each of [`TABLES`] has.
    pub async fn row_counts(&self) -> [i64; TABLES.len()] {
        let mut counts = [0; TABLES.len()];
        for (count, table) in counts.iter_mut().zip(TABLES) {
            *count = self.number(&format!("SELECT count(*) FROM {table}")).await;
        }
        counts
    }
}
