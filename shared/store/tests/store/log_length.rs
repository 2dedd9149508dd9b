//! SQLite's write-ahead log stays short however long spans keep coming.

use bennu_store::DatabaseLocation;
use bennu_testkit::otlp::{request, span};

use crate::support::TestStore;

const MEBIBYTE: u64 = 1 << 20;
/// At 256 MiB SQLite would fold it inside of a commit, for which everybody has to wait.
const SHORT: u64 = 160 * MEBIBYTE;
/// Of each writer; all of them write more than a log that is not short.
const WRITES: u64 = 100;

/// Half a mebibyte that does not compress.
fn noise() -> Vec<u8> {
    let word = |number: u64| {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB)
    };
    (0..MEBIBYTE / 16).flat_map(|number| word(number).to_le_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short_while_spans_keep_coming() {
    let db = TestStore::sqlite().await;
    let DatabaseLocation::SqliteFile(file) = &db.location else { unreachable!("it is SQLite") };
    let log = file.with_extension("sqlite-wal");
    let noise = noise();
    // Four at a time: the writer is never at rest.
    let writing = async |writer: u64| {
        let mut lengths = Vec::new();
        for number in 0..WRITES {
            let id = 1 + writer * WRITES + number;
            let span = span(u128::from(id), id).bytes_attribute("output.value", noise.as_slice());
            db.write(request().spans([span])).await;
            lengths.push(log.metadata().unwrap().len());
        }
        lengths
    };
    let (a, b, c, d) = tokio::join!(writing(0), writing(1), writing(2), writing(3));
    let longest = [a, b, c, d].concat().into_iter().max().unwrap();
    assert!(longest < SHORT, "the log had {longest} bytes");
}
