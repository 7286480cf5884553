//! Seals the text of a waiting entry, bound to its session.

use shared::domain::cookie::HolderCookie;
use shared::http::HandlerResult;
use shared::http::problem::Problem;
use shared::ports::EntropyExt as _;

use super::ports::Ports;

const PURPOSE: &str = "rekey/pending";

/// Seals a text for a session.
pub(crate) fn seal(ports: &Ports, cookie: &HolderCookie, text: &str) -> HandlerResult<String> {
    let holder = cookie.id();
    Ok(ports.seeds.seal(PURPOSE, holder.as_bytes(), text.as_bytes(), ports.entropy.bytes())?)
}

/// Opens a text; one that was sealed for another session fails.
pub(crate) fn open(ports: &Ports, cookie: &HolderCookie, sealed: &str) -> HandlerResult<String> {
    let holder = cookie.id();
    let bytes = ports.seeds.open(PURPOSE, holder.as_bytes(), sealed)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Problem::FlowEnded.into())
}
