//! Notifies every contact that an approval request was refused.

use std::error::Error;

use shared::domain::holder::HolderId;
use shared::domain::message::Refused;
use shared::domain::notice::{Change, Event};

use crate::{End, Ports, Verdict};

/// Queues one message per contact, so that each is retried alone.
pub(crate) async fn tell(ports: &Ports, flow: HolderId, refused: &Refused) -> Verdict {
    match try_tell(ports, flow, refused).await {
        Ok(verdict) => verdict,
        Err(error) => Verdict::failed(End::Again, error.as_ref()),
    }
}

async fn try_tell(
    ports: &Ports,
    flow: HolderId,
    refused: &Refused,
) -> Result<Verdict, Box<dyn Error + Send + Sync>> {
    let Some(account) = ports.directory.account(&refused.account).await? else {
        return Ok(Verdict::ended(End::Settled, "the account is gone"));
    };
    let registration = ports.security_info.registration(&refused.account, refused.at).await?;
    let change =
        Change { event: Event::Refused, methods: Vec::new(), at: refused.at, language: refused.language };
    ports.outgoing().notify(flow, &account, &registration, &change).await?;
    Ok(Verdict::ended(End::Settled, "told"))
}
