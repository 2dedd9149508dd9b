//! Who is calling, and whose data that lets them reach.

mod principal;
mod scope;

pub use principal::Principal;
pub use scope::{SystemScope, TenantScope};
