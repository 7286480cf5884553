//! Client data: what the browser says about the request.

use serde_json::{Value, json};
use shared::domain::passkey::{Expected, Refusal, Registration, UserHandle};

use crate::passkey::{CHALLENGE, ORIGIN, answer, party, text, verifies};
use crate::{ITERATIONS, replay};

#[test]
fn mutated_client_data_matches_request_or_is_rejected() {
    replay("client_data", check);
    bolero::check!(name = "client_data").with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        check(bytes);
    });
}

fn check(bytes: &[u8]) -> bool {
    let is_accepted = is_accepted(bytes);
    // Invalid UTF-8 in a member that must be ignored is replaced. So is a value that only a full parser rejects, such
    // as half a surrogate pair: then there is nothing to compare.
    let Ok(said) = serde_json::from_str::<Value>(&String::from_utf8_lossy(bytes)) else { return is_accepted };
    let is_right = is_right(&said);
    assert!(!is_accepted || is_right, "{said}");
    // The same value, with each member once.
    assert_eq!(self::is_accepted(said.to_string().as_bytes()), is_right, "{said}");
    is_accepted
}

/// Returns whether all checks of client data pass. The checks after them fail, since there is no attestation.
fn is_accepted(client_data: &[u8]) -> bool {
    let response = json!({ "clientDataJSON": text(client_data), "attestationObject": "" });
    let Ok(registration) = Registration::parse(&answer(&[1; 16], &response)) else { return false };
    let handle: UserHandle = serde_json::from_value(json!(text(&[3; 32]))).unwrap();
    let expected = Expected { party: &party(), challenge: &CHALLENGE };
    registration.verify(handle, &expected, &verifies) == Err(Refusal::Unsupported)
}

/// Returns whether the value fits the request (§7.1 steps 7 to 10).
fn is_right(said: &Value) -> bool {
    let is = |member: &str, value: &str| said.get(member).and_then(Value::as_str) == Some(value);
    let is_absent = |member: &str| said.get(member).is_none();
    said.is_object()
        && is("type", "webauthn.create")
        && is("challenge", &text(&CHALLENGE))
        && is("origin", ORIGIN)
        && (is_absent("crossOrigin") || said["crossOrigin"] == json!(false))
        && (is_absent("topOrigin") || said["topOrigin"].is_null())
}
