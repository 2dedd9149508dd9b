//! Reads spans back through the REST API.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use ureq::Agent;
use ureq::http::StatusCode;

use crate::otlp_client::{Endpoint, plain_agent};
use crate::trace_generator::SpanId;

/// The API's largest page.
pub const LARGEST_PAGE: usize = 1_000;
/// 1,000 spans of 3 KB are about 5 MB as JSON; anything near this bound is not a page.
const PAGE_BYTES_LIMIT: u64 = 256 << 20;
/// About ten times the file of a usual run.
const FILE_BYTES_LIMIT: u64 = 4 << 30;

/// Which rendering of a project's spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// `GET /v1/projects/{p}/spans`
    Spans,
    /// `GET /v1/projects/{p}/spans/otlpv1`
    Otlp,
}

/// Reads one project.
pub struct SpanReader {
    agent: Agent,
    project_url: String,
    authorization: Option<String>,
}

/// One page as received.
pub struct Page {
    /// Until the last byte of the body had arrived; parsing is not included.
    pub latency: Duration,
    /// Lower-case hex span ids in the order of the page.
    pub span_ids: Vec<String>,
    pub next_cursor: Option<String>,
}

impl SpanReader {
    pub fn new(endpoint: &Endpoint, project: &str) -> Self {
        Self {
            agent: plain_agent(),
            project_url: format!("{}/v1/projects/{project}", endpoint.base_url),
            authorization: endpoint.api_key.as_ref().map(|key| format!("Bearer {key}")),
        }
    }

    /// One page of at most `limit` spans, the newest first; `cursor` comes from the page before.
    pub fn page(&self, listing: Listing, limit: usize, cursor: Option<&str>) -> Result<Page> {
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let answer = self.get(listing, &query)?;
        let latency = answer.latency;
        let listed = answer.listed()?;
        let span_ids = listed.data.into_iter().map(ListedSpan::id).collect::<Result<_>>()?;
        Ok(Page { latency, span_ids, next_cursor: listed.next_cursor })
    }

    /// How many of these spans can be queried now; none while the project does not exist. At most 100 ids, to
    /// keep the address short.
    pub fn count_visible(&self, spans: &[SpanId]) -> Result<usize> {
        let ids: Vec<String> = spans.iter().map(|id| hex(id)).collect();
        let mut query = vec![("limit", "100")];
        query.extend(ids.iter().map(|id| ("span_id", id.as_str())));
        let answer = self.get(Listing::Spans, &query)?;
        if answer.status == StatusCode::NOT_FOUND { Ok(0) } else { Ok(answer.listed()?.data.len()) }
    }

    /// All spans of the project as one Parquet file, and how long it took.
    pub fn parquet_file(&self) -> Result<(Duration, Vec<u8>)> {
        let answer = self.get_route("spans.parquet", &[], FILE_BYTES_LIMIT)?;
        ensure!(answer.status == StatusCode::OK, "the export was answered with {}", answer.status);
        Ok((answer.latency, answer.body))
    }

    fn get(&self, listing: Listing, query: &[(&str, &str)]) -> Result<Answer> {
        let route = match listing {
            Listing::Spans => "spans",
            Listing::Otlp => "spans/otlpv1",
        };
        self.get_route(route, query, PAGE_BYTES_LIMIT)
    }

    fn get_route(&self, route: &str, query: &[(&str, &str)], limit: u64) -> Result<Answer> {
        let mut request =
            self.agent.get(format!("{}/{route}", self.project_url)).query_pairs(query.iter().copied());
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let begin = Instant::now();
        let mut response = request.call()?;
        let body = response.body_mut().with_config().limit(limit).read_to_vec()?;
        Ok(Answer { latency: begin.elapsed(), status: response.status(), body })
    }
}

struct Answer {
    latency: Duration,
    status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    fn listed(&self) -> Result<Listed> {
        ensure!(
            self.status == StatusCode::OK,
            "the span list answered {}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        serde_json::from_slice(&self.body).context("unreadable page")
    }
}

#[derive(Deserialize)]
struct Listed {
    data: Vec<ListedSpan>,
    next_cursor: Option<String>,
}

/// The id is in `context` in the plain listing, and beside the other fields in the OTLP one.
#[derive(Deserialize)]
struct ListedSpan {
    context: Option<SpanContext>,
    span_id: Option<String>,
}

#[derive(Deserialize)]
struct SpanContext {
    span_id: String,
}

impl ListedSpan {
    fn id(self) -> Result<String> {
        self.context.map(|context| context.span_id).or(self.span_id).context("a listed span has no id")
    }
}

/// Lower-case hex, as the API shows ids.
pub fn hex(id: &[u8]) -> String {
    id.iter().fold(String::with_capacity(id.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
