//! Takes from the send limits of an account with optimistic locking: read, decide, write, and repeat on a conflict.

use shared::domain::account::AccountId;
use shared::domain::cookie::HolderCookie;
use shared::domain::flow::Choosing;
use shared::domain::method::{Factor, Method};
use shared::domain::send_limits::{RateLimitExceeded, SendBucket, SendLimits, SendLog, SendRequest};
use shared::domain::time::Timestamp;
use shared::ports::{StoreError, Versioned};

use super::Ports;

/// Writes made before giving up. Each conflict means that another request got through, and an account's limits let
/// fewer than this through.
const MAX_WRITES: u8 = 40;

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

/// Acquires one message to a contact that needs no typed number.
pub(crate) async fn try_acquire(
    ports: &Ports,
    cookie: &HolderCookie,
    flow: &Choosing,
    method: Method,
    now: Timestamp,
) -> Result<(), AcquireError> {
    let read = ports.rate_limits.send_log(&flow.context.account).await?;
    update(ports, &flow.context.account, read, now, |send_log| {
        acquire_from(ports, cookie, flow, method, now, send_log)
    })
    .await
    .map(drop)
}

/// Spends an attempt at the complete number, compares it, then acquires one message and returns the attempt.
pub(crate) async fn try_acquire_for_number(
    ports: &Ports,
    cookie: &HolderCookie,
    flow: &Choosing,
    method: Method,
    matches: impl FnOnce() -> bool,
    now: Timestamp,
) -> Result<(), AcquireError> {
    let (pseudonym, bucket) = (cookie.id().pseudonym(), SendBucket::for_step(flow.progress.step()));
    let limits = &ports.app.settings.sends;
    let read = ports.rate_limits.send_log(&flow.context.account).await?;
    let spent = update(ports, &flow.context.account, read, now, |send_log| {
        Ok(send_log.spend_contact_attempt(pseudonym, bucket, now, limits)?)
    })
    .await?;
    if !matches() {
        return Err(AcquireError::Mismatch);
    }
    let acquired = update(ports, &flow.context.account, spent, now, |send_log| {
        send_log.refund_contact_attempt(pseudonym, bucket);
        acquire_from(ports, cookie, flow, method, now, send_log)
    });
    acquired.await.map(drop)
}

/// Refunds a message taken at `now` that won't be sent, because another request sent one.
pub(crate) async fn refund(
    ports: &Ports,
    flow: &Choosing,
    factor: Factor,
    now: Timestamp,
) -> Result<(), AcquireError> {
    let (account, bucket) = (&flow.context.account, SendBucket::for_step(flow.progress.step()));
    let read = ports.rate_limits.send_log(account).await?;
    let refunded = update(ports, account, read, now, |send_log| {
        send_log.refund(factor, bucket, now);
        Ok(())
    });
    refunded.await.map(drop)
}

fn acquire_from(
    ports: &Ports,
    cookie: &HolderCookie,
    flow: &Choosing,
    method: Method,
    now: Timestamp,
    send_log: &mut SendLog,
) -> Result<(), AcquireError> {
    let verified_factors: Vec<Factor> = flow.progress.verified_factors();
    let send = SendRequest {
        factor: method.factor(),
        bucket: SendBucket::for_step(flow.progress.step()),
        flow: cookie.id().pseudonym(),
        generation: flow.context.generation,
        verified_factors: &verified_factors,
    };
    let settings = &ports.app.settings;
    let limits = match method {
        Method::Push => SendLimits { per_hour: settings.push_per_hour, ..settings.sends },
        _ => settings.sends,
    };
    Ok(send_log.try_acquire(&send, now, &limits)?)
}

async fn update(
    ports: &Ports,
    account: &AccountId,
    mut read: Versioned<SendLog>,
    now: Timestamp,
    decide: impl Fn(&mut SendLog) -> Result<(), AcquireError>,
) -> Result<Versioned<SendLog>, AcquireError> {
    for _ in 0..MAX_WRITES {
        decide(&mut read.value)?;
        if let Some(revision) =
            ports.rate_limits.replace_send_log(account, read.revision, &read.value, now).await?
        {
            return Ok(Versioned { revision, ..read });
        }
        read = ports.rate_limits.send_log(account).await?;
    }
    Err(AcquireError::Exhausted)
}
