//! Begins an enrolment: sends or shows what confirms the new entry, which doesn't count yet.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{Account, Registration};
use shared::domain::client::NetworkTag;
use shared::domain::cookie::HolderCookie;
use shared::domain::message::{Message, Purpose};
use shared::domain::method::Method;
use shared::domain::security_info::{EntryId, Kind, Registered};
use shared::domain::session::{CodeFor, Open, Pending, Session};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Problem;
use shared::http::security_info::CONFIRM;
use shared::http::view::View;
use shared::http::{App, FormFields, HandlerError, HandlerResult, IncomingRequest, NextPage, respond};
use shared::ports::EntropyExt as _;

use super::access::{current, require_change, save_session};
use super::kinds::{self, contact};
use super::ports::Ports;
use super::{access, confirm_page, list_page, rate_limits, seal};

/// `POST /security-info/add`: starts an entry and redirects to its confirmation.
pub(crate) async fn add(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_add).await
}

/// The kind and the contact from the form.
struct AddForm {
    kind: Kind,
    value: String,
    by: Option<Method>,
}

impl AddForm {
    fn read(mut fields: FormFields) -> Result<Self, Problem> {
        let kind = fields.require("kind")?;
        let kind = Kind::parse(&kind).ok_or_else(|| Problem::malformed("kind"))?;
        let value = fields.take("value").as_deref().map(ToString::to_string).unwrap_or_default();
        let by = fields.take("by");
        fields.finish()?;
        let by = match by.as_deref().map(String::as_str) {
            None => None,
            Some("sms") => Some(Method::Sms),
            Some("call") => Some(Method::MobileCall),
            Some(_) => return Err(Problem::malformed("by")),
        };
        Ok(Self { kind, value, by })
    }
}

async fn try_add(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let (cookie, found, open) = require_change(ports, incoming, now).await?;
    let form = AddForm::read(incoming.take_fields())?;
    let registered = current(ports, &cookie, &found.value).await?;
    let account = access::account(ports, &found.value).await?;
    rate_limits::acquire_change(ports, &found.value, incoming.network_tag(), now).await?;
    let registration = access::evidence(ports, &account, now).await?;
    let list = List {
        ports,
        account: &account,
        open: &open,
        registered: &registered,
        registration,
        form: &form,
        network: incoming.network_tag(),
        now,
    };
    list.may_add()?;

    let id = EntryId::new(form.kind, ports.entropy.bytes());
    let (pending, message) = if let Some(shown) = shown_already(&found.value, form.kind) {
        (shown, None)
    } else if form.kind.is_contact() {
        let (pending, message) = list.challenge_contact(&cookie, &found.value, id).await?;
        (pending, Some(message))
    } else {
        (kinds::begin(ports, incoming, &cookie, &account, id, now).await?, None)
    };
    let mut open = open.clone();
    if message.is_some() {
        open.progress.note_sent(CodeFor::NewContact, now);
    }
    let session = Session::Enrolling(open.enrol(pending));
    save_session(ports, &cookie, found.revision, &session, now).await?;
    if let Some(message) = message {
        ports.outgoing().send(cookie.id(), &[message], Seconds(0)).await?;
    }
    tracing::info!(event = "enrolment.started", session = ?cookie.id(), kind = form.kind.as_str());
    let view =
        confirm_page::view(ports, &cookie, &session, &account, now).await?.ok_or(Problem::FlowEnded)?;
    Ok(incoming.next_page(&NextPage { view, location: CONFIRM, cookie: None }))
}

/// Returns new recovery codes that are waiting for confirmation. They are shown again: a person with two tabs writes
/// down one sheet, and a button confirms it.
fn shown_already(session: &Session, kind: Kind) -> Option<Pending> {
    session.pending().filter(|pending| kind == Kind::RecoveryCodes && pending.id.kind() == kind).cloned()
}

/// The session and the list from which an entry is added.
struct List<'a> {
    ports: &'a Ports,
    account: &'a Account,
    open: &'a Open,
    registered: &'a Registered,
    registration: Registration,
    form: &'a AddForm,
    network: NetworkTag,
    now: Timestamp,
}

impl List<'_> {
    /// Returns a problem on the list.
    fn problem(&self, problem: Problem) -> HandlerError {
        let settings = &self.ports.app.settings;
        let registration = self.registration.clone();
        let mut view =
            list_page::build(settings, self.account, self.open, self.registered, registration, self.now);
        view.selected = Some(self.form.kind);
        view.value.clone_from(&self.form.value);
        HandlerError::on_page(problem, View::SecurityInfo(view))
    }

    /// Rejects a kind that the policy doesn't offer or that is full. A kind with a single entry can be replaced.
    fn may_add(&self) -> HandlerResult<()> {
        let AddForm { kind, value, .. } = self.form;
        let second_steps = &self.ports.app.settings.second_steps;
        let offered = kind.methods().iter().any(|method| second_steps.contains(method));
        if !offered || (!kind.is_contact() && !value.is_empty()) {
            return Err(self.problem(Problem::MethodUnavailable("value")));
        }
        if kind.limit() > 1 && self.registered.entries_of(*kind).count() >= kind.limit() {
            return Err(self.problem(Problem::LimitReached));
        }
        Ok(())
    }

    /// Makes a code for the typed contact.
    async fn challenge_contact(
        &self,
        cookie: &HolderCookie,
        session: &Session,
        id: EntryId,
    ) -> HandlerResult<(Pending, Message)> {
        let (ports, form) = (self.ports, self.form);
        let read = contact::read(&ports.app.settings, self.account, form.kind, &form.value, form.by);
        let (typed, method) = read.map_err(|problem| self.problem(problem))?;
        let contact = typed.as_contact();
        // One contact under two kinds is still one factor.
        if self.registration.holds_contact(contact) {
            return Err(self.problem(Problem::ContactRefused));
        }
        // The wait belongs to the session. Only the first correction of the waiting contact needs none.
        let is_same = |pending: &Pending| {
            pending.challenge.as_ref().is_some_and(|challenge| challenge.method == method)
                && seal::open(ports, cookie, &pending.sealed).is_ok_and(|opened| opened == contact.expose())
        };
        let corrects =
            session.pending().is_some_and(|pending| pending.id.kind() == form.kind && !is_same(pending));
        let (progress, code) = (session.progress(), CodeFor::NewContact);
        let not_before =
            if corrects && progress.may_correct(code) { None } else { progress.next_code_at(code) };
        // A new contact may be a stranger's, so the message doesn't name the account.
        let code =
            contact::Parts { purpose: Purpose::SecurityInfo, method, contact, login: None, requester: None };
        let made = contact::new_challenge(ports, cookie, session, not_before, code, self.network, self.now);
        let made = made.await?;
        let (challenge, message) = made.map_err(|problem| self.problem(problem))?;
        let sealed = seal::seal(ports, cookie, contact.expose())?;
        Ok((Pending { id, shown: contact.masked(), sealed, challenge: Some(challenge) }, message))
    }
}
