//! The limits in SECURITY.md equal those of the template. `documents.rs` checks everything else that the documents
//! name.

use std::collections::BTreeMap;
use std::fs;

use rekey_local::template::Template;

use crate::documents::quoted;
use crate::root;
use crate::settings::parameter_of;

fn document() -> String {
    fs::read_to_string(root().join("SECURITY.md")).unwrap()
}

/// Returns the limits with a parameter: the variable, and the number at the start of its row.
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

/// Controls: C-019.
#[test]
fn documented_limits_match_template_defaults() {
    let template = Template::from_project().unwrap();
    let numbers = template.document.parameters().into_iter().filter_map(|(name, parameter)| {
        let default = parameter["Default"].as_u64()?;
        name.starts_with("Rekey").then(|| (name, default.to_string()))
    });
    assert_eq!(limits(&document()), numbers.collect());
}
