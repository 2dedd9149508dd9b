//! What still comes for a tenant that was erased is refused; see `shared/store/src/database.rs`.

use sea_orm_migration::prelude::*;

use crate::dialect::execute_on_postgres;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The first half of the key of an advisory lock, "tena" in ASCII; the second half is a hash of the tenant. Transactions of a
/// tenant share the lock, and whoever erases the tenant takes it alone: after that none is under way that has not seen it.
pub const TENANT_LOCK: i32 = 0x7465_6e61;

/// SQLSTATE of what is refused so. No class of Postgres' own begins with a B and an N.
pub const TENANT_ERASED: &str = "BN001";

/// It looks only once it has the lock, in a statement of its own, which sees what was committed until then. With the rights
/// of the owner, as the list of tenants is no matter of theirs.
const HOLD_TENANT: &str = "DO $make$ BEGIN EXECUTE format($format$
CREATE OR REPLACE FUNCTION hold_tenant(tenant bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({LOCK}, hashint8(tenant));
    IF EXISTS (SELECT FROM %I.tenants WHERE id = tenant AND erased_at IS NOT NULL) THEN
        RAISE EXCEPTION USING ERRCODE = '{ERASED}', MESSAGE = 'the tenant was erased';
    END IF;
END $$
$format$, current_schema()); END $make$";

const RIGHTS: &[&str] = &[
    "REVOKE ALL ON FUNCTION hold_tenant(bigint) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION hold_tenant(bigint) TO bennu_tenant",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let hold = HOLD_TENANT.replace("{LOCK}", &TENANT_LOCK.to_string()).replace("{ERASED}", TENANT_ERASED);
        execute_on_postgres(manager, &[&hold]).await?;
        execute_on_postgres(manager, RIGHTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_on_postgres(manager, &["DROP FUNCTION hold_tenant(bigint)"]).await
    }
}
