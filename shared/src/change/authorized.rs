//! An authorized change of a password or a lock.

use std::error::Error;

use super::{CLAIMS, FinishPorts, LEASE, RECONCILE_AFTER};
use crate::domain::account::{Account, Registration};
use crate::domain::cookie::HolderCookie;
use crate::domain::event;
use crate::domain::flow::{Flow, Proven};
use crate::domain::holder::HolderId;
use crate::domain::keys::Keyring;
use crate::domain::message::{Message, ReconcileChange};
use crate::domain::notice;
use crate::domain::password::Violation;
use crate::domain::time::Timestamp;
use crate::ports::{
    ChangeError, ChangeOutcome, Claim, ClaimStore, Clock, DirectoryError, LeaseHolder, PasswordChange,
    PasswordDirectory, StoreError, Write,
};

/// The ports for making a change.
#[derive(Clone, Copy)]
pub struct ChangePorts<'a> {
    /// The ports for finishing it.
    pub finish: FinishPorts<'a>,
    /// Gives the lease for one account.
    pub claims: &'a dyn ClaimStore,
    /// Makes the change.
    pub directory: &'a dyn PasswordDirectory,
    /// The keyring of factor tags and pseudonyms.
    pub keys: &'a Keyring,
    /// The organisation's own domains: a mailbox below one is no contact of its person.
    pub own_domains: &'a [String],
    /// The clock for the change's deadline.
    pub clock: &'a dyn Clock,
}

/// The reason why a change was not made, or not by this request.
#[derive(Debug)]
pub enum ChangeFailure {
    /// The flow may no longer change the account.
    Ended,
    /// An earlier request of the same flow made the change.
    Done,
    /// Another request of the same flow is making the change (a double click).
    Busy,
    /// The directory rejects the password. The flow may try another at once.
    Rejected(Vec<Violation>),
    /// A port failed: its name, and its error. The reconciliation finds out whether the change was made.
    Outside(&'static str, Box<dyn Error + Send + Sync>),
}

impl From<StoreError> for ChangeFailure {
    fn from(error: StoreError) -> Self {
        Self::Outside("store", Box::new(error))
    }
}

impl From<DirectoryError> for ChangeFailure {
    fn from(error: DirectoryError) -> Self {
        Self::Outside("directory", Box::new(error))
    }
}

/// An authorized change, with the account and its contacts as they are now.
pub struct AuthorizedChange<'a> {
    ports: ChangePorts<'a>,
    key: HolderId,
    revision: u64,
    flow: Proven,
    account: Account,
    registration: Registration,
    now: Timestamp,
}

impl<'a> AuthorizedChange<'a> {
    /// Authorizes the change. The account must exist and not be disabled or excluded. It must have the same
    /// contacts as those that received codes. No other flow may have changed it since this one started.
    ///
    /// # Errors
    /// [`ChangeFailure::Ended`] where it may not be changed, and failures of the ports.
    pub async fn authorize(
        ports: ChangePorts<'a>,
        cookie: &HolderCookie,
        revision: u64,
        flow: Proven,
        now: Timestamp,
    ) -> Result<Self, ChangeFailure> {
        let account = ports.directory.account(&flow.facts.account).await?.ok_or(ChangeFailure::Ended)?;
        let registration = ports.finish.security_info.registration(&account.id, now).await?;
        let registration = registration.as_evidence_for(&account, ports.own_domains);
        let unchanged = flow.progress.proofs.iter().all(|proof| match proof.contact {
            None => registration.has(proof.method) || proof.method.is_used_up(),
            Some(fingerprint) => registration
                .factor(proof.method)
                .and_then(|factor| cookie.factor_tag(ports.keys, &factor))
                .is_some_and(|now| now == fingerprint),
        });
        let key = cookie.id();
        let ours = registration.generation == flow.facts.generation || registration.claimed_by == Some(key);
        if !flow.facts.decoy && account.standing.may_reset() && unchanged && ours {
            Ok(Self { ports, key, revision, flow, account, registration, now })
        } else {
            Err(ChangeFailure::Ended)
        }
    }

    /// Returns the account as the directory returned it at the authorization.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Makes the change once, and returns the finished flow.
    ///
    /// # Errors
    /// [`ChangeFailure`]. After [`ChangeFailure::Busy`] it may be called again.
    pub async fn apply(&self, write: Write<'_>) -> Result<Flow, ChangeFailure> {
        let proved = self.flow.progress.proved_factors();
        let claimant = LeaseHolder {
            flow: self.key,
            generation: self.flow.facts.generation,
            limit: CLAIMS,
            proved: &proved,
        };
        let deadline = self.now + LEASE;
        let claim = self.ports.claims.claim(&self.account.id, &claimant, self.now, deadline).await?;
        let number = match claim {
            Claim::Held(generation) => Some(generation),
            Claim::Spent => None,
            Claim::Busy => return Err(ChangeFailure::Busy),
            Claim::Lost => return Err(ChangeFailure::Ended),
        };
        // An earlier lease of this flow may have led to a directory write before its function was cut off.
        // Then nothing is left to write: the earlier password counts, and this request reports success.
        if number != Some(self.first_number()) && self.first_was_made().await? {
            self.finish().await;
            return Err(ChangeFailure::Done);
        }
        let number = number.ok_or(ChangeFailure::Ended)?;
        if let Err(failure) = self.prepare(number, write).await {
            self.release(number).await;
            return Err(failure);
        }
        let change = PasswordChange { account: self.account.id.clone(), number, deadline };
        match self.ports.directory.apply(&change, write, self.ports.clock.now()).await {
            Ok(()) => Ok(self.finish().await),
            Err(ChangeError::Rejected(violations)) => {
                self.release(number).await;
                Err(ChangeFailure::Rejected(violations))
            }
            Err(error @ ChangeError::NotApplied(_)) => {
                self.release(number).await;
                Err(ChangeFailure::Outside("directory", Box::new(error)))
            }
            Err(error @ ChangeError::Unknown(_)) => Err(ChangeFailure::Outside("directory", Box::new(error))),
            Err(error @ (ChangeError::NotPermitted | ChangeError::Superseded)) => {
                tracing::warn!(event = "change-refused", flow = ?self.key, reason = %error);
                Err(ChangeFailure::Ended)
            }
        }
    }

    /// Runs between lease and write: the directory checks the new password, and the message for the
    /// reconciliation is queued. If it fails, nothing is changed. The lease has counted the comparison before
    /// it is made, since its answer reveals whether a guess is the current password.
    async fn prepare(&self, number: u64, write: Write<'_>) -> Result<(), ChangeFailure> {
        if let Write::Password(password) = write {
            let violations = self.ports.directory.precheck(&self.account.id, password).await?;
            if !violations.is_empty() {
                return Err(ChangeFailure::Rejected(violations));
            }
        }
        let reconcile = Message::Reconcile(ReconcileChange {
            flow: self.key,
            account: self.account.id.clone(),
            generation: number,
            outcome: self.flow.progress.reason.outcome(),
            methods: event::methods(&self.flow.progress.proofs),
            language: self.flow.facts.language,
        });
        let queued = self.ports.finish.outgoing.send(self.key, &[reconcile], RECONCILE_AFTER).await;
        queued.map_err(|error| ChangeFailure::Outside("queue", Box::new(error)))
    }

    /// Returns the number of this flow's first lease.
    fn first_number(&self) -> u64 {
        self.flow.facts.generation + 1
    }

    /// Returns whether the change of the first lease, or a later one, was made. An unknown outcome counts as
    /// not made: repeating the write sets the password that was typed last.
    async fn first_was_made(&self) -> Result<bool, DirectoryError> {
        let (account, number) = (self.account.id.clone(), self.first_number());
        let first = PasswordChange { account, number, deadline: self.now };
        Ok(self.ports.directory.outcome(&first).await? == ChangeOutcome::Applied)
    }

    /// Releases the lease, so that this flow may acquire it again at once. On failure the lease expires.
    async fn release(&self, number: u64) {
        if let Err(error) = self.ports.claims.release(&self.account.id, self.key, number).await {
            tracing::warn!(event = "release-failed", flow = ?self.key, reason = %error);
        }
    }

    /// Notifies every contact, and finishes the flow. The change is already made, so failures here are not
    /// reported: the reconciliation completes the rest.
    async fn finish(&self) -> Flow {
        let (key, finish, now) = (self.key, self.ports.finish, self.now);
        let outcome = self.flow.progress.reason.outcome();
        let language = self.flow.facts.language;
        let change = notice::Change::proved_by(&self.flow.progress.proofs, outcome, now, language);
        let told = finish.outgoing.notify(key, &self.account, &self.registration, &change).await;
        if let Err(error) = &told {
            tracing::warn!(event = "notices-delayed", flow = ?key, reason = %error);
        }
        let done = Flow::Done(self.flow.clone().finish(now, told.is_ok()));
        if !matches!(finish.flows.replace(key, self.revision, &done, now).await, Ok(true)) {
            tracing::warn!(event = "finish-delayed", flow = ?key);
        }
        let account = self.account.id.pseudonym(self.ports.keys);
        tracing::info!(event = "done", flow = ?key, ?account, ?outcome);
        done
    }
}
