//! An authenticator with passkeys, in software, that can be made to say what no honest one says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::{Value as Cbor, cbor};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The user was there.
pub const PRESENT: u8 = 1;
/// The authenticator knows that it was the user.
pub const VERIFIED: u8 = 1 << 2;
/// The passkey may be copied to other devices, and was.
pub const SYNCED: u8 = 3 << 3;

/// What browser and authenticator say besides signing. By default the truth; what is given replaces it.
#[derive(Clone, Debug)]
pub struct Saying {
    /// The origin of the page.
    pub origin: String,
    /// The kind of ceremony.
    pub kind: Option<String>,
    /// The challenge, base64url.
    pub challenge: Option<String>,
    /// The relying party.
    pub rp_id: Option<String>,
    /// Whose passkey it is, base64url; an empty one is left out.
    pub user_handle: Option<String>,
    /// The flags.
    pub flags: u8,
    /// Whether the page stood within another.
    pub cross_origin: bool,
}

impl Saying {
    /// The truth on a page of `origin`.
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

/// One passkey.
pub struct Passkey {
    key: Key,
    id: Vec<u8>,
    user_handle: String,
    /// How often it has signed; it never counts while this is 0.
    pub counter: u32,
}

impl Passkey {
    /// A passkey on P-256 for the user of these creation options, with the answer of the page.
    pub fn create(options: &Value, saying: &Saying) -> (Self, String) {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let secret = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, secret.as_ref(), &random).unwrap();
        Self::with_key(Key::P256(key), options, saying)
    }

    /// The same with Ed25519.
    pub fn create_ed25519(options: &Value, saying: &Saying) -> (Self, String) {
        let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::with_key(Key::Ed25519(Ed25519KeyPair::from_pkcs8(secret.as_ref()).unwrap()), options, saying)
    }

    /// The same with a key that is always the same for the same seed, and signs alike whenever it signs the same.
    pub fn create_from_seed(options: &Value, saying: &Saying, seed: &[u8; 32]) -> (Self, String) {
        Self::with_key(Key::Ed25519(Ed25519KeyPair::from_seed_unchecked(seed).unwrap()), options, saying)
    }

    fn with_key(key: Key, options: &Value, saying: &Saying) -> (Self, String) {
        let id = Sha256::digest(public_key(&key))[..16].to_vec();
        let user_handle = text(&options["user"]["id"]);
        let passkey = Self { key, id, user_handle, counter: 1 };
        let answer = passkey.register(options, saying);
        (passkey, answer)
    }

    /// The answer to creation options that registers this passkey, whoever it was made for.
    pub fn register(&self, options: &Value, saying: &Saying) -> String {
        let public = public_key(&self.key);
        let rp_id = saying.rp_id.clone().unwrap_or_else(|| text(&options["rp"]["id"]));
        let mut data = self.data(&rp_id, saying.flags | 1 << 6);
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
        self.registration(&data, &cbor!({}).unwrap(), "none", options, saying)
    }

    /// A registration of this passkey with other data and another attestation.
    pub fn registration(
        &self,
        data: &[u8],
        statement: &Cbor,
        format: &str,
        options: &Value,
        saying: &Saying,
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
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data("webauthn.create", options, saying)),
                "attestationObject": URL_SAFE_NO_PAD.encode(encode(&object)),
                "transports": ["internal", "carrier-pigeon"],
            },
        })
        .to_string()
    }

    /// Its id, as browsers write it.
    pub fn id_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    /// Answers request options.
    pub fn answer(&mut self, options: &Value, saying: &Saying) -> String {
        self.counter += u32::from(self.counter > 0);
        let rp_id = saying.rp_id.clone().unwrap_or_else(|| text(&options["rpId"]));
        let data = self.data(&rp_id, saying.flags);
        let client_data = client_data("webauthn.get", options, saying);
        let signature = self.sign(&[&data[..], &Sha256::digest(&client_data)[..]].concat());
        let id = URL_SAFE_NO_PAD.encode(&self.id);
        let user_handle = saying.user_handle.clone().unwrap_or_else(|| self.user_handle.clone());
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

    /// Signs a message.
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

fn client_data(kind: &str, options: &Value, saying: &Saying) -> Vec<u8> {
    let challenge = saying.challenge.clone().unwrap_or_else(|| text(&options["challenge"]));
    json!({
        "type": saying.kind.as_deref().unwrap_or(kind),
        "challenge": challenge,
        "origin": saying.origin,
        "crossOrigin": saying.cross_origin,
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
