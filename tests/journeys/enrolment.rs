//! The page where people register: who gets in, what counts when, and who is told.

use std::sync::Arc;

use rekey_tests::people::{AISYAH, Person};
use rekey_tests::{Browser, Passkey, Phone, Saying, World};
use serde_json::{Value, json};
use shared::domain::message::{Message, Recipient};
use shared::domain::notice::Event;
use shared::domain::pairing::PairingToken;
use shared::domain::security_info::Kind;
use shared::ports::SignIn;

/// Somebody who has registered nothing yet.
const NEWCOMER: Person = Person {
    login: "newcomer",
    alternate_email: None,
    mobile: None,
    office_phone: None,
    totp: false,
    ..AISYAH
};
const NUMBER: &str = "+60123459900";
const NEW: &str = "Kancil-Lompat-42!";

async fn world() -> Arc<World> {
    let world = World::new().await;
    world.register(&NEWCOMER).await;
    world
}

fn kinds(list: &Value) -> Vec<String> {
    let entries = list["methods"].as_array().unwrap();
    entries.iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
}

fn entry<'a>(list: &'a Value, kind: &str) -> &'a Value {
    let found = list["methods"].as_array().unwrap().iter().find(|entry| entry["kind"] == kind);
    found.unwrap_or_else(|| panic!("{kind} is not registered: {list}"))
}

/// Aisyah, signed in with both steps.
async fn aisyah(world: &Arc<World>) -> Browser {
    let mut browser = world.browser();
    assert_eq!(browser.sign_in("aisyah").await.page(), "second-step");
    assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
    browser
}

/// A contact, added and confirmed.
async fn register(world: &World, browser: &mut Browser, kind: &str, value: &str) -> Value {
    let asked = browser.add(kind, value).await;
    assert_eq!(asked.page(), "confirm", "{kind}");
    let answer = browser.confirm(kind, &world.last_code()).await;
    assert_eq!(answer.page(), "security-info", "{kind}");
    answer.json()
}

/// The code of the app that is about to be added.
fn app_code(world: &World, asked: &Value) -> String {
    let secret = totp_rs::Secret::try_from_base32(asked["secret"].as_str().unwrap()).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    app.generate(world.now().as_seconds().unsigned_abs()).to_string()
}

/// A code app, added and confirmed.
async fn register_app(world: &World, browser: &mut Browser) -> Value {
    let asked = browser.add("totp", "").await.json();
    let answer = browser.confirm("totp", &app_code(world, &asked)).await;
    assert_eq!(answer.page(), "security-info");
    answer.json()
}

#[tokio::test]
async fn a_newcomer_registers_everything_and_can_reset_at_once() {
    let world = world().await;
    let mut browser = world.browser();
    let list = browser.sign_in("newcomer").await;
    assert_eq!(list.page(), "security-info", "there is nothing yet to prove a second step with");
    assert_eq!(list.json()["registered"], false);
    assert_eq!(list.json()["methods"], json!([]));

    register(&world, &mut browser, "alternate_email", "new@mail.example").await;
    register(&world, &mut browser, "mobile", "012-345 9900").await;
    let asked = browser.add("totp", "").await.json();
    assert_eq!(asked["page"], "confirm");
    let code = app_code(&world, &asked);
    assert!(
        asked["otpauth"].as_str().unwrap().starts_with("otpauth://totp/Universiti%20Contoh:newcomer?secret=")
    );
    assert!(asked["qr"].as_str().unwrap().starts_with("<svg"));
    let list = browser.confirm("totp", &code).await.json();
    assert_eq!(kinds(&list), ["alternate_email", "mobile", "totp"]);
    assert_eq!(
        (&list["registered"], &list["capable"], &list["due"]),
        (&json!(true), &json!(true), &json!(false))
    );
    assert_eq!(entry(&list, "mobile")["masked"], "*****00");
    assert_eq!(
        entry(&list, "mobile")["usable_from"],
        entry(&list, "mobile")["added_at"],
        "the first ones count at once"
    );

    let mut reset = world.browser();
    reset.open("newcomer", "forgotten").await;
    assert_eq!(reset.totp(&code).await.problem().1, "code-wrong", "what registered the app is no proof");
    reset.send_email().await;
    assert_eq!(reset.code(&world.last_code()).await.page(), "method");
    reset.send_phone("sms", NUMBER).await;
    assert_eq!(reset.code(&world.last_code()).await.page(), "password");
    assert_eq!(reset.password(NEW).await.page(), "done");
    assert_eq!(world.sign_in("newcomer", NEW).await, SignIn::Accepted);
}

#[tokio::test]
async fn a_sign_in_that_fails_does_not_tell_why() {
    let world = World::new().await;
    let mut problems = Vec::new();
    for (login, password) in
        [("aisyah", "Wrong-Password-1"), ("nobody", Person::PASSWORD), ("daniel", Person::PASSWORD)]
    {
        let body = json!({ "login": login, "password": password });
        problems.push(world.browser().post("/security-info/sign-in", body).await);
    }
    let first = problems[0].json();
    assert!(problems.iter().all(|problem| problem.status == 422 && problem.json() == first), "{first}");
    assert_eq!(first["code"], "sign-in-wrong");
}

/// The directory's lockout holds here as well, and a reset lifts it.
#[tokio::test]
async fn the_unlock_path_lifts_a_lockout() {
    let world = World::new().await;
    for _ in 0..5 {
        let _ = world.sign_in("aisyah", "Wrong-Password-1").await;
    }
    assert_eq!(world.browser().sign_in("aisyah").await.problem(), (422, "sign-in-wrong".into()));
    let mut browser = world.browser();
    browser.prove_both("locked").await;
    assert_eq!(browser.post("/unlock", json!({})).await.page(), "done");
    assert_eq!(world.browser().sign_in("aisyah").await.page(), "second-step");
}

#[tokio::test]
async fn the_password_alone_shows_and_changes_nothing() {
    let world = World::new().await;
    let mut browser = world.browser();
    let answer = browser.sign_in("aisyah").await;
    assert_eq!(answer.page(), "second-step");
    assert!(answer.json().get("registered").is_none());
    assert_eq!(browser.get("/security-info").await.page(), "second-step");
    for (path, body) in [
        ("/security-info/add", json!({ "kind": "mobile", "value": NUMBER })),
        ("/security-info/confirm", json!({ "id": "mobile", "code": "12345678" })),
        ("/security-info/remove", json!({ "id": "mobile" })),
        ("/security-info/reconfirm", json!({})),
    ] {
        let answer = browser.clone().post(path, body).await;
        assert_eq!(answer.problem(), (409, "out-of-step".into()), "{path}");
        assert_eq!(answer.json()["page"], "second-step");
    }
    assert!(world.messages().is_empty());
}

#[tokio::test]
async fn without_a_session_there_is_only_the_sign_in() {
    let world = World::new().await;
    assert_eq!(world.browser().get("/security-info").await.page(), "sign-in");
    for path in ["verify", "add", "confirm", "remove", "reconfirm"] {
        let answer = world.browser().post(&format!("/security-info/{path}"), json!({})).await;
        assert_eq!(answer.problem(), (410, "flow-ended".into()), "{path}");
    }
    let mut browser = aisyah(&world).await;
    let before = browser.clone();
    browser.post("/security-info/sign-out", json!({})).await;
    assert_eq!(browser.get("/security-info").await.page(), "sign-in");
    assert_eq!(before.clone().get("/security-info").await.page(), "sign-in", "the old cookie opens nothing");
}

#[tokio::test]
async fn a_second_step_can_be_a_code_that_was_sent() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    let sent = browser.post("/security-info/verify", json!({ "method": "sms" })).await.json();
    assert_eq!((&sent["page"], &sent["sent"]["masked"]), (&json!("second-step"), &json!("*****98")));
    let code = world.last_code();
    let other = browser.post("/security-info/verify", json!({ "method": "email", "code": code })).await;
    assert_eq!(other.problem().1, "code-spent", "it was not sent by mail");
    let answer = browser.post("/security-info/verify", json!({ "method": "sms", "code": code })).await;
    assert_eq!(answer.page(), "security-info");
    let again = browser.clone().post("/security-info/verify", json!({ "method": "sms", "code": code })).await;
    assert_eq!(again.problem().1, "code-spent", "once");
}

#[tokio::test]
async fn an_app_code_of_a_session_serves_no_reset_and_the_other_way_round() {
    let world = World::new().await;
    let code = world.app_code(0);
    let mut browser = aisyah(&world).await;
    browser.post("/security-info/sign-out", json!({})).await;
    let mut reset = world.browser();
    reset.open("aisyah", "forgotten").await;
    assert_eq!(reset.totp(&code).await.problem().1, "code-wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_guesses_at_once_few_are_looked_at() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    let right = world.last_code();
    let wrong = if right == "00000000" { "11111111" } else { "00000000" };
    let mut tasks = Vec::new();
    for _ in 0..40 {
        let mut browser = browser.clone();
        tasks.push(tokio::spawn(async move {
            browser
                .post("/security-info/verify", json!({ "method": "email", "code": wrong }))
                .await
                .problem()
                .1
        }));
    }
    let mut looks = 0;
    for task in tasks {
        looks += usize::from(task.await.unwrap() == "code-wrong");
    }
    assert!(looks <= 5, "{looks}");
    for _ in 0..6 {
        browser.clone().post("/security-info/verify", json!({ "method": "email", "code": wrong })).await;
    }
    let answer =
        browser.clone().post("/security-info/verify", json!({ "method": "email", "code": right })).await;
    assert_ne!(answer.status, 200, "its tries are used up");
}

#[tokio::test]
async fn a_change_needs_a_second_step_of_the_last_ten_minutes() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    world.clock.advance(599);
    assert_eq!(browser.clone().add("mobile", NUMBER).await.page(), "confirm");
    world.clock.advance(1);
    let answer = browser.add("office_phone", NUMBER).await;
    assert_eq!((answer.problem().0, answer.json()["page"].clone()), (409, json!("second-step")));
    assert_eq!(browser.get("/security-info").await.page(), "security-info", "it can still be seen");
    assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info");
    assert_eq!(browser.add("office_phone", "+60387654321").await.page(), "confirm");
    world.clock.advance(300);
    assert_eq!(browser.get("/security-info").await.page(), "sign-in", "fifteen minutes are all");
}

#[tokio::test]
async fn a_contact_that_replaces_another_waits_and_everybody_is_told() {
    let world = World::new().await;
    let mut open = world.browser();
    open.open("aisyah", "forgotten").await;
    let mut browser = aisyah(&world).await;
    let list = register(&world, &mut browser, "mobile", NUMBER).await;
    assert_ne!(entry(&list, "mobile")["usable_from"], entry(&list, "mobile")["added_at"]);
    assert_eq!(entry(&list, "mobile")["masked"], "*****00");

    let told: Vec<String> = world
        .notices()
        .iter()
        .filter(|notice| notice.event == Event::Added(Kind::Mobile))
        .map(|notice| match &notice.to {
            Recipient::Email(address) => address.expose().to_owned(),
            Recipient::Sms(number) | Recipient::Voice(number) => number.expose().to_owned(),
        })
        .collect();
    for contact in ["+60123456798", NUMBER, "aisyah.rahman@mail.example"] {
        assert!(told.iter().any(|to| to == contact), "{contact} was not told: {told:?}");
    }

    assert_eq!(open.send_phone("sms", "+60123456798").await.problem(), (410, "flow-ended".into()));
    let offers = async || {
        let methods = world.browser().open("aisyah", "forgotten").await.json()["methods"].clone();
        methods.as_array().unwrap().iter().any(|offer| offer["method"] == "sms")
    };
    assert!(!offers().await, "not yet");
    world.clock.advance(72 * 3_600);
    assert!(offers().await, "after 72 hours it counts");
}

#[tokio::test]
async fn another_proof_lets_a_new_contact_count_at_once() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    register(&world, &mut browser, "mobile", NUMBER).await;
    let own = browser.clone().post("/security-info/verify", json!({ "method": "sms" })).await;
    assert_eq!(own.problem().1, "method-unavailable", "it can't vouch for itself");
    world.clock.advance(30);
    let list = browser.second_step(&world.app_code(0)).await.json();
    assert_eq!(entry(&list, "alternate_email")["usable_from"], entry(&list, "alternate_email")["added_at"]);
    let usable_from = entry(&list, "mobile")["usable_from"].as_str().unwrap().to_owned();
    assert_eq!(usable_from, world.now().to_string());
}

/// Who changes the only thing that is registered does not leave the door to the password alone: the new number opens the
/// page, but vouches for nothing.
#[tokio::test]
async fn a_changed_number_guards_the_page_while_it_waits() {
    let world = World::new().await;
    world.register(&Person { mobile: Some("+60123457000"), ..NEWCOMER }).await;
    let mut owner = world.browser();
    assert_eq!(owner.sign_in("newcomer").await.page(), "second-step");
    owner.post("/security-info/verify", json!({ "method": "sms" })).await;
    let code = world.last_code();
    owner.post("/security-info/verify", json!({ "method": "sms", "code": code })).await;
    let list = register(&world, &mut owner, "mobile", NUMBER).await;
    assert_ne!(entry(&list, "mobile")["usable_from"], entry(&list, "mobile")["added_at"]);

    let mut stranger = world.browser();
    assert_eq!(stranger.sign_in("newcomer").await.page(), "second-step", "the password alone opens nothing");
    let refused = stranger.add("alternate_email", "stranger@mail.example").await;
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

/// Whose only number can't be reached any more gets in and mends it, but nothing that they add counts before everybody
/// who is told has had time to act.
#[tokio::test]
async fn what_can_prove_nothing_opens_the_page_but_what_is_added_waits() {
    let world = World::new().await;
    world.register(&Person { mobile: Some("+6591234567"), ..NEWCOMER }).await;
    let mut browser = world.browser();
    assert_eq!(browser.sign_in("newcomer").await.page(), "security-info");
    let list = register_app(&world, &mut browser).await;
    assert_ne!(entry(&list, "totp")["usable_from"], entry(&list, "totp")["added_at"]);
}

/// A code that was tricked out of somebody proves once.
#[tokio::test]
async fn one_code_of_the_app_proves_once_in_a_session() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    register(&world, &mut browser, "mobile", NUMBER).await;
    let again = browser.second_step(&world.app_code(0)).await;
    assert_eq!(again.problem(), (422, "code-wrong".into()));
}

/// Whoever got in once can't let their own contact count by their own app.
#[tokio::test]
async fn what_was_added_a_moment_ago_lifts_no_wait() {
    let world = World::new().await;
    world.register(&Person { alternate_email: Some("owner@mail.example"), ..NEWCOMER }).await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    let code = world.last_code();
    browser.post("/security-info/verify", json!({ "method": "email", "code": code })).await;
    let asked = browser.add("totp", "").await.json();
    let list = browser.confirm("totp", &app_code(&world, &asked)).await.json();
    assert_eq!(entry(&list, "totp")["usable_from"], entry(&list, "totp")["added_at"]);
    register(&world, &mut browser, "mobile", NUMBER).await;
    world.clock.advance(30);
    let list = browser.second_step(&app_code(&world, &asked)).await.json();
    assert_eq!(list["page"], "security-info", "it is a second step");
    assert_ne!(entry(&list, "mobile")["usable_from"], world.now().to_string(), "but lifts nothing");
}

/// A list that was emptied is no beginning, whoever emptied it.
#[tokio::test]
async fn emptying_the_list_does_not_end_the_wait() {
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

/// What somebody added by the password alone keeps nobody else out of the page while it waits.
#[tokio::test]
async fn a_contact_that_nothing_proved_does_not_guard_the_page() {
    let world = World::new().await;
    world.register(&Person { mobile: Some("+6591234567"), ..NEWCOMER }).await;
    let mut stranger = world.browser();
    stranger.sign_in("newcomer").await;
    register(&world, &mut stranger, "alternate_email", "stranger@mail.example").await;
    let mut owner = world.browser();
    assert_eq!(owner.sign_in("newcomer").await.page(), "security-info");
    let list = owner.post("/security-info/remove", json!({ "id": "alternate_email" })).await.json();
    assert_eq!(kinds(&list), ["mobile"]);
}

/// The page says what page 1 of a reset will do.
#[tokio::test]
async fn whoever_cannot_reset_is_not_told_that_they_can() {
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

#[tokio::test]
async fn changes_are_bounded_in_a_day() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    for _ in 0..40 {
        assert_eq!(browser.add("totp", "").await.page(), "confirm");
    }
    let refused = browser.add("totp", "").await;
    assert_eq!(refused.problem(), (429, "slow-down".into()));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(browser.post("/security-info/remove", json!({ "id": "totp" })).await.problem().0, 429);
}

#[tokio::test]
async fn without_a_cool_down_everything_counts_at_once() {
    let world = World::with(&[("REKEY_COOL_DOWN_HOURS", "0")]).await;
    let mut browser = aisyah(&world).await;
    let list = register(&world, &mut browser, "mobile", NUMBER).await;
    assert_eq!(entry(&list, "mobile")["usable_from"], entry(&list, "mobile")["added_at"]);
}

#[tokio::test]
async fn what_is_removed_proves_nothing_any_more() {
    let world = World::new().await;
    let mut reset = world.browser();
    reset.prove_both("forgotten").await;
    let mut browser = aisyah(&world).await;
    let list = browser.post("/security-info/remove", json!({ "id": "mobile" })).await.json();
    assert!(!kinds(&list).contains(&"mobile".to_owned()));
    assert_eq!(reset.password(NEW).await.problem(), (410, "flow-ended".into()));
    let removed =
        world.notices().iter().filter(|notice| notice.event == Event::Removed(Kind::Mobile)).count();
    assert!(removed >= 4, "the removed one is told too: {removed}");
    let again = browser.post("/security-info/remove", json!({ "id": "mobile" })).await;
    assert_eq!(again.page(), "security-info", "a double click");
}

#[tokio::test]
async fn a_reset_ends_the_sessions_that_were_open() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    let mut reset = world.browser();
    reset.prove_both("forgotten").await;
    assert_eq!(reset.password(NEW).await.page(), "done");
    assert_eq!(browser.clone().add("mobile", NUMBER).await.problem(), (410, "flow-ended".into()));
    assert_eq!(browser.post("/security-info/remove", json!({ "id": "totp" })).await.problem().0, 410);
}

/// Whoever knew the password while nothing was registered has proved no second step: their session ends with the
/// owner's first entry.
#[tokio::test]
async fn a_session_from_before_the_first_entry_ends_with_it() {
    let world = world().await;
    let mut stranger = world.browser();
    assert_eq!(stranger.sign_in("newcomer").await.page(), "security-info");
    let mut owner = world.browser();
    owner.sign_in("newcomer").await;
    register(&world, &mut owner, "mobile", NUMBER).await;
    let answer = stranger.add("alternate_email", "stranger@mail.example").await;
    assert_eq!(answer.problem(), (410, "flow-ended".into()));
    let list = register(&world, &mut owner, "alternate_email", "new@mail.example").await;
    assert_eq!(kinds(&list), ["alternate_email", "mobile"], "the owner's own goes on");
}

#[tokio::test]
async fn what_the_password_protects_and_where_nobody_sends_is_refused() {
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

#[tokio::test]
async fn a_code_confirms_what_it_was_sent_to_and_nothing_else() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    browser.add("mobile", NUMBER).await;
    let code = world.last_code();
    assert_eq!(browser.clone().confirm("office_phone", &code).await.problem(), (409, "out-of-step".into()));
    // Another number asked for meanwhile: the first one's code is of no use for it.
    world.clock.advance(30);
    browser.add("mobile", "+60123459911").await;
    assert_eq!(browser.clone().confirm("mobile", &code).await.problem().1, "code-wrong");
    let other = world.browser().sign_in("newcomer").await;
    assert_eq!(other.json()["methods"], json!([]), "nothing counts before it is confirmed");
}

#[tokio::test]
async fn two_confirmations_at_once_make_one_entry() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    browser.add("mobile", NUMBER).await;
    let code = world.last_code();
    let (mut one, mut two) = (browser.clone(), browser.clone());
    let (one, two) = tokio::join!(one.confirm("mobile", &code), two.confirm("mobile", &code));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(kinds(&browser.get("/security-info").await.json()), ["mobile"]);
}

#[tokio::test]
async fn a_mobile_is_proved_by_a_call_where_one_asks_for_it() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    let body = json!({ "kind": "mobile", "value": NUMBER, "by": "call" });
    assert_eq!(browser.post("/security-info/add", body).await.page(), "confirm");
    let called = world
        .messages()
        .into_iter()
        .any(|message| matches!(message, Message::Code(code) if matches!(code.to, Recipient::Voice(_))));
    assert!(called);
}

#[tokio::test]
async fn codes_are_bounded_over_sessions() {
    let world = world().await;
    let mut sent = 0;
    for session in 0..4 {
        let mut browser = world.browser();
        browser.sign_in("newcomer").await;
        for n in 0..12 {
            world.clock.advance(30);
            let number = format!("+6012345{session}{n:03}");
            sent += usize::from(browser.add("mobile", &number).await.status == 200);
        }
        world.clock.advance(3_600);
    }
    assert_eq!(sent, 20, "ten in a session, twenty in a day");
}

#[tokio::test]
async fn after_half_a_year_one_is_asked_to_look_again() {
    let world = World::new().await;
    world.clock.advance(180 * 86_400);
    let mut browser = aisyah(&world).await;
    assert_eq!(browser.get("/security-info").await.json()["due"], true);
    assert_eq!(browser.post("/security-info/reconfirm", json!({})).await.json()["due"], false);
    assert_eq!(browser.get("/security-info").await.json()["due"], false);
}

#[tokio::test]
async fn a_portal_gets_people_back_with_the_state() {
    let world = World::with(&[("REKEY_RETURN_URLS", "https://portal.contoh.example/me/")]).await;
    for (back, allowed) in
        [("https://portal.contoh.example/me/?tab=1", true), ("https://evil.example/", false)]
    {
        let mut browser = world.browser();
        let page = browser.html(&format!("/security-info?return={}", back.replace('?', "%3F"))).await;
        assert_eq!(page.contains(&back.replace('&', "&#38;")), allowed, "{back}");
        let body = json!({ "login": "aisyah", "password": Person::PASSWORD, "return": back });
        browser.post("/security-info/sign-in", body).await;
        browser.second_step(&world.app_code(i64::from(!allowed))).await;
        let page = browser.html("/security-info").await;
        let link = format!("{back}&#38;registered=true&#38;capable=true&#38;due=false");
        assert_eq!(page.contains(&link), allowed, "{page}");
        assert!(!page.contains("evil.example"));
    }
}

/// What waits to be confirmed is nobody's but the session's, and a stolen table does not tell it.
#[tokio::test]
async fn what_waits_lies_sealed_in_the_table() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    browser.add("mobile", NUMBER).await;
    let code = world.last_code();
    let secret = browser.clone().add("totp", "").await.json()["secret"].as_str().unwrap().to_owned();
    let dump = world.dump().await;
    for text in [NUMBER, "0123459900", &code, &secret, browser.session.as_deref().unwrap()] {
        assert!(!dump.contains(text), "{text}");
    }
}

const ORIGIN: &str = "https://reset.contoh.example";

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
    assert_eq!(reset.password(NEW).await.page(), "done");
}

#[tokio::test]
async fn a_phone_is_paired_and_approves_a_second_step() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    let asked = browser.add("authenticator", "").await.json();
    let (_, token) = asked["pairing"].as_str().unwrap().split_once("/authenticator#pair=").unwrap();
    let mut phone = Phone::new(&world, 1);
    let paired = phone.pair(&PairingToken::parse(token).unwrap()).await.json();
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

#[tokio::test]
async fn who_says_it_was_not_them_ends_the_session_that_asked() {
    let world = World::new().await;
    let mut phone = Phone::of(&world, 1, &AISYAH).await;
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    let asked = browser.post("/security-info/verify", json!({ "method": "push" })).await;
    assert_eq!(asked.page(), "second-step");
    let request = phone.request().await;
    assert_eq!(phone.deny(&request).await.status, 200);
    let other = browser.clone().post("/security-info/verify", json!({ "method": "email" })).await;
    assert_eq!(other.problem(), (410, "flow-ended".into()), "another method helps nobody");
    assert_eq!(browser.get("/security-info").await.page(), "sign-in");
    assert!(world.messages().iter().any(|message| matches!(message, Message::Refused(_))));
}

#[tokio::test]
async fn a_session_that_is_over_takes_its_own_cookie_away_and_no_other() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.sign_in("aisyah").await;
    browser.clone().post("/security-info/sign-out", json!({})).await;
    assert_eq!(browser.add("mobile", NUMBER).await.problem(), (410, "flow-ended".into()));
    assert!(browser.session.is_none());
    assert_eq!(browser.get("/method").await.page(), "method", "the reset goes on");

    // And the other way round.
    browser.sign_in("aisyah").await;
    browser.clone().post("/cancel", json!({})).await;
    assert_eq!(browser.send_email().await.problem(), (410, "flow-ended".into()));
    assert!(browser.cookie.is_none());
    assert_eq!(browser.get("/security-info").await.page(), "second-step", "the session goes on");
}

#[tokio::test]
async fn right_answers_cost_no_tries() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_in("newcomer").await;
    for _ in 0..12 {
        register_app(&world, &mut browser).await;
    }
    let asked = browser.add("totp", "").await.json();
    assert_eq!(asked["tries_left"], 10);
    let mut owner = world.browser();
    owner.sign_in("aisyah").await;
    for step in 0..8 {
        assert_eq!(owner.second_step(&world.app_code(0)).await.page(), "security-info", "{step}");
        world.clock.advance(30);
    }
    assert_eq!(owner.second_step("000000").await.json()["tries_left"], 9);
}

#[tokio::test]
async fn the_tries_that_are_told_are_the_fewest_that_are_left() {
    let world = World::new().await;
    let wrong = async |browser: &mut Browser| {
        let body = json!({ "method": "email", "code": "00000000" });
        let answer = browser.post("/security-info/verify", body).await;
        assert_eq!(answer.problem().1, "code-wrong");
        answer.json()["tries_left"].clone()
    };
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    let sent = browser.post("/security-info/verify", json!({ "method": "email" })).await.json();
    assert_eq!(sent["sent"]["tries_left"], 5);
    for left in [4, 3, 2, 1, 0] {
        assert_eq!(wrong(&mut browser).await, left, "of the code");
    }
    world.clock.advance(30);
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    assert_eq!(wrong(&mut browser).await, 4, "of the code and of the session");

    // Of a pairing there are three.
    let mut browser = aisyah(&world).await;
    let asked = browser.add("authenticator", "").await.json();
    assert_eq!(asked["tries_left"], 3);
    let (_, token) = asked["pairing"].as_str().unwrap().split_once("/authenticator#pair=").unwrap();
    let paired = Phone::new(&world, 1).pair(&PairingToken::parse(token).unwrap()).await.json();
    let other = if paired["code"].as_str().unwrap().starts_with('1') { "200000" } else { "100000" };
    for left in [2, 1, 0] {
        let answer = browser.confirm(asked["id"].as_str().unwrap(), other).await;
        assert_eq!((answer.problem().1.as_str(), &answer.json()["tries_left"]), ("code-wrong", &json!(left)));
    }
}

#[tokio::test]
async fn a_wait_that_could_not_be_lifted_is_lifted_by_the_same_proof_again() {
    let world = World::new().await;
    let mut browser = aisyah(&world).await;
    register(&world, &mut browser, "mobile", NUMBER).await;
    browser.post("/security-info/verify", json!({ "method": "email" })).await;
    let proof = json!({ "method": "email", "code": world.last_code() });
    world.refuse("enrolment", "dynamodb:UpdateItem", "SecurityInfoTable");
    assert_eq!(browser.post("/security-info/verify", proof.clone()).await.status, 503);
    world.mend();
    let list = browser.post("/security-info/verify", proof).await;
    assert_eq!(list.page(), "security-info");
    assert_eq!(entry(&list.json(), "mobile")["usable_from"], world.now().to_string());
}
