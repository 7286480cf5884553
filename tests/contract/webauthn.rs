//! Checks passkeys against the test vectors of Web Authentication Level 3 §16 (<https://www.w3.org/TR/webauthn-3/>).
//!
//! `webauthn-vectors.json` has the values of §16.2 to §16.12, in hexadecimal. The authentication of §16.8, §16.9 and
//! §16.12 is left out, since a key of their algorithms can't be registered. Rekey refuses the attestation formats of
//! the other sections, and the keys below them are as in §16.2.
//!
//! The vectors' random flags often lack user verification, which Rekey requires. So the table of each test has the
//! expected refusal, and the signatures are also verified alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::{Value as Cbor, cbor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::adapters::signatures::RingSignatures;
use shared::domain::account::AccountId;
use shared::domain::keys::Keyring;
use shared::domain::passkey::{
    Assertion, Credential, Expected, PublicKey, Refusal, Registration, RelyingParty, UserHandle,
};
use shared::ports::SignatureVerifier as _;

/// The position of the flags in authenticator data (§6.1), and the flag UV.
const FLAGS: usize = 32;
const USER_VERIFIED: u8 = 1 << 2;

#[derive(Deserialize)]
struct Vector {
    section: String,
    id: Bytes,
    registration: Created,
    authentication: Option<Used>,
}

#[derive(Deserialize)]
struct Created {
    challenge: Bytes,
    #[serde(rename = "clientDataJSON")]
    client_data: Bytes,
    #[serde(rename = "attestationObject")]
    object: Bytes,
}

#[derive(Deserialize)]
struct Used {
    challenge: Bytes,
    #[serde(rename = "clientDataJSON")]
    client_data: Bytes,
    #[serde(rename = "authenticatorData")]
    data: Bytes,
    signature: Bytes,
}

/// Bytes in hexadecimal.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Used {
    fn signed(&self) -> Vec<u8> {
        [&self.data.0[..], &Sha256::digest(&self.client_data.0)[..]].concat()
    }

    fn says_verified(&self) -> bool {
        self.data.0[FLAGS] & USER_VERIFIED != 0
    }
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("webauthn-vectors.json")).unwrap()
}

fn vector(section: &str) -> Vector {
    let start = format!("§{section} ");
    vectors().into_iter().find(|vector| vector.section.starts_with(&start)).unwrap()
}

fn party() -> RelyingParty {
    RelyingParty::of_site("https://example.org")
}

fn handle() -> UserHandle {
    let keys = Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
    UserHandle::of(&keys, &AccountId::from_directory("aisyah").unwrap())
}

fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    RingSignatures.verifies(key, message, signature)
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn answer(id: &Bytes, response: &Value) -> String {
    let id = text(&id.0);
    json!({ "id": id, "rawId": id, "type": "public-key", "response": response }).to_string()
}

/// Registers the vector's credential with this attestation object and client data.
fn registered(vector: &Vector, object: &[u8], client_data: &[u8]) -> Result<Credential, Refusal> {
    let response = json!({ "clientDataJSON": text(client_data), "attestationObject": text(object) });
    let expected = Expected { party: &party(), challenge: &vector.registration.challenge.0 };
    let registration = Registration::parse(&answer(&vector.id, &response)).unwrap();
    registration.verify(handle(), &expected, &verifies)
}

/// Returns the attestation object as a browser sends it to Rekey, which requests no attestation (§5.1.3 step 24).
/// `change` edits its authenticator data, which is then not signed.
fn without_attestation(object: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let object: Cbor = ciborium::from_reader(object).unwrap();
    let members = object.into_map().unwrap();
    let (_, data) = members.into_iter().find(|(name, _)| name.as_text() == Some("authData")).unwrap();
    let mut data = data.into_bytes().unwrap();
    change(&mut data);
    let object = cbor!({ "fmt" => "none", "attStmt" => {}, "authData" => Cbor::Bytes(data) }).unwrap();
    let mut bytes = Vec::new();
    ciborium::into_writer(&object, &mut bytes).unwrap();
    bytes
}

/// Registers the vector's credential as after user verification, on a page that no other page embeds.
fn credential(vector: &Vector) -> Result<Credential, Refusal> {
    let created = &vector.registration;
    let object = without_attestation(&created.object.0, |data| data[FLAGS] |= USER_VERIFIED);
    let challenge = text(&created.challenge.0);
    let said = json!({ "type": "webauthn.create", "challenge": challenge, "origin": "https://example.org" });
    registered(vector, &object, said.to_string().as_bytes())
}

/// Verifies an authentication of the vector with this signature.
fn used(vector: &Vector, used: &Used, signature: &[u8]) -> Result<u32, Refusal> {
    let response = json!({
        "clientDataJSON": text(&used.client_data.0),
        "authenticatorData": text(&used.data.0),
        "signature": text(signature),
        "userHandle": handle(),
    });
    let expected = Expected { party: &party(), challenge: &used.challenge.0 };
    let assertion = Assertion::parse(&answer(&vector.id, &response)).unwrap();
    assertion.verify(&credential(vector).unwrap(), &expected, &verifies)
}

/// Returns the algorithm that an accepted credential stores.
fn algorithm(credential: &Credential) -> i64 {
    key(credential).algorithm()
}

fn key(credential: &Credential) -> PublicKey {
    let stored: Value = serde_json::from_str(&credential.to_json()).unwrap();
    serde_json::from_value(stored["key"].clone()).unwrap()
}

#[test]
fn webauthn_registration_vectors_give_expected_result() {
    // The result as published, and as a browser sends it: without the attestation.
    let (es256, rs256) = (Ok(PublicKey::ES256), Ok(PublicKey::RS256));
    let [unverified, embedded, unsupported] =
        [Refusal::NotVerified, Refusal::Embedded, Refusal::Unsupported].map(Err);
    let expected = [
        ("16.2", unverified, unverified),
        ("16.3", es256, es256),
        ("16.4", embedded, embedded),
        ("16.5", embedded, embedded),
        ("16.6", unverified, unverified),
        ("16.7", unsupported, es256),
        ("16.8", unverified, unverified),
        ("16.9", unsupported, unsupported),
        ("16.10", unsupported, rs256),
        ("16.11", unverified, unverified),
        ("16.12", unverified, unverified),
    ];
    assert_eq!(expected.len(), vectors().len());
    for (section, published, sent) in expected {
        let vector = vector(section);
        let Created { client_data, object, .. } = &vector.registration;
        let result = |object: &[u8]| {
            registered(&vector, object, &client_data.0).as_ref().map(algorithm).map_err(|e| *e)
        };
        assert_eq!(result(&object.0), published, "{}", vector.section);
        assert_eq!(result(&without_attestation(&object.0, |_| ())), sent, "{}", vector.section);
    }
}

#[test]
fn webauthn_vector_keys_register_by_algorithm() {
    for (section, expected) in [
        ("16.2", Ok(PublicKey::ES256)),
        ("16.6", Ok(PublicKey::ES256)),
        ("16.7", Ok(PublicKey::ES256)),
        ("16.8", Err(Refusal::Unsupported)),
        ("16.9", Err(Refusal::Unsupported)),
        ("16.10", Ok(PublicKey::RS256)),
        ("16.11", Ok(PublicKey::EDDSA)),
        ("16.12", Err(Refusal::Unsupported)),
    ] {
        let vector = vector(section);
        let result = credential(&vector);
        assert_eq!(
            result.as_ref().map(algorithm),
            expected.as_ref().map(|known| *known),
            "{}",
            vector.section
        );
        if let Ok(credential) = result {
            let stored: Value = serde_json::from_str(&credential.to_json()).unwrap();
            assert_eq!(stored["id"], text(&vector.id.0), "{}", vector.section);
        }
    }
}

#[test]
fn altered_self_attestation_vector_is_rejected() {
    let vector = vector("16.3");
    let Created { client_data, object, .. } = &vector.registration;
    let object: Cbor = ciborium::from_reader(&object.0[..]).unwrap();
    let altered = |member: &str, change: &dyn Fn(&mut Cbor)| {
        let mut members = object.clone().into_map().unwrap();
        let (_, value) = members.iter_mut().find(|(name, _)| name.as_text() == Some(member)).unwrap();
        change(value);
        let mut bytes = Vec::new();
        ciborium::into_writer(&Cbor::Map(members), &mut bytes).unwrap();
        registered(&vector, &bytes, &client_data.0).err()
    };
    assert_eq!(altered("attStmt", &|_| ()), None);
    let in_statement = |statement: &mut Cbor| {
        let members = statement.as_map_mut().unwrap();
        let (_, signature) = members.iter_mut().find(|(name, _)| name.as_text() == Some("sig")).unwrap();
        *signature.as_bytes_mut().unwrap().last_mut().unwrap() ^= 1;
    };
    assert_eq!(altered("attStmt", &in_statement), Some(Refusal::Signature));
    // A bit of the authenticator's model, which nothing else checks.
    let in_data = |data: &mut Cbor| data.as_bytes_mut().unwrap()[FLAGS + 5] ^= 1;
    assert_eq!(altered("authData", &in_data), Some(Refusal::Signature));
}

#[test]
fn webauthn_authentication_vectors_give_expected_result() {
    for (section, expected) in [
        ("16.2", Err(Refusal::NotVerified)),
        ("16.3", Err(Refusal::NotVerified)),
        ("16.4", Err(Refusal::Embedded)),
        ("16.5", Err(Refusal::Embedded)),
        ("16.6", Ok(0)),
        ("16.7", Ok(0)),
        ("16.10", Err(Refusal::NotVerified)),
        ("16.11", Err(Refusal::NotVerified)),
    ] {
        let vector = vector(section);
        let authentication = vector.authentication.as_ref().unwrap();
        let signature = &authentication.signature.0;
        assert_eq!(used(&vector, authentication, signature), expected, "{}", vector.section);
        assert_eq!(
            authentication.says_verified(),
            expected != Err(Refusal::NotVerified),
            "{}",
            vector.section
        );
        if expected.is_ok() {
            for altered in one_bit_altered(signature) {
                let result = used(&vector, authentication, &altered);
                assert_eq!(result, Err(Refusal::Signature), "{}", vector.section);
            }
        }
    }
}

#[test]
fn webauthn_vector_signatures_verify_unaltered_only() {
    let mut algorithms = Vec::new();
    for vector in vectors() {
        let Some(authentication) = &vector.authentication else { continue };
        let key = key(&credential(&vector).unwrap());
        let (signed, signature) = (authentication.signed(), &authentication.signature.0);
        assert!(verifies(&key, &signed, signature), "{}", vector.section);
        for altered in one_bit_altered(signature) {
            assert!(!verifies(&key, &signed, &altered), "{}: another signature", vector.section);
        }
        for altered in one_bit_altered(&signed) {
            assert!(!verifies(&key, &altered, signature), "{}: another message", vector.section);
        }
        algorithms.push(key.algorithm());
    }
    algorithms.sort_unstable();
    algorithms.dedup();
    assert_eq!(algorithms, [PublicKey::RS256, PublicKey::EDDSA, PublicKey::ES256]);
}

/// Returns a copy of the bytes for each byte, with one bit of it inverted.
fn one_bit_altered(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len()).map(|at| {
        let mut altered = bytes.to_vec();
        altered[at] ^= 1 << (at % 8);
        altered
    })
}
