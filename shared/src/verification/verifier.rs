//! The dependencies of checking an answer.

use crate::domain::account_limits::TieredLimit;
use crate::domain::client::{AddressBlock, NetworkTag};
use crate::domain::keys::Keyring;
use crate::domain::passkey::RelyingParty;
use crate::ports::{ApprovalStore, AuthenticatorStore, RateLimitStore, SignatureVerifier};

/// The ports and the limits for checking an answer.
pub struct Verifier<'a> {
    /// The keyring of cookies and tags (`REKEY_SECRET_FLOWS`).
    pub flows: &'a Keyring,
    /// The keyring of seeds, recovery codes and passes (`REKEY_SECRET_SEEDS`).
    pub seeds: &'a Keyring,
    /// Reads and consumes apps, passkeys, recovery codes and passes.
    pub authenticators: &'a dyn AuthenticatorStore,
    /// Reads the devices' answers.
    pub approvals: &'a dyn ApprovalStore,
    /// Verifies passkeys' signatures.
    pub signatures: &'a dyn SignatureVerifier,
    /// Counts attempts per account.
    pub limits: &'a dyn RateLimitStore,
    /// The site that passkeys are bound to.
    pub party: RelyingParty,
    /// Attempts at an account's generated codes per day and bucket (`REKEY_TOTP_TRIES_PER_DAY`).
    pub generated_codes_per_day: TieredLimit,
    /// The network of the request, for the limits of the account.
    pub network: NetworkTag,
    /// The address of the request, for the limit of slow hashes.
    pub address: AddressBlock,
}
