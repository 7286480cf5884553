//! Passes: a one-time code that the help desk gives to a person whose identity it has checked.
//!
//! A pass stands for the person, not for a thing: it may verify every step of one flow, also of a person who has too little
//! registered for a reset. It vouches for nothing that is enrolled.

use super::account::AccountId;
use super::keys::{Keyring, Tag};
use super::recovery_code::{RecoveryCode, RecoveryCodeError};
use super::time::Seconds;

/// The longest that a pass may be set to be good for. An end further away was never written as one.
pub const PASS_LONGEST: Seconds = Seconds(30 * Seconds::DAY.0);
/// The purpose under which passes are kept.
const PURPOSE: &str = "rekey/pass";

/// A pass, typed and read as a recovery code is: 80 random bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass(RecoveryCode);

impl Pass {
    /// A new pass.
    pub fn generate(entropy: &[u8; 10]) -> Self {
        Self(RecoveryCode::from_entropy(entropy))
    }

    /// Reads what a person typed.
    ///
    /// # Errors
    /// As [`RecoveryCode::parse`].
    pub fn parse(typed: &str) -> Result<Self, RecoveryCodeError> {
        RecoveryCode::parse(typed).map(Self)
    }

    /// The code, for whoever gives it to its person, and for the tag of an answer.
    pub const fn code(&self) -> &RecoveryCode {
        &self.0
    }

    /// What is kept of it for an account. Under the oldest key, which rotation keeps: a pass is redeemed by one write that
    /// reads nothing before.
    pub fn tag(&self, seeds: &Keyring, account: &AccountId) -> Option<Tag> {
        let code = self.0.expose();
        seeds.tag(seeds.oldest(), PURPOSE, &[account.as_str().as_bytes(), code.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pass_code_round_trips_ignoring_case() {
        let pass = Pass::generate(&[7; 10]);
        assert_eq!(Pass::parse(&pass.code().expose().to_lowercase()), Ok(pass.clone()));
        assert!(Pass::parse("1234").is_err());
        assert_eq!(format!("{pass:?}"), "Pass(RecoveryCode(..))");
    }

    #[test]
    fn pass_tag_is_bound_to_account_across_rotation() {
        let ring = |current: &str| {
            Keyring::from_secret(&format!(
                r#"{{"current":"{current}","1":"0123456789abcdef0123456789abcdef","2":"fedcba9876543210fedcba9876543210"}}"#
            ))
            .unwrap()
        };
        let [aisyah, weiling] = ["aisyah", "weiling"].map(|id| AccountId::from_directory(id).unwrap());
        let (pass, other) = (Pass::generate(&[7; 10]), Pass::generate(&[8; 10]));
        assert!(pass.tag(&ring("1"), &aisyah) == pass.tag(&ring("2"), &aisyah));
        assert!(pass.tag(&ring("1"), &aisyah) != pass.tag(&ring("1"), &weiling));
        assert!(pass.tag(&ring("1"), &aisyah) != other.tag(&ring("1"), &aisyah));
    }
}
