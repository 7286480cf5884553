//! Notifies every contact of a change.

use shared::domain::account::{Account, Registration};
use shared::domain::cookie::HolderCookie;
use shared::domain::message::Message;
use shared::domain::notice::{AccountChange, Event, notices};
use shared::domain::session::Session;
use shared::domain::time::{Seconds, Timestamp};
use shared::http::HandlerResult;

use super::access;
use super::ports::Ports;

/// Notifies the contacts from before the change, and `new`, which the change adds. It runs before the change is
/// written. Notifying of a change that then fails is better than a change without notification.
pub(crate) async fn all_contacts(
    ports: &Ports,
    cookie: &HolderCookie,
    session: &Session,
    event: Event,
    new: Registration,
    now: Timestamp,
) -> HandlerResult<()> {
    let account = access::account(ports, session).await?;
    let before = ports.security_info.registration(&account.id, now).await?;
    let methods = session.progress().last.iter().map(|last| last.method).collect();
    let change = AccountChange { event, methods, at: now, language: session.context().language };
    let mut notifications = notices(&account, &before, &change);
    notifications.extend(notices(&Account { email: None, ..account }, &new, &change));
    let messages: Vec<Message> = notifications.into_iter().map(Message::Notice).collect();
    Ok(ports.outgoing().send(cookie.id(), &messages, Seconds(0)).await?)
}
