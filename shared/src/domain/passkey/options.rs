//! What a browser is asked for when a passkey is registered.

use serde::Serialize;

use super::{Bytes, Credential, PublicKey, RelyingParty, UserHandle};
use crate::domain::time::Seconds;

/// `PublicKeyCredentialCreationOptionsJSON` (§5.1.9): a passkey that finds itself (a resident key), verifies its user,
/// and need not prove who made it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreationOptions {
    rp: Party,
    user: User,
    challenge: Bytes,
    pub_key_cred_params: [Parameters; 3],
    timeout: u32,
    exclude_credentials: Vec<Descriptor>,
    authenticator_selection: Selection,
    attestation: &'static str,
}

/// Who registers a passkey.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// What the authenticator knows the account by.
    pub handle: &'a UserHandle,
    /// The login, by which a person tells their passkeys apart.
    pub login: &'a str,
    /// The person's name.
    pub name: &'a str,
}

impl CreationOptions {
    /// Asks for a passkey for `owner`, on an authenticator that has none of `registered` yet. `organisation` is what
    /// the authenticator shows of us; `lifetime` how long the browser waits for the person.
    pub fn new(
        party: &RelyingParty,
        organisation: &str,
        owner: Owner<'_>,
        challenge: [u8; 32],
        registered: &[Credential],
        lifetime: Seconds,
    ) -> Self {
        let parameters = |alg| Parameters { r#type: "public-key", alg };
        let known = |credential: &Credential| Descriptor {
            r#type: "public-key",
            id: credential.id.clone(),
            transports: credential.transports.clone(),
        };
        Self {
            rp: Party { id: party.id.clone(), name: organisation.to_owned() },
            user: User {
                id: owner.handle.clone(),
                name: owner.login.to_owned(),
                display_name: owner.name.to_owned(),
            },
            challenge: Bytes(challenge.to_vec()),
            pub_key_cred_params: [PublicKey::ES256, PublicKey::EDDSA, PublicKey::RS256].map(parameters),
            timeout: lifetime.0.saturating_mul(1_000),
            exclude_credentials: registered.iter().map(known).collect(),
            authenticator_selection: Selection {
                resident_key: "required",
                require_resident_key: true,
                user_verification: "required",
            },
            attestation: "none",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct Party {
    id: String,
    name: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: UserHandle,
    name: String,
    display_name: String,
}

#[derive(Clone, Debug, Serialize)]
struct Parameters {
    r#type: &'static str,
    alg: i64,
}

#[derive(Clone, Debug, Serialize)]
struct Descriptor {
    r#type: &'static str,
    id: Bytes,
    transports: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selection {
    resident_key: &'static str,
    require_resident_key: bool,
    user_verification: &'static str,
}
