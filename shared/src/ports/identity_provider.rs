//! The university's identity provider, over OpenID Connect.

use std::error::Error;

use async_trait::async_trait;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::domain::oidc::{KeyRef, PendingSignIn};
use crate::domain::passkey::PublicKey;
use crate::domain::time::Timestamp;

/// Signs people in elsewhere. Only `enrolment` has it, and `help-desk` for its agents.
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// Returns the address that the browser is sent to for a sign-in.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`].
    async fn authorization_url(
        &self,
        pending: &PendingSignIn,
        now: Timestamp,
    ) -> Result<String, ProviderError>;

    /// Exchanges the code of a sign-in for its ID token, which is not checked yet. `iss` is the issuer that the answer
    /// names, if it names one.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn redeem(
        &self,
        code: &str,
        iss: Option<&str>,
        pending: &PendingSignIn,
        now: Timestamp,
    ) -> Result<Zeroizing<String>, ProviderError>;

    /// Returns the signing key that a token names; `None` if the provider has none.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`].
    async fn key(&self, wanted: &KeyRef, now: Timestamp) -> Result<Option<PublicKey>, ProviderError>;
}

/// The reason why the provider gave no answer. It quotes no code, token or secret.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// The provider is slow or unreachable, or does not know Rekey as it is set up.
    #[error("the identity provider is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The answer is not the provider's, or the provider does not accept the code: why, for the log.
    #[error("the sign-in is refused: {0}")]
    Refused(&'static str),
}
