//! Sign-in and sign-out.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{Account, AccountId};
use shared::domain::account_limits::Client;
use shared::domain::approval::RequestId;
use shared::domain::captcha::Effort;
use shared::domain::cookie::HolderCookie;
use shared::domain::keys::Tag;
use shared::domain::name::{CanonicalName, NameRef};
use shared::domain::password::NewPassword;
use shared::domain::session::{EnrolmentState, LIFETIME, Session, SessionContext, Verification};
use shared::domain::time::{Seconds, Timestamp};
use shared::http::captcha::{CaptchaFields, CaptchaResult, Captchas, Door};
use shared::http::problem::Problem;
use shared::http::security_info::{self, CHANGE_PASSWORD, HOME, VERIFY};
use shared::http::view::{Captcha, View};
use shared::http::{App, HandlerError, HandlerResult, IncomingRequest, NewCookie, NextPage, respond};
use shared::ports::{EntropyExt as _, SignInResult};

use super::ports::Ports;
use super::rate_limits::{self, SignInRefusal};
use super::step_up_page::{self, Verifiable};
use super::{change_password, list_page};

/// `POST /security-info/sign-in`: checks the CAPTCHA if one is required, then the password.
pub(crate) async fn sign_in(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_sign_in).await
}

async fn try_sign_in(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    if ports.identity_provider.is_some() {
        let view = View::SignIn(incoming.sign_in_page(None));
        return Err(HandlerError::on_page(Problem::SignInElsewhere, view));
    }
    let now = ports.clock.now();
    let settings = &ports.app.settings;
    let mut fields = incoming.take_fields();
    let login = fields.take("login");
    let password = fields.take("password");
    let captcha = CaptchaFields::take(&mut fields);
    let back = fields.take("return").and_then(|url| settings.return_to(&url).map(str::to_owned));
    let changes_password = fields.take("next").is_some_and(|next| *next == change_password::NEXT);
    fields.take("at");
    fields.finish()?;
    let typed = login.as_deref().map(ToString::to_string).unwrap_or_default();
    let captchas = Captchas {
        keys: &ports.captcha,
        rate_limits: &*ports.rate_limits,
        entropy: &*ports.entropy,
        language: incoming.language,
        now,
    };
    let on_page = |problem: Problem, captcha: Option<Captcha>| {
        let view = security_info::SignIn {
            login: typed.clone(),
            back: back.clone(),
            captcha,
            start: None,
            changes_password,
        };
        HandlerError::on_page(problem, View::SignIn(view))
    };
    let malformed = |field| on_page(Problem::malformed(field), captchas.unspent(captcha.token.as_deref()));
    let name = CanonicalName::parse(&typed, &settings.login_domains).map_err(|_| malformed("login"))?;
    let password = password.ok_or_else(|| malformed("password"))?;
    let password = NewPassword::parse(&password).map_err(|_| malformed("password"))?;

    // The CAPTCHA is checked before an account is read and a password is hashed.
    let reference = name.reference(&ports.app.flows);
    let solution = match captcha.token {
        Some(_) => Some(captcha.solution().map_err(|_| malformed("captcha_answer"))?),
        None => None,
    };
    let above = rate_limits::count_sign_in(ports, incoming.address_block(), now).await?;
    let effort = above.unwrap_or(Effort::harder());
    let again = |problem: fn(Box<Captcha>) -> Problem| -> HandlerResult<HandlerError> {
        let next = captchas.challenge(Some((&reference, effort)))?;
        Ok(on_page(problem(Box::new(next.clone())), Some(next)))
    };
    let solved = if let (Some(token), Some(solution)) = (&captcha.token, &solution) {
        match captchas.check(token, solution, &reference, Door::SignIn(effort)).await? {
            CaptchaResult::Solved { .. } => true,
            CaptchaResult::Refused { problem, next } => return Err(on_page(problem, Some(next))),
            CaptchaResult::Malformed => return Err(malformed("captcha_answer")),
        }
    } else if above.is_some() {
        return Err(again(Problem::CaptchaHarder)?);
    } else {
        false
    };
    let found = ports.directory.find(&name).await?;
    let id = found.map_or_else(|| AccountId::decoy(&reference), |account| account.id);
    let epoch = ports.security_info.registration(&id, now).await?.device_epoch;
    let known_device = incoming.is_known_device(&id, epoch, now);
    let client = Client { network: incoming.network_tag(), known_device };
    let used = match rate_limits::spend_password(ports, &id, client, solved, now).await {
        Ok(used) => used,
        Err(SignInRefusal::CaptchaRequired) => return Err(again(Problem::CaptchaHarder)?),
        Err(SignInRefusal::Paused(until)) => {
            let wait = Seconds(until.seconds_after(now));
            return Err(on_page(Problem::SignInPaused { until, wait }, None));
        }
        Err(SignInRefusal::Store(error)) => return Err(error.into()),
    };
    let account = match ports.directory.check_password(&id, password.expose(), now).await? {
        SignInResult::Accepted(account) => Some(account),
        SignInResult::Wrong | SignInResult::Locked | SignInResult::Disabled => None,
    };
    let Some(account) = account.filter(|account| account.state.may_reset()) else {
        tracing::info!(event = "sign_in.rejected", name = ?reference, address = incoming.address_block().to_string());
        // If this sign-in needed a CAPTCHA, the next one will too.
        return Err(if solved {
            again(|next| Problem::SignInWrong(Some(next)))?
        } else {
            on_page(Problem::SignInWrong(None), None)
        });
    };
    rate_limits::refund_password(ports, &account.id, used, now).await?;
    let beginning = Beginning {
        account: &account,
        name: &reference,
        back,
        changes_password,
        known_device,
        step_up: None,
    };
    let begun = begin(ports, incoming, beginning, now).await?;
    Ok(incoming.next_page(&begun.next_page()))
}

/// What a session begins with.
pub(crate) struct Beginning<'a> {
    /// The account that the person signed in to.
    pub(crate) account: &'a Account,
    /// The login that it was found by, for the log.
    pub(crate) name: &'a NameRef,
    /// The address to return to, from the allow-list.
    pub(crate) back: Option<String>,
    /// Whether the person wants to change the password.
    pub(crate) changes_password: bool,
    /// Whether the browser is a known device of the account.
    pub(crate) known_device: bool,
    /// The answer of the identity provider, if it stands for the step-up.
    pub(crate) step_up: Option<Tag>,
}

/// A session that has begun, with its first page.
pub(crate) struct Begun {
    view: View,
    location: &'static str,
    cookie: HolderCookie,
}

impl Begun {
    pub(crate) fn next_page(&self) -> NextPage<'_> {
        let (view, location) = (self.view.clone(), self.location);
        NextPage { view, location, cookie: Some(NewCookie::Session(&self.cookie)) }
    }
}

/// Begins the session after a correct password, or after a sign-in with the identity provider.
pub(crate) async fn begin(
    ports: &Ports,
    incoming: &mut IncomingRequest,
    beginning: Beginning<'_>,
    now: Timestamp,
) -> HandlerResult<Begun> {
    let Beginning { account, name, back, changes_password, known_device, step_up } = beginning;
    let registered = ports.enrolment.registered(&account.id).await?;
    let mut start = EnrolmentState::from_registered(&registered, true);
    if start == EnrolmentState::StepUpRequired
        && Verifiable::load(ports, account, now).await?.offers.is_empty()
    {
        start = EnrolmentState::NoUsableFactor;
    }
    let language = account.language.unwrap_or(incoming.language);
    let context = SessionContext {
        account: account.id.clone(),
        expires_at: now + LIFETIME,
        language,
        start,
        back,
        changes_password,
    };
    let request = RequestId::from_bytes(ports.entropy.bytes());
    let mut session = Session::begin(context, registered.generation, request);
    session.progress_mut().known_device = known_device;
    // The provider's step-up opens the list. It is no factor of a reset, so it waives no waiting period.
    if let Some(answer) = step_up.filter(|_| start == EnrolmentState::StepUpRequired) {
        let verification = Verification { method: None, at: now, answer };
        session = session.verify(verification, None, RequestId::from_bytes(ports.entropy.bytes()));
    }
    // Ends the session of the old cookie, which is about to be replaced. It can't be used elsewhere any more (ASVS
    // 7.2.4).
    if let Some(former) = &incoming.session {
        end(ports, former, now).await?;
    }
    let cookie = HolderCookie::open_session(&ports.app.flows, ports.entropy.bytes());
    let cookie = cookie.with_verified(session.progress().verified);
    ports.sessions.begin(cookie.id(), &session).await?;
    let (pseudonym, address) = (account.id.pseudonym(&ports.app.flows), incoming.address_block().to_string());
    tracing::info!(event = "session.started", session = ?cookie.id(), ?name, account = ?pseudonym, ?start, address);

    incoming.session = Some(cookie.clone());
    let (view, location) = match session.opened(&cookie) {
        Some(_) if changes_password => {
            (change_password::view(ports, &cookie, &session, now).await?, CHANGE_PASSWORD)
        }
        Some(open) => (list_page::view(ports, open, &registered, now).await?, HOME),
        None => (step_up_page::view(ports, incoming, &session, None, now).await?, VERIFY),
    };
    Ok(Begun { view, location, cookie })
}

/// Ends the session of a cookie. An older cookie has no rights any more, so its session goes on.
async fn end(ports: &Ports, cookie: &HolderCookie, now: Timestamp) -> HandlerResult<()> {
    let found = ports.sessions.session(cookie.id(), now).await?;
    if found.is_some_and(|found| !found.value.is_ahead_of(cookie)) {
        ports.sessions.end(cookie.id()).await?;
    }
    Ok(())
}

/// `POST /security-info/sign-out`. Without a session it gives the same response.
pub(crate) async fn sign_out(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let mut fields = incoming.take_fields();
        fields.take("at");
        fields.finish()?;
        if let Some(cookie) = incoming.session.take() {
            end(ports, &cookie, ports.clock.now()).await?;
            tracing::info!(event = "session.ended", session = ?cookie.id());
        }
        let view = View::SignIn(incoming.sign_in_page(None));
        Ok(incoming.next_page(&NextPage { view, location: HOME, cookie: Some(NewCookie::NoSession) }))
    })
    .await
}
