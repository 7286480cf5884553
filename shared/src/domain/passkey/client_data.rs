//! Client data (§5.8.1): the browser's report on the request.

use serde::Deserialize;

use super::{Bytes, Expected, Malformed, Refusal};

/// The members of the client data that are checked. Others must be ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    #[serde(default)]
    top_origin: Option<String>,
}

impl ClientData {
    /// Reads the bytes that were signed.
    pub(super) fn read(json: &[u8]) -> Result<Self, Malformed> {
        serde_json::from_slice(json).map_err(|_| Malformed)
    }

    /// Checks that it belongs to the request (§7.1 steps 7 to 10, §7.2 steps 10 to 13).
    pub(super) fn check(&self, kind: &str, expected: &Expected<'_>) -> Result<(), Refusal> {
        if self.r#type != kind {
            return Err(Refusal::Kind);
        }
        if Bytes::read(&self.challenge).is_none_or(|challenge| challenge.0 != expected.challenge) {
            return Err(Refusal::Challenge);
        }
        if !expected.party.origins.contains(&self.origin) {
            return Err(Refusal::Origin);
        }
        if self.cross_origin || self.top_origin.is_some() {
            return Err(Refusal::Embedded);
        }
        Ok(())
    }
}
