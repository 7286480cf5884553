//! The trusted proxy in front of the API (`REKEY_TRUSTED_PROXY`).

use std::collections::BTreeSet;

use http::{Method, Request};
use rekey_tests::world::{PROXY_ARN, PROXY_SECRETS};
use rekey_tests::{Answer, World};
use serde_json::json;

use crate::log::Lines;

const ADDRESS: &str = "198.51.100.10:46532";

async fn ask(world: &World, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(method).uri(path).header("accept", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    world.answer(request.body(String::new()).unwrap()).await
}

/// Every function refuses what did not come through the proxy, before it asks a store.
/// Controls: C-100.
#[tokio::test]
async fn requests_reach_functions_only_through_the_proxy() {
    let world = World::with(&[("REKEY_TRUSTED_PROXY", PROXY_ARN)]).await;
    let secret = |value| ("x-rekey-proxy", value);
    let viewer = |value| ("cloudfront-viewer-address", value);
    let [current, previous] = PROXY_SECRETS;
    for route in world.routes().iter().filter(|route| route.method.is_some()) {
        let method: Method = route.method.as_deref().unwrap().parse().unwrap();
        let path = route.path.replace(['{', '}'], "");
        let of = async |headers: &[(&str, &str)]| ask(&world, method.clone(), &path, headers).await;
        for value in PROXY_SECRETS {
            for address in [ADDRESS, "2001:db8::7:443"] {
                let answer = of(&[secret(value), viewer(address)]).await;
                assert!(!answer.text().contains("\"forbidden\""), "{method} {path}");
            }
        }
        let calls = world.emulator.calls();
        for headers in [
            &[][..],
            &[secret(current)],
            &[viewer(ADDRESS)],
            &[secret(&current[1..]), viewer(ADDRESS)],
            &[secret(""), viewer(ADDRESS)],
            &[secret(current), secret(previous), viewer(ADDRESS)],
            &[secret(current), viewer("198.51.100.10")],
            &[secret(current), viewer("unknown")],
            &[secret(current), viewer(ADDRESS), viewer("203.0.113.1:1")],
            &[secret(current), ("x-forwarded-for", "198.51.100.10")],
        ] {
            let answer = of(headers).await;
            assert_eq!(answer.status, 403, "{method} {path} {headers:?}");
            assert!(answer.headers.contains_key("content-security-policy"), "{method} {path}");
            if method != Method::HEAD {
                assert_eq!(answer.problem(), (403, "forbidden".into()), "{method} {path}");
            }
        }
        assert_eq!(world.emulator.calls(), calls, "{method} {path}: a store was asked");
    }
    let reads = |resource: &Option<String>| resource.as_deref() == Some("RekeyTrustedProxy");
    let calls = world.emulator.calls().into_keys().filter(|call| reads(&call.resource));
    let readers: BTreeSet<String> = calls.map(|call| call.principal).filter(|name| name != "local").collect();
    let with_pages: BTreeSet<String> = world.routes().iter().map(|route| route.function.clone()).collect();
    assert_eq!(readers, with_pages);
}

/// Controls: C-085, C-100.
#[tokio::test]
async fn viewer_address_counts_only_behind_the_proxy() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let trusted = [("x-rekey-proxy", PROXY_SECRETS[0]), ("cloudfront-viewer-address", ADDRESS)];
    for (parameters, address) in
        [(&[("REKEY_TRUSTED_PROXY", PROXY_ARN)][..], "198.51.100.10"), (&[], "203.0.113.7")]
    {
        let world = World::with(parameters).await;
        let token = ask(&world, Method::GET, "/", &trusted).await.json()["captcha"]["token"].clone();
        let answer = world.captcha_answer(token.as_str().unwrap());
        let body = json!({ "login": "aisyah", "captcha_token": token, "captcha_answer": answer });
        let request = Request::builder().method(Method::POST).uri("/").header("accept", "application/json");
        let request = request.header("content-type", "application/json");
        let request = trusted.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        assert_eq!(world.answer(request.body(body.to_string()).unwrap()).await.page(), "reason");
        assert_eq!(lines.field("flow.started", "address").last().map(String::as_str), Some(address));
    }
    assert!(lines.of("request.rejected").is_empty());
    assert!(!lines.text().contains(PROXY_SECRETS[0]));
}

/// Controls: C-064, C-092.
#[tokio::test]
async fn refused_request_is_logged_without_the_secret() {
    let world = World::with(&[("REKEY_TRUSTED_PROXY", PROXY_ARN)]).await;
    let lines = Lines::default();
    let _guard = lines.keep();
    let wrong = "0123456789abcdef0123456789abcdeX";
    for headers in [&[][..], &[("x-rekey-proxy", wrong)], &[("x-rekey-proxy", PROXY_SECRETS[0])]] {
        assert_eq!(ask(&world, Method::GET, "/", headers).await.status, 403);
    }
    let reasons = lines.field("request.rejected", "reason");
    assert_eq!(
        reasons,
        ["no secret of the proxy", "a wrong secret of the proxy", "no address of the client"]
    );
    assert!(!lines.text().contains(wrong) && !lines.text().contains(PROXY_SECRETS[0]));
}
