//! What could not be stored is parked with the reason, and people decide about it.

use bennu_domain::time::Timestamp;
use bennu_queue::{DeadLetter, Envelope, Outcome};

use crate::support::{Ends, Rabbit, envelope, next, number, project, until};

/// A broker with these envelopes parked for the reason "poison".
async fn parked(numbers: &[u64]) -> (Rabbit, Ends) {
    let rabbit = Rabbit::connect().await;
    let mut ends = rabbit.ends().await;
    for number in numbers {
        ends.broker.publish(Envelope { project: project("p"), ..envelope(*number) }).await.unwrap();
        next(&mut ends.deliveries).await.settlement.settle(Outcome::Rejected("poison".to_owned()));
    }
    let letters = rabbit.broker.dead_letters();
    until(async || letters.list().await.unwrap().len() == numbers.len()).await;
    (rabbit, ends)
}

#[tokio::test]
async fn a_parked_message_can_be_seen_with_its_reason() {
    let (rabbit, _ends) = parked(&[1]).await;
    let letters = rabbit.broker.dead_letters();
    let listed = letters.list().await.unwrap();
    let [DeadLetter { id, reason, tenant, project, received_at, spans, .. }] = listed.as_slice() else {
        panic!("{listed:?}")
    };
    assert_eq!((reason.as_str(), tenant, project.as_deref(), *spans), ("poison", &Some(7), Some("p"), 1));
    assert!(received_at.unwrap() > Timestamp(1_700_000_000_000_000));
    let (shown, body) = letters.show(id).await.unwrap().unwrap();
    assert_eq!(shown, listed[0]);
    assert_eq!(&body, envelope(1).request.body());
    assert_eq!(letters.show("no such id").await.unwrap(), None);
    assert_eq!(letters.list().await.unwrap(), listed, "looking changes nothing");
}

#[tokio::test]
async fn a_replayed_message_is_delivered_and_a_dropped_one_is_gone() {
    let (rabbit, mut ends) = parked(&[1, 2, 3]).await;
    let letters = rabbit.broker.dead_letters();
    let ids: Vec<String> = letters.list().await.unwrap().into_iter().map(|letter| letter.id).collect();
    assert_eq!(letters.drop(|letter| letter.id == ids[0]).await.unwrap(), 1);
    assert_eq!(letters.replay(|letter| letter.id == ids[1]).await.unwrap(), 1);
    let delivery = next(&mut ends.deliveries).await;
    assert_eq!(number(&delivery.envelope), 2);
    delivery.settlement.settle(Outcome::Stored);
    let left: Vec<String> = letters.list().await.unwrap().into_iter().map(|letter| letter.id).collect();
    assert_eq!(left, ids[2..]);
}

#[tokio::test]
async fn a_message_that_ends_every_writer_is_parked() {
    let rabbit = Rabbit::connect().await;
    let mut ends = rabbit.ends().await;
    ends.broker.publish(envelope(1)).await.unwrap();
    let letters = rabbit.broker.dead_letters();
    let mut ended = 0;
    loop {
        tokio::select! {
            delivery = next(&mut ends.deliveries) => {
                ended += 1;
                drop(delivery);
            }
            () = until(async || !letters.list().await.unwrap().is_empty()) => break,
        }
    }
    // RabbitMQ counts the deliveries after the first.
    assert_eq!(ended, 21);
    let reason = letters.list().await.unwrap()[0].reason.clone();
    assert!(reason.contains("every writer that took it ended"), "{reason}");
}
