//! Every text that is parsed, on its own: nothing panics, what is read is what was written, and what is sealed or
//! tagged can't be made by changing something that was.

mod devices;
mod json;
mod passkeys;
mod registering;
mod reset;

use shared::domain::keys::Keyring;
use shared::domain::time::Timestamp;

/// Keys of two generations.
const KEYS: &str =
    r#"{"current":"2","1":"0123456789abcdef0123456789abcdef","2":"fedcba9876543210fedcba9876543210"}"#;
const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

fn keys() -> Keyring {
    Keyring::from_secret(KEYS).unwrap()
}
