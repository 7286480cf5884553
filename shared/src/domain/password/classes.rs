//! The four character classes that a policy may require.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use unicode_normalization::char::is_combining_mark;

/// A character class that a policy may require.
///
/// The definitions are Unicode properties, so that `É` is an upper case letter and `ß` a lower case one.
/// Every character that Active Directory counts meets them. A letter without case (`ழ`, `密`) belongs to no
/// class.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CharacterClass {
    /// A letter with the property `Uppercase`.
    Upper,
    /// A letter with the property `Lowercase`.
    Lower,
    /// One of `0` to `9`. Directories that check again count only these digits.
    Digit,
    /// Neither letter, number nor combining mark: punctuation, symbols, emoji, and the space, since people
    /// use it in passphrases.
    Symbol,
}

/// The text names no character class.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[error("`{0}` is none of upper, lower, digit, symbol")]
pub struct UnknownClass(String);

impl CharacterClass {
    /// All classes, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Upper, Self::Lower, Self::Digit, Self::Symbol];

    /// Returns its name in settings, in JSON and in the locale files.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Upper => "upper",
            Self::Lower => "lower",
            Self::Digit => "digit",
            Self::Symbol => "symbol",
        }
    }

    /// Returns whether a character is of this class.
    pub fn contains(self, character: char) -> bool {
        match self {
            Self::Upper => character.is_uppercase(),
            Self::Lower => character.is_lowercase(),
            Self::Digit => character.is_ascii_digit(),
            // Some vowel signs and accents are not `Alphabetic`, but nobody regards them as symbols.
            Self::Symbol => !character.is_alphanumeric() && !is_combining_mark(character),
        }
    }
}

impl FromStr for CharacterClass {
    type Err = UnknownClass;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|class| class.id() == name).ok_or_else(|| UnknownClass(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_map_to_expected_class() {
        let classes_of =
            |c| CharacterClass::ALL.into_iter().find(|class| class.contains(c)).map(CharacterClass::id);
        for (characters, class) in [
            ("AZÉÑЖΩ", Some("upper")),
            ("azéßжω", Some("lower")),
            ("0123456789", Some("digit")),
            (" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~€£·—🔑", Some("symbol")),
            ("密ழا٣௩½\u{bcd}\u{bbe}\u{301}", None),
        ] {
            for character in characters.chars() {
                assert_eq!(classes_of(character), class, "{character:?}");
            }
        }
    }

    #[test]
    fn class_is_parsed_from_id() {
        for class in CharacterClass::ALL {
            assert_eq!(class.id().parse(), Ok(class));
        }
        assert_eq!(
            "Upper".parse::<CharacterClass>().unwrap_err().to_string(),
            "`Upper` is none of upper, lower, digit, symbol"
        );
    }
}
