//! Registration of a passkey (§7.1).

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::authenticator_data::AuthenticatorData;
use super::client_data::ClientData;
use super::cose::{self, Map};
use super::{Bytes, Credential, Expected, Malformed, PublicKey, Refusal, UserHandle, Verifies};

/// The longest id of a credential in bytes (§5.8.3, and §7.1 step 25).
const ID_MAX: usize = 1023;
/// Bytes before the id of the credential: the model of the authenticator (16) and the length of the id (2).
const MODEL: usize = 16;
/// The transports that are stored; others are unknown here (§5.8.4).
const TRANSPORTS: [&str; 6] = ["ble", "hybrid", "internal", "nfc", "smart-card", "usb"];

/// `RegistrationResponseJSON` (§5.1.8), as the page sends it.
pub struct Registration {
    id: Bytes,
    client_data: Vec<u8>,
    attestation: Vec<u8>,
    transports: Vec<String>,
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
    attestation_object: Bytes,
    #[serde(default)]
    transports: Vec<String>,
}

impl Registration {
    /// Reads the text of `PublicKeyCredential.toJSON()`.
    ///
    /// # Errors
    /// [`Malformed`] when the text is no registration.
    pub fn parse(json: &str) -> Result<Self, Malformed> {
        let answer: Answer = serde_json::from_str(json).map_err(|_| Malformed)?;
        ClientData::read(&answer.response.client_data.0)?;
        if answer.id != answer.raw_id || answer.r#type != "public-key" {
            return Err(Malformed);
        }
        let said = |known: &&&str| answer.response.transports.iter().any(|transport| transport == **known);
        let transports = TRANSPORTS.iter().filter(said).map(|known| (*known).to_owned()).collect();
        Ok(Self {
            id: answer.id,
            client_data: answer.response.client_data.0,
            attestation: answer.response.attestation_object.0,
            transports,
        })
    }

    /// Verifies it and returns the passkey to store for the account with `handle`.
    ///
    /// # Errors
    /// [`Refusal`], the first that applies.
    pub fn verify(
        self,
        handle: UserHandle,
        expected: &Expected<'_>,
        verifies: Verifies<'_>,
    ) -> Result<Credential, Refusal> {
        let unsupported = |_: Malformed| Refusal::Unsupported;
        let client_data = ClientData::read(&self.client_data).map_err(|_| Refusal::Kind)?;
        client_data.check("webauthn.create", expected)?;
        let mut attestation = read_map(&self.attestation).map_err(unsupported)?;
        let bytes = attestation.bytes("authData").map_err(unsupported)?;
        let data = AuthenticatorData::read(&bytes).map_err(unsupported)?;
        data.check(expected.party)?;
        let (id, key) = attested(&data).map_err(unsupported)?;
        let key = cose::public_key(key)?;
        if id != self.id.0 {
            return Err(Refusal::User);
        }
        let signed = [&bytes[..], &Sha256::digest(&self.client_data)[..]].concat();
        check_statement(attestation, &key, &signed, verifies)?;
        Ok(Credential {
            id: self.id,
            key,
            user_handle: handle,
            counter: data.counter,
            backup_eligible: data.backup_eligible(),
            transports: self.transports,
        })
    }
}

fn read_map(mut bytes: &[u8]) -> Result<Map, Malformed> {
    let map = Map::of(cose::read(&mut bytes)?)?;
    if bytes.is_empty() { Ok(map) } else { Err(Malformed) }
}

/// Returns the id and key of the credential in the authenticator data (§6.5.1). Only announced extensions may
/// follow.
fn attested(data: &AuthenticatorData<'_>) -> Result<(Vec<u8>, ciborium::Value), Malformed> {
    if !data.has_credential() {
        return Err(Malformed);
    }
    let (_, rest) = data.rest.split_at_checked(MODEL).ok_or(Malformed)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Malformed)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (id, mut rest) = rest.split_at_checked(length).ok_or(Malformed)?;
    if id.is_empty() || length > ID_MAX {
        return Err(Malformed);
    }
    let key = cose::read(&mut rest)?;
    if data.has_extensions() {
        Map::of(cose::read(&mut rest)?)?;
    }
    if rest.is_empty() { Ok((id.to_vec(), key)) } else { Err(Malformed) }
}

/// Checks the attestation. None was requested, and browsers remove it, except for self attestation (§5.1.3
/// step 24, §8.2).
fn check_statement(
    mut attestation: Map,
    key: &PublicKey,
    signed: &[u8],
    verifies: Verifies<'_>,
) -> Result<(), Refusal> {
    let unsupported = |_: Malformed| Refusal::Unsupported;
    let format = attestation.take("fmt").and_then(|format| format.into_text().ok());
    let statement = attestation.take("attStmt").ok_or(Refusal::Unsupported)?;
    let mut statement = Map::of(statement).map_err(unsupported)?;
    match format.as_deref() {
        Some("none") if statement.is_empty() => Ok(()),
        Some("packed") => {
            let algorithm = statement.number("alg").map_err(unsupported)?;
            let signature = statement.bytes("sig").map_err(unsupported)?;
            if !statement.is_empty() || algorithm != key.algorithm() {
                return Err(Refusal::Unsupported);
            }
            if verifies(key, signed, &signature) { Ok(()) } else { Err(Refusal::Signature) }
        }
        _ => Err(Refusal::Unsupported),
    }
}
