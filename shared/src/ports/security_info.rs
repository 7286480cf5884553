//! What is registered for an account, and the claim that lets one flow change it.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::{AccountId, Registration};
use crate::domain::holder::HolderId;
use crate::domain::keys::Tag;
use crate::domain::method::Factor;
use crate::domain::passkey::Credential;
use crate::domain::recovery_code::Sheet;
use crate::domain::security_info::EntryId;
use crate::domain::time::Timestamp;

/// Reads what is registered.
#[async_trait]
pub trait SecurityInfo: Send + Sync {
    /// Everything registered for an account and what of it counts at `now`, empty if nothing is; strongly consistent,
    /// one read either way.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn registration(&self, account: &AccountId, now: Timestamp) -> Result<Registration, StoreError>;
}

/// A registered authenticator app.
#[derive(Clone, Debug)]
pub struct StoredTotp {
    /// Its seed, sealed for the account.
    pub sealed_seed: String,
}

/// A registered passkey.
#[derive(Clone, Debug)]
pub struct StoredPasskey {
    /// The entry that it is.
    pub id: EntryId,
    /// Its public half.
    pub credential: Credential,
    /// Whether it has not been active for the waiting period yet.
    pub young: bool,
}

/// The authenticators of an account.
#[async_trait]
pub trait Authenticators: Send + Sync {
    /// The code app of an account that counts at `now`; a miss costs what a hit costs.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn totp(&self, account: &AccountId, now: Timestamp) -> Result<Option<StoredTotp>, StoreError>;

    /// Accepts a time step for a flow, once ever: `false` when this or a later one was accepted before (RFC 6238 §5.2).
    /// For the flow that it was accepted for it stays accepted, so that a lost answer or a double click costs no code.
    ///
    /// # Errors
    /// [`StoreError`]; the step may then count as accepted.
    async fn accept_step(
        &self,
        account: &AccountId,
        step: u64,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The passkeys of an account that count at `now`; a miss costs what a hit costs.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn passkeys(&self, account: &AccountId, now: Timestamp) -> Result<Vec<StoredPasskey>, StoreError>;

    /// Accepts a passkey's counter for a flow: `false` when it did not move forward since the last time, or the passkey
    /// is gone (Web Authentication Level 3 §7.2 step 22). One that never counts stays at 0. For the flow that a value was
    /// accepted for it stays accepted, so that a lost answer or a double click costs nothing.
    ///
    /// # Errors
    /// [`StoreError`]; the counter may then count as accepted.
    async fn accept_counter(
        &self,
        account: &AccountId,
        passkey: &EntryId,
        counter: u32,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The sheet of recovery codes of an account that counts at `now`; a miss costs what a hit costs.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn recovery_sheet(&self, account: &AccountId, now: Timestamp) -> Result<Option<Sheet>, StoreError>;

    /// Takes the recovery code with this hash off the account's sheet: of any number of callers at once, one succeeds.
    /// The flow that took it takes it again, so that a lost answer or a double click costs no second code.
    ///
    /// # Errors
    /// [`StoreError`]; the code may then be taken.
    async fn use_recovery_code(
        &self,
        account: &AccountId,
        hash: &str,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Redeems the account's pass with this tag for a flow, by one write whatever is there: of any number of callers at once,
    /// one succeeds. The flow that redeemed it does so again, so that a lost answer or a double click costs nothing.
    ///
    /// # Errors
    /// [`StoreError`]; the pass may then be redeemed.
    async fn redeem_pass(
        &self,
        account: &AccountId,
        pass: &Tag,
        flow: HolderId,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// What a claim came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The account is this flow's to change, under this generation.
    Held(u64),
    /// The same flow holds it already and may still be at it (a double click).
    Busy,
    /// The flow has claimed the account as often as it may.
    Spent,
    /// Another flow has claimed the account, or a session changed it, since this one was opened.
    Lost,
}

/// Who claims an account.
#[derive(Clone, Copy, Debug)]
pub struct LeaseHolder<'a> {
    /// The flow.
    pub flow: HolderId,
    /// The account's generation when the flow was opened.
    pub generation: u64,
    /// How often the flow may claim the account.
    pub limit: u64,
    /// What it has proved, to be noted as used.
    pub proved: &'a [Factor],
}

/// Gives one flow at a time the right to change an account.
#[async_trait]
pub trait ClaimStore: Send + Sync {
    /// Claims the account for a flow until `lease_until`: one conditional bump of the generation, so two flows can't
    /// both pass and the first claim ends the others. A flow whose own lease has run out or was released may claim
    /// again. As long as it holds the account, the generations since its opening are its claims, so they are counted
    /// without a write of their own: never more than its limit, however many requests come at once.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim(
        &self,
        account: &AccountId,
        claimant: &LeaseHolder<'_>,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Claim, StoreError>;

    /// Ends the lease of a claim that changed nothing, so that its flow may claim again at once. A claim that is another
    /// by now stays.
    ///
    /// # Errors
    /// [`StoreError`]; the lease then runs out by itself.
    async fn release(&self, account: &AccountId, flow: HolderId, generation: u64) -> Result<(), StoreError>;
}
