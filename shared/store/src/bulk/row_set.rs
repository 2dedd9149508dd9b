//! Statements over many rows at once, written once for both engines.
//!
//! A statement sees its rows as a table `v`. On Postgres that is `UNNEST` over one array a column, so there is one
//! prepared statement for any number of rows. On SQLite it is a `VALUES` list, cut into chunks of few
//! sizes, so that some prepared statements serve every number of rows.

use sea_orm::sea_query::ArrayType;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value};

use crate::error::StoreError;

/// Rows a SQLite statement; more does not get faster, and SQLite allows 32,766 parameters.
const LARGEST_CHUNK: usize = 512;

/// Types of columns that `v` can have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ColumnType {
    BigInt,
    Bytes,
    Text,
    Bool,
    Double,
}

impl ColumnType {
    fn postgres(self) -> (&'static str, ArrayType) {
        match self {
            Self::BigInt => ("bigint[]", ArrayType::BigInt),
            Self::Bytes => ("bytea[]", ArrayType::Bytes),
            Self::Text => ("text[]", ArrayType::String),
            Self::Bool => ("boolean[]", ArrayType::Bool),
            Self::Double => ("double precision[]", ArrayType::Double),
        }
    }
}

/// Rows for a statement, in column order. Values are never null: Postgres arrays of the driver hold none.
pub(crate) struct RowSet {
    columns: &'static [(&'static str, ColumnType)],
    values: Vec<Value>,
}

impl RowSet {
    pub fn new(columns: &'static [(&'static str, ColumnType)], rows: usize) -> Self {
        Self { columns, values: Vec::with_capacity(rows * columns.len()) }
    }

    pub fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.values.extend(row);
    }

    fn rows(&self) -> usize {
        self.values.len() / self.columns.len()
    }

    /// Runs `sql`, in which `v` is these rows and `{0}`, `{1}` … are `parameters`; answers the affected rows.
    pub async fn execute(
        self,
        connection: &impl ConnectionTrait,
        sql: &str,
        parameters: &[Value],
    ) -> Result<u64, StoreError> {
        let mut affected = 0;
        for statement in self.statements(connection.get_database_backend(), sql, parameters) {
            affected +=
                connection.execute_raw(statement).await.map(|result: ExecResult| result.rows_affected())?;
        }
        Ok(affected)
    }

    /// Like [`Self::execute`], for statements that answer rows.
    pub async fn query<T>(
        self,
        connection: &impl ConnectionTrait,
        sql: &str,
        parameters: &[Value],
        read: impl Fn(QueryResult) -> Result<T, DbErr>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        for statement in self.statements(connection.get_database_backend(), sql, parameters) {
            for row in connection.query_all_raw(statement).await? {
                found.push(read(row)?);
            }
        }
        Ok(found)
    }

    fn statements(self, backend: DbBackend, sql: &str, parameters: &[Value]) -> Vec<Statement> {
        match backend {
            DbBackend::Postgres => self.unnest(sql, parameters).into_iter().collect(),
            _ => self.chunks(sql, parameters),
        }
    }

    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    fn unnest(self, sql: &str, parameters: &[Value]) -> Option<Statement> {
        if self.values.is_empty() {
            return None;
        }
        let casts: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, (_, kind))| format!("${}::{}", index + 1, kind.postgres().0))
            .collect();
        let sql =
            with_parameters(sql, parameters.len(), |index| format!("${}", self.columns.len() + index + 1));
        let sql = format!("WITH v ({}) AS (SELECT * FROM UNNEST({})) {sql}", self.names(), casts.join(", "));
        let rows = self.rows();
        let mut arrays: Vec<Vec<Value>> = self.columns.iter().map(|_| Vec::with_capacity(rows)).collect();
        let width = self.columns.len();
        for (index, value) in self.values.into_iter().enumerate() {
            arrays[index % width].push(value);
        }
        let arrays = arrays
            .into_iter()
            .zip(self.columns)
            .map(|(array, (_, kind))| Value::Array(kind.postgres().1, Some(Box::new(array))));
        Some(Statement::from_sql_and_values(
            DbBackend::Postgres,
            sql,
            arrays.chain(parameters.iter().cloned()),
        ))
    }

    fn chunks(self, sql: &str, parameters: &[Value]) -> Vec<Statement> {
        let width = self.columns.len();
        let names = self.names();
        let row = format!("({})", vec!["?"; width].join(", "));
        let mut left = self.rows();
        let mut values = self.values.into_iter();
        let mut statements = Vec::new();
        while left > 0 {
            let rows = chunk(left);
            let sql =
                with_parameters(sql, parameters.len(), |index| format!("?{}", rows * width + index + 1));
            let sql = format!("WITH v ({names}) AS (VALUES {}) {sql}", vec![row.as_str(); rows].join(", "));
            let bound = values.by_ref().take(rows * width).chain(parameters.iter().cloned());
            statements.push(Statement::from_sql_and_values(DbBackend::Sqlite, sql, bound));
            left -= rows;
        }
        statements
    }
}

/// Any number up to 64, or a multiple of it: one or two statements, of 71 sizes. Every statement costs a way to the
/// thread that runs SQLite and back, which takes longer than most of them.
fn chunk(rows: usize) -> usize {
    if rows <= 64 { rows } else { LARGEST_CHUNK.min(rows / 64 * 64) }
}

fn with_parameters(sql: &str, count: usize, placeholder: impl Fn(usize) -> String) -> String {
    (0..count).fold(sql.to_owned(), |sql, index| sql.replace(&format!("{{{index}}}"), &placeholder(index)))
}
