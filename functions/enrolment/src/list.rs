//! The list of enrolled entries: shown, reconfirmed as a whole, and shortened.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::Registration;
use shared::domain::cookie::HolderCookie;
use shared::domain::notice::Event;
use shared::domain::security_info::EntryId;
use shared::domain::session::Session;
use shared::domain::time::Timestamp;
use shared::http::problem::{Place, Problem};
use shared::http::security_info::HOME;
use shared::http::view::View;
use shared::http::{App, HandlerError, HandlerResult, IncomingRequest, NewCookie, NextPage, Said, respond};
use shared::ports::{EntropyExt as _, Versioned};

use super::access::{current, load_session, require_change, require_view, save_session};
use super::ports::Ports;
use super::{list_page, notify, rate_limits, step_up_page};

/// `GET /security-info`: the page of the session's current step.
pub(crate) async fn show(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found) = match load_session(ports, incoming, now).await {
            Ok(found) => found,
            Err(HandlerError::Problem(Problem::FlowEnded, _)) => {
                return Ok(incoming.page(&View::SignIn(incoming.sign_in_page(incoming.back.clone()))));
            }
            Err(failure) => return Err(failure),
        };
        let session = found.value;
        let Some(open) = session.opened(&cookie) else {
            let view = step_up_page::view(ports, incoming, &session, None, now).await?;
            return Ok(incoming.page(&view));
        };
        let registered = current(ports, &cookie, &session).await?;
        Ok(incoming.page(&list_page::view(ports, open, &registered, now).await?))
    })
    .await
}

/// `POST /security-info/reconfirm`: records that the person checked the whole list.
pub(crate) async fn reconfirm(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found, open) = require_view(ports, incoming, now).await?;
        incoming.take_fields().finish()?;
        current(ports, &cookie, &found.value).await?;
        ports.enrolment.confirm(&open.context.account, now).await?;
        tracing::info!(event = "enrolment.reconfirmed", session = ?cookie.id());
        let registered = ports.enrolment.registered(&open.context.account).await?;
        let view = list_page::view(ports, &open, &registered, now).await?;
        let next = incoming.next_page(&NextPage { view, location: HOME, cookie: None });
        Ok(incoming.saying(Some(Said::Reconfirmed), next))
    })
    .await
}

/// `POST /security-info/remember`: makes the browser a known device of the account, after a step-up.
pub(crate) async fn remember(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found, mut open) = require_change(ports, incoming, now).await?;
        incoming.take_remember()?;
        if !open.has_stepped_up() {
            return Err(Problem::OutOfStep(Place::SecurityInfo).into());
        }
        let registered = current(ports, &cookie, &found.value).await?;
        let (account, epoch) = (&open.context.account, registered.device_epoch);
        let value = incoming.remember_device(account, epoch, ports.entropy.bytes(), now)?;
        let mut session = found.value;
        session.progress_mut().known_device = true;
        save_session(ports, &cookie, found.revision, &session, now).await?;
        tracing::info!(event = "known_device.added", session = ?cookie.id());
        open.progress.known_device = true;
        let view = list_page::view(ports, &open, &registered, now).await?;
        Ok(incoming.next_page(&NextPage { view, location: HOME, cookie: Some(NewCookie::Device(&value)) }))
    })
    .await
}

/// `POST /security-info/remove`. It may leave less than a reset needs. A person who lost a phone must be able to
/// remove it at once. The page then says what is missing.
pub(crate) async fn remove(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found, mut open) = require_change(ports, incoming, now).await?;
        let mut fields = incoming.take_fields();
        let id = fields.require("id")?;
        fields.finish()?;
        let id = EntryId::parse(&id).ok_or_else(|| Problem::malformed("id"))?;
        let account = open.context.account.clone();
        let registered = current(ports, &cookie, &found.value).await?;
        // An entry that is gone already counts as removed (double click).
        if registered.entries.iter().any(|entry| entry.id == id) {
            rate_limits::acquire_change(ports, &found.value, incoming.network_tag(), now).await?;
            let session = remove_entry(ports, &cookie, found, registered.generation, &id, now).await?;
            open = session.opened(&cookie).cloned().ok_or(Problem::FlowEnded)?;
            tracing::info!(event = "enrolment.removed", session = ?cookie.id(), kind = id.kind().as_str());
        }
        let registered = ports.enrolment.registered(&account).await?;
        let view = list_page::view(ports, &open, &registered, now).await?;
        let next = incoming.next_page(&NextPage { view, location: HOME, cookie: None });
        Ok(incoming.saying(Said::of(Event::Removed(id.kind())), next))
    })
    .await
}

/// Ends what relied on an entry, notifies every contact, then removes it. If the function crashes in between,
/// contacts hear of a removal that the owner must repeat. In the reverse order a removal could happen without a
/// notification.
async fn remove_entry(
    ports: &Ports,
    cookie: &HolderCookie,
    found: Versioned<Session>,
    generation: u64,
    id: &EntryId,
    now: Timestamp,
) -> HandlerResult<Session> {
    let overtaken = || Problem::OutOfStep(Place::SecurityInfo);
    let mut session = found.value;
    let account = session.context().account.clone();
    let changed = ports.enrolment.change(&account, generation, cookie.id()).await?;
    session.progress_mut().generation = changed.ok_or_else(overtaken)?;
    session.forget(id);
    save_session(ports, cookie, found.revision, &session, now).await?;
    let nothing = Registration::default();
    notify::all_contacts(ports, cookie, &session, Event::Removed(id.kind()), nothing, now).await?;
    // The session records the new generation as its own, so that it stays valid.
    let generation = session.progress().generation;
    let removed = ports.enrolment.remove(&account, generation, cookie.id(), id, now).await?;
    removed.ok_or_else(overtaken)?;
    Ok(session)
}
