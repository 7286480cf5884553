//! Seals the text of a waiting entry, bound to its session.

use shared::domain::cookie::HolderCookie;
use shared::http::Outcome;
use shared::http::problem::Problem;
use shared::ports::EntropyExt as _;

use super::ports::Ports;

const PURPOSE: &str = "rekey/pending";

/// Seals a text for a session.
pub(crate) fn seal(ports: &Ports, cookie: &HolderCookie, text: &str) -> Outcome<String> {
    let owner = cookie.id();
    Ok(ports.seeds.seal(PURPOSE, owner.as_bytes(), text.as_bytes(), ports.entropy.bytes())?)
}

/// Opens a text; one that was sealed for another session fails.
pub(crate) fn open(ports: &Ports, cookie: &HolderCookie, sealed: &str) -> Outcome<String> {
    let owner = cookie.id();
    let bytes = ports.seeds.open(PURPOSE, owner.as_bytes(), sealed)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Problem::FlowEnded.into())
}
