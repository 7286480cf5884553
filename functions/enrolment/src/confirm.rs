//! Confirms a waiting entry: checks the answer, notifies every contact, then writes the entry.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::Account;
use shared::domain::cookie::HolderCookie;
use shared::domain::notice::Event;
use shared::domain::security_info::EntryId;
use shared::domain::session::{CODE_ATTEMPTS, CodeFor, Enrolling, Session};
use shared::domain::time::Timestamp;
use shared::http::problem::{Place, Problem};
use shared::http::security_info::HOME;
use shared::http::{App, HandlerError, HandlerResult, IncomingRequest, NextPage, Said, respond};
use shared::ports::{Added, NewEntry, Versioned};

use super::access::{current, end_if_exhausted, require_change, save_session};
use super::kinds::{self, Answer, Confirmed, Waiting};
use super::ports::Ports;
use super::{access, confirm_page, list_page, notify, waiting_period};

/// `GET /security-info/confirm`: the page of the waiting entry.
pub(crate) async fn show(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found, _) = require_change(ports, incoming, now).await?;
        current(ports, &cookie, &found.value).await?;
        let account = access::account(ports, &found.value).await?;
        let view = confirm_page::view(ports, &cookie, &found.value, &account, now).await?;
        let view = view.ok_or(Problem::OutOfStep(Place::SecurityInfo))?;
        Ok(incoming.page(&view))
    })
    .await
}

/// `POST /security-info/confirm`: checks the answer and enrols the entry.
pub(crate) async fn confirm(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_confirm).await
}

async fn try_confirm(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let (cookie, found, _) = require_change(ports, incoming, now).await?;
    let mut fields = incoming.take_fields();
    let id = fields.require("id")?;
    let [code, assertion] = ["code", "assertion"].map(|field| fields.take(field));
    fields.finish()?;
    let id = EntryId::parse(&id).ok_or_else(|| Problem::malformed("id"))?;
    let account = access::account(ports, &found.value).await?;
    let Versioned { value: Session::Enrolling(enrolling), revision } = found else {
        return Err(Problem::OutOfStep(Place::SecurityInfo).into());
    };
    if enrolling.pending.id != id {
        return Err(Problem::OutOfStep(Place::SecurityInfo).into());
    }
    let field = Answer::field(id.kind());
    let typed = if field == "assertion" { assertion } else { code };
    let on_page = OnPage { ports, cookie: &cookie, account: &account, now };
    let Some(answer) = Answer::read(id.kind(), typed.as_deref().map(String::as_str)) else {
        return Err(on_page.problem(&Session::Enrolling(enrolling), Problem::malformed(field)).await?);
    };
    let was_open =
        enrolling.pending.challenge.as_ref().is_none_or(|challenge| challenge.is_open(CODE_ATTEMPTS, now));
    let (enrolling, revision) = spend(ports, &cookie, enrolling, revision, now).await?;
    let session = Session::Enrolling(enrolling.clone());
    if !was_open {
        return Err(on_page.problem(&session, Problem::CodeSpent).await?);
    }
    let waiting = Waiting {
        ports,
        cookie: &cookie,
        session: &session,
        pending: &enrolling.pending,
        account: &account,
        now,
    };
    match kinds::confirm(&waiting, answer).await? {
        Ok(confirmed) => write(ports, incoming, &cookie, enrolling, revision, confirmed, now).await,
        Err(problem) => {
            tracing::info!(event = "enrolment.rejected", session = ?cookie.id(), kind = id.kind().as_str());
            let problem = match problem {
                Problem::CodeWrong { attempts_left } => {
                    let here = confirm_page::attempts_left(&session);
                    Problem::CodeWrong { attempts_left: attempts_left.into_iter().chain(here).min() }
                }
                other => other,
            };
            Err(on_page.problem(&session, problem).await?)
        }
    }
}

/// The page that an answer was given on.
struct OnPage<'a> {
    ports: &'a Ports,
    cookie: &'a HolderCookie,
    account: &'a Account,
    now: Timestamp,
}

impl OnPage<'_> {
    async fn problem(&self, session: &Session, problem: Problem) -> HandlerResult<HandlerError> {
        let view = confirm_page::view(self.ports, self.cookie, session, self.account, self.now).await?;
        Ok(HandlerError::on_page(problem, view.ok_or(Problem::FlowEnded)?))
    }
}

/// Spends an attempt before the answer is compared; returns the updated session.
async fn spend(
    ports: &Ports,
    cookie: &HolderCookie,
    mut enrolling: Enrolling,
    revision: u64,
    now: Timestamp,
) -> HandlerResult<(Enrolling, u64)> {
    end_if_exhausted(ports, cookie, &Session::Enrolling(enrolling.clone())).await?;
    enrolling.open.progress.attempts += 1;
    if let Some(challenge) = enrolling.pending.challenge.as_mut() {
        challenge.attempts = challenge.attempts.saturating_add(1);
    }
    let revision = save_session(ports, cookie, revision, &Session::Enrolling(enrolling.clone()), now).await?;
    Ok((enrolling, revision))
}

/// Ends what the new entry replaces, notifies every contact, then writes the entry. The session forgets the waiting
/// entry last. So after a crash at any point the same answer starts again here and writes the same entry. Contacts
/// are then notified twice, or of a change that was not made if the owner doesn't retry. In the reverse order a crash
/// could leave a change without a notification.
async fn write(
    ports: &Ports,
    incoming: &IncomingRequest,
    cookie: &HolderCookie,
    mut enrolling: Enrolling,
    revision: u64,
    confirmed: Confirmed,
    now: Timestamp,
) -> HandlerResult {
    let overtaken = || Problem::OutOfStep(Place::SecurityInfo);
    let (id, kind) = (enrolling.pending.id.clone(), enrolling.pending.id.kind());
    let account = enrolling.open.context.account.clone();
    let registered = current(ports, cookie, &Session::Enrolling(enrolling.clone())).await?;
    // This ends every other session, above all one that began before anything was enrolled and so verified no second
    // step. It also ends the reset flows that used the replaced entry.
    let changed = ports.enrolment.change(&account, registered.generation, cookie.id()).await?;
    // A correct answer costs no attempt.
    let progress = &mut enrolling.open.progress;
    progress.attempts = progress.attempts.saturating_sub(1);
    if kind.is_contact() {
        progress.redeem(CodeFor::NewContact);
    }
    progress.generation = changed.ok_or_else(overtaken)?;
    let active_from = waiting_period::active_from(ports, cookie, &enrolling.open, &registered, now).await?;
    let mut open = enrolling.confirm(active_from > now);
    let session = Session::Open(open.clone());
    let new = confirmed.registration(kind);
    let is_replaced = kind.limit() == 1 && registered.entries.iter().any(|entry| entry.id == id);
    let event = if is_replaced { Event::Replaced(kind) } else { Event::Added(kind) };
    access::mail_arrives(ports, new.alternate_email.as_ref(), now).await;
    notify::all_contacts(ports, cookie, &session, event, new, now).await?;
    let entry = NewEntry {
        active_from,
        old_from: active_from + ports.app.settings.waiting_period,
        verified: open.is_verified(),
        ..NewEntry::new(id, confirmed.shown.clone(), confirmed.secret(), now)
    };
    let added = ports.enrolment.add(&account, open.progress.generation, cookie.id(), &entry).await?;
    open.progress.generation = match added {
        Added::Done(generation) => generation,
        Added::Overtaken => return Err(overtaken().into()),
        Added::Taken => return Err(Problem::PasskeyRegistered.into()),
    };
    save_session(ports, cookie, revision, &Session::Open(open.clone()), now).await?;
    tracing::info!(event = "enrolment.completed", session = ?cookie.id(), kind = kind.as_str());
    let registered = ports.enrolment.registered(&account).await?;
    let view = list_page::view(ports, &open, &registered, now).await?;
    let next = incoming.next_page(&NextPage { view, location: HOME, cookie: None });
    Ok(incoming.saying(Said::of(event), next))
}
