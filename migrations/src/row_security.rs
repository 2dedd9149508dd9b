//! Row-level security: the wall between tenants that Postgres itself keeps. SQLite has none.
//!
//! A unit of work of a tenant runs as the role `bennu_tenant`, and sees the rows of the tenant that `bennu.tenant` names.
//! Even the owner of the tables sees no row unless `bennu.across_tenants` says why it must. Both are set for a
//! transaction (`shared/store/src/database.rs`); superusers are above all of this, so let Bennu connect as somebody else.

use sea_orm_migration::prelude::*;

use crate::dialect::execute_on_postgres;

/// Puts tables that were just made behind the wall; they have a column `tenant_id`. A table of a later step gets there by
/// one line in that step, and is out of reach of tenants until then.
pub async fn force_row_security(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    execute_on_postgres(manager, &[MAKE_ROLE, LET_ROLE_IN]).await?;
    for table in tables {
        let wall = WALL.map(|statement| statement.replace("{TABLE}", table));
        let wall: Vec<&str> = wall.iter().map(String::as_str).collect();
        execute_on_postgres(manager, &wall).await?;
    }
    Ok(())
}

/// The names in the settings are compared once a statement, in a query of their own, not once a row.
const WALL: [&str; 5] = [
    "ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY",
    "CREATE POLICY of_tenant ON {TABLE} TO bennu_tenant
        USING (tenant_id = (SELECT NULLIF(current_setting('bennu.tenant', true), '')::bigint))",
    "CREATE POLICY across_tenants ON {TABLE} TO CURRENT_USER
        USING ((SELECT current_setting('bennu.across_tenants', true) <> ''))",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO bennu_tenant",
];

/// The role is one for all databases of the cluster, and another of them may be making it in this moment.
const MAKE_ROLE: &str = "DO $$
DECLARE
    needed CONSTANT text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bennu_tenant') THEN
        BEGIN
            CREATE ROLE bennu_tenant NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    IF NOT pg_has_role('bennu_tenant', needed) THEN
        BEGIN
            GRANT bennu_tenant TO CURRENT_USER;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = format('the database user %1$I cannot act as the role bennu_tenant, which keeps tenants apart; '
            'have a superuser run: CREATE ROLE bennu_tenant NOLOGIN; GRANT bennu_tenant TO %1$I', current_user);
END $$";

/// Sequences hold no data of tenants; those of the new tables are among them.
const LET_ROLE_IN: &str = "DO $$ BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO bennu_tenant', current_schema());
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO bennu_tenant', current_schema());
END $$";
