//! Passkeys, phones and recovery codes are registered, and serve from then on.

use rekey_tests::people::{NEW_PASSWORD, NEWCOMER};
use rekey_tests::world::ORIGIN;
use rekey_tests::{Browser, Passkey, Phone, Saying, World};
use serde_json::json;
use shared::domain::notice::Event;
use shared::domain::security_info::Kind;

use super::{aisyah, entry, kinds, register, token};

#[tokio::test]
async fn a_passkey_is_registered_and_resets_with_mail() {
    let world = World::with(&[("REKEY_PUBLIC_URL", ORIGIN)]).await;
    world.register(&NEWCOMER).await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    register(&world, &mut browser, "alternate_email", "new@mail.example").await;
    let asked = browser.add("passkey", "").await.json();
    assert_eq!(asked["page"], "confirm");
    let elsewhere = Passkey::create(&asked["options"], &Saying::at("https://evil.example")).1;
    let confirm = |assertion: String| json!({ "id": asked["id"], "assertion": assertion });
    let wrong = browser.clone().post("/security-info/confirm", confirm(elsewhere)).await;
    assert_eq!(wrong.problem().1, "code-wrong", "made on another site");
    let (mut passkey, made) = Passkey::create(&asked["options"], &Saying::at(ORIGIN));
    let list = browser.post("/security-info/confirm", confirm(made.clone())).await.json();
    assert_eq!(
        (kinds(&list), &list["capable"]),
        (vec!["alternate_email".into(), "passkey".into()], &json!(true))
    );
    let again = browser.clone().post("/security-info/confirm", confirm(made)).await;
    assert_eq!(again.problem(), (409, "out-of-step".into()), "once");

    // It opens the page the next time, and a reset.
    let mut next = world.browser();
    let options = next.sign_in("newcomer").await.json()["options"].clone();
    let body = json!({ "method": "passkey", "assertion": passkey.answer(&options, &Saying::at(ORIGIN)) });
    assert_eq!(next.post("/security-info/verify", body.clone()).await.page(), "security-info");
    let replay = next.post("/security-info/verify", body).await;
    assert_eq!(replay.problem().1, "code-wrong", "its challenge was another one");

    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    let options = reset.post("/code/send", json!({ "method": "passkey" })).await.json()["options"].clone();
    let assertion = passkey.answer(&options, &Saying::at(ORIGIN));
    assert_eq!(
        reset.post("/code", json!({ "method": "passkey", "assertion": assertion })).await.page(),
        "method"
    );
    reset.send_email().await;
    assert_eq!(reset.code(&world.last_code()).await.page(), "password");
    assert_eq!(reset.password(NEW_PASSWORD).await.page(), "done");
}

#[tokio::test]
async fn a_phone_is_paired_and_approves_a_second_step() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    let asked = browser.add("authenticator", "").await.json();
    let mut phone = Phone::new(&world, 1);
    let paired = phone.pair(&token(&asked)).await.json();
    let id = asked["id"].as_str().unwrap();
    assert_eq!(browser.clone().confirm(id, "000000").await.problem().1, "code-wrong");
    let list = browser.confirm(id, paired["code"].as_str().unwrap()).await.json();
    assert_eq!(entry(&list, "authenticator")["masked"], "Chrome, Android");
    let told = world.notices().iter().filter(|n| n.event == Event::Added(Kind::Authenticator)).count();
    assert!(told >= 4, "{told}");

    for (approves, page) in [(true, 200), (false, 410)] {
        let mut next = world.browser();
        next.sign_in("aisyah").await;
        let push = async |browser: &mut Browser| {
            browser.post("/security-info/verify", json!({ "method": "push" })).await
        };
        let number = push(&mut next).await.json()["number"].as_str().unwrap().to_owned();
        assert_eq!(push(&mut next).await.page(), "second-step", "nobody has answered yet");
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

#[tokio::test]
async fn recovery_codes_are_shown_until_they_are_kept_and_each_serves_once() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
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

    // Paper opens the page, but what it lets in waits, of whatever kind.
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
