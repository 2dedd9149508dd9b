//! Everything a project holds, read back through the API, and whether it agrees with itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::http::get_all;
use crate::ledger::{Entry, Fate};

/// The API's largest page.
const PAGE: usize = 1_000;

/// What the spans of a trace or session add up to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sums {
    /// Earliest and latest time; all are written in one form, which sorts as text.
    start: String,
    end: String,
    prompt_tokens: i64,
    completion_tokens: i64,
}

impl Sums {
    fn read(value: &Value) -> Self {
        Self {
            start: text(&value["start_time"]),
            end: text(&value["end_time"]),
            prompt_tokens: value["token_count_prompt"].as_i64().unwrap(),
            completion_tokens: value["token_count_completion"].as_i64().unwrap(),
        }
    }

    /// Tokens count on model calls only.
    fn of_span(span: &Value) -> Self {
        let count = |name: &str| match text(&span["span_kind"]).as_str() {
            "LLM" => span["attributes"][name].as_i64().unwrap(),
            _ => 0,
        };
        Self {
            start: text(&span["start_time"]),
            end: text(&span["end_time"]),
            prompt_tokens: count("llm.token_count.prompt"),
            completion_tokens: count("llm.token_count.completion"),
        }
    }

    fn add(&mut self, other: Self) {
        if self.start.is_empty() || other.start < self.start {
            self.start = other.start;
        }
        self.end = other.end.max(std::mem::take(&mut self.end));
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
    }
}

/// A trace as its spans tell it.
#[derive(Default)]
struct Trace {
    spans: BTreeSet<String>,
    sums: Sums,
    failed: bool,
    session: Option<String>,
}

/// The spans of a project.
pub struct Stored {
    /// Address of the project.
    project: String,
    traces: BTreeMap<String, Trace>,
    /// Spans listed more often than once.
    pub duplicates: usize,
    /// Trace id and span id of each span.
    pub spans: BTreeSet<(String, String)>,
}

impl Stored {
    /// Reads all spans of a project of the server at `url`, bodies included.
    pub fn read(url: &str, project: &str) -> Self {
        let project = format!("{url}/v1/projects/{project}");
        let listed = get_all(&format!("{project}/spans?limit={PAGE}"));
        let mut stored = Self { project, traces: BTreeMap::new(), duplicates: 0, spans: BTreeSet::new() };
        for span in &listed {
            stored.add(span);
        }
        stored
    }

    fn add(&mut self, span: &Value) {
        let (trace_id, span_id) = (text(&span["context"]["trace_id"]), text(&span["context"]["span_id"]));
        if !self.spans.insert((trace_id.clone(), span_id.clone())) {
            self.duplicates += 1;
            return;
        }
        let trace = self.traces.entry(trace_id).or_default();
        trace.spans.insert(span_id);
        trace.sums.add(Sums::of_span(span));
        trace.failed |= span["status_code"] == "ERROR";
        if let Some(session) = span["attributes"]["session.id"].as_str() {
            trace.session = Some(session.to_owned());
        }
    }

    /// Every acknowledged span is there, nothing else than what was sent is, and no request is there in part.
    pub fn assert_agrees_with(&self, sent: &[Entry]) {
        let mut unexplained = self.spans.clone();
        for Entry { fate, spans } in sent {
            let there = spans.iter().filter(|span| unexplained.remove(*span)).count();
            let explained = there == spans.len() || (*fate == Fate::Unknown && there == 0);
            assert!(explained, "{fate:?}, but {there} of {} spans are stored: {spans:?}", spans.len());
        }
        assert!(unexplained.is_empty(), "nobody sent {unexplained:?}");
        assert_eq!(self.duplicates, 0);
    }

    /// The traces and sessions that the API lists are those that the spans make up.
    pub fn assert_roll_ups_agree(&self) {
        self.assert_traces_agree();
        self.assert_failed_traces_agree();
        self.assert_sessions_agree();
    }

    fn assert_traces_agree(&self) {
        let listed = self.list("traces?include_spans=true");
        assert_eq!(listed.len(), self.traces.len());
        for (id, listed) in listed {
            let trace = &self.traces[&id];
            let spans: Vec<String> =
                listed["spans"].as_array().unwrap().iter().map(|span| text(&span["span_id"])).collect();
            assert_eq!(spans.len(), trace.spans.len(), "spans of trace {id}");
            assert_eq!(spans.into_iter().collect::<BTreeSet<_>>(), trace.spans, "trace {id}");
            assert_eq!(Sums::read(&listed), trace.sums, "trace {id}");
        }
    }

    fn assert_failed_traces_agree(&self) {
        let failed: Vec<_> = self.list("traces?error=true").into_keys().collect();
        let expected: Vec<_> =
            self.traces.iter().filter(|(_, trace)| trace.failed).map(|(id, _)| id).collect();
        assert_eq!(failed.iter().collect::<Vec<_>>(), expected);
    }

    fn assert_sessions_agree(&self) {
        let mut expected: BTreeMap<&str, (Sums, BTreeSet<&str>)> = BTreeMap::new();
        for (id, trace) in &self.traces {
            let Some(session) = &trace.session else { continue };
            let (sums, traces) = expected.entry(session).or_default();
            sums.add(trace.sums.clone());
            traces.insert(id);
        }
        let listed = get_all(&format!("{}/sessions?limit={PAGE}", self.project));
        assert_eq!(listed.len(), expected.len());
        for listed in &listed {
            let (sums, traces) = &expected[listed["session_id"].as_str().unwrap()];
            assert_eq!(&Sums::read(listed), sums, "{listed}");
            let of_session = listed["traces"].as_array().unwrap();
            assert_eq!(of_session.len(), traces.len(), "{listed}");
            let of_session: BTreeSet<_> =
                of_session.iter().map(|trace| trace["trace_id"].as_str().unwrap()).collect();
            assert_eq!(&of_session, traces, "{listed}");
        }
    }

    /// Traces by their ids; none may be listed twice.
    fn list(&self, route: &str) -> BTreeMap<String, Value> {
        let listed = get_all(&format!("{}/{route}&limit={PAGE}", self.project));
        let count = listed.len();
        let by_id: BTreeMap<_, _> = listed.into_iter().map(|item| (text(&item["trace_id"]), item)).collect();
        assert_eq!(by_id.len(), count, "a trace is listed twice");
        by_id
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
