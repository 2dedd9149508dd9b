//! The broker goes and comes: nothing that was confirmed is lost, and nobody has to be restarted.

use std::collections::BTreeSet;
use std::sync::Arc;

use bennu_queue::{Delivery, Outcome, PublishError, RabbitMq, SpanBroker as _, SpanDeliveries};
use bennu_testkit::servers::rabbitmq;
use tokio::sync::oneshot;

use crate::support::{Ends, Rabbit, envelope, next, number, options_on, send, soon, until};

#[tokio::test]
async fn what_was_confirmed_survives_kill_nine_of_the_broker() {
    let mut server = rabbitmq::start().unwrap();
    let rabbit = Rabbit::with(options_on(&server)).await;
    let broker: Arc<dyn bennu_queue::SpanBroker> = Arc::new(rabbit.broker.span_broker());
    for number in 1..=20 {
        broker.publish(envelope(number)).await.unwrap();
    }
    server.kill();
    until(async || rabbit.broker.health().is_err()).await;
    assert!(matches!(broker.publish(envelope(21)).await, Err(PublishError::Unavailable(_))));

    server.start_again().unwrap();
    until(async || rabbit.broker.health().is_ok()).await;
    send(&broker, 22).await;
    let Ends { mut deliveries, .. } = rabbit.ends().await;
    let mut arrived = BTreeSet::new();
    while arrived.len() < 21 {
        let Delivery { envelope, settlement } = next(&mut deliveries).await;
        arrived.insert(number(&envelope));
        settlement.settle(Outcome::Stored);
    }
    assert_eq!(arrived, (1..=20).chain([22]).collect());

    // A consumer that loses its broker goes on as well.
    server.kill();
    server.start_again().unwrap();
    until(async || rabbit.broker.health().is_ok()).await;
    send(&broker, 23).await;
    let delivery = soon(async {
        loop {
            let delivery = next(&mut deliveries).await;
            // Acknowledgements of the others may have been lost with the broker.
            if number(&delivery.envelope) == 23 {
                break delivery;
            }
            delivery.settlement.settle(Outcome::Stored);
        }
    })
    .await;
    delivery.settlement.settle(Outcome::Stored);
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_said_at_once() {
    let objects = tempfile::tempdir().unwrap();
    let archive = bennu_archive::Archive::in_directory(objects.path()).unwrap();
    for url in ["amqp://127.0.0.1:1", "amqp://guest:wrong@127.0.0.1:1/%2f"] {
        let options = bennu_queue::RabbitMqOptions::new(url.to_owned());
        let error = RabbitMq::connect(&options, "test", archive.clone()).await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }
}

/// What is delivered until the answer is sent something.
async fn until_a_stop(rabbit: &Rabbit) -> (oneshot::Sender<()>, Box<dyn SpanDeliveries>) {
    let (stop, stopped) = oneshot::channel();
    let deliveries = rabbit.broker.span_deliveries(async { drop(stopped.await) }).await.unwrap();
    (stop, Box::new(deliveries))
}

#[tokio::test]
async fn a_stop_settles_what_was_delivered_and_leaves_the_rest() {
    let rabbit = Rabbit::connect().await;
    let broker = rabbit.broker.span_broker();
    let (stop, mut deliveries) = until_a_stop(&rabbit).await;
    broker.publish(envelope(1)).await.unwrap();
    let delivery = next(&mut deliveries).await;
    stop.send(()).unwrap();
    delivery.settlement.settle(Outcome::Stored);
    assert!(soon(deliveries.next()).await.is_none());
    broker.publish(envelope(2)).await.unwrap();
    let Ends { mut deliveries, .. } = rabbit.ends().await;
    assert_eq!(number(&next(&mut deliveries).await.envelope), 2);
    soon(rabbit.broker.close()).await;
}

#[tokio::test]
async fn what_is_stored_though_an_earlier_message_is_not_does_not_come_again() {
    let rabbit = Rabbit::connect().await;
    let broker = rabbit.broker.span_broker();
    let (stop, mut deliveries) = until_a_stop(&rabbit).await;
    let mut received = Vec::new();
    for number in 1..=3 {
        broker.publish(envelope(number)).await.unwrap();
        received.push(next(&mut deliveries).await);
    }
    let interrupted = received.remove(0);
    received.into_iter().for_each(|delivery| delivery.settlement.settle(Outcome::Stored));
    drop(interrupted);
    let again = next(&mut deliveries).await;
    assert_eq!(number(&again.envelope), 1);
    stop.send(()).unwrap();
    again.settlement.settle(Outcome::Stored);
    assert!(soon(deliveries.next()).await.is_none());
    broker.publish(envelope(4)).await.unwrap();
    let Ends { mut deliveries, .. } = rabbit.ends().await;
    assert_eq!(number(&next(&mut deliveries).await.envelope), 4);
    soon(rabbit.broker.close()).await;
}
