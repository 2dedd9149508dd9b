//! Reads spans back through the REST API.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::StatusCode;
use ureq::{Agent, RequestBuilder};

use crate::otlp_client::{Endpoint, plain_agent};
use crate::trace_generator::{SpanId, TraceId};

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
    base_url: String,
    project: String,
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
            base_url: endpoint.base_url.clone(),
            project: project.to_owned(),
            authorization: endpoint.api_key.as_ref().map(|key| format!("Bearer {key}")),
        }
    }

    /// One page of at most `limit` spans, the newest first; `cursor` comes from the page before.
    pub fn page(&self, listing: Listing, limit: usize, cursor: Option<&str>) -> Result<Page> {
        self.page_where(listing, &[], limit, cursor)
    }

    /// The same of one trace.
    pub fn page_of_trace(&self, trace: &TraceId, limit: usize, cursor: Option<&str>) -> Result<Page> {
        self.page_where(Listing::Spans, &[("trace_id", &hex(trace))], limit, cursor)
    }

    fn page_where(
        &self,
        listing: Listing,
        filter: &[(&str, &str)],
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page> {
        let limit = limit.to_string();
        let mut query = [filter, &[("limit", limit.as_str())]].concat();
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

    /// A query of `POST /v1/spans`, answered as the official Python client asks for it: how long that took, and how many
    /// rows came.
    pub fn frame(&self, query: &Value, limit: usize) -> Result<(Duration, usize)> {
        let body = json!({ "queries": [query], "limit": limit }).to_string();
        let request = self.agent.post(format!("{}/v1/spans", self.base_url));
        let request = request.query("project_name", &self.project);
        let request = self.authorized(request.header("accept", "application/json"));
        let begin = Instant::now();
        let mut response = request.header("content-type", "application/json").send(body)?;
        let body = response.body_mut().with_config().limit(FILE_BYTES_LIMIT).read_to_vec()?;
        let latency = begin.elapsed();
        let status = response.status();
        ensure!(
            status == StatusCode::OK,
            "a query was answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok((latency, rows_of(&body)?))
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
        let url = format!("{}/v1/projects/{}/{route}", self.base_url, self.project);
        let request = self.agent.get(url).query_pairs(query.iter().copied());
        let request = self.authorized(request);
        let begin = Instant::now();
        let mut response = request.call()?;
        let body = response.body_mut().with_config().limit(limit).read_to_vec()?;
        Ok(Answer { latency: begin.elapsed(), status: response.status(), body })
    }
}

impl SpanReader {
    fn authorized<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
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

/// The number of rows of the one data frame in a multipart answer.
fn rows_of(multipart: &[u8]) -> Result<usize> {
    let text = std::str::from_utf8(multipart)?;
    let begin = text.find("\r\n\r\n").context("no part")? + 4;
    let end = text.rfind("\r\n--").context("no end")?;
    let table: Value = serde_json::from_str(text.get(begin..end).context("no table")?.trim_end())?;
    Ok(table["data"].as_array().context("no rows")?.len())
}

/// Lower-case hex, as the API shows ids.
pub fn hex(id: &[u8]) -> String {
    id.iter().fold(String::with_capacity(id.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_table_in_the_answer() {
        let answer = "--b\r\nContent-Type: application/json\r\n\r\n{\"schema\": {}, \"data\": [{}, {\"a\": \"\\r\"}]}\r\n--b--\r\n";
        assert_eq!(rows_of(answer.as_bytes()).unwrap(), 2);
        assert!(rows_of(b"--b--\r\n").is_err());
    }
}
