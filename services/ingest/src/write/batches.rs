//! What waits to be written, by tenant: the next batch is of the tenant whose turn it is.

use std::time::{Duration, Instant};

use bennu_access::TenantScope;
use bennu_domain::ids::TenantId;

use super::span_writer::Write;
use crate::fair_queue::FairQueue;

/// Tenants count as sending this long after they did.
const SHARED_TIME: Duration = Duration::from_secs(10);

/// While several tenants send, one rests after each batch for this part of the time that it took, and only the others' are
/// written. So a flood that is alone with tenants that send little leaves them a third of processors and disk: without it
/// their slowest acknowledgements take an eighth longer.
const REST_DIVISOR: u32 = 2;
/// A batch that was tried again took long for other reasons.
const LONGEST_REST: Duration = Duration::from_millis(20);

/// A batch of at least this part of the largest is long.
const LONG_SHARE: usize = 4;

/// When a batch is closed though more is waiting.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    pub spans: usize,
    /// While several tenants send.
    pub shared_spans: usize,
    /// Whether a tenant rests between its batches then.
    pub rest: bool,
    /// Of requests, inflated.
    pub bytes: usize,
}

/// Deliveries in the order in which they are written.
#[derive(Debug)]
pub(super) struct Batches {
    limits: BatchLimits,
    waiting: FairQueue<Write>,
    spans: usize,
    bytes: usize,
    last_sender: Option<TenantScope>,
    /// When two tenants last sent one after the other.
    shared_at: Option<Instant>,
    resting: Vec<Rest>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    tenant: TenantId,
    until: Instant,
}

impl Batches {
    pub fn new(limits: BatchLimits) -> Self {
        let waiting = FairQueue::default();
        Self { limits, waiting, spans: 0, bytes: 0, last_sender: None, shared_at: None, resting: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.tenants() == 0
    }

    /// Whether a batch should be written before more is taken in.
    pub fn is_full(&self) -> bool {
        self.spans >= self.limits.spans || self.bytes >= self.limits.bytes
    }

    /// Whether there is enough for a batch that pays for its transaction, though others are under way.
    pub fn are_long(&self) -> bool {
        self.spans >= self.limits.spans / LONG_SHARE || self.bytes >= self.limits.bytes / LONG_SHARE
    }

    pub fn push(&mut self, write: Write, now: Instant) {
        self.spans += write.spans.len();
        self.bytes += write.bytes;
        if self.last_sender.as_ref().is_some_and(|last| *last != write.scope) {
            self.shared_at = Some(now);
        }
        self.last_sender = Some(write.scope);
        self.waiting.push(write.scope.tenant(), write);
    }

    /// A batch of the tenant has been written.
    pub fn written(&mut self, tenant: TenantId, began: Instant, now: Instant) {
        if self.limits.rest && self.are_shared(now) {
            let rest = (now.duration_since(began) / REST_DIVISOR).min(LONGEST_REST);
            self.resting.push(Rest { tenant, until: now + rest });
        }
    }

    /// How long it takes until one of those that rest may be written again.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        self.resting.iter().map(|rest| rest.until.saturating_duration_since(now)).min()
    }

    /// The next batch, at least one delivery of the tenant whose turn it is. `None` if nothing waits, or only tenants that rest do.
    pub fn next(&mut self, now: Instant) -> Option<(TenantScope, Vec<Write>)> {
        let spans = if self.are_shared(now) { self.limits.shared_spans } else { self.limits.spans };
        let limits = BatchLimits { spans, ..self.limits };
        self.resting.retain(|rest| rest.until > now);
        let may = |tenant| !self.resting.iter().any(|rest| rest.tenant == tenant);
        let (batch, spans, bytes) = self.waiting.turn_of(may, |writes| {
            let (mut batch, mut spans, mut bytes) = (Vec::new(), 0, 0);
            while (spans < limits.spans && bytes < limits.bytes) || batch.is_empty() {
                let Some(write) = writes.pop_front() else { break };
                spans += write.spans.len();
                bytes += write.bytes;
                batch.push(write);
            }
            ((batch, spans, bytes), spans)
        })?;
        self.spans -= spans;
        self.bytes -= bytes;
        Some((batch.first()?.scope, batch))
    }

    /// Whether several tenants send.
    fn are_shared(&self, now: Instant) -> bool {
        let lately = self.shared_at.is_some_and(|at| now.duration_since(at) < SHARED_TIME);
        lately || self.waiting.tenants() > 1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bennu_access::SystemScope;
    use bennu_domain::cost::PriceBook;
    use bennu_domain::otlp::validate_request;
    use bennu_queue::{Delivery, Envelope};
    use bennu_store::PreparedSpan;
    use bennu_testkit::otlp::{request, span};

    use super::*;

    const LIMITS: BatchLimits = BatchLimits { spans: 1_000, shared_spans: 256, rest: true, bytes: 1 << 20 };

    fn scope(tenant: i64) -> TenantScope {
        SystemScope::for_tenant(TenantId(tenant), "test")
    }

    fn write(tenant: i64, spans: u64) -> Write {
        let body = request().spans((1..=spans).map(|id| span(1, id))).bytes();
        let request = || validate_request(body.clone()).unwrap().request;
        let spans = PreparedSpan::from_request(request(), None, &PriceBook::default()).unwrap();
        let (scope, spans) = (scope(tenant), spans.into_iter().map(Arc::new).collect());
        let (delivery, _) = Delivery::new(Envelope { scope, project: None, request: request(), gzip: None });
        Write { scope, settlement: delivery.settlement, bytes: 100, spans }
    }

    /// Tenant and deliveries of each batch.
    fn drained(batches: &mut Batches, now: Instant) -> Vec<(i64, usize)> {
        let taken = std::iter::from_fn(|| batches.next(now));
        taken.map(|(scope, writes)| (scope.tenant().0, writes.len())).collect()
    }

    #[test]
    fn a_tenant_alone_gets_one_batch_up_to_the_limit() {
        let (mut batches, now) = (Batches::new(LIMITS), Instant::now());
        (0..12).for_each(|_| batches.push(write(1, 100), now));
        assert!(batches.is_full());
        assert_eq!(drained(&mut batches, now), [(1, 10), (1, 2)]);
        assert!(batches.is_empty() && !batches.is_full());
    }

    #[test]
    fn tenants_take_turns_with_short_batches_as_long_as_several_send() {
        let (mut batches, now) = (Batches::new(LIMITS), Instant::now());
        (0..6).for_each(|_| batches.push(write(1, 100), now));
        batches.push(write(2, 100), now);
        assert_eq!(drained(&mut batches, now), [(2, 1), (1, 3), (1, 3)]);

        (0..6).for_each(|_| batches.push(write(1, 100), now));
        assert_eq!(drained(&mut batches, now), [(1, 3), (1, 3)], "the other one may come again");
        let now = now + SHARED_TIME;
        (0..6).for_each(|_| batches.push(write(1, 100), now));
        assert_eq!(drained(&mut batches, now), [(1, 6)]);
    }

    #[test]
    fn a_tenant_rests_after_a_batch_while_others_send() {
        let (mut batches, now) = (Batches::new(LIMITS), Instant::now());
        let took = Duration::from_millis(10);
        batches.push(write(2, 100), now);
        (0..9).for_each(|_| batches.push(write(1, 100), now));
        assert_eq!(batches.next(now).unwrap().0.tenant(), TenantId(2));
        assert_eq!(batches.next(now).unwrap().0.tenant(), TenantId(1));
        let (began, now) = (now, now + took);
        batches.written(TenantId(1), began, now);
        assert_eq!(batches.rest(now), Some(took / 2));
        assert!(batches.next(now).is_none() && !batches.is_empty());
        batches.push(write(2, 100), now);
        assert_eq!(drained(&mut batches, now), [(2, 1)], "nobody else rests");
        let now = now + took / 2;
        assert_eq!(drained(&mut batches, now), [(1, 3), (1, 3)]);
        assert_eq!(batches.rest(now), None);
    }

    #[test]
    fn a_tenant_alone_does_not_rest() {
        let (mut batches, now) = (Batches::new(LIMITS), Instant::now());
        (0..12).for_each(|_| batches.push(write(1, 100), now));
        batches.next(now).unwrap();
        batches.written(TenantId(1), now, now + Duration::from_millis(10));
        assert_eq!(batches.rest(now), None);
    }

    #[test]
    fn a_delivery_larger_than_a_batch_is_one() {
        let (mut batches, now) = (Batches::new(LIMITS), Instant::now());
        batches.push(write(1, 2_000), now);
        batches.push(write(1, 1), now);
        assert_eq!(drained(&mut batches, now), [(1, 1), (1, 1)]);
    }
}
