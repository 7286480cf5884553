//! Checks who is calling: by a code to an enrolled contact, by a code of an app, or by a document that the agent saw.
//!
//! A code counts as for a reset: where the person has a factor that has been active for the waiting period, a younger
//! one proves nothing. The account's limits for sessions count codes and attempts.

use shared::domain::account::{Contact, Registration};
use shared::domain::account_limits::{Bucket, Client, RateLimitExceeded, SendRequest};
use shared::domain::approval::RequestId;
use shared::domain::challenge::Challenge;
use shared::domain::client::AddressBlock;
use shared::domain::code::OneTimeCode;
use shared::domain::help_desk::{CHECK_LIFETIME, CheckedBy, Remark};
use shared::domain::help_desk_call::{HelpAnswer, HelpRefusal};
use shared::domain::keys::Tag;
use shared::domain::message::{CodeMessage, Message, Purpose, Recipient, SmsShare};
use shared::domain::method::Method;
use shared::domain::security_info::{Consumption, Kind, Secret};
use shared::domain::session::CODE_ATTEMPTS;
use shared::domain::time::Seconds;
use shared::domain::totp::TotpSeed;
use shared::ports::{EntropyExt as _, StoreError};
use shared::verification::limit_log;

use crate::audit;
use crate::case::{Case, Stop};

/// The purpose in the key derivation of a code's tag.
const PURPOSE: &str = "rekey/caller-code";

/// The limit is used up, or the store failed.
enum Limited {
    UsedUp,
    Failed(StoreError),
}

impl From<RateLimitExceeded> for Limited {
    fn from(_: RateLimitExceeded) -> Self {
        Self::UsedUp
    }
}

impl From<StoreError> for Limited {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<Limited> for Stop {
    fn from(limited: Limited) -> Self {
        match limited {
            Limited::UsedUp => Self::Refused(HelpRefusal::LimitReached),
            Limited::Failed(error) => error.into(),
        }
    }
}

/// The agent at their desk, as the account's limits see it: no network of the person, and no stranger.
fn client(case: &Case<'_>) -> Client {
    let network = AddressBlock::from_address(None).network_tag(&case.ports.flows);
    Client { network, known_device: true }
}

/// Returns whether a method may prove who is calling.
fn may_prove(case: &Case<'_>, registration: &Registration, method: Method) -> bool {
    let offers = case.ports.settings.offers(registration);
    let has_old = offers.iter().any(|offer| !offer.young);
    offers.iter().any(|offer| offer.method == method && !(offer.young && has_old))
}

pub(crate) async fn send_code(case: &Case<'_>, method: Method) -> Result<HelpAnswer, Stop> {
    let (ports, now) = (case.ports, case.now);
    let registration = case.registration().await?;
    let contact = registration.contact(method).filter(|_| may_prove(case, &registration, method));
    let to = contact.and_then(|contact| Recipient::for_code(method, contact));
    let Some((contact, to)) = contact.zip(to) else {
        return Err(Stop::Refused(HelpRefusal::NoSuchMethod));
    };
    let send = SendRequest {
        factor: method.factor(),
        bucket: Bucket::Enrolment,
        client: client(case),
        generation: registration.generation,
        verified_factors: &[],
    };
    let acquired = limit_log::change(&*ports.rate_limits, case.id(), now, |log| {
        Ok::<_, Limited>(log.try_acquire_send(&send, now, &ports.settings.sends)?)
    });
    acquired.await?;
    let code = OneTimeCode::generate(ports.settings.code_digits, ports.entropy.bytes());
    let request = RequestId::from_bytes(ports.entropy.bytes());
    let tag = tag(case, request, &code).ok_or(StoreError::Unreadable("keyring"))?;
    let lifetime = ports.settings.flow.code_lifetime;
    let challenge = Challenge::new(method, request, Some(tag), now, lifetime);
    let expires_at = challenge.expires_at;
    let mut record = case.record().await?;
    record.value.challenge = Some(challenge);
    audit::code_sent(case, method).await?;
    case.write(&record).await?;
    let message = Message::Code(CodeMessage {
        to,
        purpose: Purpose::HelpDesk,
        share: SmsShare::Rest,
        code,
        language: case.language(),
        expires_at,
        minutes: lifetime.whole_minutes(),
        login: case.account.shown_login(),
        requested: None,
    });
    ports.outgoing().send(case.holder(), &[message], Seconds(0)).await?;
    Ok(HelpAnswer::CodeSent { masked: Contact::masked(&contact), expires_at })
}

/// Counts an attempt before the code is compared.
pub(crate) async fn check_code(case: &Case<'_>, typed: &str) -> Result<HelpAnswer, Stop> {
    let code = OneTimeCode::parse(typed).map_err(|_| Stop::Refused(HelpRefusal::Malformed))?;
    let mut record = case.record().await?;
    let challenge = record.value.challenge.as_mut();
    let challenge = challenge.filter(|challenge| challenge.is_open(CODE_ATTEMPTS, case.now));
    let Some(challenge) = challenge else { return Err(Stop::Refused(HelpRefusal::NothingAsked)) };
    challenge.attempts = challenge.attempts.saturating_add(1);
    let challenge = challenge.clone();
    case.write(&record).await?;
    record.revision += 1;
    let tag = tag(case, challenge.request, &code);
    if tag.is_none() || tag != challenge.code {
        audit::wrong_code(case).await?;
        let attempts_left = Some(CODE_ATTEMPTS.saturating_sub(challenge.attempts));
        return Ok(HelpAnswer::Wrong { attempts_left });
    }
    let by = CheckedBy::Code(challenge.method);
    audit::checked(case, &by).await?;
    record.value.note_check(by, &case.agent, case.now);
    case.write(&record).await?;
    Ok(HelpAnswer::Checked { until: case.now + CHECK_LIFETIME })
}

/// Counts an attempt in the account's limit before the code is compared; a right one is refunded.
pub(crate) async fn check_app(case: &Case<'_>, typed: &str) -> Result<HelpAnswer, Stop> {
    let (ports, now) = (case.ports, case.now);
    let code = OneTimeCode::parse(typed).map_err(|_| Stop::Refused(HelpRefusal::Malformed))?;
    if !may_prove(case, &case.registration().await?, Method::Totp) {
        return Err(Stop::Refused(HelpRefusal::NoSuchMethod));
    }
    let (bucket, limit) = (Bucket::Enrolment, ports.settings.totp_attempts());
    let spent = limit_log::change(&*ports.rate_limits, case.id(), now, |log| {
        Ok::<_, Limited>(log.spend_generated_code(bucket, client(case), now, limit)?)
    });
    let (used, log) = spent.await?;
    if !is_of_app(case, &code).await? {
        audit::wrong_code(case).await?;
        return Ok(HelpAnswer::Wrong { attempts_left: None });
    }
    let refunded = limit_log::change_from(&*ports.rate_limits, case.id(), log, now, |log| {
        log.refund_generated_code(bucket, used);
        Ok::<_, Limited>(())
    });
    // A failure leaves the attempt counted, and the code is right all the same.
    let _ = refunded.await;
    note(case, CheckedBy::App).await
}

pub(crate) async fn see_document(case: &Case<'_>, document: Remark) -> Result<HelpAnswer, Stop> {
    note(case, CheckedBy::Document(document)).await
}

async fn note(case: &Case<'_>, by: CheckedBy) -> Result<HelpAnswer, Stop> {
    let mut record = case.record().await?;
    audit::checked(case, &by).await?;
    record.value.note_check(by, &case.agent, case.now);
    case.write(&record).await?;
    Ok(HelpAnswer::Checked { until: case.now + CHECK_LIFETIME })
}

/// Returns whether the code is the app's, in a time step that was not accepted before.
async fn is_of_app(case: &Case<'_>, code: &OneTimeCode) -> Result<bool, Stop> {
    let (ports, account) = (case.ports, case.id());
    for app in ports.authenticators.active(account, Kind::Totp, case.now).await? {
        let Secret::Totp { sealed_seed, .. } = app.secret else { continue };
        let seed = TotpSeed::open(&ports.seeds, account.as_str(), &sealed_seed)?;
        let Some(step) = seed.matching_step(code, case.now) else { continue };
        let step = Consumption::TimeStep(step);
        return Ok(ports.authenticators.consume(account, &app.id, &step, case.holder(), case.now).await?);
    }
    Ok(false)
}

/// Returns the tag of a code for the caller of this account. It uses the oldest key, which rotation keeps.
fn tag(case: &Case<'_>, request: RequestId, code: &OneTimeCode) -> Option<Tag> {
    let flows = &case.ports.flows;
    let account = case.id().as_str().as_bytes();
    flows.tag(flows.oldest(), PURPOSE, &[account, request.as_bytes(), code.expose().as_bytes()])
}
