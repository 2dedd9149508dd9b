//! An export request with the spans of one resource and scope.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message as _;
use serde_json::Value;

use super::{SpanBuilder, key_value};

/// A request under construction.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct RequestBuilder {
    resource: Resource,
    scope: InstrumentationScope,
    spans: Vec<SpanBuilder>,
}

/// An empty request.
pub fn request() -> RequestBuilder {
    RequestBuilder::default()
}

impl RequestBuilder {
    /// The project of the spans, which is an attribute of the resource.
    pub fn project(self, name: &str) -> Self {
        self.resource_attribute("openinference.project.name", name)
    }

    pub fn resource_attribute(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.resource.attributes.push(key_value(key, value));
        self
    }

    pub fn scope(mut self, name: &str, version: &str) -> Self {
        self.scope =
            InstrumentationScope { name: name.to_owned(), version: version.to_owned(), ..self.scope };
        self
    }

    pub fn span(mut self, span: SpanBuilder) -> Self {
        self.spans.push(span);
        self
    }

    pub fn spans(mut self, spans: impl IntoIterator<Item = SpanBuilder>) -> Self {
        self.spans.extend(spans);
        self
    }

    pub fn build(self) -> ExportTraceServiceRequest {
        let spans = self.spans.into_iter().map(SpanBuilder::build).collect();
        let scope_spans = vec![ScopeSpans { scope: Some(self.scope), spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource);
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
        }
    }

    pub fn bytes(self) -> Bytes {
        self.build().encode_to_vec().into()
    }
}
