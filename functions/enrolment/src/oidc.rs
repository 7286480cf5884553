//! Sign-in with the university's identity provider (OpenID Connect Core §3.1, RFC 9700).
//!
//! The start seals state, nonce and verifier into a cookie and sends the browser to the provider. The callback checks
//! them, exchanges the code for an ID token, checks the token, and begins the session of the account that it names.

use axum::extract::State;
use axum::response::Response;
use shared::domain::account::{Account, AccountId};
use shared::domain::keys::Tag;
use shared::domain::name::{CanonicalName, NameRef};
use shared::domain::oidc::{Expected, IdToken, Identity, PendingSignIn, TokenRefusal};
use shared::domain::rate_limit::RateLimit;
use shared::domain::time::Timestamp;
use shared::http::problem::Problem;
use shared::http::security_info::HOME;
use shared::http::view::View;
use shared::http::{
    App, FormFields, HandlerError, HandlerResult, IncomingRequest, forget_pending_sign_in, respond,
};
use shared::ports::{EntropyExt as _, IdentityProvider, ProviderError};

use super::ports::Ports;
use super::sign_in::{Beginning, begin};

/// Errors of the provider that say nothing about the person (RFC 6749 §4.1.2.1): it does not work, or does not know
/// Rekey as it is set up. All others mean that the sign-in ended there.
const PROVIDER_ERRORS: [&str; 6] = [
    "server_error",
    "temporarily_unavailable",
    "invalid_request",
    "unauthorized_client",
    "unsupported_response_type",
    "invalid_scope",
];

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
        let url = url.map_err(|error| on_page(incoming, failed(incoming, &error)))?;
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
    let query = incoming.take_query().map_err(|_| invalid(incoming, "malformed answer"))?;
    let pending = pending.ok_or_else(|| invalid(incoming, "no pending sign-in"))?;
    let (identity, step_up) = identify(ports, provider, incoming, query, &pending, now).await?;
    let (account, name) = find(ports, incoming, &identity).await?;
    let epoch = ports.security_info.registration(&account.id, now).await?.device_epoch;
    let known_device = incoming.is_known_device(&account.id, epoch, now);
    let back = incoming.back.clone();
    let beginning =
        Beginning { account: &account, name: &name, back, changes_password: false, known_device, step_up };
    let begun = begin(ports, incoming, beginning, now).await?;
    Ok(incoming.back_from_provider(&begun.next_page()))
}

/// Returns the person that the provider's answer names, and the tag of the answer if it stands for the step-up. An answer
/// counts once.
async fn identify(
    ports: &Ports,
    provider: &dyn IdentityProvider,
    incoming: &IncomingRequest,
    mut query: FormFields,
    pending: &PendingSignIn,
    now: Timestamp,
) -> HandlerResult<(Identity, Option<Tag>)> {
    if !query.take("state").is_some_and(|state| pending.is_answered_by(&state)) {
        return Err(invalid(incoming, "state").into());
    }
    let once = RateLimit::ProviderSignIn { spend_id: pending.spend_id(), expires_at: pending.expires_at() };
    if !ports.rate_limits.try_acquire(&once, 1, now).await? {
        return Err(invalid(incoming, "used").into());
    }
    if let Some(error) = query.take("error") {
        return Err(match PROVIDER_ERRORS.into_iter().find(|known| **known == **error) {
            Some(code) => failed(incoming, &ProviderError::Unavailable(code.into())),
            None => Problem::SignInCancelled,
        }
        .into());
    }
    let (code, iss) = (query.take("code"), query.take("iss"));
    let code = code.ok_or_else(|| invalid(incoming, "no code"))?;
    let refused = |error| failed(incoming, &error);
    let iss = iss.as_ref().map(|iss| iss.as_str());
    let text = provider.redeem(&code, iss, pending, now).await.map_err(refused)?;
    let rejected = |refusal: TokenRefusal| invalid(incoming, &refusal.to_string());
    let token = IdToken::parse(&text).map_err(rejected)?;
    let key = provider.key(token.key(), now).await.map_err(refused)?;
    let client = &ports.app.settings.oidc;
    let expected = Expected { client, nonce: pending.nonce(), started_at: pending.started_at() };
    let verifies =
        |key: &_, message: &[u8], signature: &[u8]| ports.signatures.verifies_jws(key, message, signature);
    let identity = token.verify(key.as_ref(), verifies, &expected, now).map_err(rejected)?;
    let flows = &ports.app.flows;
    let answer = || flows.tag(flows.current(), "rekey/oidc-answer", &[code.as_bytes()]);
    let step_up = client.is_step_up(&identity).then(answer).flatten();
    Ok((identity, step_up))
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

/// Returns the problem of an answer that is not the one of this browser's sign-in, or not valid, and logs why.
fn invalid(incoming: &IncomingRequest, reason: &str) -> Problem {
    tracing::warn!(event = "sign_in.failed", reason, address = incoming.address_block().to_string());
    Problem::SignInInvalid
}

/// Returns the problem of a failed provider, and logs why.
fn failed(incoming: &IncomingRequest, error: &ProviderError) -> Problem {
    match error {
        ProviderError::Refused(reason) => invalid(incoming, reason),
        ProviderError::Unavailable(cause) => {
            let causes = cause.to_string();
            tracing::error!(
                event = "request.failed",
                what = "identity provider",
                causes,
                path = incoming.path
            );
            Problem::ProviderUnavailable
        }
    }
}

/// Returns a problem on the sign-in page, which can begin again.
fn on_page(incoming: &IncomingRequest, problem: Problem) -> HandlerError {
    HandlerError::on_page(problem, View::SignIn(incoming.sign_in_page(incoming.back.clone())))
}
