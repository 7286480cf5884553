//! Push approvals on the authenticator app, by the number that the page shows.
//!
//! `approval` writes the device's answer into the request. This module reads it. Only the browser whose
//! holder made the request, with its cookie, can continue.

use super::holder::{Holder, Refusal, VerificationError, Verified};
use crate::domain::account::AccountId;
use crate::domain::approval::{APPROVAL_LIFETIME, ApprovalRequest, RequestId, RequestStatus, Requester};
use crate::domain::challenge::Challenge;
use crate::domain::cookie::HolderCookie;
use crate::domain::keys::{Keyring, Tag};
use crate::domain::method::Method;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{ApprovalStore, Entropy, EntropyExt as _, StoreError};

/// For this long after its end, a request gives a browser that missed the result (a double click) its newer
/// cookie.
const REMEMBERED: Seconds = Seconds(60);

/// Creates a request to the devices of an account, for its holder to await. Only a tag of its number is
/// stored.
///
/// # Errors
/// [`VerificationError::KeyLost`].
pub fn ask(
    flows: &Keyring,
    entropy: &dyn Entropy,
    cookie: &HolderCookie,
    requester: Requester,
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
        requester,
        created_at: now,
        expires_at: challenge.expires_at,
        status: RequestStatus::Pending,
        young: false,
    };
    Ok((challenge, request))
}

/// Returns the status of a holder's request. A decoy reads a request too, which no device answers.
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

/// Checks whether a device has approved the request.
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
        // The request has ended, or was never stored: a failure came after the holder was written.
        Some((RequestStatus::Pending | RequestStatus::Wrong, _)) | None => Err(Refusal::Spent),
    }
}

/// Returns the tag of a recent approval of this holder's request by the account's devices.
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
