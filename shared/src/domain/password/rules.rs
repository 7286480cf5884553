//! The parameters of a password policy.

use super::{CharacterClass, CommonPasswords, OwnWords, PasswordPolicy};

/// What an organisation asks of passwords.
#[derive(Clone, Debug)]
pub struct PasswordRules {
    /// The least length, in code points.
    pub min: u16,
    /// The greatest length, in code points.
    pub max: u16,
    /// The classes of characters that a password must have.
    pub classes: Vec<CharacterClass>,
    /// Previous passwords refused.
    pub history: u8,
    /// The organisation's own words, refused as the heart of a password.
    pub words: Vec<String>,
}

impl PasswordRules {
    /// The least length without classes of characters (NIST 800-63B-4 §3.1.1.2).
    pub const MIN_WITHOUT_CLASSES: u16 = 15;

    /// Whether passwords may be so short with these classes.
    pub fn is_long_enough(&self) -> bool {
        !self.classes.is_empty() || self.min >= Self::MIN_WITHOUT_CLASSES
    }

    /// The policy of `organisation`, with the lines of its own blocklist.
    ///
    /// # Errors
    /// A sentence that names what makes no sense.
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
