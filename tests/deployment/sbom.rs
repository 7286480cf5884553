//! The software bills of materials list the components of the functions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use rekey_local::template::Template;
use serde_json::Value;

use crate::features::packages;
use crate::root;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The Python interpreter with the test tools.
#[expect(clippy::disallowed_methods, reason = "which Python to ask is the machine's affair")]
pub(crate) fn python() -> PathBuf {
    let ours = root().join(".venv/bin/python");
    let other = std::env::var("REKEY_TEST_PYTHON").ok().map(PathBuf::from);
    other.unwrap_or_else(|| if ours.exists() { ours } else { "python3".into() })
}

/// Generates the bills into a folder of the test and returns their text by function.
fn generate_sboms(folder: &str, arguments: &[&str]) -> BTreeMap<String, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let made = Command::new(python())
        .arg(root().join("infra/security/sbom"))
        .arg(&folder)
        .args(arguments)
        .output()
        .unwrap();
    assert!(made.status.success(), "tests/run installs what it needs: {made:?}");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name =
                path.file_name().unwrap().to_str().unwrap().strip_suffix(".cdx.json").unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Returns the components of a scope as `name version`.
fn components(bill: &Value, scope: &str) -> BTreeSet<String> {
    let of_scope = bill["components"].as_array().unwrap().iter().filter(|one| one["scope"] == scope);
    of_scope.map(|one| format!("{} {}", text(&one["name"]), text(&one["version"]))).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Returns the crates that cargo compiles for a function alone, as `name version`.
fn tree(function: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", function, "--edges", "normal,build", "--target", TARGET])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let words = lines.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    words.map(|words| format!("{} {}", words[0], words[1].trim_start_matches('v'))).collect()
}

/// Returns the registry crates of Cargo.lock with their checksums.
fn locked() -> BTreeMap<String, String> {
    let lock: toml::Table =
        toml::from_str(&std::fs::read_to_string(root().join("Cargo.lock")).unwrap()).unwrap();
    let packages = lock["package"].as_array().unwrap().iter();
    packages
        .filter_map(|one| {
            let key = format!("{} {}", one["name"].as_str()?, one["version"].as_str()?);
            Some((key, one.get("checksum")?.as_str()?.to_owned()))
        })
        .collect()
}

/// Controls: C-098.
#[test]
fn sbom_lists_linked_crates_with_licence_and_checksum() {
    let bills = generate_sboms("bills", &["--target", TARGET]);
    let functions = packages(&Template::from_project().unwrap());
    assert_eq!(bills.keys().cloned().collect::<BTreeSet<_>>(), functions);
    let locked = locked();
    for (function, bill) in bills {
        let bill: Value = serde_json::from_str(&bill).unwrap();
        assert_eq!((text(&bill["bomFormat"]), text(&bill["specVersion"])), ("CycloneDX", "1.6"));
        assert_eq!(text(&bill["metadata"]["component"]["name"]), function);

        let (linked, compiled) = (components(&bill, "required"), components(&bill, "excluded"));
        let mut named: BTreeSet<String> = linked.union(&compiled).cloned().collect();
        named.insert(format!("{function} {}", text(&bill["metadata"]["component"]["version"])));
        assert_eq!(named, tree(&function), "{function}");
        let links = |name: &str| linked.iter().any(|one| one.starts_with(&format!("{name} ")));
        assert!(links("ring") && !links("syn"), "a macro is not in the binary");
        assert_eq!(links("aws-sdk-ses"), function == "delivery", "{function}: what others link is not in it");

        for one in bill["components"].as_array().unwrap() {
            assert!(one["licenses"].as_array().is_some_and(|all| !all.is_empty()), "{one}");
            let key = format!("{} {}", text(&one["name"]), text(&one["version"]));
            if one["name"] != "shared" {
                assert_eq!(text(&one["hashes"][0]["content"]), locked[&key], "{key}");
                assert_eq!(
                    text(&one["purl"]),
                    format!("pkg:cargo/{}", key.replace(' ', "@").replace('+', "%2B"))
                );
            }
        }
    }
}

/// Controls: C-098.
#[test]
fn sbom_is_reproducible() {
    assert_eq!(generate_sboms("first", &["code-verify"]), generate_sboms("second", &["code-verify"]));
}

/// Controls: C-098.
#[test]
#[ignore = "the schema takes ten seconds for each bill; the release checks them too"]
fn sbom_conforms_to_schema() {
    assert!(!generate_sboms("checked", &["--check"]).is_empty());
}
