//! Everything that is stored, and the only crate that knows SQL.
//!
//! `Store::scoped` is the one way to tenant-owned data; entities stay private to the crate.

mod accounts;
mod annotation_configs;
mod annotation_queue;
mod annotations;
mod audit;
mod blocks;
mod bulk;
mod compaction;
mod conditions;
mod connect;
mod database;
mod deletion;
mod entities;
mod error;
mod journal;
mod pace;
mod prepared;
mod prices;
mod projects;
mod sessions;
mod span_condition;
mod span_facts;
mod span_ids;
mod span_order;
mod span_page;
mod span_scan;
mod span_search;
mod store;
mod stored;
mod text_filters;
mod trace_facts;
mod traces;
mod transaction;
mod transfer;
mod write_back;
pub mod yielding;

pub use accounts::{
    Accept, Account, AccountEmail, AddMember, ApiKey, CreateTenant, Directory, Identity, Invitation, Invitee,
    KeyHolder, KeyOwner, KnownAccount, LogIn, Member, MemberChange, Membership, NewAccount, NewInvitation,
    NewLogIn, NewMember, NewOAuthClient, NewOAuthCode, NewStoredKey, OAuthClient, ProfileChange, Redeemed,
    Redemption, Renewal, Rotation, StoredUsage, Tenant,
};
pub use annotation_configs::{Assignment, ConfigChange, StoredAnnotationConfig};
pub use annotation_queue::{
    AnnotationFailure, FailureSelection, GatheredWrites, ItemOutcome, JobKey, JobRow, NewJobRow, QueuedEnd,
    QueuedWrite, Receipt,
};
pub use annotations::{
    AnnotationDelete, AnnotationList, AnnotationOutcome, AnnotationSummary, AnnotationWrite, LabelCount,
    StoredAnnotation, SummaryQuery,
};
pub use audit::{AuditEntry, AuditPage, AuditVerdict, BrokenLink, StoredAuditRecord};
pub use blocks::BlockPolicy;
pub use bulk::{CommittedSpans, WriteReport};
pub use compaction::{Compaction, CompactionPolicy, DueTrace, Leadership, OldTraceWalk};
pub use connect::{ConnectOptions, DatabaseLocation};
pub use error::StoreError;
pub use prepared::{PrepareError, PreparedSpan};
pub use prices::{MOST_OVERRIDES, PutPrice};
pub use projects::{Project, ProjectList};
pub use sessions::{Session, SessionTrace};
pub use span_page::{SpanPageRequest, SpanSort, StoredSpan};
pub use span_scan::{Roots, SpanScan, SpanSelection};
pub use store::{ScopedStore, Store};
pub use traces::{Trace, TraceList, TraceSort, TraceSpan};
pub use transaction::Committed;
pub use transfer::Transfer;
