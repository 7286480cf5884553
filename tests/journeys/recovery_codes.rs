//! Recovery codes: each serves once, as a method of its own.

use std::sync::Arc;

use rekey_tests::people::AISYAH;
use rekey_tests::{Answer, Browser, World};
use serde_json::json;
use shared::domain::recovery_code::{COUNT, RecoveryCodes};
use shared::domain::security_info::{EntryId, Kind};
use shared::ports::{Clock as _, EnrolmentStore as _, EntropyExt as _, NewEntry, Secret};

/// Writes a sheet for Aisyah; its codes as they are shown.
async fn sheet(world: &World) -> Vec<String> {
    let codes = RecoveryCodes::generate(&world.entropy.bytes());
    let sheet = codes.hash_sheet(world.entropy.bytes()).unwrap();
    let now = world.clock.now();
    let secret = Secret::RecoveryCodes { salt: sheet.salt, hashes: sheet.hashes };
    let entry = NewEntry::new(EntryId::only(Kind::RecoveryCodes), "", secret, now);
    world.enrolment.put(&AISYAH.account().id, &entry).await.unwrap();
    codes.iter().map(|code| code.expose().to_string()).collect()
}

async fn left(world: &World) -> String {
    let registered = world.enrolment.registered(&AISYAH.account().id).await.unwrap();
    registered.of(Kind::RecoveryCodes).next().unwrap().shown.clone()
}

async fn enter(browser: &mut Browser, code: &str) -> Answer {
    browser.post("/code", json!({ "method": "recovery_code", "code": code })).await
}

async fn opened(world: &Arc<World>) -> Browser {
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    browser
}

#[tokio::test]
async fn a_recovery_code_and_mail_reset() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let mut browser = opened(&world).await;
    for typed in ["", "0123", "12345678", "0123-4567-89AB-CDEU"] {
        assert_eq!(enter(&mut browser, typed).await.problem(), (400, "malformed".into()), "{typed}");
    }
    let typed = format!(" {} ", codes[3].to_lowercase().replace('-', " ").replace('0', "o"));
    let answer = enter(&mut browser, &typed).await;
    assert_eq!((answer.page().as_str(), &answer.json()["step"]), ("method", &json!(2)));
    assert!(!answer.json()["methods"].to_string().contains("recovery_code"), "one of the two steps only");
    assert_eq!(left(&world).await, "9");
    browser.send_email().await;
    assert_eq!(browser.code(&world.last_code()).await.page(), "password");
    assert_eq!(browser.password("Kancil-Lompat-42!").await.page(), "done");
}

#[tokio::test]
async fn a_recovery_code_serves_once_ever() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    assert_eq!(enter(&mut opened(&world).await, &codes[0]).await.page(), "method");
    let mut second = opened(&world).await;
    let again = enter(&mut second, &codes[0]).await;
    assert_eq!((again.problem(), &again.json()["tries_left"]), ((422, "code-wrong".into()), &json!(9)));
    assert_eq!(enter(&mut second, &codes[1]).await.page(), "method");
    // A new sheet takes the place of the old one.
    sheet(&world).await;
    assert_eq!(enter(&mut opened(&world).await, &codes[2]).await.problem(), (422, "code-wrong".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_flows_with_one_recovery_code_one_succeeds() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let mut browsers = Vec::new();
    for _ in 0..5 {
        browsers.push(opened(&world).await);
    }
    // Two clicks in each: the day's ten looks.
    let tasks: Vec<_> = browsers
        .iter()
        .flat_map(|browser| [browser.clone(), browser.clone()])
        .map(|mut browser| {
            let code = codes[0].clone();
            tokio::spawn(async move { enter(&mut browser, &code).await })
        })
        .collect();
    let mut proved = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(matches!(answer.status.as_u16(), 200 | 409 | 422), "{}", answer.text());
        proved += u8::from(answer.status == 200);
    }
    assert_eq!(proved, 1);
    assert_eq!(left(&world).await, "9", "and no other code was lost");
}

#[tokio::test]
async fn a_recovery_code_again_gets_the_newer_cookie() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let mut browser = opened(&world).await;
    let (mut again, mut guesser) = (browser.clone(), browser.clone());
    assert_eq!(enter(&mut browser, &codes[0]).await.page(), "method");
    assert_eq!(enter(&mut again, &codes[0]).await.problem(), (409, "out-of-step".into()));
    assert_eq!(again.cookie, browser.cookie);
    let older = guesser.cookie.clone();
    assert_eq!(enter(&mut guesser, &codes[1]).await.problem().0, 409);
    assert_eq!((guesser.cookie, left(&world).await.as_str()), (older, "9"));
}

#[tokio::test]
async fn a_recovery_code_counts_though_the_flow_dies_after_it() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let mut browser = opened(&world).await;
    world.die_after("code-verify", "dynamodb:UpdateItem", "SecurityInfoTable");
    assert_eq!(enter(&mut browser, &codes[0]).await.problem(), (503, "unavailable".into()));
    world.mend();
    assert_eq!(
        enter(&mut opened(&world).await, &codes[0]).await.problem().1,
        "code-wrong",
        "it is that flow's"
    );
    assert_eq!(enter(&mut browser, &codes[0]).await.page(), "method");
}

#[tokio::test]
async fn the_recovery_codes_daily_budget_holds_over_flows() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let mut wrong = 0;
    for _ in 0..3 {
        let mut browser = opened(&world).await;
        for _ in 0..5 {
            match enter(&mut browser, "0123-4567-89AB-CDEF").await.problem().1.as_str() {
                "code-wrong" => wrong += 1,
                other => assert_eq!(other, "method-unavailable"),
            }
        }
    }
    assert_eq!(wrong, 10);
    let mut browser = opened(&world).await;
    assert_eq!(enter(&mut browser, &codes[0]).await.problem(), (422, "method-unavailable".into()));
    browser.totp(&world.app_code(0)).await;
    assert_eq!(enter(&mut browser, &codes[0]).await.page(), "password", "the second step has its own");
}

#[tokio::test]
async fn a_used_up_sheet_is_not_offered() {
    let world = World::new().await;
    let codes = sheet(&world).await;
    let id = AISYAH.account().id;
    for (day, code) in codes.iter().enumerate() {
        let methods = world.browser().open("aisyah", "forgotten").await.json()["methods"].to_string();
        assert!(methods.contains("recovery_code"), "{day} of {COUNT} used");
        assert_eq!(enter(&mut opened(&world).await, code).await.page(), "method");
        world.clock.advance(86_400);
    }
    let methods = world.browser().open("aisyah", "forgotten").await.json()["methods"].to_string();
    assert!(!methods.contains("recovery_code"));
    let entry = world.enrolment.registered(&id).await.unwrap();
    assert_eq!(entry.of(Kind::RecoveryCodes).next().unwrap().shown, "0", "it is still listed");
}
