//! A function links the client of an external system if and only if its role permits using that system.
//!
//! The test asks cargo for each package alone, as functions are built for deployment. A workspace build would unify
//! features, so that every function had all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use rekey_local::template::Template;
use rekey_local::template::document::text;

use crate::permissions::reach;
use crate::root;

/// Takes the template and the name of a function.
type Needed = fn(&Template, &str) -> bool;

/// A feature of `shared`, and the condition in template.yaml under which a function needs it.
const FEATURES: &[(&str, Needed)] = &[
    ("http", |t, f| t.routes.iter().any(|route| route.function == f)),
    ("dynamodb", |t, f| !reach(&t.functions[f], "dynamodb:").is_empty()),
    ("builtin-directory", |t, f| reach(&t.functions[f], "dynamodb:").contains("AccountsTable")),
    ("remote-directory", |t, f| !reach(&t.functions[f], "lambda:InvokeFunction").is_empty()),
    ("ldap", is_of_directory),
    ("parameters", |t, f| !reach(&t.functions[f], "ssm:").is_empty()),
    ("secrets", |t, f| !reach(&t.functions[f], "secretsmanager:").is_empty()),
    // The three functions of a package have the features of all.
    ("sqs", |t, f| !reach(&t.functions[f], "sqs:SendMessage").is_empty() || is_of_directory(t, f)),
    // The help desk reads people with their groups.
    ("directory-sync", |t, f| is_of_directory(t, f) || f == "help-desk"),
    ("agents", |t, f| !reach(&t.functions[f], "logs:PutLogEvents").is_empty()),
    ("audit-trail", |t, f| !reach(&t.functions[f], "logs:FilterLogEvents").is_empty()),
    ("sns", |t, f| !reach(&t.functions[f], "sns:").is_empty()),
    ("ses", |t, f| !reach(&t.functions[f], "ses:").is_empty()),
    ("voice", |t, f| !reach(&t.functions[f], "sms-voice:").is_empty()),
    // The identity provider has no IAM role, but the secret of Rekey there has one.
    ("oidc", |t, f| reach(&t.functions[f], "secretsmanager:").contains("RekeyOidcSecret")),
    // A push service has no IAM role, so the functions that may send texts count as its users.
    ("web-push", |t, f| !reach(&t.functions[f], "sns:").is_empty()),
];

/// Returns whether a function reaches the organisation's own directory.
fn is_of_directory(template: &Template, function: &str) -> bool {
    package(template, function) == "directory"
}

/// Returns the package of a function: the last part of its folder.
fn package(template: &Template, function: &str) -> String {
    let id = &template.functions[function].id;
    let folder = text(&template.document.resource(id)["Properties"]["CodeUri"]).unwrap();
    folder.rsplit('/').next().unwrap().to_owned()
}

/// Returns the packages of all functions.
pub fn packages(template: &Template) -> BTreeSet<String> {
    template.functions.keys().map(|function| package(template, function)).collect()
}

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
    let template = Template::from_project().unwrap();
    for name in template.functions.keys() {
        let tree = tree(&package(&template, name));
        let (_, enabled) = tree.iter().find(|(name, _)| name == "shared").unwrap();
        for (feature, needed) in FEATURES {
            assert_eq!(enabled.contains(*feature), needed(&template, name), "{name}: {feature}");
        }
        assert!(!enabled.contains("memory"), "{name}: the tests' adapters are deployed");
    }
}

/// Controls: C-097.
#[test]
fn functions_link_no_emulator_and_no_second_tls() {
    for function in &packages(&Template::from_project().unwrap()) {
        for (name, _) in tree(function) {
            let unwanted = ["dynoxide", "aws_lc_rs", "native_tls", "openssl", "rekey_local"];
            assert!(!unwanted.contains(&name.as_str()), "{function} links {name}");
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
    for function in &packages(&Template::from_project().unwrap()) {
        let mut own: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, features) in tree(function) {
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
    let template = Template::from_project().unwrap();
    for (name, function) in &template.functions {
        let folder = text(&template.document.resource(&function.id)["Properties"]["CodeUri"]);
        let package = if name.starts_with("directory-") { "directory" } else { name };
        assert_eq!(folder.unwrap(), format!("functions/{package}"));
    }
}
