//! Passkeys (Web Authentication Level 3 §7.2).
//!
//! The attempt is counted first; then the answer is compared; then the passkey's counter increases, for one
//! verification. The challenge belongs to one holder, step and request, which prevents replay. A decoy has no
//! passkey: its answers cost the same and are never right.

use super::holder::{Holder, Refusal, Subject, VerificationError, Verified};
use super::verifier::Verifier;
use crate::domain::approval::RequestId;
use crate::domain::challenge::{Challenge, PASSKEY_LIFETIME};
use crate::domain::method::Method;
use crate::domain::passkey::{Assertion, Expected, Refusal as Mismatch};
use crate::domain::security_info::{Consumption, Kind, Secret};
use crate::domain::time::Timestamp;
use crate::ports::{Entropy, EntropyExt as _};

/// Creates a passkey request. Its challenge is derived from holder, step and request, so it is not stored.
pub fn ask(entropy: &dyn Entropy, now: Timestamp) -> Challenge {
    let request = RequestId::from_bytes(entropy.bytes());
    Challenge::new(Method::Passkey, request, None, now, PASSKEY_LIFETIME)
}

/// Counts an attempt and verifies the answer against the account's passkeys.
pub(super) async fn check(
    verifier: &Verifier<'_>,
    holder: &mut dyn Holder,
    assertion: &Assertion,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    let awaited = holder.challenge(Method::Passkey, now).ok_or(Refusal::NotAwaited)?;
    if !awaited.expires_at.is_ahead(now, PASSKEY_LIFETIME) {
        return Err(Refusal::Spent);
    }
    holder.spend(Method::Passkey, now).await?;
    // Another request may have replaced it meanwhile.
    let awaited = holder.challenge(Method::Passkey, now).ok_or(Refusal::NotAwaited)?;
    let cookie = holder.cookie();
    let challenge = cookie.passkey_challenge(verifier.flows, awaited.request);
    let challenge = challenge.ok_or(VerificationError::KeyLost)?;
    let expected = Expected { party: &verifier.party, challenge: &challenge };
    let young = used_passkey(verifier, holder.subject(), assertion, &expected, now).await?;
    let young = young.map_err(|mismatch| Refusal::Wrong(mismatch.into()))?;
    Verified::by(Method::Passkey, young, verifier.flows, cookie, assertion.signature())
}

/// Returns whether the passkey that gave this answer is young, if its counter increased. A decoy costs the
/// same read and has no passkey.
async fn used_passkey(
    verifier: &Verifier<'_>,
    subject: Subject<'_>,
    assertion: &Assertion,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Result<bool, Mismatch>, VerificationError> {
    let store = verifier.authenticators;
    let passkeys = store.active(subject.account, Kind::Passkey, now).await?;
    let by = passkeys.iter().filter(|_| !subject.decoy).find_map(|passkey| match &passkey.secret {
        Secret::Passkey(credential) if assertion.is_by(credential) => Some((passkey, credential)),
        _ => None,
    });
    let Some((passkey, credential)) = by else { return Ok(Err(Mismatch::User)) };
    let is_signed =
        |key: &_, message: &[u8], signature: &[u8]| verifier.signatures.verifies(key, message, signature);
    let counter = match assertion.verify(credential, expected, &is_signed) {
        Ok(counter) => Consumption::Counter(counter),
        Err(mismatch) => return Ok(Err(mismatch)),
    };
    let accepted = store.consume(subject.account, &passkey.id, &counter, subject.used_for, now).await?;
    Ok(if accepted { Ok(passkey.young) } else { Err(Mismatch::Counter) })
}
