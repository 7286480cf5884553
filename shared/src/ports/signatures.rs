//! The arithmetic of public keys.

use crate::domain::passkey::PublicKey;

/// Checks signatures.
pub trait SignatureVerifier: Send + Sync {
    /// Whether `signature` is the key's over `message`: of ECDSA in DER, of Ed25519 64 bytes, of RSA PKCS#1 v1.5 (Web
    /// Authentication Level 3 §6.5.5). A key that is none has signed nothing.
    fn verifies(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool;
}
