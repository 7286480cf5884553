//! The audit trail: its events, its chain, its anchors, and what becomes of abandoned flows.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use rekey_tests::World;
use rekey_tests::fixtures::{AISYAH, NEW_PASSWORD};
use serde_json::{Value, json};
use shared::adapters::aws::emulated;
use shared::adapters::dynamodb::DynamoAnchors;
use shared::adapters::system::{audit_lines, new_chain};
use shared::domain::audit::Fields;
use shared::domain::audit::chain::Chain;
use shared::domain::audit::verify::verify;
use shared::domain::time::Timestamp;
use shared::ports::AnchorStore as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

use crate::log::Lines;

/// Cancels a flow by the page's form.
async fn cancel_by_form(world: &Arc<World>) {
    let mut browser = world.browser().with_headers(&[(
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    )]);
    browser.open("aisyah", "forgotten").await;
    let form = browser.request(Method::POST, "/cancel");
    let form = form
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin");
    let mut form = form.body(String::new()).unwrap();
    form.headers_mut().insert("accept", "text/html".parse().unwrap());
    browser.send(form).await;
}

/// Controls: C-064, C-232.
#[tokio::test]
async fn every_door_logs_one_structure_and_end() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let world = World::with(&[("REKEY_FLOW_TRIES", "5")]).await;
    let mut browser = world.browser().from_address([203, 0, 113, 7]);
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    world.clock.advance(3_600);
    let mut other = world.browser();
    other.open("aisyah", "locked").await;
    assert_eq!(other.post("/cancel", json!({})).await.page(), "ended");
    cancel_by_form(&world).await;
    let mut guesser = world.browser();
    guesser.open("aisyah", "forgotten").await;
    guesser.send_email().await;
    let code = world.last_code();
    for _ in 0..5 {
        guesser.code(if code == "00000000" { "00000001" } else { "00000000" }).await;
    }

    let ends = lines.field("flow.ended", "outcome");
    assert_eq!(ends, ["succeeded", "cancelled", "cancelled", "blocked"]);
    assert_eq!(lines.field("flow.ended", "reason"), ["reset", "cancelled", "cancelled", "attempts"]);
    let account = &lines.field("flow.started", "account")[0];
    for event in ["flow.started", "flow.reason_selected", "code.sent", "step.verified", "flow.ended"] {
        for line in lines.of(event) {
            for name in ["actor", "account", "flow", "outcome", "network", "client"] {
                assert!(line[name].is_string(), "{event} has no {name}: {line}");
            }
            assert_eq!(
                (&line["actor"], line["account"].as_str()),
                (&json!("person"), Some(account.as_str()))
            );
            assert_eq!(line["decoy"], false, "{line}");
        }
    }
    assert_eq!(lines.of("step.verified")[0]["network"], "203.0.113.x");
    assert_eq!(lines.field("step.verified", "method"), ["email", "sms"]);
    assert_eq!(lines.of("flow.ended")[2]["client"], "Firefox, Linux");
    assert!(lines.of("code.rejected").iter().all(|line| line["outcome"] == "refused"));
    for secret in [code.as_str(), NEW_PASSWORD, "60123456798", "aisyah"] {
        assert!(!lines.text().contains(secret), "{secret}");
    }
}

/// Controls: C-230.
#[tokio::test]
async fn lines_of_an_instance_form_a_chain() {
    let lines = Lines::default();
    let (writer, chain) = (lines.clone(), new_chain("test"));
    let guard = tracing::subscriber::set_default(registry().with(audit_lines(chain, move || writer.clone())));
    let world = World::new().await;
    cancel_by_form(&world).await;
    drop(guard);
    let read: Vec<Fields> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(read.len() > 2 && read.iter().all(|line| line["stream"].as_str().unwrap().starts_with("test/")));
    let verified = |lines: &[Fields]| {
        let long_ago = Timestamp::from_seconds(0);
        verify(lines, &[], long_ago, long_ago).findings.len()
    };
    assert_eq!(verified(&read), 0);
    assert_eq!(verified(&[&read[..1], &read[2..]].concat()), 1, "a line is missing");
}

/// Writes lines of a function at times of the world's clock.
fn write(world: &World, chain: &mut Chain, lines: &[(i64, Value)]) {
    for (seconds, line) in lines {
        let mut line = line.as_object().unwrap().clone();
        let at = Timestamp::from_seconds(world.now().as_seconds() + seconds);
        line.insert("timestamp".to_owned(), at.to_string().into());
        world.emulator.logs().add(&chain.link(line));
    }
}

/// Writes a line of a function.
pub fn write_line(world: &World, line: Value) {
    let mut chain = Chain::new("password-set", world.now(), [7; 8]);
    write(world, &mut chain, &[(0, line)]);
}

/// Writes that somebody began a flow, as `captcha` does.
pub fn write_start_of_flow(world: &World) {
    let mut chain = Chain::new("captcha", world.now(), [6; 8]);
    let started = json!({ "event": "flow.started", "flow": "0f", "account": "00ff", "decoy": false });
    write(world, &mut chain, &[(0, started)]);
}

/// What an owner reads comes from the log, and nobody else's events are among it.
///
/// Controls: C-234.
#[tokio::test]
async fn owner_reads_last_events_in_local_time() {
    let world = World::new().await;
    let account = format!("{:?}", AISYAH.account().id.pseudonym(&world.keyring("REKEY_SECRET_FLOWS")));
    let mut chain = Chain::new("code-verify", world.now(), [5; 8]);
    let of = |event: &str, account: &str| {
        json!({
            "event": event, "flow": "0a", "account": account, "network": "203.0.113.x", "client": "Firefox, Linux",
            "decoy": false,
        })
    };
    let lines = [
        (1, of("flow.started", &account)),
        (2, of("code.rejected", &account)),
        (3, of("code.sent", "0000000000000000")),
    ];
    write(&world, &mut chain, &lines);
    world.clock.advance(600);
    world.anchor().await.unwrap();
    let mut owner = world.browser();
    owner.sign_in("aisyah").await;
    let list = owner.second_step(&world.app_code(0)).await.json();
    let events = list["recent_events"].as_array().unwrap();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["code_rejected", "started"], "{list:#}");
    assert_eq!(
        (&events[0]["network"], &events[0]["client"]),
        (&json!("203.0.113.x"), &json!("Firefox, Linux"))
    );
    let page = owner.html("/security-info?lang=ms").await;
    assert!(
        page.contains("Kod yang salah telah dimasukkan") && page.contains("203.0.113.x, Firefox, Linux"),
        "{page}"
    );
}

/// Controls: C-231, C-232.
#[tokio::test]
async fn hourly_run_anchors_and_finds_abandoned_flows() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let world = World::new().await;
    let mut chain = Chain::new("captcha", world.now(), [5; 8]);
    let started = |flow: &str| json!({ "event": "flow.started", "flow": flow, "account": "00ff" });
    let sent = json!({ "event": "code.sent", "flow": "0a", "step": 1, "method": "sms", "account": "00ff" });
    let cancelled = json!({ "event": "flow.ended", "flow": "0b", "outcome": "cancelled" });
    write(&world, &mut chain, &[(1, started("0a")), (2, started("0b")), (3, sent), (4, cancelled)]);
    world.clock.advance(3_600);
    world.anchor().await.unwrap();
    let ended = lines.of("flow.ended");
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!((&ended[0]["flow"], &ended[0]["outcome"]), (&json!("0a"), &json!("abandoned")));
    assert_eq!((&ended[0]["reason"], &ended[0]["account"]), (&json!("code.sent"), &json!("00ff")));

    write(&world, &mut chain, &[(5, started("0c"))]);
    world.clock.advance(3_600);
    world.anchor().await.unwrap();
    world.anchor().await.unwrap();
    assert_eq!(lines.field("flow.ended", "flow"), ["0a", "0c"], "each flow once");
    let client = aws_sdk_dynamodb::Client::new(&emulated(world.emulator.endpoint(), "local"));
    let anchors = DynamoAnchors::new(client, "SecurityInfoTable");
    let anchors = anchors.anchors_since(Timestamp::from_seconds(0)).await.unwrap();
    let counts: Vec<BTreeMap<&str, u64>> = anchors
        .iter()
        .map(|anchor| anchor.streams.iter().map(|(name, head)| (&name[..7], head.count)).collect())
        .collect();
    assert_eq!(counts, [BTreeMap::from([("captcha", 4)]), BTreeMap::from([("captcha", 5)])]);
    assert_eq!(anchors[1].previous, anchors[0].hash());
}
