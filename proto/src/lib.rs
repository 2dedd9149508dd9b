//! Messages of Bennu's own, compiled from the `.proto` files beside this crate.

#[allow(clippy::pedantic)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/bennu.v1.rs"));
}

pub use generated::*;
