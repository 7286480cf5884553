//! Email addresses and phone numbers: a code sent to the contact confirms it.

use shared::domain::account::{Account, Contact, Registration};
use shared::domain::approval::Requester;
use shared::domain::challenge::Challenge;
use shared::domain::client::NetworkTag;
use shared::domain::code::OneTimeCode;
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::cookie::HolderCookie;
use shared::domain::message::{Message, Purpose, SmsShare};
use shared::domain::method::Method;
use shared::domain::security_info::Kind;
use shared::domain::session::{CodeFor, SENDS, Session};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::problem::Problem;
use shared::http::security_info::Needs;
use shared::http::{HandlerError, HandlerResult};
use shared::settings::Settings;
use shared::verification::Refusal;
use shared::verification::sent_code::{NewCode, is_answered};

use super::{Confirmed, WRONG, Waiting};
use crate::access::attempts_left;
use crate::ports::Ports;
use crate::rate_limits;
use crate::step_up_page::shown;

/// A contact as typed, owned.
pub(crate) enum OwnedContact {
    /// An email address.
    Email(EmailAddress),
    /// A phone number in E.164.
    Phone(PhoneNumber),
}

impl OwnedContact {
    /// Borrows the contact.
    pub(crate) const fn as_contact(&self) -> Contact<'_> {
        match self {
            Self::Email(address) => Contact::Email(address),
            Self::Phone(number) => Contact::Phone(number),
        }
    }

    /// Parses a contact from the sealed text in the session.
    fn from_sealed(kind: Kind, text: String) -> Self {
        match kind {
            Kind::AlternateEmail => Self::Email(EmailAddress::from_stored(text)),
            _ => Self::Phone(PhoneNumber::from_stored(text)),
        }
    }

    /// Returns a registration with this contact only, to send it a code or a notification.
    pub(super) fn registration(&self, kind: Kind) -> Registration {
        let mut registration = Registration::default();
        match (kind, self) {
            (Kind::Mobile, Self::Phone(number)) => registration.mobile = Some(number.clone()),
            (_, Self::Phone(number)) => registration.office_phone = Some(number.clone()),
            (_, Self::Email(address)) => registration.alternate_email = Some(address.clone()),
        }
        registration
    }
}

/// Parses the typed contact and returns the method by which its code goes there: for a mobile the wanted one, or the
/// first that the policy offers.
pub(crate) fn read(
    settings: &Settings,
    account: &Account,
    kind: Kind,
    typed: &str,
    by: Option<Method>,
) -> Result<(OwnedContact, Method), Problem> {
    if kind == Kind::AlternateEmail {
        let address = EmailAddress::parse(typed).map_err(|_| Problem::malformed("value"))?;
        if account.protects(&address, &settings.login_domains) {
            return Err(Problem::ContactRefused);
        }
        return Ok((OwnedContact::Email(address), Method::Email));
    }
    let number = PhoneNumber::parse(typed, settings.home_country).map_err(|_| Problem::malformed("value"))?;
    let is_mobile = || kind == Kind::Mobile;
    if !number.is_reachable_in(&settings.sms_countries) || (is_mobile() && number.is_fixed_line()) {
        return Err(Problem::ContactRefused);
    }
    let offered = |method: &Method| settings.second_steps.contains(method);
    let by = by.filter(|_| is_mobile()).or_else(|| kind.methods().iter().copied().find(offered));
    let method = by.filter(offered).ok_or(Problem::MethodUnavailable("value"))?;
    Ok((OwnedContact::Phone(number), method))
}

/// The parts of a code that depend on its purpose.
pub(crate) struct Parts<'a> {
    /// Selects the text of the message.
    pub(crate) purpose: Purpose,
    /// Selects the channel.
    pub(crate) method: Method,
    /// Receives the code.
    pub(crate) contact: Contact<'a>,
    /// Names the account to a confirmed contact.
    pub(crate) login: Option<&'a str>,
    /// Names the origin of the request to a confirmed contact.
    pub(crate) requester: Option<Requester>,
}

/// Makes a code for a contact, unless the session must wait until `not_before`. The caller stores the challenge, then
/// queues the message.
pub(crate) async fn new_challenge(
    ports: &Ports,
    cookie: &HolderCookie,
    session: &Session,
    not_before: Option<Timestamp>,
    Parts { purpose, method, contact, login, requester }: Parts<'_>,
    network: NetworkTag,
    now: Timestamp,
) -> HandlerResult<Result<(Challenge, Message), Problem>> {
    let context = session.context();
    if session.progress().sends >= SENDS {
        return Ok(Err(Problem::MethodUnavailable("method")));
    }
    let wait = not_before.map_or(0, |at| at.seconds_after(now));
    if wait > 0 {
        return Ok(Err(Problem::SlowDown(Seconds(wait))));
    }
    if !rate_limits::try_acquire_code(ports, session, network, now).await? {
        return Ok(Err(Problem::MethodUnavailable("method")));
    }
    let settings = &ports.app.settings;
    let code = NewCode {
        method,
        contact,
        purpose,
        share: if purpose == Purpose::SecurityInfo { SmsShare::Enrolment } else { SmsShare::Rest },
        login,
        requester,
        language: context.language,
        digits: settings.code_digits,
        lifetime: Seconds(settings.flow.code_lifetime.0.min(context.expires_at.seconds_after(now))),
        decoy: false,
    };
    match code.ask(&ports.app.flows, &*ports.entropy, cookie, now) {
        Ok(made) => Ok(Ok(made)),
        Err(Refusal::Failed(error)) => Err(HandlerError::from(error)),
        Err(_) => Ok(Err(Problem::MethodUnavailable("method"))),
    }
}

/// Returns what the code page shows.
pub(super) fn needs(waiting: &Waiting<'_>) -> Option<Needs> {
    let challenge = waiting.pending.challenge.as_ref()?;
    let left = attempts_left(waiting.session, Some(challenge));
    let settings = &waiting.ports.app.settings;
    let resend_at = waiting.session.progress().next_code_at(CodeFor::NewContact);
    Some(Needs::Code(shown(settings, challenge, &waiting.pending.shown, left, resend_at, waiting.now)))
}

/// Checks the code, then opens the contact that the session has sealed.
pub(super) fn confirm(
    waiting: &Waiting<'_>,
    code: &OneTimeCode,
) -> HandlerResult<Result<Confirmed, Problem>> {
    let Waiting { ports, cookie, pending, .. } = waiting;
    let challenge = pending.challenge.as_ref().ok_or(Problem::FlowEnded)?;
    if !is_answered(&ports.app.flows, cookie, challenge, code) {
        return Ok(Err(WRONG));
    }
    let contact = OwnedContact::from_sealed(pending.id.kind(), waiting.open_sealed()?);
    Ok(Ok(Confirmed::contact(pending.shown.clone(), contact)))
}
