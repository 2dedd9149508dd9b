//! The wall between tenants on Postgres, tried with queries that nobody filters.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy knows only functions marked as tests, not their helpers

use std::sync::Arc;

use bennu_archive::Archive;
use bennu_testkit::clock::ManualClock;
use bennu_testkit::databases::{self, OwnedDatabase};
use bennu_testkit::servers;
use sea_orm::{Database as Connect, FromQueryResult as _};
use tempfile::TempDir;

use super::*;
use crate::connect::connect;
use crate::{BlockPolicy, ConnectOptions, DatabaseLocation, Store};

const OWN: i64 = 1;
const FOREIGN: i64 = 2;

fn options(url: &str) -> ConnectOptions {
    ConnectOptions::new(DatabaseLocation::Postgres(url.to_owned()), 4)
}

async fn open(url: &str, files: &TempDir) -> Result<Store, StoreError> {
    let archive = Archive::in_directory(files.path())?;
    let clock = Arc::new(ManualClock::at(bennu_domain::time::Timestamp(0)));
    Store::open(&options(url), archive, BlockPolicy { large_bytes: 1 }, clock).await
}

/// A database whose every table has a row of each of two tenants.
struct Walled {
    database: Database,
    superuser: DatabaseConnection,
    /// All tables with a column `tenant_id`.
    tables: Vec<Table>,
}

struct Table {
    name: String,
    /// Columns but `tenant_id`, and a value for each, in which `?` stands for the tenant.
    columns: String,
    values: String,
}

#[derive(sea_orm::FromQueryResult)]
struct Column {
    table: String,
    name: String,
    kind: String,
}

impl Walled {
    async fn new() -> Self {
        let OwnedDatabase { url, superuser_url } = databases::postgres_of_plain_owner().await;
        let files = tempfile::tempdir().unwrap();
        open(&url, &files).await.unwrap().close().await.unwrap();
        let superuser = Connect::connect(superuser_url).await.unwrap();
        let tables = tables(&superuser).await;
        for table in &tables {
            for tenant in [OWN, FOREIGN] {
                // As a replica: no trigger has a say in what the rows are.
                let insert = format!("SET session_replication_role = replica; {}", table.insert(tenant));
                superuser.execute_unprepared(&insert).await.unwrap();
            }
        }
        let database = Database::new(connect(&options(&url)).await.unwrap());
        Self { database, superuser, tables }
    }

    async fn foreign_rows(&self, table: &Table) -> String {
        let sql = format!(
            "SELECT COALESCE(jsonb_agg(to_jsonb(t)), '[]')::text FROM {} t WHERE tenant_id = {FOREIGN}",
            table.name
        );
        let row = self.superuser.query_one_raw(postgres(&sql)).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// The tenants whose rows are seen through a door.
    async fn seen(&self, connection: &impl ConnectionTrait, table: &Table) -> Vec<i64> {
        let sql = format!("SELECT DISTINCT tenant_id FROM {} ORDER BY tenant_id", table.name);
        match connection.query_all_raw(postgres(&sql)).await {
            Ok(rows) => rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect(),
            // A table that no tenant has to do with.
            Err(error) if error.to_string().contains("permission denied") => Vec::new(),
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// Runs a statement of the tenant's and commits it; answers the error, if it is refused.
    async fn try_as_tenant(&self, sql: &str) -> Option<String> {
        let transaction = self.database.begin(Door::Tenant(OWN)).await.unwrap();
        let refused = transaction.execute_unprepared(sql).await.err();
        if refused.is_none() {
            transaction.commit().await.unwrap();
        }
        refused.map(|error| error.to_string())
    }
}

impl Table {
    fn insert(&self, tenant: i64) -> String {
        let Self { name, columns, values } = self;
        let values = values.replace('?', &tenant.to_string());
        format!("INSERT INTO {name} (tenant_id{columns}) VALUES ({tenant}{values})")
    }
}

fn postgres(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, sql)
}

async fn tables(superuser: &DatabaseConnection) -> Vec<Table> {
    let sql = "SELECT c.table_name::text AS table, c.column_name::text AS name, c.data_type::text AS kind \
               FROM information_schema.columns c WHERE c.table_schema = 'public' AND c.is_generated = 'NEVER' \
               AND EXISTS (SELECT FROM information_schema.columns t WHERE t.table_schema = 'public' \
               AND t.table_name = c.table_name AND t.column_name = 'tenant_id') \
               ORDER BY c.table_name, c.ordinal_position";
    let mut tables: Vec<Table> = Vec::new();
    for Column { table, name, kind } in Column::find_by_statement(postgres(sql)).all(superuser).await.unwrap()
    {
        if tables.last().is_none_or(|last| last.name != table) {
            tables.push(Table { name: table, columns: String::new(), values: String::new() });
        }
        if name == "tenant_id" {
            continue;
        }
        let value = match kind.as_str() {
            "bytea" => "'\\x0?'",
            "text" => "'?'",
            "jsonb" => "'{}'",
            "boolean" => "false",
            _ => "'77'",
        };
        let table = tables.last_mut().unwrap();
        table.columns += &[", ", name.as_str()].concat();
        table.values += &[", ", value].concat();
    }
    assert!(tables.len() >= 13, "the tables that there were when this test was written");
    tables
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_of_tenants_is_behind_the_wall() {
    let walled = Walled::new().await;
    for table in &walled.tables {
        let sql = format!(
            "SELECT relrowsecurity AND relforcerowsecurity AND (SELECT array_agg(polname::text ORDER BY polname) \
             FROM pg_policy WHERE polrelid = c.oid) = ARRAY['across_tenants', 'of_tenant'] \
             FROM pg_class c WHERE oid = '{}'::regclass",
            table.name
        );
        let row = walled.superuser.query_one_raw(postgres(&sql)).await.unwrap().unwrap();
        let behind: Option<bool> = row.try_get_by_index(0).unwrap();
        assert_eq!(behind, Some(true), "{}: its migration lacks force_row_security", table.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_without_its_filter_finds_nothing_foreign() {
    let walled = Walled::new().await;
    for table in &walled.tables {
        let name = &table.name;
        assert_eq!(walled.seen(&walled.superuser, table).await, [OWN, FOREIGN], "{name}");
        let own: &[i64] = if name == "audit_erasures" { &[] } else { &[OWN] };
        assert_eq!(walled.seen(&walled.database.reads(Door::Tenant(OWN)), table).await, own, "{name}");
        let writing = walled.database.begin(Door::Tenant(OWN)).await.unwrap();
        assert_eq!(walled.seen(&writing, table).await, own, "{name}");
        let nobody = walled.database.reads(Door::Tenant(NOBODY));
        assert_eq!(walled.seen(&nobody, table).await, [0_i64; 0], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_its_filter_changes_nothing_foreign() {
    let walled = Walled::new().await;
    for table in &walled.tables {
        let (name, before) = (&table.name, walled.foreign_rows(table).await);
        // What the tenant may not do to its own rows either is refused; in no case is a foreign row touched.
        walled.try_as_tenant(&format!("UPDATE {name} SET tenant_id = tenant_id")).await;
        walled.try_as_tenant(&format!("DELETE FROM {name} WHERE tenant_id = {FOREIGN}")).await;
        for sql in [table.insert(FOREIGN), format!("UPDATE {name} SET tenant_id = {FOREIGN}")] {
            let refused = walled.try_as_tenant(&sql).await.unwrap_or_else(|| panic!("not refused: {sql}"));
            let by_the_wall =
                ["row-level security", "permission denied"].iter().any(|why| refused.contains(why));
            assert!(by_the_wall, "{sql}: {refused}");
        }
        walled.try_as_tenant(&format!("DELETE FROM {name}")).await;
        assert_eq!(walled.foreign_rows(table).await, before, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_door_even_the_owner_sees_no_row() {
    let walled = Walled::new().await;
    for table in &walled.tables {
        let name = &table.name;
        assert_eq!(walled.seen(&walled.database.read, table).await, [0_i64; 0], "{name}");
        let across = walled.database.reads(Door::AcrossTenants("the test's"));
        assert_eq!(walled.seen(&across, table).await, [OWN, FOREIGN], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_cannot_reach_other_tables_nor_write_while_they_read() {
    let walled = Walled::new().await;
    for table in ["tenants", "users", "seaql_migrations"] {
        let refused = walled.try_as_tenant(&format!("SELECT * FROM {table}")).await.unwrap();
        assert!(refused.contains("permission denied"), "{refused}");
    }
    let reads = walled.database.reads(Door::Tenant(OWN));
    let sql = "DELETE FROM spans RETURNING id";
    let refused = reads.query_all_raw(postgres(sql)).await.unwrap_err().to_string();
    assert!(refused.contains("read-only transaction"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_closes_behind_each_unit_of_work() {
    let walled = Walled::new().await;
    let spans = walled.tables.iter().find(|table| table.name == "spans").unwrap();
    // More often than there are connections.
    for _ in 0..10 {
        assert_eq!(walled.seen(&walled.database.reads(Door::Tenant(OWN)), spans).await, [OWN]);
        assert_eq!(walled.seen(&walled.database.reads(Door::Tenant(FOREIGN)), spans).await, [FOREIGN]);
        walled.database.begin(Door::AcrossTenants("the test's")).await.unwrap().commit().await.unwrap();
        assert_eq!(walled.seen(&walled.database.read, spans).await, [0_i64; 0]);
    }
}

/// Expressions that might fail serve no index behind the wall, so the two that lists need are columns.
#[tokio::test(flavor = "multi_thread")]
async fn indexes_serve_queries_behind_the_wall() {
    let walled = Walled::new().await;
    let plan = async |sql: &str| {
        let transaction = walled.database.begin(Door::Tenant(OWN)).await.unwrap();
        let only_indexes =
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off";
        transaction.execute_unprepared(only_indexes).await.unwrap();
        let steps = transaction.query_all_raw(postgres(&format!("EXPLAIN (COSTS OFF) {sql}"))).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|step| step.try_get_by_index(0).unwrap()).collect();
        steps.join("\n")
    };
    let by_id = plan("SELECT id FROM spans WHERE tenant_id = 1 AND id_part = 3 AND span_id = '\\x01'").await;
    assert!(by_id.contains("spans_by_span_id") && by_id.contains("(id_part = 3) AND (span_id ="), "{by_id}");
    let by_start = plan(
        "SELECT id FROM spans WHERE tenant_id = 1 AND project_id = 1 AND (start_time, id) < (5, 5) \
         ORDER BY start_time DESC, id DESC LIMIT 9",
    )
    .await;
    assert!(
        by_start.contains("(ROW(start_time, id) < ROW(5, 5))") && !by_start.contains("Filter: (ROW"),
        "{by_start}"
    );
    let by_latency = plan(
        "SELECT id FROM traces WHERE tenant_id = 1 AND project_id = 1 AND latency >= 5 AND (latency, id) > (5, 5) \
         ORDER BY latency, id LIMIT 9",
    )
    .await;
    assert!(
        by_latency.contains("traces_by_latency") && by_latency.contains("(latency >= 5)"),
        "{by_latency}"
    );
    let of_trace = plan("SELECT id FROM traces WHERE tenant_id = 1 AND trace_id IN ('\\x01', '\\x02')").await;
    assert!(of_trace.contains("(trace_id = ANY"), "{of_trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_the_role_is_told_what_to_do() {
    let files = tempfile::tempdir().unwrap();
    let user = "DO $$ BEGIN CREATE ROLE no_member LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
    databases::postgres_of_plain_owner().await; // makes the role
    let OwnedDatabase { url, superuser_url } = databases::postgres_owned_by("no_member", &[user]).await;
    let advice = "CREATE ROLE bennu_tenant NOLOGIN; GRANT bennu_tenant TO no_member";
    let error = open(&url, &files).await.err().unwrap().to_string();
    assert!(error.contains(advice) && !error.contains('\n'), "{error}");

    let superuser = Connect::connect(superuser_url).await.unwrap();
    superuser.execute_unprepared("GRANT bennu_tenant TO no_member").await.unwrap();
    open(&url, &files).await.unwrap().close().await.unwrap();
    superuser.execute_unprepared("REVOKE bennu_tenant FROM no_member").await.unwrap();
    let error = open(&url, &files).await.err().unwrap();
    assert!(matches!(error, StoreError::NoTenantRole { .. }), "{error}");
    assert!(error.to_string().contains(advice) && !error.is_transient(), "{error}");
}

/// On a server of its own: roles are the same for all databases of a server.
#[tokio::test(flavor = "multi_thread")]
async fn databases_of_one_server_make_the_role_at_the_same_time() {
    let files = tempfile::tempdir().unwrap();
    let server = tokio::task::spawn_blocking(servers::postgres::start).await.unwrap().unwrap();
    let url = &server.variables[0].1;
    let mut urls = Vec::new();
    for _ in 0..6 {
        urls.push(databases::postgres_on(url).await);
    }
    let opened = futures::future::join_all(urls.iter().map(|url| open(url, &files))).await;
    for store in opened {
        store.unwrap().close().await.unwrap();
    }
    let superuser = Connect::connect(urls[0].clone()).await.unwrap();
    superuser.execute_unprepared("ALTER ROLE bennu_tenant BYPASSRLS").await.unwrap();
    let error = open(&urls[0], &files).await.err().unwrap();
    assert!(matches!(error, StoreError::TenantRoleAboveRules), "{error}");
    superuser.close().await.unwrap();
}
