//! Passes: one-time codes that the help desk gives to a person whose identity it has checked.
//!
//! A pass stands for the person, not for a factor. It can verify every step of one flow, also for a person
//! with too few methods for a reset. It can't authorise an enrolment.

use super::account::AccountId;
use super::keys::{Keyring, Tag};
use super::recovery_code::{RecoveryCode, RecoveryCodeError};
use super::time::Seconds;

/// The longest validity of a pass. A stored end further away is not a valid pass.
pub const PASS_LONGEST: Seconds = Seconds(2_592_000);
/// The purpose in the key derivation of a pass's tag.
const PURPOSE: &str = "rekey/pass";

/// A pass: 80 random bits, typed and read like a recovery code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass(RecoveryCode);

impl Pass {
    /// Returns a new pass. `entropy` must be random.
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

    /// Returns the code, for the help desk to hand over and for the tag of an answer.
    pub const fn code(&self) -> &RecoveryCode {
        &self.0
    }

    /// Returns the tag that is stored for an account. It uses the oldest key, which rotation keeps: a single
    /// write redeems a pass, without a read before it.
    pub fn tag(&self, seeds: &Keyring, account: &AccountId) -> Option<Tag> {
        let code = self.0.expose();
        seeds.tag(seeds.oldest(), PURPOSE, &[account.as_str().as_bytes(), code.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-016.
    #[test]
    fn pass_code_round_trips_ignoring_case() {
        let pass = Pass::generate(&[7; 10]);
        assert_eq!(Pass::parse(&pass.code().expose().to_lowercase()), Ok(pass.clone()));
        assert!(Pass::parse("1234").is_err());
        assert_eq!(format!("{pass:?}"), "Pass(RecoveryCode(..))");
    }

    /// Controls: C-016.
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
