//! The list of enrolled entries: its content, and the effect of removing one.

use rekey_tests::fixtures::{AISYAH, NEW_NUMBER, NEW_PASSWORD, NEWCOMER, Person};
use rekey_tests::{SignIn, World};
use serde_json::json;
use shared::domain::notice::Event;
use shared::domain::security_info::Kind;

use super::{aisyah, app_code, entry, kinds, register, world};

#[tokio::test]
async fn newly_enrolled_person_can_reset_immediately() {
    let world = world().await;
    let mut browser = world.browser();
    let list = browser.sign_in("newcomer").await;
    assert_eq!(list.page(), "security-info", "there is nothing yet to verify a second step with");

    register(&world, &mut browser, "alternate_email", "new@mail.example").await;
    register(&world, &mut browser, "mobile", "012-345 9900").await;
    let challenge = browser.add("totp", "").await.json();
    assert_eq!(challenge["page"], "confirm");
    let code = app_code(&world, &challenge);
    assert!(
        challenge["otpauth"]
            .as_str()
            .unwrap()
            .starts_with("otpauth://totp/Universiti%20Contoh:newcomer?secret=")
    );
    assert!(challenge["qr"].as_str().unwrap().starts_with("<svg"));
    let list = browser.confirm("totp", &code).await.json();
    assert_eq!(kinds(&list), ["alternate_email", "mobile", "totp"]);
    assert_eq!(list["capable"], true);
    assert_eq!(
        entry(&list, "mobile")["usable_from"],
        entry(&list, "mobile")["added_at"],
        "the first ones count at once"
    );

    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    assert_eq!(
        reset.totp(&code).await.problem().1,
        "code-wrong",
        "the code that enrolled the app verifies nothing"
    );
    reset.send_email().await;
    assert_eq!(reset.code(&world.last_code()).await.page(), "method");
    reset.send_phone("sms", NEW_NUMBER).await;
    assert_eq!(reset.code(&world.last_code()).await.page(), "password");
    assert_eq!(reset.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(world.sign_in("newcomer", NEW_PASSWORD).await, SignIn::Accepted);
}

/// The page predicts whether page 1 of a reset would succeed.
/// Controls: C-061.
#[tokio::test]
async fn person_without_usable_factors_is_not_capable() {
    let world = World::new().await;
    world.register(&Person { mobile: Some("+6591234567"), totp: true, ..NEWCOMER }).await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    let list = browser.second_step(&world.app_code(0)).await.json();
    assert_eq!(
        (&list["registered"], &list["capable"]),
        (&json!(false), &json!(false)),
        "the number is of no use"
    );
}

/// Controls: C-076.
#[tokio::test]
async fn enrolment_changes_are_limited_per_day() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    for _ in 0..24 {
        assert_eq!(browser.add("totp", "").await.page(), "confirm");
    }
    let refused = browser.add("totp", "").await;
    assert_eq!(refused.problem(), (429, "slow-down".into()), "three fifths of the forty to one network");
    assert_eq!(refused.header("retry-after"), Some("86400"));
    assert_eq!(browser.post("/security-info/remove", json!({ "id": "totp" })).await.problem().0, 429);
    let mut elsewhere = browser.clone().from_address([10, 0, 0, 1]);
    for _ in 0..16 {
        assert_eq!(elsewhere.add("totp", "").await.page(), "confirm");
    }
    assert_eq!(elsewhere.add("totp", "").await.problem(), (429, "slow-down".into()));
}

/// Controls: C-040, C-063.
#[tokio::test]
async fn contact_removal_ends_open_resets() {
    let world = World::new().await;
    let mut reset = world.browser();
    reset.verify_both_steps("forgotten").await;
    let mut browser = aisyah(&world).await;
    let list = browser.post("/security-info/remove", json!({ "id": "mobile" })).await.json();
    assert!(!kinds(&list).contains(&"mobile".to_owned()));
    assert_eq!(reset.password(NEW_PASSWORD).await.problem(), (410, "flow-ended".into()));
    let removed =
        world.notices().iter().filter(|notice| notice.event == Event::Removed(Kind::Mobile)).count();
    assert!(removed >= 4, "the removed one is notified too: {removed}");
    let again = browser.post("/security-info/remove", json!({ "id": "mobile" })).await;
    assert_eq!(again.page(), "security-info", "a double click");
}

#[tokio::test]
async fn list_review_is_due_after_180_days() {
    let world = World::new().await;
    world.clock.advance(180 * 86_400);
    let mut browser = aisyah(&world).await;
    assert_eq!(browser.get("/security-info").await.json()["due"], true);
    assert_eq!(browser.post("/security-info/reconfirm", json!({})).await.json()["due"], false);
    assert_eq!(browser.get("/security-info").await.json()["due"], false);
}

/// Whole contacts need a step-up. Where none is possible, the list opens with the password alone: it has masks.
/// Controls: C-052.
#[tokio::test]
async fn due_list_shows_whole_contacts_after_a_step_up_only() {
    let world = World::with(&[("REKEY_METHODS", "email,sms,totp")]).await;
    world.clock.advance(180 * 86_400);
    let number = &AISYAH.office_phone.unwrap()[3..];
    let mut browser = aisyah(&world).await;
    let page = browser.html("/security-info").await;
    assert!(page.contains("/security-info/reconfirm") && page.contains(number), "{page}");

    let office_only =
        Person { login: "newcomer", mobile: None, alternate_email: None, totp: false, ..AISYAH };
    world.register(&office_only).await;
    world.clock.advance(180 * 86_400);
    let mut browser = world.browser();
    assert_eq!(browser.sign_in("newcomer").await.page(), "security-info", "no step-up is possible");
    let page = browser.html("/security-info").await;
    assert!(page.contains("/security-info/reconfirm"), "{page}");
    assert!(!page.contains(number), "{page}");
}
