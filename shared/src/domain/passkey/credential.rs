//! A stored passkey: its public half.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{Bytes, UserHandle};

/// The credential record (§4), written as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Credential {
    pub(super) id: Bytes,
    pub(super) key: PublicKey,
    pub(super) user_handle: UserHandle,
    /// The counter at the registration; the store updates it.
    pub(super) counter: u32,
    pub(super) backup_eligible: bool,
    /// The transports that the browser reported; a hint for later requests (§5.8.4).
    pub(super) transports: Vec<String>,
}

impl Credential {
    /// Reads what [`Credential::to_json`] wrote.
    ///
    /// # Errors
    /// [`CredentialError`] for anything else.
    pub fn parse(json: &str) -> Result<Self, CredentialError> {
        serde_json::from_str(json).map_err(|_| CredentialError)
    }

    /// Returns the passkey as JSON, for storage. It contains no secret.
    pub fn to_json(&self) -> String {
        // Serializing plain data can't fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the hash that identifies its id among all accounts. Ids of authenticators are unique, so a
    /// duplicate was copied (§7.1 step 26).
    pub fn reference(&self) -> [u8; 32] {
        Sha256::digest(&self.id.0).into()
    }

    /// Returns whether it can be copied to other devices of its owner, who then don't lose it with one of
    /// them.
    pub const fn is_synced(&self) -> bool {
        self.backup_eligible
    }
}

/// The stored text is no passkey.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a passkey")]
pub struct CredentialError;

/// A public key. Every authenticator supports one of these algorithms (§5.4, IANA's COSE registry).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "algorithm")]
pub enum PublicKey {
    /// ECDSA on P-256 with SHA-256: most authenticators.
    #[serde(rename = "ES256")]
    Es256 {
        /// The uncompressed point (SEC 1 §2.3.3).
        point: Bytes,
    },
    /// Ed25519: some security keys.
    #[serde(rename = "EdDSA")]
    EdDsa {
        /// The encoded point (RFC 8032 §5.1.2).
        point: Bytes,
    },
    /// RSA with PKCS#1 v1.5 and SHA-256: older security chips of Windows machines.
    #[serde(rename = "RS256")]
    Rs256 {
        /// The modulus, big-endian.
        modulus: Bytes,
        /// The public exponent, big-endian.
        exponent: Bytes,
    },
}

impl PublicKey {
    /// The number of ECDSA on P-256 with SHA-256 in IANA's COSE registry.
    pub const ES256: i64 = -7;
    /// The number of Ed25519 in IANA's COSE registry.
    pub const EDDSA: i64 = -8;
    /// The number of RSA with PKCS#1 v1.5 and SHA-256 in IANA's COSE registry.
    pub const RS256: i64 = -257;

    /// Returns its number in IANA's COSE registry.
    pub const fn algorithm(&self) -> i64 {
        match self {
            Self::Es256 { .. } => Self::ES256,
            Self::EdDsa { .. } => Self::EDDSA,
            Self::Rs256 { .. } => Self::RS256,
        }
    }
}
