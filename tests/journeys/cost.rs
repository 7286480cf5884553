//! The DynamoDB cost of a reset. Items are below one kilobyte and reads below four. So a write costs one unit, a
//! strongly consistent read one, and an eventually consistent read half.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use rekey_local::emulator::roles::{ADMINISTRATOR, Call};
use rekey_tests::World;
use rekey_tests::fixtures::NEW_NUMBER;
use serde_json::{Value, json};

use crate::captcha::work;
use crate::security_info;

/// Where `rekey plan` has the operations that it counts with.
const OPERATIONS: &str = "infra/admin/data";
const UPDATE: &str = "REKEY_TEST_UPDATE=1 cargo nextest run --workspace --test journeys cost::";

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
    requests: u64,
    first: BTreeMap<Call, u64>,
    before: BTreeMap<Call, u64>,
}

impl Bill {
    fn new(world: &World) -> Self {
        let calls = world.emulator.calls();
        Self { lines: String::new(), requests: 0, first: calls.clone(), before: calls }
    }

    /// Returns what all requests called so far, as `rekey plan` counts it. A write in a transaction costs twice as much;
    /// only `enrolment` makes some, in the table of what people enrolled.
    fn operations(&self) -> Value {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (call, count) in &self.before {
            let count = count - self.first.get(call).unwrap_or(&0);
            let in_transaction =
                call.principal == "enrolment" && call.resource.as_deref() == Some("SecurityInfoTable");
            let (name, count) = match call.action.as_str() {
                _ if [ADMINISTRATOR, "housekeeping"].contains(&call.principal.as_str()) => continue,
                "dynamodb:PutItem"
                | "dynamodb:UpdateItem"
                | "dynamodb:DeleteItem"
                | "dynamodb:ConditionCheckItem" => {
                    ("write_units", count * if in_transaction { 2 } else { 1 })
                }
                "dynamodb:GetItem" | "dynamodb:Query" => {
                    ("half_read_units", count * if call.consistent { 2 } else { 1 })
                }
                "sqs:SendMessage" => ("queue_messages", count),
                "ses:SendEmail" => ("mails", count),
                "sns:Publish" => ("texts", count),
                "sms-voice:SendVoiceMessage" => ("calls", count),
                action => {
                    assert!(action.starts_with("secretsmanager:") || count == 0, "{action} costs something");
                    continue;
                }
            };
            *counts.entry(name).or_default() += count;
        }
        counts.insert("requests", self.requests);
        json!(counts)
    }

    /// Adds the calls since the last line.
    fn add(&mut self, world: &World, request: &str) {
        self.requests += u64::from(request.starts_with("GET") || request.starts_with("POST"));
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

/// Compares operations with what `rekey plan` counts with, or writes it with `REKEY_TEST_UPDATE`.
fn hold(name: &str, operations: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(OPERATIONS).join(name);
    if env::var_os("REKEY_TEST_UPDATE").is_some() {
        fs::write(&file, format!("{operations:#}\n")).unwrap();
    }
    let planned: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(planned, *operations, "{} differs. After a review, run {UPDATE}", file.display());
}

/// A person without any method signs in, and enrols a mobile and a mailbox.
#[tokio::test]
async fn first_enrolment_is_as_the_plan_counts() {
    let world = security_info::world().await;
    let mut bill = Bill::new(&world);
    let mut browser = world.browser();
    browser.get("/security-info").await;
    bill.add(&world, "GET /security-info");
    assert_eq!(browser.sign_in("newcomer").await.page(), "security-info");
    bill.add(&world, "POST /security-info/sign-in");
    for (kind, value) in [("mobile", NEW_NUMBER), ("alternate_email", "newcomer@mail.example")] {
        browser.get("/security-info").await;
        bill.add(&world, "GET /security-info");
        assert_eq!(browser.add(kind, value).await.page(), "confirm");
        bill.add(&world, "POST /security-info/add");
        browser.get("/security-info/confirm").await;
        bill.add(&world, "GET /security-info/confirm");
        world.deliver().await;
        bill.add(&world, "delivery of the code");
        assert_eq!(browser.confirm(kind, &world.last_code()).await.page(), "security-info");
        bill.add(&world, "POST /security-info/confirm");
    }
    browser.get("/security-info").await;
    bill.add(&world, "GET /security-info");
    browser.post("/security-info/sign-out", json!({})).await;
    bill.add(&world, "POST /security-info/sign-out");
    // The changes of a session are told together.
    world.clock.advance(300);
    world.deliver().await;
    bill.add(&world, "delivery of the notices");
    hold("enrolment.json", &bill.operations());
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
    hold("reset.json", &bill.operations());
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
