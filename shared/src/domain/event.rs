//! Changes of an account, as notifications report them.

use serde::{Deserialize, Serialize};

use super::flow::{Outcome, VerifiedStep};
use super::language::Language;
use super::method::Method;
use super::security_info::Kind;
use super::time::Timestamp;

/// The event that a notification reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A person set a new password.
    Reset,
    /// A person unlocked the account; the password is unchanged.
    Unlocked,
    /// A new password may have been set, or the account unlocked: the directory can't tell.
    Unconfirmed,
    /// A person enrolled an entry. A message of an earlier version may also mean one in place of another.
    Added(Kind),
    /// A person enrolled an entry in place of another.
    Replaced(Kind),
    /// A person removed an entry.
    Removed(Kind),
    /// A device's owner denied a request for approval.
    #[serde(rename = "refused")]
    ApprovalDenied,
    /// The help desk issued a pass. Nothing was changed yet.
    PassIssued,
    /// The password expires soon. Nothing was changed: the time of the event is that of the expiry.
    PasswordExpiring,
}

impl Event {
    /// Returns whether a call reports it too. An office phone rings for a reset, for a pass, and for a contact that was removed
    /// or replaced: the owner may have lost the channel that would tell them. Other changes reach the other contacts.
    pub const fn is_called(self) -> bool {
        match self {
            Self::Reset | Self::Unconfirmed | Self::PassIssued => true,
            Self::Removed(kind) | Self::Replaced(kind) => kind.is_contact(),
            Self::Added(_) | Self::Unlocked | Self::ApprovalDenied | Self::PasswordExpiring => false,
        }
    }
}

impl From<Outcome> for Event {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Reset => Self::Reset,
            Outcome::Unlocked => Self::Unlocked,
        }
    }
}

/// One of the changes that a notification reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The kind of the change.
    pub event: Event,
    /// The time of the change, which the text names.
    pub at: Timestamp,
}

/// A change that was made to an account.
#[derive(Clone, Debug)]
pub struct AccountChange {
    /// The kind of the change; it selects the text.
    pub event: Event,
    /// The methods that verified the person, which the text names.
    pub methods: Vec<Method>,
    /// The time of the change, which the text names.
    pub at: Timestamp,
    /// The language of the notices, as the person chose it.
    pub language: Language,
}

impl AccountChange {
    /// Returns the change that the verifications `verified_steps` led to.
    pub fn verified_by(
        verified_steps: &[VerifiedStep],
        outcome: Outcome,
        at: Timestamp,
        language: Language,
    ) -> Self {
        Self { event: outcome.into(), methods: methods(verified_steps), at, language }
    }
}

/// Returns the methods of a flow's verifications, each once.
pub fn methods(verified_steps: &[VerifiedStep]) -> Vec<Method> {
    let mut methods: Vec<Method> = verified_steps.iter().map(|step| step.method).collect();
    methods.dedup();
    methods
}
