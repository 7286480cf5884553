//! Letters to new people: the pass of a letter verifies one step, beside a contact that was imported.

use std::sync::Arc;

use rekey_tests::fixtures::{AISYAH, DANIEL, MEI, NEWCOMER, Person, REGISTRAR};
use rekey_tests::{Answer, Browser, World};
use serde_json::{Value, json};
use shared::domain::account::AccountId;
use shared::domain::event::Event;
use shared::domain::help_desk_call::{HelpAnswer, HelpRefusal, What};
use shared::domain::method::Method;
use shared::domain::pass::{Pass, PassKind};
use shared::ports::{Clock as _, EntropyExt as _, PassStore as _};

use crate::help_desk::{Desk, events, remark};
use crate::passes;

const PASSWORD: &str = "Kancil-Lompat-42!";
const THIRTY_DAYS: i64 = 30 * 86_400;

fn letter(again: bool) -> What {
    What::ActivationPass { again, reason: remark("new students") }
}

/// Returns the pass of a person's letter.
async fn given(desk: &Desk, login: &str, again: bool) -> String {
    match desk.ask(login, letter(again)).await {
        HelpAnswer::Passed { pass, .. } => pass.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn refused(desk: &Desk, login: &str, again: bool) -> HelpRefusal {
    match desk.ask(login, letter(again)).await {
        HelpAnswer::Refused(refusal) => refusal,
        other => panic!("{login}: {other:?}"),
    }
}

async fn opened(world: &Arc<World>, login: &str) -> Browser {
    let mut browser = world.browser();
    browser.open(login, "forgotten").await;
    browser
}

async fn enter(browser: &mut Browser, pass: &str) -> Answer {
    browser.post("/code", json!({ "method": "pass", "code": pass })).await
}

fn methods(answer: &Answer) -> Vec<Value> {
    answer.json()["methods"].as_array().unwrap().iter().map(|offer| offer["method"].clone()).collect()
}

/// Writes the pass of a letter without the rules of the help desk.
async fn forged(world: &World, account: &AccountId) -> String {
    let pass = Pass::generate(&world.entropy.bytes());
    let (kind, seeds) = (PassKind::Activation, world.keyring("REKEY_SECRET_SEEDS"));
    let tag = pass.tag(kind, &seeds, account).unwrap();
    let expires_at = world.clock.now() + shared::domain::pass::ACTIVATION_LIFETIME;
    world.enrolment.put_pass(account, kind, &tag, expires_at).await.unwrap();
    pass.code().expose().to_string()
}

/// A person with one imported number is a decoy to everybody, and gets in by letter and number.
/// Controls: C-271.
#[tokio::test]
async fn new_person_chooses_password_by_letter_and_contact() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    let answer = lim.ask("mei", letter(false)).await;
    let HelpAnswer::Passed { pass, expires_at, notified } = answer else { panic!("{answer:?}") };
    assert_eq!((expires_at.seconds_after(world.now()), notified), (2_592_000, 0));
    assert!(world.envelopes().is_empty(), "the letter tells the person");
    let mut browser = opened(&world, "mei").await;
    let next = enter(&mut browser, &pass.expose().to_lowercase()).await;
    assert_eq!((next.page(), next.json()["step"].clone()), ("method".to_owned(), json!(2)));
    assert_eq!(methods(&next), ["sms", "mobile_call"], "what she has, and no further pass");
    assert!(!browser.html("/method").await.contains("code-pass"));
    browser.send_phone("sms", "016-234 5678").await;
    assert_eq!(browser.code(&world.last_code()).await.page(), "password");
    assert_eq!(browser.password(PASSWORD).await.page(), "done");
    let told: Vec<_> = world.notices().into_iter().filter(|notice| notice.event == Event::Reset).collect();
    assert_eq!(told.len(), 2, "mailbox and mobile");
    assert!(told.iter().all(|notice| notice.methods == [Method::Pass, Method::Sms]));
    let mut session = world.browser();
    let body = json!({ "login": "mei", "password": PASSWORD });
    assert_eq!(session.post("/security-info/sign-in", body).await.status, 200);
    let again = enter(&mut opened(&world, "mei").await, pass.expose()).await;
    assert_eq!(again.problem(), (422, "code-wrong".into()), "once");
    assert_eq!(refused(&lim, "mei", true).await, HelpRefusal::AlreadyUsed);
}

/// Whoever opens the letter on its way gets no further.
/// Controls: C-271.
#[tokio::test]
async fn letter_alone_opens_nothing() {
    for steps in ["1", "2"] {
        let world = World::with(&[("REKEY_STEPS", steps)]).await;
        let pass = given(&Desk::of(&world, "m.lim"), "mei", false).await;
        let mut browser = opened(&world, "mei").await;
        assert_eq!(enter(&mut browser, &pass).await.page(), "method", "{steps}");
        let refused = browser.password(PASSWORD).await;
        assert_eq!((refused.problem().0, &refused.json()["page"]), (409, &json!("method")), "{steps}");
        assert_eq!(enter(&mut browser, &pass).await.problem().1, "method-unavailable", "{steps}");
        let caller = passes::pass(&world, &MEI.account().id).await;
        assert_eq!(enter(&mut browser, &caller).await.problem().1, "method-unavailable", "{steps}");
        browser.send_phone("sms", "012-999 9999").await;
        assert!(world.envelopes().is_empty(), "another number gets no code");
    }
}

/// Controls: C-270.
#[tokio::test]
async fn letter_is_valid_for_thirty_days_exactly() {
    for (later, page) in [(THIRTY_DAYS - 1, Some("method")), (THIRTY_DAYS, None)] {
        let world = World::new().await;
        let pass = given(&Desk::of(&world, "m.lim"), "mei", false).await;
        world.clock.advance(later);
        let answer = enter(&mut opened(&world, "mei").await, &pass).await;
        match page {
            Some(page) => assert_eq!(answer.page(), page),
            None => assert_eq!(answer.problem(), (422, "code-wrong".into())),
        }
    }
}

/// Somebody who came first, in whatever way, has used the account.
/// Controls: C-271.
#[tokio::test]
async fn letter_ends_with_the_first_use_of_the_account() {
    let world = World::new().await;
    let pass = given(&Desk::of(&world, "m.lim"), "aisyah", false).await;
    let mut late = opened(&world, "aisyah").await;
    let mut browser = world.browser();
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password(PASSWORD).await.page(), "done");
    let answer = enter(&mut opened(&world, "aisyah").await, &pass).await;
    assert_eq!(answer.problem().1, "method-unavailable");
    // A flow from before goes on, and ends at the change, as all do.
    let forged = forged(&world, &AISYAH.account().id).await;
    assert_eq!(enter(&mut late, &forged).await.page(), "method");
    late.send_email().await;
    late.code(&world.last_code()).await;
    assert_eq!(late.password("Helang-Terbang-7!").await.problem(), (410, "flow-ended".into()));
}

/// Who has two contacts may use the letter in the place of either.
/// Controls: C-271.
#[tokio::test]
async fn letter_serves_in_the_second_step_too() {
    let world = World::new().await;
    let pass = given(&Desk::of(&world, "m.lim"), "aisyah", false).await;
    let mut browser = opened(&world, "aisyah").await;
    browser.send_email().await;
    assert_eq!(browser.code(&world.last_code()).await.page(), "method");
    assert_eq!(enter(&mut browser, &pass).await.page(), "password");
}

/// Controls: C-227, C-270.
#[tokio::test]
async fn letters_go_to_new_people_with_a_contact_only() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    world.register(&NEWCOMER).await;
    world.register(&Person { login: "apponly", totp: true, ..NEWCOMER }).await;
    for (login, why) in [
        ("nobody-at-all", HelpRefusal::NotFound),
        (DANIEL.login, HelpRefusal::NotEligible),
        (REGISTRAR.login, HelpRefusal::NotEligible),
        ("newcomer", HelpRefusal::NoContact),
        ("apponly", HelpRefusal::NoContact),
    ] {
        assert_eq!(refused(&lim, login, false).await, why, "{login}");
    }
    // Confirming the list of methods is a use, too.
    let mut browser = world.browser();
    browser.post("/security-info/sign-in", json!({ "login": "mei", "password": Person::PASSWORD })).await;
    browser.post("/security-info/verify", json!({ "method": "sms" })).await;
    browser.post("/security-info/verify", json!({ "method": "sms", "code": world.last_code() })).await;
    assert_eq!(browser.post("/security-info/reconfirm", json!({})).await.status, 200);
    assert_eq!(refused(&lim, "mei", false).await, HelpRefusal::AlreadyUsed);
    let log: Vec<(Value, Value)> = events(&world)
        .into_iter()
        .map(|(event, fields)| {
            assert_eq!(event, "help.refused");
            (fields["act"].clone(), fields["reason"].clone())
        })
        .collect();
    assert_eq!(log.len(), 6, "one line for each person");
    assert!(log.iter().all(|(act, _)| act == "activation-pass"), "{log:?}");
    assert!(!world.dump().await.contains("activation"), "no pass was written");
}

/// Controls: C-221, C-270.
#[tokio::test]
async fn letters_are_limited_to_the_groups_of_the_agent() {
    let world = World::with(&[("REKEY_HELPERS", "helpers=students")]).await;
    let lim = Desk::of(&world, "m.lim");
    assert_eq!(refused(&lim, "mei", false).await, HelpRefusal::NotYours);
    world.set_group("mei", "staff").await;
    assert_eq!(refused(&lim, "mei", false).await, HelpRefusal::NotYours);
    world.set_group("mei", "students").await;
    given(&lim, "mei", false).await;
    let (event, fields) = events(&world).pop().unwrap();
    assert_eq!((event.as_str(), &fields["remark"]), ("activation_pass.issued", &json!("new students")));
    assert!(fields["actor"].as_str().unwrap().ends_with("/helpers/m.lim"), "{fields}");
}

/// A second run writes to nobody twice, and an agent alone gives no two passes within a week.
/// Controls: C-223, C-270.
#[tokio::test]
async fn further_letter_needs_another_agent_and_ends_the_first() {
    let world = World::new().await;
    let (lim, tan) = (Desk::of(&world, "m.lim"), Desk::of(&world, "s.tan"));
    let first = given(&lim, "mei", false).await;
    assert_eq!(refused(&lim, "mei", false).await, HelpRefusal::HasPass);
    assert_eq!(refused(&tan, "mei", false).await, HelpRefusal::HasPass);
    for _ in 0..2 {
        let answer = lim.ask("mei", letter(true)).await;
        assert!(matches!(answer, HelpAnswer::NeedsAnotherAgent { .. }), "{answer:?}");
    }
    let second = given(&tan, "mei", true).await;
    let old = enter(&mut opened(&world, "mei").await, &first).await;
    assert_eq!(old.problem(), (422, "code-wrong".into()));
    assert_eq!(enter(&mut opened(&world, "mei").await, &second).await.page(), "method");
}

/// Controls: C-270.
#[tokio::test]
async fn letter_never_replaces_the_pass_of_a_caller() {
    let world = World::new().await;
    let lim = Desk::of(&world, "m.lim");
    let pass = lim.pass("mei").await;
    assert_eq!(refused(&lim, "mei", true).await, HelpRefusal::HasPass);
    assert_eq!(enter(&mut opened(&world, "mei").await, &pass).await.page(), "password");
}

/// Controls: C-224.
#[tokio::test]
async fn letter_without_its_event_is_not_given() {
    let world = World::new().await;
    world.fail_all("logs:");
    assert_eq!(refused(&Desk::of(&world, "m.lim"), "mei", false).await, HelpRefusal::Unavailable);
    world.emulator.inject_faults(None);
    assert!(!world.dump().await.contains("activation"), "no pass was written");
}

/// Nobody learns from page 3 who has a letter, nor by a wrong pass.
/// Controls: C-001.
#[tokio::test]
async fn account_with_a_letter_looks_like_a_decoy() {
    let world = World::new().await;
    given(&Desk::of(&world, "m.lim"), "mei", false).await;
    let mut seen = Vec::new();
    for login in ["mei", "nobody-at-all", "daniel"] {
        let mut browser = opened(&world, login).await;
        let before: u64 = world.emulator.calls().values().sum();
        let answer = enter(&mut browser, "0123-4567-89AB-CDEF").await;
        let after: u64 = world.emulator.calls().values().sum();
        seen.push((answer.problem(), answer.json()["tries_left"].clone(), after - before));
    }
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
}
