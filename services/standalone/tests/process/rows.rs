//! The database itself, for what the API does not show.

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use tokio::runtime::Runtime;

/// Roll-ups that differ from the spans, and blocks whose spans are not all there, each as one number that must be 0.
const DISAGREEMENTS: [(&str, &str); 3] = [
    (
        "traces whose counts are not those of their spans",
        "SELECT count(*) FROM traces t JOIN (SELECT trace_row_id, count(*) AS spans, sum(CASE WHEN status = 2 THEN 1 ELSE 0 END) \
         AS errors, sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion, min(start_time) AS start_time, \
         max(end_time) AS end_time FROM spans GROUP BY trace_row_id) s ON s.trace_row_id = t.id \
         WHERE t.span_count <> s.spans OR t.error_count <> s.errors OR t.prompt_tokens <> s.prompt \
         OR t.completion_tokens <> s.completion OR t.start_time <> s.start_time OR t.end_time <> s.end_time",
    ),
    (
        "traces without spans",
        "SELECT count(*) FROM traces t WHERE NOT EXISTS (SELECT 1 FROM spans s WHERE s.trace_row_id = t.id)",
    ),
    (
        "blocks that do not hold exactly the spans that point at them",
        "SELECT count(*) FROM trace_blocks b LEFT JOIN (SELECT block_id, count(*) AS spans FROM spans GROUP BY block_id) s \
         ON s.block_id = b.id WHERE s.spans IS NULL OR b.span_count <> s.spans",
    ),
];

/// A connection of its own, beside the server's.
pub struct Rows {
    runtime: Runtime,
    connection: DatabaseConnection,
}

impl Rows {
    /// `url` as the driver has it: `sqlite:///absolute/file.db` or `postgres://…`.
    pub fn open(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut options = sea_orm::ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        let connection = runtime.block_on(Database::connect(options)).unwrap();
        Self { runtime, connection }
    }

    pub fn execute(&self, sql: &str) {
        self.runtime.block_on(self.connection.execute_unprepared(sql)).unwrap();
    }

    pub fn count(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.connection.get_database_backend(), sql);
        let row = self.runtime.block_on(self.connection.query_one_raw(statement)).unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    pub fn assert_consistent(&self) {
        for (what, sql) in DISAGREEMENTS {
            assert_eq!(self.count(sql), 0, "{what}");
        }
    }
}
