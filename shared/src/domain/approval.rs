//! Approving on the authenticator app, by the number that the page shows (number matching).

use std::fmt;

use thiserror::Error;

use super::keys::Tag;

/// The number that the page shows and the app asks for: two digits, 10 to 99. Without it an approval proves nothing: who
/// approves has to see the page (NIST 800-63B-4 §3.1.3.1, transfer of a secret; Microsoft's number matching).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ApprovalNumber(u8);

impl ApprovalNumber {
    /// The number that a tag stands for. A 128-bit number modulo 90 has no bias that anybody could notice.
    pub fn from_tag(tag: &Tag) -> Self {
        let (number, _) = tag.as_bytes().split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let number = u128::from_be_bytes(*number) % 90;
        Self(u8::try_from(number).unwrap_or_default() + 10)
    }

    /// Reads what was typed into the app.
    ///
    /// # Errors
    /// [`NumberError`] when it is not of two digits, 10 to 99.
    pub fn parse(typed: &str) -> Result<Self, NumberError> {
        match typed.trim().as_bytes() {
            [tens @ b'1'..=b'9', ones @ b'0'..=b'9'] => Ok(Self((tens - b'0') * 10 + (ones - b'0'))),
            _ => Err(NumberError),
        }
    }

    /// The two digits, for the page that shows them. Nothing else has a use for them.
    pub fn expose(self) -> String {
        self.0.to_string()
    }
}

impl fmt::Debug for ApprovalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApprovalNumber(..)")
    }
}

/// A text that is no number of an approval.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a number of two digits")]
pub struct NumberError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_is_a_number_that_can_be_typed() {
        for byte in 0..=255 {
            let number = ApprovalNumber::from_tag(&Tag::from_bytes([byte; 32]));
            assert_eq!(ApprovalNumber::parse(&number.expose()), Ok(number));
        }
        for typed in ["", "9", "09", "100", "4 2", "a1", "-5"] {
            assert_eq!(ApprovalNumber::parse(typed), Err(NumberError), "{typed}");
        }
        assert!(!format!("{:?}", ApprovalNumber::parse("42")).contains("42"));
    }
}
