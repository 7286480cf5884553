//! Recovery codes: shown once, and confirmed as saved.

pub(crate) use shared::domain::recovery_code::RecoveryCode;

use serde::{Deserialize, Serialize};
use shared::domain::account::Account;
use shared::domain::cookie::HolderCookie;
use shared::domain::recovery_code::{HashedWith, RecoveryCodes, Sheet};
use shared::domain::security_info::{EntryId, Secret};
use shared::domain::session::Pending;
use shared::http::HandlerResult;
use shared::http::problem::Problem;
use shared::http::security_info::Needs;
use shared::ports::EntropyExt as _;

use super::{Confirmed, WRONG, Waiting};
use crate::ports::Ports;
use crate::seal;

/// New codes while they wait, sealed in the session: in clear to show, hashed to store.
#[derive(Serialize, Deserialize)]
struct Codes {
    shown: Vec<String>,
    hashed_with: HashedWith,
    hashes: Vec<String>,
}

/// Generates a sheet of codes.
pub(super) fn begin(
    ports: &Ports,
    cookie: &HolderCookie,
    account: &Account,
    id: EntryId,
) -> HandlerResult<Pending> {
    let codes = RecoveryCodes::generate(&ports.entropy.bytes());
    let Sheet { hashed_with, hashes } = codes.sheet(&ports.seeds, &account.id)?;
    let shown = codes.iter().map(|code| code.expose().to_string()).collect();
    let json = serde_json::to_string(&Codes { shown, hashed_with, hashes }).unwrap_or_default();
    let sealed = seal::seal(ports, cookie, &json)?;
    Ok(Pending { id, shown: String::new(), sealed, challenge: None })
}

/// Returns the codes in clear, for the page.
pub(super) fn needs(waiting: &Waiting<'_>) -> HandlerResult<Needs> {
    Ok(Needs::RecoveryCodes { codes: codes(waiting)?.shown })
}

/// Checks that a typed code, if any, is one of them.
pub(super) fn confirm(
    waiting: &Waiting<'_>,
    typed: Option<&RecoveryCode>,
) -> HandlerResult<Result<Confirmed, Problem>> {
    let Codes { shown, hashed_with, hashes } = codes(waiting)?;
    let is_one = |code: &RecoveryCode| shown.iter().any(|own| *own == *code.expose());
    if !typed.is_none_or(is_one) {
        return Ok(Err(WRONG));
    }
    let secret = Secret::RecoveryCodes(Sheet { hashed_with, hashes });
    Ok(Ok(Confirmed::other(String::new(), secret)))
}

fn codes(waiting: &Waiting<'_>) -> HandlerResult<Codes> {
    serde_json::from_str(&waiting.open_sealed()?).map_err(|_| Problem::FlowEnded.into())
}
