//! The parameters of a password policy.

use super::super::published_policy::PublishedPolicy;
use super::{CharacterClass, CommonPasswords, OwnWords, PasswordPolicy};

/// An organisation's settings for passwords.
#[derive(Clone, Debug)]
pub struct PasswordRules {
    /// The minimum length, in code points.
    pub min: u16,
    /// The maximum length, in code points.
    pub max: u16,
    /// The character classes that a password must have.
    pub classes: Vec<CharacterClass>,
    /// The number of previous passwords that are rejected.
    pub history: u8,
    /// The organisation's own words: see `OwnWords`.
    pub words: Vec<String>,
}

impl PasswordRules {
    /// The lowest minimum length without character classes (NIST 800-63B-4 §3.1.1.2).
    pub const MIN_WITHOUT_CLASSES: u16 = 15;

    /// Returns whether the minimum length is sufficient with these classes.
    pub fn is_long_enough(&self) -> bool {
        !self.classes.is_empty() || self.min >= Self::MIN_WITHOUT_CLASSES
    }

    /// Returns these rules with those that the directory publishes, so that the page lists them before the directory
    /// rejects a password. Active Directory's complexity asks for three of five classes; upper, lower and digit are
    /// three of them.
    #[must_use]
    pub fn with_published(&self, published: &PublishedPolicy) -> Self {
        let min = self.min.max(published.min_length.unwrap_or_default()).min(self.max);
        let mut classes = self.classes.clone();
        if published.complexity && classes.len() < 3 {
            classes = vec![CharacterClass::Upper, CharacterClass::Lower, CharacterClass::Digit];
        }
        let published_history = u8::try_from(published.history).unwrap_or(u8::MAX);
        Self { min, classes, history: self.history.max(published_history), ..self.clone() }
    }

    /// Returns these rules with those of an account, if its directory publishes any.
    #[must_use]
    pub fn of_account(&self, published: Option<&PublishedPolicy>) -> Self {
        published.map_or_else(|| self.clone(), |published| self.with_published(published))
    }

    /// Returns a policy with these rules, and its own lists.
    pub fn applied_to(&self, policy: &PasswordPolicy) -> PasswordPolicy {
        policy.with_limits((self.min, self.max), self.classes.iter().copied(), self.history)
    }

    /// Returns the policy of `organisation`, with the file of its own refused passwords.
    ///
    /// # Errors
    /// A sentence that names the invalid setting.
    pub fn policy(&self, organisation: &str, blocklist: &[u8]) -> Result<PasswordPolicy, String> {
        let words = self.words.iter().map(String::as_str);
        let words = OwnWords::new(organisation, words).map_err(|error| error.to_string())?;
        let common = CommonPasswords::with_file(blocklist).map_err(|error| error.to_string())?;
        let classes = self.classes.iter().copied();
        PasswordPolicy::new(self.min, self.max, classes, self.history, common, words)
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_policy_only_tightens_rules() {
        let rules = PasswordRules {
            min: 12,
            max: 128,
            classes: CharacterClass::ALL.to_vec(),
            history: 1,
            words: Vec::new(),
        };
        let published =
            PublishedPolicy { min_length: Some(7), complexity: true, ..PublishedPolicy::default() };
        let same = rules.with_published(&published);
        assert_eq!((same.min, same.classes.len(), same.history), (12, 4, 1));
        let published = PublishedPolicy { min_length: Some(16), history: 24, ..published };
        let phrase = PasswordRules { classes: Vec::new(), history: 0, ..rules };
        let tighter = phrase.with_published(&published);
        assert_eq!((tighter.min, tighter.classes.len(), tighter.history), (16, 3, 24));
        let long = PublishedPolicy { min_length: Some(200), ..published };
        assert_eq!(phrase.with_published(&long).min, 128, "no longer than the page allows");
    }
}
