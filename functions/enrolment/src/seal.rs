//! What waits in a session to be confirmed, sealed for that session.

use shared::domain::session::SessionCookie;
use shared::http::Outcome;
use shared::http::problem::Problem;
use shared::ports::EntropyExt as _;

use super::Ports;

const PURPOSE: &str = "rekey/pending";

/// Seals a text for a session.
pub(crate) fn seal(ports: &Ports, cookie: &SessionCookie, text: &str) -> Outcome<String> {
    let owner = cookie.key();
    Ok(ports.seeds.seal(PURPOSE, owner.as_bytes(), text.as_bytes(), ports.entropy.bytes())?)
}

/// Opens what was sealed for this session.
pub(crate) fn open(ports: &Ports, cookie: &SessionCookie, sealed: &str) -> Outcome<String> {
    let owner = cookie.key();
    let bytes = ports.seeds.open(PURPOSE, owner.as_bytes(), sealed)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Problem::FlowEnded.into())
}
