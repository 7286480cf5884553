//! Sign-in with the university's identity provider (OpenID Connect Core §3.1, RFC 9700).
//!
//! The start seals state, nonce and verifier into a cookie and sends the browser to the provider. The callback checks
//! them, exchanges the code for an ID token, checks the token, and begins the session of the account that it names.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{Account, AccountId};
use shared::domain::name::{CanonicalName, NameRef};
use shared::domain::oidc::{Identity, PendingSignIn};
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::provider::{ProviderCheck, failed_provider, invalid_sign_in};
use shared::http::security_info::HOME;
use shared::http::view::View;
use shared::http::{App, HandlerError, HandlerResult, IncomingRequest, forget_pending_sign_in, respond};
use shared::ports::{EntropyExt as _, IdentityProvider};

use super::ports::Ports;
use super::sign_in::{Beginning, begin};

/// `GET /security-info/oidc/start`: sends the browser to the provider. A link or form of another site leads to the
/// sign-in page instead, so that only the person begins a sign-in.
pub(crate) async fn start(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    respond(app, incoming, async |ports, incoming| {
        let provider = ports.identity_provider.as_ref().ok_or(Problem::NotFound)?;
        if incoming.is_cross_site {
            return Ok(incoming.redirect(HOME, None));
        }
        let now = ports.clock.now();
        let random = [ports.entropy.bytes(), ports.entropy.bytes(), ports.entropy.bytes()];
        let pending = incoming.begin_sign_in(random, ports.entropy.bytes(), now)?;
        let url = provider.authorization_url(&pending, now).await;
        let url = url.map_err(|error| on_page(incoming, failed_provider(incoming, &error)))?;
        Ok(incoming.to_provider(&url, &pending.seal(&ports.app.flows, ports.entropy.bytes())?))
    })
    .await
}

/// `GET /security-info/oidc`: the provider's answer. The browser's cookie of the sign-in is removed in every case.
pub(crate) async fn callback(app: State<App<Ports>>, incoming: IncomingRequest) -> Response {
    let mut response = respond(app, incoming, try_callback).await;
    forget_pending_sign_in(&mut response);
    response
}

async fn try_callback(ports: &Ports, incoming: &mut IncomingRequest) -> HandlerResult {
    let provider = ports.identity_provider.as_ref().ok_or(Problem::NotFound)?;
    let now = ports.clock.now();
    let pending = incoming.resume_sign_in(now);
    match signed_in(ports, provider.as_ref(), incoming, pending, now).await {
        Ok(response) => Ok(response),
        Err(HandlerError::Problem(problem, None)) => Err(on_page(incoming, problem)),
        Err(failure) => Err(failure),
    }
}

async fn signed_in(
    ports: &Ports,
    provider: &dyn IdentityProvider,
    incoming: &mut IncomingRequest,
    pending: Option<PendingSignIn>,
    now: Timestamp,
) -> HandlerResult {
    let query = incoming.take_query().map_err(|_| invalid_sign_in(incoming, "malformed answer"))?;
    let pending = pending.ok_or_else(|| invalid_sign_in(incoming, "no pending sign-in"))?;
    let check = ProviderCheck { provider, limits: &*ports.rate_limits, signatures: &*ports.signatures };
    let (identity, step_up) = check.identify(incoming, query, &pending, now).await?;
    let (account, name) = find(ports, incoming, &identity).await?;
    let epoch = ports.security_info.registration(&account.id, now).await?.device_epoch;
    let known_device = incoming.is_known_device(&account.id, epoch, now);
    let back = incoming.back.clone();
    let beginning =
        Beginning { account: &account, name: &name, back, changes_password: false, known_device, step_up };
    let begun = begin(ports, incoming, beginning, now).await?;
    Ok(incoming.back_from_provider(&begun.next_page()))
}

/// Returns the account that a person is known by, if it may use self-service.
async fn find(
    ports: &Ports,
    incoming: &IncomingRequest,
    identity: &Identity,
) -> HandlerResult<(Account, NameRef)> {
    let settings = &ports.app.settings;
    let name = CanonicalName::parse(&identity.name, &settings.login_domains).ok();
    let found = if settings.oidc.claim_is_id() {
        match AccountId::from_directory(&*identity.name) {
            Ok(id) => ports.directory.account(&id).await?,
            Err(_) => None,
        }
    } else {
        match name.as_ref().filter(|name| name.is_spelled(&identity.name)) {
            Some(name) => ports.directory.find(name).await?,
            None => None,
        }
    };
    let name = name.map(|name| name.reference(&ports.app.flows));
    match (found.filter(|account| account.state.may_reset()), name) {
        (Some(account), Some(name)) => Ok((account, name)),
        (_, name) => {
            tracing::info!(event = "sign_in.rejected", ?name, address = incoming.address_block().to_string());
            Err(Problem::SignInNoAccount.into())
        }
    }
}

/// Returns a problem on the sign-in page, which can begin again.
fn on_page(incoming: &IncomingRequest, problem: Problem) -> HandlerError {
    HandlerError::on_page(problem, View::SignIn(incoming.sign_in_page(incoming.back.clone())))
}
