//! Coverage-guided fuzz targets, for what attackers and files can send: cookies, bodies, passkeys, people.
//!
//! `tests/run` builds them with coverage instrumentation and runs each under libFuzzer; `infra/guides/testing.md` has
//! the commands. A plain `cargo nextest run` runs them on random bytes. Each target first replays its folder in
//! `corpus`, whose files libFuzzer then mutates. Files named `valid-*` must be accepted.
//!
//! A target compares the parser with a second, independent reading of the same input. An input that both reject
//! counts as well: the target fails when they disagree.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "what supports a test fails and tells as a test does"
)]

mod assertions;
mod attestations;
mod client_data;
mod cookies;
mod passkey;
mod people;
mod requests;

use std::fs;
use std::path::Path;

use shared::domain::keys::Keyring;

/// Random inputs of a target where nothing guides it.
const ITERATIONS: usize = 500;

/// Returns a keyring with keys of two generations.
fn keys() -> Keyring {
    let secret =
        r#"{"current":"2","1":"0123456789abcdef0123456789abcdef","2":"fedcba9876543210fedcba9876543210"}"#;
    Keyring::from_secret(secret).unwrap()
}

/// Checks every file in the target's folder of the corpus. `check` returns whether the input is accepted.
fn replay(target: &str, check: impl Fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut valid = 0;
    for file in files {
        println!("{}", file.display());
        let is_accepted = check(&fs::read(&file).unwrap());
        if file.file_name().unwrap().to_string_lossy().starts_with("valid-") {
            assert!(is_accepted, "{} is rejected", file.display());
            valid += 1;
        }
    }
    assert!(valid > 0, "corpus/{target} has no valid input");
}
