//! `directory-read`: checks passwords, and reads entries and the outcome of changes. It changes nothing in the
//! directory, and its service account can't.

mod check;
mod grid;
mod outcome;

use std::sync::Arc;

use shared::domain::directory_call::{EntryState, ReadAnswer, ReadRequest};
use shared::ports::{BindLeaseStore, ChangeNoteStore, Clock, Entropy, LiveDirectory, Timer};

use crate::causes;

/// The ports of `directory-read`.
pub struct Ports {
    /// Reads entries and checks passwords, with the service account that may only read.
    pub live: Arc<dyn LiveDirectory>,
    /// Reads the notes of `directory-write`.
    pub notes: Arc<dyn ChangeNoteStore>,
    /// Gives one request at a time the right to bind as an entry.
    pub binds: Arc<dyn BindLeaseStore>,
    /// Leases and deadlines are compared with this clock.
    pub clock: Arc<dyn Clock>,
    /// Holds answers back until a time of the grid.
    pub timer: Arc<dyn Timer>,
    /// Names the holders of leases.
    pub entropy: Arc<dyn Entropy>,
}

/// Answers a request. The log has what failed, since the answer must not tell.
pub async fn handle(ports: &Ports, request: ReadRequest) -> ReadAnswer {
    let (operation, answer) = match &request {
        ReadRequest::Check { account, password } => {
            ("check", grid::answer_on_grid(&*ports.timer, check::check(ports, account, password)).await)
        }
        ReadRequest::State { account } => (
            "state",
            match ports.live.entry(account).await {
                Ok(entry) => Ok(ReadAnswer::State(entry.map(|entry| EntryState {
                    standing: entry.standing,
                    is_locked: entry.is_locked,
                    must_change: entry.must_change,
                }))),
                Err(error) => Err(error.into()),
            },
        ),
        ReadRequest::Examine { logins } => {
            ("examine", Ok(ReadAnswer::Examined(Box::new(ports.live.examine(logins).await))))
        }
        ReadRequest::Outcome { account, number, deadline } => {
            ("outcome", outcome::outcome(ports, account, *number, *deadline).await)
        }
    };
    answer.unwrap_or_else(|error| {
        let reason = causes(&*error);
        tracing::error!(event = "directory.read_failed", operation, reason);
        ReadAnswer::Unavailable
    })
}
