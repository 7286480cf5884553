//! Addresses and hosts that the client makes up.

use rekey_tests::World;
use rekey_tests::people::NEW_PASSWORD;
use serde_json::json;

use super::{post_from, with_code, wrong};

/// What proxies say of a request, as an attacker would.
const FORGED: [(&str, &str); 9] = [
    ("host", "127.0.0.1:9999"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "javascript"),
    ("x-forwarded-prefix", "//evil.example"),
    ("forwarded", "for=1.2.3.4;host=evil.example;proto=http"),
    ("x-original-url", "https://evil.example/done"),
    ("x-rewrite-url", "/done"),
    ("x-host", "evil.example"),
    ("referer", "https://evil.example/"),
];

/// LTB Self Service Password #755, Zitadel (four times), `WordPress`, CVE-2017-8295: a host of the request stood in links
/// and senders. Everything that the product says is looked at.
#[tokio::test]
async fn no_message_page_or_redirect_names_a_forged_host() {
    let world = World::new().await;
    let mut said = Vec::new();
    let mut browser = world.browser();
    for (method, contact) in
        [("email", ""), ("sms", "0123456798"), ("mobile_call", "0123456798"), ("office_call", "0327317272")]
    {
        let token = browser.get("/").await.json()["captcha"]["token"].as_str().unwrap().to_owned();
        let characters = world.captcha_answer(&token);
        let opening = json!({ "login": "aisyah", "captcha_token": token, "captcha_answer": characters });
        let mut send = json!({ "method": method });
        if !contact.is_empty() {
            send["contact"] = json!(contact);
        }
        for (path, body) in
            [("/", opening), ("/reason", json!({ "reason": "forgotten" })), ("/code/send", send)]
        {
            let answer = post_from(&mut browser, 1, &FORGED, path, &body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            said.push(format!("{:?}{}", answer.headers, answer.text()));
        }
    }
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    let body = json!({ "password": NEW_PASSWORD, "confirmation": NEW_PASSWORD });
    assert_eq!(post_from(&mut browser, 1, &FORGED, "/password", &body).await.page(), "done");
    world.deliver().await;
    let messages = world.outbox.messages();
    let channels: std::collections::BTreeSet<_> =
        messages.iter().map(|one| (format!("{:?}", one.channel), one.code.is_some())).collect();
    assert_eq!(channels.len(), 6, "a code and a notice by mail, text and call: {channels:?}");
    said.push(format!("{messages:?}"));

    for path in ["/", "/done", "/no-such-page", "/.well-known/change-password"] {
        let mut request = browser.request(http::Method::GET, path);
        request.headers_mut().unwrap().insert("accept", "text/html".parse().unwrap());
        for (name, value) in FORGED {
            request = request.header(name, value);
        }
        let answer = browser.send(request.body(String::new()).unwrap()).await;
        said.push(format!("{:?}{}", answer.headers, String::from_utf8_lossy(&answer.body)));
    }
    let said = said.concat();
    for never in ["evil", "9999", "javascript:", "access-control", "\"server\"", "x-powered-by"] {
        assert!(!said.contains(never), "{never} is said");
    }
}

/// Instagram 2019, Microsoft 2021, `RubyGems`: guesses were counted by address. Facebook 2016: not on every host.
#[tokio::test]
async fn guesses_count_whatever_address_and_host_they_come_from() {
    let world = World::new().await;
    let mut browser = with_code(&world).await;
    let code = world.last_code();
    let mut looked_at = 0;
    for n in 0..12 {
        let (claimed, host) =
            (format!("203.0.113.{n}"), ["reset.contoh.example", "localhost", "127.0.0.1:80"]);
        let headers = [("x-forwarded-for", claimed.as_str()), ("host", host[usize::from(n) % 3])];
        let body = json!({ "code": wrong(&code, n.into()) });
        let answer = post_from(&mut browser, 10 + n, &headers, "/code", &body).await;
        looked_at += usize::from(answer.problem().1 == "code-wrong");
    }
    assert_eq!(looked_at, 5);
    let right = post_from(&mut browser, 99, &[], "/code", &json!({ "code": code })).await;
    assert_eq!(right.problem(), (422, "code-spent".into()));
}

/// authentik, CVE-2024-47070: a forwarded address that could not be read skipped the check that needed it.
#[tokio::test]
async fn an_address_that_is_claimed_is_neither_believed_nor_read() {
    let world = World::with(&[("REKEY_OPENS_PER_IP", "3")]).await;
    let long = "9".repeat(4_000);
    let claims = [
        "1.2.3.4",
        "unknown, 1.2.3.4",
        "",
        "not an address",
        "::ffff:999.1.1.1",
        "\u{fc}",
        "1.2.3.4:x",
        &long,
    ];
    let mut outcomes = Vec::new();
    for claim in claims {
        let mut browser = world.browser();
        let token = browser.get("/").await.json()["captcha"]["token"].as_str().unwrap().to_owned();
        let body = json!({
            "login": format!("student{}", outcomes.len()),
            "captcha_token": token,
            "captcha_answer": world.captcha_answer(&token),
        });
        let headers =
            ["x-forwarded-for", "x-real-ip", "forwarded", "client-ip", "true-client-ip", "cf-connecting-ip"];
        // Two long ones would be more than a gateway takes.
        let headers = headers.iter().take(if claim.len() > 100 { 1 } else { 6 });
        let headers: Vec<(&str, &str)> = headers.map(|name| (*name, claim)).collect();
        let answer = post_from(&mut browser, 7, &headers, "/", &body).await;
        outcomes
            .push((answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or("opened").to_owned()));
    }
    let opened = (200, "opened".to_owned());
    let harder = (422, "captcha-harder".to_owned());
    let expected: Vec<_> =
        (0..claims.len()).map(|n| if n < 3 { opened.clone() } else { harder.clone() }).collect();
    assert_eq!(outcomes, expected);
    let mut elsewhere = world.browser();
    let token = elsewhere.get("/").await.json()["captcha"]["token"].as_str().unwrap().to_owned();
    let answer = world.captcha_answer(&token);
    let body = json!({ "login": "aisyah", "captcha_token": token, "captcha_answer": answer });
    assert_eq!(post_from(&mut elsewhere, 8, &[], "/", &body).await.page(), "reason", "the real one counts");
}
