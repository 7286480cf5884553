//! The DynamoDB cost of a reset. Items are below one kilobyte and reads below four. So a write costs one unit, a
//! strongly consistent read one, and an eventually consistent read half.

use rekey_local::emulator::roles::ADMINISTRATOR;
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

#[tokio::test]
async fn reset_stays_within_its_dynamodb_unit_limit() {
    let world = World::new().await;
    // A process reads the counts of decoys once in five minutes, so another flow has usually paid for them.
    world.housekeep().await.unwrap();
    world.browser().identify("nobody").await;
    let (writes_before, half_reads_before) = units(&world);
    let mut browser = world.browser();
    // As a browser does: it does the CAPTCHA's work, and after each form it loads the page of the redirect. The page of
    // a new password reads the account too where it is HTML: half a unit more.
    let captcha = browser.get("/").await.json()["captcha"].clone();
    let body =
        json!({ "login": "aisyah", "captcha_token": captcha["token"], "captcha_work": work(&captcha) });
    assert_eq!(browser.post("/", body).await.page(), "reason");
    browser.get("/reason").await;
    browser.post("/reason", json!({ "reason": "forgotten" })).await;
    browser.get("/method").await;
    browser.send_email().await;
    browser.get("/code").await;
    world.deliver().await;
    browser.code(&world.last_code()).await;
    browser.get("/method").await;
    browser.send_phone("sms", "012-345 6798").await;
    browser.get("/code").await;
    world.deliver().await;
    browser.code(&world.last_code()).await;
    browser.get("/password").await;
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
    browser.get("/done").await;
    world.clock.advance(60);
    world.deliver().await;
    let (writes, half_reads) = units(&world);
    let (writes, half_reads) = (writes - writes_before, half_reads - half_reads_before);
    assert!(writes <= 18, "{writes} write units");
    assert!(half_reads <= 40, "{half_reads} half read units");
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
