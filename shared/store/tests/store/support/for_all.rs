//! Property tests over asynchronous code.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestError, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// Checks a property for `cases` values; a value for which `body` panics is made as small as it gets.
pub fn for_all<S: Strategy>(cases: u32, values: S, body: impl AsyncFn(S::Value)) {
    let config = Config { cases, max_shrink_iters: 500, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&values, |value| {
        block_in_place(|| Handle::current().block_on(body(value)));
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, value)) => panic!("{reason}\nsmallest failing value: {value:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
