//! The audit log of a tenant: what was done, by whom, from where. Each entry carries a hash over itself and the hash of
//! the entry before it, so that nobody can change, drop or reorder entries without all hashes from there on being wrong.
//!
//! Whoever may write the database may also compute all of them anew: keep the last hash elsewhere to notice even that.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::ids::{TenantId, encode_hex};
use crate::time::Timestamp;

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal),+ $(,)?) => {
        /// What can be done that goes on record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AuditAction {
            $($(#[$doc])* $action,)+
        }

        impl AuditAction {
            pub const ALL: &[Self] = &[$(Self::$action),+];

            /// As it is stored and shown.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$action => $name,)+
                }
            }
        }
    };
}

actions!(
    CreateUser = "user.create",
    ChangeUser = "user.change",
    ChangeRole = "user.change_role",
    ResetPassword = "user.reset_password",
    DeleteUser = "user.delete",
    CreateKey = "api_key.create",
    DeleteKey = "api_key.delete",
    CreateTenant = "tenant.create",
    ChangeTenant = "tenant.change",
    SuspendTenant = "tenant.suspend",
    ResumeTenant = "tenant.resume",
    InviteMember = "member.invite",
    WithdrawInvitation = "member.withdraw_invitation",
    AddMember = "member.add",
    RegisterClient = "client.register",
    /// Somebody lets a program act in their name.
    AuthorizeClient = "client.authorize",
    RemoveMember = "member.remove",
    CreateProject = "project.create",
    ChangeProject = "project.change",
    DeleteProject = "project.delete",
    TransferTraces = "trace.transfer",
    DeleteTrace = "trace.delete",
    /// Those of a project in a range of time.
    DeleteTraces = "trace.delete_range",
    DeleteSpan = "span.delete",
    DeleteSession = "session.delete",
    DeleteAnnotations = "annotation.delete",
    DropFailedAnnotations = "annotation.drop_failed",
    DeleteAnnotationConfig = "annotation_config.delete",
    ExportSpans = "span.export",
    ExportTrace = "trace.export",
    SetPrice = "price.set",
    DeletePrice = "price.delete",
);

impl AuditAction {
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text)
    }
}

/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuditHash(pub [u8; 32]);

impl AuditHash {
    /// What stands before the first entry.
    pub const START: Self = Self([0; 32]);

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_hex(&self.0))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An entry as it is stored, in the words that are hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// From 1 on, without gaps.
    pub sequence: i64,
    pub time: Timestamp,
    /// `anonymous`, `user`, `api_key`, `admin_secret` or `system`.
    pub actor_kind: String,
    pub actor: String,
    /// IP address from which the request came; empty for work of the system's own.
    pub address: String,
    /// See [`AuditAction::as_str`].
    pub action: String,
    /// What it was done to: a GlobalId where there is one.
    pub target: String,
    /// A JSON object.
    pub details: String,
}

impl AuditRecord {
    /// The hash over the entry and the one before. Texts are preceded by their lengths, so that no two entries are hashed
    /// as the same bytes.
    pub fn hash(&self, tenant: TenantId, previous: AuditHash) -> AuditHash {
        let Self { sequence, time, actor_kind, actor, address, action, target, details } = self;
        let mut hasher = Sha256::new();
        hasher.update(b"bennu audit 1\n");
        hasher.update(previous.0);
        for number in [tenant.0, *sequence, time.0] {
            hasher.update(number.to_be_bytes());
        }
        for text in [actor_kind, actor, address, action, target, details] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        AuditHash(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn record() -> AuditRecord {
        AuditRecord {
            sequence: 1,
            time: Timestamp(2),
            actor_kind: "user".to_owned(),
            actor: "ada".to_owned(),
            address: "::1".to_owned(),
            action: "project.delete".to_owned(),
            target: "Project:1".to_owned(),
            details: "{}".to_owned(),
        }
    }

    #[test]
    fn actions_are_read_as_they_are_written() {
        for action in AuditAction::ALL {
            assert_eq!(AuditAction::parse(action.as_str()), Some(*action));
        }
        assert_eq!(AuditAction::parse("project.explode"), None);
    }

    /// Entries that are stored must verify for good.
    #[test]
    fn the_hash_of_an_entry_never_changes() {
        let hash = record().hash(TenantId(1), AuditHash::START);
        assert_eq!(hash.to_string(), "a821202b995ae1aaa3b00fe9ad81b572d7b2d2e35052850060728031b3982280");
    }

    #[test]
    fn every_field_and_its_bounds_count() {
        let text = |change: fn(&mut AuditRecord) -> &mut String, value: &str| {
            let mut changed = record();
            value.clone_into(change(&mut changed));
            changed
        };
        let mut records = vec![
            record(),
            AuditRecord { sequence: 2, ..record() },
            AuditRecord { time: Timestamp(3), ..record() },
            text(|record| &mut record.actor_kind, "system"),
            text(|record| &mut record.actor, "bob"),
            text(|record| &mut record.address, "::2"),
            text(|record| &mut record.action, "project.create"),
            text(|record| &mut record.target, "Project:2"),
            text(|record| &mut record.details, "{\"a\":1}"),
        ];
        // The same letters, cut elsewhere.
        records.push(AuditRecord { actor_kind: "use".to_owned(), actor: "rada".to_owned(), ..record() });
        let mut hashes: HashSet<String> =
            records.iter().map(|record| record.hash(TenantId(1), AuditHash::START).to_string()).collect();
        hashes.insert(record().hash(TenantId(2), AuditHash::START).to_string());
        hashes.insert(record().hash(TenantId(1), AuditHash([1; 32])).to_string());
        assert_eq!(hashes.len(), records.len() + 2);
    }
}
