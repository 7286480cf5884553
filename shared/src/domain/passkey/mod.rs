//! Passkeys: what a browser is asked for, and what is believed of its answer, by Web Authentication Level 3
//! (<https://www.w3.org/TR/webauthn-3/>) §7.1 and §7.2.
//!
//! Everything here is about bytes. Whether a signature is right is asked of a function that is handed in, as time and
//! entropy are, since its arithmetic is a library's.

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

/// Whether a signature over a message is that of a key.
pub type Verifies<'a> = &'a dyn Fn(&PublicKey, &[u8], &[u8]) -> bool;

/// Whose passkeys are asked for (§5.1.2): they serve this site and no other, which is why nobody can be talked into
/// using one elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// The domain, without scheme and port.
    pub id: String,
    /// The origins whose pages may ask, as browsers write them.
    pub origins: Vec<String>,
}

impl RelyingParty {
    /// The relying party of a site. It follows from the public URL and from nothing that a request says: its id is the
    /// host. A browser takes no address for one, so on a laptop passkeys are used at `localhost`.
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

/// What an answer has to be to.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who asked.
    pub party: &'a RelyingParty,
    /// The challenge that was handed out.
    pub challenge: &'a [u8],
}

/// What an authenticator knows an account by (§5.4.3): the same for all passkeys of an account, and no name of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserHandle(Bytes);

impl UserHandle {
    /// The handle of an account. It hangs on the oldest key, as decoys do, and is kept with each passkey, so that one
    /// outlives the key that its handle was made with.
    pub fn of(flows: &Keyring, account: &AccountId) -> Self {
        let tag = flows.tag(flows.oldest(), "rekey/user-handle", &[account.as_str().as_bytes()]);
        Self(Bytes(tag.map_or([0; 32], |tag| *tag.as_bytes()).to_vec()))
    }
}

/// Bytes that are written in JSON as unpadded base64url (§3, RFC 4648 §5).
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// The bytes.
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

/// An answer that is no answer of an authenticator at all.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not an answer of an authenticator")]
pub struct Malformed;

/// Why an answer is not believed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// It answers another kind of request.
    #[error("another kind of request")]
    Kind,
    /// It answers another challenge.
    #[error("another challenge")]
    Challenge,
    /// It was given on a page of another origin.
    #[error("another origin")]
    Origin,
    /// The page that asked stood within another one.
    #[error("a page within another")]
    Embedded,
    /// It is for another relying party.
    #[error("another relying party")]
    RelyingParty,
    /// Nobody touched the authenticator.
    #[error("nobody was present")]
    NotPresent,
    /// The authenticator did not find out who touched it.
    #[error("the user was not verified")]
    NotVerified,
    /// What it says of backups contradicts itself, or what it said before.
    #[error("backup flags that do not fit")]
    Backup,
    /// It is of a kind that was not asked for.
    #[error("an algorithm or attestation that was not asked for")]
    Unsupported,
    /// The passkey is none of this account.
    #[error("another user's, or nobody's")]
    User,
    /// The signature is not that of the passkey.
    #[error("a wrong signature")]
    Signature,
    /// Its counter did not move forward: there are two of this authenticator.
    #[error("the counter did not move forward")]
    Counter,
}
