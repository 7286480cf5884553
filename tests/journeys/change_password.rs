//! The change of a known password: sign-in, one verified factor, and a new password.

use rekey_tests::fixtures::{AISYAH, NEW_PASSWORD, NEWCOMER, Person};
use rekey_tests::{Answer, Browser, SignIn, World};
use serde_json::json;

/// Signs in as a person who comes to change the password.
async fn sign_in(browser: &mut Browser, login: &str) -> Answer {
    let body = json!({ "login": login, "password": Person::PASSWORD, "next": "change-password" });
    browser.post("/security-info/sign-in", body).await
}

#[tokio::test]
async fn known_password_is_changed_after_one_step() {
    let world = World::new().await;
    let mut browser = world.browser();
    assert_eq!(sign_in(&mut browser, "aisyah").await.page(), "second-step");
    let verified = browser.second_step(&world.app_code(0)).await;
    assert_eq!((verified.page(), verified.json()["ready"].clone()), ("change-password".into(), json!(true)));
    assert_eq!(browser.get("/change-password").await.page(), "change-password");
    assert_eq!(browser.post("/change-password", json!({})).await.page(), "password");
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted);
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Wrong);
    let notice = world.notices().pop().expect("the change is notified");
    assert_eq!(notice.methods, [shared::domain::method::Method::Totp]);
    let list = browser.get("/security-info").await;
    assert_eq!(list.problem(), (410, "flow-ended".into()), "the change ends the session");
}

/// Controls: C-110.
#[tokio::test]
async fn password_alone_does_not_change_the_password() {
    let world = World::new().await;
    let mut browser = world.browser();
    sign_in(&mut browser, "aisyah").await;
    assert_eq!(browser.get("/change-password").await.page(), "second-step");
    assert_eq!(browser.post("/change-password", json!({})).await.problem(), (409, "out-of-step".into()));

    world.register(&NEWCOMER).await;
    let mut newcomer = world.browser();
    let page = sign_in(&mut newcomer, "newcomer").await;
    assert_eq!((page.page(), page.json()["ready"].clone()), ("change-password".into(), json!(false)));
    assert_eq!(newcomer.post("/change-password", json!({})).await.problem(), (409, "out-of-step".into()));

    let mut stranger = world.browser();
    assert_eq!(stranger.get("/change-password").await.page(), "sign-in");
    assert_eq!(stranger.post("/change-password", json!({})).await.problem(), (410, "flow-ended".into()));
}

/// Controls: C-110.
#[tokio::test]
async fn removed_factor_no_longer_changes_the_password() {
    let world = World::new().await;
    let mut browser = world.browser();
    sign_in(&mut browser, "aisyah").await;
    browser.second_step(&world.app_code(0)).await;
    let list = browser.get("/security-info").await.json();
    let entries = list["methods"].as_array().unwrap();
    let app = entries.iter().find(|entry| entry["kind"] == "totp").unwrap();
    browser.post("/security-info/remove", json!({ "id": app["id"] })).await;
    assert_eq!(browser.get("/change-password").await.json()["ready"], json!(false));
    assert_eq!(browser.post("/change-password", json!({})).await.problem(), (409, "out-of-step".into()));
}

/// Controls: C-110.
#[tokio::test]
async fn older_step_up_does_not_change_the_password() {
    let world = World::new().await;
    let mut browser = world.browser();
    sign_in(&mut browser, "aisyah").await;
    browser.second_step(&world.app_code(0)).await;
    world.clock.advance(601);
    assert_eq!(browser.get("/change-password").await.page(), "second-step");
    assert_eq!(browser.post("/change-password", json!({})).await.problem(), (409, "out-of-step".into()));
}

#[tokio::test]
async fn contact_verifies_the_change_until_it_is_replaced() {
    let world = World::new().await;
    let mut browser = world.browser();
    sign_in(&mut browser, "aisyah").await;
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    world.deliver().await;
    let code = world.last_code();
    let body = json!({ "method": "email", "code": code });
    assert_eq!(browser.post("/security-info/verify", body).await.page(), "change-password");
    browser.post("/change-password", json!({})).await;
    // The import replaces the mailbox that the code went to.
    let other = Person { alternate_email: Some("other@mail.example"), ..AISYAH };
    world.register(&other).await;
    world.clock.advance(100 * 3_600);
    assert_eq!(browser.password(NEW_PASSWORD).await.problem(), (410, "flow-ended".into()));
    assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Accepted);
}
