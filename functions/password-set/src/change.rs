//! The change itself: claim, write, finish, tell; each of them survives a crash right after it.
//!
//! 1. The claim: one conditional bump of the account's generation, with a lease. Of two flows one gets it, and the
//!    others are over.
//! 2. A delayed "settle" goes into the queue. Whatever happens from here on, it looks later whether the change was
//!    made, finished and told, and does what is missing.
//! 3. The write to the directory, under the claim's generation: a straggler with an older one is refused there.
//! 4. The notices go into the queue, and the flow is finished.

use std::time::Duration;

use shared::domain::account::{Account, Registration};
use shared::domain::flow::{Flow, FlowCookie, Proven, Stage};
use shared::domain::message::{Envelope, Message, Settle};
use shared::domain::method::Method;
use shared::domain::notice::{self, notices};
use shared::domain::password::NewPassword;
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Code;
use shared::http::{Failure, Outcome};
use shared::ports::{Claim, Claimant, EntropyExt as _, Write};

use super::Ports;

/// How long a claim is held for its flow alone: longer than the function may run, so that a second attempt never
/// meets the first one still at work.
const LEASE: Seconds = Seconds(30);
/// When to look whether a change was finished: after the lease has run out.
const SETTLE_AFTER: Seconds = Seconds(45);
/// How long a double click waits for the first click's answer.
const POLLS: u8 = 20;
const POLL_EVERY: Duration = Duration::from_millis(100);

/// What is to be changed.
#[derive(Clone, Copy)]
pub(crate) enum Change<'a> {
    /// Set this password.
    Password(&'a NewPassword),
    /// Unlock; the password stays.
    Unlock,
}

/// Whose account is changed, and where they are told of it.
pub(crate) struct Owner {
    pub(crate) account: Account,
    registration: Registration,
}

/// The account with its contacts as they are now, if it may still be changed by this flow: not switched off or
/// excluded, with the same contacts as the codes went to, and not changed by another flow since this one was opened.
/// `account` is as the directory has it now.
pub(crate) async fn owner(
    ports: &Ports,
    cookie: &FlowCookie,
    flow: &Proven,
    account: Account,
    now: Timestamp,
) -> Outcome<Owner> {
    let registration = ports.security_info.registration(&account.id, now).await?;
    let registration = registration.as_evidence_for(&account, &ports.site.settings.login_domains);
    let unchanged = flow.progress.proofs.iter().all(|proof| match proof.contact {
        None => registration.has(proof.method) || proof.method == Method::RecoveryCode,
        Some(fingerprint) => registration
            .contact(proof.method)
            .and_then(|contact| cookie.contact_tag(&ports.site.flows, &contact.canonical()))
            .is_some_and(|now| now == fingerprint),
    });
    let ours =
        registration.generation == flow.facts.generation || registration.claimed_by == Some(cookie.key());
    if !flow.facts.decoy && account.standing.may_reset() && unchanged && ours {
        Ok(Owner { account, registration })
    } else {
        Err(Code::FlowEnded.into())
    }
}

/// Makes the change once. The flow as it then is: done, by this request or by the one it doubled.
pub(crate) async fn carry_out(
    ports: &Ports,
    cookie: &FlowCookie,
    revision: u64,
    flow: Proven,
    owner: &Owner,
    change: Change<'_>,
    now: Timestamp,
) -> Outcome<Flow> {
    let (id, key) = (&owner.account.id, cookie.key());
    let proved = flow.progress.proved_factors();
    let claimant = Claimant { flow: key, proved: &proved };
    let held = match ports.claims.claim(id, &claimant, flow.facts.generation, now, now + LEASE).await? {
        Claim::Held(generation) => generation,
        Claim::Busy => return doubled(ports, cookie).await,
        Claim::Lost => return Err(Code::FlowEnded.into()),
    };
    let settle = Message::Settle(Settle {
        flow: key,
        account: id.clone(),
        generation: held,
        outcome: flow.progress.reason.outcome(),
        methods: flow.progress.proofs.iter().map(|proof| proof.method).collect(),
        language: flow.facts.language,
    });
    queue(ports, cookie, &[settle], SETTLE_AFTER).await?;

    // An earlier claim of this flow may have got as far as the directory before it was cut off. Then there is
    // nothing left to write: whoever typed that password was first, and is told that it is done.
    let first = flow.facts.generation + 1;
    if held != first && ports.directory.was_written(id, first).await? {
        finish(ports, cookie, revision, flow, owner, now).await;
        return Err(Failure::OutOfStep(Stage::Done, None));
    }
    let write = match change {
        Change::Password(password) => Write::Password(password.expose()),
        Change::Unlock => Write::Unlock,
    };
    ports.directory.write(id, held, write, ports.policy.history(), now).await?;
    Ok(finish(ports, cookie, revision, flow, owner, now).await)
}

/// Whether the directory holds this flow's change already, made by a request that came before.
pub(crate) async fn is_made(
    ports: &Ports,
    cookie: &FlowCookie,
    flow: &Proven,
    owner: &Owner,
) -> Outcome<bool> {
    let claimed = owner.registration.claimed_by == Some(cookie.key());
    Ok(claimed && ports.directory.was_written(&owner.account.id, flow.facts.generation + 1).await?)
}

/// Tells every contact, and ends the flow. From the directory's write on the change stands, so nothing here is a
/// failure any more: what can't be done now, settling does.
async fn finish(
    ports: &Ports,
    cookie: &FlowCookie,
    revision: u64,
    flow: Proven,
    owner: &Owner,
    now: Timestamp,
) -> Flow {
    let key = cookie.key();
    let told = tell(ports, cookie, &flow, owner, now).await;
    if let Err(failure) = &told {
        tracing::warn!(event = "notices-delayed", flow = ?key, reason = ?failure);
    }
    let outcome = flow.progress.reason.outcome();
    let done = Flow::Done(flow.finish(now, told.is_ok()));
    if !matches!(ports.flows.replace(key, revision, &done, now).await, Ok(true)) {
        tracing::warn!(event = "finish-delayed", flow = ?key);
    }
    let account = owner.account.id.mark(&ports.site.flows);
    tracing::info!(event = "done", flow = ?key, ?account, ?outcome);
    done
}

async fn tell(
    ports: &Ports,
    cookie: &FlowCookie,
    flow: &Proven,
    owner: &Owner,
    now: Timestamp,
) -> Outcome<()> {
    let outcome = flow.progress.reason.outcome();
    let change = notice::Change::proved_by(&flow.progress.proofs, outcome, now, flow.facts.language);
    let all = notices(&owner.account, &owner.registration, &change);
    let messages: Vec<Message> = all.into_iter().map(Message::Notice).collect();
    queue(ports, cookie, &messages, Seconds(0)).await
}

async fn queue(ports: &Ports, cookie: &FlowCookie, messages: &[Message], delay: Seconds) -> Outcome<()> {
    let seal = |message: &Message| message.seal(&ports.messages, cookie.key(), ports.entropy.bytes());
    let envelopes = messages.iter().map(seal).collect::<Result<Vec<Envelope>, _>>()?;
    if !envelopes.is_empty() {
        ports.queue.send(&envelopes, delay).await?;
    }
    Ok(())
}

/// The same flow is already at it (a double click): wait for what comes of it.
async fn doubled(ports: &Ports, cookie: &FlowCookie) -> Outcome<Flow> {
    for _ in 0..POLLS {
        tokio::time::sleep(POLL_EVERY).await;
        let found = ports.flows.load(cookie.key(), ports.clock.now()).await?.ok_or(Code::FlowEnded)?;
        if found.value.stage() == Stage::Done {
            return Err(Failure::OutOfStep(Stage::Done, None));
        }
    }
    Err(Code::Unavailable.into())
}
