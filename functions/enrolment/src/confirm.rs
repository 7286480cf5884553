//! What is about to be added is proved, told to everybody, and written.

use axum::extract::State;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use shared::domain::account::{Account, Registration};
use shared::domain::code::OneTimeCode;
use shared::domain::flow::PASSKEY_LIFETIME;
use shared::domain::notice::Event;
use shared::domain::pairing::{PAIRING_TRIES, PairingToken, WaitingDevice};
use shared::domain::passkey::{CreationOptions, Expected, Owner, Registration as Attestation, UserHandle};
use shared::domain::recovery_code::{HashedWith, RecoveryCode, RecoveryCodes, Sheet};
use shared::domain::security_info::{EntryId, Kind};
use shared::domain::session::{Asked, Pending, Session, SessionCookie};
use shared::domain::time::Timestamp;
use shared::domain::totp::TotpSeed;
use shared::http::problem::{Place, Problem};
use shared::http::security_info::{Confirm, HOME, Needs};
use shared::http::view::View;
use shared::http::{Failure, Incoming, Next, Outcome};
use shared::ports::{Added, EntropyExt as _, NewEntry, PairingConfirmed, Secret, Versioned};

use super::add::Typed;
use super::{
    Ports, Shared, answer, changing, give_back, held, keep, list, picture, seal, sending, spend, tries_left,
};

/// `GET /security-info/confirm`.
pub(crate) async fn show(state: State<Shared>, incoming: Incoming) -> Response {
    answer(state, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found) = changing(ports, incoming, now).await?;
        list::current(ports, &cookie, &found.value).await?;
        let account = ports.directory.account(&found.value.account).await?.ok_or(Problem::FlowEnded)?;
        let view = view(ports, &cookie, &found.value, &account, now).await?;
        let view = view.ok_or(Problem::OutOfStep(Place::SecurityInfo))?;
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
    let (typed, assertion) = (fields.take("code"), fields.take("assertion"));
    fields.finish()?;
    let id = EntryId::parse(&id).ok_or_else(|| Problem::malformed("id"))?;
    let pending = found.value.pending.clone().filter(|pending| pending.id == id);
    let pending = pending.ok_or(Problem::OutOfStep(Place::SecurityInfo))?;
    let account = ports.directory.account(&found.value.account).await?.ok_or(Problem::FlowEnded)?;
    let field = if id.kind() == Kind::Passkey { "assertion" } else { "code" };
    let on_page = async |session: &Session, problem: Problem| -> Outcome<Failure> {
        let view = view(ports, &cookie, session, &account, now).await?.ok_or(Problem::FlowEnded)?;
        Ok(Failure::on_page(problem, view))
    };
    let answer = match id.kind() {
        Kind::Passkey => assertion.and_then(|json| Attestation::parse(&json).ok()).map(Answer::Passkey),
        // That they are kept only their owner can tell; who types one of them shows it.
        Kind::RecoveryCodes => match typed {
            None => Some(Answer::Kept(None)),
            Some(typed) => RecoveryCode::parse(&typed).ok().map(|code| Answer::Kept(Some(code))),
        },
        _ => typed.and_then(|typed| OneTimeCode::parse(&typed).ok()).map(Answer::Code),
    };
    let Some(answer) = answer else {
        return Err(on_page(&found.value, Problem::malformed(field)).await?);
    };
    let was_open = pending.asked.as_ref().is_none_or(|asked| asked.is_open(now));
    let count = |session: &mut Session| {
        if let Some(asked) = session.pending.as_mut().and_then(|pending| pending.asked.as_mut()) {
            asked.tries = asked.tries.saturating_add(1);
        }
    };
    let found = spend(ports, &cookie, found, count, now).await?;
    if !was_open {
        return Err(on_page(&found.value, Problem::CodeSpent).await?);
    }
    let proved = match prove(ports, &cookie, &found.value, &pending, answer, now).await? {
        Ok(proved) => proved,
        Err(problem) => {
            tracing::info!(event = "not-confirmed", session = ?cookie.key(), kind = id.kind().as_str());
            let problem = match problem {
                Problem::CodeWrong { attempts_left } => {
                    let attempts_left = attempts_left.into_iter().chain(left(&found.value)).min();
                    Problem::CodeWrong { attempts_left }
                }
                other => other,
            };
            return Err(on_page(&found.value, problem).await?);
        }
    };
    write(ports, incoming, &cookie, found, proved, now).await
}

/// What was sent to prove it.
enum Answer {
    /// A code of digits.
    Code(OneTimeCode),
    /// A passkey's own word.
    Passkey(Attestation),
    /// That the recovery codes are kept, perhaps with one of them.
    Kept(Option<RecoveryCode>),
}

/// Something that was proved and is to be written.
struct Ready {
    id: EntryId,
    shown: String,
    what: What,
}

enum What {
    Contact(Typed),
    Totp { sealed_seed: String, step: u64 },
    Authenticator { public_key: Vec<u8>, subscription: Option<String> },
    Passkey { credential: String },
    RecoveryCodes(Sheet),
}

/// New recovery codes as they wait: to be shown, and to be kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct Codes {
    shown: Vec<String>,
    hashed_with: HashedWith,
    hashes: Vec<String>,
}

impl Codes {
    /// The codes with their sheet.
    pub(crate) fn new(codes: &RecoveryCodes, sheet: Sheet) -> Self {
        let shown = codes.iter().map(|code| code.expose().to_string()).collect();
        Self { shown, hashed_with: sheet.hashed_with, hashes: sheet.hashes }
    }

    /// To be sealed.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What is to be written, if the answer is right; else why not.
async fn prove(
    ports: &Ports,
    cookie: &SessionCookie,
    session: &Session,
    pending: &Pending,
    answer: Answer,
    now: Timestamp,
) -> Outcome<Result<Ready, Problem>> {
    let flows = &ports.site.flows;
    let ready = |shown: String, what| Ok(Ok(Ready { id: pending.id.clone(), shown, what }));
    let request = pending.asked.as_ref().and_then(Asked::request);
    let kept = || seal::open(ports, cookie, &pending.sealed);
    let wrong = || Ok(Err(Problem::CodeWrong { attempts_left: None }));
    match (pending.id.kind(), answer) {
        (Kind::Totp, Answer::Code(code)) => {
            let seed = TotpSeed::parse(&kept()?).map_err(|_| Problem::FlowEnded)?;
            let Some(step) = seed.matching_step(&code, now) else { return wrong() };
            // The step that proved it is used up: the same code is no proof in a reset.
            let owner = session.account.as_str();
            let sealed_seed = seed.seal(&ports.seeds, owner, ports.entropy.bytes())?;
            ready(String::new(), What::Totp { sealed_seed, step })
        }
        (Kind::Authenticator, Answer::Code(code)) => {
            let key = PairingToken::parse(&kept()?).ok_or(Problem::FlowEnded)?.key();
            let tag = key.code_tag(flows, &code).ok_or(Problem::FlowEnded)?;
            let by = cookie.key();
            let came = ports.pairings.confirm(key, &session.account, by.as_bytes(), tag, now).await?;
            match came {
                PairingConfirmed::Confirmed(device) => {
                    let WaitingDevice { key, subscription, name, .. } = *device;
                    ready(name, What::Authenticator { public_key: key.to_bytes(), subscription })
                }
                PairingConfirmed::Wrong { tries_left } => {
                    Ok(Err(Problem::CodeWrong { attempts_left: Some(tries_left) }))
                }
                PairingConfirmed::NotYet => wrong(),
                PairingConfirmed::Spent | PairingConfirmed::Gone => Ok(Err(Problem::CodeSpent)),
            }
        }
        (Kind::Passkey, Answer::Passkey(attestation)) => {
            let request = request.ok_or(Problem::FlowEnded)?;
            let challenge = cookie.passkey_challenge(flows, request).ok_or(Problem::FlowEnded)?;
            let party = ports.site.settings.relying_party();
            let expected = Expected { party: &party, challenge: &challenge };
            let verifies = |key: &_, message: &[u8], signature: &[u8]| {
                ports.signatures.verifies(key, message, signature)
            };
            let handle = UserHandle::of(flows, &session.account);
            match attestation.verify(handle, &expected, &verifies) {
                // Before anybody is told; the write looks again.
                Ok(credential) if ports.enrolment.is_registered(&credential).await? => {
                    Ok(Err(Problem::PasskeyRegistered))
                }
                Ok(credential) => {
                    ready(pending.shown.clone(), What::Passkey { credential: credential.to_json() })
                }
                Err(_) => wrong(),
            }
        }
        (Kind::RecoveryCodes, Answer::Kept(typed)) => {
            let Codes { shown, hashed_with, hashes } = codes(&kept()?)?;
            let is_one = |code: &RecoveryCode| shown.iter().any(|own| *own == *code.expose());
            if !typed.as_ref().is_none_or(is_one) {
                return wrong();
            }
            ready(String::new(), What::RecoveryCodes(Sheet { hashed_with, hashes }))
        }
        (kind, Answer::Code(code)) if kind.is_contact() => {
            let asked = pending.asked.as_ref().ok_or(Problem::FlowEnded)?;
            let tag = request.and_then(|request| cookie.code_tag(flows, request, &code));
            if !tag.is_some_and(|tag| asked.is(&tag)) {
                return wrong();
            }
            ready(pending.shown.clone(), What::Contact(Typed::from_kept(kind, kept()?)))
        }
        _ => Err(Problem::FlowEnded.into()),
    }
}

fn codes(json: &str) -> Outcome<Codes> {
    serde_json::from_str(json).map_err(|_| Problem::FlowEnded.into())
}

/// Ends what the new entry replaces, tells everybody, and writes it. That it waits to be confirmed the session forgets
/// last: wherever the function dies, the same answer once more begins here anew and writes the same entry. Everybody is
/// then told twice; and of something that was not done if its owner does not try again, which only a look afterwards
/// could spare them. The other way round nobody would hear of what was done.
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
    let registered = list::current(ports, cookie, &session).await?;
    // Every other session is over, above all one that began while nothing was registered and so proved no second step;
    // and with it the reset flows that counted on what is replaced.
    session.generation = ports
        .enrolment
        .change(&session.account, registered.generation, cookie.key())
        .await?
        .ok_or(Problem::OutOfStep(Place::SecurityInfo))?;
    let waiting_period = ports.site.settings.cool_down;
    let usable_from = held::active_from(ports, cookie, &session, &registered, now).await?;
    session.pending = None;
    give_back(&mut session);
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
        What::Authenticator { public_key, subscription } => {
            Secret::Authenticator { public_key: public_key.clone(), subscription: subscription.clone() }
        }
        What::Passkey { credential } => Secret::Passkey { credential: credential.clone() },
        What::RecoveryCodes(sheet) => Secret::RecoveryCodes(sheet.clone()),
    };
    sending::tell(ports, cookie, &session, Event::Added(kind), new, now).await?;
    let entry = NewEntry {
        usable_from,
        old_from: usable_from + waiting_period,
        proved: session.is_proved(),
        ..NewEntry::new(ready.id.clone(), ready.shown.clone(), secret, now)
    };
    let added = ports.enrolment.add(&session.account, session.generation, cookie.key(), &entry).await?;
    session.generation = match added {
        Added::Done(generation) => generation,
        Added::Overtaken => return Err(Problem::OutOfStep(Place::SecurityInfo).into()),
        Added::Taken => return Err(Problem::PasskeyRegistered.into()),
    };
    keep(ports, cookie, found.revision, &session, now).await?;
    tracing::info!(event = "added", session = ?cookie.key(), kind = kind.as_str());
    let registered = ports.enrolment.registered(&session.account).await?;
    let view = list::view(ports, &session, &registered, now).await?;
    Ok(incoming.next(&Next { view, location: HOME, cookie: None }))
}

/// The wrong answers that are left to confirm what is about to be added. A pairing's own are counted where it is kept.
fn left(session: &Session) -> Option<u8> {
    let pending = session.pending.as_ref()?;
    let left = tries_left(session, pending.asked.as_ref());
    Some(if pending.id.kind() == Kind::Authenticator { left.min(PAIRING_TRIES) } else { left })
}

/// The page of what is about to be added; nothing when nothing is.
pub(crate) async fn view(
    ports: &Ports,
    cookie: &SessionCookie,
    session: &Session,
    account: &Account,
    now: Timestamp,
) -> Outcome<Option<View>> {
    let Some(pending) = &session.pending else { return Ok(None) };
    let settings = &ports.site.settings;
    let kept = || seal::open(ports, cookie, &pending.sealed);
    let needs = match (pending.id.kind(), &pending.asked) {
        (Kind::Totp, _) => {
            let secret = kept()?;
            let otpauth = otpauth(&settings.organisation, account, &secret);
            Needs::Totp { qr: picture::qr(&otpauth), secret, otpauth }
        }
        (Kind::Authenticator, _) => {
            // Behind `#`, so that it reaches neither a server nor its log.
            let pairing = format!("{}/authenticator#pair={}", settings.public_url, kept()?);
            Needs::Authenticator { qr: picture::qr(&pairing), pairing }
        }
        (Kind::Passkey, Some(asked)) => {
            let request = asked.request().ok_or(Problem::FlowEnded)?;
            let challenge = cookie.passkey_challenge(&ports.site.flows, request).ok_or(Problem::FlowEnded)?;
            let login = account.logins.first().unwrap_or(&account.name);
            let handle = UserHandle::of(&ports.site.flows, &account.id);
            let owner = Owner { handle: &handle, login, name: &account.name };
            let registered = ports.authenticators.passkeys(&account.id, now).await?;
            let registered: Vec<_> = registered.into_iter().map(|passkey| passkey.credential).collect();
            let (party, organisation) = (settings.relying_party(), &settings.organisation);
            let options =
                CreationOptions::new(&party, organisation, owner, challenge, &registered, PASSKEY_LIFETIME);
            Needs::Passkey { options: Box::new(options) }
        }
        (Kind::RecoveryCodes, _) => Needs::RecoveryCodes { codes: codes(&kept()?)?.shown },
        (_, Some(asked)) => Needs::Code(sending::shown(
            settings,
            asked,
            &pending.shown,
            tries_left(session, Some(asked)),
            now,
        )),
        (_, None) => return Ok(None),
    };
    Ok(Some(View::Confirm(Confirm {
        id: pending.id.as_str().to_owned(),
        kind: pending.id.kind(),
        masked: pending.shown.clone(),
        needs,
        tries_left: left(session).unwrap_or_default(),
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
