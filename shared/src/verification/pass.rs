//! Passes of the help desk, given to a caller or sent in a letter.
//!
//! The attempt is counted first; then the pass is redeemed, for one flow. A person with too few methods for a
//! reset has a decoy's flow until then, and the account behind it is read. A name without an account costs
//! the same read and never has a pass.

use super::holder::{Holder, Mismatch, Refusal, VerificationError, Verified};
use super::verifier::Verifier;
use crate::domain::method::Method;
use crate::domain::pass::{Pass, PassKind};
use crate::domain::time::Timestamp;

/// Counts an attempt and redeems the pass, if it is the account's.
pub(super) async fn check(
    verifier: &Verifier<'_>,
    holder: &mut dyn Holder,
    pass: &Pass,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    holder.spend(Method::Pass, now).await?;
    let subject = holder.person();
    let tags = pass.tags(verifier.seeds, subject.account).ok_or(VerificationError::KeyLost)?;
    let redeemed = verifier.authenticators.redeem_pass(subject.account, &tags, subject.used_for, now).await?;
    let Some(kind) = redeemed.filter(|_| !subject.decoy) else {
        return Err(Refusal::Wrong(Mismatch::Code));
    };
    let answer = pass.code().expose();
    let step = Verified::by(Method::Pass, false, verifier.flows, holder.cookie(), answer.as_bytes())?;
    Ok(Verified { is_activation: kind == PassKind::Activation, ..step })
}
