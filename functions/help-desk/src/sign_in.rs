//! The sign-in of an agent with the identity provider, and the sign-out.

use axum::extract::State;
use axum::response::Response;
use shared::domain::desk_session::DeskSession;
use shared::domain::help_desk::Agent;
use shared::http::problem::Problem;
use shared::http::provider::{ProviderCheck, failed_provider, invalid_sign_in};
use shared::http::view::View;
use shared::http::view::help_desk::HELP_DESK;
use shared::http::{
    App, HandlerError, HandlerResult, IncomingRequest, NewCookie, NextPage, forget_pending_sign_in, respond,
};
use shared::ports::EntropyExt as _;

use crate::visit::{provider, searching, sign_in_page};
use crate::{Ports, audit};

/// `GET /help-desk/oidc/start`: sends the browser to the provider. A link of another site leads to the page instead.
pub(crate) async fn start(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let provider = provider(ports)?;
        if incoming.is_cross_site {
            return Ok(incoming.redirect(HELP_DESK, None));
        }
        let now = ports.clock.now();
        let random = [ports.entropy.bytes(), ports.entropy.bytes(), ports.entropy.bytes()];
        let pending = incoming.begin_sign_in(random, ports.entropy.bytes(), now)?;
        let url = provider.authorization_url(&pending, now).await;
        let url =
            url.map_err(|error| HandlerError::on_page(failed_provider(incoming, &error), sign_in_page()))?;
        Ok(incoming.to_provider(&url, &pending.seal(&ports.flows, ports.entropy.bytes())?))
    })
    .await
}

/// `GET /help-desk/oidc`: the provider's answer. The browser's cookie of the sign-in is removed in every case.
pub(crate) async fn callback(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    let mut response =
        respond(app, incoming, async |ports, incoming| match signed_in(ports, incoming).await {
            Err(HandlerError::Problem(problem, None)) if !matches!(problem, Problem::NotFound) => {
                Err(HandlerError::on_page(problem, sign_in_page()))
            }
            other => other,
        })
        .await;
    forget_pending_sign_in(&mut response);
    response
}

/// Begins the visit of a person who is an agent. A sign-in without the second factor that the deployment names is none.
async fn signed_in(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let provider = provider(ports)?;
    let now = ports.clock.now();
    let pending = incoming.resume_sign_in(now);
    let query = incoming.take_query().map_err(|_| invalid_sign_in(incoming, "malformed answer"))?;
    let pending = pending.ok_or_else(|| invalid_sign_in(incoming, "no pending sign-in"))?;
    let check = ProviderCheck { provider, limits: &*ports.rate_limits, signatures: &*ports.signatures };
    let (identity, step_up) = check.identify(incoming, query, &pending, now).await?;
    let needs_factor = !ports.settings.oidc.step_up_amr.is_empty();
    let session = DeskSession::new(&identity, &ports.settings.desk_agents, ports.entropy.bytes(), now)
        .filter(|_| step_up.is_some() || !needs_factor);
    let Some(session) = session else {
        let who = identity.subject.as_deref().and_then(|subject| Agent::of_provider(subject, &identity.name));
        audit::agent_rejected(ports, who.as_ref(), now).await?;
        return Err(Problem::SignInNoAccount.into());
    };
    audit::signed_in(ports, &session.agent, now).await?;
    let sealed = session.seal(&ports.flows, ports.entropy.bytes())?;
    let view = View::HelpDesk(searching(&session));
    let next = NextPage { view, location: HELP_DESK, cookie: Some(NewCookie::Desk(&sealed)) };
    Ok(incoming.back_from_provider(&next))
}

/// `POST /help-desk/sign-out`.
pub(crate) async fn sign_out(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        provider(ports)?;
        let now = ports.clock.now();
        incoming.take_fields().finish()?;
        if let Some(session) = incoming.desk_session(now)? {
            audit::signed_out(ports, &session.agent, now).await?;
        }
        Ok(incoming.next_page(&NextPage {
            view: sign_in_page(),
            location: HELP_DESK,
            cookie: Some(NewCookie::NoDesk),
        }))
    })
    .await
}
