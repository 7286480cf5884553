//! The ports of the help desk.

use std::collections::BTreeMap;
use std::error::Error;

use async_trait::async_trait;
use serde_json::Value;
use thiserror::Error;

use super::{StoreError, Versioned};
use crate::domain::account::AccountId;
use crate::domain::help_desk::{Agent, DeskRecord};
use crate::domain::keys::Tag;
use crate::domain::pass::{HeldPass, PassKind};
use crate::domain::time::Timestamp;

/// Stores what the help desk did for each person lately.
#[async_trait]
pub trait DeskRecordStore: Send + Sync {
    /// Returns the record of an account, empty if there is none; strongly consistent.
    ///
    /// # Errors
    /// [`StoreError`]; also for an unreadable record, which may have passes that count.
    async fn desk_record(&self, account: &AccountId) -> Result<Versioned<DeskRecord>, StoreError>;

    /// Replaces the record that was read as `revision`; `false` when another request replaced it first (optimistic
    /// locking). The store may delete it after `kept_until`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace_desk_record(
        &self,
        account: &AccountId,
        revision: u64,
        record: &DeskRecord,
        kept_until: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// Writes passes. Only `help-desk` has it.
#[async_trait]
pub trait PassStore: Send + Sync {
    /// Writes the account's pass by its tag, and replaces an earlier one.
    ///
    /// # Errors
    /// [`StoreError`]; it may then be written.
    async fn put_pass(
        &self,
        account: &AccountId,
        kind: PassKind,
        pass: &Tag,
        expires_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Returns the pass that was written last, valid or not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn held_pass(&self, account: &AccountId) -> Result<Option<HeldPass>, StoreError>;
}

/// Names agents by calls that they signed.
#[async_trait]
pub trait AgentIdentity: Send + Sync {
    /// Returns the agent who signed a call with these headers for this act; `None` if nobody of this AWS account did.
    ///
    /// # Errors
    /// [`IdentityError`].
    async fn agent(
        &self,
        signed: &BTreeMap<String, String>,
        act: &str,
    ) -> Result<Option<Agent>, IdentityError>;
}

/// The service that names agents is unavailable.
#[derive(Debug, Error)]
#[error("the caller can't be identified now")]
pub struct IdentityError(#[source] pub Box<dyn Error + Send + Sync>);

/// Keeps the events of agents and operators.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Writes an event. An act whose event can't be written must not follow.
    ///
    /// # Errors
    /// [`AuditError`].
    async fn write(&self, event: &Value) -> Result<(), AuditError>;
}

/// The event can't be written.
#[derive(Debug, Error)]
#[error("the log of operators can't be written")]
pub struct AuditError(#[source] pub Box<dyn Error + Send + Sync>);
