//! Use of a passkey: verifies an assertion (§7.2).

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::authenticator_data::AuthenticatorData;
use super::client_data::ClientData;
use super::{Bytes, Credential, Expected, Malformed, Refusal, Verifies};

/// `AuthenticationResponseJSON` (§5.1.8), as the page sends it. At most one of an account's passkeys has
/// signed it.
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
    /// [`Malformed`] when the text is no assertion.
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

    /// Returns the signature, which is unpredictable before the passkey is used.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Returns whether it names this passkey.
    pub fn is_by(&self, credential: &Credential) -> bool {
        self.id == credential.id
    }

    /// Verifies it against the passkey that it names, and returns the new value of the passkey's counter. The
    /// caller accepts each value only once, see [`AuthenticatorStore`](crate::ports::AuthenticatorStore).
    ///
    /// # Errors
    /// [`Refusal`], the first that applies.
    pub fn verify(
        &self,
        credential: &Credential,
        expected: &Expected<'_>,
        verifies: Verifies<'_>,
    ) -> Result<u32, Refusal> {
        // A discoverable credential must name its user (step 6), and the user must be that account's.
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
        // Step 22. An authenticator without a counter always reports 0.
        let counts = data.counter != 0 || credential.counter != 0;
        if counts && data.counter <= credential.counter {
            return Err(Refusal::Counter);
        }
        Ok(data.counter)
    }
}
