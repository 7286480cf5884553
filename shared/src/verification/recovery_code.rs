//! Recovery codes.
//!
//! The attempt is counted first; then the code is removed from the sheet, once, for one verification. Wrong
//! attempts don't count against the account, so that a stranger can't close the method to its owner: 80 bits
//! resist brute force. A decoy, and an account without unused codes, cost the same and are never right.

use super::holder::{Holder, Mismatch, Refusal, Subject, VerificationError, Verified};
use super::verifier::Verifier;
use crate::domain::method::Method;
use crate::domain::rate_limit::RateLimit;
use crate::domain::recovery_code::{RecoveryCode, SLOW_ATTEMPTS_PER_DAY, Sheet};
use crate::domain::security_info::{Consumption, EntryId, Kind, Secret};
use crate::domain::time::Timestamp;
use crate::ports::ActiveEntry;

/// Counts an attempt and removes the code from the sheet, if it is on it.
pub(super) async fn check(
    verifier: &Verifier<'_>,
    holder: &mut dyn Holder,
    code: &RecoveryCode,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    let young = holder.offer(Method::RecoveryCode).ok_or(Refusal::Unavailable)?.young;
    let sheet = sheet(verifier, holder.subject(), now).await?;
    if sheet.is_slow() && !try_acquire_slow(verifier, holder.subject(), now).await? {
        return Err(Refusal::Unavailable);
    }
    holder.spend(Method::RecoveryCode, now).await?;
    let subject = holder.subject();
    let hash = sheet.hash(code, verifier.seeds, subject.account).map_err(VerificationError::from)?;
    // The store is queried even for a code that is not on the sheet. It knows whether this verification
    // consumed the code recently.
    let (id, code_used) = (EntryId::only(Kind::RecoveryCodes), Consumption::RecoveryCode(hash));
    let store = verifier.authenticators;
    if !store.consume(subject.account, &id, &code_used, subject.used_for, now).await? {
        return Err(Refusal::Wrong(Mismatch::Code));
    }
    Verified::by(Method::RecoveryCode, young, verifier.flows, holder.cookie(), code.expose().as_bytes())
}

/// Returns the account's sheet; an empty one, at the same cost, for an account without a sheet and for a
/// decoy.
async fn sheet(
    verifier: &Verifier<'_>,
    subject: Subject<'_>,
    now: Timestamp,
) -> Result<Sheet, VerificationError> {
    let active = verifier.authenticators.active(subject.account, Kind::RecoveryCodes, now).await?;
    Ok(match active.into_iter().find(|_| !subject.decoy) {
        Some(ActiveEntry { secret: Secret::RecoveryCodes(sheet), .. }) => sheet,
        _ => Sheet::decoy(verifier.seeds),
    })
}

/// Acquires an attempt at a sheet with slow hashes. The limit counts per network, so that a stranger can't
/// close the method to its owner.
async fn try_acquire_slow(
    verifier: &Verifier<'_>,
    subject: Subject<'_>,
    now: Timestamp,
) -> Result<bool, VerificationError> {
    let limit = RateLimit::SlowRecoveryAttempts(subject.account.clone(), verifier.address);
    Ok(verifier.limits.try_acquire(&limit, SLOW_ATTEMPTS_PER_DAY, now).await?)
}
