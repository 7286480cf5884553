//! The stored data of each kind of entry: written, read and consumed.

use std::collections::BTreeSet;

use super::contact::StoredContact;
use crate::domain::passkey::Credential;
use crate::domain::recovery_code::{HashedWith, Sheet};
use crate::domain::security_info::{Consumption, Secret};

/// The data of an entry that is never shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoredSecret {
    /// An address or a number; tables in DynamoDB seal it.
    Contact(StoredContact),
    /// An app for codes.
    Totp {
        /// Sealed for the account.
        sealed_seed: String,
        /// The last accepted time step; only later ones are accepted.
        last_step: u64,
    },
    /// A device with the authenticator app.
    Authenticator {
        /// A SEC 1 point on P-256, 65 bytes.
        public_key: Vec<u8>,
        /// The sealed push subscription; none without pushes.
        subscription: Option<String>,
    },
    /// A passkey's public half.
    Passkey {
        /// Verifies assertions.
        credential: Credential,
        /// The last accepted counter; none before the first use.
        counter: Option<u32>,
    },
    /// The hashes of a sheet of recovery codes.
    RecoveryCodes {
        /// The hash function and its key or salt.
        hashed_with: HashedWith,
        /// One hash per unused code.
        hashes: BTreeSet<String>,
        /// The last consumed hash, which its flow may use again.
        last_hash: Option<String>,
    },
}

impl StoredSecret {
    /// Returns the stored form of a new secret.
    pub(super) fn of(secret: &Secret<'_>) -> Self {
        match secret {
            Secret::Contact(contact) => Self::Contact(StoredContact::from_contact(contact)),
            Secret::Totp { sealed_seed, step } => {
                Self::Totp { sealed_seed: sealed_seed.clone(), last_step: *step }
            }
            Secret::Authenticator { public_key, subscription } => {
                Self::Authenticator { public_key: public_key.clone(), subscription: subscription.clone() }
            }
            Secret::Passkey(credential) => Self::Passkey { credential: credential.clone(), counter: None },
            Secret::RecoveryCodes(sheet) => Self::RecoveryCodes {
                hashed_with: sheet.hashed_with.clone(),
                hashes: sheet.hashes.iter().cloned().collect(),
                last_hash: None,
            },
        }
    }

    /// Returns the secret as a verification reads it; `None` for a contact, which DynamoDB's item has sealed.
    pub(super) fn read(&self) -> Option<Secret<'static>> {
        Some(match self {
            Self::Contact(_) => return None,
            Self::Totp { sealed_seed, last_step } => {
                Secret::Totp { sealed_seed: sealed_seed.clone(), step: *last_step }
            }
            Self::Authenticator { public_key, subscription } => {
                Secret::Authenticator { public_key: public_key.clone(), subscription: subscription.clone() }
            }
            Self::Passkey { credential, .. } => Secret::Passkey(credential.clone()),
            Self::RecoveryCodes { hashed_with, hashes, .. } => Secret::RecoveryCodes(Sheet {
                hashed_with: hashed_with.clone(),
                hashes: hashes.iter().cloned().collect(),
            }),
        })
    }

    /// Returns the text that may be shown of it, where its entry has none.
    pub(super) fn shown(&self) -> Option<String> {
        match self {
            Self::RecoveryCodes { hashes, .. } => Some(hashes.len().to_string()),
            _ => None,
        }
    }

    /// Returns whether nothing of it is left to verify with.
    pub(super) fn is_used_up(&self) -> bool {
        matches!(self, Self::RecoveryCodes { hashes, .. } if hashes.is_empty())
    }

    /// Uses up a part of it; returns whether that was possible. `is_same` means that the same flow consumed it
    /// last.
    pub(super) fn consume(&mut self, consumption: &Consumption, is_same: bool) -> bool {
        match (self, consumption) {
            (Self::Totp { last_step, .. }, Consumption::TimeStep(step)) => {
                let moves = *last_step < *step || (*last_step == *step && is_same);
                if moves {
                    *last_step = *step;
                }
                moves
            }
            (Self::Passkey { counter, .. }, Consumption::Counter(accepted)) => {
                let moves = counter.is_none_or(|last| match *accepted {
                    0 => last == 0,
                    accepted => last < accepted || (last == accepted && is_same),
                });
                if moves {
                    *counter = Some(*accepted);
                }
                moves
            }
            (Self::RecoveryCodes { hashes, last_hash, .. }, Consumption::RecoveryCode(hash)) => {
                let is_again = last_hash.as_ref() == Some(hash) && is_same;
                let is_taken = hashes.remove(hash) || is_again;
                if is_taken {
                    *last_hash = Some(hash.clone());
                }
                is_taken
            }
            _ => false,
        }
    }
}
