//! External components are pinned, and every crate uses the workspace's lints.

use std::fs;

use crate::root;

fn workflows() -> String {
    let files = fs::read_dir(root().join(".github/workflows")).unwrap();
    files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

/// Returns the text after each occurrence of a word, up to the next space.
fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.split(word).skip(1).filter_map(|rest| rest.split_whitespace().next()).collect()
}

/// A tag can be moved to another commit; a commit hash can't.
/// Controls: C-099.
#[test]
fn actions_are_pinned_by_commit() {
    let workflows = workflows();
    let actions = after(&workflows, "uses: ");
    assert!(actions.len() >= 3);
    for action in actions {
        let (_, commit) = action.split_once('@').unwrap();
        assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{action}");
    }
}

/// The advisory check and the other checks use the same version of the tool, and the same rules.
/// Controls: C-099.
#[test]
fn cargo_deny_version_and_rules_are_consistent() {
    let word = "cargo install cargo-deny --version ";
    let (workflows, run) = (workflows(), fs::read_to_string(root().join("tests/run")).unwrap());
    let versions = (after(&workflows, word), after(&run, word));
    assert_eq!((versions.0.len(), versions.1.len()), (1, 1));
    assert_eq!(versions.0, versions.1);
    let both = [workflows, run].concat();
    let calls = both.lines().filter(|line| line.contains("cargo deny ") && line.contains(" check "));
    let calls: Vec<&str> = calls.collect();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls.iter().all(|call| call.contains(" --config .deny.toml check ")), "{calls:?}");
}

/// `unsafe_code = "forbid"` is a workspace lint, which each crate must inherit.
/// Controls: C-097.
#[test]
fn every_crate_inherits_workspace_lints() {
    let read = |path: &str| -> toml::Table {
        toml::from_str(&fs::read_to_string(root().join(path).join("Cargo.toml")).unwrap()).unwrap()
    };
    let workspace = &read("")["workspace"];
    assert_eq!(workspace["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    let mut crates = Vec::new();
    for member in workspace["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        match member.strip_suffix("/*") {
            Some(folder) => {
                let folders = fs::read_dir(root().join(folder)).unwrap();
                crates.extend(
                    folders.map(|one| format!("{folder}/{}", one.unwrap().file_name().to_str().unwrap())),
                );
            }
            None => crates.push(member.to_owned()),
        }
    }
    assert!(crates.len() >= 9, "{crates:?}");
    for path in crates {
        assert_eq!(read(&path)["lints"]["workspace"].as_bool(), Some(true), "{path}");
    }
}
