//! The password that a person typed.

use std::fmt;

use subtle::ConstantTimeEq;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_public_assigned;
use zeroize::Zeroizing;

/// A new password as it will be checked, hashed and written: in NFC, and otherwise exactly as typed.
///
/// NFC makes one password of the two ways in which keyboards send an `é` (NIST SP 800-63B-4 §3.1.1.2). Nothing is
/// trimmed, folded or cut. The text is wiped from memory when dropped, and cannot be printed.
///
/// ```
/// use shared::domain::password::NewPassword;
///
/// let password = NewPassword::parse("Cafe\u{301}-Kopitiam-88").unwrap();
/// assert_eq!(password.expose(), "Caf\u{e9}-Kopitiam-88");
/// assert_eq!(format!("{password:?}"), "NewPassword(..)");
/// ```
pub struct NewPassword(Zeroizing<String>);

/// Why a text is no password, whatever the policy.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum PasswordError {
    /// Nothing was typed. An empty password must never reach a directory: LDAP treats a bind with it as
    /// anonymous and answers success (RFC 4513 §5.1.2).
    #[error("the password is empty")]
    Empty,
    /// It has a character that a person can't reliably type again. This is a control character, such as a
    /// pasted tab or line end, or a code point that Unicode has not assigned or leaves to private use. The
    /// NFC of an unassigned code point may still change.
    #[error("the password holds a control character or an unassigned code point")]
    ControlCharacter,
}

impl NewPassword {
    /// Takes the typed text. Time and memory are linear in its length, which bounds the cost of a hostile
    /// body. The policy checks the length.
    ///
    /// # Errors
    ///
    /// See [`PasswordError`].
    pub fn parse(typed: &str) -> Result<Self, PasswordError> {
        if typed.is_empty() {
            return Err(PasswordError::Empty);
        }
        if typed.chars().any(|c| c.is_control() || !is_public_assigned(c)) {
            return Err(PasswordError::ControlCharacter);
        }
        Ok(Self(nfc(typed)))
    }

    /// Returns the password itself, for hashing or writing it only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns its length in code points, as NIST counts.
    pub fn code_points(&self) -> usize {
        self.0.chars().count()
    }

    /// Returns whether the second field has the same password, compared in constant time.
    pub fn is_confirmed_by(&self, typed_again: &str) -> bool {
        self.0.as_bytes().ct_eq(nfc(typed_again).as_bytes()).into()
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(..)")
    }
}

fn nfc(typed: &str) -> Zeroizing<String> {
    // NFC makes UTF-8 at most three times as long. A string that never grows leaves no unwiped copy behind.
    let mut normalised = Zeroizing::new(String::with_capacity(typed.len() * 3));
    normalised.extend(typed.nfc());
    normalised
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-080.
    #[test]
    fn composed_and_decomposed_passwords_are_equal() {
        let composed = NewPassword::parse("Crème-brûlée-1").unwrap();
        let decomposed = NewPassword::parse(&"Crème-brûlée-1".nfd().to_string()).unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
        assert_eq!(decomposed.code_points(), 14);
        assert!(composed.is_confirmed_by(&"Crème-brûlée-1".nfd().to_string()));
    }

    /// Controls: C-080.
    #[test]
    fn password_is_kept_unchanged() {
        for typed in [" spaces at both ends ", "ﬁne-№5-ﬀ", "கடவுச்சொல்", "密码🔑👩🏽‍💻", "O'Brien\\\"$(id)`"]
        {
            assert_eq!(NewPassword::parse(typed).unwrap().expose(), typed);
        }
    }

    /// Controls: C-078.
    #[test]
    fn password_with_control_or_unassigned_characters_is_rejected() {
        assert_eq!(NewPassword::parse("").unwrap_err(), PasswordError::Empty);
        for refused in [
            "tab\there",
            "line\n",
            "nul\0",
            "\u{7f}",
            "\u{85}",
            "\u{fdd0}",
            "\u{10ffff}",
            "\u{e000}",
            "\u{378}",
        ] {
            assert_eq!(
                NewPassword::parse(refused).unwrap_err(),
                PasswordError::ControlCharacter,
                "{refused:?}"
            );
        }
    }

    /// Controls: C-080.
    #[test]
    fn confirmation_must_match_exactly() {
        let password = NewPassword::parse("Kancil-Lompat-42!").unwrap();
        assert_eq!(format!("{password:?}"), "NewPassword(..)");
        assert!(password.is_confirmed_by("Kancil-Lompat-42!"));
        for other in ["", "kancil-Lompat-42!", "Kancil-Lompat-42! ", "Kancil-Lompat-42"] {
            assert!(!password.is_confirmed_by(other), "{other:?}");
        }
    }
}
