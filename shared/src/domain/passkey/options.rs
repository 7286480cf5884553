//! The request to a browser for the registration of a passkey.

use serde::Serialize;

use super::{Bytes, Credential, PublicKey, RelyingParty, UserHandle};
use crate::domain::time::Seconds;

/// `PublicKeyCredentialCreationOptionsJSON` (§5.1.9): requests a discoverable credential with user
/// verification and without attestation.
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

/// The person who registers a passkey.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The authenticator's name for the account.
    pub handle: &'a UserHandle,
    /// The login, which distinguishes a person's passkeys in the browser.
    pub login: &'a str,
    /// The display name, which some browsers show.
    pub name: &'a str,
}

impl CreationOptions {
    /// Returns the request of a passkey for `owner`, on an authenticator without any of `registered`. The
    /// authenticator shows `organisation`; the browser waits for `lifetime`.
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
