//! Verification of public-key signatures.

use crate::domain::passkey::PublicKey;

/// Verifies signatures of passkeys and of the identity provider.
pub trait SignatureVerifier: Send + Sync {
    /// Returns whether `signature` was made with the key over `message`: ECDSA in DER, Ed25519 in 64 bytes,
    /// RSA with PKCS#1 v1.5 (Web Authentication Level 3 §6.5.5). An invalid key verifies nothing.
    fn verifies(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool;

    /// Returns the same for a JWS, where ECDSA has the 64 bytes of R and S (RFC 7518 §3.4).
    fn verifies_jws(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool;
}
