//! The audit trail, as an operator verifies it.

use serde_json::{Value, json};
use shared::adapters::dynamodb::DynamoAnchors;
use shared::adapters::system::SystemClock;
use shared::domain::audit::Fields;
use shared::domain::audit::chain::Chain;
use shared::domain::audit::verify::Anchor;
use shared::domain::time::Timestamp;
use shared::ports::{AnchorStore as _, Clock as _};

use super::support::Rekey;

/// The time some minutes ago.
fn ago(minutes: i64) -> Timestamp {
    Timestamp::from_seconds(SystemClock.now().as_seconds() - minutes * 60)
}

/// Writes two streams of four lines, and an anchor after each line.
async fn write_trail(rekey: &Rekey) {
    let mut chains = ["code-send", "delivery"].map(|name| Chain::new(name, ago(50), [3; 8]));
    let anchors = DynamoAnchors::new(rekey.client(), "SecurityInfoTable");
    let (mut lines, mut last) = (Vec::<Fields>::new(), None);
    for minutes in [40, 30, 20, 10] {
        for chain in &mut chains {
            let line = json!({ "event": "code.sent", "timestamp": ago(minutes).to_string(), "step": 1 });
            let line = chain.link(line.as_object().unwrap().clone());
            rekey.environment.local.emulator.logs().add(&line);
            lines.push(serde_json::from_str(&line).unwrap());
        }
        let anchor = Anchor::after(last.as_ref(), &lines, ago(minutes - 5));
        assert!(anchors.add_anchor(&anchor).await.unwrap());
        last = Some(anchor);
    }
    assert!(!anchors.add_anchor(&last.unwrap()).await.unwrap(), "an anchor is never replaced");
}

/// An insider edits the log of this deployment.
async fn verified_after(edit: impl Fn(Vec<String>) -> Vec<String>) -> (i32, Value) {
    let rekey = Rekey::start().await;
    write_trail(&rekey).await;
    rekey.environment.local.emulator.logs().edit(edit);
    let ended = rekey.run(&["audit", "verify", "--json"]).await;
    (ended.status, serde_json::from_str(&ended.out).unwrap())
}

fn found(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |finding: &Value| {
        let stream = finding["stream"].as_str().unwrap().split('/').next().unwrap().to_owned();
        format!("{stream} {}-{} {}", finding["sequence"], finding["until"], finding["kind"].as_str().unwrap())
    };
    findings.map(text).collect()
}

fn is_line(line: &str, stream: &str, sequence: u64) -> bool {
    line.contains(&format!("\"stream\":\"{stream}/")) && line.contains(&format!("\"sequence\":{sequence},"))
}

/// Controls: C-230, C-231.
#[tokio::test(flavor = "multi_thread")]
async fn tampered_log_is_named_by_stream_and_line() {
    let (status, report) = verified_after(|lines| lines).await;
    assert_eq!((status, found(&report)), (0, vec![]), "{report:#}");
    assert_eq!((report["lines"].clone(), report["anchors"].clone()), (json!(8), json!(4)));

    let without = |stream: &'static str, sequences: &'static [u64]| {
        move |mut lines: Vec<String>| {
            lines.retain(|line| !sequences.iter().any(|number| is_line(line, stream, *number)));
            lines
        }
    };
    let (status, report) = verified_after(without("delivery", &[2])).await;
    assert_eq!((status, found(&report)), (3, vec!["delivery 2-2 lines_removed".to_owned()]));
    let (_, report) = verified_after(without("code-send", &[3, 4])).await;
    assert_eq!(found(&report), ["code-send 3-4 tail_cut"]);
    let (_, report) = verified_after(without("code-send", &[1, 2, 3, 4])).await;
    assert_eq!(found(&report), ["code-send 1-4 stream_missing"]);
    let (_, report) = verified_after(|mut lines| {
        for line in lines.iter_mut().filter(|line| is_line(line, "delivery", 3)) {
            *line = line.replace("\"step\":1", "\"step\":2");
        }
        lines
    })
    .await;
    assert_eq!(found(&report), ["delivery 3-3 line_changed"]);
}

/// Controls: C-230.
#[tokio::test(flavor = "multi_thread")]
async fn exported_trail_is_verified_offline() {
    let rekey = Rekey::start().await;
    let empty = rekey.run(&["audit", "verify"]).await;
    assert_eq!(empty.status, 1, "nothing could be looked at: {empty:?}");
    write_trail(&rekey).await;
    let exported = rekey.run(&["audit", "export"]).await;
    assert_eq!((exported.status, exported.out.lines().count()), (0, 1 + 4 + 8));
    let file = rekey.file("trail.jsonl", &exported.out);
    let sound = rekey.run(&["audit", "verify", "--file", &file]).await;
    assert_eq!(sound.status, 0, "{sound:?}");
    assert!(sound.out.starts_with("Sound: 8 lines in 2 streams"), "{}", sound.out);
    // Spaces and an export's own times change nothing.
    let spaced: Vec<String> = exported
        .out
        .lines()
        .map(|line| format!("2026-12-01T00:00:00Z {}", line.replace(",\"", ", \"")))
        .collect();
    let file = rekey.file("spaced.jsonl", &spaced.join("\n"));
    assert_eq!(rekey.run(&["audit", "verify", "--file", &file]).await.status, 0);
    let cut: Vec<&str> = exported.out.lines().filter(|line| !is_line(line, "delivery", 4)).collect();
    let file = rekey.file("cut.jsonl", &cut.join("\n"));
    let tampered = rekey.run(&["audit", "verify", "--file", &file]).await;
    assert_eq!(tampered.status, 3);
    assert!(tampered.out.contains("tail cut") && tampered.out.contains("Not sound"), "{}", tampered.out);
    assert_eq!(rekey.run(&["audit", "verify", "--file", &rekey.path("none")]).await.status, 1);
}

/// Controls: C-064.
#[tokio::test(flavor = "multi_thread")]
async fn report_counts_people_and_events() {
    let rekey = Rekey::start().await;
    rekey.import(super::FIRST).await;
    let mut chain = Chain::new("captcha", ago(60), [9; 8]);
    let flow = |event: &str, more: Value| {
        let mut line =
            json!({ "event": event, "flow": "0a0b0c0d", "timestamp": ago(40).to_string(), "decoy": false });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.as_object().unwrap().clone()
    };
    for line in [
        flow("flow.started", json!({})),
        flow("code.rejected", json!({ "reason": "<b>code-wrong" })),
        flow("step.verified", json!({ "method": "sms", "step": 1 })),
        flow("flow.ended", json!({ "outcome": "succeeded", "reason": "reset" })),
        flow(
            "message.processed",
            json!({ "channel": "sms", "kind": "code", "outcome": "sent", "reason": "" }),
        ),
    ] {
        rekey.environment.local.emulator.logs().add(&chain.link(line));
    }
    let report = rekey.json(&["report", "--sms-usd", "0.2"]).await["report"].take();
    assert_eq!((&report["people"]["total"], &report["people"]["capable"]), (&json!(4), &json!(3)));
    assert_eq!(report["people"]["methods"]["sms"], 3);
    let month = &report["windows"][2];
    assert_eq!((&month["days"], &month["opened"], &month["resets"]), (&json!(30), &json!(1), &json!(1)));
    assert_eq!(month["by_method"]["sms"]["resets"], 1);
    assert_eq!((&report["messages"]["sms"]["sent"], &report["usd"]), (&json!(1), &json!(0.2)));

    let text = rekey.run(&["report"]).await;
    assert!(text.out.contains("password reset") && text.out.contains("75 %"), "{}", text.out);
    let csv = rekey.run(&["report", "--csv"]).await.out;
    assert!(
        csv.starts_with("section,what,column,value\n")
            && csv.contains("\nBy method,sms,\"resets, 24 h\",1\n"),
        "{csv}"
    );
    let file = rekey.path("report.html");
    assert_eq!(rekey.run(&["report", "--html", &file]).await.status, 0);
    let page = std::fs::read_to_string(file).unwrap();
    assert!(
        page.contains("<svg role=\"img\" aria-labelledby=\"days-t days-d\"")
            && page.contains("prefers-color-scheme:dark")
    );
    assert!(page.contains("&lt;b&gt;code-wrong") && !page.contains("<b>"), "text of the log is escaped");
    for outside in ["<script", "http://", "https://", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}
