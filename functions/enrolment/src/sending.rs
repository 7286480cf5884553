//! Codes to contacts, and word of a change to all of them.

use shared::domain::account::{Account, Contact, Registration};
use shared::domain::code::OneTimeCode;
use shared::domain::flow::RequestId;
use shared::domain::message::{Message, Purpose};
use shared::domain::method::Method;
use shared::domain::notice::{Change, Event, notices};
use shared::domain::session::{Asked, RESEND, SENDS, Session, SessionCookie};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::Outcome;
use shared::http::problem::Problem;
use shared::http::security_info::Sent;
use shared::ports::EntropyExt as _;
use shared::settings::Settings;

use shared::verification::outgoing::Outgoing;
use shared::verification::sent_code::NewCode;

use super::{Ports, budgets};

/// Whether another code may be asked for, after `earlier`.
///
/// # Errors
/// Why not.
pub(crate) fn may_send(
    session: &Session,
    earlier: Option<&Asked>,
    method: Method,
    now: Timestamp,
) -> Result<(), Problem> {
    if session.sends >= SENDS {
        return Err(Problem::MethodUnavailable("method"));
    }
    let wait = earlier
        .filter(|earlier| earlier.method == method)
        .map_or(0, |earlier| (earlier.at + RESEND).seconds_after(now));
    if wait > 0 { Err(Problem::SlowDown(Seconds(wait))) } else { Ok(()) }
}

/// A new code for a contact: what the session keeps of it, and the message that is to be queued once it is kept.
pub(crate) async fn code(
    ports: &Ports,
    cookie: &SessionCookie,
    session: &Session,
    purpose: Purpose,
    (method, contact): (Method, Contact<'_>),
    now: Timestamp,
) -> Outcome<Result<(Asked, Message), Problem>> {
    let settings = &ports.site.settings;
    if !budgets::code(ports, &session.account, now).await? {
        return Ok(Err(Problem::MethodUnavailable("method")));
    }
    let code = OneTimeCode::generate(settings.code_digits, ports.entropy.bytes());
    let request = RequestId::from_bytes(ports.entropy.bytes());
    let tag = cookie.code_tag(&ports.site.flows, request, &code).ok_or(Problem::FlowEnded)?;
    let lifetime = Seconds(settings.flow.code_lifetime.0.min(session.expires_at.seconds_after(now)));
    let asked = Asked::new(method, request, Some(tag), now, lifetime);
    let (language, expires_at) = (session.language, asked.expires_at);
    let code = NewCode { code: &code, method, contact, purpose, language, expires_at };
    let message = code.message(now).ok_or(Problem::MethodUnavailable("method"))?;
    Ok(Ok((asked, message)))
}

/// Puts messages into the queue.
pub(crate) async fn queue(ports: &Ports, cookie: &SessionCookie, messages: &[Message]) -> Outcome<()> {
    let (queue, messages_keys) = (&*ports.queue, &*ports.messages);
    let outgoing = Outgoing { queue, messages: messages_keys, entropy: &*ports.entropy };
    Ok(outgoing.send(cookie.key(), messages, Seconds(0)).await?)
}

/// Tells every contact of a change: those that were there before it, and `new`, which it brings. It comes before the
/// change is written: word of something that then failed is better than a change that nobody hears of.
pub(crate) async fn tell(
    ports: &Ports,
    cookie: &SessionCookie,
    session: &Session,
    event: Event,
    new: Registration,
    now: Timestamp,
) -> Outcome<()> {
    let account = ports.directory.account(&session.account).await?.ok_or(Problem::FlowEnded)?;
    let before = ports.security_info.registration(&session.account, now).await?;
    let methods = session.proved.iter().map(|proved| proved.method).collect();
    let change = Change { event, methods, at: now, language: session.language };
    let mut told = notices(&account, &before, &change);
    told.extend(notices(&Account { email: None, ..account }, &new, &change));
    queue(ports, cookie, &told.into_iter().map(Message::Notice).collect::<Vec<_>>()).await
}

/// A code that is awaited, as it is shown.
pub(crate) fn shown(
    settings: &Settings,
    asked: &Asked,
    masked: &str,
    tries_left: u8,
    now: Timestamp,
) -> Sent {
    let resend_at = asked.at + RESEND;
    Sent {
        method: asked.method,
        masked: masked.to_owned(),
        digits: settings.code_digits,
        expires_at: asked.expires_at.to_string(),
        resend_at: resend_at.to_string(),
        tries_left,
        resend_in: resend_at.seconds_after(now),
        minutes: settings.flow.code_lifetime.whole_minutes(),
    }
}
