//! Tests of the rules without real signatures: each signature counts as right, unless a test says otherwise.

use ciborium::{Value, cbor};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::*;

const CHALLENGE: [u8; 32] = [7; 32];
const FLAGS: u8 = 0b101;

fn party() -> RelyingParty {
    RelyingParty { id: "a.example".into(), origins: vec!["https://a.example".into()] }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn client_data(kind: &str) -> serde_json::Value {
    json!({ "type": kind, "challenge": text(&CHALLENGE), "origin": "https://a.example", "crossOrigin": false })
}

fn head(flags: u8, counter: u32) -> Vec<u8> {
    [&Sha256::digest("a.example")[..], &[flags], &counter.to_be_bytes()].concat()
}

fn credential(counter: u32) -> Credential {
    Credential {
        id: Bytes(vec![1; 16]),
        key: PublicKey::EdDsa { point: Bytes(vec![2; 32]) },
        user_handle: UserHandle(Bytes(vec![3; 32])),
        counter,
        backup_eligible: false,
        transports: Vec::new(),
    }
}

fn assertion(client_data: &serde_json::Value, data: &[u8]) -> String {
    let id = text(&[1; 16]);
    json!({ "id": id, "rawId": id, "type": "public-key", "response": {
        "clientDataJSON": text(client_data.to_string().as_bytes()),
        "authenticatorData": text(data),
        "signature": text(b"signature"),
        "userHandle": text(&[3; 32]),
    }})
    .to_string()
}

fn used(client_data: &serde_json::Value, data: &[u8], counter: u32) -> Result<u32, Refusal> {
    let expected = Expected { party: &party(), challenge: &CHALLENGE };
    let answer = Assertion::parse(&assertion(client_data, data)).unwrap();
    answer.verify(&credential(counter), &expected, &|_, _, _| true)
}

/// Controls: C-047.
#[test]
fn assertion_signature_and_credential_are_verified() {
    let said = client_data("webauthn.get");
    let answer = Assertion::parse(&assertion(&said, &head(FLAGS, 0))).unwrap();
    let expected = Expected { party: &party(), challenge: &CHALLENGE };
    let message = [&head(FLAGS, 0)[..], &Sha256::digest(said.to_string())[..]].concat();
    let verifies = |key: &PublicKey, signed: &[u8], signature: &[u8]| {
        *key == credential(0).key && signed == message && signature == b"signature"
    };
    assert_eq!(answer.verify(&credential(0), &expected, &verifies), Ok(0));
    assert_eq!(answer.verify(&credential(0), &expected, &|_, _, _| false), Err(Refusal::Signature));
    assert_eq!(answer.signature(), b"signature");
    let other = Credential { id: Bytes(vec![9; 16]), ..credential(0) };
    assert!(!answer.is_by(&other));
    assert_eq!(answer.verify(&other, &expected, &verifies), Err(Refusal::User));
    let other = Credential { user_handle: UserHandle(Bytes(vec![9; 32])), ..credential(0) };
    assert_eq!(answer.verify(&other, &expected, &verifies), Err(Refusal::User));
    let other = Credential { backup_eligible: true, ..credential(0) };
    assert_eq!(answer.verify(&other, &expected, &verifies), Err(Refusal::Backup));
}

/// Controls: C-047.
#[test]
fn assertion_with_mismatched_client_data_is_rejected() {
    for (member, value, refusal) in [
        ("type", json!("webauthn.create"), Refusal::Kind),
        ("challenge", json!(text(&[8; 32])), Refusal::Challenge),
        ("challenge", json!("=="), Refusal::Challenge),
        ("origin", json!("https://a.example:8443"), Refusal::Origin),
        ("origin", json!("https://A.example"), Refusal::Origin),
        ("crossOrigin", json!(true), Refusal::Embedded),
        ("topOrigin", json!("https://a.example"), Refusal::Embedded),
    ] {
        let mut said = client_data("webauthn.get");
        said[member] = value;
        assert_eq!(used(&said, &head(FLAGS, 0), 0), Err(refusal), "{member}");
    }
}

/// Controls: C-047.
#[test]
fn assertion_with_mismatched_authenticator_data_is_rejected() {
    let said = client_data("webauthn.get");
    for (flags, expected) in [
        (FLAGS, Ok(0)),
        (0b001, Err(Refusal::NotVerified)),
        (0b100, Err(Refusal::NotPresent)),
        (FLAGS | 1 << 3, Err(Refusal::Backup)),
        (FLAGS | 1 << 4, Err(Refusal::Backup)),
        (FLAGS | 1 << 6, Err(Refusal::Unsupported)),
        (FLAGS | 1 << 7, Ok(0)),
    ] {
        assert_eq!(used(&said, &head(flags, 0), 0), expected, "{flags:08b}");
    }
    let mut foreign = head(FLAGS, 0);
    foreign[31] ^= 1;
    assert_eq!(used(&said, &foreign, 0), Err(Refusal::RelyingParty));
    let longer = [&head(FLAGS, 0)[..], &[0xa0]].concat();
    assert_eq!(used(&said, &longer, 0), Err(Refusal::Unsupported), "extensions that are not announced");
}

/// Controls: C-032.
#[test]
fn non_increasing_signature_counter_is_rejected() {
    let said = client_data("webauthn.get");
    for (before, now, expected) in [
        (0, 0, Ok(0)),
        (0, 1, Ok(1)),
        (5, 6, Ok(6)),
        (5, 5, Err(Refusal::Counter)),
        (5, 4, Err(Refusal::Counter)),
        (5, 0, Err(Refusal::Counter)),
    ] {
        assert_eq!(used(&said, &head(FLAGS, now), before), expected, "{before}, then {now}");
    }
}

/// Controls: C-078.
#[test]
fn malformed_assertion_is_rejected() {
    let said = client_data("webauthn.get");
    let good = assertion(&said, &head(FLAGS, 0));
    assert!(Assertion::parse(&good).is_ok());
    for (from, to) in [
        ("\"rawId\":\"AQ", "\"rawId\":\"BQ"),
        ("public-key", "password"),
        ("\"signature\":\"", "\"signature\":\"="),
        ("signature", "signatur"),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(Assertion::parse(&good.replacen(from, to, 1)).is_err(), "{to}");
    }
    assert!(Assertion::parse(&assertion(&said, &head(FLAGS, 0)[..36])).is_err());
    assert!(Assertion::parse(&assertion(&json!([]), &head(FLAGS, 0))).is_err());
    assert!(Registration::parse(&good).is_err());
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// Verifies a registration of this key, with further bytes after it, and its attestation.
fn registered(key: &Value, more: &[u8], format: &str, statement: &Value) -> Result<Credential, Refusal> {
    let flags = FLAGS | 1 << 6 | if more.is_empty() { 0 } else { 1 << 7 };
    let data = [&head(flags, 1)[..], &[0; 16], &[0, 16], &[1; 16], &encoded(key), more].concat();
    let object = cbor!({ "fmt" => format, "attStmt" => statement, "authData" => bytes(&data) }).unwrap();
    registration(&encoded(&object), &[1; 16])
}

fn registration(object: &[u8], id: &[u8]) -> Result<Credential, Refusal> {
    let said = client_data("webauthn.create");
    let answer = json!({ "id": text(id), "rawId": text(id), "type": "public-key", "response": {
        "clientDataJSON": text(said.to_string().as_bytes()),
        "attestationObject": text(object),
        "transports": ["usb", "nfc", "pigeon", "usb"],
    }});
    let expected = Expected { party: &party(), challenge: &CHALLENGE };
    let verifies = |_: &PublicKey, _: &[u8], signature: &[u8]| signature == b"right";
    let handle = UserHandle(Bytes(vec![3; 32]));
    Registration::parse(&answer.to_string()).unwrap().verify(handle, &expected, &verifies)
}

fn p256() -> Value {
    cbor!({ 1 => 2, 3 => -7, -1 => 1, -2 => bytes(&[4; 32]), -3 => bytes(&[5; 32]) }).unwrap()
}

fn none() -> Value {
    Value::Map(Vec::new())
}

#[test]
fn registered_passkey_round_trips() {
    let credential = registered(&p256(), &[], "none", &none()).unwrap();
    assert_eq!(credential.key.algorithm(), -7);
    assert_eq!((credential.counter, credential.is_synced()), (1, false));
    assert_eq!(credential.transports, ["nfc", "usb"]);
    assert_eq!(Credential::parse(&credential.to_json()), Ok(credential));
    assert_eq!(Credential::parse("{}"), Err(CredentialError));
    assert!(registered(&p256(), &encoded(&cbor!({ "credProtect" => 2 }).unwrap()), "none", &none()).is_ok());
    assert!(registered(&p256(), &[0xa0, 0], "none", &none()).is_err(), "something behind the extensions");
    assert!(registered(&p256(), &[0x01], "none", &none()).is_err(), "extensions that are no map");
}

/// Controls: C-060, C-090.
#[test]
fn registration_with_unsupported_key_is_rejected() {
    let ed25519 = cbor!({ 1 => 1, 3 => -8, -1 => 6, -2 => bytes(&[4; 32]) }).unwrap();
    assert_eq!(registered(&ed25519, &[], "none", &none()).unwrap().key.algorithm(), -8);
    let rsa = |modulus: usize, exponent: usize| {
        cbor!({ 1 => 3, 3 => -257, -1 => bytes(&vec![9; modulus]), -2 => bytes(&vec![1; exponent]) }).unwrap()
    };
    assert_eq!(registered(&rsa(256, 3), &[], "none", &none()).unwrap().key.algorithm(), -257);
    assert!(registered(&rsa(512, 4), &[], "none", &none()).is_ok());
    let unsupported = [
        rsa(255, 3),
        rsa(513, 3),
        rsa(256, 0),
        rsa(256, 5),
        cbor!({ 1 => 2, 3 => -7, -1 => 2, -2 => bytes(&[4; 32]), -3 => bytes(&[5; 32]) }).unwrap(),
        cbor!({ 1 => 2, 3 => -7, -1 => 1, -2 => bytes(&[4; 31]), -3 => bytes(&[5; 32]) }).unwrap(),
        cbor!({ 1 => 2, 3 => -7, -1 => 1, -2 => bytes(&[4; 32]), -3 => bytes(&[5; 33]) }).unwrap(),
        cbor!({ 1 => 2, 3 => -35, -1 => 1, -2 => bytes(&[4; 32]), -3 => bytes(&[5; 32]) }).unwrap(),
        cbor!({ 1 => 1, 3 => -7, -1 => 1, -2 => bytes(&[4; 32]), -3 => bytes(&[5; 32]) }).unwrap(),
        cbor!({ 1 => 1, 3 => -8, -1 => 7, -2 => bytes(&[4; 32]) }).unwrap(),
        cbor!({ 1 => 1, 3 => -8, -1 => 6, -2 => bytes(&[4; 33]) }).unwrap(),
        Value::Null,
    ];
    for key in unsupported {
        assert_eq!(registered(&key, &[], "none", &none()), Err(Refusal::Unsupported), "{key:?}");
    }
    let Value::Map(mut twice) = p256() else { unreachable!() };
    twice.push((Value::from(3), Value::from(-8)));
    assert_eq!(
        registered(&Value::Map(twice), &[], "none", &none()),
        Err(Refusal::Unsupported),
        "a key twice"
    );
}

/// Controls: C-060.
#[test]
fn attestation_must_be_none_or_self_signed() {
    let own =
        |algorithm: i64, signature: &[u8]| cbor!({ "alg" => algorithm, "sig" => bytes(signature) }).unwrap();
    let packed = |statement: &Value| registered(&p256(), &[], "packed", statement).err();
    assert_eq!(packed(&own(-7, b"right")), None);
    assert_eq!(packed(&own(-7, b"wrong")), Some(Refusal::Signature));
    assert_eq!(packed(&own(-8, b"right")), Some(Refusal::Unsupported));
    let certified =
        cbor!({ "alg" => -7, "sig" => bytes(b"right"), "x5c" => [bytes(b"certificate")] }).unwrap();
    assert_eq!(packed(&certified), Some(Refusal::Unsupported));
    for (format, statement) in [("none", own(-7, b"right")), ("tpm", none()), ("", none())] {
        assert_eq!(
            registered(&p256(), &[], format, &statement).err(),
            Some(Refusal::Unsupported),
            "{format}"
        );
    }
}

/// Controls: C-060.
#[test]
fn registration_with_wrong_credential_id_is_rejected() {
    let object = |length: u16, id: &[u8], rest: &[u8]| {
        let data =
            [&head(FLAGS | 1 << 6, 0)[..], &[0; 16], &length.to_be_bytes(), id, &encoded(&p256())].concat();
        let object = cbor!({ "fmt" => "none", "attStmt" => none(), "authData" => bytes(&data) }).unwrap();
        [&encoded(&object)[..], rest].concat()
    };
    assert!(registration(&object(1023, &[1; 1023], &[]), &[1; 1023]).is_ok());
    assert_eq!(
        registration(&object(16, &[1; 16], &[]), &[2; 16]),
        Err(Refusal::User),
        "not the one it names"
    );
    for (length, id, rest) in
        [(1024, &[1; 1024][..], &[][..]), (0, &[], &[]), (17, &[1; 16], &[]), (16, &[1; 16], &[0])]
    {
        assert_eq!(registration(&object(length, id, rest), id), Err(Refusal::Unsupported), "{length}");
    }
    let bare = cbor!({ "fmt" => "none", "attStmt" => none(), "authData" => bytes(&head(FLAGS, 0)) }).unwrap();
    assert_eq!(registration(&encoded(&bare), &[1; 16]), Err(Refusal::Unsupported), "no credential");
}

#[test]
fn user_handle_is_stable_and_differs_by_account() {
    let keys = |current: &str| {
        let (one, two) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
        Keyring::from_secret(&format!(r#"{{"current":"{current}","1":"{one}","2":"{two}"}}"#)).unwrap()
    };
    let of = |keys: &Keyring, name: &str| UserHandle::of(keys, &AccountId::from_directory(name).unwrap());
    assert_eq!(of(&keys("1"), "aisyah"), of(&keys("2"), "aisyah"), "a newer key changes nothing");
    assert_ne!(of(&keys("1"), "aisyah"), of(&keys("1"), "weiling"));
    assert_eq!(of(&keys("1"), "aisyah").0.as_slice().len(), 32);
}
