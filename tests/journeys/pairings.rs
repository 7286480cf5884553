//! Pairing a phone: who may, how often, and the attempts that must fail.

use rekey_tests::fixtures::{AISYAH, PRIYA};
use rekey_tests::{Phone, World};
use serde_json::json;
use shared::domain::code::OneTimeCode;
use shared::ports::{Clock as _, PairingConfirmed, PairingState, PairingStore as _};

/// Controls: C-059.
#[tokio::test]
async fn device_is_paired_after_correct_code_confirmation() {
    let world = World::new().await;
    let mut phone = Phone::new(&world, 1);
    let token = world.begin_pairing(&AISYAH).await;
    let now = world.clock.now();
    let account = AISYAH.account().id;
    let state = async || world.pairings().state(token.key(), &account, &[5; 32], now).await.unwrap();
    assert_eq!(state().await, PairingState::Open);
    assert_eq!(world.confirm_pairing(&token, &AISYAH, "123456").await, PairingConfirmed::NotYet);
    let paired = phone.pair(&token).await.json();
    assert_eq!(state().await, PairingState::Waiting("Chrome, Android".to_owned()));
    assert_eq!(
        phone.poll().await.problem(),
        (403, "device-unknown".into()),
        "it waits, and belongs to no account"
    );

    let code = paired["code"].as_str().unwrap();
    let wrong = if code.starts_with('1') { "200000" } else { "100000" };
    assert_eq!(
        world.confirm_pairing(&token, &AISYAH, wrong).await,
        PairingConfirmed::Wrong { attempts_left: 2 }
    );
    let confirmed = world.confirm_pairing(&token, &AISYAH, code).await;
    assert!(matches!(&confirmed, PairingConfirmed::Confirmed(_)));
    assert_eq!(world.confirm_pairing(&token, &AISYAH, code).await, confirmed, "a double click");
    assert_eq!(world.confirm_pairing(&token, &AISYAH, wrong).await, PairingConfirmed::Spent);
}

/// Controls: C-059.
#[tokio::test]
async fn pairing_token_serves_one_device_for_five_minutes() {
    let world = World::new().await;
    let token = world.begin_pairing(&AISYAH).await;
    assert_eq!(Phone::new(&world, 1).pair(&token).await.status, 200);
    assert_eq!(Phone::new(&world, 2).pair(&token).await.problem(), (422, "code-spent".into()));
    let late = world.begin_pairing(&AISYAH).await;
    world.clock.advance(300);
    assert_eq!(Phone::new(&world, 2).pair(&late).await.problem(), (422, "code-spent".into()));
}

/// Controls: C-059.
#[tokio::test]
async fn pairing_confirmation_requires_its_session_before_expiry() {
    let world = World::new().await;
    let token = world.begin_pairing(&AISYAH).await;
    let code = Phone::new(&world, 1).pair(&token).await.json()["code"].as_str().unwrap().to_owned();
    let tag = token
        .key()
        .code_tag(&world.keyring("REKEY_SECRET_FLOWS"), &OneTimeCode::parse(&code).unwrap())
        .unwrap();
    let (own, others) = (AISYAH.account().id, PRIYA.account().id);
    for (account, session) in [(&own, [6; 32]), (&others, [5; 32])] {
        let confirmed =
            world.pairings().confirm(token.key(), account, &session, tag, world.clock.now()).await;
        assert_eq!(confirmed.unwrap(), PairingConfirmed::Gone);
        let state = world.pairings().state(token.key(), account, &session, world.clock.now()).await;
        assert_eq!(state.unwrap(), PairingState::Gone);
    }
    world.clock.advance(300);
    assert_eq!(world.confirm_pairing(&token, &AISYAH, &code).await, PairingConfirmed::Gone);
}

/// Controls: C-059.
#[tokio::test]
async fn three_wrong_codes_end_a_pairing() {
    let world = World::new().await;
    let token = world.begin_pairing(&AISYAH).await;
    let code = Phone::new(&world, 1).pair(&token).await.json()["code"].as_str().unwrap().to_owned();
    let wrong = if code.starts_with('1') { "200000" } else { "100000" };
    for attempts_left in [2, 1, 0] {
        let answer = world.confirm_pairing(&token, &AISYAH, wrong).await;
        assert_eq!(answer, PairingConfirmed::Wrong { attempts_left });
    }
    assert_eq!(world.confirm_pairing(&token, &AISYAH, &code).await, PairingConfirmed::Spent);
}

/// Controls: C-087.
#[tokio::test]
async fn invalid_pairing_data_is_rejected_without_using_token() {
    let world = World::new().await;
    let token = world.begin_pairing(&AISYAH).await;
    let mut phone = Phone::new(&world, 1);
    let elsewhere = phone.subscription().replace("http://127.0.0.1", "http://169.254.169.254");
    for subscription in [elsewhere.as_str(), "{}", "x"] {
        assert_eq!(
            phone.pair_with_subscription(&token, subscription).await.problem(),
            (400, "malformed".into())
        );
    }
    let pairing = token.expose();
    let (key, other) = (phone.public_key(), Phone::new(&world, 2));
    let stolen = json!({
        "pairing": pairing, "public_key": key, "signature": other.sign(&["pair", &pairing, &key, ""]),
    });
    assert_eq!(phone.post("/authenticator/pair", stolen).await.problem(), (400, "malformed".into()));
    assert_eq!(phone.pair_with_subscription(&token, "").await.status, 200, "nothing of that used the token");
}

/// Controls: C-088.
#[tokio::test]
async fn tables_hold_neither_token_nor_code_nor_endpoint() {
    let world = World::new().await;
    let token = world.begin_pairing(&AISYAH).await;
    let code = Phone::new(&world, 1).pair(&token).await.json()["code"].as_str().unwrap().replace(' ', "");
    Phone::enrolled(&world, 2, &AISYAH).await;
    let dump = world.dump().await;
    for secret in [token.expose(), code, "/push/phone-".to_owned()] {
        assert!(!dump.contains(&secret), "{secret}");
    }
}
