//! Evidence counts by factor and by age. Attacks count one factor twice; honest people must still succeed.

use std::sync::Arc;

use rekey_tests::fixtures::{AISYAH, NEW_NUMBER, NEW_PASSWORD, NEWCOMER, Person};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{Browser, Phone, World};
use serde_json::{Value, json};
use shared::domain::import::Overwrite;
use shared::domain::notice::Event;
use shared::domain::security_info::Kind;

use super::security_info::{
    app_code, entry, register, register_app, register_passkey, register_phone, register_sheet,
};

const MAIL: &str = "owner@mail.example";
const OWNER: Person = Person { alternate_email: Some(MAIL), mobile: Some("+60123457000"), ..NEWCOMER };
const WAIT: i64 = 72 * 3_600;

/// Signs in and verifies the second step by email.
async fn sign_in_by_mail(world: &Arc<World>, login: &str) -> Browser {
    let mut browser = world.browser();
    assert_eq!(browser.sign_in(login).await.page(), "second-step");
    verify_by_mail(world, &mut browser).await;
    browser
}

async fn verify_by_mail(world: &Arc<World>, browser: &mut Browser) -> Value {
    world.clock.advance(30);
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    let body = json!({ "method": "email", "code": world.last_code() });
    let list = browser.post("/security-info/verify", body).await;
    assert_eq!(list.page(), "security-info");
    list.json()
}

fn is_active(world: &World, list: &Value, kind: &str) -> bool {
    *entry(list, kind)["usable_from"].as_str().unwrap() <= *world.now().to_string()
}

/// Returns the enrolled methods that the first step of a reset offers.
async fn offered(world: &Arc<World>, login: &str) -> Vec<String> {
    let offers = world.browser().open(login, "forgotten").await.json()["methods"].clone();
    let offers = offers.as_array().unwrap().iter().map(|offer| offer["method"].as_str().unwrap().to_owned());
    offers.filter(|method| method != "pass").collect()
}

/// Controls: C-055.
#[tokio::test]
async fn same_mailbox_verified_twice_keeps_waiting_period() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut attacker = sign_in_by_mail(&world, "newcomer").await;
    let list = register(&world, &mut attacker, "mobile", NEW_NUMBER).await;
    assert!(!is_active(&world, &list, "mobile"));
    let list = verify_by_mail(&world, &mut attacker).await;
    assert!(!is_active(&world, &list, "mobile"), "the same mailbox again");
    let list = verify_by_mail(&world, &mut attacker).await;
    assert!(!is_active(&world, &list, "mobile"), "however often");

    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    reset.send_email().await;
    reset.code(&world.last_code()).await;
    assert_eq!(reset.send_phone("sms", NEW_NUMBER).await.problem().1, "contact-mismatch");
}

/// Controls: C-055.
#[tokio::test]
async fn new_session_keeps_waiting_period_of_another() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut attacker = sign_in_by_mail(&world, "newcomer").await;
    register(&world, &mut attacker, "mobile", NEW_NUMBER).await;
    attacker.post("/security-info/sign-out", json!({})).await;
    let mut attacker = sign_in_by_mail(&world, "newcomer").await;
    let list = verify_by_mail(&world, &mut attacker).await;
    assert!(!is_active(&world, &list, "mobile"));
}

/// Authenticators have a waiting period like contacts, and one waiting method can't end another's.
/// Controls: C-054.
#[tokio::test]
async fn authenticators_in_waiting_period_are_not_offered() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut attacker = sign_in_by_mail(&world, "newcomer").await;
    let list = register_app(&world, &mut attacker).await;
    assert!(!is_active(&world, &list, "totp"));
    register_passkey(&mut attacker, LOCALHOST_ORIGIN).await;
    register_phone(&world, &mut attacker, 1).await;
    register_sheet(&mut attacker).await;
    let list = verify_by_mail(&world, &mut attacker).await;
    for kind in ["totp", "passkey", "authenticator", "recovery_codes"] {
        assert!(!is_active(&world, &list, kind), "{kind}");
    }
    assert_eq!(offered(&world, "newcomer").await, ["email", "sms", "mobile_call"]);
}

/// Controls: C-054.
#[tokio::test]
async fn totp_in_waiting_period_is_unavailable() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut attacker = sign_in_by_mail(&world, "newcomer").await;
    let challenge = attacker.add("totp", "").await.json();
    attacker.confirm("totp", &app_code(&world, &challenge)).await;
    world.clock.advance(30);
    let refused = attacker.second_step(&app_code(&world, &challenge)).await;
    assert_eq!(refused.problem().1, "method-unavailable");
}

/// Controls: C-054.
#[tokio::test]
async fn removal_does_not_shorten_the_waiting_period() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut attacker = sign_in_by_mail(&world, "newcomer").await;
    attacker.post("/security-info/remove", json!({ "id": "mobile" })).await;
    let list = register(&world, &mut attacker, "mobile", NEW_NUMBER).await;
    assert!(
        !is_active(&world, &list, "mobile"),
        "the one factor left is verified, but another was just removed"
    );
    attacker.post("/security-info/remove", json!({ "id": "mobile" })).await;
    let mut attacker = sign_in_by_mail(&world, "newcomer").await;
    let list = register_app(&world, &mut attacker).await;
    assert!(!is_active(&world, &list, "totp"), "nor in another session");
}

/// Controls: C-054.
#[tokio::test]
async fn emptied_account_has_waiting_period_for_new_methods() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut attacker = sign_in_by_mail(&world, "newcomer").await;
    for id in ["mobile", "alternate_email"] {
        attacker.post("/security-info/remove", json!({ "id": id })).await;
    }
    let mut attacker = world.browser();
    assert_eq!(attacker.sign_in("newcomer").await.page(), "security-info");
    let list = register(&world, &mut attacker, "mobile", NEW_NUMBER).await;
    assert!(!is_active(&world, &list, "mobile"));
    let list = register_app(&world, &mut attacker).await;
    assert!(!is_active(&world, &list, "totp"));

    // The owner fills it again, waits, and resets.
    world.clock.advance(WAIT);
    assert_eq!(offered(&world, "newcomer").await, ["sms", "mobile_call", "totp"]);
}

/// A method serves after its waiting period, but one factor must be old if the account has an old one.
/// Controls: C-056.
#[tokio::test]
async fn reset_requires_an_old_factor_if_one_exists() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut attacker = sign_in_by_mail(&world, "newcomer").await;
    let challenge = attacker.add("totp", "").await.json();
    attacker.confirm("totp", &app_code(&world, &challenge)).await;
    let mut passkey = register_passkey(&mut attacker, LOCALHOST_ORIGIN).await;
    world.clock.advance(WAIT);

    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    let second = reset.totp(&app_code(&world, &challenge)).await;
    assert_eq!(second.page(), "method");
    let methods = second.json()["methods"].clone();
    let methods: Vec<&str> =
        methods.as_array().unwrap().iter().map(|offer| offer["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["email", "sms", "mobile_call", "pass"], "only old ones");
    let refused = reset.post("/code/send", json!({ "method": "passkey" })).await;
    assert_eq!(refused.problem().1, "method-unavailable");

    // After the same time again, both are old.
    world.clock.advance(WAIT);
    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    assert_eq!(reset.totp(&app_code(&world, &challenge)).await.page(), "method");
    let request = reset.post("/code/send", json!({ "method": "passkey" })).await.json();
    let assertion = passkey.answer(&request["options"], &rekey_tests::CeremonyOptions::at(LOCALHOST_ORIGIN));
    let body = json!({ "method": "passkey", "assertion": assertion });
    assert_eq!(reset.post("/code", body).await.page(), "password");
}

/// Controls: C-043.
#[tokio::test]
async fn same_number_in_two_columns_is_one_step() {
    let world = World::new().await;
    let number = Some("+60123457000");
    world.register(&Person { mobile: number, office_phone: number, ..NEWCOMER }).await;
    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    // This flow is a decoy's now: one factor is too few.
    reset.send_phone("sms", "+60123457000").await;
    world.deliver().await;
    assert!(world.dev_inbox.messages().is_empty(), "nothing was sent");

    world.register(&Person { login: "other", office_phone: OWNER.mobile, ..OWNER }).await;
    assert_eq!(offered(&world, "other").await, ["email", "sms", "mobile_call"], "shown once");
}

/// Controls: C-043.
#[tokio::test]
async fn number_that_moves_between_columns_verifies_once() {
    let world = World::new().await;
    let mut reset = world.browser();
    reset.open("aisyah", "forgotten").await;
    reset.send_phone("sms", AISYAH.mobile.unwrap()).await;
    assert_eq!(reset.code(&world.last_code()).await.page(), "method");
    // A nightly import moves the number from mobile to office phone.
    let moved = Person { mobile: None, office_phone: AISYAH.mobile, ..AISYAH };
    import(&world, &moved).await;
    let refused = reset.send_phone("office_call", AISYAH.mobile.unwrap()).await;
    assert_eq!(refused.problem().1, "method-unavailable");
}

/// Imports a person and returns the kinds whose contact is replaced.
async fn import(world: &World, person: &Person) -> Vec<Kind> {
    let (id, wait) = (person.account().id, world.settings.waiting_period);
    let decisions = world
        .contacts
        .import(&id, &person.registration(), None, Overwrite::Imported, wait, world.now())
        .await;
    decisions.unwrap().into_iter().filter(|(_, action)| action.replaces()).map(|(kind, _)| kind).collect()
}

/// Controls: C-054.
#[tokio::test]
async fn imported_contact_change_has_a_waiting_period() {
    let world = World::new().await;
    let changed = Person { mobile: Some(NEW_NUMBER), ..AISYAH };
    assert_eq!(import(&world, &changed).await, [Kind::Mobile]);
    let masks = async || {
        let offers = world.browser().open("aisyah", "forgotten").await.json()["methods"].clone();
        let mut offers = offers.as_array().unwrap().iter();
        offers.find(|offer| offer["method"] == "sms").unwrap()["masked"].clone()
    };
    assert_eq!(masks().await, "*****98", "the earlier number serves");
    for _ in 0..3 {
        // Importing the same file every night doesn't restart the waiting period.
        world.clock.advance(24 * 3_600);
        assert_eq!(import(&world, &changed).await, []);
    }
    assert_eq!(masks().await, "*****00", "after the wait the new one does");
}

/// Controls: C-054.
#[tokio::test]
async fn nightly_import_does_not_restart_waiting_periods() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut owner = sign_in_by_mail(&world, "newcomer").await;
    register_app(&world, &mut owner).await;
    for _ in 0..4 {
        world.clock.advance(24 * 3_600);
        assert_eq!(import(&world, &OWNER).await, []);
    }
    let mut owner = sign_in_by_mail(&world, "newcomer").await;
    let list = owner.get("/security-info").await.json();
    assert!(is_active(&world, &list, "totp") && is_active(&world, &list, "mobile"));
    assert_eq!(entry(&list, "mobile")["usable_from"], entry(&list, "mobile")["added_at"]);
}

/// Controls: C-054.
#[tokio::test]
async fn import_does_not_overwrite_enrolled_contacts() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut owner = sign_in_by_mail(&world, "newcomer").await;
    register(&world, &mut owner, "mobile", NEW_NUMBER).await;
    world.clock.advance(WAIT);
    assert_eq!(import(&world, &OWNER).await, []);
    let list = sign_in_by_mail(&world, "newcomer").await.get("/security-info").await.json();
    assert_eq!(entry(&list, "mobile")["masked"], "*****00");
}

/// Controls: C-054.
#[tokio::test]
async fn replaced_contact_works_until_successor_is_active() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut owner = sign_in_by_mail(&world, "newcomer").await;
    let list = register(&world, &mut owner, "mobile", NEW_NUMBER).await;
    assert_eq!(entry(&list, "mobile")["predecessor"], "*****00", "the number that serves until then");
    let list = register(&world, &mut owner, "mobile", "+60123458111").await;
    assert_eq!(entry(&list, "mobile")["predecessor"], "*****00", "not the one that never served");

    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    reset.send_email().await;
    reset.code(&world.last_code()).await;
    assert_eq!(reset.send_phone("sms", OWNER.mobile.unwrap()).await.page(), "code");
    assert_eq!(reset.code(&world.last_code()).await.page(), "password");
    assert_eq!(reset.password(NEW_PASSWORD).await.page(), "done");
    let notified: Vec<String> = world.notices().iter().filter(|n| n.event == Event::Reset).map(to).collect();
    assert!(notified.contains(&OWNER.mobile.unwrap().to_owned()), "{notified:?}");
    assert!(notified.contains(&"+60123458111".to_owned()), "{notified:?}");

    world.clock.advance(WAIT);
    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    assert_eq!(reset.send_phone("sms", OWNER.mobile.unwrap()).await.problem().1, "contact-mismatch");
    assert_eq!(reset.send_phone("sms", "+60123458111").await.page(), "code");
}

/// The owner removes an attacker's waiting contact and keeps the old one.
/// Controls: C-054.
#[tokio::test]
async fn removing_a_waiting_contact_restores_the_old_one() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut attacker = sign_in_by_mail(&world, "newcomer").await;
    register(&world, &mut attacker, "mobile", NEW_NUMBER).await;
    let mut owner = sign_in_by_mail(&world, "newcomer").await;
    let list = owner.post("/security-info/remove", json!({ "id": "mobile" })).await.json();
    assert_eq!(entry(&list, "mobile")["masked"], "*****00");
    world.clock.advance(WAIT);
    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    reset.send_email().await;
    reset.code(&world.last_code()).await;
    assert_eq!(reset.send_phone("sms", NEW_NUMBER).await.problem().1, "contact-mismatch");
    assert_eq!(reset.send_phone("sms", OWNER.mobile.unwrap()).await.page(), "code");
}

fn to(notice: &shared::domain::message::Notice) -> String {
    use shared::domain::message::Recipient;
    match &notice.to {
        Recipient::Email(address) => address.expose().to_owned(),
        Recipient::Sms(number) | Recipient::Voice(number) => number.expose().to_owned(),
    }
}

/// Controls: C-055.
#[tokio::test]
async fn two_old_factors_lift_the_waiting_period() {
    let world = World::new().await;
    for first in [true, false] {
        let mut browser = world.browser();
        browser.sign_in("aisyah").await;
        world.clock.advance(30);
        browser.second_step(&world.app_code(0)).await;
        if first {
            verify_by_mail(&world, &mut browser).await;
        }
        let number = if first { NEW_NUMBER } else { "+60123458111" };
        let list = register(&world, &mut browser, "mobile", number).await;
        assert_eq!(is_active(&world, &list, "mobile"), first);
        if !first {
            let list = verify_by_mail(&world, &mut browser).await;
            assert!(is_active(&world, &list, "mobile"));
        }
    }
}

/// Controls: C-055.
#[tokio::test]
async fn recovery_sheet_does_not_lift_waiting_period() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut owner = sign_in_by_mail(&world, "newcomer").await;
    let codes = register_sheet(&mut owner).await;
    world.clock.advance(3 * WAIT);
    let mut finder = sign_in_by_mail(&world, "newcomer").await;
    let body = json!({ "method": "recovery_code", "code": codes[0] });
    assert_eq!(finder.post("/security-info/verify", body).await.page(), "security-info");
    let list = register(&world, &mut finder, "mobile", NEW_NUMBER).await;
    assert!(!is_active(&world, &list, "mobile"));
}

#[tokio::test]
async fn person_with_one_imported_contact_enrols_immediately() {
    let world = World::new().await;
    world.register(&Person { alternate_email: Some(MAIL), ..NEWCOMER }).await;
    let mut fresher = sign_in_by_mail(&world, "newcomer").await;
    let list = register(&world, &mut fresher, "mobile", NEW_NUMBER).await;
    assert!(is_active(&world, &list, "mobile"));
    assert_eq!(list["capable"], true);
    let list = register_app(&world, &mut fresher).await;
    assert!(!is_active(&world, &list, "totp"), "by now there is enough");

    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    reset.send_phone("sms", NEW_NUMBER).await;
    assert_eq!(reset.code(&world.last_code()).await.page(), "method");
    reset.send_email().await;
    assert_eq!(reset.code(&world.last_code()).await.page(), "password");
}

/// Controls: C-055.
#[tokio::test]
async fn phone_added_with_only_totp_has_waiting_period() {
    let world = World::new().await;
    let mut owner = world.browser();
    owner.sign_in("aisyah").await;
    owner.second_step(&world.app_code(0)).await;
    let list = register(&world, &mut owner, "mobile", NEW_NUMBER).await;
    assert!(!is_active(&world, &list, "mobile"));
    // Half a session later the same app verifies the next step-up, but ends no waiting period.
    world.clock.advance(610);
    assert_eq!(owner.add("office_phone", "+60327317273").await.json()["page"], "second-step");
    let list = owner.second_step(&world.app_code(0)).await.json();
    assert!(!is_active(&world, &list, "mobile"));
    register(&world, &mut owner, "office_phone", "+60327317273").await;

    world.clock.advance(WAIT);
    let mut reset = world.browser();
    reset.open("aisyah", "forgotten").await;
    assert_eq!(reset.totp(&world.app_code(0)).await.page(), "method");
    assert_eq!(reset.send_phone("sms", NEW_NUMBER).await.page(), "code");
}

/// A device that was paired recently approves; the flow then requires an old factor.
/// Controls: C-056.
#[tokio::test]
async fn new_device_requires_an_old_second_factor() {
    let world = World::new().await;
    world.register(&OWNER).await;
    let mut owner = sign_in_by_mail(&world, "newcomer").await;
    let mut phone: Phone = register_phone(&world, &mut owner, 1).await;
    register_passkey(&mut owner, LOCALHOST_ORIGIN).await;
    world.clock.advance(WAIT);
    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    let challenge = reset.send_push().await.json();
    let request = phone.request().await;
    phone.approve(&request, challenge["number"].as_str().unwrap()).await;
    let second = reset.approved().await;
    assert_eq!(second.page(), "method");
    assert!(second.json()["methods"].as_array().unwrap().iter().all(|offer| offer["method"] != "passkey"));
}
