//! What is done to an account, as people are told of it.

use serde::{Deserialize, Serialize};

use super::flow::{Outcome, Proof};
use super::language::Language;
use super::method::Method;
use super::security_info::Kind;
use super::time::Timestamp;

/// What people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A new password was set.
    Reset,
    /// The account was unlocked.
    Unlocked,
    /// A new password may have been set, or the account unlocked: the directory can't tell.
    Unconfirmed,
    /// Something was registered, perhaps in the place of another.
    Added(Kind),
    /// Something registered was removed.
    Removed(Kind),
    /// Somebody asked for approval, and it was refused.
    Refused,
}

impl From<Outcome> for Event {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Reset => Self::Reset,
            Outcome::Unlocked => Self::Unlocked,
        }
    }
}

/// A change that was made to an account.
#[derive(Clone, Debug)]
pub struct Change {
    /// What was done.
    pub event: Event,
    /// How the person proved who they are.
    pub methods: Vec<Method>,
    /// When.
    pub at: Timestamp,
    /// The language of the notices.
    pub language: Language,
}

impl Change {
    /// The change that `proofs` led to.
    pub fn proved_by(proofs: &[Proof], outcome: Outcome, at: Timestamp, language: Language) -> Self {
        Self { event: outcome.into(), methods: methods(proofs), at, language }
    }
}

/// How a flow was verified, each method once.
pub fn methods(proofs: &[Proof]) -> Vec<Method> {
    let mut methods: Vec<Method> = proofs.iter().map(|proof| proof.method).collect();
    methods.dedup();
    methods
}
