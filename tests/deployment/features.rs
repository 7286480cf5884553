//! A function links the client of an external system if and only if its role permits using that system.
//!
//! The test asks cargo for each package alone, as functions are built for deployment. A workspace build would unify
//! features, so that every function had all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::permissions::reach;
use crate::template::{Function, Template, root, text};

type Needed = fn(&Function) -> bool;

/// A feature of `shared`, and the condition in template.yaml under which a function needs it.
const FEATURES: &[(&str, Needed)] = &[
    ("http", |f| !f.routes.is_empty()),
    ("dynamodb", |f| !reach(f, "dynamodb:").is_empty()),
    ("builtin-directory", |f| reach(f, "dynamodb:").contains("AccountsTable")),
    ("secrets", |f| !reach(f, "secretsmanager:").is_empty()),
    ("sqs", |f| !reach(f, "sqs:SendMessage").is_empty()),
    ("sns", |f| !reach(f, "sns:").is_empty()),
    ("ses", |f| !reach(f, "ses:").is_empty()),
    ("voice", |f| !reach(f, "sms-voice:").is_empty()),
    // A push service has no IAM role, so the functions that may send texts count as its users.
    ("web-push", |f| !reach(f, "sns:").is_empty()),
];

/// Returns each dependency of a function that is built alone: crate name and features.
fn tree(package: &str) -> Vec<(String, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", package, "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{lib}|{f}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(name, features)| {
            let features = features.trim_end_matches(" (*)").split(',').map(ToOwned::to_owned);
            (name.to_owned(), features.collect())
        })
        .collect()
}

/// Controls: C-097.
#[test]
fn crate_features_match_function_roles() {
    for function in Template::read().functions() {
        let tree = tree(&function.name);
        let (_, enabled) = tree.iter().find(|(name, _)| name == "shared").unwrap();
        for (feature, needed) in FEATURES {
            assert_eq!(enabled.contains(*feature), needed(&function), "{}: {feature}", function.name);
        }
        assert!(!enabled.contains("memory"), "{}: the tests' adapters are deployed", function.name);
    }
}

/// Controls: C-097.
#[test]
fn functions_link_no_emulator_and_no_second_tls() {
    for function in Template::read().functions() {
        for (name, _) in tree(&function.name) {
            let unwanted = ["dynoxide", "aws_lc_rs", "native_tls", "openssl", "rekey_local"];
            assert!(!unwanted.contains(&name.as_str()), "{} links {name}", function.name);
        }
    }
}

/// Crates whose features differ on purpose: our own, and the Lambda events, which nothing depends on. The picture's
/// PNG needs more features of gzip's checksums, which compile in a second.
const DIFFERING_CRATES: &[&str] = &["shared", "aws_lambda_events", "crc32fast", "simd_adler32"];

/// Functions are built one after the other into one folder. If one of them needs another feature of a common
/// dependency, cargo compiles that dependency and its dependents again.
#[test]
fn functions_share_dependency_features() {
    let mut variants: BTreeMap<String, BTreeSet<BTreeSet<String>>> = BTreeMap::new();
    for function in Template::read().functions() {
        let mut own: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, features) in tree(&function.name) {
            own.entry(name).or_default().extend(features);
        }
        for (name, features) in own {
            variants.entry(name).or_default().insert(features);
        }
    }
    variants.retain(|name, sets| sets.len() > 1 && !DIFFERING_CRATES.contains(&name.as_str()));
    assert!(variants.is_empty(), "built with different features: {variants:#?}");
}

/// From the workspace's root, `--bin` would unify the features of all members.
/// Controls: C-097.
#[test]
fn functions_are_built_package_by_package() {
    for function in Template::read().functions() {
        assert_eq!(text(&function.properties["CodeUri"]), format!("functions/{}", function.name));
    }
}
