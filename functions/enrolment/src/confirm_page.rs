//! The page of what is about to be enrolled.

use shared::domain::account::Account;
use shared::domain::cookie::HolderCookie;
use shared::domain::pairing::PAIRING_TRIES;
use shared::domain::security_info::Kind;
use shared::domain::session::Session;
use shared::domain::time::Timestamp;
use shared::http::Outcome;
use shared::http::security_info::Confirm;
use shared::http::view::View;

use super::access;
use super::kinds::{self, Waiting};
use super::ports::Ports;

/// The page; nothing when nothing is about to be enrolled.
pub(crate) async fn view(
    ports: &Ports,
    cookie: &HolderCookie,
    session: &Session,
    account: &Account,
    now: Timestamp,
) -> Outcome<Option<View>> {
    let Some(pending) = session.pending() else { return Ok(None) };
    let waiting = Waiting { ports, cookie, session, pending, account, now };
    let Some(needs) = kinds::needs(&waiting).await? else { return Ok(None) };
    Ok(Some(View::Confirm(Confirm {
        id: pending.id.as_str().to_owned(),
        kind: pending.id.kind(),
        masked: pending.shown.clone(),
        needs,
        tries_left: attempts_left(session).unwrap_or_default(),
    })))
}

/// The wrong answers that are left to confirm what waits. A pairing's own are counted where it is kept.
pub(crate) fn attempts_left(session: &Session) -> Option<u8> {
    let pending = session.pending()?;
    let left = access::attempts_left(session, pending.challenge.as_ref());
    Some(if pending.id.kind() == Kind::Authenticator { left.min(PAIRING_TRIES) } else { left })
}
