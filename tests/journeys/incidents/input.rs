//! Input of another type, with another method, or in another spelling.

use http::{Method, Request};
use rekey_tests::fixtures::{AISYAH, NEW_PASSWORD, Person};
use rekey_tests::{SignIn, World};
use serde_json::json;
use shared::domain::message::Message;

use super::with_code;

/// GitLab, CVE-2023-7028: an array of addresses was accepted, and each got the email.
/// Controls: C-045.
#[tokio::test]
async fn list_of_recipients_is_rejected_and_sends_nothing() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let own = AISYAH.alternate_email.unwrap();
    for body in [
        json!({ "method": ["email", "sms"] }),
        json!({ "method": "email", "contact": [own, "evil@mail.example"] }),
        json!({ "method": "email", "contact": "evil@mail.example" }),
        json!({ "method": "email", "email": [own, "evil@mail.example"] }),
        json!({ "method": "sms", "contact": ["0123456798", "+60199999999"] }),
        json!({ "method": "sms", "contact": { "0": "0123456798" } }),
    ] {
        assert_eq!(browser.post("/code/send", body.clone()).await.problem().0, 400, "{body}");
    }
    for form in
        ["method=email&email[]=evil%40mail.example", "method=sms&contact=0123456798&contact=%2B60199999999"]
    {
        let request = browser
            .request(Method::POST, "/code/send")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        assert_eq!(browser.send(request.body(form.to_owned()).unwrap()).await.problem().0, 400, "{form}");
    }
    assert!(world.messages().is_empty());
}

/// LTB Self Service Password, CVE-2018-12421, and MISP, CVE-2026-85216: a password that was not text, or empty, was
/// accepted as correct.
/// Controls: C-078.
#[tokio::test]
async fn non_text_or_empty_password_is_malformed() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    for odd in [json!([]), json!([NEW_PASSWORD]), json!({}), json!(null), json!(true), json!(0), json!("")] {
        let answer = browser.post("/password", json!({ "password": odd, "confirmation": odd })).await;
        assert_eq!(answer.problem(), (400, "malformed".into()), "{odd}");
    }
    assert_eq!(world.sign_in("aisyah", "").await, SignIn::Wrong);
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Accepted);
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done", "none of it cost anything");
}

/// MISP, CVE-2026-94379: the attempt limit for POST did not apply to other methods. Zimbra, CVE-2026-93637: one
/// request held many attempts.
/// Controls: C-009.
#[tokio::test]
async fn code_attempt_requires_post_with_one_code() {
    let world = World::new().await;
    let mut browser = with_code(&world).await;
    let code = world.last_code();
    let body = json!({ "code": code }).to_string();
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "GUESS"] {
        let request =
            browser.request(method.parse().unwrap(), "/code").header("content-type", "application/json");
        let answer = browser.send(request.body(body.clone()).unwrap()).await;
        assert!([405, 404].contains(&answer.status.as_u16()), "{method}: {}", answer.status);
    }
    let request = browser.request(Method::HEAD, "/code").header("content-type", "application/json");
    let answer = browser.send(request.body(body).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "HEAD is a GET: it reads no body");
    let challenge = browser.get(&format!("/code?code={code}")).await;
    assert_eq!((challenge.page(), challenge.json()["tries_left"].clone()), ("code".into(), json!(5)));
    for batch in [
        format!(r#"[{{"code":"{code}"}},{{"code":"{code}"}}]"#),
        format!(r#"{{"code":["00000000","{code}"]}}"#),
        format!(r#"{{"code":"00000000","code":"{code}"}}"#),
        format!(r#"{{"code":"00000000,{code}"}}"#),
        format!(r#"{{"code":{code}}}"#),
    ] {
        let request = browser.request(Method::POST, "/code").header("content-type", "application/json");
        assert_eq!(browser.send(request.body(batch.clone()).unwrap()).await.problem().0, 400, "{batch}");
    }
    assert_eq!(browser.get("/code").await.json()["tries_left"], 5);
    assert_eq!(browser.code(&code).await.json()["step"], 2);
}

/// PWM #129: text after a semicolon skipped a step. `ManageEngine`, CVE-2021-40539: another spelling of a path passed
/// its access check.
/// Controls: C-042.
#[tokio::test]
async fn alternative_path_spelling_does_not_skip_a_step() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let body = json!({ "password": NEW_PASSWORD, "confirmation": NEW_PASSWORD });
    for path in [
        "/password;step=2",
        "/code;/password",
        "/reason/../password",
        "//password",
        "/password/",
        "/./password",
        "/PASSWORD",
        "/password%00",
        "/password%2f",
        "/%2e/password",
        "/$default/password",
        "/password.json",
    ] {
        let answer = browser.clone().post(path, body.clone()).await;
        assert_eq!(answer.problem(), (404, "not-found".into()), "{path}");
    }
    for path in ["/password", "/%70assword", "/password?step=2", "/password%3Fstep=2"] {
        assert_eq!(browser.clone().post(path, body.clone()).await.problem().0, 409, "{path}");
    }
    assert_eq!(browser.get("/method").await.json()["step"], 1);
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Accepted);
}

/// Django, CVE-2019-19844, and GitHub 2016: a login that folds to another's found the account. The email went to the
/// typed address.
/// Controls: C-045.
#[tokio::test]
async fn lookalike_login_sends_nothing_to_typed_address() {
    let world = World::new().await;
    for typed in [
        "a\u{131}syah",
        "A\u{130}SYAH",
        "aisyah@student.contoh.example.evil.example",
        "ＡＩＳＹＡＨ",
        "AiSYAH",
    ] {
        let mut browser = world.browser();
        browser.open(typed, "forgotten").await;
        let sent = browser.send_email().await;
        let is_code = sent.status == 200 && sent.page() == "code";
        assert!(
            is_code || sent.problem() == (422, "method-unavailable".into()),
            "{typed}: some decoys have no mail"
        );
    }
    let mut to = Vec::new();
    for message in world.messages() {
        if let Message::Code(code) = message {
            to.push(code.to);
        }
    }
    world.deliver().await;
    let reached: Vec<String> = world.dev_inbox.messages().into_iter().map(|message| message.to).collect();
    assert_eq!(reached, [AISYAH.alternate_email.unwrap(); 2], "the two that are the same name: {to:?}");
}

/// IBM Security Identity Manager, CVE-2021-20574: a login was part of a query.
/// Controls: C-079.
#[tokio::test]
async fn login_with_query_syntax_finds_no_account() {
    let world = World::new().await;
    let odd = [
        "*",
        "aisyah)(|(uid=*",
        "a*",
        "' OR '1'='1",
        "aisyah' --",
        "account/aisyah",
        "name/aisyah",
        "{\"S\":\"aisyah\"}",
    ];
    for login in odd {
        let mut browser = world.browser();
        browser.open(login, "forgotten").await;
        browser.send_email().await;
    }
    let codes = world.messages().into_iter().filter(|message| matches!(message, Message::Code(_)));
    assert_eq!(codes.count(), 0);
}

/// Okta, October 2024: bytes after the 72nd were ignored.
/// Controls: C-080.
#[tokio::test]
async fn every_character_of_a_long_password_counts() {
    let world = World::new().await;
    let long = |end: &str| format!("{}{end}", "Kancil-Lompat-42! 密".repeat(6));
    assert!(long("").len() > 100 && long("a").chars().count() <= 128);
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password(&long("a")).await.page(), "done");
    assert_eq!(world.sign_in("aisyah", &long("b")).await, SignIn::Wrong);
    assert_eq!(world.sign_in("aisyah", &long("")).await, SignIn::Wrong);
    assert_eq!(world.sign_in("aisyah", &long("a")).await, SignIn::Accepted);
}

/// `ManageEngine` `ADSelfService` Plus, CVE-2022-28810: the new password became part of a script.
/// Controls: C-080.
#[tokio::test]
async fn password_with_special_characters_is_set_unchanged() {
    for password in [
        "Kancil'; $(id) `id` |x& 42",
        "Kancil\\\"42\\n%0a%00 {{7*7}}",
        "Kancil<script>42</script>",
        "${jndi:ldap://x} Kancil-42",
        "Kancil,42=\"x\",CN=*)(uid=*",
    ] {
        let world = World::new().await;
        let mut browser = world.browser();
        browser.verify_both_steps("forgotten").await;
        assert_eq!(browser.password(password).await.page(), "done", "{password}");
        assert_eq!(world.sign_in("aisyah", password).await, SignIn::Accepted, "{password}");
        world.deliver().await;
        let said = format!("{:?}", world.dev_inbox.messages());
        assert!(!said.contains("Kancil"), "{password}");
    }
}

/// `ManageEngine`, CVE-2021-37420 and similar: cross-site request forgery. A form of another site can't send JSON,
/// and JSON of another site is rejected by its origin.
/// Controls: C-083.
#[tokio::test]
async fn cross_site_password_request_is_rejected() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    let cookie = format!("__Host-rekey={}", browser.cookie.clone().unwrap());
    let body = json!({ "password": NEW_PASSWORD, "confirmation": NEW_PASSWORD }).to_string();
    for (kind, headers) in [
        ("text/plain", &[("origin", "https://evil.example")][..]),
        ("application/json", &[("origin", "https://evil.example")]),
        ("application/json", &[("sec-fetch-site", "cross-site"), ("origin", "https://reset.contoh.example")]),
        ("application/json", &[("sec-fetch-site", "none")]),
        ("text/plain", &[]),
    ] {
        let mut request = Request::builder().method(Method::POST).uri("/password").header("cookie", &cookie);
        request = request.header("accept", "application/json").header("content-type", kind);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let status = world.answer(request.body(body.clone()).unwrap()).await.status.as_u16();
        assert!([403, 415].contains(&status), "{kind} {headers:?}: {status}");
    }
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Accepted);
}
