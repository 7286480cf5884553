//! Notifies every contact of the changes that a session gathered.

use std::error::Error;

use shared::domain::holder::HolderId;
use shared::domain::message::Message;
use shared::domain::session_changes::SessionChanges;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::EntropyExt as _;

use crate::{End, Ports, Verdict};

/// Rounds made before the message is retried. Each further round means that the session changed something meanwhile.
const MAX_ROUNDS: u8 = 10;

/// Queues one message per contact when the changes are due; until then it queues its own message again. Changes that
/// were notified already are left out, so a message that is delivered twice notifies once.
pub(crate) async fn notify(ports: &Ports, session: HolderId, now: Timestamp) -> Verdict {
    match try_notify(ports, session, now).await {
        Ok(verdict) => verdict,
        Err(error) => Verdict::failed(End::Retry, error.as_ref()),
    }
}

async fn try_notify(
    ports: &Ports,
    session: HolderId,
    now: Timestamp,
) -> Result<Verdict, Box<dyn Error + Send + Sync>> {
    let completed = |reason| Ok(Verdict::ended(End::Completed, reason));
    let mut sent = 0;
    for _ in 0..MAX_ROUNDS {
        let Some(found) = ports.session_changes.changes(session).await? else {
            return completed("the session changed nothing");
        };
        let mut changes = SessionChanges::open(&ports.messages, session, &found.value)?;
        changes.note_notified(sent);
        if changes.pending().is_empty() && sent == 0 {
            return completed("notified already");
        }
        if let Some(wait) = changes.wait(now).filter(|_| sent == 0) {
            ports.outgoing().send_session_changes(session, wait).await?;
            return completed("more changes may follow");
        }
        let notices: Vec<Message> = changes.notices().into_iter().map(Message::Notice).collect();
        ports.outgoing().send(session, &notices, Seconds(0)).await?;
        sent = changes.count();
        changes.note_notified(sent);
        let sealed = changes.seal(&ports.messages, session, ports.entropy.bytes())?;
        let kept_until = changes.kept_until(now);
        if ports.session_changes.replace_changes(session, found.revision, &sealed, kept_until).await? {
            return completed("notified");
        }
    }
    Ok(Verdict::retry("the session keeps changing"))
}
