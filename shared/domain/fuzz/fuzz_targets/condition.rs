//! Any text is parsed as a condition of every flavour, or refused.
#![no_main]

use bennu_domain::filter::{Condition, Flavour, Projection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for flavour in [Flavour::Span, Flavour::Trace, Flavour::Session] {
        let _ = Condition::parse(flavour, text);
    }
    let _ = Projection::parse(text);
});
