//! Attestation objects: CBOR, authenticator data and COSE keys.

use ciborium::Value;
use serde_json::json;
use shared::domain::passkey::{Credential, Expected, Refusal, Registration, UserHandle};

use crate::passkey::{
    BACKUP_ELIGIBLE, CHALLENGE, HAS_CREDENTIAL, HAS_EXTENSIONS, VERIFIED, answer, client_data, is_acceptable,
    party, signature, signed, text, verifies,
};
use crate::{ITERATIONS, replay};

#[test]
fn mutated_attestation_gives_its_key_or_is_rejected() {
    replay("attestations", check);
    bolero::check!(name = "attestations").with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        check(bytes);
    });
}

fn check(bytes: &[u8]) -> bool {
    let object: Option<Value> = ciborium::from_reader(bytes).ok();
    let data = object.as_ref().and_then(|object| member(object, &"authData".into())?.as_bytes().cloned());
    let id = data.as_deref().and_then(id_of).unwrap_or(&[1]);
    let Ok(credential) = registered(bytes, id) else { return false };
    let (object, data) = (object.unwrap(), data.clone().unwrap());
    assert!(is_acceptable(&data) && data[32] & HAS_CREDENTIAL != 0);
    assert!((1..=1023).contains(&id.len()), "an id of {} bytes", id.len());
    let stored = credential.to_json();
    assert_eq!(Credential::parse(&stored).as_ref(), Ok(&credential), "what is stored is read back");
    let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored["id"], text(id));
    assert_eq!(stored["counter"], u32::from_be_bytes(data[33..37].try_into().unwrap()));
    assert_eq!(stored["backup_eligible"], data[32] & BACKUP_ELIGIBLE != 0);
    assert_eq!(stored["key"], key_of(&data), "another key than the one in the data");
    assert!(is_attested(&object, &data));
    // The same value in the shortest encoding is the same registration.
    let encoded = encode(&object);
    assert!(encoded.len() <= bytes.len(), "bytes after the object are accepted");
    assert_eq!(registered(&encoded, id).as_ref(), Ok(&credential));
    // Without user verification it is refused.
    let unverified = replace(&object, &data, |data| data[32] &= !VERIFIED);
    assert_eq!(registered(&unverified, id), Err(Refusal::NotVerified));
    assert_eq!(registered(&encoded, &[id, &[0]].concat()), Err(Refusal::User), "it has another id");
    true
}

fn registered(object: &[u8], id: &[u8]) -> Result<Credential, Refusal> {
    let response = json!({
        "clientDataJSON": text(&client_data("webauthn.create")),
        "attestationObject": text(object),
        "transports": ["usb"],
    });
    let handle: UserHandle = serde_json::from_value(json!(text(&[3; 32]))).unwrap();
    let expected = Expected { party: &party(), challenge: &CHALLENGE };
    Registration::parse(&answer(id, &response)).unwrap().verify(handle, &expected, &verifies)
}

/// Returns the member of a map that has it once.
fn member<'a>(map: &'a Value, name: &Value) -> Option<&'a Value> {
    let mut found = map.as_map()?.iter().filter(|(known, _)| known == name);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}

/// Returns the id of the credential, read by offsets (§6.5.1).
fn id_of(data: &[u8]) -> Option<&[u8]> {
    let length = u16::from_be_bytes(data.get(53..55)?.try_into().ok()?);
    data.get(55..55 + usize::from(length)).filter(|id| !id.is_empty())
}

/// Returns the key after the id as it is to be stored (RFC 9053 §2 and §7, RFC 8230 §4).
fn key_of(data: &[u8]) -> serde_json::Value {
    let mut rest = &data[55 + id_of(data).unwrap().len()..];
    let key: Value = ciborium::from_reader(&mut rest).unwrap();
    if data[32] & HAS_EXTENSIONS != 0 {
        let extensions: Value = ciborium::from_reader(&mut rest).unwrap();
        assert!(extensions.is_map());
    }
    assert!(rest.is_empty(), "bytes after the data are accepted");
    let number = |label: i32| member(&key, &label.into()).and_then(Value::as_integer).map(i128::from);
    let bytes = |label: i32| member(&key, &label.into()).and_then(Value::as_bytes).unwrap();
    match (number(1), number(3)) {
        (Some(2), Some(-7)) => {
            assert!(number(-1) == Some(1) && bytes(-2).len() == 32 && bytes(-3).len() == 32);
            json!({ "algorithm": "ES256", "point": text(&[&[4], &bytes(-2)[..], bytes(-3)].concat()) })
        }
        (Some(1), Some(-8)) => {
            assert!(number(-1) == Some(6) && bytes(-2).len() == 32);
            json!({ "algorithm": "EdDSA", "point": text(bytes(-2)) })
        }
        (Some(3), Some(-257)) => {
            assert!((256..=512).contains(&bytes(-1).len()) && (1..=4).contains(&bytes(-2).len()));
            json!({ "algorithm": "RS256", "modulus": text(bytes(-1)), "exponent": text(bytes(-2)) })
        }
        other => unreachable!("a key of {other:?} is accepted"),
    }
}

/// Returns whether there is no attestation, or one by the key itself (§8.2, §8.7).
fn is_attested(object: &Value, data: &[u8]) -> bool {
    let statement = member(object, &"attStmt".into()).unwrap();
    let members = statement.as_map().unwrap().len();
    match member(object, &"fmt".into()).and_then(Value::as_text) {
        Some("none") => members == 0,
        Some("packed") => {
            let signature = signature(&signed(data, &client_data("webauthn.create")));
            members == 2 && member(statement, &"sig".into()).and_then(Value::as_bytes) == Some(&signature)
        }
        _ => false,
    }
}

/// Returns the object with changed authenticator data.
fn replace(object: &Value, data: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut data = data.to_vec();
    change(&mut data);
    let mut members = object.as_map().unwrap().clone();
    for (name, value) in &mut members {
        if name.as_text() == Some("authData") {
            *value = Value::Bytes(data.clone());
        }
    }
    encode(&Value::Map(members))
}

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}
