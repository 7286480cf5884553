//! The DynamoDB cost of a reset. Items are below one kilobyte and reads below four. So a write costs one unit, a
//! strongly consistent read one, and an eventually consistent read half.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rekey_local::emulator::roles::{ADMINISTRATOR, Call};
use rekey_tests::World;
use serde_json::json;

use crate::captcha::work;

/// Returns write units and half read units of all calls except those of the administrator and of the daily count.
fn units(world: &World) -> (u64, u64) {
    let (mut writes, mut half_reads) = (0, 0);
    for (call, count) in world.emulator.calls() {
        match call.action.as_str() {
            _ if [ADMINISTRATOR, "housekeeping"].contains(&call.principal.as_str()) => {}
            "dynamodb:PutItem" | "dynamodb:UpdateItem" => writes += count,
            "dynamodb:GetItem" | "dynamodb:Query" => {
                half_reads += count * if call.consistent { 2 } else { 1 }
            }
            action => assert!(!action.starts_with("dynamodb:"), "{action}"),
        }
    }
    (writes, half_reads)
}

/// What each request of a reset has called, one line for each.
struct Bill {
    lines: String,
    before: BTreeMap<Call, u64>,
}

impl Bill {
    fn new(world: &World) -> Self {
        Self { lines: String::new(), before: world.emulator.calls() }
    }

    /// Adds the calls since the last line.
    fn add(&mut self, world: &World, request: &str) {
        let now = world.emulator.calls();
        let is_of_reset = |call: &Call| ![ADMINISTRATOR, "housekeeping"].contains(&call.principal.as_str());
        // Keys are read once in a process.
        let counts = |call: &Call| is_of_reset(call) && !call.action.starts_with("secretsmanager:");
        let mut calls: BTreeMap<String, u64> = BTreeMap::new();
        for (call, count) in now.iter().filter(|(call, _)| counts(call)) {
            let more = count - self.before.get(call).unwrap_or(&0);
            if more > 0 {
                let consistent = if call.consistent { " (consistent)" } else { "" };
                let resource = call.resource.as_deref().unwrap_or_default();
                *calls.entry(format!("{} {resource}{consistent}", call.action)).or_default() += more;
            }
        }
        writeln!(self.lines, "{request}").unwrap();
        for (call, count) in calls {
            writeln!(self.lines, "  {count} {}", call.trim_end()).unwrap();
        }
        self.before = now;
    }
}

/// The snapshot has the calls of each request: whoever adds one sees it there.
#[tokio::test]
async fn reset_stays_within_its_dynamodb_unit_limit() {
    let world = World::new().await;
    // A process reads the counts of decoys once in five minutes, so another flow has usually paid for them.
    world.housekeep().await.unwrap();
    world.browser().identify("nobody").await;
    let (writes_before, half_reads_before) = units(&world);
    let mut bill = Bill::new(&world);
    let mut browser = world.browser();
    // As a browser does: it does the CAPTCHA's work, and after each form it loads the page of the redirect. The page of
    // a new password reads the account too where it is HTML: half a unit more.
    let captcha = browser.get("/").await.json()["captcha"].clone();
    bill.add(&world, "GET /");
    let body =
        json!({ "login": "aisyah", "captcha_token": captcha["token"], "captcha_work": work(&captcha) });
    assert_eq!(browser.post("/", body).await.page(), "reason");
    bill.add(&world, "POST /");
    browser.get("/reason").await;
    bill.add(&world, "GET /reason");
    browser.post("/reason", json!({ "reason": "forgotten" })).await;
    bill.add(&world, "POST /reason");
    for step in ["mail", "text"] {
        browser.get("/method").await;
        bill.add(&world, "GET /method");
        match step {
            "mail" => browser.send_email().await,
            _ => browser.send_phone("sms", "012-345 6798").await,
        };
        bill.add(&world, &format!("POST /code/send, by {step}"));
        browser.get("/code").await;
        bill.add(&world, "GET /code");
        world.deliver().await;
        bill.add(&world, "delivery of the code");
        browser.code(&world.last_code()).await;
        bill.add(&world, "POST /code");
    }
    browser.get("/password").await;
    bill.add(&world, "GET /password");
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
    bill.add(&world, "POST /password");
    browser.get("/done").await;
    bill.add(&world, "GET /done");
    world.clock.advance(60);
    world.deliver().await;
    bill.add(&world, "delivery of the notices");
    let (writes, half_reads) = units(&world);
    let (writes, half_reads) = (writes - writes_before, half_reads - half_reads_before);
    assert!(writes <= 18, "{writes} write units");
    assert!(half_reads <= 40, "{half_reads} half read units");
    let mut settings = insta::Settings::new();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("calls", bill.lines));
}

/// Controls: C-021.
#[tokio::test]
async fn code_attempt_costs_one_write_and_no_read() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser.send_email().await;
    let (mut writes, reads) = units(&world);
    for code in ["00000000".to_owned(), world.last_code()] {
        browser.code(&code).await;
        writes += 1;
        assert_eq!(units(&world), (writes, reads));
    }
}
