//! A broker that is full or short of disk: senders hear of it at once, and it passes by itself.

use std::path::Path;

use bennu_queue::{Outcome, PublishError, RabbitMq, SpanBroker as _};
use bennu_testkit::servers::rabbitmq;

use crate::support::{Rabbit, envelope, next, options_on, until};

const DEFINITIONS: &str = "../../deploy/rabbitmq/definitions.json";

#[test]
fn the_definitions_file_is_that_of_the_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFINITIONS);
    let shipped = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(shipped, RabbitMq::definitions(), "run `make definitions` to write {}", file.display());
}

#[tokio::test]
async fn a_full_queue_and_a_full_disk_refuse_until_there_is_room() {
    let server = rabbitmq::start().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFINITIONS);
    rabbitmq::control(&server, &["import_definitions", file.to_str().unwrap()]);
    let rabbit = Rabbit::with(options_on(&server)).await; // the definitions agree with what it declares
    let broker = rabbit.broker.span_broker();

    rabbitmq::control(&server, &["set_disk_free_limit", "1000000GB"]);
    until(async || {
        let published = broker.publish(envelope(1)).await;
        matches!(&published, Err(PublishError::Unavailable(reason)) if reason.contains("disk"))
    })
    .await;
    let unhealthy = rabbit.broker.health().unwrap_err().to_string();
    assert!(unhealthy.contains("disk"), "{unhealthy}");
    rabbitmq::control(&server, &["set_disk_free_limit", "1MB"]);
    until(async || rabbit.broker.health().is_ok()).await;

    let two_at_most = r#"{"max-length":2}"#;
    rabbitmq::control(
        &server,
        &["set_policy", "small", "^bennu.spans$", two_at_most, "--apply-to", "queues"],
    );
    let mut taken = 0;
    until(async || {
        let published = broker.publish(envelope(taken + 1)).await;
        taken += u64::from(published.is_ok());
        matches!(published, Err(PublishError::Full))
    })
    .await;
    let mut ends = rabbit.ends().await;
    let storing = async {
        loop {
            next(&mut ends.deliveries).await.settlement.settle(Outcome::Stored);
        }
    };
    tokio::select! {
        () = storing => {}
        () = until(async || broker.publish(envelope(99)).await.is_ok()) => {}
    }
}
