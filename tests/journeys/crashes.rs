//! A function fails or crashes at any of its calls, and the person simply repeats the step.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rekey_local::emulator::CallFault;
use rekey_local::emulator::roles::{ADMINISTRATOR, Call};
use rekey_tests::fixtures::{NEW_PASSWORD, Person};
use rekey_tests::{Answer, Browser, SignIn, World};
use serde_json::json;
use shared::domain::message::Message;

/// The password of the repeated change, which differs from the first.
const SECOND_PASSWORD: &str = "Merdeka-Wau-Bulan-57";

/// The fault of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// All the SDK's attempts fail without effect; later calls succeed.
    CallFailed,
    /// The call takes effect, but its response is lost and the function retries.
    ResponseLost,
    /// The call takes effect, and the function crashes right after it.
    Crash,
}

/// The call that got the fault, and the number of calls.
pub(crate) struct InjectedFault {
    calls: AtomicUsize,
    pub(crate) hit: Mutex<Option<Call>>,
}

/// Injects a fault into the `nth` call of a function, or of any function.
pub(crate) fn inject_fault(
    world: &World,
    function: Option<&'static str>,
    nth: usize,
    fault: FaultKind,
) -> Arc<InjectedFault> {
    let injected = Arc::new(InjectedFault { calls: AtomicUsize::new(0), hit: Mutex::default() });
    let seen = injected.clone();
    let over = AtomicBool::new(false);
    world.emulator.inject_faults(Some(Arc::new(move |call: &Call| {
        let counts = function.map_or(call.principal != ADMINISTRATOR, |name| call.principal == name);
        // A read has no effect, so losing its response or crashing after it equals refusing it.
        let is_read = matches!(call.action.as_str(), "dynamodb:GetItem" | "dynamodb:Query");
        let counts =
            counts && (fault == FaultKind::CallFailed || !is_read || seen.hit.lock().unwrap().is_some());
        if !counts {
            return CallFault::None;
        }
        let mut hit = seen.hit.lock().unwrap();
        if hit.is_none() && seen.calls.fetch_add(1, Ordering::SeqCst) == nth {
            *hit = Some(call.clone());
            return match fault {
                FaultKind::CallFailed => CallFault::Unavailable,
                FaultKind::ResponseLost => CallFault::ResponseLost,
                FaultKind::Crash => CallFault::None,
            };
        }
        let Some(first) = hit.as_ref() else { return CallFault::None };
        let again = call == first && !over.load(Ordering::SeqCst);
        match fault {
            FaultKind::Crash if call.principal == first.principal => CallFault::Unavailable,
            FaultKind::CallFailed if again => CallFault::Unavailable,
            _ => {
                over.fetch_or(call.principal == first.principal, Ordering::SeqCst);
                CallFault::None
            }
        }
    })));
    injected
}

/// Counts the notifications of the change by contact.
fn notification_counts(world: &World) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for message in world.dev_inbox.messages().into_iter().filter(|message| message.code.is_none()) {
        *counts.entry(message.to).or_default() += 1;
    }
    counts
}

/// For every fault at every call of password-set, one password wins. Every contact is notified, and a retry gets a
/// correct response.
/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn reset_survives_any_failure_of_password_change() {
    for fault in [FaultKind::CallFailed, FaultKind::ResponseLost, FaultKind::Crash] {
        for nth in 0.. {
            let world = World::new().await;
            let mut browser = world.browser();
            browser.verify_both_steps("forgotten").await;
            world.deliver().await;
            let injected = inject_fault(&world, Some("password-set"), nth, fault);
            let first = browser.password(NEW_PASSWORD).await;
            world.clear_faults();
            let Some(hit) = injected.hit.lock().unwrap().clone() else {
                assert_eq!(first.page(), "done");
                assert!(nth > 1, "no call went wrong");
                break;
            };
            let what = format!("{fault:?} at call {nth}, {} {:?}", hit.action, hit.resource);
            assert!([200, 409, 503].contains(&first.status.as_u16()), "{what}: {}", first.text());

            // The lease expires and reconciliation runs; then the person retries with another password.
            world.clock.advance(60);
            world.deliver().await;
            let was_set = world.sign_in("aisyah", NEW_PASSWORD).await == SignIn::Accepted;
            let again = browser.password(SECOND_PASSWORD).await;
            let expected = if was_set { (409, "done") } else { (200, "done") };
            assert_eq!((again.status.as_u16(), again.json()["page"].as_str().unwrap()), expected, "{what}");
            assert_eq!(browser.get("/done").await.json()["result"], "reset", "{what}");
            let (winner, loser) =
                if was_set { (NEW_PASSWORD, SECOND_PASSWORD) } else { (SECOND_PASSWORD, NEW_PASSWORD) };
            assert_eq!(world.sign_in("aisyah", winner).await, SignIn::Accepted, "{what}");
            assert_eq!(world.sign_in("aisyah", loser).await, SignIn::Wrong, "{what}");
            assert_eq!(world.sign_in("aisyah", Person::PASSWORD).await, SignIn::Wrong, "{what}");

            world.clock.advance(60);
            world.deliver().await;
            let counts = notification_counts(&world);
            assert_eq!(counts.len(), 4, "{what}: not every contact was notified: {counts:?}");
            assert!(world.messages().is_empty(), "{what}: {:?}", world.messages());
        }
    }
}

/// The current password is typed, with every fault at every call of password-set. Nothing changes, no contact is
/// notified, and after the lease the page responds as usual.
/// Controls: C-025.
#[tokio::test(flavor = "multi_thread")]
async fn refused_password_survives_any_failure() {
    for fault in [FaultKind::CallFailed, FaultKind::ResponseLost, FaultKind::Crash] {
        for nth in 0.. {
            let world = World::new().await;
            let mut browser = world.browser();
            browser.verify_both_steps("forgotten").await;
            world.deliver().await;
            let injected = inject_fault(&world, Some("password-set"), nth, fault);
            let first = browser.password(Person::PASSWORD).await;
            world.clear_faults();
            let hit = injected.hit.lock().unwrap().clone();
            let what = format!("{fault:?} at call {nth}, {hit:?}");
            let expected: &[u16] = if hit.is_some() { &[422, 503] } else { &[422] };
            assert!(expected.contains(&first.status.as_u16()), "{what}: {}", first.text());
            world.clock.advance(31);
            let again = browser.password(Person::PASSWORD).await;
            assert_eq!(again.problem(), (422, "password-rejected".into()), "{what}");
            assert_eq!(again.json()["violations"][0]["id"], "previous", "{what}");
            assert!(world.messages().is_empty(), "{what}: {:?}", world.messages());
            assert_eq!(browser.password(SECOND_PASSWORD).await.page(), "done", "{what}");
            assert_eq!(world.sign_in("aisyah", SECOND_PASSWORD).await, SignIn::Accepted, "{what}");
            world.clock.advance(60);
            world.deliver().await;
            assert!(
                notification_counts(&world).values().all(|times| *times == 1),
                "{what}: of the one change"
            );
            if hit.is_none() {
                assert!(nth > 1, "no call went wrong");
                break;
            }
        }
    }
}

/// Repeats a step until it succeeds, as a person does after an error.
async fn retry(browser: &mut Browser, path: &str, body: serde_json::Value) -> Answer {
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
        let injected = inject_fault(&world, None, nth, FaultKind::ResponseLost);
        let mut opened = browser.identify("aisyah").await;
        for _ in 0..3 {
            if opened.status == 200 {
                break;
            }
            // The CAPTCHA is used; the page has a new one.
            assert!([422, 503].contains(&opened.status.as_u16()), "{}", opened.text());
            opened = browser.identify("aisyah").await;
        }
        let what = || format!("call {nth}: {:?}", injected.hit.lock().unwrap());
        assert_eq!(retry(&mut browser, "/reason", json!({ "reason": "forgotten" })).await.page(), "method");
        let sent = retry(&mut browser, "/code/send", json!({ "method": "email" })).await;
        assert_eq!(sent.page(), "code", "{}", what());
        let first = code(&world).await;
        let verified = retry(&mut browser, "/code", json!({ "code": first })).await;
        assert_eq!((verified.page().as_str(), &verified.json()["step"]), ("method", &json!(2)), "{}", what());
        let number = json!({ "method": "sms", "contact": "012-345 6798" });
        assert_eq!(retry(&mut browser, "/code/send", number).await.page(), "code", "{}", what());
        let second = code(&world).await;
        let verified = retry(&mut browser, "/code", json!({ "code": second })).await;
        assert_eq!(verified.page(), "password", "{}", what());
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
        assert_eq!(notification_counts(&world).len(), 4, "{}", what());
        if injected.hit.lock().unwrap().is_none() {
            assert!(nth > 1, "no call went wrong");
            return;
        }
    }
}
