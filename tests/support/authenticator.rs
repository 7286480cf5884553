//! A software authenticator with passkeys. It can also send data that no honest one sends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::{Value as Cbor, cbor};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The flag UP: the user was present.
pub const PRESENT: u8 = 1;
/// The flag UV: the authenticator verified the user.
pub const VERIFIED: u8 = 1 << 2;
/// The flags BE and BS: the passkey may be synced to other devices, and was.
pub const SYNCED: u8 = 3 << 3;

/// The data that browser and authenticator send with a signature. Defaults are honest; a test overrides them.
#[derive(Clone, Debug)]
pub struct CeremonyOptions {
    /// The origin of the page.
    pub origin: String,
    /// The `type` in the client data; `None` for the honest one.
    pub kind: Option<String>,
    /// The challenge in base64url; `None` for the one of the options.
    pub challenge: Option<String>,
    /// The relying party id; `None` for the one of the options.
    pub rp_id: Option<String>,
    /// The user handle in base64url; an empty one is left out.
    pub user_handle: Option<String>,
    /// The flags of the authenticator data.
    pub flags: u8,
    /// Whether the page was embedded in another one.
    pub cross_origin: bool,
}

impl CeremonyOptions {
    /// Honest data for a page of `origin`.
    pub fn at(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            kind: None,
            challenge: None,
            rp_id: None,
            user_handle: None,
            flags: PRESENT | VERIFIED | SYNCED,
            cross_origin: false,
        }
    }
}

enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A passkey with its private key.
pub struct Passkey {
    key: Key,
    id: Vec<u8>,
    user_handle: String,
    /// Signature count; while it is 0 it never increases, as with synced passkeys.
    pub counter: u32,
}

impl Passkey {
    /// Creates a P-256 passkey for the user of these creation options. Returns it with the browser's response.
    pub fn create(options: &Value, ceremony: &CeremonyOptions) -> (Self, String) {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let secret = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, secret.as_ref(), &random).unwrap();
        Self::with_key(Key::P256(key), options, ceremony)
    }

    /// As `create`, with Ed25519.
    pub fn create_ed25519(options: &Value, ceremony: &CeremonyOptions) -> (Self, String) {
        let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::with_key(Key::Ed25519(Ed25519KeyPair::from_pkcs8(secret.as_ref()).unwrap()), options, ceremony)
    }

    /// As `create`, with a key derived from the seed and deterministic signatures.
    pub fn create_from_seed(options: &Value, ceremony: &CeremonyOptions, seed: &[u8; 32]) -> (Self, String) {
        Self::with_key(Key::Ed25519(Ed25519KeyPair::from_seed_unchecked(seed).unwrap()), options, ceremony)
    }

    fn with_key(key: Key, options: &Value, ceremony: &CeremonyOptions) -> (Self, String) {
        let id = Sha256::digest(public_key(&key))[..16].to_vec();
        let user_handle = text(&options["user"]["id"]);
        let passkey = Self { key, id, user_handle, counter: 1 };
        let answer = passkey.register(options, ceremony);
        (passkey, answer)
    }

    /// Returns the response that registers this passkey, for any creation options.
    pub fn register(&self, options: &Value, ceremony: &CeremonyOptions) -> String {
        let public = public_key(&self.key);
        let rp_id = ceremony.rp_id.clone().unwrap_or_else(|| text(&options["rp"]["id"]));
        let mut data = self.data(&rp_id, ceremony.flags | 1 << 6);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        let cose = match &self.key {
            Key::P256(_) => {
                cbor!({ 1 => 2, 3 => -7, -1 => 1, -2 => bytes(&public[1..33]), -3 => bytes(&public[33..]) })
            }
            Key::Ed25519(_) => cbor!({ 1 => 1, 3 => -8, -1 => 6, -2 => bytes(&public) }),
        };
        data.extend(encode(&cose.unwrap()));
        self.registration(&data, &cbor!({}).unwrap(), "none", options, ceremony)
    }

    /// Returns a registration of this passkey with other client data and another attestation.
    pub fn registration(
        &self,
        data: &[u8],
        statement: &Cbor,
        format: &str,
        options: &Value,
        ceremony: &CeremonyOptions,
    ) -> String {
        let object = cbor!({ "fmt" => format, "attStmt" => statement, "authData" => bytes(data) }).unwrap();
        let id = URL_SAFE_NO_PAD.encode(&self.id);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "clientExtensionResults": {},
            "authenticatorAttachment": "platform",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data("webauthn.create", options, ceremony)),
                "attestationObject": URL_SAFE_NO_PAD.encode(encode(&object)),
                "transports": ["internal", "carrier-pigeon"],
            },
        })
        .to_string()
    }

    /// Returns its credential id in base64url.
    pub fn id_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    /// Answers request options with an assertion.
    pub fn answer(&mut self, options: &Value, ceremony: &CeremonyOptions) -> String {
        self.counter += u32::from(self.counter > 0);
        let rp_id = ceremony.rp_id.clone().unwrap_or_else(|| text(&options["rpId"]));
        let data = self.data(&rp_id, ceremony.flags);
        let client_data = client_data("webauthn.get", options, ceremony);
        let signature = self.sign(&[&data[..], &Sha256::digest(&client_data)[..]].concat());
        let id = URL_SAFE_NO_PAD.encode(&self.id);
        let user_handle = ceremony.user_handle.clone().unwrap_or_else(|| self.user_handle.clone());
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "signature": URL_SAFE_NO_PAD.encode(signature),
                "userHandle": Some(user_handle).filter(|handle| !handle.is_empty()),
            },
        })
        .to_string()
    }

    /// Signs a message with the private key.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::P256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Key::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    fn data(&self, rp_id: &str, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(rp_id.as_bytes()).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }
}

fn public_key(key: &Key) -> Vec<u8> {
    match key {
        Key::P256(pair) => pair.public_key().as_ref().to_vec(),
        Key::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
    }
}

fn client_data(kind: &str, options: &Value, ceremony: &CeremonyOptions) -> Vec<u8> {
    let challenge = ceremony.challenge.clone().unwrap_or_else(|| text(&options["challenge"]));
    json!({
        "type": ceremony.kind.as_deref().unwrap_or(kind),
        "challenge": challenge,
        "origin": ceremony.origin,
        "crossOrigin": ceremony.cross_origin,
        "other_keys_can_be_added_here": "do not compare clientDataJSON against a template",
    })
    .to_string()
    .into_bytes()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn bytes(bytes: &[u8]) -> Cbor {
    Cbor::Bytes(bytes.to_vec())
}

fn encode(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}
