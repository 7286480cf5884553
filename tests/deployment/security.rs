//! SECURITY.md says what the code does: its limits are the template's, its tests exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::settings::parameter_of;
use crate::template::{Template, root};

fn document() -> String {
    fs::read_to_string(root().join("SECURITY.md")).unwrap()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The limits with a parameter: the variable, and the number that its row begins with.
fn limits(document: &str) -> BTreeMap<String, String> {
    document
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [_, limit, variable] = cells[..] else { return None };
            let variable = quoted(variable).find(|word| word.starts_with("REKEY_"))?;
            Some((parameter_of(variable), limit.split(' ').next()?.to_owned()))
        })
        .collect()
}

#[test]
fn every_limit_is_told_with_its_default() {
    let template = Template::read();
    let numbers = template.parameters().into_iter().filter_map(|(name, parameter)| {
        let default = parameter["Default"].as_u64()?;
        name.starts_with("Rekey").then(|| (name, default.to_string()))
    });
    assert_eq!(limits(&document()), numbers.collect());
}

#[test]
fn every_test_that_is_named_exists() {
    let mut sources = String::new();
    for folder in ["functions", "shared", "infra", "tests"] {
        read_all(&root().join(folder), &mut sources);
    }
    let document = document();
    let is_test = |word: &&str| {
        word.matches('_').count() >= 2
            && word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    let named: Vec<&str> = quoted(&document).filter(is_test).collect();
    assert!(named.len() > 30);
    for name in named {
        assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
    }
}

fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "node_modules" && name != "target") {
            read_all(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
