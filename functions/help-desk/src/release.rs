//! Lifts the limits of an account: an owner whom a stranger, or many mistakes, kept out may try again.

use shared::domain::account_limits::{LimitLog, RateLimitExceeded};
use shared::domain::help_desk::Remark;
use shared::domain::help_desk_call::{HelpAnswer, HelpRefusal};
use shared::ports::StoreError;
use shared::verification::limit_log;

use crate::audit;
use crate::case::{Case, Stop};

/// The log changes too often, or the store failed.
enum Failure {
    Contended,
    Store(StoreError),
}

impl From<RateLimitExceeded> for Failure {
    fn from(_: RateLimitExceeded) -> Self {
        Self::Contended
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Empties the limit log. Where `known_devices` is set, no device is known any more, so that whoever has one counts as
/// a stranger.
pub(crate) async fn release(
    case: &Case<'_>,
    known_devices: bool,
    reason: &Remark,
) -> Result<HelpAnswer, Stop> {
    audit::released(case, known_devices, reason).await?;
    let ports = case.ports;
    let emptied = limit_log::change(&*ports.rate_limits, case.id(), case.now, |log| {
        *log = LimitLog::default();
        Ok::<_, Failure>(())
    });
    match emptied.await {
        Ok(_) => {}
        Err(Failure::Contended) => return Err(Stop::Refused(HelpRefusal::Overtaken)),
        Err(Failure::Store(error)) => return Err(error.into()),
    }
    if known_devices {
        ports.known_devices.revoke(case.id()).await?;
    }
    Ok(HelpAnswer::Released)
}
