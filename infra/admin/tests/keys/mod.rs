//! `rekey keys rotate` on a stack and on a local environment.

use rekey_local::Options;
use rekey_tests::{Folder, LocalEnvironment};
use serde_json::Value;

use crate::doctor::{Account, RENEWAL};
use crate::support::Rekey;

const CONTACTS: &str = "REKEY_SECRET_CONTACTS";
const PEOPLE: &str = "login,name,alternate_email,mobile\nali,Ali bin Abu,ali@mail.example,+60123456701\n";

fn secret(rekey: &Rekey) -> Value {
    serde_json::from_str(&rekey.environment.local.emulator.secret(CONTACTS).unwrap()).unwrap()
}

/// Returns the ids of all keys but the first.
fn added(secret: &Value) -> Vec<&String> {
    secret.as_object().unwrap().keys().filter(|id| !["current", "1"].contains(&id.as_str())).collect()
}

/// Controls: C-262.
#[tokio::test(flavor = "multi_thread")]
async fn rotation_renews_functions_before_a_key_serves() {
    let rekey = Rekey::start().await;
    rekey.import(PEOPLE).await;
    let account = Account::start(&rekey).await;
    let before = secret(&rekey);
    let writes = |from: usize| -> Vec<String> {
        let calls = account.calls().split_off(from);
        let is_write = |call: &String| call.contains(":Put") || call.contains(":PUT");
        calls.into_iter().filter(is_write).map(|call| call.split(' ').next().unwrap().to_owned()).collect()
    };
    let dry = account.run(&[], &["keys", "rotate", "contacts"]).await;
    assert_eq!(dry.status, 0, "{dry:?}");
    assert!(
        dry.out.contains("1 functions start again") && dry.out.contains("Nothing was written"),
        "{}",
        dry.out
    );
    assert_eq!((secret(&rekey), writes(0)), (before.clone(), vec![]));

    // A function that can't start again keeps the key from serving.
    let rotate = ["keys", "rotate", "contacts", "--apply", "--json"];
    let stopped = account.run(&[(RENEWAL, 500, "")], &rotate).await;
    assert_eq!(stopped.status, 1, "{stopped:?}");
    assert!(stopped.out.contains("rekey-DeliveryFunction-1 was not started again"), "{}", stopped.out);
    let between = secret(&rekey);
    assert_eq!((&between["current"], added(&between).len()), (&before["current"], 1));
    assert_eq!(writes(0), ["secretsmanager:PutSecretValue", "lambda:PUT"]);

    // The same command goes on, and first starts all functions again.
    let from = account.calls().len();
    let done = account.run(&[], &rotate).await;
    assert_eq!(done.status, 0, "{done:?}");
    assert_eq!(writes(from), ["lambda:PUT", "secretsmanager:PutSecretValue", "lambda:PUT"]);
    let after = secret(&rekey);
    assert_eq!((&after["1"], after["current"].as_str()), (&before["1"], Some(added(&between)[0].as_str())));
    let text = format!("{}{}", done.out, done.err);
    assert!(text.contains("\"event\":\"keys.rotated\""), "{text}");
    for key in added(&after).into_iter().chain([&"1".to_owned()]) {
        assert!(!text.contains(after[key].as_str().unwrap()), "no output has a key");
    }
    let again = account.run(&[], &rotate).await;
    assert!(again.status == 1 && again.out.contains("in an hour"), "{again:?}");
    let export = rekey.json(&["export", "ali"]).await;
    assert!(export.to_string().contains("+60123456701"), "what the earlier key sealed stays: {export:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_of_local_environment_goes_on_after_a_start() {
    let options = |folder: &Folder| Options {
        data: Some(folder.path("data")),
        people: Some(folder.write("start.csv", PEOPLE)),
        ..LocalEnvironment::options()
    };
    let rekey = Rekey::start_with(options).await;
    let rotate = ["keys", "rotate", "contacts", "--apply"];
    let first = rekey.json(&rotate).await;
    assert!(first["next"].as_str().unwrap().contains("repeat the command"), "{first:#}");
    assert_eq!((secret(&rekey)["current"].as_str(), added(&secret(&rekey)).len()), (Some("1"), 1));
    let rekey = rekey.restart(options).await;
    assert_eq!(added(&secret(&rekey)).len(), 1, "the key is kept in the folder");
    let second = rekey.json(&rotate).await;
    assert_eq!((&second["is_current"], &second["current"]), (&Value::Bool(true), &second["new"]));
    let rekey = rekey.restart(options).await;
    rekey.import(&PEOPLE.replace("ali", "siti").replace("6701", "6702")).await;
    for (login, email) in [("ali", "ali@mail.example"), ("siti", "siti@mail.example")] {
        let mut browser = rekey.environment.browser();
        browser.open(login, "forgotten").await;
        browser.send_email().await;
        assert_eq!(browser.code(&rekey.environment.code(email).await).await.page(), "method", "{login}");
    }
    for (name, why) in
        [("directory-write", "changed in the directory"), ("proxy", "CloudFront"), ("all", "Name captcha")]
    {
        let refused = rekey.run(&["keys", "rotate", name, "--apply"]).await;
        assert!(refused.status == 2 && refused.err.contains(why), "{refused:?}");
    }
}
