//! The answer of the identity provider to a sign-in, for people and for agents of the help desk.

use super::form_fields::FormFields;
use super::handler_error::HandlerResult;
use super::incoming_request::IncomingRequest;
use super::problem::Problem;
use crate::domain::keys::Tag;
use crate::domain::oidc::{Expected, IdToken, Identity, PendingSignIn, TokenRefusal};
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;
use crate::ports::{IdentityProvider, ProviderError, RateLimitStore, SignatureVerifier};

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

/// What is needed to check an answer of the provider.
#[derive(Clone, Copy)]
pub struct ProviderCheck<'a> {
    /// The provider.
    pub provider: &'a dyn IdentityProvider,
    /// Counts each answer once.
    pub limits: &'a dyn RateLimitStore,
    /// Verifies the signature of the ID token.
    pub signatures: &'a dyn SignatureVerifier,
}

impl ProviderCheck<'_> {
    /// Returns the person that the provider's answer names, and the tag of the answer if it stands for the step-up. An answer
    /// counts once.
    ///
    /// # Errors
    /// `sign-in-invalid`, `sign-in-cancelled` or `provider-unavailable`.
    pub async fn identify(
        &self,
        incoming: &IncomingRequest,
        mut query: FormFields,
        pending: &PendingSignIn,
        now: Timestamp,
    ) -> HandlerResult<(Identity, Option<Tag>)> {
        if !query.take("state").is_some_and(|state| pending.is_answered_by(&state)) {
            return Err(invalid_sign_in(incoming, "state").into());
        }
        let once =
            RateLimit::ProviderSignIn { spend_id: pending.spend_id(), expires_at: pending.expires_at() };
        if !self.limits.try_acquire(&once, 1, now).await? {
            return Err(invalid_sign_in(incoming, "used").into());
        }
        if let Some(error) = query.take("error") {
            return Err(match PROVIDER_ERRORS.into_iter().find(|known| **known == **error) {
                Some(code) => failed_provider(incoming, &ProviderError::Unavailable(code.into())),
                None => Problem::SignInCancelled,
            }
            .into());
        }
        let (code, iss) = (query.take("code"), query.take("iss"));
        let code = code.ok_or_else(|| invalid_sign_in(incoming, "no code"))?;
        let refused = |error| failed_provider(incoming, &error);
        let iss = iss.as_ref().map(|iss| iss.as_str());
        let text = self.provider.redeem(&code, iss, pending, now).await.map_err(refused)?;
        let rejected = |refusal: TokenRefusal| invalid_sign_in(incoming, &refusal.to_string());
        let token = IdToken::parse(&text).map_err(rejected)?;
        let key = self.provider.key(token.key(), now).await.map_err(refused)?;
        let client = &incoming.app.settings.oidc;
        let expected = Expected { client, nonce: pending.nonce(), started_at: pending.started_at() };
        let verifies =
            |key: &_, message: &[u8], signature: &[u8]| self.signatures.verifies_jws(key, message, signature);
        let identity = token.verify(key.as_ref(), verifies, &expected, now).map_err(rejected)?;
        let flows = &incoming.app.flows;
        let answer = || flows.tag(flows.current(), "rekey/oidc-answer", &[code.as_bytes()]);
        let step_up = client.is_step_up(&identity).then(answer).flatten();
        Ok((identity, step_up))
    }
}

/// Returns the problem of an answer that is not the one of this browser's sign-in, or not valid, and logs why.
pub fn invalid_sign_in(incoming: &IncomingRequest, reason: &str) -> Problem {
    tracing::warn!(event = "sign_in.failed", reason, address = incoming.address_block().to_string());
    Problem::SignInInvalid
}

/// Returns the problem of a failed provider, and logs why.
pub fn failed_provider(incoming: &IncomingRequest, error: &ProviderError) -> Problem {
    match error {
        ProviderError::Refused(reason) => invalid_sign_in(incoming, reason),
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
