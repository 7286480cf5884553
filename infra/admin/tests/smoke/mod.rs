//! `rekey smoke`: a whole reset of a person in a local environment.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::doctor::Account;
use crate::support::Rekey;

const PEOPLE: &str = "login,name,alternate_email,mobile,password
ali,Ali bin Abu,ali@mail.example,+60123456701,Kancil-Lompat-42!
";

fn steps(document: &Value) -> Vec<&str> {
    document["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn smoke_resets_a_password_through_the_public_address() {
    let rekey = Rekey::start().await;
    rekey.import(PEOPLE).await;
    let document = rekey.json(&["smoke", "--as", "ali", "--sign-in", "--yes"]).await;
    let expected = [
        "page 1",
        "work",
        "login",
        "reason",
        "send email",
        "code email",
        "verify email",
        "send sms",
        "code sms",
        "verify sms",
        "password",
        "sign-in",
    ];
    assert_eq!((steps(&document), &document["done"]), (expected.to_vec(), &json!(true)), "{document:#}");
    rekey.delivered("ali@mail.example").await;
    let mut browser = rekey.environment.browser();
    let refused = browser.sign_in_with("ali", "Kancil-Lompat-42!").await;
    assert_eq!(refused.problem().1, "sign-in-wrong", "the earlier password is gone");

    // What stops a person stops the command, at the same step: somebody without methods gets a decoy, which may offer any
    // set of them.
    let ended = rekey.run(&["smoke", "--as", "start", "--yes"]).await;
    assert_eq!(ended.status, 3, "{ended:?}");
    let ways = ["no such contact", "the page offers"];
    let stops = ways.iter().any(|way| ended.out.contains(way));
    assert!(ended.out.contains("✘ failed") && stops, "{}", ended.out);
    let other = rekey.run(&["smoke", "--as", "ali", "--by", "totp", "--yes", "--json"]).await;
    let document: Value = serde_json::from_str(&other.out).unwrap();
    assert_eq!((other.status, &document["failed"]["step"]), (3, &json!("method")), "{document:#}");
    assert_eq!(rekey.run(&["smoke", "--as", "nobody", "--yes"]).await.status, 4);
    assert_eq!(rekey.run(&["smoke", "--as", "ali"]).await.status, 2, "without a terminal, --yes is needed");
}

/// Controls: C-261.
#[tokio::test(flavor = "multi_thread")]
async fn smoke_of_a_stack_asks_for_codes_and_shows_no_secret() {
    let rekey = Rekey::start().await;
    rekey.import(PEOPLE).await;
    let account = Account::start(&rekey).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekey"));
    command.args([
        "--stack",
        "rekey",
        "--region",
        "ap-southeast-1",
        "smoke",
        "--as",
        "ali",
        "--sign-in",
        "--yes",
    ]);
    command.env("AWS_ENDPOINT_URL", &account.endpoint);
    command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "none").env_remove("RUST_LOG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut typed = child.stdin.take().unwrap();
    let mail = rekey.environment.code("ali@mail.example").await;
    let wrong = if mail == "00000000" { "00000001" } else { "00000000" };
    write!(typed, "{wrong}\n{mail}\n012-345 6701\n").unwrap();
    let text = rekey.environment.code("+60123456701").await;
    writeln!(typed, "{text}").unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let out = String::from_utf8(ended.stdout).unwrap();
    let all = format!("{out}{}", String::from_utf8(ended.stderr).unwrap());
    assert_eq!(ended.status.code(), Some(0), "{all}");
    assert!(out.contains("The password was reset in"), "{all}");
    for secret in [mail.as_str(), &text, "Zq7-", "+60123456701", "ali@mail.example"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    // It needs to find the stack, and nothing else.
    let calls = account.calls();
    let found = |call: &String| {
        ["sts:GetCallerIdentity", "cloudformation:ListStackResources"].contains(&call.as_str())
            || call.ends_with("/configuration")
    };
    assert!(calls.iter().all(found), "{calls:?}");
}
