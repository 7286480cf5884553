//! What the failure of something else gives away.

use rekey_tests::people::NEW_PASSWORD;
use rekey_tests::{Answer, Browser, World};
use serde_json::{Value, json};

use crate::decoys::twin;

/// What answers can be told apart by.
type Seen = (u16, Value, Value, Vec<String>);

fn seen(answer: &Answer) -> Seen {
    let body = answer.json();
    let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    headers.sort();
    (answer.status.as_u16(), body["code"].clone(), body["page"].clone(), headers)
}

/// Opens a flow, lets calls that begin with `fault` fail, goes on, and mends.
async fn go_on(browser: &mut Browser, login: &str, fault: &'static str) -> Vec<Seen> {
    let mut all = vec![seen(&browser.open(login, "forgotten").await)];
    browser.world().put_out_of_order(fault);
    for (path, body) in [
        ("/code/send", json!({ "method": "email" })),
        ("/code", json!({ "code": "12345678" })),
        ("/code", json!({ "method": "totp", "code": "000000" })),
        ("/password", json!({ "password": NEW_PASSWORD, "confirmation": NEW_PASSWORD })),
        ("/unlock", json!({})),
    ] {
        all.push(seen(&browser.post(path, body).await));
        browser.world().deliver().await;
    }
    for path in ["/reason", "/method", "/code"] {
        all.push(seen(&browser.get(path).await));
    }
    all.push(seen(&browser.identify(login).await));
    browser.world().mend();
    browser.world().clock.advance(31);
    all.push(seen(&browser.send_email().await));
    all
}

/// Django, CVE-2024-45231: only while mail could not be sent did answers tell who has an account.
#[tokio::test]
async fn accounts_and_decoys_answer_alike_while_something_fails() {
    let faults = [
        "ses:",
        "sqs:",
        "dynamodb:Query",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:",
    ];
    for fault in faults {
        let world = World::new().await;
        twin(&world, "nobody", "twin").await;
        let known = go_on(&mut world.browser(), "twin", fault).await;
        let decoy = go_on(&mut world.browser(), "nobody", fault).await;
        assert_eq!(known, decoy, "{fault}");
        if fault != "ses:" {
            assert!(known.iter().any(|(status, ..)| *status == 503), "{fault} was not felt");
        }
        assert!(
            known.iter().all(|(_, _, page, _)| page != "password" && page != "done"),
            "{fault} let somebody in"
        );
    }
}
