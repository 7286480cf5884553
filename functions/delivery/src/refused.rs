//! Notifies every contact that an approval request was refused.

use std::error::Error;

use shared::domain::holder::HolderId;
use shared::domain::message::ApprovalDenied;
use shared::domain::notice::{AccountChange, Event};

use crate::{End, Ports, Verdict};

/// Queues one message per contact, so that each is retried alone.
pub(crate) async fn notify(ports: &Ports, flow: HolderId, refused: &ApprovalDenied) -> Verdict {
    match try_notify(ports, flow, refused).await {
        Ok(verdict) => verdict,
        Err(error) => Verdict::failed(End::Retry, error.as_ref()),
    }
}

async fn try_notify(
    ports: &Ports,
    flow: HolderId,
    refused: &ApprovalDenied,
) -> Result<Verdict, Box<dyn Error + Send + Sync>> {
    let Some(account) = ports.directory.account(&refused.account).await? else {
        return Ok(Verdict::ended(End::Completed, "the account is gone"));
    };
    let registration = ports.security_info.registration(&refused.account, refused.at).await?;
    let change = AccountChange {
        event: Event::ApprovalDenied,
        methods: Vec::new(),
        at: refused.at,
        language: refused.language,
    };
    ports.outgoing().notify(flow, &account, &registration, &change).await?;
    Ok(Verdict::ended(End::Completed, "notified"))
}
