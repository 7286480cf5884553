//! The rules for a new password, and their violations.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
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

/// The reason why a policy is contradictory or unsafe.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum PolicyError {
    /// The least length is below [`PasswordPolicy::LEAST_MIN`].
    #[error("a minimum length of {0} is too short: at least {least}", least = PasswordPolicy::LEAST_MIN)]
    MinTooShort(u16),
    /// The minimum is above the maximum, so that no password could pass.
    #[error("a minimum length of {min} is above the maximum of {max}")]
    MinAboveMax {
        /// The minimum length, in code points.
        min: u16,
        /// The maximum length, in code points.
        max: u16,
    },
    /// The greatest length is above [`PasswordPolicy::MOST_MAX`].
    #[error("a maximum length of {0} is too long: at most {most}", most = PasswordPolicy::MOST_MAX)]
    MaxTooLong(u16),
}

/// One line of the list beside the password field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Criterion {
    /// The length in code points.
    Length {
        /// Fewer are rejected.
        min: u16,
        /// More are rejected.
        max: u16,
    },
    /// The password has a character of this class.
    Class(CharacterClass),
    /// No part of the person's name or login is in it.
    Name,
    /// It is neither common nor easily guessed.
    Common,
    /// It does not mainly consist of the organisation's own words.
    Organisation,
    /// It is none of the previous passwords.
    Previous,
}

/// A criterion that a password violates.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Violation {
    /// See [`PasswordError::ControlCharacter`].
    ControlCharacter,
    /// It has fewer code points than `min`.
    TooShort {
        /// The minimum length, in code points.
        min: u16,
    },
    /// It has more code points than `max`. Rekey never truncates a password.
    TooLong {
        /// The maximum length, in code points.
        max: u16,
    },
    /// It has no character of this class.
    Class(CharacterClass),
    /// A part of the person's name or login is in it.
    Name,
    /// It is common or easily guessed.
    Common,
    /// It earns too few points besides the organisation's own words.
    Organisation,
    /// It is one of the previous passwords. Only the directory knows them, so its adapter or the caller adds
    /// this one.
    Previous,
    /// The directory refuses it by a rule of its own that it does not name: length, history or a list of its own.
    RefusedByDirectory,
}

impl PasswordPolicy {
    /// The lowest minimum that NIST SP 800-63B-4 §3.1.1.2 allows for a password with a second factor.
    pub const LEAST_MIN: u16 = 8;
    /// The highest maximum. It bounds the cost of hashing; directories differ, and all accept this length.
    pub const MOST_MAX: u16 = 128;

    /// Returns a policy: minimum and maximum length in code points, required classes, the number of previous
    /// passwords that are rejected, and the two lists. NIST's profile has no required classes and a minimum
    /// of 15 instead.
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

    /// Returns the policy with other lengths, classes and history, and the same lists.
    pub(super) fn with_limits(
        &self,
        (min, max): (u16, u16),
        classes: impl IntoIterator<Item = CharacterClass>,
        history: u8,
    ) -> Self {
        Self { min, max, classes: classes.into_iter().collect(), history, ..self.clone() }
    }

    /// Returns the number of previous passwords that are rejected.
    pub fn history(&self) -> u8 {
        self.history
    }

    /// Returns the criteria of this policy, in the order of the page.
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

    /// Returns all violations of a password, in the order of the criteria; none if it may be set. The caller
    /// adds [`Violation::Previous`].
    ///
    /// A password above the maximum length is not looked up in the lists, whose cost the maximum bounds.
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

    /// Returns the violation to show for a text that is no password.
    pub fn explain(&self, error: PasswordError) -> Violation {
        match error {
            PasswordError::Empty => Violation::TooShort { min: self.min },
            PasswordError::ControlCharacter => Violation::ControlCharacter,
        }
    }

    /// An attacker knows the organisation, so own words are part of the context. Only those in the password
    /// are passed on: zxcvbn would look up each of a thousand at each position. The person's names are not
    /// needed, since another criterion rejects them.
    fn is_common(&self, password: &NewPassword, own_words: &Findings<'_>) -> bool {
        self.common.contain(password, self.min, own_words.words())
    }
}

impl Criterion {
    /// Returns its name in JSON, in the locale files and in the page.
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
    /// Returns its name in JSON and in the locale files: that of the violated criterion, where there is one.
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
            Self::RefusedByDirectory => "refused-by-directory",
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

    /// Controls: C-018.
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

    /// Controls: C-018.
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

    /// Controls: C-018.
    #[test]
    fn own_words_make_password_common() {
        let lacks = |words| lacks(&policy(12, &CharacterClass::ALL, 1, words), "Perlisindera-7x#Q");
        assert_eq!(lacks(&["perlisindera"]), ["common"]);
        assert!(lacks(&[]).is_empty());
    }

    /// Controls: C-019.
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

    /// Controls: C-019.
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
