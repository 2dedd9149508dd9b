//! Statements over many rows at once, written once for both engines.
//!
//! A statement sees its rows as a table `v`. On Postgres that is `UNNEST` of one array a column, so there is one
//! prepared statement for any number of rows. It stands in the list of what is selected, as `FROM UNNEST(…)` would put every value
//! of every column into a store of rows before the first is used. A limit that is not known when the statement is planned has
//! Postgres expect few rows, and look up by an index what they are joined with: while it has no statistics it would read all rows
//! of the tenant for each batch.
//!
//! On SQLite it is a `VALUES` list, cut into chunks of few sizes, so that some prepared statements serve every number of rows.

use std::iter::Peekable;

use sea_orm::sea_query::ArrayType;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value};

use crate::error::StoreError;

/// Rows a SQLite statement; more does not get faster.
pub(crate) const LARGEST_CHUNK: usize = 512;
/// Of a statement; SQLite refuses more.
const MOST_PARAMETERS: usize = 32_766;
/// Sets that SQLite inserts with one statement, if they are of one size: each way to its thread and back takes longer than many of
/// them.
const SETS_AT_ONCE: usize = 8;

/// Types of columns that `v` can have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ColumnType {
    BigInt,
    Bytes,
    Text,
    Bool,
    Double,
}

/// An `INSERT` without what it inserts.
#[derive(Debug)]
pub(crate) struct Insert {
    pub verb: &'static str,
    /// Table and columns.
    pub into: &'static str,
    pub conflict: &'static str,
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

/// Rows for a statement, in column order. For Postgres no value is null: arrays of the driver hold none.
pub(crate) struct RowSet {
    columns: &'static [(&'static str, ColumnType)],
    values: Vec<Value>,
}

impl RowSet {
    pub fn new(columns: &'static [(&'static str, ColumnType)], rows: usize) -> Self {
        Self { columns, values: Vec::with_capacity(rows * columns.len()) }
    }

    pub fn push(&mut self, row: impl IntoIterator<Item = Value>) {
        self.values.extend(row);
        debug_assert_eq!(self.values.len() % self.columns.len(), 0);
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

    /// Inserts sets that are long in the making: on SQLite the next ones are made while those before them are under way on its
    /// thread. Each comes with the `SELECT … FROM v` that `insert` takes, and its parameters. Answers how many rows there are more.
    pub async fn insert_made<'s>(
        sets: impl Iterator<Item = (Self, &'s str, Vec<Value>)> + Send,
        insert: &Insert,
        connection: &impl ConnectionTrait,
    ) -> Result<u64, StoreError> {
        let backend = connection.get_database_backend();
        let selects = sets.flat_map(|(set, sql, parameters)| set.statements(backend, sql, &parameters));
        // Boxed, as a future with the closure in it would not be known to be `Send`.
        let selects: Box<dyn Iterator<Item = Statement> + Send + '_> = Box::new(selects);
        let mut selects = selects.peekable();
        let (mut next, mut affected) = (insert.next(&mut selects), 0);
        while let Some(statement) = next {
            let (executed, made) =
                tokio::join!(connection.execute_raw(statement), async { insert.next(&mut selects) });
            affected += executed?.rows_affected();
            next = made;
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
        let (rows, width) = (self.rows(), self.columns.len());
        let columns = self.columns.iter().zip(1..);
        let unnested: Vec<String> =
            columns.map(|((_, kind), place)| format!("UNNEST(${place}::{})", kind.postgres().0)).collect();
        let sql = with_parameters(sql, parameters.len(), |index| format!("${}", width + index + 1));
        let (names, unnested, limit) = (self.names(), unnested.join(", "), width + parameters.len() + 1);
        let sql = format!("WITH v ({names}) AS (SELECT {unnested} LIMIT ${limit}) {sql}");
        let mut arrays: Vec<Vec<Value>> = self.columns.iter().map(|_| Vec::with_capacity(rows)).collect();
        for (index, value) in self.values.into_iter().enumerate() {
            arrays[index % width].push(value);
        }
        let arrays = arrays
            .into_iter()
            .zip(self.columns)
            .map(|(array, (_, kind))| Value::Array(kind.postgres().1, Some(Box::new(array))));
        let limit = i64::try_from(rows).unwrap_or(i64::MAX);
        let bound = arrays.chain(parameters.iter().cloned()).chain([limit.into()]);
        Some(Statement::from_sql_and_values(DbBackend::Postgres, sql, bound))
    }

    fn chunks(self, sql: &str, parameters: &[Value]) -> Vec<Statement> {
        let width = self.columns.len();
        let names = self.names();
        let row = format!("({})", vec!["?"; width].join(", "));
        let (sql, used) = with_parameters_in_order(sql, parameters.len());
        let mut left = self.rows();
        let mut values = self.values.into_iter();
        let mut statements = Vec::new();
        while left > 0 {
            let rows = chunk(left);
            let sql = format!("WITH v ({names}) AS (VALUES {}) {sql}", vec![row.as_str(); rows].join(", "));
            let bound = values.by_ref().take(rows * width).chain(used.iter().map(|n| parameters[*n].clone()));
            statements.push(Statement::from_sql_and_values(DbBackend::Sqlite, sql, bound));
            left -= rows;
        }
        statements
    }
}

/// Any number up to 100, as many as official clients send at once, or a multiple of 64: one or two statements, of 107 sizes. Every
/// statement costs a way to the thread that runs SQLite and back, which takes longer than most of them.
fn chunk(rows: usize) -> usize {
    if rows <= 100 { rows } else { LARGEST_CHUNK.min(rows / 64 * 64) }
}

fn with_parameters(sql: &str, count: usize, placeholder: impl Fn(usize) -> String) -> String {
    (0..count).fold(sql.to_owned(), |sql, index| sql.replace(&format!("{{{index}}}"), &placeholder(index)))
}

/// `sql` with a `?` wherever a parameter is used, and which ones these are. Where sets are joined, each takes its values from where the
/// one before it ended; so none may point at them by number.
fn with_parameters_in_order(sql: &str, count: usize) -> (String, Vec<usize>) {
    let (mut text, mut used) = (String::with_capacity(sql.len()), Vec::new());
    let mut parts = sql.split('{');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let parameter = part.split_once('}').and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
        if let Some((number, rest)) = parameter.filter(|(number, _)| *number < count) {
            used.push(number);
            text.extend(["?", rest]);
        } else {
            text.extend(["{", part]);
        }
    }
    (text, used)
}

impl Insert {
    /// With the next rows; on SQLite also with those after them that are selected by the same text.
    fn next(&self, selects: &mut Peekable<impl Iterator<Item = Statement>>) -> Option<Statement> {
        let Statement { sql: select, values, db_backend } = selects.next()?;
        let Self { verb, into, conflict } = self;
        let mut values = values.map(|values| values.0).unwrap_or_default();
        let mut sql = format!("{verb} INTO {into} SELECT * FROM ({select}) AS made");
        let is_same = |next: &Statement| db_backend == DbBackend::Sqlite && next.sql == select;
        let (mut sets, room) = (1, MOST_PARAMETERS / values.len().max(1));
        while sets < room.min(SETS_AT_ONCE)
            && let Some(next) = selects.next_if(is_same)
        {
            sql.extend([" UNION ALL SELECT * FROM (", &select, ")"]);
            values.extend(next.values.into_iter().flat_map(|values| values.0));
            sets += 1;
        }
        Some(Statement::from_sql_and_values(db_backend, format!("{sql} {conflict}"), values))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // clippy knows only functions marked as tests, not their helpers
mod tests {
    use bennu_testkit::databases;
    use sea_orm::{Database, DatabaseConnection};

    use super::*;

    const NAMES: &[(&str, ColumnType)] = &[("name", ColumnType::Text)];

    async fn run(connection: &DatabaseConnection, sql: &str) {
        connection.execute_unprepared(sql).await.unwrap();
    }

    /// As the driver's prepared statements are planned from the sixth time on.
    async fn generic_plan(connection: &DatabaseConnection, sql: &str) -> String {
        let mut rows = RowSet::new(NAMES, 1);
        rows.push(["s1".into()]);
        let statements = rows.statements(DbBackend::Postgres, sql, &[1_i64.into()]);
        let [statement] = statements.as_slice() else { panic!("{} statements", statements.len()) };
        run(connection, &format!("PREPARE looking AS {}", statement.sql)).await;
        run(connection, "SET plan_cache_mode = force_generic_plan").await;
        let explain =
            Statement::from_string(DbBackend::Postgres, "EXPLAIN (COSTS OFF) EXECUTE looking('{s1}', 1, 1)");
        let lines = connection.query_all_raw(explain).await.unwrap();
        lines.iter().map(|line| line.try_get_by_index::<String>(0).unwrap() + "\n").collect()
    }

    #[tokio::test]
    async fn rows_are_made_as_they_are_written_however_many_there_are() {
        let mut one = sea_orm::ConnectOptions::new("sqlite::memory:");
        one.max_connections(1);
        let connection = Database::connect(one).await.unwrap();
        run(&connection, "CREATE TABLE kept (name text UNIQUE)").await;
        let insert = Insert { verb: "INSERT OR IGNORE", into: "kept (name)", conflict: "" };
        let mut before = 0;
        for count in [0, 1, LARGEST_CHUNK, 2 * LARGEST_CHUNK + 65] {
            let sets = (0..count).map(|number| {
                let mut set = RowSet::new(NAMES, 1);
                set.push([number.to_string().into()]);
                (set, "SELECT v.name || {0} FROM v", vec!["!".into()])
            });
            let affected = RowSet::insert_made(sets, &insert, &connection).await;
            assert_eq!(affected.unwrap(), (count - before) as u64);
            before = count;
        }
    }

    #[tokio::test]
    async fn postgres_looks_rows_up_by_an_index_though_it_has_no_statistics() {
        // Settings and prepared statements belong to a connection.
        let mut one = sea_orm::ConnectOptions::new(databases::postgres().await);
        one.max_connections(1);
        let connection = Database::connect(one).await.unwrap();
        run(
            &connection,
            "CREATE TEMP TABLE kept (tenant_id bigint, id bigint, name text, UNIQUE (tenant_id, name))",
        )
        .await;
        run(&connection, "CREATE INDEX kept_by_id ON kept (tenant_id, id)").await;
        run(&connection, "INSERT INTO kept SELECT 1, n, 's' || n FROM generate_series(1, 3000) n").await;
        let sql = "SELECT k.id FROM v CROSS JOIN kept k WHERE k.tenant_id = {0} AND k.name = v.name";
        let plan = generic_plan(&connection, sql).await;
        assert!(
            plan.contains("Index Scan using kept_tenant_id_name_key") && plan.contains("name = "),
            "{plan}"
        );
        assert!(!plan.contains("Hash"), "{plan}");
        connection.close().await.unwrap();
    }
}
