//! A passkey in use (§7.2).

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::authenticator_data::AuthenticatorData;
use super::client_data::ClientData;
use super::{Bytes, Credential, Expected, Malformed, Refusal, Verifies};

/// `AuthenticationResponseJSON` (§5.1.8): what the page sends. Of many passkeys at most one has signed it.
pub struct Assertion {
    id: Bytes,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
    user_handle: Option<Bytes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    id: Bytes,
    raw_id: Bytes,
    r#type: String,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: Bytes,
    authenticator_data: Bytes,
    signature: Bytes,
    #[serde(default)]
    user_handle: Option<Bytes>,
}

impl Assertion {
    /// Reads the text of `PublicKeyCredential.toJSON()`.
    ///
    /// # Errors
    /// [`Malformed`] when it is none of an assertion, whatever it is about.
    pub fn parse(json: &str) -> Result<Self, Malformed> {
        let answer: Answer = serde_json::from_str(json).map_err(|_| Malformed)?;
        let response = answer.response;
        ClientData::read(&response.client_data.0)?;
        AuthenticatorData::read(&response.authenticator_data.0)?;
        if answer.id != answer.raw_id || answer.r#type != "public-key" {
            return Err(Malformed);
        }
        Ok(Self {
            id: answer.id,
            client_data: response.client_data.0,
            authenticator_data: response.authenticator_data.0,
            signature: response.signature.0,
            user_handle: response.user_handle,
        })
    }

    /// The signature, which nobody knows before the passkey was used.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether it says that it is of this passkey.
    pub fn is_by(&self, credential: &Credential) -> bool {
        self.id == credential.id
    }

    /// Checks it against the passkey that it says it is of; the new value of the passkey's counter. The caller accepts
    /// each value only once, see [`Authenticators`](crate::ports::Authenticators).
    ///
    /// # Errors
    /// [`Refusal`], the first that applies.
    pub fn verify(
        &self,
        credential: &Credential,
        expected: &Expected<'_>,
        verifies: Verifies<'_>,
    ) -> Result<u32, Refusal> {
        // It found itself, so it must say whose it is (step 6), and be that account's.
        if !self.is_by(credential) || self.user_handle.as_ref() != Some(&credential.user_handle.0) {
            return Err(Refusal::User);
        }
        let client_data = ClientData::read(&self.client_data).map_err(|_| Refusal::Kind)?;
        client_data.check("webauthn.get", expected)?;
        let data = AuthenticatorData::read(&self.authenticator_data).map_err(|_| Refusal::Unsupported)?;
        data.check(expected.party)?;
        if data.backup_eligible() != credential.backup_eligible {
            return Err(Refusal::Backup);
        }
        if data.has_credential() || (!data.has_extensions() && !data.rest.is_empty()) {
            return Err(Refusal::Unsupported);
        }
        let signed = [&self.authenticator_data[..], &Sha256::digest(&self.client_data)[..]].concat();
        if !verifies(&credential.key, &signed, &self.signature) {
            return Err(Refusal::Signature);
        }
        // Step 22. An authenticator that does not count says 0 always.
        let counts = data.counter != 0 || credential.counter != 0;
        if counts && data.counter <= credential.counter {
            return Err(Refusal::Counter);
        }
        Ok(data.counter)
    }
}
