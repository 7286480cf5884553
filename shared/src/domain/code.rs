//! One-time codes: generation, parsing, and comparison by keyed tags only.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::typed::{ascii_digit, is_invisible};

/// A code of decimal digits, sent to a contact or read off the authenticator app. It has no `Debug`,
/// `Display` or `Serialize`; only its message and its tag may use it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct OneTimeCode(String);

impl OneTimeCode {
    /// Returns a uniform code of `digits` digits from 16 random bytes. A 128-bit number modulo at most 10^10
    /// has a bias below 2^-94, which no number of attempts can exploit (ASVS 11.5.1).
    pub fn generate(digits: u8, entropy: [u8; 16]) -> Self {
        let digits = u32::from(digits.clamp(6, 10));
        let number = u128::from_be_bytes(entropy) % 10_u128.pow(digits);
        Self(format!("{number:0width$}", width = digits as usize))
    }

    /// Reads a typed or pasted code. Spaces, hyphens of any kind, full stops, quotes and invisible marks are
    /// dropped; full-width and other decimal digits become ASCII.
    ///
    /// # Errors
    /// [`CodeError`] when other characters remain or there are not 4 to 12 digits. Such a text is malformed
    /// and does not count as an attempt.
    pub fn parse(typed: &str) -> Result<Self, CodeError> {
        if typed.len() > 64 {
            return Err(CodeError);
        }
        let mut digits = String::with_capacity(12);
        for c in typed.chars() {
            if c.is_whitespace() || is_dropped(c) {
                continue;
            }
            digits.push(ascii_digit(c).ok_or(CodeError)?);
        }
        if (4..=12).contains(&digits.len()) { Ok(Self(digits)) } else { Err(CodeError) }
    }

    /// Returns the digits, for the message to their owner and for the tag.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the digits in groups of four (`1234 5678`; six digits as `123 456`), which are easier to read.
    pub fn grouped(&self) -> String {
        let size = if self.0.len().is_multiple_of(4) || self.0.len() > 9 { 4 } else { 3 };
        let chars: Vec<char> = self.0.chars().collect();
        chars.chunks(size).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }
}

/// Returns whether a character may stand around digits or between them: a hyphen, the full stop or the quotes of
/// the sentence that the code was copied from, or an invisible mark.
fn is_dropped(c: char) -> bool {
    let is_hyphen = matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    let is_stop = matches!(c, '.' | '\u{3002}' | '\u{ff0e}');
    let is_quote = matches!(c, '"' | '\'' | '«' | '»' | '\u{2018}'..='\u{201f}' | '「' | '」');
    is_hyphen || is_stop || is_quote || is_invisible(c)
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(..)")
    }
}

/// The text is no code of 4 to 12 digits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a code of digits")]
pub struct CodeError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn code_with_spaces_hyphens_or_unicode_digits_parses() {
        let copied = "\u{200f}1234\u{a0}5678\u{200e}";
        for typed in [
            "12345678",
            "1234 5678",
            " 1234-5678 ",
            "１２３４５６７８",
            "1234–5678",
            "௧௨௩௪௫௬௭௮",
            "1234 5678. ",
            "1234.5678",
            "\"12345678\"",
            "\u{201c}1234 5678\u{201d}.",
            copied,
        ] {
            assert_eq!(OneTimeCode::parse(typed).unwrap().expose(), "12345678", "{typed}");
        }
        for typed in ["", "123", "1234567890123", "12a4", "1e10000", "0x1234", "1234,5678", "."] {
            assert!(OneTimeCode::parse(typed).is_err(), "{typed}");
        }
    }

    /// Controls: C-020.
    #[test]
    fn generated_code_keeps_leading_zeros() {
        let code = OneTimeCode::generate(8, 42_u128.to_be_bytes());
        assert_eq!(code.expose(), "00000042");
        assert_eq!(code.grouped(), "0000 0042");
        assert_eq!(OneTimeCode::generate(6, 42_u128.to_be_bytes()).grouped(), "000 042");
        assert_eq!(format!("{code:?}"), "OneTimeCode(..)");
    }

    /// Controls: C-020.
    #[test]
    fn generated_code_has_six_to_ten_grouped_digits() {
        let code = |digits| OneTimeCode::generate(digits, 1_234_567_890_u128.to_be_bytes());
        for (digits, grouped) in [
            (0, "567 890"),
            (6, "567 890"),
            (7, "456 789 0"),
            (8, "3456 7890"),
            (9, "234 567 890"),
            (10, "1234 5678 90"),
            (200, "1234 5678 90"),
        ] {
            assert_eq!(code(digits).grouped(), grouped, "{digits}");
        }
    }

    /// Controls: C-019.
    #[test]
    fn code_length_bounds_are_enforced() {
        for typed in ["1234", "123456789012"] {
            assert_eq!(OneTimeCode::parse(typed).unwrap().expose(), typed);
        }
        assert!(OneTimeCode::parse(&format!("1234{}", " ".repeat(60))).is_ok());
        assert!(OneTimeCode::parse(&format!("1234{}", " ".repeat(61))).is_err());
    }

    proptest! {
        #[test]
        fn grouped_code_round_trips(entropy: [u8; 16], digits in 6_u8..=10) {
            let code = OneTimeCode::generate(digits, entropy);
            prop_assert_eq!(code.expose().len(), usize::from(digits));
            let read = OneTimeCode::parse(&code.grouped()).unwrap();
            prop_assert_eq!(read.expose(), code.expose());
        }

        #[test]
        fn parsing_arbitrary_text_never_panics(text in "\\PC{0,80}") {
            let _ = OneTimeCode::parse(&text);
        }
    }
}
