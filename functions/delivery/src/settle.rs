//! A look, some time after a claim, at whether the change it was for was made, finished and told.
//!
//! `password-set` claims, queues this look, writes to the directory, finishes the flow and queues the notices, and
//! may die between any two of these. Whatever it left open is done here.

use std::error::Error;

use shared::domain::flow::{Done, Flow};
use shared::domain::message::{Message, Settle};
use shared::domain::notice::{Change, notices};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::EntropyExt as _;

use crate::{End, Ports, Verdict};

/// Settles a claim that was made at `claimed_at`.
pub(crate) async fn settle(ports: &Ports, settle: &Settle, claimed_at: Timestamp) -> Verdict {
    match look(ports, settle, claimed_at).await {
        Ok(verdict) => verdict,
        Err(error) => Verdict::failed(End::Again, error.as_ref()),
    }
}

async fn look(
    ports: &Ports,
    settle: &Settle,
    claimed_at: Timestamp,
) -> Result<Verdict, Box<dyn Error + Send + Sync>> {
    // The flow may have ended since, but it was alive when it claimed, and is looked at as it was then.
    let found = ports.flows.load(settle.flow, claimed_at).await?;
    if let Some(Flow::Done(Done { notices_queued: true, .. })) = found.as_ref().map(|found| &found.value) {
        return Ok(Verdict::ended(End::Settled, "it was finished and told"));
    }
    if !ports.directory.was_written(&settle.account, settle.generation).await? {
        return Ok(Verdict::ended(End::Settled, "nothing was changed"));
    }
    let Some(account) = ports.directory.account(&settle.account).await? else {
        return Ok(Verdict::ended(End::Settled, "the account is gone"));
    };
    let registration = ports.security_info.registration(&settle.account, claimed_at).await?;
    // When exactly the directory was written only a finished flow knows; the claim came right before.
    let at = match found.as_ref().map(|found| &found.value) {
        Some(Flow::Done(done)) => done.at,
        _ => claimed_at,
    };
    let Settle { outcome, methods, language, .. } = settle;
    let change = Change { event: (*outcome).into(), methods: methods.clone(), at, language: *language };
    let seal = |notice| Message::Notice(notice).seal(&ports.messages, settle.flow, ports.entropy.bytes());
    let sealed =
        notices(&account, &registration, &change).into_iter().map(seal).collect::<Result<Vec<_>, _>>()?;
    // Queued before the flow says so: told twice is better than never.
    if !sealed.is_empty() {
        ports.queue.send(&sealed, Seconds(0)).await?;
    }
    let Some(found) = found else { return Ok(Verdict::ended(End::Settled, "told; its flow is gone")) };
    let told = match found.value {
        Flow::Done(done) => Flow::Done(Done { notices_queued: true, ..done }),
        Flow::Proven(proven) => Flow::Done(proven.finish(at, true)),
        // Somebody cancelled while the change was being made.
        _ => return Ok(Verdict::ended(End::Settled, "told; its flow has ended")),
    };
    if ports.flows.replace(settle.flow, found.revision, &told, claimed_at).await? {
        Ok(Verdict::ended(End::Settled, "finished and told here"))
    } else {
        Ok(Verdict::again("the flow was changed meanwhile"))
    }
}
