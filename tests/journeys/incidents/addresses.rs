//! Forged addresses and hosts in requests.

use std::collections::BTreeSet;

use rekey_local::dev_inbox::Channel;
use rekey_tests::fixtures::{NEW_NUMBER, NEW_PASSWORD};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{CeremonyOptions, Passkey, Phone, World};
use serde_json::json;

use super::{post_from, with_code, wrong};
use crate::security_info::{app_code, token, verify};

/// Proxy headers, as an attacker forges them.
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

/// LTB Self Service Password #755, Zitadel (four times), `WordPress`, CVE-2017-8295: links and senders contained a
/// host from the request. The test checks all output.
/// Controls: C-085.
#[tokio::test]
async fn forged_host_appears_in_no_reset_output() {
    let world = World::new().await;
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
        }
    }
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let body = json!({ "password": NEW_PASSWORD, "confirmation": NEW_PASSWORD });
    assert_eq!(post_from(&mut browser, 1, &FORGED, "/password", &body).await.page(), "done");
    world.deliver().await;
    let messages = world.dev_inbox.messages();
    let channels: BTreeSet<_> =
        messages.iter().map(|one| (format!("{:?}", one.channel), one.code.is_some())).collect();
    assert_eq!(channels.len(), 6, "a code and a notice by mail, text and call: {channels:?}");

    for path in ["/", "/done", "/no-such-page", "/.well-known/change-password"] {
        let mut request = browser.request(http::Method::GET, path);
        request.headers_mut().unwrap().insert("accept", "text/html".parse().unwrap());
        for (name, value) in FORGED {
            request = request.header(name, value);
        }
        browser.send(request.body(String::new()).unwrap()).await;
    }
    assert_not_reflected(&[world.responses(), format!("{messages:?}")].concat());
}

/// The same for enrolment. It checks the link and QR code of a pairing, passkey options, and the label of a TOTP app.
/// It also checks every code, notification and push, and the pages. None of them takes a host, a scheme or a prefix
/// from the request.
/// Controls: C-085.
#[tokio::test]
async fn forged_host_appears_in_no_enrolment_output() {
    let world = World::new().await;
    let browser = || world.browser().with_headers(&FORGED);
    let mut owner = browser();
    assert_eq!(owner.sign_in("aisyah").await.page(), "second-step");
    for method in ["email", "sms"] {
        assert_eq!(verify(&mut owner, json!({ "method": method })).await.page(), "second-step", "{method}");
    }
    owner.html("/security-info/verify").await;
    let code = world.last_code();
    assert_eq!(verify(&mut owner, json!({ "method": "sms", "code": code })).await.page(), "security-info");
    assert_eq!(owner.second_step(&world.app_code(0)).await.page(), "security-info", "nothing has to wait");
    for (kind, value, by) in [
        ("alternate_email", "new@mail.example", "sms"),
        ("mobile", NEW_NUMBER, "call"),
        ("office_phone", "+60387654321", "sms"),
    ] {
        let challenge =
            owner.post("/security-info/add", json!({ "kind": kind, "value": value, "by": by })).await;
        assert_eq!(challenge.page(), "confirm", "{kind}");
        assert_eq!(owner.confirm(kind, &world.last_code()).await.page(), "security-info", "{kind}");
    }

    let mut phone = Phone::new(&world, 1).with_headers(&FORGED);
    for kind in ["totp", "authenticator", "passkey", "recovery_codes"] {
        let challenge = owner.add(kind, "").await.json();
        owner.html("/security-info/confirm").await;
        let honest = owner.clone().with_headers(&[]).get("/security-info/confirm").await.json();
        assert_eq!(challenge, honest, "{kind}: also the picture is that of an honest request");
        let body = match kind {
            "totp" => {
                let label = "otpauth://totp/Universiti%20Contoh:aisyah?secret=";
                assert!(challenge["otpauth"].as_str().unwrap().starts_with(label), "{challenge}");
                json!({ "id": kind, "code": app_code(&world, &challenge) })
            }
            "authenticator" => {
                let link = format!("{}/authenticator#pair=", world.settings.public_url);
                assert!(challenge["pairing"].as_str().unwrap().starts_with(&link), "{challenge}");
                let paired = phone.pair(&token(&challenge)).await.json();
                json!({ "id": challenge["id"], "code": paired["code"] })
            }
            "passkey" => {
                assert_eq!(challenge["options"]["rp"]["id"], "localhost");
                // A passkey from a page of the claimed host is rejected, whatever host the request names.
                for elsewhere in ["http://127.0.0.1:9999", "https://evil.example"] {
                    let made = Passkey::create(&challenge["options"], &CeremonyOptions::at(elsewhere)).1;
                    let body = json!({ "id": challenge["id"], "assertion": made });
                    let answer = owner.post("/security-info/confirm", body).await;
                    assert_eq!(answer.problem().1, "code-wrong", "{elsewhere}");
                }
                json!({ "id": challenge["id"], "assertion": Passkey::create(&challenge["options"], &CeremonyOptions::at(LOCALHOST_ORIGIN)).1 })
            }
            _ => json!({ "id": kind }),
        };
        assert_eq!(owner.post("/security-info/confirm", body).await.page(), "security-info", "{kind}");
    }
    owner.post("/security-info/remove", json!({ "id": "mobile" })).await;
    owner.html("/security-info").await;

    // The next second step is requested by push, and refused.
    world.clock.advance(60);
    let mut next = browser();
    let challenge = next.sign_in("aisyah").await.json();
    assert_eq!(challenge["options"]["rpId"], "localhost");
    next.html("/security-info").await;
    assert_eq!(verify(&mut next, json!({ "method": "push" })).await.page(), "second-step");
    world.deliver().await;
    let request = phone.request().await;
    assert_eq!(phone.deny(&request).await.status, 200);
    next.html("/security-info/verify").await;
    for path in [
        "/authenticator",
        "/authenticator/manifest.webmanifest",
        "/authenticator/sw.js",
        "http://evil.example:9999/security-info",
    ] {
        browser().html(path).await;
    }

    world.deliver().await;
    let messages = world.dev_inbox.messages();
    let (pushes, others): (Vec<_>, Vec<_>) =
        messages.iter().partition(|message| message.channel == Channel::Push);
    let channels: BTreeSet<_> =
        others.iter().map(|one| (format!("{:?}", one.channel), one.code.is_some())).collect();
    assert_eq!(
        (channels.len(), pushes.len()),
        (6, 1),
        "a code and a notice by mail, text and call: {channels:?}"
    );
    assert_eq!(phone.decrypt_push(&pushes[0].body), r#"{"event":"request"}"#);
    assert_not_reflected(&[world.responses(), format!("{others:?}")].concat());
}

/// Checks that the output has nothing of a forged request and grants other sites no access.
fn assert_not_reflected(said: &str) {
    for never in ["evil", "9999", "javascript:", "access-control", "\"server\"", "x-powered-by"] {
        assert!(!said.contains(never), "{never} is said");
    }
}

/// Instagram 2019, Microsoft 2021, `RubyGems`: attempts were counted by address. Facebook 2016: not on every host.
/// Controls: C-009.
#[tokio::test]
async fn wrong_codes_count_across_addresses_and_hosts() {
    let world = World::new().await;
    let mut browser = with_code(&world).await;
    let code = world.last_code();
    let mut compared = 0;
    for n in 0..12 {
        let (claimed, host) =
            (format!("203.0.113.{n}"), ["reset.contoh.example", "localhost", "127.0.0.1:80"]);
        let headers = [("x-forwarded-for", claimed.as_str()), ("host", host[usize::from(n) % 3])];
        let body = json!({ "code": wrong(&code, n.into()) });
        let answer = post_from(&mut browser, 10 + n, &headers, "/code", &body).await;
        compared += usize::from(answer.problem().1 == "code-wrong");
    }
    assert_eq!(compared, 5);
    let right = post_from(&mut browser, 99, &[], "/code", &json!({ "code": code })).await;
    assert_eq!(right.problem(), (422, "code-spent".into()));
}

/// authentik, CVE-2024-47070: an unreadable forwarded address skipped the check that needed it.
/// Controls: C-085.
#[tokio::test]
async fn forged_client_address_header_is_ignored() {
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
        // With two long ones the gateway would reject the request.
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
