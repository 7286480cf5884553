//! The CAPTCHA that a flow requires.

use rekey_tests::{Browser, World};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

async fn challenge(browser: &mut Browser) -> Value {
    browser.get("/").await.json()["captcha"].clone()
}

pub(crate) fn work(captcha: &Value, difficulty: u64) -> String {
    let challenge = captcha["work"]["challenge"].as_str().unwrap();
    (0_u64..1 << 30)
        .map(|nonce| nonce.to_string())
        .find(|nonce| {
            let digest = Sha256::digest(format!("{challenge}{nonce}"));
            u64::from(u32::from_be_bytes(digest[..4].try_into().unwrap()).leading_zeros()) >= difficulty
        })
        .unwrap()
}

async fn solve(
    browser: &mut Browser,
    login: &str,
    captcha: &Value,
    field: &str,
    value: &str,
) -> rekey_tests::Answer {
    browser.post("/", json!({ "login": login, "captcha_token": captcha["token"], field: value })).await
}

/// Controls: C-007.
#[tokio::test]
async fn captcha_characters_or_work_open_one_flow() {
    let world = World::new().await;
    let mut browser = world.browser();
    let captcha = challenge(&mut browser).await;
    let answer = world.captcha_answer(captcha["token"].as_str().unwrap()).to_lowercase();
    let typed = format!(" {} {} ", &answer[..3], &answer[3..]);
    assert_eq!(solve(&mut browser, "aisyah", &captcha, "captcha_answer", &typed).await.page(), "reason");
    let again = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &answer).await;
    assert_eq!(again.problem(), (422, "captcha-wrong".into()), "a token serves once");

    let captcha = challenge(&mut browser).await;
    let nonce = work(&captcha, captcha["work"]["difficulty"].as_u64().unwrap());
    assert_eq!(solve(&mut browser, "aisyah", &captcha, "captcha_work", &nonce).await.page(), "reason");
}

/// Controls: C-007.
#[tokio::test]
async fn captcha_token_survives_malformed_but_not_wrong_answers() {
    let world = World::new().await;
    let mut browser = world.browser();
    let captcha = challenge(&mut browser).await;
    let token = captcha["token"].as_str().unwrap().to_owned();
    let right = world.captcha_answer(&token);
    for body in [
        json!({ "login": "", "captcha_token": token, "captcha_answer": right }),
        json!({ "login": "aisyah", "captcha_token": token }),
        json!({ "login": "aisyah", "captcha_token": token, "captcha_work": "0x12" }),
        json!({ "login": "aisyah", "captcha_token": token, "captcha_answer": right, "email": "x" }),
        json!({ "login": ["aisyah"], "captcha_token": token, "captcha_answer": right }),
    ] {
        assert_eq!(browser.post("/", body.clone()).await.problem(), (400, "malformed".into()), "{body}");
    }
    let wrong = solve(&mut browser, "aisyah", &captcha, "captcha_answer", "######").await;
    assert_eq!(wrong.problem(), (422, "captcha-wrong".into()));
    assert_ne!(wrong.json()["captcha"]["token"], captcha["token"], "a new one comes along");
    let late = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &right).await;
    assert_eq!(late.problem(), (422, "captcha-wrong".into()));
}

/// Controls: C-007.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_captcha_answers_open_one_flow() {
    let world = World::new().await;
    let mut browser = world.browser();
    let captcha = challenge(&mut browser).await;
    let right = world.captcha_answer(captcha["token"].as_str().unwrap());
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let (mut browser, captcha, right) = (world.browser(), captcha.clone(), right.clone());
            tokio::spawn(async move {
                solve(&mut browser, "aisyah", &captcha, "captcha_answer", &right).await.status
            })
        })
        .collect();
    let mut opened = 0;
    for task in tasks {
        opened += usize::from(task.await.unwrap() == 200);
    }
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn captcha_token_renders_identically_until_it_expires() {
    let world = World::new().await;
    let mut browser = world.browser();
    let captcha = challenge(&mut browser).await;
    for (path, kind) in [(&captcha["picture"], "image/png"), (&captcha["sound"], "audio/wav")] {
        let path = path.as_str().unwrap();
        let (first, second) = (browser.get(path).await, browser.get(path).await);
        assert_eq!((first.header("content-type"), &first.body), (Some(kind), &second.body));
    }
    let right = world.captcha_answer(captcha["token"].as_str().unwrap());
    world.clock.advance(180);
    let late = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &right).await;
    assert_eq!(late.problem(), (422, "captcha-wrong".into()));
    assert_eq!(browser.get(captcha["picture"].as_str().unwrap()).await.problem().0, 404);
}

/// Controls: C-007.
#[tokio::test]
async fn login_over_rate_limit_gets_harder_captcha() {
    let world = World::with(&[("REKEY_OPENS_PER_HOUR", "2")]).await;
    for login in ["aisyah", "nobody"] {
        let mut browser = world.browser();
        for _ in 0..2 {
            assert_eq!(browser.identify(login).await.page(), "reason");
        }
        let harder = browser.identify(login).await;
        assert_eq!(harder.problem(), (422, "captcha-harder".into()), "{login}");
        let captcha = harder.json()["captcha"].clone();
        assert!(captcha["work"]["difficulty"].as_u64().unwrap() > 18);
        let token = captcha["token"].as_str().unwrap();
        let characters = world.captcha_answer(token);
        let nonce = work(&captcha, captcha["work"]["difficulty"].as_u64().unwrap());
        let both = json!({
            "login": login, "captcha_token": token, "captcha_answer": characters, "captcha_work": nonce
        });
        assert_eq!(browser.post("/", both).await.page(), "reason", "{login}");
    }
}

/// Controls: C-007.
#[tokio::test]
async fn harder_captcha_requires_its_login_and_both_answers() {
    let world = World::with(&[("REKEY_OPENS_PER_HOUR", "1")]).await;
    let mut browser = world.browser();
    let harder = |answer: rekey_tests::Answer| answer.json()["captcha"].clone();
    browser.identify("aisyah").await;
    let captcha = harder(browser.identify("aisyah").await);
    let characters = world.captcha_answer(captcha["token"].as_str().unwrap());
    let only = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &characters).await;
    assert_eq!(only.problem().1, "captcha-wrong", "characters alone do not do");

    let captcha = harder(browser.identify("aisyah").await);
    let token = captcha["token"].as_str().unwrap();
    let body = json!({
        "login": "priya",
        "captcha_token": token,
        "captcha_answer": world.captcha_answer(token),
        "captcha_work": work(&captcha, captcha["work"]["difficulty"].as_u64().unwrap()),
    });
    assert_eq!(browser.post("/", body).await.problem().1, "captcha-wrong", "bound to another name");
}

/// Controls: C-007.
#[tokio::test]
async fn ip_address_over_rate_limit_gets_harder_captcha() {
    let world = World::with(&[("REKEY_OPENS_PER_IP", "3")]).await;
    for n in 0..3 {
        assert_eq!(world.browser().identify(&format!("student{n}")).await.page(), "reason");
    }
    assert_eq!(world.browser().identify("aisyah").await.problem(), (422, "captcha-harder".into()));
}
