//! Approvals on the authenticator app, by the number that the page shows.
//!
//! The device's answer is a fact of the request, which `approval` wrote. Here it is read, and the holder that asked goes
//! on: the browser that asked, with its cookie, and no other.

use super::holder::{Holder, Refusal, VerificationError, Verified};
use crate::domain::account::AccountId;
use crate::domain::approval::{APPROVAL_LIFETIME, ApprovalRequest, Asker, RequestId, RequestStatus};
use crate::domain::challenge::Challenge;
use crate::domain::cookie::HolderCookie;
use crate::domain::keys::{Keyring, Tag};
use crate::domain::method::Method;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{ApprovalStore, Entropy, EntropyExt as _, StoreError};

/// For so long after its end a request helps a browser that missed the answer (a double click) to its newer cookie.
const REMEMBERED: Seconds = Seconds(60);

/// Makes a request to the devices of an account, which a holder then awaits. Of its number nothing is kept but a tag.
///
/// # Errors
/// [`VerificationError::KeyLost`].
pub fn ask(
    flows: &Keyring,
    entropy: &dyn Entropy,
    cookie: &HolderCookie,
    asker: Asker,
    lifetime: Seconds,
    now: Timestamp,
) -> Result<(Challenge, ApprovalRequest), VerificationError> {
    let id = RequestId::from_bytes(entropy.bytes());
    let challenge = Challenge::new(Method::Push, id, None, now, lifetime);
    let number = cookie.approval_number(flows, id).and_then(|number| number.tag(flows, id));
    let request = ApprovalRequest {
        id,
        flow: cookie.id(),
        number: number.ok_or(VerificationError::KeyLost)?,
        asker,
        created_at: now,
        expires_at: challenge.expires_at,
        status: RequestStatus::Pending,
        young: false,
    };
    Ok((challenge, request))
}

/// What became of the request that a holder awaits. A decoy reads the like, which nobody answers.
///
/// # Errors
/// [`StoreError`].
pub async fn request(
    approvals: &dyn ApprovalStore,
    cookie: &HolderCookie,
    account: &AccountId,
    id: RequestId,
) -> Result<Option<ApprovalRequest>, StoreError> {
    let newest = approvals.newest(account).await?;
    Ok(newest.filter(|request| request.is_of(cookie.id(), id)))
}

/// Checks whether the device has approved.
pub(super) async fn check(
    approvals: &dyn ApprovalStore,
    flows: &Keyring,
    holder: &dyn Holder,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    let challenge = holder.challenge(Method::Push, now).ok_or(Refusal::NotAwaited)?;
    let cookie = holder.cookie();
    let found = request(approvals, cookie, holder.subject().account, challenge.request).await?;
    match found.map(|found| (found.status, found.young)) {
        Some((RequestStatus::Approved, young)) => {
            Verified::by(Method::Push, young, flows, cookie, challenge.request.as_bytes())
        }
        Some((RequestStatus::Denied, _)) => Err(Refusal::Denied),
        Some((RequestStatus::Pending, _)) if challenge.expires_at.is_ahead(now, APPROVAL_LIFETIME) => {
            Err(Refusal::Pending)
        }
        // It is over, or was never made: something failed between the holder and it.
        Some((RequestStatus::Pending | RequestStatus::Wrong, _)) | None => Err(Refusal::Spent),
    }
}

/// The tag of an approval that the account's devices gave a moment ago to a request of this holder.
pub(super) async fn approved(
    approvals: &dyn ApprovalStore,
    flows: &Keyring,
    cookie: &HolderCookie,
    account: &AccountId,
    now: Timestamp,
) -> Result<Option<Tag>, StoreError> {
    let newest = approvals.newest(account).await?;
    let approved = newest.filter(|request| {
        let is_fresh = request.expires_at.is_ahead(now, APPROVAL_LIFETIME)
            || request.expires_at.is_within(REMEMBERED, now);
        is_fresh && request.status == RequestStatus::Approved && request.is_of(cookie.id(), request.id)
    });
    Ok(approved.and_then(|request| cookie.answer_tag(flows, Method::Push, request.id.as_bytes())))
}
