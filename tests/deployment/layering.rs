//! Layering: the permitted imports of each part. The domain imports nothing. Ports and texts import the domain; the
//! change, adapters and pages import both. A function imports all but adapters. Only `process` and the local
//! environment compose.

use std::fs;
use std::path::{Path, PathBuf};

use crate::imports::paths;
use crate::root;

const FUNCTIONS: &[&str] = &[
    "approval",
    "captcha",
    "code_send",
    "code_verify",
    "delivery",
    "directory",
    "enrolment",
    "help_desk",
    "housekeeping",
    "method_selection",
    "password_set",
];

/// Crates that reach outside the process, or belong to one way of doing so.
const OUTSIDE: &[&str] = &[
    "askama",
    "aws_types",
    "aws_lambda_events",
    "axum",
    "dynoxide",
    "getrandom",
    "http",
    "http_body_util",
    "hyper",
    "lambda_http",
    "lambda_runtime",
    "ldap3",
    "rand",
    "rustls",
    "tokio",
    "tokio_rustls",
    "tower",
    "tracing",
];

/// Parts of `std` that read the environment, and names that do so from any crate.
const IMPURE: &[&str] =
    &["std::env", "std::fs", "std::io", "std::net", "std::process", "std::thread", "std::time"];
const IMPURE_NAMES: &[&str] = &["Instant", "OsRng", "SysRng", "SystemTime", "now", "thread_rng"];

/// The common parts of AWS adapters: client configuration, and the meaning of a rejection for a message.
const COMMON_ADAPTERS: [&str; 2] = ["aws", "sending"];

/// Adapters that build on another one: the built-in directory is a table, and an operator signs as an agent.
const ADAPTER_DEPENDENCIES: &[(&str, &str)] = &[("directories", "dynamodb"), ("stack", "agents")];

/// Returns the reason why `path` violates the layering of `module`; `None` if it doesn't.
fn violation(module: &[&str], path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path.split("::").collect();
    let to = Target { segments: &segments };
    match module {
        ["shared", "domain", ..] => to.domain_violation(),
        ["shared", "ports", ..] => to.port_violation(),
        ["shared", "text", ..] => to.text_violation(),
        ["shared", "verification", ..] => to.verification_violation(),
        ["shared", "adapters", adapter, ..] => to.adapter_violation(adapter),
        ["shared", "change", ..] => to.change_violation(),
        ["shared", "http", ..] => to.page_violation(),
        [function, inner @ ..] if FUNCTIONS.contains(function) && !matches!(inner, ["main"] | ["bin", _]) => {
            to.function_violation(function, inner)
        }
        _ => None,
    }
}

struct Target<'a> {
    segments: &'a [&'a str],
}

impl Target<'_> {
    fn is_in(&self, module: &str) -> bool {
        self.segments.join("::") == module || self.segments.join("::").starts_with(&format!("{module}::"))
    }

    /// Returns whether the path is in another module of `shared` than the allowed ones. An import of the crate's own
    /// prelude-like items (`shared::domain`) counts as that module.
    fn is_elsewhere_in_shared(&self, allowed: &[&str]) -> bool {
        self.segments[0] == "shared" && !self.segments.get(1).is_some_and(|module| allowed.contains(module))
    }

    fn is_outside(&self) -> bool {
        OUTSIDE.contains(&self.segments[0]) || self.is_an_sdk()
    }

    fn is_an_sdk(&self) -> bool {
        ["aws_sdk_", "aws_smithy_"].iter().any(|prefix| self.segments[0].starts_with(prefix))
    }

    fn domain_violation(&self) -> Option<&'static str> {
        if self.is_elsewhere_in_shared(&["domain"]) {
            return Some("the domain knows nothing but itself");
        }
        self.purity_violation()
    }

    /// Pages and messages share the texts, so the texts are below both.
    fn text_violation(&self) -> Option<&'static str> {
        if self.is_elsewhere_in_shared(&["domain", "text"]) {
            return Some("a text knows the domain's words only");
        }
        self.purity_violation()
    }

    fn purity_violation(&self) -> Option<&'static str> {
        // `std::time::Duration` is a plain number.
        let impure = IMPURE.iter().any(|module| self.is_in(module)) && !self.is_in("std::time::Duration");
        if self.is_outside() || impure || self.segments.iter().any(|name| IMPURE_NAMES.contains(name)) {
            return Some(
                "domain and texts are pure: time and chance are parameters, and nothing is read or written",
            );
        }
        (self.segments[0] == "async_trait").then_some("domain and texts wait for nothing")
    }

    fn port_violation(&self) -> Option<&'static str> {
        if self.is_elsewhere_in_shared(&["domain", "ports"]) {
            return Some("a port speaks the domain's words only");
        }
        self.is_outside().then_some("a port knows no vendor")
    }

    /// The change may write logs; everything else goes through ports.
    fn change_violation(&self) -> Option<&'static str> {
        if self.is_elsewhere_in_shared(&["domain", "ports", "verification", "change"]) {
            return Some("a change is made over ports");
        }
        let is_outside = self.is_outside() && self.segments[0] != "tracing";
        is_outside.then_some("a change knows no vendor")
    }

    fn verification_violation(&self) -> Option<&'static str> {
        if self.is_elsewhere_in_shared(&["domain", "ports", "verification"]) {
            return Some("verification knows rules and ports, no page and no adapter");
        }
        self.is_outside().then_some("verification knows no vendor")
    }

    fn adapter_violation(&self, adapter: &str) -> Option<&'static str> {
        if self.is_in("shared::http") || self.is_in("shared::text") {
            return Some("an adapter knows no page and no text");
        }
        if self.is_in("shared::process") {
            return Some("an adapter does not compose");
        }
        let ["shared", "adapters", other, ..] = self.segments else { return None };
        let lawful = *other == adapter
            || COMMON_ADAPTERS.contains(other)
            || ADAPTER_DEPENDENCIES.contains(&(adapter, *other));
        (!lawful).then_some("an adapter knows no other adapter")
    }

    fn page_violation(&self) -> Option<&'static str> {
        if self.is_in("shared::adapters") || self.is_in("shared::process") {
            return Some("a page knows no adapter");
        }
        self.is_an_sdk().then_some("a page knows no vendor")
    }

    fn function_violation(&self, function: &str, inner: &[&str]) -> Option<&'static str> {
        if self.is_in("shared::adapters") || self.is_an_sdk() || self.is_in("aws_types") {
            return Some("a function gets its adapters from the process, as ports");
        }
        if self.is_in("shared::process") && !inner.is_empty() {
            return Some("only lib.rs lists the ports that the process gives");
        }
        let other = FUNCTIONS.contains(&self.segments[0]) && self.segments[0] != function;
        other.then_some("a function knows no other function")
    }
}

/// Returns each source file below `source` with its module path, which begins with the crate's name.
pub fn files(source: &Path, krate: &str) -> Vec<(PathBuf, Vec<String>)> {
    let mut found = Vec::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().unwrap() != "tests.rs" {
                let inner = path.strip_prefix(source).unwrap().with_extension("");
                let inner = inner.iter().map(|part| part.to_str().unwrap().to_owned());
                let module = std::iter::once(krate.to_owned())
                    .chain(inner.filter(|name| name != "mod" && name != "lib"))
                    .collect();
                found.push((path, module));
            }
        }
    }
    found
}

/// Controls: C-097.
#[test]
fn every_file_follows_import_rules() {
    let mut sources = vec![("shared".to_owned(), root().join("shared/src"))];
    for function in FUNCTIONS {
        let folder = function.replace('_', "-");
        sources.push(((*function).to_owned(), root().join("functions").join(folder).join("src")));
    }
    let mut breaches = Vec::new();
    for (krate, source) in sources {
        for (file, module) in files(&source, &krate) {
            let module: Vec<&str> = module.iter().map(String::as_str).collect();
            for path in paths(&fs::read_to_string(&file).unwrap(), &module) {
                if let Some(why) = violation(&module, &path) {
                    breaches.push(format!("{}: {path}: {why}", file.strip_prefix(root()).unwrap().display()));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn function_list_is_complete() {
    let mut folders: Vec<String> = fs::read_dir(root().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().replace('-', "_"))
        .collect();
    folders.sort();
    assert_eq!(folders, FUNCTIONS);
}

#[test]
fn import_rules_detect_each_violation() {
    let offences: &[(&[&str], &str)] = &[
        (&["shared", "domain", "flow"], "use crate::ports::Clock;"),
        (&["shared", "domain", "flow"], "use crate::{domain::code, http::Page};"),
        (&["shared", "domain", "flow"], "fn f() { let _ = std::env::var(\"X\"); }"),
        (&["shared", "domain", "flow"], "use std::time::SystemTime;"),
        (&["shared", "domain", "flow"], "fn f() { jiff::Timestamp::now(); }"),
        (&["shared", "domain", "flow"], "use aws_sdk_dynamodb::Client;"),
        (&["shared", "domain", "flow"], "fn f() { tokio::spawn(x); }"),
        (&["shared", "ports", "clock"], "use super::super::adapters::system;"),
        (&["shared", "ports", "clock"], "use http::StatusCode;"),
        (&["shared", "verification", "totp"], "use crate::http::problem::Problem;"),
        (&["shared", "verification", "totp"], "use crate::adapters::memory::Memory;"),
        (&["shared", "domain", "flow"], "use crate::text::messages::Wording;"),
        (&["shared", "text", "messages"], "use crate::http::Page;"),
        (&["shared", "text", "messages"], "fn f() { jiff::Timestamp::now(); }"),
        (&["shared", "adapters", "sns"], "use crate::text::messages::Wording;"),
        (&["shared", "adapters", "sns"], "use super::ses::Mail;"),
        (&["shared", "adapters", "dynamodb"], "use super::directories::Builtin;"),
        (&["shared", "adapters", "sns"], "use crate::http::Page;"),
        (&["shared", "change", "finish"], "use crate::adapters::dynamodb::DynamoFlows;"),
        (&["shared", "change", "finish"], "use crate::http::Failure;"),
        (&["shared", "change"], "fn f() { tokio::time::sleep(x); }"),
        (&["shared", "http", "pages"], "use crate::adapters::memory::Flows;"),
        (&["shared", "adapters", "sns"], "use crate::process::Process;"),
        (&["shared", "http", "pages"], "use crate::process::Process;"),
        (&["captcha", "picture"], "use shared::process::Process;"),
        (&["captcha"], "fn f() { shared::adapters::dynamodb::Flows::new(); }"),
        (&["captcha", "picture"], "use code_send::router;"),
        (&["captcha"], "use aws_sdk_dynamodb as db;"),
    ];
    for (module, source) in offences {
        let found = paths(source, module).iter().any(|path| violation(module, path).is_some());
        assert!(found, "{source} in {module:?} is let through");
    }
}

#[test]
fn import_rules_allow_valid_imports() {
    let lawful: &[(&[&str], &str)] = &[
        (
            &["shared", "domain", "flow"],
            "use std::time::Duration; use super::code::Code; use jiff::Timestamp;",
        ),
        (&["shared", "ports", "clock"], "use crate::domain::flow::Flow; use async_trait::async_trait;"),
        (
            &["shared", "adapters", "sns"],
            "use super::aws::config; use aws_sdk_sns::Client; use crate::ports::X;",
        ),
        (
            &["shared", "change", "finish"],
            "use super::LEASE; use crate::domain::flow::Flow; use crate::ports::Clock; use tracing::warn;",
        ),
        (&["shared", "text", "messages"], "use crate::domain::language::Language; use super::Text;"),
        (
            &["shared", "http", "pages"],
            "use crate::ports::Clock; use crate::text::pages::Texts; use axum::Router;",
        ),
        (&["captcha"], "use shared::http::Page; use axum::Router; use crate::picture;"),
        (&["captcha"], "use shared::process::{Process, StartError};"),
        (&["captcha", "main"], "use shared::process::Process;"),
    ];
    for (module, source) in lawful {
        for path in paths(source, module) {
            assert_eq!(violation(module, &path), None, "{path} in {module:?}");
        }
    }
}
