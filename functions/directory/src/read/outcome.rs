//! The outcome of a change whose answer was lost.

use std::error::Error;

use shared::domain::account::AccountId;
use shared::domain::change_note::LONGEST_RUN;
use shared::domain::directory_call::ReadAnswer;
use shared::domain::time::Timestamp;

use super::Ports;

/// Returns the outcome. It asks the directory only while the note is open. A change was not made if nothing shows it
/// after its function has surely ended, so the clock is read before the note and the entry.
pub(super) async fn outcome(
    ports: &Ports,
    account: &AccountId,
    number: u64,
    deadline: Timestamp,
) -> Result<ReadAnswer, Box<dyn Error + Send + Sync>> {
    let has_ended = ports.clock.now() >= deadline + LONGEST_RUN;
    let Some(note) = ports.notes.change_note(account).await? else { return Ok(ReadAnswer::NotApplied) };
    let is_made = match note.value.tells(number, deadline) {
        Some(is_made) => is_made,
        None => note.value.is_made_by(ports.live.entry(account).await?.as_ref()),
    };
    Ok(if is_made {
        ReadAnswer::Applied
    } else if has_ended {
        ReadAnswer::NotApplied
    } else {
        ReadAnswer::CannotTell
    })
}
