//! The actor: a bit of work, a pause, and so on.

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message,
    WrapFuture as _,
};
use bennu_kit::lifecycle::Shutdown;

use super::work::Work;

/// Compacts until shutdown.
pub struct Compactor {
    /// Away while it is being done.
    work: Option<Work>,
    shutdown: Shutdown,
}

impl Compactor {
    pub fn new(work: Work, shutdown: Shutdown) -> Self {
        Self { work: Some(work), shutdown }
    }
}

/// Do some of what there is to do.
#[derive(Message)]
#[rtype(result = "()")]
struct Round;

impl Actor for Compactor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.notify(Round);
    }
}

impl Handler<Round> for Compactor {
    type Result = ();

    fn handle(&mut self, _: Round, context: &mut Self::Context) {
        let work = self.work.take().filter(|_| !self.shutdown.is_fired());
        let Some(mut work) = work else { return context.stop() };
        let shutdown = self.shutdown.clone();
        let round = async move {
            // What is given up in the middle is rolled back; the next process does it.
            let working = async {
                let pause = work.round().await;
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                () = working => {}
                _ = shutdown.fired() => {}
            }
            work
        };
        context.wait(round.into_actor(self).map(
            |work, compactor: &mut Self, context: &mut Context<Self>| {
                compactor.work = Some(work);
                context.notify(Round);
            },
        ));
    }
}
