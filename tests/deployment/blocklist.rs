//! The leaked passwords that are compiled into the functions are those of the package that they are said to come from.

use std::process::Command;

use shared::domain::password::{Blocklist, passwords_of};

use crate::root;
use crate::sbom::python;

/// Controls: C-018.
#[test]
fn leaked_passwords_are_those_of_the_package() {
    let data = root().join("shared/data");
    let listed = Command::new(python()).arg(data.join("long_passwords.py")).output().unwrap();
    assert!(listed.status.success(), "tests/run installs what it needs: {listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let built = Blocklist::build(passwords_of(&listed)).unwrap();
    let stored = std::fs::read(data.join("long-passwords.blocklist")).unwrap();
    assert!(built.len() > 100_000, "{} passwords", built.len());
    assert!(built.bytes() == stored, "build it again as shared/data/README.md says");
}
