//! Waiting periods: entries count at once, after some days, or after another verification.

use rekey_tests::World;
use rekey_tests::fixtures::{NEW_NUMBER, NEWCOMER, Person};
use serde_json::json;
use shared::domain::message::Recipient;
use shared::domain::notice::Event;
use shared::domain::security_info::Kind;

use super::{aisyah, app_code, entry, kinds, register, register_app};

/// Controls: C-054, C-063.
#[tokio::test]
async fn replacing_contact_has_waiting_period_and_is_notified() {
    let world = World::new().await;
    let mut open = world.browser();
    open.open("aisyah", "forgotten").await;
    let mut browser = aisyah(&world).await;
    let list = register(&world, &mut browser, "mobile", NEW_NUMBER).await;
    assert_ne!(entry(&list, "mobile")["usable_from"], entry(&list, "mobile")["added_at"]);
    assert_eq!(entry(&list, "mobile")["masked"], "*****00");

    let notified: Vec<String> = world
        .notices()
        .iter()
        .filter(|notice| notice.event == Event::Replaced(Kind::Mobile))
        .map(|notice| match &notice.to {
            Recipient::Email(address) => address.expose().to_owned(),
            Recipient::Sms(number) | Recipient::Voice(number) => number.expose().to_owned(),
        })
        .collect();
    for contact in ["+60123456798", NEW_NUMBER, "aisyah.rahman@mail.example"] {
        assert!(notified.iter().any(|to| to == contact), "{contact} was not notified: {notified:?}");
    }

    assert_eq!(open.send_phone("sms", "+60123456798").await.problem(), (410, "flow-ended".into()));
    let mask = async || {
        let methods = world.browser().open("aisyah", "forgotten").await.json()["methods"].clone();
        methods.as_array().unwrap().iter().find(|offer| offer["method"] == "sms").unwrap()["masked"].clone()
    };
    assert_eq!(mask().await, "*****98", "the earlier number serves");
    world.clock.advance(72 * 3_600);
    assert_eq!(mask().await, "*****00", "after 72 hours the new one does");
}

/// Controls: C-055.
#[tokio::test]
async fn second_verified_factor_lifts_the_waiting_period() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    register(&world, &mut browser, "mobile", NEW_NUMBER).await;
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    let body = json!({ "method": "email", "code": world.last_code() });
    let list = browser.post("/security-info/verify", body).await.json();
    assert_eq!(entry(&list, "alternate_email")["usable_from"], entry(&list, "alternate_email")["added_at"]);
    let usable_from = entry(&list, "mobile")["usable_from"].as_str().unwrap().to_owned();
    assert_eq!(usable_from, world.now().to_string());
}

/// Replacing the only contact must not leave the page to the password alone. The earlier number opens the page until
/// the new one does, but it ends no waiting period.
/// Controls: C-052.
#[tokio::test]
async fn sign_in_requires_replaced_number_during_waiting_period() {
    let world = World::with(&[("REKEY_STEPS", "1")]).await;
    world.register(&Person { mobile: Some("+60123457000"), ..NEWCOMER }).await;
    let mut owner = world.browser();
    assert_eq!(owner.sign_in("newcomer").await.page(), "second-step");
    owner.post("/security-info/verify", json!({ "method": "sms" })).await;
    let code = world.last_code();
    owner.post("/security-info/verify", json!({ "method": "sms", "code": code })).await;
    let list = register(&world, &mut owner, "mobile", NEW_NUMBER).await;
    assert_ne!(entry(&list, "mobile")["usable_from"], entry(&list, "mobile")["added_at"]);

    let mut attacker = world.browser();
    assert_eq!(attacker.sign_in("newcomer").await.page(), "second-step", "the password alone opens nothing");
    let refused = attacker.add("alternate_email", "stranger@mail.example").await;
    assert_eq!((refused.problem().0, refused.json()["page"].clone()), (409, json!("second-step")));

    let mut owner = world.browser();
    owner.sign_in("newcomer").await;
    owner.post("/security-info/verify", json!({ "method": "sms" })).await;
    let code = world.last_code();
    let list = owner.post("/security-info/verify", json!({ "method": "sms", "code": code })).await;
    assert_eq!(list.page(), "security-info");
    let list = register_app(&world, &mut owner).await;
    for kind in ["mobile", "totp"] {
        assert_ne!(entry(&list, kind)["usable_from"], entry(&list, kind)["added_at"], "{kind}");
    }
}

/// A person whose only number is unreachable gets in and enrols another. It doesn't count before the notified
/// contacts have had time to react.
/// Controls: C-054.
#[tokio::test]
async fn unusable_contacts_allow_enrolment_with_waiting_period() {
    let world = World::new().await;
    world.register(&Person { mobile: Some("+6591234567"), ..NEWCOMER }).await;
    let mut browser = world.browser();
    assert_eq!(browser.sign_in("newcomer").await.page(), "security-info");
    let list = register_app(&world, &mut browser).await;
    assert_ne!(entry(&list, "totp")["usable_from"], entry(&list, "totp")["added_at"]);
}

/// An attacker who got in once can't end a new contact's waiting period with a new TOTP app.
/// Controls: C-055.
#[tokio::test]
async fn newly_added_method_does_not_lift_waiting_periods() {
    let world = World::new().await;
    world.register(&Person { alternate_email: Some("owner@mail.example"), ..NEWCOMER }).await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    let code = world.last_code();
    browser.post("/security-info/verify", json!({ "method": "email", "code": code })).await;
    let challenge = browser.add("totp", "").await.json();
    let list = browser.confirm("totp", &app_code(&world, &challenge)).await.json();
    assert_eq!(entry(&list, "totp")["usable_from"], entry(&list, "totp")["added_at"]);
    register(&world, &mut browser, "mobile", NEW_NUMBER).await;
    world.clock.advance(30);
    let list = browser.second_step(&app_code(&world, &challenge)).await.json();
    assert_eq!(list["page"], "security-info", "it is a second step");
    assert_ne!(entry(&list, "mobile")["usable_from"], world.now().to_string(), "but lifts nothing");
}

/// An emptied list doesn't count as a new account, even if its person emptied it.
/// Controls: C-054.
#[tokio::test]
async fn emptying_the_list_keeps_the_waiting_period() {
    let world = World::new().await;
    world.register(&Person { mobile: Some("+6591234567"), ..NEWCOMER }).await;
    for login in ["aisyah", "newcomer"] {
        let mut browser = if login == "aisyah" { aisyah(&world).await } else { world.browser() };
        browser.sign_in(login).await;
        if login == "aisyah" {
            world.clock.advance(30);
            browser.second_step(&world.app_code(0)).await;
        }
        let list = browser.get("/security-info").await.json();
        for kind in kinds(&list) {
            browser.post("/security-info/remove", json!({ "id": kind })).await;
        }
        let mut again = world.browser();
        let list = again.sign_in(login).await;
        assert_eq!(
            (list.page(), list.json()["methods"].clone()),
            ("security-info".into(), json!([])),
            "{login}"
        );
        let list = register(&world, &mut again, "alternate_email", "stranger@mail.example").await;
        let mail = entry(&list, "alternate_email");
        assert_ne!(mail["usable_from"], mail["added_at"], "{login}");
    }
}

/// A contact added with the password alone doesn't lock others out during its waiting period.
/// Controls: C-052.
#[tokio::test]
async fn unverified_contact_requires_no_second_step() {
    let world = World::new().await;
    world.register(&Person { mobile: Some("+6591234567"), ..NEWCOMER }).await;
    let mut attacker = world.browser();
    attacker.sign_in("newcomer").await;
    register(&world, &mut attacker, "alternate_email", "stranger@mail.example").await;
    let mut owner = world.browser();
    assert_eq!(owner.sign_in("newcomer").await.page(), "security-info");
    let list = owner.post("/security-info/remove", json!({ "id": "alternate_email" })).await.json();
    assert_eq!(kinds(&list), ["mobile"]);
}

#[tokio::test]
async fn zero_waiting_period_activates_contacts_immediately() {
    let world = World::with(&[("REKEY_COOL_DOWN_HOURS", "0")]).await;
    let mut browser = aisyah(&world).await;
    let list = register(&world, &mut browser, "mobile", NEW_NUMBER).await;
    assert_eq!(entry(&list, "mobile")["usable_from"], entry(&list, "mobile")["added_at"]);
}

/// Controls: C-025.
#[tokio::test]
async fn failed_lift_of_waiting_period_can_be_retried() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    register(&world, &mut browser, "mobile", NEW_NUMBER).await;
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    let verification = json!({ "method": "email", "code": world.last_code() });
    world.fail_calls("enrolment", "dynamodb:UpdateItem", "SecurityInfoTable");
    assert_eq!(browser.post("/security-info/verify", verification.clone()).await.status, 503);
    world.clear_faults();
    let list = browser.post("/security-info/verify", verification).await;
    assert_eq!(list.page(), "security-info");
    assert_eq!(entry(&list.json(), "mobile")["usable_from"], world.now().to_string());
}
