//! The one way in, whatever the transport: validate, then publish.

use std::sync::Arc;
use std::time::Duration;

use bennu_access::{Principal, TenantScope};
use bennu_domain::otlp::{OtlpError, Rejection, rejection_message, validate_json_request, validate_request};
use bennu_domain::project::ProjectName;
use bennu_kit::telemetry::Metrics;
use bennu_queue::{Envelope, PublishError, SpanBroker};
use bennu_quota::{OverQuota, Quota};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};

use super::body::Body;
use super::budget::Budget;
use crate::decode_pool::DecodePool;

/// Longer than any exporter waits by default (10 s): the answer would find nobody, while the request holds memory.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(30);

/// Takes requests of every transport. Cheap to clone.
#[derive(Clone)]
pub struct Receiver {
    broker: Arc<dyn SpanBroker>,
    metrics: Metrics,
    max_body_bytes: usize,
    budget: Budget,
    quota: Quota,
    decoding: DecodePool,
}

/// How the body of a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFormat {
    Protobuf,
    Json,
}

/// A request of which everything acceptable is durable.
#[derive(Debug)]
pub struct Received {
    rejections: Vec<Rejection>,
}

/// Why nothing of a request was taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error(transparent)]
    Malformed(#[from] OtlpError),
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl Receiver {
    /// `max_body_bytes` bounds a body on the wire and inflated; `budget` all bodies together.
    pub fn new(
        broker: Arc<dyn SpanBroker>,
        metrics: Metrics,
        max_body_bytes: usize,
        budget: Budget,
        quota: Quota,
        decoding: DecodePool,
    ) -> Self {
        Self { broker, metrics, max_body_bytes, budget, quota, decoding }
    }

    /// Refuses a caller who was told to come later, before its body is looked at.
    pub fn check_quota(&self, caller: &Principal) -> Result<(), ReceiveError> {
        Ok(self.quota.check(caller)?)
    }

    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    pub fn max_body_bytes(&self) -> usize {
        self.max_body_bytes
    }

    /// Whether bodies are worth keeping as they were compressed.
    pub fn passes_gzip_on(&self) -> bool {
        self.broker.passes_gzip_on()
    }

    /// Stores the good spans of an inflated request and answers which ones were refused. They go to the project of the caller's
    /// key if it has one, else to the one that is given, else to those that they name.
    pub async fn receive(
        &self,
        caller: &Principal,
        project: Option<ProjectName>,
        format: RequestFormat,
        body: impl Into<Body>,
    ) -> Result<Received, ReceiveError> {
        let Body { inflated: body, gzip } = body.into();
        let bytes = body.len();
        self.metrics.ingest.received(bytes as u64);
        let tenant = caller.parts().tenant;
        let _until_the_answer = self.decoding.under_way(tenant);
        // Decoding a large request takes longer than a thread that serves others may stand still.
        let validating = self.decoding.run(tenant, bytes, move || match format {
            RequestFormat::Protobuf => validate_request(body),
            RequestFormat::Json => validate_json_request(&body),
        });
        let validated = validating.await.map_err(|error| PublishError::Unavailable(error.to_string()))??;
        let accepted = validated.request.span_count();
        if accepted > 0 {
            self.quota.take(caller, accepted, bytes).await?;
            let (scope, project) = (TenantScope::from(caller), own_project(caller).or(project));
            let as_received = format == RequestFormat::Protobuf && validated.rejections.is_empty();
            let envelope =
                Envelope { scope, project, request: validated.request, gzip: gzip.filter(|_| as_received) };
            let publishing = self.broker.publish(envelope);
            let late = |_| PublishError::Unavailable("the spans were not stored in time".to_owned());
            tokio::time::timeout(PUBLISH_TIMEOUT, publishing).await.map_err(late)??;
        }
        self.metrics.ingest.accepted(accepted as u64);
        self.metrics.ingest.rejected("invalid", validated.rejections.len() as u64);
        Ok(Received { rejections: validated.rejections })
    }
}

/// The project into which all spans of the caller go, whatever they name.
fn own_project(caller: &Principal) -> Option<ProjectName> {
    caller.parts().project.as_ref().and_then(|limit| ProjectName::new(&limit.name))
}

impl Received {
    /// The OTLP answer: empty, or a partial success that names the refused spans.
    pub fn into_response(self) -> ExportTraceServiceResponse {
        let partial_success =
            rejection_message(&self.rejections).map(|error_message| ExportTracePartialSuccess {
                rejected_spans: i64::try_from(self.rejections.len()).unwrap_or(i64::MAX),
                error_message,
            });
        ExportTraceServiceResponse { partial_success }
    }
}
