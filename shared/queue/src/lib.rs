//! Seams between services: what is handed over, and the promises that come with it.

mod annotation_jobs;
mod compression;
mod embedded;
mod events;
mod gzip;
mod rabbitmq;
mod span_broker;

pub use annotation_jobs::{
    AnnotationJobs, ClaimedJob, EmbeddedAnnotationJobs, JobEnd, JobId, JobLimits, JobsError,
    RedisAnnotationJobs, RedisDurability, ReplayError, replay,
};
pub use embedded::{EmbeddedSpanBroker, embedded_span_broker};
pub use events::{EmbeddedEvents, Event, Events, Subscription, What};
pub use gzip::{inflate_first_member, lone_member_size};
pub use rabbitmq::{
    BrokerError, DeadLetter, DeadLetters, RabbitMq, RabbitMqDeliveries, RabbitMqEvents, RabbitMqOptions,
    RabbitMqSpanBroker, is_body,
};
pub use span_broker::{Delivery, Envelope, Outcome, PublishError, Settlement, SpanBroker, SpanDeliveries};
