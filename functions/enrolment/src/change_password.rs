//! The change of a known password: the current one, by sign-in, and one verified factor open a flow whose steps are
//! already verified. From there the page of a new password goes on as in a reset: the same rules, lease,
//! reconciliation and notifications.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{Account, Registration};
use shared::domain::cookie::HolderCookie;
use shared::domain::flow::{AllVerified, Flow, FlowContext, Opened, Reason, StepProgress, VerifiedStep};
use shared::domain::session::Session;
use shared::domain::time::Timestamp;
use shared::http::problem::{Place, Problem};
use shared::http::view::View;
use shared::http::view::security_info::{ChangePassword, SignIn};
use shared::http::{App, HandlerError, HandlerResult, IncomingRequest, NewCookie, NextPage, respond};
use shared::ports::{EntropyExt as _, StoreError};

use super::access::{self, current, load_session, require_change};
use super::ports::Ports;
use super::{rate_limits, step_up_page};

/// The value of `next` on the sign-in form, for a person who comes to change the password.
pub(crate) const NEXT: &str = "change-password";

/// `GET /change-password`: the sign-in, the step-up, or the way to the new password, whichever comes next.
pub(crate) async fn show(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let now = ports.clock.now();
        let (cookie, found) = match load_session(ports, incoming, now).await {
            Ok(found) => found,
            Err(HandlerError::Problem(Problem::FlowEnded, _)) => {
                let view = SignIn { changes_password: true, ..incoming.sign_in_page(None) };
                return Ok(incoming.page(&View::SignIn(view)));
            }
            Err(failure) => return Err(failure),
        };
        if !found.value.may_change(&cookie, now) {
            let view = step_up_page::view(ports, incoming, &found.value, None, now).await?;
            return Ok(incoming.page(&view));
        }
        current(ports, &cookie, &found.value).await?;
        Ok(incoming.page(&view(ports, &cookie, &found.value, now).await?))
    })
    .await
}

/// Returns the page after the step-up.
pub(crate) async fn view(
    ports: &Ports,
    cookie: &HolderCookie,
    session: &Session,
    now: Timestamp,
) -> HandlerResult<View> {
    let account = access::account(ports, session).await?;
    let registration = access::evidence(ports, &account, now).await?;
    let ready = verified_step(ports, cookie, cookie, session, &registration).is_some();
    Ok(View::ChangePassword(ChangePassword { ready }))
}

/// `POST /change-password`: opens a flow at the choice of a new password.
pub(crate) async fn change(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, try_change).await
}

async fn try_change(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let now = ports.clock.now();
    let (cookie, found, _) = require_change(ports, incoming, now).await?;
    incoming.take_fields().finish()?;
    let session = found.value;
    current(ports, &cookie, &session).await?;
    let account = access::account(ports, &session).await?;
    let registration = access::evidence(ports, &account, now).await?;
    let flow_cookie = HolderCookie::open_flow(&ports.app.flows, ports.entropy.bytes()).with_verified(1);
    let step = verified_step(ports, &cookie, &flow_cookie, &session, &registration);
    let step = step.ok_or(Problem::OutOfStep(Place::SecurityInfo))?;
    rate_limits::acquire_change(ports, &session, incoming.network_tag(), now).await?;

    let flow = begin(ports, &account, &registration, &session, step, now);
    let context = flow.context.clone();
    let flow = Flow::AllVerified(flow);
    ports.flows.insert(flow_cookie.id(), &Opened { context }).await?;
    if !ports.flows.replace(flow_cookie.id(), 1, &flow, now).await? {
        return Err(StoreError::Unreadable("a flow that was just stored").into());
    }
    let pseudonym = account.id.pseudonym(&ports.app.flows);
    tracing::info!(
        event = "password_change.started", flow = ?flow_cookie.id(), session = ?cookie.id(), account = ?pseudonym
    );
    incoming.cookie = Some(flow_cookie.clone());
    let view = incoming.view_of(&flow, now).ok_or(Problem::FlowEnded)?;
    Ok(incoming.next_page(&NextPage {
        view,
        location: "/password",
        cookie: Some(NewCookie::Flow(&flow_cookie)),
    }))
}

/// Returns the verified step of the new flow: a factor that the session has verified, that the account still has, and
/// that serves in a reset. As in a reset, a factor in its first days serves only where the account has no older one.
fn verified_step(
    ports: &Ports,
    session_cookie: &HolderCookie,
    flow_cookie: &HolderCookie,
    session: &Session,
    registration: &Registration,
) -> Option<VerifiedStep> {
    let (settings, keys) = (&ports.app.settings, &ports.app.flows);
    let offers = settings.offers(registration);
    let has_old = offers.iter().any(|offer| !offer.young);
    session.progress().factors.iter().find_map(|verified| {
        let offer = offers.iter().find(|offer| offer.method.factor() == verified.method.factor())?;
        let value = registration.factor(offer.method)?;
        let is_held = session_cookie.factor_tag(keys, &value) == Some(verified.factor);
        if !is_held || (has_old && !verified.old) {
            return None;
        }
        let tag = flow_cookie.factor_tag(keys, &value)?;
        let contact = registration.contact(offer.method).map(|_| tag);
        Some(VerifiedStep { method: verified.method, code: tag, contact, young: !verified.old })
    })
}

fn begin(
    ports: &Ports,
    account: &Account,
    registration: &Registration,
    session: &Session,
    step: VerifiedStep,
    now: Timestamp,
) -> AllVerified {
    let settings = &ports.app.settings;
    AllVerified {
        context: FlowContext {
            account: account.id.clone(),
            decoy: false,
            generation: registration.generation,
            behind: None,
            steps: 1,
            opened_at: now,
            expires_at: now + settings.flow.lifetime,
            offers: settings.offers(registration),
            language: session.context().language,
            login: account.shown_login(),
            password_policy: account.password_policy,
            known_device: session.progress().known_device,
        },
        progress: StepProgress {
            reason: Reason::Forgotten,
            verified_steps: vec![step],
            sent: Vec::new(),
            flow_attempts: 0,
        },
    }
}
