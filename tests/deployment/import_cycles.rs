//! Module dependencies have no cycles: no two sibling modules import each other, directly or through others.
//!
//! On each level a file, or a folder with its files, is one module. A module and its folder may import each other,
//! because the folder's `mod.rs` has what its files share. A re-export (`pub use`) counts as an import of the file
//! that defines the item.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::imports::{names, paths};
use crate::layering::files;
use crate::root;

/// The imports of each module among its siblings.
type ImportGraph = BTreeMap<String, BTreeSet<String>>;

/// The roots of crates, which compose all their modules.
const ROOTS: [&str; 1] = ["main"];

struct Module {
    path: Vec<String>,
    source: String,
}

/// Returns the modules of a crate, by file.
fn modules(folder: &str) -> Vec<Module> {
    let source = root().join(folder);
    let krate = source.parent().unwrap().file_name().unwrap().to_str().unwrap().replace('-', "_");
    let read =
        |(file, path): (PathBuf, Vec<String>)| Module { path, source: fs::read_to_string(file).unwrap() };
    files(&source, &krate).into_iter().filter(|(_, path)| !is_root(path)).map(read).collect()
}

fn is_root(path: &[String]) -> bool {
    path.len() == 2 && ROOTS.contains(&path[1].as_str())
}

fn imports_of(modules: &[Module]) -> ImportGraph {
    let known: BTreeSet<String> = modules.iter().map(|module| module.path.join("::")).collect();
    // A folder may name its own modules without `self`.
    let absolute = |module: &Module, path: String| {
        let inner = format!("{}::{path}", module.path.join("::"));
        let first = path.split("::").next().unwrap_or_default();
        if known.contains(&format!("{}::{first}", module.path.join("::"))) { inner } else { path }
    };
    let handed_on = |module: &Module| {
        let names = names(&module.source, &strs(&module.path)).into_iter();
        (module.path.join("::"), names.map(|(name, path)| (name, absolute(module, path))).collect())
    };
    let aliases: BTreeMap<String, BTreeMap<String, String>> = modules.iter().map(handed_on).collect();
    let mut arrows = ImportGraph::new();
    for module in modules {
        for path in paths(&module.source, &strs(&module.path)) {
            let path = absolute(module, path);
            let Some(target) = module_of(&path, &known, &aliases, 0) else { continue };
            let target: Vec<String> = target.split("::").map(str::to_owned).collect();
            let common = module.path.iter().zip(&target).take_while(|(one, other)| one == other).count();
            if common < module.path.len() && common < target.len() {
                let beside = |path: &[String]| path[..=common].join("::");
                arrows.entry(beside(&module.path)).or_default().insert(beside(&target));
            }
        }
    }
    arrows
}

/// Returns the module that defines the item of `path`, through any re-exports.
fn module_of(
    path: &str,
    known: &BTreeSet<String>,
    aliases: &BTreeMap<String, BTreeMap<String, String>>,
    depth: u8,
) -> Option<String> {
    let segments: Vec<&str> = path.split("::").collect();
    let length = (1..=segments.len()).rev().find(|length| known.contains(&segments[..*length].join("::")))?;
    let module = segments[..length].join("::");
    let handed_on = segments.get(length).and_then(|name| aliases.get(&module)?.get(*name));
    match handed_on {
        Some(from) if from != path && depth < 8 => {
            let rest = segments[length + 1..].iter().copied();
            let path = std::iter::once(from.as_str()).chain(rest).collect::<Vec<_>>().join("::");
            module_of(&path, known, aliases, depth + 1).or(Some(module))
        }
        _ => Some(module),
    }
}

/// Returns every pair of modules that reach each other.
fn cycles(arrows: &ImportGraph) -> BTreeSet<String> {
    let reached = |from: &String| {
        let mut found = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            open.extend(arrows.get(at).into_iter().flatten().filter(|to| found.insert((*to).clone())));
        }
        found
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        arrows.keys().map(|from| (from, reached(from))).collect();
    let returns = |from: &String, to: &String| reached.get(to).is_some_and(|back| back.contains(from));
    let pairs = reached.iter().flat_map(|(from, all)| all.iter().map(move |to| (*from, to)));
    pairs
        .filter(|(from, to)| from < to && returns(from, to))
        .map(|(from, to)| format!("{from} <-> {to}"))
        .collect()
}

fn strs(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

#[test]
fn modules_have_no_import_cycles() {
    let folders = |parent: &str| {
        let found = fs::read_dir(root().join(parent)).unwrap().map(|entry| entry.unwrap());
        let name = |entry: fs::DirEntry| format!("{parent}/{}/src", entry.file_name().to_str().unwrap());
        found.map(name).filter(|folder| root().join(folder).is_dir()).collect::<Vec<_>>()
    };
    let mut crates = vec!["shared/src".to_owned()];
    crates.extend(folders("functions"));
    crates.extend(folders("infra"));
    assert!(crates.len() > 9, "{crates:?}");
    let found: BTreeSet<String> =
        crates.iter().flat_map(|folder| cycles(&imports_of(&modules(folder)))).collect();
    assert!(found.is_empty(), "{found:#?}");
}

fn given(files: &[(&str, &str)]) -> BTreeSet<String> {
    let module = |(path, source): &(&str, &str)| Module {
        path: path.split("::").map(str::to_owned).collect(),
        source: (*source).to_owned(),
    };
    cycles(&imports_of(&files.iter().map(module).collect::<Vec<_>>()))
}

#[test]
fn module_cycles_are_detected() {
    let two = [("a", ""), ("a::b", "use crate::c::C;"), ("a::c", "fn f() { super::b::g(); }")];
    assert_eq!(given(&two).into_iter().collect::<Vec<_>>(), ["a::b <-> a::c"]);
    let three = [("a", ""), ("a::b", "use super::c;"), ("a::c", "use super::d;"), ("a::d", "use super::b;")];
    assert_eq!(given(&three).len(), 3);
    let folders =
        [("a", ""), ("a::b::x", "use crate::c::C;"), ("a::c", "use crate::b::y::Y;"), ("a::b::y", "")];
    assert_eq!(given(&folders).into_iter().collect::<Vec<_>>(), ["a::b <-> a::c"]);
    let handed_on = [("a", "pub use b::B;"), ("a::b", "use crate::c::C;"), ("a::c", "use crate::B;")];
    assert_eq!(given(&handed_on).into_iter().collect::<Vec<_>>(), ["a::b <-> a::c"]);
}

#[test]
fn one_way_imports_are_no_cycle() {
    let down = [("a", "pub use b::B; use c::C;"), ("a::b", "use super::c::C;"), ("a::c", "use crate::D;")];
    assert!(given(&down).is_empty());
    let tests =
        [("a", ""), ("a::b", "use super::c;"), ("a::c", "#[cfg(test)] mod tests { use super::super::b; }")];
    assert!(given(&tests).is_empty());
}
