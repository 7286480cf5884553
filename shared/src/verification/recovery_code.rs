//! Recovery codes.
//!
//! The attempt is spent first; then the code is taken off the sheet, once, for one verification. Nothing of the account's
//! is used up by guesses, which 80 bits stand against, so that no stranger closes the method to its owner. A decoy, and an
//! account whose codes are gone, spend and hash alike and are never right.

use super::holder::{Holder, Mismatch, Refusal, Subject, VerificationError, Verified};
use super::verifier::Verifier;
use crate::domain::method::Method;
use crate::domain::rate_limit::RateLimit;
use crate::domain::recovery_code::{RecoveryCode, SLOW_LOOKS_PER_DAY, Sheet};
use crate::domain::time::Timestamp;

/// Checks a recovery code.
pub(super) async fn check(
    verifier: &Verifier<'_>,
    holder: &mut dyn Holder,
    code: &RecoveryCode,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    let young = holder.offer(Method::RecoveryCode).ok_or(Refusal::Unavailable)?.young;
    let sheet = sheet(verifier, holder.subject(), now).await?;
    if sheet.is_slow() && !take_slow(verifier, holder.subject(), now).await? {
        return Err(Refusal::Unavailable);
    }
    holder.spend(Method::RecoveryCode, now).await?;
    let subject = holder.subject();
    let hash = sheet.hash(code, verifier.seeds, subject.account).map_err(VerificationError::from)?;
    // The store is asked even for a code that is not on the sheet as it was read: it knows whether this verification took
    // it a moment ago.
    let store = verifier.authenticators;
    if !store.use_recovery_code(subject.account, &hash, subject.used_for, now).await? {
        return Err(Refusal::Wrong(Mismatch::Code));
    }
    Verified::by(Method::RecoveryCode, young, verifier.flows, holder.cookie(), code.expose().as_bytes())
}

/// The account's sheet; for whoever has none, and for a decoy, an empty one at the same cost.
async fn sheet(
    verifier: &Verifier<'_>,
    subject: Subject<'_>,
    now: Timestamp,
) -> Result<Sheet, VerificationError> {
    let sheet = verifier.authenticators.recovery_sheet(subject.account, now).await?;
    Ok(sheet.filter(|_| !subject.decoy).unwrap_or_else(|| Sheet::decoy(verifier.seeds)))
}

/// Takes an attempt at a sheet that costs a slow hash: so many from one network, so that nobody elsewhere closes the method
/// to its owner.
async fn take_slow(
    verifier: &Verifier<'_>,
    subject: Subject<'_>,
    now: Timestamp,
) -> Result<bool, VerificationError> {
    let limit = RateLimit::SlowRecoveryAttempts(subject.account.clone(), verifier.network);
    Ok(verifier.limits.take(&limit, SLOW_LOOKS_PER_DAY, now).await?)
}
