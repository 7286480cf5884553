//! Passkeys (Web Authentication Level 3 §7.1): the browser creates one, and its attestation confirms it.

pub(crate) use shared::domain::passkey::Registration as Attestation;

use shared::domain::approval::RequestId;
use shared::domain::challenge::{Challenge, PASSKEY_LIFETIME};
use shared::domain::method::Method;
use shared::domain::passkey::{CreationOptions, Expected, Owner, UserHandle};
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::domain::session::Pending;
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::security_info::Needs;
use shared::http::{HandlerResult, IncomingRequest};
use shared::ports::{ActiveEntry, EntropyExt as _};

use super::{Confirmed, WRONG, Waiting};
use crate::ports::Ports;

/// Begins a passkey with a new challenge.
pub(super) fn begin(ports: &Ports, incoming: &IncomingRequest, id: EntryId, now: Timestamp) -> Pending {
    let request = RequestId::from_bytes(ports.entropy.bytes());
    let challenge = Challenge::new(Method::Passkey, request, None, now, PASSKEY_LIFETIME);
    Pending { id, shown: incoming.browser.clone(), sealed: String::new(), challenge: Some(challenge) }
}

/// Returns the creation options for the browser.
pub(super) async fn needs(waiting: &Waiting<'_>) -> HandlerResult<Option<Needs>> {
    let Waiting { ports, account, now, .. } = waiting;
    if waiting.pending.challenge.is_none() {
        return Ok(None);
    }
    let (settings, challenge) = (&ports.app.settings, challenge(waiting)?);
    let login = account.logins.first().unwrap_or(&account.name);
    let handle = UserHandle::of(&ports.app.flows, &account.id);
    let owner = Owner { handle: &handle, login, name: &account.name };
    let active = ports.authenticators.active(&account.id, Kind::Passkey, *now).await?;
    let credential = |passkey: ActiveEntry| match passkey.secret {
        Secret::Passkey(credential) => Some(credential),
        _ => None,
    };
    let registered: Vec<_> = active.into_iter().filter_map(credential).collect();
    let (party, organisation) = (settings.relying_party(), &settings.organisation);
    let options = CreationOptions::new(&party, organisation, owner, challenge, &registered, PASSKEY_LIFETIME);
    Ok(Some(Needs::Passkey { options: Box::new(options) }))
}

/// Checks the attestation. A credential that any account has is rejected before contacts are notified; the write
/// checks again (§7.1 step 26).
pub(super) async fn confirm(
    waiting: &Waiting<'_>,
    attestation: Attestation,
) -> HandlerResult<Result<Confirmed, Problem>> {
    let Waiting { ports, account, .. } = waiting;
    let (party, challenge) = (ports.app.settings.relying_party(), challenge(waiting)?);
    let expected = Expected { party: &party, challenge: &challenge };
    let verifies =
        |key: &_, message: &[u8], signature: &[u8]| ports.signatures.verifies(key, message, signature);
    let handle = UserHandle::of(&ports.app.flows, &account.id);
    let Ok(credential) = attestation.verify(handle, &expected, &verifies) else { return Ok(Err(WRONG)) };
    if ports.enrolment.is_registered(&credential).await? {
        return Ok(Err(Problem::PasskeyRegistered));
    }
    Ok(Ok(Confirmed::other(waiting.pending.shown.clone(), Secret::Passkey(credential))))
}

fn challenge(waiting: &Waiting<'_>) -> HandlerResult<[u8; 32]> {
    let request = waiting.pending.challenge.as_ref().ok_or(Problem::FlowEnded)?.request;
    let challenge = waiting.cookie.passkey_challenge(&waiting.ports.app.flows, request);
    Ok(challenge.ok_or(Problem::FlowEnded)?)
}
