//! Finds the paths that a source file mentions, in `use` declarations and in code.
//!
//! It reads Rust tokens, so comments, strings and line breaks don't matter, and macro arguments count as code. It
//! skips test modules, because tests may compose everything.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Returns every path of `source` with segments joined by `::`. It resolves `crate`, `self` and `super` against
/// `module`, a path that begins with the crate's name.
pub fn paths(source: &str, module: &[&str]) -> BTreeSet<String> {
    scan(source, module).found
}

/// Returns the names that the `use` declarations of `source` define, with their paths.
pub fn names(source: &str, module: &[&str]) -> BTreeMap<String, String> {
    scan(source, module).names
}

fn scan(source: &str, module: &[&str]) -> Scanner {
    let tokens = TokenStream::from_str(source).unwrap();
    let module = module.iter().map(ToString::to_string).collect();
    let mut scanner = Scanner { module, found: BTreeSet::new(), names: BTreeMap::new() };
    scanner.scan(tokens);
    scanner
}

struct Scanner {
    module: Vec<String>,
    found: BTreeSet<String>,
    names: BTreeMap<String, String>,
}

impl Scanner {
    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut import = false;
        while let Some(token) = tokens.get(at) {
            if is_test_attribute(&tokens[at..]) {
                at += item_length(&tokens[at..]);
                continue;
            }
            match token {
                TokenTree::Ident(word) if word == "use" => import = true,
                TokenTree::Ident(word) if word == "mod" => at += self.submodule(&tokens[at..]),
                TokenTree::Ident(_) => {
                    at += self.path(&tokens[at..], &[], import);
                    continue;
                }
                TokenTree::Group(group) if import => self.branches(group.stream(), &[]),
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Punct(mark) if mark.as_char() == ';' => import = false,
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }

    /// Reads an inline `mod name { … }`; returns the number of tokens after `mod`.
    fn submodule(&mut self, tokens: &[TokenTree]) -> usize {
        let (Some(name), Some(TokenTree::Group(body))) = (tokens.get(1), tokens.get(2)) else { return 0 };
        self.module.push(name.to_string());
        self.scan(body.stream());
        self.module.pop();
        2
    }

    /// Reads the path that begins here, after `prefix`; returns its number of tokens. A single word is a path only in
    /// an import.
    fn path(&mut self, tokens: &[TokenTree], prefix: &[String], import: bool) -> usize {
        let mut segments = prefix.to_vec();
        let mut at = 0;
        while let Some(TokenTree::Ident(word)) = tokens.get(at) {
            segments.push(word.to_string());
            at += 1;
            if !is_double_colon(&tokens[at..]) {
                break;
            }
            at += 2;
            if let Some(TokenTree::Group(group)) = tokens.get(at)
                && group.delimiter() == Delimiter::Brace
            {
                self.branches(group.stream(), &segments);
                return at + 1;
            }
        }
        if segments.len() > 1 || import {
            let segments = self.resolve(segments);
            let path = segments.join("::");
            self.found.insert(path.clone());
            if import {
                let mut name = segments.last().cloned();
                if let [TokenTree::Ident(r#as), TokenTree::Ident(alias), ..] = &tokens[at..]
                    && r#as == "as"
                {
                    name = Some(alias.to_string());
                    at += 2;
                }
                self.names.extend(name.map(|name| (name, path)));
            }
        }
        at
    }

    /// Reads `{a, b::c, d as e}` of an import.
    fn branches(&mut self, tokens: TokenStream, prefix: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for branch in tokens.split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ',')) {
            match branch.first() {
                Some(TokenTree::Ident(_)) => _ = self.path(branch, prefix, true),
                Some(_) => _ = self.found.insert(self.resolve(prefix.to_vec()).join("::")),
                None => {}
            }
        }
    }

    fn resolve(&self, segments: Vec<String>) -> Vec<String> {
        let mut base = match segments.first().map(String::as_str) {
            Some("crate") => self.module[..1].to_vec(),
            Some("self" | "super") => self.module.clone(),
            _ => return segments,
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => _ = base.pop(),
                _ => base.push(segment),
            }
        }
        base
    }
}

fn is_double_colon(tokens: &[TokenTree]) -> bool {
    tokens.len() > 1
        && tokens[..2].iter().all(|t| matches!(t, TokenTree::Punct(mark) if mark.as_char() == ':'))
}

/// Returns whether this is `#[cfg(test)]`, perhaps with further conditions.
fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] = tokens else { return false };
    let text: String = attribute.to_string().split_whitespace().collect();
    hash.as_char() == '#' && (text.starts_with("[cfg(test)") || text.starts_with("[cfg(all(test,"))
}

/// Returns the number of tokens of the item that starts here, from its attributes to its `;` or body.
fn item_length(tokens: &[TokenTree]) -> usize {
    let end = tokens.iter().position(|token| match token {
        TokenTree::Punct(mark) => mark.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    });
    end.map_or(tokens.len(), |last| last + 1)
}

#[test]
fn imports_and_inline_paths_are_found() {
    let source = "
        use crate::{domain::{flow, code::Code as C}, adapters::sns};
        use super::clock::*;
        // use crate::commented;
        fn f() { let _ = [tokio::spawn(async { \"std::env\" }), x::<std::fs::File>()]; m!(self::y::z) }
    ";
    let expected = [
        "shared::domain::flow",
        "shared::domain::code::Code",
        "shared::adapters::sns",
        "shared::ports::clock",
        "tokio::spawn",
        "std::fs::File",
        "shared::ports::clocks::y::z",
    ];
    assert_eq!(
        paths(source, &["shared", "ports", "clocks"]),
        expected.iter().map(ToString::to_string).collect()
    );
}

#[test]
fn imported_names_resolve_to_their_paths() {
    let source = "use super::{clock::Clock as C, store}; pub use self::inner::{Thing, Other};";
    let found = names(source, &["shared", "ports"]);
    let found: Vec<_> = found.iter().map(|(name, path)| format!("{name} = {path}")).collect();
    let expected = [
        "C = shared::clock::Clock",
        "Other = shared::ports::inner::Other",
        "Thing = shared::ports::inner::Thing",
        "store = shared::store",
    ];
    assert_eq!(found, expected);
}

#[test]
fn only_test_modules_are_excluded() {
    let source = "
        #[cfg(test)] mod tests { use tokio::test; }
        #[cfg(test)] use tokio::io;
        #[cfg(unix)] use tokio::net;
        mod inner { use super::super::other::Thing; }
    ";
    let expected = ["tokio::net", "shared::other::Thing"];
    assert_eq!(paths(source, &["shared", "domain"]), expected.iter().map(ToString::to_string).collect());
}
