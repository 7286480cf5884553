//! Tests every parser of text alone. Nothing panics, and parsing returns what was written. No sealed or tagged text
//! can be forged by changing a valid one.

mod devices;
mod enrolment;
mod json;
mod passkeys;
mod reset;

use shared::domain::keys::Keyring;
use shared::domain::time::Timestamp;

/// A keyring with keys of two generations.
const KEYS: &str =
    r#"{"current":"2","1":"0123456789abcdef0123456789abcdef","2":"fedcba9876543210fedcba9876543210"}"#;
const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

fn keys() -> Keyring {
    Keyring::from_secret(KEYS).unwrap()
}
