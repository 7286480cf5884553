//! Notifies every contact of a change.

use shared::domain::account::{Account, Registration};
use shared::domain::cookie::HolderCookie;
use shared::domain::message::Message;
use shared::domain::notice::{AccountChange, Event, contacts};
use shared::domain::session::Session;
use shared::domain::session_changes::{Notification, SessionChanges};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::HandlerResult;
use shared::http::problem::{Place, Problem};
use shared::ports::EntropyExt as _;

use super::access;
use super::ports::Ports;

/// Writes made before giving up. Each conflict means that another request of the session, or a notification, came
/// first.
const MAX_WRITES: u8 = 10;

/// Notifies the contacts that stood at any time in the session, and `new`, which the change adds. The first change of
/// a session is notified at once, later ones are gathered: see [`SessionChanges`].
///
/// It runs before the change is written: messages are queued first, then the change is added to those of the session,
/// then the caller writes it. A crash in between notifies of a change that was not made, or twice. In the reverse
/// order a change could happen without a notification.
pub(crate) async fn all_contacts(
    ports: &Ports,
    cookie: &HolderCookie,
    session: &Session,
    event: Event,
    new: Registration,
    now: Timestamp,
) -> HandlerResult<()> {
    let (holder, language) = (cookie.id(), session.context().language);
    let account = access::account(ports, session).await?;
    let registration = ports.security_info.registration(&account.id, now).await?;
    let methods = session.progress().last.iter().filter_map(|last| last.method).collect();
    let change = AccountChange { event, methods, at: now, language };
    let before = contacts(&account, &registration);
    let login = account.shown_login();
    let new = contacts(&Account { email: None, ..account }, &new);
    for _ in 0..MAX_WRITES {
        let (mut changes, revision) = match ports.session_changes.changes(holder).await? {
            Some(found) => (SessionChanges::open(&ports.messages, holder, &found.value)?, found.revision),
            None => (SessionChanges::new(login.clone(), language), 0),
        };
        match changes.add(&change, before.clone(), new.clone(), now) {
            Notification::AtOnce => {
                let notices: Vec<Message> = changes.notices().into_iter().map(Message::Notice).collect();
                ports.outgoing().send(holder, &notices, Seconds(0)).await?;
                changes.note_notified(changes.count());
            }
            Notification::In(delay) => {
                ports.outgoing().send_session_changes(holder, delay).await?;
            }
            Notification::Queued => {}
        }
        let sealed = changes.seal(&ports.messages, holder, ports.entropy.bytes())?;
        if ports.session_changes.replace_changes(holder, revision, &sealed, changes.kept_until(now)).await? {
            return Ok(());
        }
    }
    Err(Problem::OutOfStep(Place::SecurityInfo).into())
}
