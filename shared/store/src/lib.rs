//! Everything that is stored, and the only crate that knows SQL.
//!
//! `Store::scoped` is the one way to tenant-owned data; entities stay private to the crate.

mod blocks;
mod bulk;
mod conditions;
mod connect;
mod deletion;
mod entities;
mod error;
mod journal;
mod prepared;
mod prices;
mod projects;
mod sessions;
mod span_facts;
mod span_ids;
mod span_page;
mod span_scan;
mod store;
mod stored;
mod trace_facts;
mod traces;
mod transaction;
mod transfer;

pub use blocks::BlockPolicy;
pub use bulk::{CommittedSpans, WriteReport};
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
pub use transfer::Transfer;
