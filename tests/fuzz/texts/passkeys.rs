//! Parsers for passkeys: JSON with base64url, CBOR with byte strings, and signed bytes.
//!
//! In the JSON, spaces, the order of members, and unknown members can change without effect. Web Authentication
//! §5.8.1 requires ignoring unknown members. In a registration without attestation nothing is signed. So everything
//! that the rules don't check can change. Examples are the authenticator's model, its counter, whether the passkey is
//! synced, and the key itself. An attacker who changes these in transit enrols another key, which is one reason why
//! the page uses TLS only. Signed data can't change: an assertion, and a self attestation.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::{Value as Cbor, cbor};
use proptest::prelude::*;
use proptest::sample::select;
use rekey_tests::{CeremonyOptions, Passkey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::adapters::signatures::RingSignatures;
use shared::domain::account::AccountId;
use shared::domain::passkey::{
    Assertion, Credential, Expected, PublicKey, Refusal, Registration, RelyingParty, UserHandle,
};
use shared::ports::SignatureVerifier as _;

use super::keys;
use crate::edits::{changed, changed_bytes};
use crate::harness::Target;

const ORIGIN: &str = "https://reset.contoh.example";
const CHALLENGE: [u8; 32] = [7; 32];

fn party() -> RelyingParty {
    RelyingParty { id: "reset.contoh.example".into(), origins: vec![ORIGIN.into()] }
}

fn handle() -> UserHandle {
    UserHandle::of(&keys(), &AccountId::from_directory("aisyah").unwrap())
}

fn creation() -> Value {
    json!({
        "rp": { "id": party().id },
        "user": { "id": handle() },
        "challenge": URL_SAFE_NO_PAD.encode(CHALLENGE),
    })
}

fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    RingSignatures.verifies(key, message, signature)
}

fn registered(answer: &str) -> Result<Result<Credential, Refusal>, ()> {
    let expected = Expected { party: &party(), challenge: &CHALLENGE };
    let registration = Registration::parse(answer).map_err(|_| ())?;
    Ok(registration.verify(handle(), &expected, &verifies))
}

/// A registration that is accepted, with a lone surrogate in an ignored member, which this test's own JSON parser
/// rejects.
const HALF: &str = "half a character in what is ignored";

/// Returns the bytes of a member of `response`.
fn part(answer: &Value, member: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(answer["response"][member].as_str().unwrap()).unwrap()
}

/// Replaces the bytes of a member of `response`.
fn with_part(answer: &str, member: &str, bytes: &[u8]) -> String {
    let mut answer: Value = serde_json::from_str(answer).unwrap();
    answer["response"][member] = json!(URL_SAFE_NO_PAD.encode(bytes));
    answer.to_string()
}

/// Generates changes of the text, and of the bytes of each of these members.
fn answers(answer: &str, members: &'static [&'static str]) -> impl Strategy<Value = String> + use<> {
    let read: Value = serde_json::from_str(answer).unwrap();
    let answer = answer.to_owned();
    let text = changed(answer.clone());
    let bytes = select(members).prop_flat_map(move |member| {
        let answer = answer.clone();
        changed_bytes(part(&read, member)).prop_map(move |bytes| with_part(&answer, member, &bytes))
    });
    prop_oneof![1 => text, 3 => bytes]
}

/// Returns `authData` of an attestation object.
fn data(object: &[u8]) -> Option<Vec<u8>> {
    let object: Cbor = ciborium::from_reader(object).ok()?;
    let found = object.into_map().ok()?.into_iter().find(|(key, _)| key.as_text() == Some("authData"));
    found?.1.into_bytes().ok()
}

fn refusal(refusal: Refusal) -> String {
    format!("{refusal:?}")
}

/// A registration that is accepted without attestation is for this site and challenge, by a present user. It contains
/// the passkey that it names.
#[test]
fn altered_unsigned_registration_is_consistent_or_rejected() {
    let (_, answer) = Passkey::create(&creation(), &CeremonyOptions::at(ORIGIN));
    let object = part(&serde_json::from_str(&answer).unwrap(), "attestationObject");
    let own = registered(&answer).unwrap().unwrap();
    let inner = {
        let (answer, data) = (answer.clone(), data(&object).unwrap());
        changed_bytes(data).prop_map(move |data| {
            let object = cbor!({ "fmt" => "none", "attStmt" => {}, "authData" => Cbor::Bytes(data) });
            let mut bytes = Vec::new();
            ciborium::into_writer(&object.unwrap(), &mut bytes).unwrap();
            with_part(&answer, "attestationObject", &bytes)
        })
    };
    let outer = answers(&answer, &["attestationObject", "attestationObject", "clientDataJSON"]);
    let target = Target {
        name: "attestations",
        cases: 2_500,
        reaches: &[
            "malformed",
            "Challenge",
            "RelyingParty",
            "Unsupported",
            "User",
            "the passkey",
            "another key",
        ],
    };
    target.run(&prop_oneof![outer, inner], |text| {
        let Ok(outcome) = registered(&text) else { return "malformed".to_owned() };
        let credential = match outcome {
            Ok(credential) => credential,
            Err(why) => return refusal(why),
        };
        let stored = credential.to_json();
        assert_eq!(Credential::parse(&stored).as_ref(), Ok(&credential), "what is stored is read back");
        let Ok(said) = serde_json::from_str::<Value>(&text) else { return HALF.to_owned() };
        // Invalid UTF-8 is replaced where no rule reads it (§7.1 step 5).
        let client_data = part(&said, "clientDataJSON");
        let client_data: Value = serde_json::from_str(&String::from_utf8_lossy(&client_data)).unwrap();
        assert_eq!(client_data["type"], "webauthn.create");
        assert_eq!(client_data["challenge"], URL_SAFE_NO_PAD.encode(CHALLENGE));
        assert_eq!(client_data["origin"], ORIGIN);
        assert_ne!(client_data["crossOrigin"], true);
        let data = data(&part(&said, "attestationObject")).unwrap();
        assert_eq!(data[..32], Sha256::digest(party().id)[..], "of another site");
        assert_eq!(data[32] & 0b101, 0b101, "the user was not present or not verified");
        let kept: Value = serde_json::from_str(&stored).unwrap();
        assert_eq!(kept["id"], said["id"]);
        let id = URL_SAFE_NO_PAD.decode(kept["id"].as_str().unwrap()).unwrap();
        assert_eq!(data[55..55 + id.len()], id, "it names another");
        assert_eq!(kept["user_handle"], json!(handle()), "of another account");
        let known: Value = serde_json::from_str(&own.to_json()).unwrap();
        if kept["key"] == known["key"] { "the passkey" } else { "another key" }.to_owned()
    });
}

/// A self attestation signs everything that is stored.
/// Controls: C-060.
#[test]
fn altered_signed_registration_is_rejected() {
    let answer = signed_registration();
    let own = registered(&answer).unwrap().unwrap();
    let original: Value = serde_json::from_str(&answer).unwrap();
    let target = Target {
        name: "own-attestations",
        cases: 1_500,
        reaches: &["malformed", "Challenge", "Unsupported", "Signature", "the passkey"],
    };
    target.run(&answers(&answer, &["attestationObject", "clientDataJSON"]), |text| {
        let Ok(outcome) = registered(&text) else { return "malformed".to_owned() };
        let credential = match outcome {
            Ok(credential) => credential,
            Err(why) => return refusal(why),
        };
        let Ok(said) = serde_json::from_str::<Value>(&text) else { return HALF.to_owned() };
        let is_unsigned = data(&part(&said, "attestationObject")).is_some_and(|_| !is_packed(&said));
        assert!(!is_unsigned, "the signature was taken out by changes like these");
        assert_eq!(part(&said, "clientDataJSON"), part(&original, "clientDataJSON"));
        let of = |answer: &Value| data(&part(answer, "attestationObject"));
        assert_eq!(of(&said), of(&original), "other data is accepted as signed");
        // The transports come from the browser unsigned, and are only a hint.
        let without_transports = |credential: &Credential| {
            let mut json: Value = serde_json::from_str(&credential.to_json()).unwrap();
            json["transports"] = Value::Null;
            json
        };
        assert_eq!(without_transports(&credential), without_transports(&own));
        "the passkey".to_owned()
    });
}

/// Returns a registration with self attestation.
fn signed_registration() -> String {
    let saying = CeremonyOptions::at(ORIGIN);
    let (passkey, answer) = Passkey::create(&creation(), &saying);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let data = data(&part(&answer, "attestationObject")).unwrap();
    let client_data = part(&answer, "clientDataJSON");
    let signature = passkey.sign(&[&data[..], &Sha256::digest(&client_data)[..]].concat());
    let statement = cbor!({ "alg" => -7, "sig" => Cbor::Bytes(signature) }).unwrap();
    passkey.registration(&data, &statement, "packed", &creation(), &saying)
}

fn is_packed(answer: &Value) -> bool {
    let object: Result<Cbor, _> = ciborium::from_reader(&part(answer, "attestationObject")[..]);
    let map = object.unwrap().into_map().unwrap();
    map.iter().any(|(key, value)| key.as_text() == Some("fmt") && value.as_text() == Some("packed"))
}

/// An assertion is accepted exactly as signed, or not at all.
/// Controls: C-047.
#[test]
fn altered_assertion_is_rejected() {
    let saying = CeremonyOptions::at(ORIGIN);
    let (mut passkey, answer) = Passkey::create(&creation(), &saying);
    let credential = registered(&answer).unwrap().unwrap();
    let options = json!({ "rpId": party().id, "challenge": URL_SAFE_NO_PAD.encode(CHALLENGE) });
    let answer = passkey.answer(&options, &saying);
    let original: Value = serde_json::from_str(&answer).unwrap();
    let expected = Expected { party: &party(), challenge: &CHALLENGE };
    let members = &["clientDataJSON", "authenticatorData", "signature", "userHandle"];
    let target = Target {
        name: "assertions",
        cases: 3_000,
        reaches: &["malformed", "Challenge", "RelyingParty", "User", "Signature", "Unsupported", "accepted"],
    };
    target.run(&answers(&answer, members), |text| {
        let Ok(assertion) = Assertion::parse(&text) else { return "malformed".to_owned() };
        let counter = match assertion.verify(&credential, &expected, &verifies) {
            Ok(counter) => counter,
            Err(why) => return refusal(why),
        };
        assert_eq!(counter, passkey.counter);
        let Ok(said) = serde_json::from_str::<Value>(&text) else { return HALF.to_owned() };
        assert_eq!(said["id"], original["id"]);
        for member in members {
            assert_eq!(part(&said, member), part(&original, member), "another {member} is accepted");
        }
        "accepted".to_owned()
    });
}

#[test]
fn random_stored_passkey_round_trips_or_is_rejected() {
    let (_, answer) = Passkey::create(&creation(), &CeremonyOptions::at(ORIGIN));
    let stored = registered(&answer).unwrap().unwrap().to_json();
    let target = Target { name: "passkeys", cases: 1_000, reaches: &["read", "refused"] };
    target.run(&changed(stored), |text| {
        let Ok(credential) = Credential::parse(&text) else { return "refused".to_owned() };
        assert_eq!(Credential::parse(&credential.to_json()), Ok(credential));
        "read".to_owned()
    });
}
