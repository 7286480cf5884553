//! Codes of an authenticator app: RFC 6238 with SHA-1, 30 seconds, six digits, one time step either way.

use std::fmt;

use thiserror::Error;
use totp_rs::{Builder, Secret};
use zeroize::Zeroizing;

use super::code::OneTimeCode;
use super::keys::{Keyring, SealError};
use super::time::Timestamp;

/// The purpose in the key derivation.
const PURPOSE: &str = "rekey/totp-seed";

/// The shared secret of one authenticator app, in base32. Tables contain it sealed, and only for its owner.
pub struct TotpSeed(Zeroizing<String>);

impl TotpSeed {
    /// Reads a base32 secret.
    ///
    /// # Errors
    /// [`SeedError`] when it is no base32 or shorter than the 128 bits of RFC 4226 §4.
    pub fn parse(base32: &str) -> Result<Self, SeedError> {
        let text: String = base32.chars().filter(|c| !c.is_whitespace()).collect();
        let seed = Self(Zeroizing::new(text.trim_end_matches('=').to_ascii_uppercase()));
        seed.generator().map(|_| seed)
    }

    /// Returns a new secret of 160 bits, the length that RFC 4226 §4 recommends.
    pub fn generate(entropy: [u8; 20]) -> Self {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut text = Zeroizing::new(String::with_capacity(32));
        // Five bytes yield eight letters (RFC 4648 §6), without padding.
        for chunk in entropy.chunks(5) {
            let bits = chunk.iter().fold(0_u64, |bits, byte| bits * 256 + u64::from(*byte));
            for letter in (0..8).rev() {
                let index = usize::try_from(bits >> (5 * letter) & 31).unwrap_or_default();
                text.push(char::from(ALPHABET[index]));
            }
        }
        Self(text)
    }

    /// Returns the secret, for the app that stores it and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Seals the seed with its owner as associated data.
    ///
    /// # Errors
    /// As [`Keyring::seal`].
    pub fn seal(&self, seeds: &Keyring, owner: &str, nonce: [u8; 24]) -> Result<String, SealError> {
        seeds.seal(PURPOSE, owner.as_bytes(), self.0.as_bytes(), nonce)
    }

    /// Opens a sealed seed.
    ///
    /// # Errors
    /// [`SealError`] when it was sealed for another owner.
    pub fn open(seeds: &Keyring, owner: &str, sealed: &str) -> Result<Self, SealError> {
        let bytes = seeds.open(PURPOSE, owner.as_bytes(), sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SealError)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Returns the time step of `code`, if it is one of the three around `now`. The caller accepts a step
    /// only once (RFC 6238 §5.2): it must be later than the last accepted one.
    pub fn matching_step(&self, code: &OneTimeCode, now: Timestamp) -> Option<u64> {
        self.generator().ok()?.check(code.expose(), now.as_unsigned())
    }

    fn generator(&self) -> Result<totp_rs::Totp, SeedError> {
        let secret = Secret::try_from_base32(self.0.as_str()).map_err(|_| SeedError)?;
        Builder::new().with_secret(secret).build().map_err(|_| SeedError)
    }
}

impl fmt::Debug for TotpSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSeed(..)")
    }
}

/// The text is no base32 secret of at least 128 bits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a base32 secret of at least 128 bits")]
pub struct SeedError;

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6238 appendix B: the ASCII secret 12345678901234567890.
    const RFC_SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn step(code: &str, at: i64) -> Option<u64> {
        let seed = TotpSeed::parse(RFC_SEED).unwrap();
        seed.matching_step(&OneTimeCode::parse(code).unwrap(), Timestamp::from_seconds(at))
    }

    /// Controls: C-090.
    #[test]
    fn totp_matches_rfc_6238_vectors() {
        // The RFC lists eight digits; six are their last six.
        assert_eq!(step("287082", 59), Some(1));
        assert_eq!(step("081804", 1_111_111_109), Some(37_037_036));
        assert_eq!(step("005924", 1_234_567_890), Some(41_152_263));
    }

    /// Controls: C-029.
    #[test]
    fn totp_accepts_one_step_of_clock_drift() {
        assert_eq!(step("005924", 1_234_567_890 + 30), Some(41_152_263));
        assert_eq!(step("005924", 1_234_567_890 - 30), Some(41_152_263));
        assert_eq!(step("005924", 1_234_567_890 + 60), None);
        assert_eq!(step("005924", 1_234_567_890 - 60), None);
        assert_eq!(step("00592", 1_234_567_890), None);
    }

    #[test]
    fn generated_seed_is_rfc_base32() {
        // RFC 4226 appendix D's secret, whose base32 form is that of RFC 6238's.
        assert_eq!(TotpSeed::generate(*b"12345678901234567890").expose(), RFC_SEED);
    }

    /// Controls: C-089.
    #[test]
    fn sealed_seed_opens_for_its_owner_only() {
        let keys = Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
        let sealed = TotpSeed::parse(RFC_SEED).unwrap().seal(&keys, "aisyah", [1; 24]).unwrap();
        assert!(TotpSeed::open(&keys, "aisyah", &sealed).is_ok());
        assert!(TotpSeed::open(&keys, "weiling", &sealed).is_err());
        assert!(!sealed.contains(RFC_SEED));
        assert_eq!(format!("{:?}", TotpSeed::parse(RFC_SEED).unwrap()), "TotpSeed(..)");
    }

    /// Controls: C-078.
    #[test]
    fn malformed_or_short_seed_is_rejected() {
        for text in ["", "ABC", "not base32!", "MFRGGZDF"] {
            assert!(TotpSeed::parse(text).is_err(), "{text}");
        }
    }
}
