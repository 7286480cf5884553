//! Enrolment of email addresses and phone numbers: which ones, and with how many codes.

use rekey_tests::fixtures::{NEW_NUMBER, NEWCOMER, Person};
use rekey_tests::{Browser, World};
use serde_json::json;
use shared::domain::message::{Message, Recipient};
use shared::domain::time::Seconds;

use super::{kinds, register, register_app, world};

/// Controls: C-058.
#[tokio::test]
async fn protected_or_unsupported_contact_is_rejected() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    for (kind, value, code) in [
        ("alternate_email", "other@student.contoh.example", "contact-refused"),
        ("alternate_email", "newcomer@Staff.Contoh.Example", "contact-refused"),
        ("alternate_email", "nothing", "malformed"),
        ("mobile", "+4915112345678", "contact-refused"),
        ("mobile", "call me", "malformed"),
        ("mobile", "", "malformed"),
        ("pigeon", "x", "malformed"),
    ] {
        assert_eq!(browser.clone().add(kind, value).await.problem().1, code, "{kind} {value}");
    }
    assert!(world.messages().is_empty());
}

/// A mailbox that the forgotten password opens is no evidence, in any spelling.
/// Controls: C-058.
#[tokio::test]
async fn protected_mailbox_is_refused_in_every_spelling() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    for spelt in [
        "newcomer@student.contoh.example.",
        "newcomer@student\u{3002}contoh\u{ff0e}example",
        "newcomer@stu\u{ad}dent.contoh.example",
        "newcomer@student\u{200b}.contoh.example",
        "\u{202d}newcomer@student.contoh.example\u{202c}",
        "NEWCOMER@STUDENT.CONTOH.EXAMPLE",
        "newcomer@lab.student.contoh.example",
        "ｎｅｗｃｏｍｅｒ＠ｓｔｕｄｅｎｔ．ｃｏｎｔｏｈ．ｅｘａｍｐｌｅ",
    ] {
        let problem = browser.clone().add("alternate_email", spelt).await.problem();
        assert_eq!(problem, (422, "contact-refused".into()), "{spelt:?}");
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("kind", "alternate_email"), ("value", spelt)])
            .finish();
        let request = browser
            .request(http::Method::POST, "/security-info/add")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        let mut request = request.body(form).unwrap();
        request.headers_mut().insert("accept", "text/html".parse().unwrap());
        let page = browser.clone().send(request).await;
        assert_eq!(page.status, 422, "{spelt:?}");
        assert!(page.text().contains("We can’t use this address."), "{spelt:?}");
    }
    for syntax in ["a@[192.0.2.1]", "a%student.contoh.example@mail.example", "a(b)@mail.example"] {
        let problem = browser.clone().add("alternate_email", syntax).await.problem();
        assert_eq!(problem.1, "malformed", "{syntax}");
    }
    assert!(world.messages().is_empty());
}

/// Controls: C-058.
#[tokio::test]
async fn already_enrolled_contact_is_rejected_for_any_kind() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    register(&world, &mut browser, "mobile", NEW_NUMBER).await;
    register(&world, &mut browser, "alternate_email", "newcomer@mail.example").await;
    world.clock.advance(30);
    let sent = world.messages().len();
    for (kind, value) in [
        ("office_phone", NEW_NUMBER),
        ("mobile", NEW_NUMBER),
        ("alternate_email", "NewComer@mail\u{ff61}exam\u{ad}ple."),
    ] {
        let problem = browser.clone().add(kind, value).await.problem();
        assert_eq!(problem, (422, "contact-refused".into()), "{kind} {value}");
    }
    assert_eq!(world.messages().len(), sent);
    assert_eq!(browser.add("office_phone", "+60327317272").await.page(), "confirm");
}

/// Controls: C-057.
#[tokio::test]
async fn code_confirms_only_its_own_contact() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    browser.add("mobile", NEW_NUMBER).await;
    let code = world.last_code();
    assert_eq!(browser.clone().confirm("office_phone", &code).await.problem(), (409, "out-of-step".into()));
    // After a request for another number, the first one's code is useless.
    world.clock.advance(30);
    browser.add("mobile", "+60123459911").await;
    assert_eq!(browser.clone().confirm("mobile", &code).await.problem().1, "code-wrong");
    let other = world.browser().sign_in("newcomer").await;
    assert_eq!(other.json()["methods"], json!([]), "nothing counts before it is confirmed");
}

/// Controls: C-024.
#[tokio::test]
async fn concurrent_confirmations_create_one_entry() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    browser.add("mobile", NEW_NUMBER).await;
    let code = world.last_code();
    let (mut one, mut two) = (browser.clone(), browser.clone());
    let (one, two) = tokio::join!(one.confirm("mobile", &code), two.confirm("mobile", &code));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(kinds(&browser.get("/security-info").await.json()), ["mobile"]);
}

#[tokio::test]
async fn mobile_code_is_sent_by_call_on_request() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    let body = json!({ "kind": "mobile", "value": NEW_NUMBER, "by": "call" });
    assert_eq!(browser.post("/security-info/add", body).await.page(), "confirm");
    let called = world
        .messages()
        .into_iter()
        .any(|message| matches!(message, Message::Code(code) if matches!(code.to, Recipient::Voice(_))));
    assert!(called);
}

/// Controls: C-076.
#[tokio::test]
async fn enrolment_codes_are_rate_limited_across_sessions() {
    let world = world().await;
    let mut sent = 0;
    for session in 0_u8..6 {
        // Three sessions from each of two networks, which get twelve and the other eight.
        let mut browser = world.browser().from_address([10, 0, session / 3, 1]);
        browser.sign_in("newcomer").await;
        for n in 0..5 {
            let number = format!("+6012345{session}{n:03}");
            sent += usize::from(browser.add("mobile", &number).await.status == 200);
            world.clock.advance(240);
            browser.sign_in("newcomer").await;
        }
        world.clock.advance(3_600);
    }
    assert_eq!(sent, 20, "twenty in a day");
}

/// Redeemed codes cost no wait, and count all the same.
/// Controls: C-076.
#[tokio::test]
async fn enrolment_codes_are_rate_limited_in_a_session() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    for n in 0..10 {
        register(&world, &mut browser, "mobile", &format!("+6012345{n:04}")).await;
    }
    let problem = browser.add("mobile", NEW_NUMBER).await.problem();
    assert_eq!(problem, (422, "method-unavailable".into()));
}

/// Controls: C-076.
#[tokio::test]
async fn wait_between_codes_belongs_to_the_session() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    let sent = browser.add("mobile", NEW_NUMBER).await;
    assert_eq!(sent.json()["resend_at"], (world.now() + Seconds(30)).to_string());
    let too_early = async |browser: &mut Browser, kind: &str, value: &str| {
        let answer = browser.clone().add(kind, value).await;
        assert_eq!(answer.problem(), (429, "slow-down".into()), "{kind} {value}");
        answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(too_early(&mut browser, "mobile", NEW_NUMBER).await, 30);
    // Something else in between skips no wait: the app waits for its confirmation now, or is confirmed.
    browser.add("totp", "").await;
    for _ in 0..2 {
        assert_eq!(too_early(&mut browser, "mobile", NEW_NUMBER).await, 30);
        assert_eq!(too_early(&mut browser, "alternate_email", "newcomer@mail.example").await, 30);
        register_app(&world, &mut browser).await;
    }
    for (wait, next, number) in
        [(30, 60, "+60123459911"), (60, 120, "+60123459912"), (120, 240, "+60123459913")]
    {
        world.clock.advance(wait - 1);
        assert_eq!(too_early(&mut browser, "mobile", number).await, 1);
        world.clock.advance(1);
        let sent = browser.add("mobile", number).await;
        assert_eq!(sent.page(), "confirm");
        assert_eq!(sent.json()["resend_at"], (world.now() + Seconds(next)).to_string());
        browser.add("totp", "").await;
    }
}

/// Only the first correction of a mistyped contact needs no wait, and it counts.
/// Controls: C-076.
#[tokio::test]
async fn mistyped_contact_is_corrected_at_once() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    browser.add("mobile", "+60123459901").await;
    assert_eq!(browser.clone().add("alternate_email", "newcomer@mail.example").await.problem().0, 429);
    assert_eq!(browser.add("mobile", NEW_NUMBER).await.page(), "confirm");
    for number in ["+60123459901", "+60123459902", NEW_NUMBER] {
        let answer = browser.clone().add("mobile", number).await;
        assert_eq!((answer.problem().0, &answer.headers["retry-after"]), (429, &"60".parse().unwrap()));
    }
    let list = browser.confirm("mobile", &world.last_code()).await;
    assert_eq!(list.page(), "security-info");
}

/// Eighty mails reached a foreign mailbox in eight seconds.
/// Controls: C-131.
#[tokio::test]
async fn foreign_mailbox_has_one_limit_for_all_accounts() {
    let world = World::with(&[("REKEY_SENDS_PER_DAY", "5")]).await;
    world.register(&NEWCOMER).await;
    world.register(&Person { login: "second", ..NEWCOMER }).await;
    let mut asked = 0;
    for round in 0..8 {
        for login in ["newcomer", "second"] {
            let mut browser = world.browser();
            browser.sign_in(login).await;
            let spelt = format!("Stranger+{round}@mail.example");
            asked += usize::from(browser.add("alternate_email", &spelt).await.page() == "confirm");
        }
    }
    assert_eq!(asked, 16, "the page does not reveal the limit");
    world.deliver().await;
    assert_eq!(world.dev_inbox.messages().len(), 10, "twice an account's five");
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    browser.add("alternate_email", "newcomer@mail.example").await;
    world.deliver().await;
    assert_eq!(world.dev_inbox.messages().len(), 11, "another mailbox");
}

/// Only the session can read its waiting entry; a stolen table doesn't reveal it.
/// Controls: C-089.
#[tokio::test]
async fn pending_enrolment_is_stored_encrypted() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    browser.add("mobile", NEW_NUMBER).await;
    let code = world.last_code();
    let secret = browser.clone().add("totp", "").await.json()["secret"].as_str().unwrap().to_owned();
    let dump = world.dump().await;
    for text in [NEW_NUMBER, "0123459900", &code, &secret, browser.session.as_deref().unwrap()] {
        assert!(!dump.contains(text), "{text}");
    }
}
