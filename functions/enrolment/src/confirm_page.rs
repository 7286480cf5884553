//! The page that confirms a waiting entry.

use shared::domain::account::Account;
use shared::domain::cookie::HolderCookie;
use shared::domain::pairing::PAIRING_ATTEMPTS;
use shared::domain::security_info::Kind;
use shared::domain::session::Session;
use shared::domain::time::Timestamp;
use shared::http::HandlerResult;
use shared::http::security_info::Confirm;
use shared::http::view::View;

use super::access;
use super::kinds::{self, Waiting};
use super::ports::Ports;

/// Returns the page; `None` if no entry is waiting.
pub(crate) async fn view(
    ports: &Ports,
    cookie: &HolderCookie,
    session: &Session,
    account: &Account,
    now: Timestamp,
) -> HandlerResult<Option<View>> {
    let Some(pending) = session.pending() else { return Ok(None) };
    let waiting = Waiting { ports, cookie, session, pending, account, now };
    let Some(needs) = kinds::needs(&waiting).await? else { return Ok(None) };
    Ok(Some(View::Confirm(Confirm {
        id: pending.id.as_str().to_owned(),
        kind: pending.id.kind(),
        masked: pending.shown.clone(),
        needs,
        attempts_left: attempts_left(session).unwrap_or_default(),
        login: account.shown_login(),
        at: now.to_string(),
    })))
}

/// Returns the attempts left to confirm the waiting entry. The pairing store counts those of a pairing.
pub(crate) fn attempts_left(session: &Session) -> Option<u8> {
    let pending = session.pending()?;
    let left = access::attempts_left(session, pending.challenge.as_ref());
    Some(if pending.id.kind() == Kind::Authenticator { left.min(PAIRING_ATTEMPTS) } else { left })
}
