//! The database as it is, past the store.

use bennu_store::DatabaseLocation;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};

use super::TestStore;

/// Every table in which spans make rows.
pub const TABLES: [&str; 6] = ["projects", "sessions", "traces", "trace_blocks", "spans", "text_filters"];

impl TestStore {
    /// A connection of the test's own, to which nothing is hidden.
    pub async fn raw(&self) -> DatabaseConnection {
        Database::connect(self.raw_url.clone()).await.unwrap()
    }

    /// The same to the queue of annotations, where it has a file of its own.
    pub async fn raw_jobs(&self) -> Option<DatabaseConnection> {
        let DatabaseLocation::SqliteFile(_) = &self.location else { return None };
        Some(Database::connect(format!("{}-annotation-jobs", self.raw_url)).await.unwrap())
    }

    /// Rows of a tenant in a table, wherever it is.
    pub async fn rows_in(&self, table: &str, tenant: i64) -> i64 {
        let sql = format!("SELECT count(*) FROM {table} WHERE tenant_id = {tenant}");
        let apart = match self.raw_jobs().await {
            Some(jobs) if table == "annotation_jobs" => number(jobs, &sql).await,
            _ => 0,
        };
        self.number(&sql).await + apart
    }

    /// The one number that `sql` answers.
    pub async fn number(&self, sql: &str) -> i64 {
        number(self.raw().await, sql).await
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

    /// Every row of a tenant in every table that has any, as text.
    pub async fn rows_of(&self, tenant: i64) -> Vec<String> {
        let mut all = self.rows_of_tenant(self.raw().await, tenant).await;
        if let Some(jobs) = self.raw_jobs().await {
            all.extend(self.rows_of_tenant(jobs, tenant).await);
        }
        all
    }

    async fn rows_of_tenant(&self, connection: DatabaseConnection, tenant: i64) -> Vec<String> {
        let ask = async |sql: String| -> Vec<String> {
            let statement = Statement::from_string(connection.get_database_backend(), sql);
            let rows = connection.query_all_raw(statement).await.unwrap();
            rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
        };
        let postgres = matches!(self.location, DatabaseLocation::Postgres(_));
        let tables = match postgres {
            true => {
                "SELECT table_name::text FROM information_schema.columns \
                     WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY 1"
            }
            false => {
                "SELECT s.name FROM sqlite_schema s JOIN pragma_table_info(s.name) c ON c.name = 'tenant_id' \
                      WHERE s.type = 'table' ORDER BY 1"
            }
        };
        let mut all = Vec::new();
        for table in ask(tables.to_owned()).await {
            let row = if postgres {
                "to_jsonb(t)::text".to_owned()
            } else {
                let columns = ask(format!("SELECT name FROM pragma_table_info('{table}')")).await;
                let quoted: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
                quoted.join("||','||")
            };
            let rows =
                ask(format!("SELECT {row} FROM {table} t WHERE tenant_id = {tenant} ORDER BY 1")).await;
            all.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
        }
        connection.close().await.unwrap();
        all
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

async fn number(connection: DatabaseConnection, sql: &str) -> i64 {
    let statement =
        Statement::from_string(connection.get_database_backend(), format!("SELECT CAST(({sql}) AS BIGINT)"));
    let row = connection.query_one_raw(statement).await.unwrap().unwrap();
    let number = row.try_get_by_index(0).unwrap();
    connection.close().await.unwrap();
    number
}
