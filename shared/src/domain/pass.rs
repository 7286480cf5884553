//! Passes: one-time codes that the help desk gives to a caller whose identity it has checked, or sends to a new person
//! in a letter.
//!
//! A pass stands for the person, not for a factor. A caller's pass can verify every step of one flow, also for a person
//! with too few methods for a reset. A letter may be read by others on its way, so its pass verifies one step, and only
//! while nobody has used the account. No pass can authorise an enrolment.

use super::account::AccountId;
use super::keys::{Keyring, Tag};
use super::recovery_code::{RecoveryCode, RecoveryCodeError};
use super::time::{Seconds, Timestamp};

/// The longest validity of a pass. A stored end further away is not a valid pass.
pub const PASS_LONGEST: Seconds = Seconds(2_592_000);
/// The validity of a pass in a letter.
pub const ACTIVATION_LIFETIME: Seconds = PASS_LONGEST;

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassKind {
    /// An agent gave it to a caller. It verifies every step.
    Caller,
    /// A letter took it to a new person. It verifies one step.
    Activation,
}

impl PassKind {
    /// Returns the purpose in the key derivation of its tag. A version that knows the first kind only can't take the
    /// second one for it.
    const fn purpose(self) -> &'static str {
        match self {
            Self::Caller => "rekey/pass",
            Self::Activation => "rekey/activation-pass",
        }
    }
}

/// The tags that a typed pass has if it is of the one kind or the other.
#[derive(Clone, Copy, Debug)]
pub struct PassTags {
    /// As a caller's pass.
    pub caller: Tag,
    /// As a pass in a letter.
    pub activation: Tag,
}

impl PassTags {
    /// Returns the kind of the pass whose tag is stored.
    pub fn kind_of(&self, stored: &Tag) -> Option<PassKind> {
        let kinds = [(self.caller, PassKind::Caller), (self.activation, PassKind::Activation)];
        kinds.into_iter().find_map(|(tag, kind)| (tag == *stored).then_some(kind))
    }
}

/// The pass that an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldPass {
    /// Its kind.
    pub kind: PassKind,
    /// It is invalid from this time on.
    pub expires_at: Timestamp,
    /// Whether a flow redeemed it.
    pub is_redeemed: bool,
}

impl HeldPass {
    /// Returns whether a person can still use it.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        !self.is_redeemed && self.expires_at > now
    }
}

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
    pub fn tag(&self, kind: PassKind, seeds: &Keyring, account: &AccountId) -> Option<Tag> {
        let code = self.0.expose();
        seeds.tag(seeds.oldest(), kind.purpose(), &[account.as_str().as_bytes(), code.as_bytes()])
    }

    /// Returns the tags of both kinds: nobody says which one is typed.
    pub fn tags(&self, seeds: &Keyring, account: &AccountId) -> Option<PassTags> {
        let caller = self.tag(PassKind::Caller, seeds, account)?;
        Some(PassTags { caller, activation: self.tag(PassKind::Activation, seeds, account)? })
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
        let tag = |pass: &Pass, key: &str, account| pass.tag(PassKind::Caller, &ring(key), account);
        assert!(tag(&pass, "1", &aisyah) == tag(&pass, "2", &aisyah));
        assert!(tag(&pass, "1", &aisyah) != tag(&pass, "1", &weiling));
        assert!(tag(&pass, "1", &aisyah) != tag(&other, "1", &aisyah));
        let tags = pass.tags(&ring("1"), &aisyah).unwrap();
        assert_ne!(tags.caller, tags.activation, "a pass of one kind is none of the other");
        assert_eq!(tags.kind_of(&tags.caller), Some(PassKind::Caller));
        assert_eq!(tags.kind_of(&tags.activation), Some(PassKind::Activation));
        assert_eq!(tags.kind_of(&other.tags(&ring("1"), &aisyah).unwrap().caller), None);
    }
}
