//! Verification of public-key signatures.

use crate::domain::passkey::PublicKey;

/// Verifies signatures of passkeys.
pub trait SignatureVerifier: Send + Sync {
    /// Returns whether `signature` was made with the key over `message`: ECDSA in DER, Ed25519 in 64 bytes,
    /// RSA with PKCS#1 v1.5 (Web Authentication Level 3 §6.5.5). An invalid key verifies nothing.
    fn verifies(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool;
}
