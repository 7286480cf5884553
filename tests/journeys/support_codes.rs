//! The support code: on the pages, in problems, and what the help desk finds by it.

use std::collections::BTreeSet;
use std::sync::Arc;

use rekey_tests::fixtures::{MEI, NEW_PASSWORD};
use rekey_tests::{Answer, Browser, World};
use serde_json::json;
use shared::domain::flow::Reason;
use shared::domain::help_desk_call::{AttemptEnd, HelpAnswer, HelpRefusal, ShownAttempt, What};
use shared::domain::method::Method;
use shared::domain::support_code::SupportCode;

use crate::help_desk::{Desk, remark};

/// The lifetime of a flow, in seconds.
const LIFETIME: i64 = 900;

/// Returns the support code that a problem names.
fn code_of(answer: &Answer) -> String {
    let code = answer.json()["support_code"].as_str().unwrap().to_owned();
    assert!(SupportCode::parse(&code).is_some() && code.len() == 7, "{code}");
    code
}

/// Returns the support code of a browser's flow: a form of a step that is not reached is a problem.
async fn code_of_flow(browser: &mut Browser) -> String {
    let answer = browser.post("/password", json!({ "password": "x", "confirmation": "x" })).await;
    assert_eq!(answer.problem().1, "out-of-step");
    code_of(&answer)
}

async fn ask(world: &Arc<World>, code: &str) -> HelpAnswer {
    Desk::of(world, "m.lim").ask(code, What::Show { reveal: None }).await
}

/// Returns the login and the attempt that an agent finds by a code.
async fn found(world: &Arc<World>, code: &str) -> (Option<String>, Option<ShownAttempt>) {
    match ask(world, code).await {
        HelpAnswer::Shown(person) => (person.login, person.attempt),
        other => panic!("{other:?}"),
    }
}

async fn attempt(world: &Arc<World>, code: &str) -> ShownAttempt {
    found(world, code).await.1.unwrap()
}

/// Controls: C-240.
#[tokio::test]
async fn support_code_tells_an_agent_why_a_reset_failed() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let page = browser.html("/method").await;
    browser.send_phone("sms", "012-345 6798").await;
    let wrong = browser.code("00000000").await;
    assert_eq!(wrong.problem().1, "code-wrong");
    let code = code_of(&wrong);
    assert!(page.contains(&format!("<bdi>{code}</bdi>")), "the page of the methods shows it: {page}");
    let (login, seen) = found(&world, &code).await;
    assert_eq!(login.as_deref(), Some("aisyah"));
    let seen = seen.unwrap();
    assert_eq!(
        (seen.reason, seen.step, seen.steps, seen.awaited, seen.wrong_answers, seen.end),
        (Some(Reason::Forgotten), 1, 2, Some(Method::Sms), 1, AttemptEnd::Runs)
    );
    let typed = code.replace('-', " ").to_lowercase();
    assert_eq!(attempt(&world, &typed).await, seen, "as people say it");
    browser.code(&world.last_code()).await;
    let next = attempt(&world, &code).await;
    assert_eq!((next.step, next.verified.as_slice()), (2, [Method::Sms].as_slice()), "the code stays");
    browser.post("/cancel", json!({})).await;
    assert_eq!(attempt(&world, &code).await.end, AttemptEnd::Cancelled);
}

/// Controls: C-240.
#[tokio::test]
async fn support_code_finds_an_ended_attempt_for_a_day() {
    let world = World::new().await;
    let mut expired = world.browser();
    expired.open("aisyah", "forgotten").await;
    let code = code_of_flow(&mut expired).await;
    world.clock.advance(LIFETIME);
    let gone = expired.get("/method").await;
    assert_eq!((gone.problem().1.as_str(), code_of(&gone)), ("flow-ended", code.clone()));
    assert_eq!(attempt(&world, &code).await.end, AttemptEnd::Expired);

    let mut other = world.browser();
    other.open("aisyah", "forgotten").await;
    let overtaken = code_of_flow(&mut other).await;
    let mut owner = world.browser();
    owner.verify_both_steps("forgotten").await;
    let own = code_of(&owner.password("short").await);
    assert_eq!(owner.password(NEW_PASSWORD).await.page(), "done");
    assert_eq!(attempt(&world, &own).await.end, AttemptEnd::Succeeded);
    assert_eq!(attempt(&world, &overtaken).await.end, AttemptEnd::Overtaken);

    world.clock.advance(86_400 - LIFETIME);
    assert_eq!(attempt(&world, &own).await.end, AttemptEnd::Succeeded);
    world.clock.advance(2 * LIFETIME);
    assert_eq!(ask(&world, &own).await, HelpAnswer::Refused(HelpRefusal::NotFound));
}

/// Ten wrong answers end a flow. The agent learns it, the person only that the flow has ended.
#[tokio::test]
async fn used_up_attempts_are_told_to_the_agent() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let code = code_of_flow(&mut browser).await;
    for method in ["sms", "mobile_call"] {
        browser.send_phone(method, "012-345 6798").await;
        for _ in 0..5 {
            browser.code("00000000").await;
        }
    }
    let seen = attempt(&world, &code).await;
    assert_eq!((seen.end, seen.wrong_answers), (AttemptEnd::AttemptsUsed, 10));
}

/// A support code shows nobody outside whether a login has an account, and finds nobody for a name without one.
/// Controls: C-241.
#[tokio::test]
async fn support_code_of_unknown_name_finds_nobody() {
    let world = World::new().await;
    let mut codes = BTreeSet::new();
    for login in ["aisyah", "nobody-at-all", "daniel", "registrar"] {
        let mut browser = world.browser();
        browser.open(login, "forgotten").await;
        let code = code_of_flow(&mut browser).await;
        assert!(browser.html("/method").await.contains(&code), "{login}");
        let is_found = matches!(ask(&world, &code).await, HelpAnswer::Shown(_));
        assert_eq!(is_found, login == "aisyah", "{login}");
        codes.insert(code);
    }
    assert_eq!(codes.len(), 4, "each flow has its own");
    let mut again = world.browser();
    again.open("aisyah", "forgotten").await;
    assert!(codes.insert(code_of_flow(&mut again).await), "not the account's");
}

/// The account behind a decoy has too few methods. The agent sees that nothing was sent.
/// Controls: C-241.
#[tokio::test]
async fn support_code_of_person_without_methods_says_so() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open(MEI.login, "forgotten").await;
    let code = code_of_flow(&mut browser).await;
    let (login, seen) = found(&world, &code).await;
    assert_eq!((login.as_deref(), seen.unwrap().end), (Some("mei"), AttemptEnd::TooFewMethods));
}

/// Whoever reads the code out may be anybody: no act but showing takes it, and groups count as for a login.
/// Controls: C-242.
#[tokio::test]
async fn support_code_only_shows_and_only_to_helpers_of_the_group() {
    let world = World::with(&[("REKEY_HELPERS", "helpers=students,chiefs=*")]).await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let code = code_of_flow(&mut browser).await;
    assert_eq!(ask(&world, &code).await, HelpAnswer::Refused(HelpRefusal::NotYours));
    let chief = Desk::in_role(&world, "chiefs", "r.devi");
    assert!(matches!(chief.ask(&code, What::Show { reveal: None }).await, HelpAnswer::Shown(_)));
    for act in [
        What::Unlock { reason: remark("five wrong passwords") },
        What::Release { known_devices: true, reason: remark("kept out") },
        What::SeeDocument { document: remark("student card") },
        What::SendCode { method: Method::Email },
    ] {
        assert_eq!(chief.ask(&code, act).await, HelpAnswer::Refused(HelpRefusal::NotFound));
    }
}

/// Controls: C-240.
#[tokio::test]
async fn problem_without_flow_has_the_code_of_its_request() {
    let world = World::new().await;
    let mut browser = world.browser();
    let mut next = async || {
        let answer = browser.get("/code").await;
        assert_eq!(answer.problem().1, "flow-ended");
        code_of(&answer)
    };
    let (one, other) = (next().await, next().await);
    assert_ne!(one, other);
    assert_eq!(ask(&world, &one).await, HelpAnswer::Refused(HelpRefusal::NotFound));
    assert!(!world.browser().html("/").await.contains("Support code"), "a first page has none");
}

/// Controls: C-240.
#[tokio::test]
async fn support_code_of_session_finds_its_person() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.sign_in("aisyah").await;
    let wrong = browser.second_step("000000").await;
    let (login, seen) = found(&world, &code_of(&wrong)).await;
    assert_eq!((login.as_deref(), seen), (Some("aisyah"), None));
}

/// The function fails, and the log of functions has the code that the page shows.
#[tokio::test]
async fn failure_is_logged_with_the_support_code_of_its_page() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let lines = crate::log::Lines::default();
    let answer = {
        let _guard = lines.keep();
        world.fail_all("dynamodb:");
        browser.get("/method").await
    };
    assert_eq!(answer.problem().1, "unavailable");
    let code = code_of(&answer);
    assert!(lines.text().contains(&code), "{}", lines.text());
}
