//! A function fails or crashes at any of its calls, and the person simply tries again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rekey_local::cloud::Disturbance;
use rekey_local::cloud::roles::{ADMINISTRATOR, Call};
use rekey_tests::people::{NEW_PASSWORD, Person};
use rekey_tests::{Answer, Browser, SignIn, World};
use serde_json::json;
use shared::domain::message::Message;

/// The password of the second try, to tell the two apart.
const SECOND: &str = "Merdeka-Wau-Bulan-57";

/// The fault of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// All the SDK's attempts fail without effect; later calls succeed.
    Refused,
    /// The call takes effect, but its response is lost and the function retries.
    AnswerLost,
    /// The call takes effect, and the function crashes right after it.
    Death,
}

/// The call that got the fault, and the number of calls.
pub(crate) struct Watch {
    calls: AtomicUsize,
    pub(crate) hit: Mutex<Option<Call>>,
}

/// Injects a fault into the `nth` call of a function, or of any function.
pub(crate) fn disturb(
    world: &World,
    function: Option<&'static str>,
    nth: usize,
    mishap: Mishap,
) -> Arc<Watch> {
    let watch = Arc::new(Watch { calls: AtomicUsize::new(0), hit: Mutex::default() });
    let seen = watch.clone();
    let over = AtomicBool::new(false);
    world.cloud.disturb(Some(Arc::new(move |call: &Call| {
        let counts = function.map_or(call.principal != ADMINISTRATOR, |name| call.principal == name);
        // A read has no effect, so losing its response or crashing after it equals refusing it.
        let is_read = matches!(call.action.as_str(), "dynamodb:GetItem" | "dynamodb:Query");
        let counts = counts && (mishap == Mishap::Refused || !is_read || seen.hit.lock().unwrap().is_some());
        if !counts {
            return Disturbance::None;
        }
        let mut hit = seen.hit.lock().unwrap();
        if hit.is_none() && seen.calls.fetch_add(1, Ordering::SeqCst) == nth {
            *hit = Some(call.clone());
            return match mishap {
                Mishap::Refused => Disturbance::Refused,
                Mishap::AnswerLost => Disturbance::AnswerLost,
                Mishap::Death => Disturbance::None,
            };
        }
        let Some(first) = hit.as_ref() else { return Disturbance::None };
        let again = call == first && !over.load(Ordering::SeqCst);
        match mishap {
            Mishap::Death if call.principal == first.principal => Disturbance::Refused,
            Mishap::Refused if again => Disturbance::Refused,
            _ => {
                over.fetch_or(call.principal == first.principal, Ordering::SeqCst);
                Disturbance::None
            }
        }
    })));
    watch
}

/// Counts the notifications of the change by contact.
fn told(world: &World) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for message in world.outbox.messages().into_iter().filter(|message| message.code.is_none()) {
        *told.entry(message.to).or_default() += 1;
    }
    told
}

/// For every fault at every call of password-set, one password wins. Every contact is notified, and a retry gets a
/// correct response.
/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn reset_survives_any_failure_of_password_change() {
    for mishap in [Mishap::Refused, Mishap::AnswerLost, Mishap::Death] {
        for nth in 0.. {
            let world = World::new().await;
            let mut browser = world.browser();
            browser.prove_both("forgotten").await;
            world.deliver().await;
            let watch = disturb(&world, Some("password-set"), nth, mishap);
            let first = browser.password(NEW_PASSWORD).await;
            world.mend();
            let Some(hit) = watch.hit.lock().unwrap().clone() else {
                assert_eq!(first.page(), "done");
                assert!(nth > 1, "no call went wrong");
                break;
            };
            let what = format!("{mishap:?} at call {nth}, {} {:?}", hit.action, hit.resource);
            assert!([200, 409, 503].contains(&first.status.as_u16()), "{what}: {}", first.text());

            // The lease expires and reconciliation runs; then the person retries with another password.
            world.clock.advance(60);
            world.deliver().await;
            let was_set = world.sign_in("aisyah", NEW_PASSWORD).await == SignIn::Accepted;
            let again = browser.password(SECOND).await;
            let expected = if was_set { (409, "done") } else { (200, "done") };
            assert_eq!((again.status.as_u16(), again.json()["page"].as_str().unwrap()), expected, "{what}");
            assert_eq!(browser.get("/done").await.json()["result"], "reset", "{what}");
            let (winner, loser) = if was_set { (NEW_PASSWORD, SECOND) } else { (SECOND, NEW_PASSWORD) };
            assert_eq!(world.sign_in("aisyah", winner).await, SignIn::Accepted, "{what}");
            assert_eq!(world.sign_in("aisyah", loser).await, SignIn::Wrong, "{what}");
            assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Wrong, "{what}");

            world.clock.advance(60);
            world.deliver().await;
            let told = told(&world);
            assert_eq!(told.len(), 4, "{what}: not everybody was told: {told:?}");
            assert!(world.messages().is_empty(), "{what}: {:?}", world.messages());
        }
    }
}

/// The current password is typed, with every fault at every call of password-set. Nothing changes, no contact is
/// notified, and after the lease the page responds as usual.
/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn refused_password_survives_any_failure() {
    for mishap in [Mishap::Refused, Mishap::AnswerLost, Mishap::Death] {
        for nth in 0.. {
            let world = World::new().await;
            let mut browser = world.browser();
            browser.prove_both("forgotten").await;
            world.deliver().await;
            let watch = disturb(&world, Some("password-set"), nth, mishap);
            let first = browser.password(Person::PASSWORD).await;
            world.mend();
            let hit = watch.hit.lock().unwrap().clone();
            let what = format!("{mishap:?} at call {nth}, {hit:?}");
            let expected: &[u16] = if hit.is_some() { &[422, 503] } else { &[422] };
            assert!(expected.contains(&first.status.as_u16()), "{what}: {}", first.text());
            world.clock.advance(31);
            let again = browser.password(Person::PASSWORD).await;
            assert_eq!(again.problem(), (422, "password-rejected".into()), "{what}");
            assert_eq!(again.json()["violations"][0]["id"], "previous", "{what}");
            assert!(world.messages().is_empty(), "{what}: {:?}", world.messages());
            assert_eq!(browser.password(SECOND).await.page(), "done", "{what}");
            assert_eq!(world.sign_in("aisyah", SECOND).await, SignIn::Accepted, "{what}");
            world.clock.advance(60);
            world.deliver().await;
            assert!(told(&world).values().all(|times| *times == 1), "{what}: of the one change");
            if hit.is_none() {
                assert!(nth > 1, "no call went wrong");
                break;
            }
        }
    }
}

/// Repeats a step until it succeeds, as a person does after an error.
async fn insist(browser: &mut Browser, path: &str, body: serde_json::Value) -> Answer {
    for _ in 0..4 {
        let answer = browser.post(path, body.clone()).await;
        match answer.status.as_u16() {
            503 => {}
            // The response was lost: the flow is one step further, and this browser learns it now.
            409 => {
                let page = answer.json()["page"].as_str().unwrap().to_owned();
                return browser.get(if page == "method" { "/method" } else { path_of(&page) }).await;
            }
            429 => browser.world().clock.advance(31),
            200 => return answer,
            _ => panic!("{path}: {}", answer.text()),
        }
        browser.world().clock.advance(1);
    }
    panic!("{path} never worked")
}

fn path_of(page: &str) -> &'static str {
    match page {
        "reason" => "/reason",
        "method" => "/method",
        "code" => "/code",
        "password" => "/password",
        "done" => "/done",
        other => panic!("no path for {other}"),
    }
}

/// Returns the newest code, from the queue or the dev inbox.
async fn code(world: &World) -> String {
    let queued = world.messages().iter().any(|message| matches!(message, Message::Code(_)));
    if queued {
        world.deliver().await;
    }
    world.last_code()
}

/// One response during a reset is lost; the person repeats the failed step and completes the reset.
/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn reset_survives_any_lost_response() {
    for nth in 0.. {
        let world = World::new().await;
        let mut browser = world.browser();
        let watch = disturb(&world, None, nth, Mishap::AnswerLost);
        let mut opened = browser.identify("aisyah").await;
        for _ in 0..3 {
            if opened.status == 200 {
                break;
            }
            // The CAPTCHA is used; the page has a new one.
            assert!([422, 503].contains(&opened.status.as_u16()), "{}", opened.text());
            opened = browser.identify("aisyah").await;
        }
        let what = || format!("call {nth}: {:?}", watch.hit.lock().unwrap());
        assert_eq!(insist(&mut browser, "/reason", json!({ "reason": "forgotten" })).await.page(), "method");
        let sent = insist(&mut browser, "/code/send", json!({ "method": "email" })).await;
        assert_eq!(sent.page(), "code", "{}", what());
        let first = code(&world).await;
        let proved = insist(&mut browser, "/code", json!({ "code": first })).await;
        assert_eq!((proved.page().as_str(), &proved.json()["step"]), ("method", &json!(2)), "{}", what());
        let number = json!({ "method": "sms", "contact": "012-345 6798" });
        assert_eq!(insist(&mut browser, "/code/send", number).await.page(), "code", "{}", what());
        let second = code(&world).await;
        let proved = insist(&mut browser, "/code", json!({ "code": second })).await;
        assert_eq!(proved.page(), "password", "{}", what());
        let mut done = browser.password(NEW_PASSWORD).await;
        if done.status == 503 {
            world.clock.advance(31);
            done = browser.password(NEW_PASSWORD).await;
        }
        assert!(done.status == 200 || done.problem().0 == 409, "{}: {}", what(), done.text());
        assert_eq!(browser.get("/done").await.json()["result"], "reset", "{}", what());
        assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted, "{}", what());
        world.clock.advance(60);
        world.deliver().await;
        assert_eq!(told(&world).len(), 4, "{}", what());
        if watch.hit.lock().unwrap().is_none() {
            assert!(nth > 1, "no call went wrong");
            return;
        }
    }
}
