//! What checking an answer needs.

use crate::domain::client::AddressBlock;
use crate::domain::keys::Keyring;
use crate::domain::passkey::RelyingParty;
use crate::ports::{ApprovalStore, Authenticators, BudgetStore, SignatureVerifier};

/// The ports over which an answer is checked, and the policy that it is checked by.
pub struct Verifier<'a> {
    /// The keys of flows and sessions.
    pub flows: &'a Keyring,
    /// The keys of seeds and recovery codes.
    pub seeds: &'a Keyring,
    /// The authenticators.
    pub authenticators: &'a dyn Authenticators,
    /// The requests to devices.
    pub approvals: &'a dyn ApprovalStore,
    /// The arithmetic of passkeys.
    pub signatures: &'a dyn SignatureVerifier,
    /// The rate limits.
    pub limits: &'a dyn BudgetStore,
    /// What passkeys are bound to.
    pub party: RelyingParty,
    /// Attempts at an account's app codes in a day and bucket (`REKEY_TOTP_TRIES_PER_DAY`).
    pub totp_per_day: u8,
    /// The network that the answer comes from.
    pub network: AddressBlock,
}
