//! Signatures over ring, which every function already contains for TLS.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use crate::domain::passkey::PublicKey;
use crate::ports::SignatureVerifier;

/// Verifies signatures with ring.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingSignatures;

impl SignatureVerifier for RingSignatures {
    fn verifies(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let result = match key {
            PublicKey::Es256 { point } => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point.as_slice()).verify(message, signature)
            }
            PublicKey::EdDsa { point } => {
                UnparsedPublicKey::new(&ED25519, point.as_slice()).verify(message, signature)
            }
            PublicKey::Rs256 { modulus, exponent } => {
                RsaPublicKeyComponents { n: modulus.as_slice(), e: exponent.as_slice() }.verify(
                    &RSA_PKCS1_2048_8192_SHA256,
                    message,
                    signature,
                )
            }
        };
        result.is_ok()
    }
}
