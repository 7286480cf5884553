//! The release profile of the deployed functions.

use std::fs;

use crate::root;

/// Controls: C-070.
#[test]
fn release_profile_optimises_size_and_unwinds_panics() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let release = &manifest["profile"]["release"];
    assert_eq!(release["opt-level"].as_str(), Some("z"));
    assert_eq!(release["lto"].as_str(), Some("fat"));
    assert_eq!(release["codegen-units"].as_integer(), Some(1));
    assert_eq!(release["strip"].as_bool(), Some(true));
    assert_eq!(release["panic"].as_str(), Some("unwind"), "an abort is a cold start for the next person");
    for hashing in ["argon2", "blake2"] {
        assert_eq!(release["package"][hashing]["opt-level"].as_integer(), Some(3), "{hashing}");
    }
}
