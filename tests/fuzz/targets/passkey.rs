//! A site, and a substitute for signatures that a target can compute.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::domain::passkey::{PublicKey, RelyingParty};

pub(crate) const ORIGIN: &str = "https://example.org";
pub(crate) const CHALLENGE: [u8; 32] = [7; 32];

/// Flags of authenticator data (§6.1).
pub(crate) const PRESENT: u8 = 1;
pub(crate) const VERIFIED: u8 = 1 << 2;
pub(crate) const BACKUP_ELIGIBLE: u8 = 1 << 3;
pub(crate) const BACKED_UP: u8 = 1 << 4;
pub(crate) const HAS_CREDENTIAL: u8 = 1 << 6;
pub(crate) const HAS_EXTENSIONS: u8 = 1 << 7;

pub(crate) fn party() -> RelyingParty {
    RelyingParty::of_site(ORIGIN)
}

/// Returns the substitute for a signature: a hash.
pub(crate) fn signature(message: &[u8]) -> Vec<u8> {
    Sha256::new_with_prefix(b"signature").chain_update(message).finalize().to_vec()
}

/// Verifies the substitute.
pub(crate) fn verifies(_: &PublicKey, message: &[u8], signed: &[u8]) -> bool {
    signed == signature(message)
}

/// Returns the bytes that an authenticator signs.
pub(crate) fn signed(data: &[u8], client_data: &[u8]) -> Vec<u8> {
    [data, &Sha256::digest(client_data)[..]].concat()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn client_data(kind: &str) -> Vec<u8> {
    json!({ "type": kind, "challenge": text(&CHALLENGE), "origin": ORIGIN }).to_string().into_bytes()
}

pub(crate) fn answer(id: &[u8], response: &Value) -> String {
    json!({ "id": text(id), "rawId": text(id), "type": "public-key", "response": response }).to_string()
}

/// Returns whether the fixed part of authenticator data is as required, read by offsets.
pub(crate) fn is_acceptable(data: &[u8]) -> bool {
    data.len() >= 37
        && data[..32] == Sha256::digest(b"example.org")[..]
        && data[32] & PRESENT != 0
        && data[32] & VERIFIED != 0
        && (data[32] & BACKED_UP == 0 || data[32] & BACKUP_ELIGIBLE != 0)
}
