//! Begins an enrolment: sends or shows what confirms the new entry, which doesn't count yet.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{Account, Registration};
use shared::domain::cookie::HolderCookie;
use shared::domain::message::{Message, Purpose};
use shared::domain::security_info::{EntryId, Kind, Registered};
use shared::domain::session::{Open, Pending, Session};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Problem;
use shared::http::security_info::CONFIRM;
use shared::http::view::View;
use shared::http::{App, Failure, Fields, Incoming, Next, Outcome, answer};
use shared::ports::EntropyExt as _;

use super::access::{changing, current, keep};
use super::kinds::{self, contact};
use super::ports::Ports;
use super::{access, confirm_page, limits, list_page, seal};

/// `POST /security-info/add`: starts an entry and redirects to its confirmation.
pub(crate) async fn add(app: State<App<Ports>>, incoming: Incoming) -> Response {
    answer(app, incoming, try_add).await
}

/// The kind and the contact from the form.
struct Asked {
    kind: Kind,
    value: String,
    by_call: bool,
}

impl Asked {
    fn read(mut fields: Fields) -> Result<Self, Problem> {
        let kind = fields.require("kind")?;
        let kind = Kind::parse(&kind).ok_or_else(|| Problem::malformed("kind"))?;
        let value = fields.take("value").as_deref().map(ToString::to_string).unwrap_or_default();
        let by = fields.take("by");
        fields.finish()?;
        let by_call = match by.as_deref().map(String::as_str) {
            None | Some("sms") => false,
            Some("call") => true,
            Some(_) => return Err(Problem::malformed("by")),
        };
        Ok(Self { kind, value, by_call })
    }
}

async fn try_add(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let (cookie, found, open) = changing(ports, incoming, now).await?;
    let asked = Asked::read(incoming.take_fields())?;
    let registered = current(ports, &cookie, &found.value).await?;
    let account = access::account(ports, &found.value).await?;
    limits::change(ports, &account.id, now).await?;
    let registration = access::evidence(ports, &account, now).await?;
    let list = List {
        ports,
        account: &account,
        open: &open,
        registered: &registered,
        registration,
        asked: &asked,
        now,
    };
    list.may_add()?;

    let id = EntryId::new(asked.kind, ports.entropy.bytes());
    let (pending, message) = if let Some(shown) = shown_already(&found.value, asked.kind) {
        (shown, None)
    } else if asked.kind.is_contact() {
        let earlier = found.value.pending();
        let (pending, message) = list.ask_contact(&cookie, &found.value, earlier, id).await?;
        (pending, Some(message))
    } else {
        (kinds::begin(ports, incoming, &cookie, &account, id, now).await?, None)
    };
    let mut open = open.clone();
    open.progress.sends += u8::from(message.is_some());
    let session = Session::Enrolling(open.enrol(pending));
    keep(ports, &cookie, found.revision, &session, now).await?;
    if let Some(message) = message {
        ports.outgoing().send(cookie.id(), &[message], Seconds(0)).await?;
    }
    tracing::info!(event = "adding", session = ?cookie.id(), kind = asked.kind.as_str());
    let view =
        confirm_page::view(ports, &cookie, &session, &account, now).await?.ok_or(Problem::FlowEnded)?;
    Ok(incoming.next(&Next { view, location: CONFIRM, cookie: None }))
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
    asked: &'a Asked,
    now: Timestamp,
}

impl List<'_> {
    /// Returns a problem on the list.
    fn problem(&self, problem: Problem) -> Failure {
        let settings = &self.ports.site.settings;
        let registration = self.registration.clone();
        let mut view =
            list_page::of(settings, self.account, self.open, self.registered, registration, self.now);
        view.selected = Some(self.asked.kind);
        view.value.clone_from(&self.asked.value);
        Failure::on_page(problem, View::SecurityInfo(view))
    }

    /// Rejects a kind that the policy doesn't offer or that is full. A kind with a single entry can be replaced.
    fn may_add(&self) -> Outcome<()> {
        let Asked { kind, value, .. } = self.asked;
        let second_steps = &self.ports.site.settings.second_steps;
        let offered = kind.methods().iter().any(|method| second_steps.contains(method));
        if !offered || (!kind.is_contact() && !value.is_empty()) {
            return Err(self.problem(Problem::MethodUnavailable("value")));
        }
        if kind.limit() > 1 && self.registered.of(*kind).count() >= kind.limit() {
            return Err(self.problem(Problem::LimitReached));
        }
        Ok(())
    }

    /// Makes a code for the typed contact.
    async fn ask_contact(
        &self,
        cookie: &HolderCookie,
        session: &Session,
        earlier: Option<&Pending>,
        id: EntryId,
    ) -> Outcome<(Pending, Message)> {
        let (ports, asked) = (self.ports, self.asked);
        let read = contact::read(&ports.site.settings, self.account, asked.kind, &asked.value, asked.by_call);
        let (typed, method) = read.map_err(|problem| self.problem(problem))?;
        let contact = typed.as_contact();
        // One contact under two kinds is still one factor.
        if self.registration.holds_contact(contact) {
            return Err(self.problem(Problem::ContactRefused));
        }
        // The resend interval applies to one contact only, so that a mistyped number can be corrected at once.
        let is_same = |pending: &&Pending| {
            seal::open(ports, cookie, &pending.sealed).is_ok_and(|kept| kept == contact.expose())
        };
        let earlier = earlier.filter(is_same).and_then(|pending| pending.challenge.as_ref());
        let (purpose, to) = (Purpose::SecurityInfo, (method, contact));
        let made = contact::ask(ports, cookie, session, earlier, purpose, to, self.now).await?;
        let (challenge, message) = made.map_err(|problem| self.problem(problem))?;
        let sealed = seal::seal(ports, cookie, contact.expose())?;
        Ok((Pending { id, shown: contact.masked(), sealed, challenge: Some(challenge) }, message))
    }
}
