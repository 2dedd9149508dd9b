//! Bodies that are too large for a message wait in the object store.

use std::path::Path;

use bennu_queue::{Envelope, Outcome, RabbitMqOptions, SpanBroker as _};

use crate::support::{Rabbit, envelope, next, options, until};

async fn rabbit() -> Rabbit {
    Rabbit::with(RabbitMqOptions { large_bytes: 10, ..options() }).await
}

/// Files below the directory.
fn objects(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { objects(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn a_large_body_is_delivered_and_goes_once_it_is_stored() {
    let rabbit = rabbit().await;
    let mut ends = rabbit.ends().await;
    let sent: Envelope = envelope(1);
    let request = sent.request.clone();
    ends.broker.publish(sent).await.unwrap();
    assert_eq!(objects(rabbit.objects.path()), 1);
    let delivery = next(&mut ends.deliveries).await;
    assert_eq!(delivery.envelope.request, request);
    delivery.settlement.settle(Outcome::Stored);
    until(async || objects(rabbit.objects.path()) == 0).await;
}

#[tokio::test]
async fn a_parked_body_stays_until_its_message_is_dropped() {
    let rabbit = rabbit().await;
    let mut ends = rabbit.ends().await;
    ends.broker.publish(envelope(1)).await.unwrap();
    next(&mut ends.deliveries).await.settlement.settle(Outcome::Rejected("poison".to_owned()));
    let letters = rabbit.broker.dead_letters();
    until(async || letters.list().await.unwrap().len() == 1).await;
    let id = letters.list().await.unwrap()[0].id.clone();
    let (_, body) = letters.show(&id).await.unwrap().unwrap();
    assert_eq!(&body, envelope(1).request.body());
    letters.drop(|_| true).await.unwrap();
    assert_eq!(objects(rabbit.objects.path()), 0);
}

#[tokio::test]
async fn a_message_whose_body_is_lost_is_parked() {
    let rabbit = rabbit().await;
    rabbit.broker.span_broker().publish(envelope(1)).await.unwrap();
    std::fs::remove_dir_all(rabbit.objects.path().join("tenants")).unwrap();
    let _ends = rabbit.ends().await;
    let letters = rabbit.broker.dead_letters();
    until(async || !letters.list().await.unwrap().is_empty()).await;
    assert_eq!(letters.list().await.unwrap()[0].reason, "its body is gone from the object store");
}
