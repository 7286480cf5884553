//! Enrolment of passkeys, phones and recovery codes, and their later use.

use rekey_tests::fixtures::{AISYAH, NEW_PASSWORD, NEWCOMER};
use rekey_tests::world::{LOCALHOST_ORIGIN, ORIGIN};
use rekey_tests::{Answer, Browser, CeremonyOptions, Passkey, Phone, World};
use serde_json::json;
use shared::domain::notice::Event;
use shared::domain::passkey::Credential;
use shared::domain::security_info::{EntryId, Kind, Secret};
use shared::ports::NewEntry;

use super::{aisyah, entry, kinds, register, register_passkey, token, verified_twice, world};

#[tokio::test]
async fn enrolled_passkey_and_email_reset_the_password() {
    let world = World::with(&[("REKEY_PUBLIC_URL", ORIGIN)]).await;
    world.register(&NEWCOMER).await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    register(&world, &mut browser, "alternate_email", "new@mail.example").await;
    let asked = browser.add("passkey", "").await.json();
    assert_eq!(asked["page"], "confirm");
    let elsewhere = Passkey::create(&asked["options"], &CeremonyOptions::at("https://evil.example")).1;
    let confirm = |assertion: String| json!({ "id": asked["id"], "assertion": assertion });
    let wrong = browser.clone().post("/security-info/confirm", confirm(elsewhere)).await;
    assert_eq!(wrong.problem().1, "code-wrong", "made on another site");
    let (mut passkey, made) = Passkey::create(&asked["options"], &CeremonyOptions::at(ORIGIN));
    let list = browser.post("/security-info/confirm", confirm(made.clone())).await.json();
    assert_eq!(
        (kinds(&list), &list["capable"]),
        (vec!["alternate_email".into(), "passkey".into()], &json!(true))
    );
    let again = browser.clone().post("/security-info/confirm", confirm(made)).await;
    assert_eq!(again.problem(), (409, "out-of-step".into()), "once");

    // It verifies the next sign-in, and a reset.
    let mut next = world.browser();
    let options = next.sign_in("newcomer").await.json()["options"].clone();
    let body =
        json!({ "method": "passkey", "assertion": passkey.answer(&options, &CeremonyOptions::at(ORIGIN)) });
    assert_eq!(next.post("/security-info/verify", body.clone()).await.page(), "security-info");
    let replay = next.post("/security-info/verify", body).await;
    assert_eq!(replay.problem().1, "code-wrong", "its challenge was another one");

    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    let options = reset.post("/code/send", json!({ "method": "passkey" })).await.json()["options"].clone();
    let assertion = passkey.answer(&options, &CeremonyOptions::at(ORIGIN));
    assert_eq!(
        reset.post("/code", json!({ "method": "passkey", "assertion": assertion })).await.page(),
        "method"
    );
    reset.send_email().await;
    assert_eq!(reset.code(&world.last_code()).await.page(), "password");
    assert_eq!(reset.password(NEW_PASSWORD).await.page(), "done");
}

/// Enrols an existing passkey again; returns the response and the number of notifications.
async fn add_again(world: &World, browser: &mut Browser, passkey: &Passkey) -> (Answer, usize) {
    let notices_before = world.notices().len();
    let asked = browser.add("passkey", "").await.json();
    let made = passkey.register(&asked["options"], &CeremonyOptions::at(LOCALHOST_ORIGIN));
    let answer =
        browser.post("/security-info/confirm", json!({ "id": asked["id"], "assertion": made })).await;
    (answer, world.notices().len() - notices_before)
}

/// Web Authentication Level 3 §7.1 step 26.
/// Controls: C-060.
#[tokio::test]
async fn already_enrolled_passkey_is_rejected_for_any_account() {
    let world = world().await;
    let mut owner = aisyah(&world).await;
    let passkey = register_passkey(&mut owner, LOCALHOST_ORIGIN).await;
    let mut other = world.browser();
    other.sign_in("newcomer").await;
    for browser in [&mut owner, &mut other] {
        let (answer, notices_before) = add_again(&world, browser, &passkey).await;
        assert_eq!((answer.problem(), notices_before), ((422, "passkey-registered".into()), 0));
        assert!(answer.text().contains("already registered"), "{}", answer.text());
        let page = browser.html("/security-info/confirm").await;
        assert!(page.contains("passkey"), "another one may be made at once");
    }
    assert!(kinds(&other.get("/security-info").await.json()).is_empty());

    // After the owner removes it, another account may enrol it.
    let list = owner.get("/security-info").await.json();
    let id = entry(&list, "passkey")["id"].clone();
    assert_eq!(owner.post("/security-info/remove", json!({ "id": id })).await.page(), "security-info");
    assert_eq!(add_again(&world, &mut other, &passkey).await.0.page(), "security-info");
    assert_eq!(add_again(&world, &mut owner, &passkey).await.0.problem().1, "passkey-registered");
}

/// A passkey stored by an earlier version is recognised after its owner's next visit to the page.
/// Controls: C-060.
#[tokio::test]
async fn passkey_of_an_earlier_version_is_refused_elsewhere() {
    let world = world().await;
    let made = json!({ "rp": { "id": "localhost" }, "user": { "id": "AAAA" }, "challenge": "AAAA" });
    let (passkey, _) = Passkey::create(&made, &CeremonyOptions::at(LOCALHOST_ORIGIN));
    let id = passkey.id_text();
    let credential = format!(
        r#"{{"id":"{id}","key":{{"algorithm":"EdDSA","point":"AAAA"}},"user_handle":"AAAA","counter":1,"backup_eligible":true,"transports":[]}}"#
    );
    let secret = Secret::Passkey(Credential::parse(&credential).unwrap());
    let entry = NewEntry::new(EntryId::new(Kind::Passkey, [1; 8]), "", secret, world.now());
    world.enrolment.put(&AISYAH.account().id, &entry).await.unwrap();
    let mut owner = aisyah(&world).await;
    assert_eq!(owner.get("/security-info").await.page(), "security-info");
    let mut other = world.browser();
    other.sign_in("newcomer").await;
    assert_eq!(add_again(&world, &mut other, &passkey).await.0.problem().1, "passkey-registered");
}

/// Two accounts enrol it concurrently: one succeeds, despite all steps in between.
/// Controls: C-060.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_accounts_enrol_one_passkey_once() {
    let world = world().await;
    let made = json!({ "rp": { "id": "localhost" }, "user": { "id": "AAAA" }, "challenge": "AAAA" });
    let (passkey, _) = Passkey::create(&made, &CeremonyOptions::at(LOCALHOST_ORIGIN));
    let mut browsers = vec![aisyah(&world).await, world.browser()];
    browsers[1].sign_in("newcomer").await;
    let mut tasks = Vec::new();
    for mut browser in browsers {
        let asked = browser.add("passkey", "").await.json();
        let assertion = passkey.register(&asked["options"], &CeremonyOptions::at(LOCALHOST_ORIGIN));
        let body = json!({ "id": asked["id"], "assertion": assertion });
        tasks.push(tokio::spawn(async move { browser.post("/security-info/confirm", body).await.status }));
    }
    let mut done = 0;
    for task in tasks {
        done += u8::from(task.await.unwrap() == 200);
    }
    assert_eq!(done, 1);
}

#[tokio::test]
async fn paired_device_approves_a_second_step() {
    let world = World::new().await;
    let mut browser = verified_twice(&world).await;
    let asked = browser.add("authenticator", "").await.json();
    let mut phone = Phone::new(&world, 1);
    let paired = phone.pair(&token(&asked)).await.json();
    let id = asked["id"].as_str().unwrap();
    assert_eq!(browser.clone().confirm(id, "000000").await.problem().1, "code-wrong");
    let list = browser.confirm(id, paired["code"].as_str().unwrap()).await.json();
    assert_eq!(entry(&list, "authenticator")["masked"], "Chrome, Android");
    let notified = world.notices().iter().filter(|n| n.event == Event::Added(Kind::Authenticator)).count();
    assert_eq!(notified, 3, "both mailboxes and the mobile");

    for (approves, page) in [(true, 200), (false, 410)] {
        let mut next = world.browser();
        next.sign_in("aisyah").await;
        let push = async |browser: &mut Browser| {
            browser.post("/security-info/verify", json!({ "method": "push" })).await
        };
        let number = push(&mut next).await.json()["number"].as_str().unwrap().to_owned();
        assert_eq!(push(&mut next).await.page(), "second-step", "no device has answered yet");
        let request = phone.request().await;
        if approves {
            assert_eq!(phone.approve(&request, &number).await.status, 200);
        } else {
            assert_eq!(phone.deny(&request).await.status, 200);
        }
        assert_eq!(push(&mut next).await.status, page);
        world.clock.advance(90);
    }
}

/// A button confirms them, so both tabs must show the codes that are stored.
#[tokio::test]
async fn recovery_codes_in_two_tabs_are_the_same() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    let [one, other] = [browser.add("recovery_codes", "").await, browser.add("recovery_codes", "").await];
    assert_eq!(one.json()["codes"], other.json()["codes"]);
    assert!(one.json()["codes"].as_array().is_some_and(|codes| codes.len() == 10));
    let confirmed = browser.post("/security-info/confirm", json!({ "id": "recovery_codes" })).await;
    assert_eq!(confirmed.page(), "security-info");
    let third = browser.add("recovery_codes", "").await;
    assert_ne!(third.json()["codes"], one.json()["codes"], "a new sheet after that");
}

/// Controls: C-016.
#[tokio::test]
async fn recovery_codes_are_shown_only_until_confirmed() {
    let world = World::new().await;
    let mut browser = verified_twice(&world).await;
    let asked = browser.add("recovery_codes", "").await.json();
    let codes: Vec<String> =
        asked["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    assert_eq!(browser.get("/security-info/confirm").await.json()["codes"], asked["codes"], "after a reload");
    assert!(!world.dump().await.contains(&codes[0]));
    let id = json!({ "id": "recovery_codes" });
    assert_eq!(
        browser
            .clone()
            .post("/security-info/confirm", json!({ "id": "recovery_codes", "code": "0000-0000-0000-0000" }))
            .await
            .problem()
            .1,
        "code-wrong"
    );
    let list = browser.post("/security-info/confirm", id).await.json();
    assert_eq!(entry(&list, "recovery_codes")["masked"], "10");
    assert_eq!(browser.get("/security-info/confirm").await.problem().0, 409, "they are not shown again");

    // A recovery code opens the page, but every method enrolled that way has a waiting period.
    let mut next = world.browser();
    next.sign_in("aisyah").await;
    let body = json!({ "method": "recovery_code", "code": codes[3] });
    assert_eq!(next.post("/security-info/verify", body.clone()).await.page(), "security-info");
    let list = next.get("/security-info").await.json();
    assert_eq!(entry(&list, "recovery_codes")["masked"], "9");
    let mut other = world.browser();
    other.sign_in("aisyah").await;
    assert_eq!(other.post("/security-info/verify", body).await.problem().1, "code-wrong", "once");
    next.add("totp", "").await;
    let secret = next.get("/security-info/confirm").await.json()["secret"].as_str().unwrap().to_owned();
    let app = totp_rs::Builder::new()
        .with_secret(totp_rs::Secret::try_from_base32(&secret).unwrap())
        .build()
        .unwrap();
    let code = app.generate(world.now().as_seconds().unsigned_abs()).to_string();
    let list = next.confirm("totp", &code).await.json();
    assert_ne!(entry(&list, "totp")["usable_from"], entry(&list, "totp")["added_at"]);
}
