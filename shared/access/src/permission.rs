//! What a request needs to be allowed, as types, so that the signature of a handler states its rule.

use crate::Role;
use crate::api_key::KeyTraffic;

/// A kind of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See what the tenant has.
    Read,
    /// See it by a query that is sent as a body; roles treat it as a change, as the reference server does.
    Query,
    /// Send spans.
    Ingest,
    /// Change data.
    Write,
    /// Look after one's own account and keys.
    Own,
    /// Manage users, keys, projects.
    Administer,
    /// Manage tenants; a matter of the account, not of its role in a tenant.
    ManagePlatform,
}

impl Permission {
    pub(crate) fn is_granted_to(self, role: Role) -> bool {
        match self {
            Self::Read | Self::Own => true,
            Self::Query | Self::Ingest | Self::Write => role >= Role::Member,
            Self::Administer => role == Role::Admin,
            Self::ManagePlatform => false,
        }
    }

    pub(crate) fn fits(self, traffic: KeyTraffic) -> bool {
        match traffic {
            KeyTraffic::Any => true,
            KeyTraffic::IngestOnly => self == Self::Ingest,
            KeyTraffic::ReadOnly => matches!(self, Self::Read | Self::Query),
        }
    }
}

/// A permission as a type.
pub trait Rule: 'static {
    const PERMISSION: Permission;
}

macro_rules! rule {
    ($($name:ident),+) => {$(
        #[doc = concat!("[`Permission::", stringify!($name), "`]")]
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Rule for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )+};
}

rule!(Read, Query, Ingest, Write, Own, Administer, ManagePlatform);
