//! Codes from an authenticator app (RFC 6238).
//!
//! The order of the writes is the rule. First the account's limit counts the attempt, so that all holders
//! together never compare more often than it allows. Then the account's time step moves forward, once for
//! each code, and records its verification. A right code then gets its attempt back: an owner who verifies
//! often must not run out of attempts. The holder is written last. A decoy costs the same and is never
//! right.

use super::holder::{Holder, Mismatch, Refusal, Subject, VerificationError, Verified};
use super::limit_log;
use super::verifier::Verifier;
use crate::domain::account_limits::{Client, LimitLog, Use};
use crate::domain::code::OneTimeCode;
use crate::domain::method::Method;
use crate::domain::security_info::{Consumption, Kind, Secret};
use crate::domain::time::Timestamp;
use crate::domain::totp::TotpSeed;
use crate::ports::{ActiveEntry, Versioned};

/// Checks an app's code. A wrong code also counts as an attempt of its holder.
pub(super) async fn check(
    verifier: &Verifier<'_>,
    holder: &mut dyn Holder,
    code: &OneTimeCode,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    let young = holder.offer(Method::Totp).ok_or(Refusal::Unavailable)?.young;
    let spent = spend(verifier, holder, now).await?;
    if !accepts(verifier, holder.subject(), code, now).await? {
        holder.spend(Method::Totp, now).await?;
        return Err(Refusal::Wrong(Mismatch::Code));
    }
    refund(verifier, holder, spent, now).await;
    Verified::by(Method::Totp, young, verifier.flows, holder.cookie(), code.expose().as_bytes())
}

/// Counts an attempt in the account's limit log, and returns its use with the log.
async fn spend(
    verifier: &Verifier<'_>,
    holder: &dyn Holder,
    now: Timestamp,
) -> Result<(Use, Versioned<LimitLog>), Refusal> {
    let client = Client { network: verifier.network, known_device: holder.is_on_known_device() };
    let (bucket, limit) = (holder.bucket(), verifier.generated_codes_per_day);
    let spent = limit_log::change(verifier.limits, holder.subject().account, now, |log| {
        Ok::<_, Refusal>(log.spend_generated_code(bucket, client, now, limit)?)
    });
    spent.await
}

/// Refunds the attempt of a right code.
async fn refund(
    verifier: &Verifier<'_>,
    holder: &dyn Holder,
    (used, log): (Use, Versioned<LimitLog>),
    now: Timestamp,
) {
    let refunded = limit_log::change_from(verifier.limits, holder.subject().account, log, now, |log| {
        log.refund_generated_code(holder.bucket(), used);
        Ok::<_, Refusal>(())
    });
    // A failure leaves the attempt counted, and the code is right all the same.
    let _ = refunded.await;
}

/// Returns whether the code is the account's, in a time step that was not accepted before. Each step is
/// accepted once, for one verification. An account without an app, and a decoy, cost the same reads.
async fn accepts(
    verifier: &Verifier<'_>,
    subject: Subject<'_>,
    code: &OneTimeCode,
    now: Timestamp,
) -> Result<bool, VerificationError> {
    let active = verifier.authenticators.active(subject.account, Kind::Totp, now).await?;
    let app = active.into_iter().find(|_| !subject.decoy);
    let Some(ActiveEntry { id, secret: Secret::Totp { sealed_seed, .. }, .. }) = app else {
        return Ok(false);
    };
    let seed = TotpSeed::open(verifier.seeds, subject.account.as_str(), &sealed_seed)?;
    let Some(step) = seed.matching_step(code, now) else { return Ok(false) };
    let step = Consumption::TimeStep(step);
    Ok(verifier.authenticators.consume(subject.account, &id, &step, subject.used_for, now).await?)
}
