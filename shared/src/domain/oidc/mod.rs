//! Sign-in with the university's identity provider: OpenID Connect Core 1.0, authorization code flow with PKCE.
//!
//! [`PendingSignIn`] is what the browser keeps between the start and the callback. [`ProviderMetadata`] and [`KeySet`]
//! are the provider's documents. [`IdToken`] is its answer, which counts only after every check.

mod id_token;
mod key_set;
mod metadata;
mod pending;

pub use id_token::{Expected, IdToken, TokenRefusal};
pub use key_set::{Algorithm, KeyRef, KeySet};
pub use metadata::{ClientAuthentication, ProviderMetadata, is_issuer, is_loopback};
pub use pending::{LIFETIME, PendingSignIn};

use std::fmt;

use serde::Deserialize;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::time::Seconds;

/// The path that the provider sends browsers back to.
pub const CALLBACK: &str = "/security-info/oidc";

/// The path that it sends agents of the help desk back to.
pub const HELP_DESK_CALLBACK: &str = "/help-desk/oidc";

/// The claim that names an account by its id in the directory instead of by a login.
const ID_CLAIM: &str = "sub";
/// The claim that counts only with `email_verified`: many providers let people type any address.
const EMAIL_CLAIM: &str = "email";

/// Rekey as the identity provider knows it, and what Rekey asks of a sign-in.
#[derive(Clone, Debug)]
pub struct OidcClient {
    /// `REKEY_OIDC_ISSUER`: the provider's identifier, compared byte by byte.
    pub issuer: String,
    /// `REKEY_OIDC_CLIENT_ID`: Rekey's identifier at the provider.
    pub client_id: String,
    /// `REKEY_OIDC_CLAIM`: the claim that names the account.
    pub claim: String,
    /// `REKEY_OIDC_STEP_UP_AMR`: values of `amr` (RFC 8176) that stand for the step-up.
    pub step_up_amr: Vec<String>,
    /// `REKEY_OIDC_MAX_AGE_SECS`: the greatest age of the sign-in at the provider; `None` accepts any.
    pub max_age: Option<Seconds>,
}

impl OidcClient {
    /// Returns whether the claim has the id of an account in the directory, and not a login.
    pub fn claim_is_id(&self) -> bool {
        self.claim == ID_CLAIM
    }

    /// Returns whether the provider verified a factor that stands for the step-up.
    pub fn is_step_up(&self, identity: &Identity) -> bool {
        identity.amr.iter().any(|value| self.step_up_amr.contains(value))
    }
}

/// The person that an ID token names.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The value of the claim that names the account.
    pub name: String,
    /// The provider's id of the person, which never changes.
    pub subject: Option<String>,
    /// The groups and roles of the person, if the provider tells them.
    pub groups: Vec<String>,
    /// How the provider verified the person (RFC 8176).
    amr: Vec<String>,
}

#[cfg(test)]
impl Identity {
    pub(crate) fn for_tests(name: &str, subject: Option<&str>, groups: Vec<String>) -> Self {
        Self { name: name.to_owned(), subject: subject.map(str::to_owned), groups, amr: Vec::new() }
    }
}

/// Prints no name.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// The secret that authenticates Rekey at the token endpoint.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ClientSecret(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    client_secret: String,
}

impl ClientSecret {
    /// Reads the secret's text: `{"client_secret": "…"}`.
    ///
    /// # Errors
    /// [`ClientSecretError`] when it has another form, or the value is empty or can't be in a form.
    pub fn from_secret(text: &str) -> Result<Self, ClientSecretError> {
        let Written { client_secret } = serde_json::from_str(text).map_err(|_| ClientSecretError)?;
        let secret = Self(client_secret);
        let fits =
            (1..=512).contains(&secret.0.len()) && secret.0.bytes().all(|b| (b' '..=b'~').contains(&b));
        if fits { Ok(secret) } else { Err(ClientSecretError) }
    }

    /// Returns the value, for the token endpoint.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Prints no value.
impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

/// The text is no client secret. The error never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is not a JSON object with `client_secret` of 1 to 512 printable ASCII characters")]
pub struct ClientSecretError;

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-198.
    #[test]
    fn client_secret_is_read_and_never_printed() {
        let secret = ClientSecret::from_secret(r#"{"client_secret":"a~B 1"}"#).unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("a~B 1", "ClientSecret"));
        let long = format!(r#"{{"client_secret":"{}"}}"#, "a".repeat(513));
        for bad in
            ["a", "{}", r#"{"client_secret":""}"#, r#"{"client_secret":"é"}"#, r#"{"secret":"a"}"#, &long]
        {
            assert_eq!(ClientSecret::from_secret(bad).unwrap_err(), ClientSecretError, "{bad}");
        }
    }
}
