//! When are all acknowledged spans queryable? Answered without burdening the server that is being measured.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::otlp_client::LoadOutcome;
use crate::span_reader::{LARGEST_PAGE, Listing, SpanReader, hex};
use crate::trace_generator::{GeneratedRequest, SpanId};

/// Between two polls while the server is still storing: at least this, and this many times what the last poll
/// took, so that looking takes about a twentieth of the server's time; but never so long that the pause itself
/// would show in the result.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const PAUSE_PER_POLL: u32 = 20;
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Between two complete counts, which are only repeated when something was missing.
const RECOUNT_PAUSE: Duration = Duration::from_millis(250);
/// The server gets this long to store what it has acknowledged: the reference stores a hundred spans a second.
const STORING_LIMIT: Duration = Duration::from_mins(5);
/// Once the last spans are visible, whatever is still missing is either about to appear or lost.
const COUNTING_LIMIT: Duration = Duration::from_mins(1);
/// Requests, last acknowledged ones, whose last span is looked for before everything is counted. More than
/// the usual number of connections, so that whatever overtook what in the server's queue is covered.
const SENTINELS: usize = 32;

/// Returns when the last acknowledged requests can be seen: nearly always the moment everything can.
pub fn wait_for_last(
    reader: &SpanReader,
    requests: &[GeneratedRequest],
    load: &LoadOutcome,
) -> Result<Instant> {
    let sentinels: Vec<SpanId> = load
        .acknowledged
        .iter()
        .rev()
        .take(SENTINELS)
        .filter_map(|&index| requests[index].spans.last().map(|(_, span)| *span))
        .collect();
    let last = &sentinels[..sentinels.len().min(1)];
    let begin = Instant::now();
    while begin.elapsed() < STORING_LIMIT {
        let asked = Instant::now();
        // The very last one alone first: as long as it is absent the answer is empty and cheap.
        if reader.count_visible(last)? == last.len() && reader.count_visible(&sentinels)? == sentinels.len() {
            return Ok(Instant::now());
        }
        thread::sleep((asked.elapsed() * PAUSE_PER_POLL).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    }
    bail!("the last acknowledged spans were not visible after {} s", STORING_LIMIT.as_secs())
}

/// Pages through the whole project, checks every acknowledged span, and returns the moment from which all of
/// them were visible: `seen_at` when the first count is complete, otherwise the start of the first count that is.
/// An error says how many are missing for good.
pub fn verify_all(
    reader: &SpanReader,
    requests: &[GeneratedRequest],
    load: &LoadOutcome,
    seen_at: Instant,
) -> Result<Instant> {
    let begin = Instant::now();
    let mut complete_at = seen_at;
    loop {
        let mut missing: HashSet<String> = load
            .acknowledged
            .iter()
            .flat_map(|&index| &requests[index].spans)
            .map(|(_, span)| hex(span))
            .collect();
        remove_visible(reader, &mut missing)?;
        if missing.is_empty() {
            return Ok(complete_at);
        }
        if begin.elapsed() > COUNTING_LIMIT {
            bail!("{} acknowledged spans cannot be queried", missing.len());
        }
        thread::sleep(RECOUNT_PAUSE);
        complete_at = Instant::now();
    }
}

/// Strikes every listed span out. An error when a span is listed twice.
fn remove_visible(reader: &SpanReader, missing: &mut HashSet<String>) -> Result<()> {
    let mut cursor = None;
    let mut listed = HashSet::new();
    loop {
        let page = reader.page(Listing::Spans, LARGEST_PAGE, cursor.as_deref())?;
        for span in page.span_ids {
            if listed.contains(&span) {
                bail!("span {span} was listed twice");
            }
            missing.remove(&span);
            listed.insert(span);
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}
