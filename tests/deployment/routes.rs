//! The routes of the HTTP contract, of template.yaml and of `cargo lambda watch` are equal.

use std::collections::BTreeSet;
use std::fs;

use rekey_local::template::Template;

use crate::root;

/// The contract: method, path, and the function that answers.
const CONTRACT: &[(&str, &str, &str)] = &[
    ("GET", "/", "captcha"),
    ("POST", "/", "captcha"),
    ("GET", "/captcha/{token}/picture.png", "captcha"),
    ("HEAD", "/captcha/{token}/picture.png", "captcha"),
    ("GET", "/captcha/{token}/sound.wav", "captcha"),
    ("HEAD", "/captcha/{token}/sound.wav", "captcha"),
    ("GET", "/assets/{file}", "captcha"),
    ("GET", "/.well-known/change-password", "captcha"),
    ("ANY", "$default", "captcha"),
    ("GET", "/reason", "method-selection"),
    ("HEAD", "/reason", "method-selection"),
    ("POST", "/reason", "method-selection"),
    ("GET", "/method", "method-selection"),
    ("HEAD", "/method", "method-selection"),
    ("POST", "/cancel", "method-selection"),
    ("POST", "/code/send", "code-send"),
    ("GET", "/code/send", "code-verify"),
    ("HEAD", "/code/send", "code-verify"),
    ("GET", "/code", "code-verify"),
    ("HEAD", "/code", "code-verify"),
    ("POST", "/code", "code-verify"),
    ("GET", "/password", "password-set"),
    ("HEAD", "/password", "password-set"),
    ("POST", "/password", "password-set"),
    ("GET", "/unlock", "password-set"),
    ("HEAD", "/unlock", "password-set"),
    ("POST", "/unlock", "password-set"),
    ("GET", "/done", "password-set"),
    ("HEAD", "/done", "password-set"),
    ("POST", "/done", "password-set"),
    ("GET", "/security-info", "enrolment"),
    ("HEAD", "/security-info", "enrolment"),
    ("POST", "/security-info/sign-in", "enrolment"),
    ("GET", "/security-info/oidc/start", "enrolment"),
    ("HEAD", "/security-info/oidc/start", "enrolment"),
    ("GET", "/security-info/oidc", "enrolment"),
    ("HEAD", "/security-info/oidc", "enrolment"),
    ("GET", "/security-info/verify", "enrolment"),
    ("HEAD", "/security-info/verify", "enrolment"),
    ("POST", "/security-info/verify", "enrolment"),
    ("POST", "/security-info/add", "enrolment"),
    ("GET", "/security-info/confirm", "enrolment"),
    ("HEAD", "/security-info/confirm", "enrolment"),
    ("POST", "/security-info/confirm", "enrolment"),
    ("POST", "/security-info/remove", "enrolment"),
    ("POST", "/security-info/reconfirm", "enrolment"),
    ("POST", "/security-info/remember", "enrolment"),
    ("POST", "/security-info/sign-out", "enrolment"),
    ("GET", "/help-desk", "help-desk"),
    ("HEAD", "/help-desk", "help-desk"),
    ("POST", "/help-desk", "help-desk"),
    ("GET", "/help-desk/oidc/start", "help-desk"),
    ("HEAD", "/help-desk/oidc/start", "help-desk"),
    ("GET", "/help-desk/oidc", "help-desk"),
    ("HEAD", "/help-desk/oidc", "help-desk"),
    ("POST", "/help-desk/sign-out", "help-desk"),
    ("GET", "/change-password", "enrolment"),
    ("HEAD", "/change-password", "enrolment"),
    ("POST", "/change-password", "enrolment"),
    ("GET", "/authenticator", "approval"),
    ("HEAD", "/authenticator", "approval"),
    ("GET", "/authenticator/manifest.webmanifest", "approval"),
    ("HEAD", "/authenticator/manifest.webmanifest", "approval"),
    ("GET", "/authenticator/sw.js", "approval"),
    ("HEAD", "/authenticator/sw.js", "approval"),
    ("POST", "/authenticator/pair", "approval"),
    ("GET", "/authenticator/requests", "approval"),
    ("HEAD", "/authenticator/requests", "approval"),
    ("POST", "/authenticator/answer", "approval"),
];

type Route = (String, String, String);

fn deployed() -> Vec<Route> {
    let routes = Template::from_project().unwrap().routes.into_iter();
    routes.map(|route| (route.method.unwrap_or_else(|| "ANY".into()), route.path, route.function)).collect()
}

fn watched() -> BTreeSet<Route> {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let router = &manifest["workspace"]["metadata"]["lambda"]["watch"]["router"];
    let mut served = BTreeSet::new();
    for (path, target) in router.as_table().unwrap() {
        match target {
            // A bare name stands for every method; only the catch-all, which replaces `$default`, is written so.
            toml::Value::String(function) => {
                assert_eq!(path, "/{*rest}", "only the catch-all answers every method");
                served.insert(("ANY".into(), "$default".into(), function.clone()));
            }
            toml::Value::Array(entries) => served.extend(entries.iter().map(|entry| {
                let field = |name: &str| entry[name].as_str().unwrap().to_owned();
                (field("method"), path.clone(), field("function"))
            })),
            other => panic!("{path}: watch refuses {other}"),
        }
    }
    served
}

/// Controls: C-082.
#[test]
fn every_route_of_the_contract_is_deployed_once() {
    let contract: BTreeSet<Route> =
        CONTRACT.iter().map(|&(m, p, f)| (m.to_owned(), p.to_owned(), f.to_owned())).collect();
    let deployed = deployed();
    let distinct: BTreeSet<Route> = deployed.iter().cloned().collect();
    assert_eq!(distinct, contract);
    assert_eq!(deployed.len(), distinct.len(), "a route appears twice");
}

#[test]
fn watch_router_serves_deployed_routes() {
    assert_eq!(watched(), deployed().into_iter().collect());
}
