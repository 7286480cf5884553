//! A reader of Rekey's pages for tests. It is stricter than HTML parsers, so that templates stay well formed.

use std::collections::BTreeMap;

/// Elements without content or end tag.
const VOID: [&str; 5] = ["meta", "link", "img", "input", "br"];

/// An element with its attributes and all its text.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) text: String,
    /// The names of the enclosing elements, the outermost first.
    pub(super) within: Vec<String>,
}

impl Element {
    pub(super) fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }
}

/// Returns all elements in the order of their start tags. Panics if the page is not well formed.
pub(super) fn elements(html: &str) -> Vec<Element> {
    let mut rest = html.strip_prefix("<!doctype html>").expect("a doctype");
    let mut found: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    while let Some((text, tag_on)) = rest.split_once('<') {
        assert!(!text.contains('>'), "a stray `>` in {text:?}");
        for &at in &open {
            found[at].text.push_str(text);
        }
        let (tag, after) = tag_on.split_once('>').expect("a tag that ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let at = open.pop().unwrap_or_else(|| panic!("</{name}> without a start"));
            assert_eq!(found[at].name, name, "</{name}> ends another element");
            continue;
        }
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let within = open.iter().map(|&at| found[at].name.clone()).collect();
        found.push(Element {
            name: name.to_owned(),
            attributes: read(attributes),
            text: String::new(),
            within,
        });
        if !VOID.contains(&name) {
            open.push(found.len() - 1);
        }
    }
    assert!(open.is_empty(), "{:?} never ends", open.iter().map(|&at| &found[at].name).collect::<Vec<_>>());
    found
}

fn read(attributes: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = attributes.trim();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').expect("a closed quote"),
            None => ("", after),
        };
        assert!(!name.contains(['"', '\'']), "an odd attribute {name:?}");
        assert!(found.insert(name.to_owned(), value.to_owned()).is_none(), "{name} is there twice");
        rest = after.trim_start();
    }
    found
}
