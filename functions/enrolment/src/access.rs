//! Loads the session of a request, checks what it may do, and stores it.

use shared::domain::account::{Account, Registration};
use shared::domain::challenge::Challenge;
use shared::domain::contact::EmailAddress;
use shared::domain::cookie::HolderCookie;
use shared::domain::mail_failure::FailedMailbox;
use shared::domain::security_info::Registered;
use shared::domain::session::{ATTEMPTS, CODE_ATTEMPTS, Open, Session};
use shared::domain::time::Timestamp;
use shared::http::problem::{Place, Problem};
use shared::http::{HandlerResult, IncomingRequest};
use shared::ports::Versioned;

use super::ports::Ports;

/// Returns the session of a request. A session ends if its account was disabled or excluded from self-service
/// meanwhile.
pub(crate) async fn load_session(
    ports: &Ports,
    incoming: &mut IncomingRequest,
    now: Timestamp,
) -> HandlerResult<(HolderCookie, Versioned<Session>)> {
    let (cookie, found) = incoming.live_session(&*ports.sessions, now).await?;
    let account = ports.directory.account(&found.value.context().account).await?;
    if !account.is_some_and(|account| account.state.may_reset()) {
        ports.sessions.end(cookie.id()).await?;
        return Err(Problem::FlowEnded.into());
    }
    Ok((cookie, found))
}

/// Returns a session that may see the list: its second step is verified.
pub(crate) async fn require_view(
    ports: &Ports,
    incoming: &mut IncomingRequest,
    now: Timestamp,
) -> HandlerResult<(HolderCookie, Versioned<Session>, Open)> {
    let (cookie, found) = load_session(ports, incoming, now).await?;
    let open = found.value.opened(&cookie).cloned().ok_or(Problem::OutOfStep(Place::SecondStep))?;
    Ok((cookie, found, open))
}

/// Returns a session that may change something: its step-up is recent.
pub(crate) async fn require_change(
    ports: &Ports,
    incoming: &mut IncomingRequest,
    now: Timestamp,
) -> HandlerResult<(HolderCookie, Versioned<Session>, Open)> {
    let (cookie, found, open) = require_view(ports, incoming, now).await?;
    if found.value.may_change(&cookie, now) {
        Ok((cookie, found, open))
    } else {
        Err(Problem::OutOfStep(Place::SecondStep).into())
    }
}

/// Returns the enrolled entries, unless another session or flow has changed the account since this one began.
pub(crate) async fn current(
    ports: &Ports,
    cookie: &HolderCookie,
    session: &Session,
) -> HandlerResult<Registered> {
    let registered = ports.enrolment.registered(&session.context().account).await?;
    let is_ours =
        registered.generation == session.progress().generation || registered.changed_by == Some(cookie.id());
    if is_ours { Ok(registered) } else { Err(Problem::FlowEnded.into()) }
}

/// Returns the account of a session; a deleted account ends it.
pub(crate) async fn account(ports: &Ports, session: &Session) -> HandlerResult<Account> {
    let account = ports.directory.account(&session.context().account).await?;
    Ok(account.ok_or(Problem::FlowEnded)?)
}

/// Returns the contacts and methods of an account that count as evidence.
pub(crate) async fn evidence(
    ports: &Ports,
    account: &Account,
    now: Timestamp,
) -> HandlerResult<Registration> {
    let registration = ports.security_info.registration(&account.id, now).await?;
    Ok(registration.as_evidence_for(account, &ports.app.settings.login_domains))
}

/// Clears the failure of a mailbox that a code came back from. Without the store the note stays, and the code counts.
pub(crate) async fn mail_arrives(ports: &Ports, address: Option<&EmailAddress>, now: Timestamp) {
    if let Some(mailbox) = address.and_then(|address| FailedMailbox::of(address, &ports.messages))
        && let Err(cause) = ports.mail_failures.clear_mail_failure(&mailbox, now).await
    {
        tracing::warn!(event = "mail.note_kept", reason = %cause);
    }
}

/// Stores a session. After a lost race with another request of the session, the person starts again at the list.
pub(crate) async fn save_session(
    ports: &Ports,
    cookie: &HolderCookie,
    revision: u64,
    next: &Session,
    now: Timestamp,
) -> HandlerResult<u64> {
    if ports.sessions.update(cookie.id(), revision, next, now).await? {
        Ok(revision + 1)
    } else {
        Err(Problem::OutOfStep(Place::SecurityInfo).into())
    }
}

/// Ends a session that has no attempts left.
pub(crate) async fn end_if_exhausted(
    ports: &Ports,
    cookie: &HolderCookie,
    session: &Session,
) -> HandlerResult<()> {
    if session.progress().attempts < ATTEMPTS {
        return Ok(());
    }
    ports.sessions.end(cookie.id()).await?;
    Err(Problem::FlowEnded.into())
}

/// Returns the attempts left, in the session or for the challenge, whichever is fewer.
pub(crate) fn attempts_left(session: &Session, challenge: Option<&Challenge>) -> u8 {
    let of_answer = challenge.map_or(ATTEMPTS, |challenge| CODE_ATTEMPTS.saturating_sub(challenge.attempts));
    ATTEMPTS.saturating_sub(session.progress().attempts).min(of_answer)
}
