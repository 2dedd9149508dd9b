//! News reach everybody who listens, in this process or in another.

use std::sync::Arc;

use bennu_domain::ids::{ProjectId, TenantId};
use bennu_queue::{EmbeddedEvents, Event, Events, RabbitMq, What};

use crate::support::{Rabbit, options, soon};

fn event(what: What) -> Event {
    Event { tenant: TenantId(7), what }
}

/// What is told through one end is heard by two listeners at the other.
async fn news_reach_all_listeners(teller: Arc<dyn Events>, listener: Arc<dyn Events>) {
    let (mut one, mut other) = (listener.subscribe().await, listener.subscribe().await);
    let told = [
        event(What::SpansStored(48)),
        event(What::ProjectChanged(ProjectId(5))),
        event(What::CredentialRevoked("bnu_1".to_owned())),
    ];
    for event in told.clone() {
        teller.publish(event).await;
    }
    for event in told {
        assert_eq!(soon(one.next()).await.unwrap(), event);
        assert_eq!(soon(other.next()).await.unwrap(), event);
    }
}

#[tokio::test]
async fn within_a_process() {
    let events = EmbeddedEvents::new();
    news_reach_all_listeners(Arc::new(events.clone()), Arc::new(events)).await;
}

#[tokio::test]
async fn from_one_process_to_another() {
    let options = options();
    let one = Rabbit::with(options.clone()).await;
    let other = RabbitMq::connect(&options, "other", one.archive.clone()).await.unwrap();
    news_reach_all_listeners(Arc::new(one.broker.events()), Arc::new(other.events())).await;
}

#[tokio::test]
async fn an_event_that_nobody_hears_is_forgotten() {
    EmbeddedEvents::new().publish(event(What::SpansStored(1))).await;
    let rabbit = Rabbit::connect().await;
    rabbit.broker.events().publish(event(What::SpansStored(1))).await;
    let mut listener = rabbit.broker.events().subscribe().await;
    rabbit.broker.events().publish(event(What::SpansStored(2))).await;
    assert_eq!(soon(listener.next()).await.unwrap(), event(What::SpansStored(2)));
}
