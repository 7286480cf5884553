//! What is asked of a new password, and what one lacks.

use std::collections::BTreeSet;

use thiserror::Error;

use super::own_words::Findings;
use super::skeleton::Skeleton;
use super::{CharacterClass, CommonPasswords, NewPassword, OwnWords, PasswordError, Person};

/// The rules for a new password.
///
/// ```
/// use shared::domain::password::{CharacterClass, CommonPasswords, NewPassword, OwnWords, PasswordPolicy, Person};
///
/// let words = OwnWords::new("Universiti Contoh", ["tasik"])?;
/// let policy = PasswordPolicy::new(12, 128, CharacterClass::ALL, 1, CommonPasswords::new(), words)?;
/// let person = Person::new(["Nur Aisyah binti Rahman"], ["aisyah"]);
///
/// let lacks = |typed| -> Vec<&str> {
///     let password = NewPassword::parse(typed).unwrap();
///     policy.violations(&password, &person).iter().map(|violation| violation.id()).collect()
/// };
/// assert!(lacks("Kancil-Lompat-42!").is_empty());
/// assert_eq!(lacks("a1syah"), ["length", "upper", "symbol", "name", "common"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PasswordPolicy {
    min: u16,
    max: u16,
    classes: BTreeSet<CharacterClass>,
    history: u8,
    common: CommonPasswords,
    own_words: OwnWords,
}

/// Why a policy makes no sense.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum PolicyError {
    /// The least length is below [`PasswordPolicy::LEAST_MIN`].
    #[error("a minimum length of {0} is too short: at least {least}", least = PasswordPolicy::LEAST_MIN)]
    MinTooShort(u16),
    /// No password could be long enough.
    #[error("a minimum length of {min} is above the maximum of {max}")]
    MinAboveMax {
        /// The least length, in code points.
        min: u16,
        /// The greatest length, in code points.
        max: u16,
    },
    /// The greatest length is above [`PasswordPolicy::MOST_MAX`].
    #[error("a maximum length of {0} is too long: at most {most}", most = PasswordPolicy::MOST_MAX)]
    MaxTooLong(u16),
}

/// One line of the list beside the password field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Criterion {
    /// So many code points.
    Length {
        /// At least.
        min: u16,
        /// At most.
        max: u16,
    },
    /// A character of this class.
    Class(CharacterClass),
    /// No part of the person's name or login.
    Name,
    /// Not common, not easily guessed.
    Common,
    /// Not resting on the organisation's own words.
    Organisation,
    /// None of the previous passwords.
    Previous,
}

/// What is wrong with a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Violation {
    /// See [`PasswordError::ControlCharacter`].
    ControlCharacter,
    /// It has fewer code points than `min`.
    TooShort {
        /// The least length, in code points.
        min: u16,
    },
    /// It has more code points than `max`. Nothing is cut off.
    TooLong {
        /// The greatest length, in code points.
        max: u16,
    },
    /// It has no character of this class.
    Class(CharacterClass),
    /// A part of the person's name or login is in it.
    Name,
    /// It is common or easily guessed.
    Common,
    /// Little of it is left without the organisation's own words.
    Organisation,
    /// It is one of the previous passwords. Only the directory can tell, so its adapter or the caller adds this one.
    Previous,
}

impl PasswordPolicy {
    /// The least that NIST SP 800-63B-4 §3.1.1.2 allows for a password used together with a second factor.
    pub const LEAST_MIN: u16 = 8;
    /// The most that is ever hashed or written; directories differ, and all of them take this much.
    pub const MOST_MAX: u16 = 128;

    /// Puts a policy together: least and greatest length in code points, the classes that must occur (none for NIST's profile,
    /// which asks for a minimum of 15 instead), how many previous passwords are refused, and the two lists.
    ///
    /// # Errors
    ///
    /// See [`PolicyError`].
    pub fn new(
        min: u16,
        max: u16,
        classes: impl IntoIterator<Item = CharacterClass>,
        history: u8,
        common: CommonPasswords,
        own_words: OwnWords,
    ) -> Result<Self, PolicyError> {
        if min < Self::LEAST_MIN {
            return Err(PolicyError::MinTooShort(min));
        }
        if max > Self::MOST_MAX {
            return Err(PolicyError::MaxTooLong(max));
        }
        if min > max {
            return Err(PolicyError::MinAboveMax { min, max });
        }
        Ok(Self { min, max, classes: classes.into_iter().collect(), history, common, own_words })
    }

    /// How many previous passwords are refused.
    pub fn history(&self) -> u8 {
        self.history
    }

    /// What this policy asks, in the order in which it is shown.
    pub fn criteria(&self) -> Vec<Criterion> {
        let mut criteria = vec![Criterion::Length { min: self.min, max: self.max }];
        criteria.extend(self.classes.iter().copied().map(Criterion::Class));
        criteria.extend([Criterion::Name, Criterion::Common]);
        if !self.own_words.is_empty() {
            criteria.push(Criterion::Organisation);
        }
        if self.history > 0 {
            criteria.push(Criterion::Previous);
        }
        criteria
    }

    /// Everything that is wrong with a password, in the order of the criteria; nothing if it may be set. [`Violation::Previous`]
    /// is left to the caller.
    ///
    /// A password beyond the maximum is not looked up in the lists, whose cost the maximum bounds.
    pub fn violations(&self, password: &NewPassword, person: &Person) -> Vec<Violation> {
        let length = password.code_points();
        let is_too_long = length > self.max.into();
        let skeleton = Skeleton::of(password.expose());
        let own_words = (!is_too_long).then(|| self.own_words.find_in(&skeleton));
        let violation = |criterion| match criterion {
            Criterion::Length { min, .. } if length < min.into() => Some(Violation::TooShort { min }),
            Criterion::Length { max, .. } if is_too_long => Some(Violation::TooLong { max }),
            Criterion::Class(class) if !password.expose().chars().any(|c| class.contains(c)) => {
                Some(Violation::Class(class))
            }
            Criterion::Name if person.is_in(&skeleton) => Some(Violation::Name),
            Criterion::Common if own_words.as_ref().is_some_and(|found| self.is_common(password, found)) => {
                Some(Violation::Common)
            }
            Criterion::Organisation if own_words.as_ref().is_some_and(Findings::are_too_much) => {
                Some(Violation::Organisation)
            }
            _ => None,
        };
        self.criteria().into_iter().filter_map(violation).collect()
    }

    /// What to tell a person whose text is no password at all.
    pub fn explain(&self, error: PasswordError) -> Violation {
        match error {
            PasswordError::Empty => Violation::TooShort { min: self.min },
            PasswordError::ControlCharacter => Violation::ControlCharacter,
        }
    }

    /// Somebody who guesses knows the organisation. Of the own words only those count that are in the password: zxcvbn would
    /// look each of a thousand up at every place. The person's names it need not know, since none may be in a password.
    fn is_common(&self, password: &NewPassword, own_words: &Findings<'_>) -> bool {
        self.common.contain(password, self.min, own_words.words())
    }
}

impl Criterion {
    /// Its name in JSON, in the locale files and in the page.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Length { .. } => "length",
            Self::Class(class) => class.id(),
            Self::Name => "name",
            Self::Common => "common",
            Self::Organisation => "organisation",
            Self::Previous => "previous",
        }
    }
}

impl Violation {
    /// Its name in JSON and in the locale files: that of the criterion that is not met, where there is one.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ControlCharacter => "control-character",
            Self::TooShort { .. } => "length",
            Self::TooLong { .. } => "too-long",
            Self::Class(class) => class.id(),
            Self::Name => "name",
            Self::Common => "common",
            Self::Organisation => "organisation",
            Self::Previous => "previous",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(min: u16, classes: &[CharacterClass], history: u8, words: &[&str]) -> PasswordPolicy {
        let own_words = OwnWords::new("", words).unwrap();
        PasswordPolicy::new(min, 128, classes.iter().copied(), history, CommonPasswords::new(), own_words)
            .unwrap()
    }

    fn guide() -> PasswordPolicy {
        policy(12, &CharacterClass::ALL, 1, &["contoh", "tasik"])
    }

    fn aisyah() -> Person {
        Person::new(["Nur Aisyah binti Rahman"], ["aisyah@student.contoh.example"])
    }

    fn lacks(policy: &PasswordPolicy, typed: &str) -> Vec<&'static str> {
        let password = NewPassword::parse(typed).unwrap();
        policy.violations(&password, &aisyah()).into_iter().map(Violation::id).collect()
    }

    #[test]
    fn criteria_match_policy_in_order() {
        let ids =
            |policy: PasswordPolicy| policy.criteria().into_iter().map(Criterion::id).collect::<Vec<_>>();
        assert_eq!(
            ids(guide()),
            ["length", "upper", "lower", "digit", "symbol", "name", "common", "organisation", "previous"]
        );
        assert_eq!(ids(policy(15, &[], 0, &[])), ["length", "name", "common"]);
        let reordered =
            policy(8, &[CharacterClass::Digit, CharacterClass::Upper, CharacterClass::Digit], 0, &[]);
        assert_eq!(ids(reordered), ["length", "upper", "digit", "name", "common"]);
    }

    #[test]
    fn strong_passwords_are_accepted() {
        for typed in [
            "Kancil-Lompat-42!",
            "Merdeka-Wau-Bulan-57",
            "Tasik yang dalam 7",
            "Éclair ñandú 7",
            "kR7#vPq2&xLm",
        ] {
            assert!(lacks(&guide(), typed).is_empty(), "{typed}: {:?}", lacks(&guide(), typed));
        }
        assert!(lacks(&policy(15, &[], 0, &[]), "kucing duduk atas tikar").is_empty());
    }

    #[test]
    fn weak_passwords_return_violated_criteria() {
        for (typed, why) in [
            ("Aisyah-2024-abc!", &["name"][..]),
            ("A1syah-Kucing-77!", &["name"]),
            ("Kucing-Rob1nt!-8", &["name"]),
            ("Password-1234!", &["common"]),
            ("Contoh-123456", &["common"]),
            ("C0nt0hC@ntohTasik", &["organisation"]),
            ("KancilLompat", &["digit", "symbol"]),
            ("aisyahaisyah", &["upper", "digit", "symbol", "name", "common"]),
            ("密码", &["length", "upper", "lower", "digit", "symbol", "common"]),
        ] {
            assert_eq!(lacks(&guide(), typed), why, "{typed}");
        }
    }

    #[test]
    fn own_words_make_password_common() {
        let lacks = |words| lacks(&policy(12, &CharacterClass::ALL, 1, words), "Perlisindera-7x#Q");
        assert_eq!(lacks(&["perlisindera"]), ["common"]);
        assert!(lacks(&[]).is_empty());
    }

    #[test]
    fn password_length_is_counted_in_code_points() {
        let guide = guide();
        for (typed, id) in [
            ("Kancil-Lom4".to_owned(), Some("length")),
            ("Kancil-Lomp4".to_owned(), None),
            ("Ka\u{301}ncil-Lom4".to_owned(), Some("length")),
            ("Kancil-Lo🔑4é".to_owned(), None),
            ("Kancil-Lompat-42".repeat(8), None),
            ("Kancil-Lompat-42".repeat(8) + "é", Some("too-long")),
            ("Kancil-Lompat-42".repeat(512), Some("too-long")),
        ] {
            assert_eq!(lacks(&guide, &typed).first().copied(), id, "{typed}");
        }
    }

    #[test]
    fn unparsable_password_returns_violation() {
        let explained = |typed| guide().explain(NewPassword::parse(typed).unwrap_err());
        assert_eq!(explained(""), Violation::TooShort { min: 12 });
        assert_eq!(explained("Kancil\t-Lompat-42!").id(), "control-character");
    }

    #[test]
    fn policy_with_invalid_lengths_is_rejected() {
        let error = |min, max| {
            PasswordPolicy::new(min, max, [], 1, CommonPasswords::new(), OwnWords::default()).unwrap_err()
        };
        assert_eq!(error(7, 128), PolicyError::MinTooShort(7));
        assert_eq!(error(20, 19), PolicyError::MinAboveMax { min: 20, max: 19 });
        assert_eq!(error(12, 129).to_string(), "a maximum length of 129 is too long: at most 128");
        for (min, max) in [(8, 8), (128, 128)] {
            let policy = PasswordPolicy::new(min, max, [], 3, CommonPasswords::new(), OwnWords::default());
            assert_eq!(policy.unwrap().history(), 3);
        }
    }
}
