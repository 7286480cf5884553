//! Authenticator data of an assertion.

use serde_json::json;
use shared::domain::passkey::{Assertion, Credential, Expected, Refusal};

use crate::passkey::{
    BACKUP_ELIGIBLE, CHALLENGE, HAS_CREDENTIAL, HAS_EXTENSIONS, answer, client_data, is_acceptable, party,
    signature, signed, text, verifies,
};
use crate::{ITERATIONS, replay};

const ID: [u8; 16] = [1; 16];
const HANDLE: [u8; 32] = [3; 32];
const COUNTER: u32 = 5;

#[test]
fn mutated_authenticator_data_is_judged_by_flags() {
    replay("assertions", check);
    bolero::check!(name = "assertions").with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        check(bytes);
    });
}

fn check(data: &[u8]) -> bool {
    let of_each = [(false, 0), (false, COUNTER), (true, COUNTER)].map(|kind| check_with(data, kind));
    of_each.contains(&true)
}

fn check_with(data: &[u8], (is_synced, counter): (bool, u32)) -> bool {
    let passkey = passkey(is_synced, counter);
    let client_data = client_data("webauthn.get");
    let signature = signature(&signed(data, &client_data));
    let expected = expected(data, is_synced, counter);
    let result = verified(&passkey, data, &client_data, &signature);
    assert_eq!(result.and_then(Result::ok), expected);
    if expected.is_some() {
        let mut altered = signature;
        altered[data.len() % 32] ^= 1;
        let result = verified(&passkey, data, &client_data, &altered);
        assert_eq!(result, Some(Err(Refusal::Signature)));
    }
    expected.is_some()
}

/// Returns the new counter if the data is acceptable, read by offsets.
fn expected(data: &[u8], is_synced: bool, counter: u32) -> Option<u32> {
    if !is_acceptable(data) {
        return None;
    }
    let (flags, now) = (data[32], u32::from_be_bytes(data[33..37].try_into().unwrap()));
    let is_accepted = flags & HAS_CREDENTIAL == 0
        && (flags & BACKUP_ELIGIBLE != 0) == is_synced
        && (flags & HAS_EXTENSIONS != 0 || data.len() == 37)
        && (now > counter || (now == 0 && counter == 0));
    is_accepted.then_some(now)
}

/// Verifies an assertion with this data; `None` if it can't be parsed.
fn verified(
    passkey: &Credential,
    data: &[u8],
    client_data: &[u8],
    signature: &[u8],
) -> Option<Result<u32, Refusal>> {
    let response = json!({
        "clientDataJSON": text(client_data),
        "authenticatorData": text(data),
        "signature": text(signature),
        "userHandle": text(&HANDLE),
    });
    let assertion = Assertion::parse(&answer(&ID, &response)).ok()?;
    assert_eq!(assertion.signature(), signature);
    let expected = Expected { party: &party(), challenge: &CHALLENGE };
    Some(assertion.verify(passkey, &expected, &verifies))
}

fn passkey(is_synced: bool, counter: u32) -> Credential {
    let stored = json!({
        "id": text(&ID),
        "key": { "algorithm": "EdDSA", "point": text(&[2; 32]) },
        "user_handle": text(&HANDLE),
        "counter": counter,
        "backup_eligible": is_synced,
        "transports": [],
    });
    Credential::parse(&stored.to_string()).unwrap()
}
