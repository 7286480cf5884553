//! Recovery codes: ten per sheet, shown once, each valid for one verification (NIST SP 800-63B-4 §3.1.2,
//! look-up secrets).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::account::AccountId;
use super::keys::{KeyId, Keyring};
use super::slow_hash::hasher;
use super::typed::is_invisible;

/// Codes on a sheet.
pub const COUNT: usize = 10;
/// Attempts per day and network at a sheet of an earlier version, each of which costs a slow hash.
pub const SLOW_ATTEMPTS_PER_DAY: u64 = 10;
/// The purpose in the key derivation.
const PURPOSE: &str = "rekey/recovery-code";

/// Bytes of entropy in a code: 80 bits. NIST requires 20, and further measures below 64.
const ENTROPY: usize = 10;
/// Five bits per symbol: Crockford's alphabet, <https://www.crockford.com/base32.html>, without I, L, O and
/// U.
pub(super) const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Symbols of a code: 16.
const SYMBOLS: usize = ENTROPY * 8 / 5;
/// Symbols per group, for reading and typing.
const GROUP: usize = 4;

/// A recovery code in clear. Only the page after enrolment shows it, once.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    pub(super) fn from_entropy(entropy: &[u8]) -> Self {
        let mut code = String::with_capacity(SYMBOLS);
        let (mut bits, mut count) = (0_u16, 0);
        for byte in entropy {
            bits = (bits << 8) + u16::from(*byte);
            count += 8;
            while count >= 5 {
                count -= 5;
                code.push(char::from(ALPHABET[usize::from(bits >> count & 31)]));
            }
        }
        Self(code)
    }

    /// Reads a typed code: any case, hyphens and spaces anywhere, O for 0, and I or L for 1.
    ///
    /// # Errors
    /// [`RecoveryCodeError`] when it has other characters, too few or too many. Such a text is malformed and
    /// does not count as an attempt.
    pub fn parse(typed: &str) -> Result<Self, RecoveryCodeError> {
        if typed.len() > 128 {
            return Err(RecoveryCodeError);
        }
        let mut code = Self(String::with_capacity(SYMBOLS));
        for c in typed.trim_end().trim_end_matches('.').chars() {
            code.0.extend(symbol(c)?.map(char::from));
        }
        if code.0.len() == SYMBOLS { Ok(code) } else { Err(RecoveryCodeError) }
    }

    /// Returns the code in groups (`7K2M-90QX-…`), for the one page that shows it.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut shown = Zeroizing::new(String::with_capacity(SYMBOLS + SYMBOLS / GROUP));
        for (at, symbol) in self.0.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                shown.push('-');
            }
            shown.push(symbol);
        }
        shown
    }
}

/// Returns the symbol that a typed character means; `None` for a hyphen, a space or an invisible character.
pub(super) fn symbol(c: char) -> Result<Option<u8>, RecoveryCodeError> {
    // Full-width letters and digits have a fixed distance from ASCII.
    let c = match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    match c.to_ascii_uppercase() {
        c if c.is_whitespace() || is_invisible(c) => Ok(None),
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' => Ok(None),
        'O' => Ok(Some(b'0')),
        'I' | 'L' => Ok(Some(b'1')),
        c if c.is_ascii() && ALPHABET.contains(&(c as u8)) => Ok(Some(c as u8)),
        _ => Err(RecoveryCodeError),
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// The codes of a new sheet in clear.
pub struct RecoveryCodes(Vec<RecoveryCode>);

impl RecoveryCodes {
    /// Returns ten codes. `entropy` must be random.
    pub fn generate(entropy: &[u8; COUNT * ENTROPY]) -> Self {
        Self(entropy.chunks(ENTROPY).map(RecoveryCode::from_entropy).collect())
    }

    /// Returns the codes in order, for the page.
    pub fn iter(&self) -> impl Iterator<Item = &RecoveryCode> {
        self.0.iter()
    }

    /// Returns the hashes to store for an account, under the current key of `seeds`.
    ///
    /// # Errors
    /// [`HashError`], which would mean that the ring has no current key.
    pub fn sheet(&self, seeds: &Keyring, account: &AccountId) -> Result<Sheet, HashError> {
        let mut sheet = Sheet::decoy(seeds);
        for code in &self.0 {
            let hash = sheet.hash(code, seeds, account)?;
            sheet.hashes.push(hash);
        }
        Ok(sheet)
    }
}

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCodes(..)")
    }
}

/// The hashes of the unused codes. 80 random bits need no slow hash, which an attacker could make Rekey
/// compute. A keyed hash protects them from a reader of the table (NIST SP 800-63B-4 §3.1.2 requires a salt
/// and a slow hash below 112 bits where no key is stored separately).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sheet {
    /// The hash function and its key or salt.
    pub hashed_with: HashedWith,
    /// One hash per unused code.
    pub hashes: Vec<String>,
}

/// The hash function of a sheet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashedWith {
    /// HMAC with the key of `seeds` with this id.
    Key(String),
    /// Argon2id with this salt, from an earlier version.
    Salt(String),
}

impl Sheet {
    /// Returns the sheet of an account without codes: it has no hash, and an attempt costs the same as at any
    /// other.
    pub fn decoy(seeds: &Keyring) -> Self {
        Self { hashed_with: HashedWith::Key(seeds.current().as_str().to_owned()), hashes: Vec::new() }
    }

    /// Returns whether an attempt costs a slow hash: at a sheet of an earlier version.
    pub const fn is_slow(&self) -> bool {
        matches!(self.hashed_with, HashedWith::Salt(_))
    }

    /// Returns the hash of the code on this sheet of the account, which identifies the code.
    ///
    /// # Errors
    /// [`HashError`] when the sheet can't be read.
    pub fn hash(
        &self,
        code: &RecoveryCode,
        seeds: &Keyring,
        account: &AccountId,
    ) -> Result<String, HashError> {
        let hash = match &self.hashed_with {
            HashedWith::Key(id) => {
                let parts = [account.as_str().as_bytes(), code.0.as_bytes()];
                let tag = |id: &KeyId| seeds.tag(id, PURPOSE, &parts);
                // Without its key, no code of the sheet is valid any more, but an attempt costs the same.
                let tag = KeyId::parse(id).ok().and_then(|id| tag(&id)).or_else(|| tag(seeds.current()));
                *tag.ok_or(HashError)?.as_bytes()
            }
            HashedWith::Salt(salt) => slow_hash(code, salt)?,
        };
        Ok(URL_SAFE_NO_PAD.encode(hash))
    }
}

fn slow_hash(code: &RecoveryCode, salt: &str) -> Result<[u8; 32], HashError> {
    let salt = URL_SAFE_NO_PAD.decode(salt).map_err(|_| HashError)?;
    let mut hash = [0; 32];
    let hasher = hasher().map_err(|_| HashError)?;
    hasher.hash_password_into(code.0.as_bytes(), &salt, &mut hash).map_err(|_| HashError)?;
    Ok(hash)
}

/// The text is no recovery code.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a recovery code")]
pub struct RecoveryCodeError;

/// The sheet has an invalid salt or key id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the sheet of recovery codes can't be read")]
pub struct HashError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(byte: u8) -> RecoveryCode {
        RecoveryCode::from_entropy(&[byte; ENTROPY])
    }

    /// Controls: C-092.
    #[test]
    fn debug_omits_recovery_codes() {
        assert_eq!(format!("{:?}", RecoveryCodes::generate(&[7; 100])), "RecoveryCodes(..)");
    }

    /// Controls: C-068.
    #[test]
    fn recovery_code_longer_than_128_characters_is_rejected() {
        let code = "ABCD-EFGH-JKMN-PQRS";
        let padded = |length: usize| format!("{code:>length$}");
        assert!(RecoveryCode::parse(&padded(128)).is_ok() && RecoveryCode::parse(&padded(129)).is_err());
    }

    /// Controls: C-016.
    #[test]
    fn recovery_code_has_sixteen_symbols_in_groups() {
        assert_eq!(code(0).expose().as_str(), "0000-0000-0000-0000");
        assert_eq!(code(255).expose().as_str(), "ZZZZ-ZZZZ-ZZZZ-ZZZZ");
        let one = RecoveryCode::from_entropy(&[0, 68, 50, 20, 199, 66, 84, 182, 53, 207]);
        assert_eq!(
            one.expose().as_str(),
            "0123-4567-89AB-CDEF",
            "five bits in each symbol, the first ones first"
        );
    }

    #[test]
    fn recovery_code_as_typed_parses() {
        let one = RecoveryCode::parse("0123-4567-89AB-CDEF").unwrap();
        for typed in ["o1l2 3456", "", "0123-4567-89AB-CDE", "0123-4567-89AB-CDEF0", "U123-4567-89AB-CDEF"] {
            assert_eq!(RecoveryCode::parse(typed), Err(RecoveryCodeError), "{typed}");
        }
        for typed in [
            " O123 4567 89ab cdef ",
            "oI23456789abcdef",
            "0l23–4567–89AB–CDEF",
            "０１２３-4567-89ab-cdef",
            "0i-23456789ABCDE F",
        ] {
            assert_eq!(RecoveryCode::parse(typed).as_ref(), Ok(&one), "{typed}");
        }
        assert_eq!(format!("{one:?}"), "RecoveryCode(..)");
    }

    /// Controls: C-016.
    #[test]
    fn sheet_contains_its_own_codes_only() {
        let mut entropy = [7; COUNT * ENTROPY];
        for (at, byte) in entropy.iter_mut().enumerate() {
            *byte = u8::try_from(at).unwrap();
        }
        let codes = RecoveryCodes::generate(&entropy);
        let (seeds, aisyah) = (keys("1"), AccountId::from_directory("aisyah").unwrap());
        let sheet = codes.sheet(&seeds, &aisyah).unwrap();
        assert_eq!((sheet.hashes.len(), sheet.is_slow()), (COUNT, false));
        for code in codes.iter() {
            assert!(sheet.hashes.contains(&sheet.hash(code, &seeds, &aisyah).unwrap()));
            assert!(!format!("{sheet:?}").contains(code.0.as_str()));
        }
        assert!(!sheet.hashes.contains(&sheet.hash(&code(9), &seeds, &aisyah).unwrap()));
        let first = codes.iter().next().unwrap();
        let siti = AccountId::from_directory("siti").unwrap();
        assert!(!sheet.hashes.contains(&sheet.hash(first, &seeds, &siti).unwrap()), "another account's");
        assert!(
            sheet.hashes.contains(&sheet.hash(first, &keys("2"), &aisyah).unwrap()),
            "the key was rotated"
        );
        assert_ne!(codes.sheet(&keys("2"), &aisyah).unwrap().hashes, sheet.hashes);
        assert!(Sheet::decoy(&seeds).hash(first, &seeds, &aisyah).is_ok(), "a look costs the same");
        for gone in ["9", "", "?"] {
            let sheet = Sheet { hashed_with: HashedWith::Key(gone.into()), ..sheet.clone() };
            let hash = sheet.hash(first, &keys("2"), &aisyah).unwrap();
            assert!(!sheet.hashes.contains(&hash), "{gone:?}");
        }
    }

    fn keys(current: &str) -> Keyring {
        let secret = r#""1":"0123456789abcdef0123456789abcdef","2":"abcdef0123456789abcdef0123456789""#;
        Keyring::from_secret(&format!(r#"{{"current":"{current}",{secret}}}"#)).unwrap()
    }

    /// The hashes of an earlier version: argon2id, 19 MiB, two passes.
    /// Controls: C-088.
    #[test]
    fn sheet_with_slow_hashes_contains_its_codes() {
        let (seeds, aisyah) = (keys("1"), AccountId::from_directory("aisyah").unwrap());
        let salted = |salt: &str| Sheet {
            hashed_with: HashedWith::Salt(salt.to_owned()),
            hashes: vec!["rbluiuZBJMWXobejqUMrBSTT3XB6qfTbr8ECZbsCUK0".into()],
        };
        let sheet = salted("AQEBAQEBAQEBAQEBAQEBAQ");
        assert!(sheet.is_slow());
        let known = RecoveryCode::parse("0123-4567-89AB-CDEF").unwrap();
        assert!(sheet.hashes.contains(&sheet.hash(&known, &seeds, &aisyah).unwrap()));
        assert!(!sheet.hashes.contains(&sheet.hash(&code(9), &seeds, &aisyah).unwrap()));
        assert_eq!(salted("?").hash(&known, &seeds, &aisyah), Err(HashError));
    }

    proptest! {
        #[test]
        fn recovery_code_round_trips(entropy: [u8; ENTROPY]) {
            let code = RecoveryCode::from_entropy(&entropy);
            prop_assert_eq!(RecoveryCode::parse(&code.expose()), Ok(code));
        }

        #[test]
        fn parsing_arbitrary_text_never_panics(typed in ".{0,40}") {
            let _ = RecoveryCode::parse(&typed);
        }
    }
}
