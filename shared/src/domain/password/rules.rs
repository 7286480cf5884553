//! The parameters of a password policy.

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

    /// Returns the policy of `organisation`, with the lines of its own blocklist.
    ///
    /// # Errors
    /// A sentence that names the invalid setting.
    pub fn policy<'a>(
        &self,
        organisation: &str,
        blocklist: impl IntoIterator<Item = &'a str>,
    ) -> Result<PasswordPolicy, String> {
        let words = self.words.iter().map(String::as_str);
        let words = OwnWords::new(organisation, words).map_err(|error| error.to_string())?;
        let common = CommonPasswords::with_file_lines(blocklist);
        let classes = self.classes.iter().copied();
        PasswordPolicy::new(self.min, self.max, classes, self.history, common, words)
            .map_err(|error| error.to_string())
    }
}
