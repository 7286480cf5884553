//! Each security control of SECURITY.md has a test, and `infra/security/controls.md` lists the tests of each control.
//!
//! A test names the controls that it holds in the last line of its comment, such as `Controls: C-014, C-022.`

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::{env, fs};

use crate::documents::{control_ids, document, files_below, is_control_id, tests};
use crate::root;

const TABLE: &str = "infra/security/controls.md";
const BEGIN: &str = "<!-- controls:begin -->\n";
const END: &str = "<!-- controls:end -->\n";
const UPDATE: &str =
    "REKEY_TEST_UPDATE=1 cargo nextest run --package rekey-tests --test deployment controls::";

struct Control<'a> {
    id: &'a str,
    title: &'a str,
    threat: &'a str,
}

/// Returns the controls in the order of the document: items of the form `- C-014 Title` below the threat's heading.
fn controls(document: &str) -> Vec<Control<'_>> {
    let mut threat = "";
    let mut controls = Vec::new();
    for line in document.lines() {
        threat = line.strip_prefix("### ").unwrap_or(threat);
        let item = line.strip_prefix("- ").and_then(|item| item.split_once(' '));
        if let Some((id, title)) = item.filter(|(id, _)| is_control_id(id)) {
            controls.push(Control { id, title, threat });
        }
    }
    controls
}

/// Returns each `Controls:` line of a source as its list of ids and the name of the test that follows.
fn control_lines(source: &str) -> Vec<(&str, &str)> {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let list = ["/// Controls: ", "// Controls: "].iter().find_map(|prefix| line.strip_prefix(prefix));
        if let Some(list) = list {
            let test = lines[at..].iter().find_map(|line| declared_test(line)).unwrap();
            found.push((list.trim_end_matches('.'), test));
        }
    }
    found
}

/// Returns the name of the function, or the title of the browser test, that the line declares.
fn declared_test(line: &str) -> Option<&str> {
    if let Some((_, rest)) = line.split_once("fn ") {
        return rest.split('(').next();
    }
    let rest = line.strip_prefix("test(")?;
    let quote = rest.chars().next()?;
    rest.strip_prefix(quote)?.split(quote).next()
}

/// Returns the tests of each control, by the controls' ids.
fn tests_by_control() -> BTreeMap<String, BTreeSet<String>> {
    let folders = ["functions", "infra", "shared", "tests"];
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for extension in ["rs", "mjs"] {
        for source in files_below(&folders, extension).into_values() {
            for (ids, test) in control_lines(&source) {
                for id in ids.split(", ") {
                    found.entry(id.to_owned()).or_default().insert(test.to_owned());
                }
            }
        }
    }
    found
}

fn table(controls: &[Control<'_>]) -> String {
    let tests = tests_by_control();
    let mut table = "| control | title | threat | tests |\n|---|---|---|---|\n".to_owned();
    for Control { id, title, threat } in controls {
        let names: Vec<String> =
            tests.get(*id).into_iter().flatten().map(|test| format!("`{test}`")).collect();
        writeln!(table, "| {id} | {title} | {threat} | {} |", names.join(", ")).unwrap();
    }
    table
}

#[test]
fn control_ids_are_unique() {
    let security = document("SECURITY.md");
    let controls = controls(&security);
    let ids: BTreeSet<&str> = controls.iter().map(|control| control.id).collect();
    assert_eq!(ids.len(), controls.len(), "an id occurs twice");
    assert!(ids.len() > 60, "{}", ids.len());
    assert!(controls.iter().all(|control| !control.threat.is_empty()));
}

#[test]
fn every_control_has_a_test() {
    let security = document("SECURITY.md");
    let tests = tests_by_control();
    for control in controls(&security) {
        assert!(tests.contains_key(control.id), "no test holds {} {}", control.id, control.title);
    }
}

#[test]
fn controls_named_by_tests_exist() {
    let security = document("SECURITY.md");
    let known: BTreeSet<&str> = controls(&security).iter().map(|control| control.id).collect();
    let tests = tests();
    for (id, names) in tests_by_control() {
        for name in names {
            assert!(known.contains(id.as_str()), "{name}: SECURITY.md has no control {id}");
            // The title of a browser test is a sentence.
            assert!(name.contains(' ') || tests.contains(&name), "{name} holds {id} and is no test");
        }
    }
}

#[test]
fn controls_cited_by_documents_exist() {
    let security = document("SECURITY.md");
    let known: BTreeSet<&str> = controls(&security).iter().map(|control| control.id).collect();
    for (path, text) in files_below(&["."], "md") {
        for id in control_ids(&text) {
            assert!(known.contains(id), "{path}: SECURITY.md has no control {id}");
        }
    }
}

/// With `REKEY_TEST_UPDATE`, the test writes the table instead.
#[test]
fn control_table_matches_tests() {
    let text = document(TABLE);
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    assert!(head.contains(UPDATE), "{TABLE} names another command");
    let security = document("SECURITY.md");
    let expected = format!("{head}{BEGIN}{}{END}{tail}", table(&controls(&security)));
    if env::var_os("REKEY_TEST_UPDATE").is_some() {
        fs::write(root().join(TABLE), expected).unwrap();
        return;
    }
    assert!(text == expected, "{TABLE} differs from the tests. This command writes it again:\n{UPDATE}");
}

#[test]
fn control_lines_belong_to_the_next_test() {
    let rust = "/// Text.\n/// Controls: C-001, C-002.\n#[ignore]\nasync fn one(\n) {}\nfn two() {}\n";
    assert_eq!(control_lines(rust), [("C-001, C-002", "one")]);
    let script = "// Controls: C-003.\ntest(\"the owner's key\", async () => {\n";
    assert_eq!(control_lines(script), [("C-003", "the owner's key")]);
}
