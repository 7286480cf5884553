//! The web surface: forms and JSON, origins, methods, sizes.

use http::{Method, Request};
use rekey_tests::{Answer, World};
use serde_json::json;
use shared::domain::cookie::{HolderCookie, HolderKind};

use crate::help_desk_page::Page;

fn form(path: &str, cookie: Option<&str>, body: &str) -> http::request::Builder {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("accept", "text/html")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded");
    let _ = body;
    match cookie {
        Some(cookie) => request.header("cookie", format!("__Host-rekey={cookie}")),
        None => request,
    }
}

async fn post_form(world: &World, path: &str, cookie: Option<&str>, body: &str) -> Answer {
    world.answer(form(path, cookie, body).body(body.to_owned()).unwrap()).await
}

/// Controls: C-086.
#[tokio::test]
async fn form_submission_redirects_to_the_next_page() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.identify("aisyah").await;
    let cookie = browser.cookie.clone().unwrap();
    let answer = post_form(&world, "/reason", Some(&cookie), "reason=forgotten").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/method")));
    let early = post_form(&world, "/password", Some(&cookie), "password=x&confirmation=x").await;
    assert_eq!((early.status.as_u16(), early.header("location")), (303, Some("/method")));
    let unchosen = post_form(&world, "/reason", Some(&cookie), "reason=").await;
    assert_eq!(unchosen.status, 400);
}

/// The page after a redirect to another step says why, once.
#[tokio::test]
async fn redirect_to_other_step_is_explained_once() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let cookie = browser.cookie.clone().unwrap();
    let early = post_form(&world, "/password", Some(&cookie), "password=x&confirmation=x").await;
    let said = early.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(said, "__Host-rekey-said=out-of-step");
    let page = async |cookies: String| {
        let request = Request::get("/method").header("accept", "text/html").header("cookie", cookies);
        world.answer(request.body(String::new()).unwrap()).await
    };
    let told = page(format!("__Host-rekey={cookie}; {said}")).await;
    assert!(told.text().contains("id=\"said\""), "{}", told.text());
    assert!(told.header("set-cookie").unwrap().starts_with("__Host-rekey-said=; "));
    let forged = page(format!("__Host-rekey={cookie}; __Host-rekey-said=<b>")).await;
    assert!(!forged.text().contains("id=\"said\"") && forged.header("set-cookie").is_none());
    let program = browser.post("/password", json!({})).await;
    assert!(program.header("set-cookie").is_none(), "JSON says it in the problem");
}

/// Controls: C-038.
#[tokio::test]
async fn cookie_is_bound_to_this_host() {
    let world = World::new().await;
    let answer = world.browser().identify("aisyah").await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-rekey="), "{cookie}");
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
}

/// Controls: C-084.
#[tokio::test]
async fn stale_form_does_not_change_the_new_flow() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.identify("aisyah").await;
    let keys = world.keyring("REKEY_SECRET_FLOWS");
    let read = |cookie: &str| HolderCookie::read(HolderKind::Flow, cookie, &keys).unwrap();
    let old_at = read(browser.cookie.as_deref().unwrap()).at(&keys).unwrap();
    browser.identify("priya").await;
    let cookie = browser.cookie.clone().unwrap();
    let stale = post_form(&world, "/reason", Some(&cookie), &format!("reason=locked&at={old_at}")).await;
    assert_eq!((stale.status.as_u16(), stale.header("location")), (303, Some("/reason")));
    let json = browser.post("/reason", json!({ "reason": "locked", "at": old_at })).await;
    assert_eq!(json.problem(), (409, "out-of-step".into()));
    let at = read(&cookie).at(&keys).unwrap();
    let own = browser.post("/reason", json!({ "reason": "locked", "at": at })).await;
    assert_eq!(own.page(), "method");
}

/// Controls: C-083.
#[tokio::test]
async fn cross_site_requests_are_rejected() {
    let world = World::new().await;
    let request = |headers: &[(&str, &str)]| {
        let mut request =
            Request::builder().method(Method::POST).uri("/cancel").header("accept", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(String::new()).unwrap()
    };
    let form = ("content-type", "application/x-www-form-urlencoded");
    for headers in [
        &[("sec-fetch-site", "cross-site"), form][..],
        &[("sec-fetch-site", "same-site"), ("origin", "https://reset.contoh.example"), form],
        &[("origin", "https://evil.example"), form],
        &[("origin", "null"), form],
        &[form],
        &[("origin", "https://evil.example")],
    ] {
        assert_eq!(world.answer(request(headers)).await.problem(), (403, "cross-site".into()), "{headers:?}");
    }
    let own = request(&[("origin", "https://reset.contoh.example"), form]);
    assert_eq!(world.answer(own).await.status, 200);
}

/// For every function and every response.
/// Controls: C-081.
#[tokio::test]
async fn every_route_sets_headers_and_rejects_invalid_requests() {
    let desk = Page::new().await;
    let world = &desk.world;
    let expected = [
        "strict-transport-security",
        "content-security-policy",
        "x-content-type-options",
        "referrer-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "permissions-policy",
        "cache-control",
    ];
    let mut posts = 0;
    for route in world.routes().iter().filter(|route| route.method.is_some()) {
        let path = route.path.replace(['{', '}'], "");
        let own = ("sec-fetch-site", "same-origin");
        let (json, text) = (("content-type", "application/json"), ("content-type", "text/plain"));
        let ask = async |method: &str, headers: &[(&str, &str)], body: &str| {
            let mut request =
                Request::builder().method(method).uri(&path).header("accept", "application/json");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = world.answer(request.body(body.to_owned()).unwrap()).await;
            for name in expected {
                assert!(answer.headers.contains_key(name), "{method} {path} ({}): no {name}", answer.status);
            }
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{method} {path}");
            answer
        };
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
            let answer = ask(method, &[own], "").await;
            let reads = ["GET", "HEAD"].contains(&method);
            assert!(reads || answer.status == 405, "{method} {path}: {}", answer.status);
        }
        let (got, head) = (ask("GET", &[own], "").await, ask("HEAD", &[own], "").await);
        assert_eq!((head.status, head.body.len()), (got.status, 0), "{path}");
        if route.method.as_deref() != Some("POST") {
            continue;
        }
        posts += 1;
        let foreign = ask("POST", &[("sec-fetch-site", "cross-site"), json], "{}").await;
        assert_eq!(foreign.problem(), (403, "cross-site".into()), "{path}");
        assert_eq!(ask("POST", &[own, text], "x").await.status, 415, "{path}");
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(9_000));
        assert_eq!(ask("POST", &[own, json], &large).await.status, 413, "{path}");
        for twice in [r#"{"x":"1","x":"2"}"#, r#"{"x":{"y":"1"}}"#, r#"{"x":1}"#, "[]", "{"] {
            assert_eq!(
                ask("POST", &[own, json], twice).await.problem(),
                (400, "malformed".into()),
                "{path}: {twice}"
            );
        }
        let unknown = ask("POST", &[own, json], r#"{"unknown":"1"}"#).await;
        assert!(matches!(unknown.status.as_u16(), 400 | 410), "{path}: {}", unknown.status);
    }
    assert!(posts > 15, "{posts}");
}

/// Controls: C-085.
#[tokio::test]
async fn unknown_host_headers_are_rejected() {
    let world = World::new().await;
    let ask = async |hosts: &[&str]| {
        let mut request = Request::builder().uri("/");
        for host in hosts {
            request = request.header("host", *host);
        }
        world.answer(request.body(String::new()).unwrap()).await.status.as_u16()
    };
    for host in
        ["reset.contoh.example", "Reset.Contoh.Example:443", "localhost:8080", "127.0.0.1", "[::1]:80"]
    {
        assert_eq!(ask(&[host]).await, 200, "{host}");
    }
    // A website whose name was made to resolve to this machine (DNS rebinding).
    assert_eq!(ask(&["evil.example"]).await, 403);
    for hosts in [&["", "x"][..], &[""], &["a b"], &["localhost:99999"], &["localhost", "evil.example"]] {
        assert_eq!(ask(hosts).await, 400, "{hosts:?}");
    }
}

/// Controls: C-077.
#[tokio::test]
async fn malformed_or_oversized_body_returns_its_problem() {
    let world = World::new().await;
    let send = async |path: &str, kind: &str, body: String| {
        let request = world.browser().request(Method::POST, path).header("content-type", kind);
        world.answer(request.body(body).unwrap()).await.problem()
    };
    let huge = format!("{{\"login\":\"{}\"}}", "a".repeat(9_000));
    assert_eq!(send("/", "application/json", huge).await, (413, "too-large".into()));
    assert_eq!(send("/", "text/xml", "<a/>".into()).await, (415, "unsupported-media-type".into()));
    assert_eq!(send("/", "application/json", "[".repeat(4_000)).await, (400, "malformed".into()));
    assert_eq!(send("/reason", "application/json", r#"{"reason":"a","reason":"b"}"#.into()).await.0, 400);
}

/// Controls: C-082.
#[tokio::test]
async fn unknown_path_or_method_returns_404_or_405() {
    let world = World::new().await;
    let ask = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).header("accept", "application/json");
        world.answer(request.body(String::new()).unwrap()).await
    };
    for (method, path, allow) in [
        ("DELETE", "/", "GET, HEAD, POST"),
        ("PUT", "/code", "GET, HEAD, POST"),
        ("GET", "/cancel", "POST"),
        ("PATCH", "/password", "GET, HEAD, POST"),
        ("OPTIONS", "/reason", "GET, HEAD, POST"),
        ("HEAD", "/cancel", "POST"),
    ] {
        let answer = ask(method, path).await;
        assert_eq!(answer.status, 405, "{method} {path}");
        if method != "HEAD" {
            assert_eq!(answer.problem(), (405, "method-not-allowed".into()), "{method} {path}");
        }
        assert_eq!(answer.header("allow"), Some(allow));
    }
    for path in ["/admin", "/admin/", "/.env", "/reason/..", "/captcha", "//", "//evil.example/", "//code/"] {
        assert_eq!(ask("GET", path).await.problem(), (404, "not-found".into()), "{path}");
        assert_eq!(ask("HEAD", path).await.status, 404, "{path}");
    }
    for path in ["/code/", "/CODE", "/cancel/"] {
        assert_eq!(ask("POST", path).await.problem(), (404, "not-found".into()), "{path}");
    }
}

/// Monitors ask by HEAD. API Gateway has a route for it wherever another function than `captcha` has the page.
#[tokio::test]
async fn head_is_answered_like_get() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let mut ask = async |method: Method, path: &str| {
        let request = browser.request(method, path).body(String::new()).unwrap();
        browser.send(request).await
    };
    for path in ["/", "/reason", "/method", "/security-info", "/authenticator", "/done", "/admin"] {
        let (get, head) = (ask(Method::GET, path).await, ask(Method::HEAD, path).await);
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(head.body.is_empty() && !get.body.is_empty(), "{path}");
    }
    assert_eq!(ask(Method::HEAD, "/").await.status, 200);
    assert_eq!(ask(Method::HEAD, "/method").await.status, 200);
}

/// Controls: C-082, C-086.
#[tokio::test]
async fn other_spelling_of_a_path_is_redirected() {
    let world = World::new().await;
    let ask = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).header("accept", "application/json");
        world.answer(request.body(String::new()).unwrap()).await
    };
    for (path, page) in [
        ("/method/", "/method"),
        ("/CODE", "/code"),
        ("/Security-Info//?lang=ms", "/security-info?lang=ms"),
        ("/.well-known/change-password/", "/.well-known/change-password"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = ask(method, path).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (308, Some(page)), "{path}");
            assert!(answer.headers.contains_key("content-security-policy"), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        }
        assert_ne!(ask("GET", page).await.status, 308, "{page}");
    }
}

/// A cookie of another application of the domain may hold any bytes.
#[tokio::test]
async fn foreign_cookie_bytes_do_not_hide_the_flow() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.identify("aisyah").await;
    let own = format!("__Host-rekey={}", browser.cookie.clone().unwrap());
    let forged = own.replacen(".0.", ".2.", 1);
    let lines: [Vec<u8>; 7] = [
        [b"campus=x; ", own.as_bytes()].concat(),
        ["campus=Universit\u{e4}t; ".as_bytes(), own.as_bytes()].concat(),
        [b"campus=Universit\xe4t; ", own.as_bytes()].concat(),
        [own.as_bytes(), b"; \xff\xfe=\x80"].concat(),
        [b"__Host-rekey=\xff; ", own.as_bytes()].concat(),
        [b"__Host-rekey=; ", own.as_bytes(), b"; __Host-rekey=x"].concat(),
        [forged.as_bytes(), b"; ", own.as_bytes()].concat(),
    ];
    for line in lines {
        let seen = String::from_utf8_lossy(&line).into_owned();
        let request = Request::builder().uri("/reason").header("accept", "application/json");
        let request = request.header("cookie", http::HeaderValue::from_bytes(&line).unwrap());
        assert_eq!(world.answer(request.body(String::new()).unwrap()).await.page(), "reason", "{seen}");
    }
}

/// Behind a proxy, the request context has another name than people open.
/// Controls: C-083.
#[tokio::test]
async fn origin_of_public_url_is_accepted() {
    let world = World::with(&[("REKEY_PUBLIC_URL", "https://konto.contoh.example/hilfe")]).await;
    let post = async |origin: &str| {
        let request =
            Request::builder().method(Method::POST).uri("/cancel").header("accept", "application/json");
        let request = request.header("origin", origin);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        world.answer(request.body(String::new()).unwrap()).await.status.as_u16()
    };
    assert_eq!(post("https://konto.contoh.example").await, 200);
    assert_eq!(post("https://reset.contoh.example").await, 200, "the request context's");
    for other in
        ["http://konto.contoh.example", "https://konto.contoh.example:8443", "https://contoh.example", "null"]
    {
        assert_eq!(post(other).await, 403, "{other}");
    }
}

/// Controls: C-037.
#[tokio::test]
async fn unknown_or_changed_cookie_is_rejected() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.identify("aisyah").await;
    let raised = browser.cookie.clone().unwrap().replacen(".0.", ".2.", 1);
    for cookie in [raised.as_str(), "", "x", "1.0.a.b"] {
        let mut other = world.browser();
        other.cookie = Some(cookie.to_owned());
        for path in ["/reason", "/method", "/code", "/password", "/done"] {
            assert_eq!(
                other.clone().get(path).await.problem(),
                (410, "flow-ended".into()),
                "{cookie} {path}"
            );
        }
    }
}

#[tokio::test]
async fn well_known_url_leads_to_change_password() {
    let world = World::new().await;
    let answer = world.browser().get("/.well-known/change-password").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/change-password")));
    assert_eq!(world.browser().get("/.well-known/resource-that-should-not-exist").await.status, 404);
}
