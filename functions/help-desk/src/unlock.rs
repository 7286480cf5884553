//! Removes the lock of an account. The password stays.

use shared::change::{LEASE, RECONCILE_AFTER};
use shared::domain::flow::Outcome;
use shared::domain::help_desk::Remark;
use shared::domain::help_desk_call::{HelpAnswer, HelpRefusal};
use shared::domain::message::{Message, ReconcileChange};
use shared::ports::{ChangeError, ChangeOutcome, DirectoryWrite, LeaseHolder, LeaseOutcome, PasswordChange};

use crate::audit;
use crate::case::{Case, Stop};

/// Makes the change as a flow does: under the lease of the account, with a message that reconciles it. `delivery` finds
/// out whether it was made, and notifies every contact if so, whatever became of this function.
pub(crate) async fn unlock(case: &Case<'_>, reason: &Remark) -> Result<HelpAnswer, Stop> {
    let (ports, account, now) = (case.ports, case.id(), case.now);
    audit::unlocked(case, reason).await?;
    let registration = ports.security_info.registration(account, now).await?;
    let (holder, deadline) = (case.holder(), now + LEASE);
    let lease = LeaseHolder {
        flow: holder,
        generation: registration.generation,
        limit: 1,
        verified_factors: &[],
        revokes_known_devices: false,
    };
    let LeaseOutcome::Acquired(number) = ports.leases.acquire(account, &lease, now, deadline).await? else {
        return Err(Stop::Refused(HelpRefusal::Overtaken));
    };
    let reconcile = Message::Reconcile(ReconcileChange {
        flow: holder,
        account: account.clone(),
        generation: number,
        outcome: Outcome::Unlocked,
        methods: Vec::new(),
        language: case.language(),
    });
    ports.outgoing().send(holder, &[reconcile], RECONCILE_AFTER).await?;
    let change = PasswordChange { account: account.clone(), number, deadline };
    let error = match ports.directory.apply(&change, DirectoryWrite::Unlock, ports.clock.now()).await {
        Ok(()) => return Ok(HelpAnswer::Unlocked),
        Err(error) => error,
    };
    match error {
        ChangeError::Unknown(why) => {
            tracing::error!(event = "password_change.unconfirmed", flow = ?holder, reason = %why);
            Ok(match ports.directory.outcome(&change).await {
                Ok(ChangeOutcome::Applied) => HelpAnswer::Unlocked,
                _ => HelpAnswer::Unconfirmed,
            })
        }
        ChangeError::NotPermitted => Err(Stop::Refused(HelpRefusal::NotEligible)),
        ChangeError::Superseded => Err(Stop::Refused(HelpRefusal::Overtaken)),
        error @ (ChangeError::NotApplied(_) | ChangeError::Rejected(_)) => {
            // On failure the lease expires.
            if let Err(error) = ports.leases.release(account, holder, number).await {
                tracing::warn!(event = "lease.release_failed", flow = ?holder, reason = %error);
            }
            Err(error.into())
        }
    }
}
