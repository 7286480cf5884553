//! Counts messages and typed numbers in the limit log of an account.

use shared::domain::account_limits::{Bucket, Client, LimitLog, RateLimitExceeded, SendRequest, Use};
use shared::domain::cookie::HolderCookie;
use shared::domain::flow::Choosing;
use shared::domain::method::{Factor, Method};
use shared::domain::time::Timestamp;
use shared::ports::StoreError;
use shared::verification::limit_log;

use super::Ports;

/// Reasons to send nothing.
pub(crate) enum AcquireError {
    /// A rate limit is used up.
    Exhausted,
    /// The typed number is a different one; it cost an attempt.
    Mismatch,
    /// The store failed, so nothing was decided.
    Store(StoreError),
}

impl From<StoreError> for AcquireError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<RateLimitExceeded> for AcquireError {
    fn from(_: RateLimitExceeded) -> Self {
        Self::Exhausted
    }
}

/// The flow that asks for a message, and its client.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) cookie: &'a HolderCookie,
    pub(crate) client: Client,
    pub(crate) now: Timestamp,
}

impl Sender<'_> {
    /// Acquires one message to a contact that needs no typed number. Returns its use.
    pub(crate) async fn try_acquire(self, flow: &Choosing, method: Method) -> Result<Use, AcquireError> {
        let store = &*self.ports.rate_limits;
        let acquired = limit_log::change(store, &flow.context.account, self.now, |log| {
            self.acquire_from(log, flow, method)
        });
        acquired.await.map(|(used, _)| used)
    }

    /// Spends an attempt at the complete number, compares it, then acquires one message and refunds the attempt.
    /// Returns the message's use.
    pub(crate) async fn try_acquire_for_number(
        self,
        flow: &Choosing,
        method: Method,
        matches: impl FnOnce() -> bool,
    ) -> Result<Use, AcquireError> {
        let Self { ports, cookie, client, now } = self;
        let (pseudonym, bucket) = (cookie.id().pseudonym(), bucket_of(flow));
        let (store, account) = (&*ports.rate_limits, &flow.context.account);
        let limits = &ports.app.settings.sends;
        let spent = limit_log::change(store, account, now, |log| {
            Ok::<_, AcquireError>(log.spend_contact_attempt(pseudonym, bucket, client, now, limits)?)
        });
        let (attempt, log) = spent.await?;
        if !matches() {
            return Err(AcquireError::Mismatch);
        }
        let acquired = limit_log::change_from(store, account, log, now, |log| {
            log.refund_contact_attempt(pseudonym, bucket, attempt);
            self.acquire_from(log, flow, method)
        });
        acquired.await.map(|(used, _)| used)
    }

    /// Refunds a message that was taken and won't be sent, because another request sent one.
    pub(crate) async fn refund(self, flow: &Choosing, factor: Factor, used: Use) -> Result<(), AcquireError> {
        let store = &*self.ports.rate_limits;
        let refunded = limit_log::change(store, &flow.context.account, self.now, |log| {
            log.refund_send(factor, bucket_of(flow), used);
            Ok::<_, AcquireError>(())
        });
        refunded.await.map(drop)
    }

    fn acquire_from(self, log: &mut LimitLog, flow: &Choosing, method: Method) -> Result<Use, AcquireError> {
        let verified_factors: Vec<Factor> = flow.progress.verified_factors();
        let send = SendRequest {
            factor: method.factor(),
            bucket: bucket_of(flow),
            client: self.client,
            generation: flow.context.generation,
            verified_factors: &verified_factors,
        };
        Ok(log.try_acquire_send(&send, self.now, &self.ports.app.settings.sends)?)
    }
}

fn bucket_of(flow: &Choosing) -> Bucket {
    Bucket::for_step(flow.progress.step())
}
