//! What is about to be added is proved, told to everybody, and written.

use axum::extract::State;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use shared::domain::account::{Account, Registration};
use shared::domain::code::OneTimeCode;
use shared::domain::notice::Event;
use shared::domain::security_info::{EntryId, Kind};
use shared::domain::session::{Pending, Session, SessionCookie};
use shared::domain::time::Timestamp;
use shared::domain::totp::TotpSeed;
use shared::http::problem::{Code, Problem};
use shared::http::security_info::{Confirm, HOME, Needs};
use shared::http::view::View;
use shared::http::{Failure, Incoming, Next, Outcome};
use shared::ports::{EntropyExt as _, NewEntry, Secret, Versioned};

use super::add::Typed;
use super::{Ports, Shared, answer, changing, keep, list, picture, seal, sending, spend, tries_left};

/// `GET /security-info/confirm`.
pub(crate) async fn show(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found) = changing(ports, incoming, now).await?;
        let account = ports.directory.account(&found.value.account).await?.ok_or(Code::FlowEnded)?;
        let view = view(ports, &cookie, &found.value, &account, now)?;
        let view = view.ok_or_else(|| Problem::out_of_step("security-info"))?;
        Ok(incoming.page(&view))
    })
    .await
}

/// `POST /security-info/confirm`.
pub(crate) async fn confirm(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, try_confirm).await
}

async fn try_confirm(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let (cookie, found) = changing(ports, incoming, now).await?;
    let mut fields = incoming.take_fields();
    let id = fields.require("id")?;
    let typed = fields.take("code");
    fields.finish()?;
    let id = EntryId::parse(&id).ok_or_else(|| Problem::malformed("id"))?;
    let pending = found.value.pending.clone().filter(|pending| pending.id == id);
    let pending = pending.ok_or_else(|| Problem::out_of_step("security-info"))?;
    let account = ports.directory.account(&found.value.account).await?.ok_or(Code::FlowEnded)?;
    let on_page = |session: &Session, problem: Problem| -> Outcome<Failure> {
        let view = view(ports, &cookie, session, &account, now)?.ok_or(Code::FlowEnded)?;
        Ok(Failure::on_page(Problem { field: Some("code"), ..problem }, view))
    };
    let Some(Ok(code)) = typed.as_deref().map(|typed| OneTimeCode::parse(typed)) else {
        return Err(on_page(&found.value, Problem::malformed("code"))?);
    };
    let was_open = pending.asked.as_ref().is_none_or(|asked| asked.is_open(now));
    let count = |session: &mut Session| {
        if let Some(asked) = session.pending.as_mut().and_then(|pending| pending.asked.as_mut()) {
            asked.tries = asked.tries.saturating_add(1);
        }
    };
    let found = spend(ports, &cookie, found, count, now).await?;
    if !was_open {
        return Err(on_page(&found.value, Problem::new(Code::CodeSpent))?);
    }
    let Some(proved) = prove(ports, &cookie, &found.value, &pending, &code, now)? else {
        tracing::info!(event = "not-confirmed", session = ?cookie.key(), kind = id.kind().as_str());
        let tries_left = Some(tries_left(&found.value));
        return Err(on_page(&found.value, Problem { tries_left, ..Problem::new(Code::CodeWrong) })?);
    };
    write(ports, incoming, &cookie, found, proved, now).await
}

/// Something that was proved and is to be written.
pub(crate) struct Ready {
    id: EntryId,
    shown: String,
    what: What,
}

enum What {
    Contact(Typed),
    Totp { sealed_seed: String, step: u64 },
}

/// What is to be written, if the code is right.
fn prove(
    ports: &Ports,
    cookie: &SessionCookie,
    session: &Session,
    pending: &Pending,
    code: &OneTimeCode,
    now: Timestamp,
) -> Outcome<Option<Ready>> {
    let kept = seal::open(ports, cookie, &pending.sealed)?;
    let what = if pending.id.kind().is_contact() {
        let asked = pending.asked.as_ref().ok_or(Code::FlowEnded)?;
        let tag = asked.request().and_then(|request| cookie.code_tag(&ports.site.flows, request, code));
        if !tag.is_some_and(|tag| asked.is(&tag)) {
            return Ok(None);
        }
        What::Contact(Typed::from_kept(pending.id.kind(), kept))
    } else {
        let seed = TotpSeed::parse(&kept).map_err(|_| Code::FlowEnded)?;
        let Some(step) = seed.matching_step(code, now) else { return Ok(None) };
        let owner = session.account.as_str();
        // The step that proved it is used up: the same code is no proof in a reset.
        What::Totp { sealed_seed: seed.seal(&ports.seeds, owner, ports.entropy.bytes())?, step }
    };
    Ok(Some(Ready { id: pending.id.clone(), shown: pending.shown.clone(), what }))
}

/// Ends what the new entry replaces, tells everybody, and writes it.
async fn write(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &SessionCookie,
    found: Versioned<Session>,
    ready: Ready,
    now: Timestamp,
) -> Outcome {
    let mut session = found.value;
    let kind = ready.id.kind();
    let registered = list::current(ports, &session).await?;
    if registered.entries.iter().any(|entry| entry.id == ready.id) {
        // Reset flows that counted on the old one are over.
        session.generation = ports
            .enrolment
            .change(&session.account, registered.generation)
            .await?
            .ok_or_else(|| Problem::out_of_step("security-info"))?;
    }
    let usable_from = session.usable_from(kind, ports.site.settings.cool_down, now);
    session.pending = None;
    session.cooling.retain(|cooling| *cooling != ready.id);
    if usable_from > now {
        session.cooling.push(ready.id.clone());
    }
    let mut new = Registration::default();
    let secret = match &ready.what {
        What::Contact(typed) => {
            match (kind, typed) {
                (Kind::Mobile, Typed::Phone(number)) => new.mobile = Some(number.clone()),
                (_, Typed::Phone(number)) => new.office_phone = Some(number.clone()),
                (_, Typed::Email(address)) => new.alternate_email = Some(address.clone()),
            }
            Secret::Contact(typed.as_contact())
        }
        What::Totp { sealed_seed, step } => Secret::Totp { sealed_seed: sealed_seed.clone(), step: *step },
    };
    sending::tell(ports, cookie, &session, Event::Added(kind), new, now).await?;
    let entry =
        NewEntry { id: ready.id.clone(), shown: ready.shown.clone(), secret, added_at: now, usable_from };
    ports.enrolment.add(&session.account, &entry).await?;
    keep(ports, cookie, found.revision, &session, now).await?;
    tracing::info!(event = "added", session = ?cookie.key(), kind = kind.as_str());
    let registered = ports.enrolment.registered(&session.account).await?;
    let view = list::view(ports, &session, &registered, now).await?;
    Ok(incoming.next(&Next { view, location: HOME, cookie: None }))
}

/// The page of what is about to be added; nothing when nothing is.
pub(crate) fn view(
    ports: &Ports,
    cookie: &SessionCookie,
    session: &Session,
    account: &Account,
    now: Timestamp,
) -> Outcome<Option<View>> {
    let Some(pending) = &session.pending else { return Ok(None) };
    let settings = &ports.site.settings;
    let needs = if let Some(asked) = &pending.asked {
        Needs::Code(sending::shown(settings, asked, &pending.shown, tries_left(session), now))
    } else {
        let secret = seal::open(ports, cookie, &pending.sealed)?;
        let otpauth = otpauth(&settings.organisation, account, &secret);
        Needs::Totp { qr: picture::qr(&otpauth), secret, otpauth }
    };
    Ok(Some(View::Confirm(Confirm {
        id: pending.id.as_str().to_owned(),
        kind: pending.id.kind(),
        masked: pending.shown.clone(),
        needs,
        tries_left: tries_left(session),
    })))
}

/// The address that apps read (Google's Key Uri Format): issuer and login, so that the app lists it by both.
fn otpauth(organisation: &str, account: &Account, secret: &str) -> String {
    let plain = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let login = account.logins.first().map_or(account.name.as_str(), String::as_str);
    let (issuer, login) = (plain(organisation), plain(login));
    format!(
        "otpauth://totp/{issuer}:{login}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    )
}
