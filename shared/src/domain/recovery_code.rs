//! Recovery codes: ten, shown once, each good for one proof (NIST SP 800-63B-4 §3.1.2, look-up secrets).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::slow_hash::hasher;

/// How many a sheet has.
pub const COUNT: usize = 10;
/// Looks at an account's sheet in a day and step. Nobody guesses 80 bits; it bounds what the slow hash costs us.
pub const TRIES_PER_DAY: u64 = 10;

/// Bytes of entropy in a code: 80 bits, where NIST asks for 20 and where below 64 more has to be done.
const ENTROPY: usize = 10;
/// Five bits in each: Crockford's alphabet, <https://www.crockford.com/base32.html>, without I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Symbols of a code.
const SYMBOLS: usize = ENTROPY * 8 / 5;
/// Symbols in a group, as people read and type them.
const GROUP: usize = 4;

/// One code. It is shown once to its owner, and told by nothing else.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    fn from_entropy(entropy: &[u8]) -> Self {
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

    /// Reads what a person typed: any case, hyphens and spaces anywhere, O for 0, and I or L for 1.
    ///
    /// # Errors
    /// [`RecoveryCodeError`] when it has other characters, too few or too many. Such a text is malformed and spends no
    /// try.
    pub fn parse(typed: &str) -> Result<Self, RecoveryCodeError> {
        if typed.len() > 128 {
            return Err(RecoveryCodeError);
        }
        let mut code = Self(String::with_capacity(SYMBOLS));
        for c in typed.chars() {
            // Full-width letters and digits lie at a fixed distance from ASCII's.
            let c = match c {
                '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
                c => c,
            };
            match c.to_ascii_uppercase() {
                c if c.is_whitespace() => {}
                '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{200b}' => {}
                'O' => code.0.push('0'),
                'I' | 'L' => code.0.push('1'),
                c if c.is_ascii() && ALPHABET.contains(&(c as u8)) => code.0.push(c),
                _ => return Err(RecoveryCodeError),
            }
        }
        if code.0.len() == SYMBOLS { Ok(code) } else { Err(RecoveryCodeError) }
    }

    /// The code in groups (`7K2M-90QX-…`), for the one page that shows it to its owner.
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

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// The codes of a new sheet.
pub struct RecoveryCodes(Vec<RecoveryCode>);

impl RecoveryCodes {
    /// Ten codes.
    pub fn generate(entropy: &[u8; COUNT * ENTROPY]) -> Self {
        Self(entropy.chunks(ENTROPY).map(RecoveryCode::from_entropy).collect())
    }

    /// One by one, to be shown.
    pub fn iter(&self) -> impl Iterator<Item = &RecoveryCode> {
        self.0.iter()
    }

    /// What is kept of them: takes ten slow hashes.
    ///
    /// # Errors
    /// [`HashError`].
    pub fn hash_sheet(&self, salt: [u8; 16]) -> Result<Sheet, HashError> {
        let mut sheet = Sheet { salt: URL_SAFE_NO_PAD.encode(salt), hashes: Vec::with_capacity(COUNT) };
        for code in &self.0 {
            let hash = sheet.hash(code)?;
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

/// The hashes of the codes that are left, with the one salt of them all, so that a look costs one slow hash however
/// many are left. A salt is there against tables made beforehand, and no two sheets share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The salt.
    pub salt: String,
    /// One slow hash for each code that is left.
    pub hashes: Vec<String>,
}

impl Sheet {
    /// The sheet of whoever has none: no code is on it, and a look costs what it costs at any other.
    pub fn nobodys() -> Self {
        Self { salt: URL_SAFE_NO_PAD.encode([0; 16]), hashes: Vec::new() }
    }

    /// The hash of the code on this sheet: which of them it is.
    ///
    /// # Errors
    /// [`HashError`] when the sheet can't be read.
    pub fn hash(&self, code: &RecoveryCode) -> Result<String, HashError> {
        let salt = URL_SAFE_NO_PAD.decode(&self.salt).map_err(|_| HashError)?;
        let mut hash = [0; 32];
        let hasher = hasher().map_err(|_| HashError)?;
        hasher.hash_password_into(code.0.as_bytes(), &salt, &mut hash).map_err(|_| HashError)?;
        Ok(URL_SAFE_NO_PAD.encode(hash))
    }
}

/// A text that is no recovery code.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a recovery code")]
pub struct RecoveryCodeError;

/// A sheet that can't be hashed with.
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

    #[test]
    fn a_sheet_is_not_printed() {
        assert_eq!(format!("{:?}", RecoveryCodes::generate(&[7; 100])), "RecoveryCodes(..)");
    }

    #[test]
    fn what_is_longer_than_anybody_types_is_not_read() {
        let code = "ABCD-EFGH-JKMN-PQRS";
        let padded = |length: usize| format!("{code:>length$}");
        assert!(RecoveryCode::parse(&padded(128)).is_ok() && RecoveryCode::parse(&padded(129)).is_err());
    }

    #[test]
    fn a_code_has_sixteen_symbols_in_groups() {
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
    fn what_people_make_of_it_is_read_back() {
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

    #[test]
    fn a_sheet_knows_its_codes_and_no_others() {
        let mut entropy = [7; COUNT * ENTROPY];
        for (at, byte) in entropy.iter_mut().enumerate() {
            *byte = u8::try_from(at).unwrap();
        }
        let codes = RecoveryCodes::generate(&entropy);
        let sheet = codes.hash_sheet([1; 16]).unwrap();
        assert_eq!(sheet.hashes.len(), COUNT);
        for code in codes.iter() {
            assert!(sheet.hashes.contains(&sheet.hash(code).unwrap()));
            assert!(!format!("{sheet:?}").contains(code.0.as_str()));
        }
        assert!(!sheet.hashes.contains(&sheet.hash(&code(9)).unwrap()));
        let first = codes.iter().next().unwrap();
        let other = codes.hash_sheet([2; 16]).unwrap();
        assert!(!sheet.hashes.contains(&other.hash(first).unwrap()), "another salt");
        assert!(Sheet::nobodys().hash(first).is_ok(), "a look at nobody's sheet costs the same");
        assert!(Sheet { salt: "?".into(), hashes: Vec::new() }.hash(first).is_err());
    }

    proptest! {
        #[test]
        fn every_code_is_read_back(entropy: [u8; ENTROPY]) {
            let code = RecoveryCode::from_entropy(&entropy);
            prop_assert_eq!(RecoveryCode::parse(&code.expose()), Ok(code));
        }

        #[test]
        fn any_text_is_read_or_refused(typed in ".{0,40}") {
            let _ = RecoveryCode::parse(&typed);
        }
    }
}
