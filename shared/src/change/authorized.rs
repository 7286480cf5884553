//! An authorized change of a password or a lock.

use std::error::Error;

use super::flow_end::flow_ended;
use super::{FinishPorts, LEASE, LEASES_MAX, RECONCILE_AFTER};
use crate::domain::account::{Account, Registration};
use crate::domain::audit::FlowEnd;
use crate::domain::cookie::HolderCookie;
use crate::domain::event;
use crate::domain::flow::{AllVerified, Done, Flow, Outcome};
use crate::domain::holder::HolderId;
use crate::domain::keys::Keyring;
use crate::domain::message::{Message, ReconcileChange};
use crate::domain::notice;
use crate::domain::password::Violation;
use crate::domain::time::Timestamp;
use crate::ports::{
    ChangeError, ChangeOutcome, Clock, DirectoryError, DirectoryWrite, LeaseHolder, LeaseOutcome, LeaseStore,
    PasswordChange, PasswordDirectory, StoreError,
};

/// The ports for making a change.
#[derive(Clone, Copy)]
pub struct ChangePorts<'a> {
    /// The ports for finishing it.
    pub finish: FinishPorts<'a>,
    /// Gives the lease for one account.
    pub leases: &'a dyn LeaseStore,
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
    /// The directory does not allow a change of this account. Nothing was changed.
    NotPermitted,
    /// The directory did not answer. The reconciliation finds out whether the change was made.
    Unconfirmed,
    /// A port failed: its name, and its error. The reconciliation finds out whether the change was made.
    PortFailed(&'static str, Box<dyn Error + Send + Sync>),
}

impl From<StoreError> for ChangeFailure {
    fn from(error: StoreError) -> Self {
        Self::PortFailed("store", Box::new(error))
    }
}

impl From<DirectoryError> for ChangeFailure {
    fn from(error: DirectoryError) -> Self {
        Self::PortFailed("directory", Box::new(error))
    }
}

/// An authorized change, with the account and its contacts as they are now.
pub struct AuthorizedChange<'a> {
    ports: ChangePorts<'a>,
    key: HolderId,
    revision: u64,
    flow: AllVerified,
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
        flow: AllVerified,
        now: Timestamp,
    ) -> Result<Self, ChangeFailure> {
        let account = ports.directory.account(&flow.context.account).await?.ok_or(ChangeFailure::Ended)?;
        let registration = ports.finish.security_info.registration(&account.id, now).await?;
        let registration = registration.as_evidence_for(&account, ports.own_domains);
        let unchanged = flow.progress.verified_steps.iter().all(|step| match step.contact {
            None => registration.has(step.method) || step.method.is_single_use(),
            Some(fingerprint) => registration
                .factor(step.method)
                .and_then(|factor| cookie.factor_tag(ports.keys, &factor))
                .is_some_and(|now| now == fingerprint),
        });
        let key = cookie.id();
        let ours =
            registration.generation == flow.context.generation || registration.lease_holder == Some(key);
        if !flow.context.decoy && account.state.may_reset() && unchanged && ours {
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
    pub async fn apply(&self, write: DirectoryWrite<'_>) -> Result<Flow, ChangeFailure> {
        let verified_factors = self.flow.progress.verified_factors();
        let lease_holder = LeaseHolder {
            flow: self.key,
            generation: self.flow.context.generation,
            limit: LEASES_MAX,
            verified_factors: &verified_factors,
            revokes_known_devices: self.revokes_known_devices(),
        };
        let deadline = self.now + LEASE;
        let outcome = self.ports.leases.acquire(&self.account.id, &lease_holder, self.now, deadline).await?;
        let number = match outcome {
            LeaseOutcome::Acquired(generation) => Some(generation),
            LeaseOutcome::Spent => None,
            LeaseOutcome::Busy => return Err(ChangeFailure::Busy),
            LeaseOutcome::Lost => return Err(ChangeFailure::Ended),
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
                Err(ChangeFailure::PortFailed("directory", Box::new(error)))
            }
            // The lease stays, so that no other change begins before the outcome is known.
            Err(ChangeError::Unknown(cause)) => {
                tracing::error!(event = "password_change.unconfirmed", flow = ?self.key, reason = %cause);
                Err(ChangeFailure::Unconfirmed)
            }
            Err(error @ (ChangeError::NotPermitted | ChangeError::Superseded)) => {
                tracing::warn!(event = "password_change.rejected", flow = ?self.key, reason = %error);
                let (failure, reason) = match error {
                    ChangeError::NotPermitted => (ChangeFailure::NotPermitted, "not_permitted"),
                    _ => (ChangeFailure::Ended, "overtaken"),
                };
                let account = self.account.id.pseudonym(self.ports.keys);
                flow_ended(self.key, Some(account), FlowEnd::Failed, reason);
                Err(failure)
            }
        }
    }

    /// Runs between lease and write: the directory checks the new password, and the message for the
    /// reconciliation is queued. If it fails, nothing is changed. The lease has counted the comparison before
    /// it is made, since its answer reveals whether the submitted password is the current one.
    async fn prepare(&self, number: u64, write: DirectoryWrite<'_>) -> Result<(), ChangeFailure> {
        if let DirectoryWrite::Password(password) = write {
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
            methods: event::methods(&self.flow.progress.verified_steps),
            language: self.flow.context.language,
        });
        let queued = self.ports.finish.outgoing.send(self.key, &[reconcile], RECONCILE_AFTER).await;
        queued.map_err(|error| ChangeFailure::PortFailed("queue", Box::new(error)))
    }

    /// Returns whether the lease moves the epoch of the account's known devices: a reset on another device does.
    fn revokes_known_devices(&self) -> bool {
        self.flow.progress.reason.outcome() == Outcome::Reset && !self.flow.context.known_device
    }

    /// Returns the number of this flow's first lease.
    fn first_number(&self) -> u64 {
        self.flow.context.generation + 1
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
        if let Err(error) = self.ports.leases.release(&self.account.id, self.key, number).await {
            tracing::warn!(event = "lease.release_failed", flow = ?self.key, reason = %error);
        }
    }

    /// Notifies every contact, and finishes the flow. The change is already made, so failures here are not
    /// reported: the reconciliation completes the rest.
    async fn finish(&self) -> Flow {
        let (key, finish, now) = (self.key, self.ports.finish, self.now);
        let outcome = self.flow.progress.reason.outcome();
        let language = self.flow.context.language;
        let change =
            notice::AccountChange::verified_by(&self.flow.progress.verified_steps, outcome, now, language);
        let notified = finish.outgoing.notify(key, &self.account, &self.registration, &change).await;
        if let Err(error) = &notified {
            tracing::warn!(event = "notification.deferred", flow = ?key, reason = %error);
        }
        let epoch = self.registration.device_epoch + u64::from(self.revokes_known_devices());
        let done = self.flow.clone().finish(now, notified.is_ok());
        let done = Flow::Done(Done { device_epoch: Some(epoch), ..done });
        if !matches!(finish.flows.replace(key, self.revision, &done, now).await, Ok(true)) {
            tracing::warn!(event = "flow.finish_deferred", flow = ?key);
        }
        let account = self.account.id.pseudonym(self.ports.keys);
        match outcome {
            Outcome::Reset => tracing::info!(event = "password.reset", flow = ?key, ?account),
            Outcome::Unlocked => tracing::info!(event = "account.unlocked", flow = ?key, ?account),
        }
        flow_ended(key, Some(account), FlowEnd::Succeeded, outcome.as_str());
        done
    }
}
