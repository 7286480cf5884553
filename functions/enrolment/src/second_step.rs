//! The second step: proved once more than by the password, at the beginning and before changes.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{AccountId, Offer, Registration};
use shared::domain::approval::ApprovalNumber;
use shared::domain::code::OneTimeCode;
use shared::domain::factor::VerifiedFactor;
use shared::domain::flow::RequestId;
use shared::domain::keys::{Keyring, Tag};
use shared::domain::message::Purpose;
use shared::domain::method::Method;
use shared::domain::passkey::{Assertion, Expected};
use shared::domain::rate_limit::{Bucket, RateLimit};
use shared::domain::recovery_code::RecoveryCode;
use shared::domain::session::{Proved, Session, SessionCookie};
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::security_info::{HOME, SecondStep, VERIFY};
use shared::http::view::{PasskeyOptions, View};
use shared::http::{Failure, Incoming, NewCookie, Next, Outcome};
use shared::ports::{EntropyExt as _, Versioned};
use shared::verification::Subject;
use shared::verification::passkey::{Passkeys, UsedPasskey};
use shared::verification::recovery_code::RecoverySheets;
use shared::verification::totp::Totp;

use super::{Ports, Shared, answer, budgets, give_back, keep, list, live, push, sending, spend, tries_left};

/// `GET /security-info/verify`.
pub(crate) async fn show(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found) = live(ports, incoming, now).await?;
        list::current(ports, &cookie, &found.value).await?;
        Ok(incoming.page(&view(ports, incoming, &found.value, None, now).await?))
    })
    .await
}

/// `POST /security-info/verify`: with a code or an answer it is checked, without one it is asked for.
pub(crate) async fn verify(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, try_verify).await
}

async fn try_verify(ports: &Ports, incoming: &mut Incoming) -> Outcome {
    let now = ports.clock.now();
    let (cookie, found) = live(ports, incoming, now).await?;
    // One that was overtaken asks for no more codes.
    list::current(ports, &cookie, &found.value).await?;
    let mut fields = incoming.take_fields();
    let method = fields.require("method")?;
    let method = Method::parse(&method).ok_or_else(|| Problem::malformed("method"))?;
    let typed = fields.take("code");
    let assertion = fields.take("assertion");
    fields.finish()?;

    let provable = provable(ports, &found.value.account, now).await?;
    if !provable.offers.iter().any(|offer| offer.method == method) {
        let problem = Problem::MethodUnavailable("method");
        return Err(on_page(ports, incoming, &found.value, Some(method), problem, now).await?);
    }
    let answer = match method {
        Method::Email | Method::Sms | Method::MobileCall | Method::OfficeCall if typed.is_none() => {
            // With an older cookie nothing is asked for: it would take the place of what the newest one awaits.
            if found.value.is_ahead_of(&cookie) {
                return Err(Problem::FlowEnded.into());
            }
            return send(ports, incoming, &cookie, found, &provable.registration, method, now).await;
        }
        Method::Push => return push::ask_or_look(ports, incoming, &cookie, found, now).await,
        Method::Passkey => assertion.and_then(|json| Assertion::parse(&json).ok()).map(Answer::Passkey),
        Method::RecoveryCode => {
            typed.and_then(|typed| RecoveryCode::parse(&typed).ok()).map(Answer::Recovery)
        }
        _ => typed.and_then(|typed| OneTimeCode::parse(&typed).ok()).map(Answer::Code),
    };
    let Some(answer) = answer else {
        let field = if method == Method::Passkey { "assertion" } else { "code" };
        let problem = Problem::malformed(field);
        return Err(on_page(ports, incoming, &found.value, Some(method), problem, now).await?);
    };
    let by = provable.by(&cookie, &ports.site.flows, method);
    check(ports, incoming, &cookie, found, by, &answer, now).await
}

/// What was sent to prove the second step.
enum Answer {
    /// A code of digits: one that was sent, or of the app.
    Code(OneTimeCode),
    /// A recovery code.
    Recovery(RecoveryCode),
    /// A passkey's answer.
    Passkey(Assertion),
}

impl Answer {
    /// The tag of what tells it from every other.
    fn tag(&self, cookie: &SessionCookie, flows: &Keyring, method: Method) -> Option<Tag> {
        match self {
            Self::Code(code) => cookie.answer_tag(flows, method, code.expose().as_bytes()),
            Self::Recovery(code) => cookie.answer_tag(flows, method, code.expose().as_bytes()),
            Self::Passkey(assertion) => cookie.answer_tag(flows, method, assertion.signature()),
        }
    }
}

async fn send(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &SessionCookie,
    found: Versioned<Session>,
    registration: &Registration,
    method: Method,
    now: Timestamp,
) -> Outcome {
    let mut session = found.value;
    let contact = registration.contact(method).ok_or(Problem::MethodUnavailable("method"))?;
    if let Err(problem) = sending::may_send(&session, session.asked.as_ref(), method, now) {
        return Err(on_page(ports, incoming, &session, Some(method), problem, now).await?);
    }
    let (asked, message) =
        match sending::code(ports, cookie, &session, Purpose::SecondStep, (method, contact), now).await? {
            Ok(made) => made,
            Err(problem) => return Err(on_page(ports, incoming, &session, Some(method), problem, now).await?),
        };
    session.sends += 1;
    session.asked = Some(asked);
    keep(ports, cookie, found.revision, &session, now).await?;
    sending::queue(ports, cookie, &[message]).await?;
    tracing::info!(event = "second-step-sent", session = ?cookie.key(), method = method.as_str());
    let view = view(ports, incoming, &session, Some(method), now).await?;
    Ok(incoming.next(&Next { view, location: VERIFY, cookie: None }))
}

/// What a second step is proved by.
pub(crate) struct By {
    pub(crate) method: Method,
    /// The tag of its factor, if that counts in resets too.
    pub(crate) factor: Option<String>,
    /// Whether the factor has not been active for the waiting period yet.
    pub(crate) young: bool,
}

/// Spends a try, then looks.
async fn check(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &SessionCookie,
    found: Versioned<Session>,
    mut by: By,
    answer: &Answer,
    now: Timestamp,
) -> Outcome {
    let method = by.method;
    let tag = answer.tag(cookie, &ports.site.flows, method).ok_or(Problem::FlowEnded)?;
    let is_older = found.value.is_ahead_of(cookie);
    if is_older {
        if !budgets::older(ports, cookie, &found.value, now).await? {
            return Err(Problem::FlowEnded.into());
        }
        if found.value.was_proved_by(&tag, now) {
            return again(ports, incoming, cookie, &found.value, now).await;
        }
    }
    if method.is_sent() && found.value.asked.as_ref().is_none_or(|asked| asked.method != method) {
        // No code was sent that way.
        let problem = Problem::CodeSpent;
        return Err(on_page(ports, incoming, &found.value, Some(method), problem, now).await?);
    }
    let account = &found.value.account;
    let may_look = match method {
        Method::Totp => {
            let limit = u64::from(ports.site.settings.totp_tries_per_day);
            let attempts = RateLimit::TotpAttempts(account.clone(), Bucket::Enrolment);
            ports.budgets.take(&attempts, limit, now).await?
        }
        _ => true,
    };
    if !may_look {
        let problem = Problem::MethodUnavailable("method");
        return Err(on_page(ports, incoming, &found.value, Some(method), problem, now).await?);
    }
    let was_open = found.value.asked.as_ref().is_some_and(|asked| asked.is_open(now));
    let count = |session: &mut Session| {
        if let Some(asked) = session.asked.as_mut().filter(|asked| asked.method == method) {
            asked.tries = asked.tries.saturating_add(1);
        }
    };
    // An older cookie has paid from its own count: it spends nothing of the session's.
    let mut found = if is_older { found } else { spend(ports, cookie, found, count, now).await? };
    let session = &found.value;
    let right = match answer {
        Answer::Code(code) if method == Method::Totp => {
            let totp = Totp { authenticators: &*ports.authenticators, seeds: &ports.seeds };
            totp.check(subject(session, cookie), code, now).await?
        }
        Answer::Recovery(code) => {
            let sheets = RecoverySheets { authenticators: &*ports.authenticators, seeds: &ports.seeds };
            let sheet = sheets.sheet(subject(session, cookie), now).await?;
            sheets.check(subject(session, cookie), &sheet, code, now).await?
        }
        Answer::Passkey(assertion) => {
            let used = used_passkey(ports, cookie, session, assertion, now).await?;
            by.young = used.is_none_or(|used| used.young);
            used.is_some()
        }
        Answer::Code(_) if !was_open => {
            let problem = Problem::CodeSpent;
            return Err(on_page(ports, incoming, session, Some(method), problem, now).await?);
        }
        Answer::Code(code) => session.asked.as_ref().is_some_and(|asked| {
            let tag = asked.request().and_then(|request| cookie.code_tag(&ports.site.flows, request, code));
            tag.is_some_and(|tag| asked.is(&tag))
        }),
    };
    if !right && is_older {
        tracing::info!(event = "second-step-refused", session = ?cookie.key(), method = method.as_str());
        let problem = Problem::CodeWrong { attempts_left: None };
        return Err(on_page(ports, incoming, session, Some(method), problem, now).await?);
    }
    if !right {
        tracing::info!(event = "second-step-refused", session = ?cookie.key(), method = method.as_str());
        let asked = session.asked.as_ref().filter(|asked| asked.method == method);
        let problem = Problem::CodeWrong { attempts_left: Some(tries_left(session, asked)) };
        return Err(on_page(ports, incoming, session, Some(method), problem, now).await?);
    }
    if !is_older {
        give_back(&mut found.value);
    }
    proved(ports, incoming, cookie, found, by, &tag, now).await
}

/// The answer that proved the second step once more: it gets the newer cookie.
pub(crate) async fn again(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &SessionCookie,
    session: &Session,
    now: Timestamp,
) -> Outcome {
    let registered = list::current(ports, cookie, session).await?;
    let view = list::view(ports, session, &registered, now).await?;
    let newer = cookie.with_proofs(session.proofs);
    Ok(incoming.next(&Next { view, location: HOME, cookie: Some(NewCookie::Session(&newer)) }))
}

/// The second step is proved. What was added in this session before counts from now on, if this is the second of two
/// different old factors.
pub(crate) async fn proved(
    ports: &Ports,
    incoming: &Incoming,
    cookie: &SessionCookie,
    found: Versioned<Session>,
    by: By,
    answer: &Tag,
    now: Timestamp,
) -> Outcome {
    let mut session = found.value;
    let registered = list::current(ports, cookie, &session).await?;
    let By { method, factor, young } = by;
    let factor = factor.map(|factor| VerifiedFactor { method, factor, old: !young });
    let challenge = RequestId::from_bytes(ports.entropy.bytes());
    session.prove(Proved { method, at: now }, factor, answer, challenge);
    let waives = session.waives_waiting_period();
    let cooling = if waives { std::mem::take(&mut session.cooling) } else { Vec::new() };
    let old_from = now + ports.site.settings.cool_down;
    // Before the session forgets what waits: where it can't be lifted now, the same proof lifts it when it comes again.
    for id in &cooling {
        ports.enrolment.count_from(&session.account, id, now, old_from).await?;
    }
    let registered =
        if cooling.is_empty() { registered } else { list::current(ports, cookie, &session).await? };
    let view = list::view(ports, &session, &registered, now).await?;
    // The last that can fail: from here on only the newer cookie is worth the proof.
    keep(ports, cookie, found.revision, &session, now).await?;
    let method = method.as_str();
    tracing::info!(event = "second-step-proved", session = ?cookie.key(), method, waives);
    let newer = cookie.with_proofs(session.proofs);
    Ok(incoming.next(&Next { view, location: HOME, cookie: Some(NewCookie::Session(&newer)) }))
}

/// The session's answer to a passkey's challenge; whose answer it is, and whether that passkey is young.
async fn used_passkey(
    ports: &Ports,
    cookie: &SessionCookie,
    session: &Session,
    assertion: &Assertion,
    now: Timestamp,
) -> Outcome<Option<UsedPasskey>> {
    let request = RequestId::parse(&session.challenge).ok_or(Problem::FlowEnded)?;
    let challenge = cookie.passkey_challenge(&ports.site.flows, request).ok_or(Problem::FlowEnded)?;
    let party = ports.site.settings.relying_party();
    let expected = Expected { party: &party, challenge: &challenge };
    let passkeys = Passkeys { authenticators: &*ports.authenticators, signatures: &*ports.signatures };
    Ok(passkeys.check(subject(session, cookie), assertion, &expected, now).await?.ok())
}

/// An answer is used up for one verification of the session, not for the whole of it.
fn subject<'a>(session: &'a Session, cookie: &SessionCookie) -> Subject<'a> {
    Subject { account: &session.account, decoy: false, used_for: session.proof_key(cookie) }
}

/// What an account can prove a second step with.
pub(crate) struct Provable {
    /// The contacts that codes may go to.
    registration: Registration,
    /// The methods, with their masks.
    pub(crate) offers: Vec<Offer>,
    /// Whether something of it counts in a reset too, besides paper.
    counts: bool,
}

impl Provable {
    /// What a proof by `method` is by.
    fn by(&self, cookie: &SessionCookie, flows: &Keyring, method: Method) -> By {
        let value = self.registration.factor(method).filter(|_| self.counts);
        let factor = value.and_then(|value| cookie.factor_tag(flows, &value));
        let young = self.offers.iter().any(|offer| offer.method == method && offer.young);
        By { method, factor, young }
    }
}

/// What an account can prove a second step with now. Where nothing counts but paper, contacts that still wait are asked for
/// too: they open the page, whose door would else stand open to the password alone for as long as they wait.
pub(crate) async fn provable(ports: &Ports, account: &AccountId, now: Timestamp) -> Outcome<Provable> {
    let settings = &ports.site.settings;
    let account = ports.directory.account(account).await?.ok_or(Problem::FlowEnded)?;
    let mut registration = list::evidence(ports, &account, now).await?;
    let offers = |registration: &Registration| {
        let mut offers = registration.offers(&settings.second_steps);
        offers.retain(|offer| settings.reaches(registration, offer.method));
        offers
    };
    let counts = offers(&registration).iter().any(|offer| offer.method != Method::RecoveryCode);
    if !counts {
        registration.not_yet.clear();
    }
    Ok(Provable { offers: offers(&registration), registration, counts })
}

/// The page of the second step.
pub(crate) async fn view(
    ports: &Ports,
    incoming: &Incoming,
    session: &Session,
    selected: Option<Method>,
    now: Timestamp,
) -> Outcome<View> {
    let methods = provable(ports, &session.account, now).await?.offers;
    let masked = |method: Method| {
        let offer = methods.iter().find(|offer| offer.method == method);
        offer.map(|offer| offer.masked.clone()).unwrap_or_default()
    };
    let settings = &ports.site.settings;
    let awaited = session.asked.as_ref().filter(|asked| asked.code.is_some() && asked.is_open(now));
    let sent = awaited.map(|asked| {
        let tries_left = tries_left(session, Some(asked));
        sending::shown(settings, asked, &masked(asked.method), tries_left, now)
    });
    let cookie = incoming.session.as_ref().ok_or(Problem::FlowEnded)?;
    let flows = &ports.site.flows;
    let request = RequestId::parse(&session.challenge);
    let challenge = request
        .filter(|_| methods.iter().any(|offer| offer.method == Method::Passkey))
        .and_then(|request| cookie.passkey_challenge(flows, request));
    let number = session
        .asked
        .as_ref()
        .filter(|asked| asked.method == Method::Push && asked.is_open(now))
        .and_then(|asked| cookie.approval_number(flows, asked.request()?));
    Ok(View::SecondStep(SecondStep {
        sent,
        options: challenge.map(|challenge| PasskeyOptions::of(settings, challenge)),
        number: number.map(ApprovalNumber::expose),
        selected: selected.or_else(|| methods.first().map(|offer| offer.method)),
        again: session.may_see(cookie),
        methods: methods.iter().map(Offer::shown).collect(),
    }))
}

pub(crate) async fn on_page(
    ports: &Ports,
    incoming: &Incoming,
    session: &Session,
    method: Option<Method>,
    problem: Problem,
    now: Timestamp,
) -> Outcome<Failure> {
    let view = view(ports, incoming, session, method, now).await?;
    Ok(Failure::on_page(problem, view))
}
