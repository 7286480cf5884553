//! The page of the second step, and the methods that an account can use there.

use shared::domain::account::{Account, Offer, Registration};
use shared::domain::approval::ApprovalNumber;
use shared::domain::challenge::Challenge;
use shared::domain::cookie::HolderCookie;
use shared::domain::keys::{Keyring, Tag};
use shared::domain::method::Method;
use shared::domain::session::{CODE_ATTEMPTS, CodeFor, Session};
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::security_info::{SecondStep, SentCode};
use shared::http::view::{PasskeyOptions, View};
use shared::http::{HandlerError, HandlerResult, IncomingRequest};
use shared::settings::Settings;

use super::access::{self, attempts_left};
use super::ports::Ports;

/// The methods for a second step.
pub(crate) struct Verifiable {
    /// The contacts for codes.
    pub(crate) registration: Registration,
    /// The methods, with masked contacts.
    pub(crate) offers: Vec<Offer>,
    /// Whether one of them, other than recovery codes, also counts in a reset.
    counts: bool,
}

impl Verifiable {
    /// Returns the methods that an account can use now. If nothing but recovery codes counts yet, contacts in their
    /// waiting period are included. Otherwise the password alone would open the page during that period.
    pub(crate) async fn load(ports: &Ports, account: &Account, now: Timestamp) -> HandlerResult<Self> {
        let settings = &ports.app.settings;
        let mut registration = access::evidence(ports, account, now).await?;
        let offers = |registration: &Registration| {
            let mut offers = registration.offers(&settings.second_steps);
            offers.retain(|offer| settings.reaches(registration, offer.method));
            offers
        };
        let counts = offers(&registration).iter().any(|offer| offer.method.vouches());
        if !counts {
            registration.pending_activation.clear();
        }
        Ok(Self { offers: offers(&registration), registration, counts })
    }

    /// Returns whether a method is offered.
    pub(crate) fn has(&self, method: Method) -> bool {
        self.offers.iter().any(|offer| offer.method == method)
    }

    /// Returns the tag of the factor of a method, if it counts in resets too.
    pub(crate) fn factor(&self, cookie: &HolderCookie, flows: &Keyring, method: Method) -> Option<Tag> {
        let value = self.registration.factor(method).filter(|_| self.counts)?;
        cookie.factor_tag(flows, &value)
    }
}

pub(crate) async fn view(
    ports: &Ports,
    incoming: &IncomingRequest,
    session: &Session,
    selected: Option<Method>,
    now: Timestamp,
) -> HandlerResult<View> {
    let account = access::account(ports, session).await?;
    let methods = Verifiable::load(ports, &account, now).await?.offers;
    let masked = |method: Method| {
        let offer = methods.iter().find(|offer| offer.method == method);
        offer.map(|offer| offer.masked.clone()).unwrap_or_default()
    };
    let settings = &ports.app.settings;
    let progress = session.progress();
    let awaited = progress.challenge.as_ref().filter(|challenge| challenge.is_open(CODE_ATTEMPTS, now));
    let sent = awaited.filter(|challenge| challenge.code.is_some()).map(|challenge| {
        let left = attempts_left(session, Some(challenge));
        let resend_at = progress.next_code_at(CodeFor::StepUp(challenge.method));
        shown(settings, challenge, &masked(challenge.method), left, resend_at, now)
    });
    let cookie = incoming.session.as_ref().ok_or(Problem::FlowEnded)?;
    let flows = &ports.app.flows;
    let challenge = methods
        .iter()
        .any(|offer| offer.method == Method::Passkey)
        .then(|| cookie.passkey_challenge(flows, progress.request))
        .flatten();
    let number = awaited
        .filter(|challenge| challenge.method == Method::Push)
        .and_then(|challenge| cookie.approval_number(flows, challenge.request));
    Ok(View::SecondStep(SecondStep {
        sent,
        options: challenge.map(|challenge| PasskeyOptions::new(settings, challenge)),
        number: number.map(ApprovalNumber::expose),
        selected: selected.or_else(|| methods.first().map(|offer| offer.method)),
        again: session.opened(cookie).is_some(),
        methods: methods.iter().map(Offer::shown).collect(),
    }))
}

/// Returns a problem on the page.
pub(crate) async fn on_page(
    ports: &Ports,
    incoming: &IncomingRequest,
    session: &Session,
    method: Method,
    problem: Problem,
    now: Timestamp,
) -> HandlerResult<HandlerError> {
    Ok(HandlerError::on_page(problem, view(ports, incoming, session, Some(method), now).await?))
}

/// Returns an open code challenge as the page shows it.
pub(crate) fn shown(
    settings: &Settings,
    challenge: &Challenge,
    masked: &str,
    attempts_left: u8,
    resend_at: Option<Timestamp>,
    now: Timestamp,
) -> SentCode {
    let resend_at = resend_at.unwrap_or(now);
    SentCode {
        method: challenge.method,
        masked: masked.to_owned(),
        digits: settings.code_digits,
        expires_at: challenge.expires_at.to_string(),
        resend_at: resend_at.to_string(),
        attempts_left,
        resend_in: resend_at.seconds_after(now),
        minutes: settings.flow.code_lifetime.whole_minutes(),
    }
}
