//! Takes from the send limits of an account with optimistic locking: read, decide, write, and repeat on a conflict.

use shared::domain::account::AccountId;
use shared::domain::budget::{Exhausted, Pool, Send, SendLedger, SendLimits};
use shared::domain::cookie::HolderCookie;
use shared::domain::flow::Choosing;
use shared::domain::method::{Factor, Method};
use shared::domain::time::Timestamp;
use shared::ports::{StoreError, Versioned};

use super::Ports;

/// Writes tried before giving up. Each conflict means that another request got through, and an account's limits let
/// fewer than this through.
const ATTEMPTS: u8 = 40;

/// Reasons to send nothing.
pub(crate) enum Refusal {
    /// A rate limit is used up.
    Exhausted,
    /// The typed number is a different one; it cost an attempt.
    Mismatch,
    /// The store failed, so nothing was decided.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Exhausted> for Refusal {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

/// Takes one message to a contact that needs no typed number.
pub(crate) async fn take(
    ports: &Ports,
    cookie: &HolderCookie,
    flow: &Choosing,
    method: Method,
    now: Timestamp,
) -> Result<(), Refusal> {
    let read = ports.budgets.ledger(&flow.facts.account).await?;
    change(ports, &flow.facts.account, read, now, |ledger| take_one(ports, cookie, flow, method, now, ledger))
        .await
        .map(drop)
}

/// Spends an attempt at the complete number, compares it, then takes one message and returns the attempt.
pub(crate) async fn take_for_number(
    ports: &Ports,
    cookie: &HolderCookie,
    flow: &Choosing,
    method: Method,
    matches: impl FnOnce() -> bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    let (mark, pool) = (cookie.id().mark(), Pool::of_step(flow.progress.step()));
    let limits = &ports.site.settings.sends;
    let read = ports.budgets.ledger(&flow.facts.account).await?;
    let spent = change(ports, &flow.facts.account, read, now, |ledger| {
        Ok(ledger.spend_contact_try(mark, pool, now, limits)?)
    })
    .await?;
    if !matches() {
        return Err(Refusal::Mismatch);
    }
    let taken = change(ports, &flow.facts.account, spent, now, |ledger| {
        ledger.return_contact_try(mark, pool);
        take_one(ports, cookie, flow, method, now, ledger)
    });
    taken.await.map(drop)
}

/// Refunds a message taken at `now` that won't be sent, because another request sent one.
pub(crate) async fn give_back(
    ports: &Ports,
    flow: &Choosing,
    factor: Factor,
    now: Timestamp,
) -> Result<(), Refusal> {
    let (account, pool) = (&flow.facts.account, Pool::of_step(flow.progress.step()));
    let read = ports.budgets.ledger(account).await?;
    let given = change(ports, account, read, now, |ledger| {
        ledger.give_back(factor, pool, now);
        Ok(())
    });
    given.await.map(drop)
}

fn take_one(
    ports: &Ports,
    cookie: &HolderCookie,
    flow: &Choosing,
    method: Method,
    now: Timestamp,
    ledger: &mut SendLedger,
) -> Result<(), Refusal> {
    let proved: Vec<Factor> = flow.progress.proved_factors();
    let send = Send {
        factor: method.factor(),
        pool: Pool::of_step(flow.progress.step()),
        flow: cookie.id().mark(),
        generation: flow.facts.generation,
        proved: &proved,
    };
    let settings = &ports.site.settings;
    let limits = match method {
        Method::Push => SendLimits { per_hour: settings.push_per_hour, ..settings.sends },
        _ => settings.sends,
    };
    Ok(ledger.take(&send, now, &limits)?)
}

async fn change(
    ports: &Ports,
    account: &AccountId,
    mut read: Versioned<SendLedger>,
    now: Timestamp,
    decide: impl Fn(&mut SendLedger) -> Result<(), Refusal>,
) -> Result<Versioned<SendLedger>, Refusal> {
    for _ in 0..ATTEMPTS {
        decide(&mut read.value)?;
        if let Some(revision) = ports.budgets.replace_ledger(account, read.revision, &read.value, now).await?
        {
            return Ok(Versioned { revision, ..read });
        }
        read = ports.budgets.ledger(account).await?;
    }
    Err(Refusal::Exhausted)
}
