//! How fast pages of spans come back.

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::measure::Latencies;
use crate::span_reader::{LARGEST_PAGE, Listing, SpanReader};

/// Enough for a steady median; the p99 of so few is the slowest.
const REPEATS: usize = 30;
/// First reads compile statements and fill caches.
const WARM_UPS: usize = 3;
/// The API's default page.
const LIST_PAGE: usize = 100;
const DEEP_PAGE: usize = 50;

/// Latencies of pages, each read [`REPEATS`] times one after the other.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PageReads {
    /// The newest 100 spans.
    pub first: Latencies,
    /// 100 spans far from the newest, reached by following cursors.
    pub deep: Latencies,
    /// Which page of 100 `deep` is: the 50th, or the last full one of a smaller store.
    pub deep_number: usize,
    /// The newest 1,000 spans as OTLP.
    pub otlp: Latencies,
}

pub fn read_pages(reader: &SpanReader) -> Result<PageReads> {
    let (deep_number, cursor) = deep_page(reader)?;
    Ok(PageReads {
        first: time_page(reader, Listing::Spans, LIST_PAGE, None)?,
        deep: time_page(reader, Listing::Spans, LIST_PAGE, cursor.as_deref())?,
        deep_number,
        otlp: time_page(reader, Listing::Otlp, LARGEST_PAGE, None)?,
    })
}

/// Number and cursor of the 50th page, or of the last full one.
fn deep_page(reader: &SpanReader) -> Result<(usize, Option<String>)> {
    let mut cursor = None;
    let mut deepest = (1, None);
    for number in 1..=DEEP_PAGE {
        let page = reader.page(Listing::Spans, LIST_PAGE, cursor.as_deref())?;
        if page.span_ids.len() == LIST_PAGE {
            deepest = (number, cursor);
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(deepest)
}

fn time_page(reader: &SpanReader, listing: Listing, limit: usize, cursor: Option<&str>) -> Result<Latencies> {
    let mut durations = Vec::with_capacity(REPEATS);
    for repeat in 0..WARM_UPS + REPEATS {
        let page = reader.page(listing, limit, cursor)?;
        ensure!(page.span_ids.len() == limit, "a page of {limit} spans held {}", page.span_ids.len());
        if repeat >= WARM_UPS {
            durations.push(page.latency);
        }
    }
    Latencies::of(&durations).context("no page was read")
}
