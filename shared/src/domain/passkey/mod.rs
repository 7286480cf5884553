//! Passkeys: the requests to a browser and the verification of its answers, by Web Authentication Level 3
//! (<https://www.w3.org/TR/webauthn-3/>) §7.1 and §7.2.
//!
//! This module handles bytes only. The caller passes the function that verifies signatures, like time and
//! random bytes, since a library does the arithmetic.

mod assertion;
mod authenticator_data;
mod client_data;
mod cose;
mod credential;
mod options;
mod registration;
#[cfg(test)]
mod tests;

pub use assertion::Assertion;
pub use credential::{Credential, CredentialError, PublicKey};
pub use options::{CreationOptions, Owner};
pub use registration::Registration;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::account::AccountId;
use super::keys::Keyring;

/// Returns whether a signature over a message was made with a key: key, message, signature.
pub type Verifies<'a> = &'a dyn Fn(&PublicKey, &[u8], &[u8]) -> bool;

/// The owner of the passkeys (§5.1.2). They work on this site only, which prevents phishing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// The domain without scheme and port, which passkeys are bound to.
    pub id: String,
    /// The allowed origins, as browsers write them.
    pub origins: Vec<String>,
}

impl RelyingParty {
    /// Returns the relying party of a site. It depends on the public URL and on nothing in a request: its id
    /// is the host. Browsers refuse an IP address, so passkeys in the local environment need `localhost`.
    pub fn of_site(public_url: &str) -> Self {
        let (scheme, rest) = public_url.split_once("://").unwrap_or_default();
        let authority = rest.split('/').next().unwrap_or_default();
        let mut origins = vec![format!("{scheme}://{authority}")];
        if let Some(port) = authority.strip_prefix("127.0.0.1") {
            origins.push(format!("{scheme}://localhost{port}"));
        }
        let host = authority.split(':').next().unwrap_or_default();
        Self { id: if host == "127.0.0.1" { "localhost" } else { host }.to_owned(), origins }
    }
}

/// The request that an answer must match.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The site that made the request.
    pub party: &'a RelyingParty,
    /// The challenge of the request.
    pub challenge: &'a [u8],
}

/// The authenticator's id of an account (§5.4.3): the same for all passkeys of an account, without any
/// personal data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserHandle(Bytes);

impl UserHandle {
    /// Returns the handle of an account. It uses the oldest key, as decoys do. Each passkey stores it, so
    /// that the passkey outlives that key.
    pub fn of(flows: &Keyring, account: &AccountId) -> Self {
        let tag = flows.tag(flows.oldest(), "rekey/user-handle", &[account.as_str().as_bytes()]);
        Self(Bytes(tag.map_or([0; 32], |tag| *tag.as_bytes()).to_vec()))
    }
}

/// Bytes as unpadded base64url in JSON (§3, RFC 4648 §5).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// Takes bytes.
    pub(in crate::domain) const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    fn read(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok().map(Self)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| serde::de::Error::custom("not base64url"))
    }
}

/// The text is no answer of an authenticator.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not an answer of an authenticator")]
pub struct Malformed;

/// The reason why an answer is rejected.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The answer is to another kind of request: a registration instead of a use, or the reverse.
    #[error("another kind of request")]
    Kind,
    /// The answer is to another challenge: a replay, or an older request.
    #[error("another challenge")]
    Challenge,
    /// The answer comes from a page of another origin: phishing.
    #[error("another origin")]
    Origin,
    /// The page was embedded in another one.
    #[error("a page within another")]
    Embedded,
    /// The authenticator signed for another relying party.
    #[error("another relying party")]
    RelyingParty,
    /// The authenticator reports no user presence.
    #[error("the user was not present")]
    NotPresent,
    /// The authenticator did not verify the user.
    #[error("the user was not verified")]
    NotVerified,
    /// Its backup flags contradict each other, or those of the registration.
    #[error("backup flags that do not fit")]
    Backup,
    /// Its algorithm or attestation was not requested.
    #[error("an algorithm or attestation that was not asked for")]
    Unsupported,
    /// The passkey belongs to another account.
    #[error("the passkey of another user, or of none")]
    User,
    /// The signature does not match the passkey.
    #[error("a wrong signature")]
    Signature,
    /// Its counter did not increase: the authenticator may be cloned.
    #[error("the counter did not move forward")]
    Counter,
}
