//! What senders and writers may rely on, whatever the broker.

use std::collections::BTreeSet;
use std::sync::Arc;

use bennu_queue::{Delivery, Envelope, Outcome};

use crate::support::{Ends, envelope, next, number, on_both_brokers, project, send, soon, tenant};

#[tokio::test]
async fn what_is_published_is_delivered_whole() {
    on_both_brokers(async |Ends { broker, mut deliveries }| {
        let sent = Envelope { scope: tenant(3), project: project("Größe"), ..envelope(1) };
        let request = sent.request.clone();
        let publishing = tokio::spawn(async move { broker.publish(sent).await });
        let Delivery { envelope, settlement } = next(&mut deliveries).await;
        settlement.settle(Outcome::Stored);
        soon(publishing).await.unwrap().unwrap();
        assert_eq!((envelope.scope, envelope.project), (tenant(3), project("Größe")));
        assert_eq!(envelope.request, request);
    })
    .await;
}

#[tokio::test]
async fn everything_that_many_senders_send_arrives() {
    const SENDERS: u64 = 8;
    const EACH: u64 = 25;
    on_both_brokers(async |Ends { broker, mut deliveries }| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let broker = Arc::clone(&broker);
                tokio::spawn(async move {
                    for number in 1..=EACH {
                        send(&broker, sender * EACH + number).await;
                    }
                })
            })
            .collect();
        let mut arrived = BTreeSet::new();
        while arrived.len() < usize::try_from(SENDERS * EACH).unwrap() {
            let Delivery { envelope, settlement } = next(&mut deliveries).await;
            arrived.insert(number(&envelope));
            settlement.settle(Outcome::Stored);
        }
        for sender in senders {
            soon(sender).await.unwrap();
        }
        assert_eq!(arrived, (1..=SENDERS * EACH).collect());
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_stored_for_now_is_stored_in_the_end() {
    on_both_brokers(async |Ends { broker, mut deliveries }| {
        let sending = tokio::spawn(async move { send(&broker, 1).await });
        for attempt in 1..=3 {
            let delivery = next(&mut deliveries).await;
            assert_eq!(number(&delivery.envelope), 1);
            match attempt {
                1 => delivery.settlement.settle(Outcome::Retry("the database is away".to_owned())),
                2 => drop(delivery), // the writer was interrupted
                _ => delivery.settlement.settle(Outcome::Stored),
            }
        }
        soon(sending).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_can_never_be_stored_does_not_come_again() {
    on_both_brokers(async |Ends { broker, mut deliveries }| {
        let publishing = tokio::spawn({
            let broker = Arc::clone(&broker);
            async move { broker.publish(envelope(1)).await }
        });
        next(&mut deliveries).await.settlement.settle(Outcome::Rejected("poison".to_owned()));
        // Whether its sender hears of it depends on how far away the writer is.
        let _ = soon(publishing).await.unwrap();
        let sending = tokio::spawn(async move { send(&broker, 2).await });
        let delivery = next(&mut deliveries).await;
        assert_eq!(number(&delivery.envelope), 2);
        delivery.settlement.settle(Outcome::Stored);
        soon(sending).await.unwrap();
    })
    .await;
}
