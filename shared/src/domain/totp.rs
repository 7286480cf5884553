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

/// The bits of a secret that RFC 4226 §4 requires.
const BITS_MIN: usize = 128;

/// The bits of the shortest secret that an import accepts. Google's and Moodle's apps were issued with 80.
const IMPORTED_BITS_MIN: usize = 80;

impl TotpSeed {
    /// Reads a base32 secret.
    ///
    /// # Errors
    /// [`SeedError`] when it is no base32 or shorter than the 128 bits of RFC 4226 §4.
    pub fn parse(base32: &str) -> Result<Self, SeedError> {
        Self::read(base32, BITS_MIN)
    }

    /// Reads a secret as other systems issue it: base32 in any case, with spaces and hyphens, or an `otpauth:`
    /// address (Google's Key URI format) of the one kind of codes that Rekey checks.
    ///
    /// # Errors
    /// [`SeedError`] with what is not supported.
    pub fn from_other_system(text: &str) -> Result<Self, SeedError> {
        let text = text.trim();
        let address = text.split_once("://").filter(|(scheme, _)| scheme.eq_ignore_ascii_case("otpauth"));
        let Some((_, rest)) = address else { return Self::read(text, IMPORTED_BITS_MIN) };
        let (path, query) = rest.split_once('?').ok_or(SeedError::NotBase32)?;
        let kind = path.split('/').next().unwrap_or_default();
        if !kind.eq_ignore_ascii_case("totp") {
            return Err(SeedError::Counter);
        }
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        for (name, supported, error) in [
            ("algorithm", "SHA1", SeedError::Algorithm),
            ("digits", "6", SeedError::Digits),
            ("period", "30", SeedError::Period),
        ] {
            if value(name).is_some_and(|value| !value.replace('-', "").eq_ignore_ascii_case(supported)) {
                return Err(error);
            }
        }
        let secret = value("secret").ok_or(SeedError::NotBase32)?;
        Self::read(&Zeroizing::new(secret.replace("%3D", "=").replace("%3d", "=")), IMPORTED_BITS_MIN)
    }

    /// Returns whether it has fewer bits than RFC 4226 §4 requires.
    pub fn is_short(&self) -> bool {
        self.bits() < BITS_MIN
    }

    fn read(base32: &str, bits_min: usize) -> Result<Self, SeedError> {
        let text: Zeroizing<String> =
            Zeroizing::new(base32.chars().filter(|c| !c.is_whitespace() && *c != '-').collect());
        let seed = Self(Zeroizing::new(text.trim_end_matches('=').to_ascii_uppercase()));
        seed.generator()?;
        if seed.bits() < bits_min { Err(SeedError::Short) } else { Ok(seed) }
    }

    /// Returns the whole bytes of the secret, in bits: a letter of base32 has five.
    fn bits(&self) -> usize {
        self.0.len() * 5 / 8 * 8
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
        let secret = Secret::try_from_base32(self.0.as_str()).map_err(|_| SeedError::NotBase32)?;
        // `read` has checked the length, which the library would compare with 128 bits.
        Ok(Builder::new().with_secret(secret).build_noncompliant())
    }
}

impl fmt::Debug for TotpSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSeed(..)")
    }
}

/// The reason why a secret is rejected.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SeedError {
    /// It is no base32, or an address without a secret.
    #[error("not a base32 secret")]
    NotBase32,
    /// It has too few bits.
    #[error("a secret of too few bits")]
    Short,
    /// Its codes count up (HOTP).
    #[error("a secret of codes by counter")]
    Counter,
    /// Its codes are made with another algorithm than SHA-1.
    #[error("a secret of another algorithm than SHA1")]
    Algorithm,
    /// Its codes have not six digits.
    #[error("a secret of codes that have not six digits")]
    Digits,
    /// Its codes change at another pace than every 30 seconds.
    #[error("a secret of another period than 30 seconds")]
    Period,
}

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

    #[test]
    fn seeds_of_other_systems_are_read() {
        for text in [
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ====",
            "otpauth://totp/Uni:aisyah?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Uni",
            "OTPAUTH://TOTP/x?period=30&digits=6&algorithm=SHA1&Secret=gezdgnbvgy3tqojqgezdgnbvgy3tqojq%3D",
        ] {
            let seed = TotpSeed::from_other_system(text).unwrap();
            assert_eq!((seed.expose(), seed.is_short()), (RFC_SEED, false), "{text}");
        }
        let short = TotpSeed::from_other_system("JBSW Y3DP EHPK 3PXP").unwrap();
        assert!(short.is_short() && short.generator().is_ok());
    }

    /// Controls: C-078.
    #[test]
    fn unsupported_seed_is_rejected_by_name() {
        let of = |query: &str| format!("otpauth://totp/x?secret={RFC_SEED}&{query}");
        for (text, error) in [
            ("JBSWY3DPEHPK3PX".to_owned(), SeedError::Short),
            ("not base32!".to_owned(), SeedError::NotBase32),
            ("otpauth://totp/x".to_owned(), SeedError::NotBase32),
            (format!("otpauth://hotp/x?secret={RFC_SEED}&counter=1"), SeedError::Counter),
            (of("algorithm=SHA256"), SeedError::Algorithm),
            (of("digits=8"), SeedError::Digits),
            (of("period=60"), SeedError::Period),
        ] {
            assert_eq!(TotpSeed::from_other_system(&text).err(), Some(error), "{text}");
        }
    }
}
