//! What is registered for an account, and the claim that lets one flow change it.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::account::{AccountId, Registration};
use crate::domain::flow::FlowKey;
use crate::domain::method::Factor;
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
        flow: FlowKey,
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
    /// Another flow has changed the account since this one was opened.
    Lost,
}

/// Who claims an account.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The flow.
    pub flow: FlowKey,
    /// What it has proved, to be noted as used.
    pub proved: &'a [Factor],
}

/// Gives one flow at a time the right to change an account.
#[async_trait]
pub trait ClaimStore: Send + Sync {
    /// Claims the account for a flow, which knows it at `generation`, until `lease_until`: one conditional bump of
    /// the generation, so two flows can't both pass and the first success ends the others. A flow whose own lease
    /// has run out without a change may claim again.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim(
        &self,
        account: &AccountId,
        claimant: &Claimant<'_>,
        generation: u64,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Claim, StoreError>;
}
