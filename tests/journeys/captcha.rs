//! The CAPTCHA that a flow requires.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::Method;
use rekey_tests::{Answer, Browser, World};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::adapters::dynamodb::DynamoRateLimits;
use shared::domain::captcha::Solution;
use shared::domain::client::AddressBlock;
use shared::domain::language::Language;
use shared::domain::name::CanonicalName;
use shared::http::captcha::{CaptchaResult, Captchas, CharacterLimits, Door};
use shared::ports::Clock as _;

async fn challenge(browser: &mut Browser) -> Value {
    browser.get("/").await.json()["captcha"].clone()
}

/// Does the work of a challenge as the contract describes it.
pub(crate) fn work(captcha: &Value) -> String {
    let work = &captcha["work"];
    let difficulty = u32::try_from(work["difficulty"].as_u64().unwrap()).unwrap();
    let begins = Sha256::new().chain_update(work["challenge"].as_str().unwrap());
    let solve = |puzzle: u64| {
        let begins = begins.clone().chain_update(format!(".{puzzle}."));
        let nonces = (0_u64..).map(|nonce| nonce.to_string());
        let is_solved = |nonce: &String| {
            let hash = begins.clone().chain_update(nonce).finalize();
            u32::from_be_bytes(*hash.first_chunk().unwrap()).leading_zeros() >= difficulty
        };
        nonces.into_iter().find(is_solved).unwrap()
    };
    (0..work["puzzles"].as_u64().unwrap()).map(solve).collect::<Vec<_>>().join(".")
}

/// Returns the hashes that the work of a challenge needs on average.
fn price(captcha: &Value) -> u64 {
    captcha["work"]["puzzles"].as_u64().unwrap() << captcha["work"]["difficulty"].as_u64().unwrap()
}

fn token(captcha: &Value) -> &str {
    captcha["token"].as_str().unwrap()
}

async fn solve(browser: &mut Browser, login: &str, captcha: &Value, field: &str, value: &str) -> Answer {
    browser.post("/", json!({ "login": login, "captcha_token": captcha["token"], field: value })).await
}

/// Controls: C-007.
#[tokio::test]
async fn captcha_characters_digits_or_work_open_one_flow() {
    let world = World::new().await;
    let mut browser = world.browser();
    let captcha = challenge(&mut browser).await;
    let answer = world.captcha_answer(token(&captcha)).to_lowercase();
    let typed = format!(" {} {} ", &answer[..3], &answer[3..]);
    assert_eq!(solve(&mut browser, "aisyah", &captcha, "captcha_answer", &typed).await.page(), "reason");
    let again = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &answer).await;
    assert_eq!(again.problem(), (422, "captcha-wrong".into()), "a token serves once");
    assert_eq!(again.json()["why"], "used");

    let captcha = challenge(&mut browser).await;
    let digits = world.captcha_digits(token(&captcha));
    assert_eq!(solve(&mut browser, "aisyah", &captcha, "captcha_answer", &digits).await.page(), "reason");

    let captcha = challenge(&mut browser).await;
    let work = work(&captcha);
    assert_eq!(solve(&mut browser, "aisyah", &captcha, "captcha_work", &work).await.page(), "reason");
    let characters = world.captcha_answer(token(&captcha));
    let again = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &characters).await;
    assert_eq!(again.json()["why"], "used", "work spends the token of the picture");
}

/// Controls: C-007.
#[tokio::test]
async fn captcha_token_survives_malformed_but_not_wrong_answers() {
    let world = World::new().await;
    let mut browser = world.browser();
    let captcha = challenge(&mut browser).await;
    let token = token(&captcha).to_owned();
    let right = world.captcha_answer(&token);
    let too_many = ["0"; 65].join(".");
    for body in [
        json!({ "login": "", "captcha_token": token, "captcha_answer": right }),
        json!({ "login": "aisyah", "captcha_token": token }),
        json!({ "login": "aisyah", "captcha_token": token, "captcha_work": "0x12" }),
        json!({ "login": "aisyah", "captcha_token": token, "captcha_work": "1.2.3" }),
        json!({ "login": "aisyah", "captcha_token": token, "captcha_work": too_many, "captcha_answer": right }),
        json!({ "login": "aisyah", "captcha_token": token, "captcha_answer": right, "email": "x" }),
        json!({ "login": ["aisyah"], "captcha_token": token, "captcha_answer": right }),
    ] {
        assert_eq!(browser.post("/", body.clone()).await.problem(), (400, "malformed".into()), "{body}");
    }
    for misread in ["V", "c", "P"].map(|letter| format!("{}{letter}", &right[..5])) {
        let told = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &misread).await;
        assert_eq!(told.problem(), (422, "captcha-wrong".into()), "{misread}");
        assert_eq!(
            (&told.json()["why"], &told.json()["captcha"]["token"]),
            (&json!("not-drawn"), &json!(token))
        );
        let detail = told.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("C, P or V"), "{detail}");
    }
    let wrong = solve(&mut browser, "aisyah", &captcha, "captcha_answer", "######").await;
    assert_eq!((wrong.problem(), &wrong.json()["why"]), ((422, "captcha-wrong".into()), &json!("wrong")));
    assert_ne!(wrong.json()["captcha"]["token"], captcha["token"], "a new one comes along");
    let late = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &right).await;
    assert_eq!(late.problem(), (422, "captcha-wrong".into()));
}

/// Controls: C-007.
#[tokio::test]
async fn wrong_work_spends_the_token() {
    let world = World::new().await;
    let mut browser = world.browser();
    let captcha = challenge(&mut browser).await;
    let wrong = solve(&mut browser, "aisyah", &captcha, "captcha_work", &["0"; 64].join(".")).await;
    assert_eq!(wrong.json()["why"], "wrong");
    let right = solve(&mut browser, "aisyah", &captcha, "captcha_work", &work(&captcha)).await;
    assert_eq!(right.json()["why"], "used");
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
    assert_eq!(captcha["expires_in"], 600);
    for (path, kind) in [(&captcha["picture"], "image/png"), (&captcha["sound"], "audio/wav")] {
        let path = path.as_str().unwrap();
        let (first, second) = (browser.get(path).await, browser.get(path).await);
        assert_eq!((first.header("content-type"), &first.body), (Some(kind), &second.body));
        assert_eq!(first.header("cache-control"), Some("private, max-age=600, immutable"));
    }
    let right = world.captcha_answer(token(&captcha));
    world.clock.advance(600);
    let late = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &right).await;
    assert_eq!((late.problem(), &late.json()["why"]), ((422, "captcha-wrong".into()), &json!("expired")));
    assert_eq!(browser.get(captcha["picture"].as_str().unwrap()).await.problem().0, 404);
    let next = late.json()["captcha"].clone();
    let right = world.captcha_answer(token(&next));
    assert_eq!(solve(&mut browser, "aisyah", &next, "captcha_answer", &right).await.page(), "reason");
}

/// Without scripts: the page says what happened, has a new picture, and keeps the login.
#[tokio::test]
async fn expired_captcha_form_keeps_login_and_says_so() {
    let world = World::new().await;
    for (language, sentence) in [
        ("en", "more than ten minutes old"),
        ("ms", "sepuluh minit"),
        ("zh", "十分钟"),
        ("ta", "பத்து நிமிடங்களுக்கு"),
    ] {
        let mut browser = world.browser();
        let page = browser.html(&format!("/?lang={language}")).await;
        let old = page.split("name=\"captcha_token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let answer = world.captcha_answer(old);
        world.clock.advance(600);
        let body = format!("login=aisyah&captcha_token={old}&captcha_answer={answer}&captcha_work=");
        let request = browser.request(Method::POST, &format!("/?lang={language}"));
        let request = request.header("sec-fetch-site", "same-origin");
        let mut request =
            request.header("content-type", "application/x-www-form-urlencoded").body(body).unwrap();
        request.headers_mut().insert("accept", "text/html".parse().unwrap());
        let answer = browser.send(request).await;
        assert_eq!(answer.status, 422);
        let page = answer.text();
        assert!(page.contains(sentence), "{language}");
        assert!(page.contains("name=\"login\" value=\"aisyah\"") && !page.contains(old), "{language}");
        assert!(page.contains("name=\"captcha_answer\"") && page.contains("/sound.wav?lang="), "{language}");
    }
}

/// Safari asks for a range first and plays nothing without one (RFC 9110 §14).
#[tokio::test]
async fn captcha_sound_is_served_in_ranges_and_languages() {
    let world = World::new().await;
    let mut browser = world.browser();
    let captcha = challenge(&mut browser).await;
    let sound = format!("/captcha/{}/sound.wav", token(&captcha));
    let mut spoken = BTreeSet::new();
    for language in ["en", "ms", "zh-Hans", "ta"] {
        let page = browser.get(&format!("/?lang={language}")).await.json();
        assert!(page["captcha"]["sound"].as_str().unwrap().ends_with(&format!("?lang={language}")));
        let whole = browser.get(&format!("{sound}?lang={language}")).await;
        assert_eq!((whole.status.as_u16(), whole.header("accept-ranges")), (200, Some("bytes")));
        assert!(whole.header("set-cookie").is_none(), "a player chooses no language");
        spoken.insert(whole.body);
    }
    assert_eq!(spoken.len(), 4);
    let path = captcha["sound"].as_str().unwrap();
    let whole = browser.get(path).await.body;
    let length = whole.len();
    for (range, status, place, body) in [
        ("bytes=0-1", 206, format!("bytes 0-1/{length}"), &whole[..2]),
        ("bytes=44-", 206, format!("bytes 44-{}/{length}", length - 1), &whole[44..]),
        ("bytes=-10", 206, format!("bytes {}-{}/{length}", length - 10, length - 1), &whole[length - 10..]),
        ("bytes=9999999-", 416, format!("bytes */{length}"), &[][..]),
    ] {
        let request = browser.request(Method::GET, path).header("range", range).body(String::new()).unwrap();
        let answer = browser.send(request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-range")),
            (status, Some(&*place)),
            "{range}"
        );
        assert_eq!(answer.body, body, "{range}");
        assert_eq!(answer.header("cache-control") == Some("no-store"), status == 416, "{range}");
    }
}

/// Controls: C-007.
#[tokio::test]
async fn login_over_rate_limit_gets_harder_captcha() {
    let world = World::with(&[("REKEY_OPENS_PER_HOUR", "2")]).await;
    for login in ["aisyah", "nobody"] {
        let mut browser = world.browser();
        let base = price(&challenge(&mut browser).await);
        for _ in 0..2 {
            assert_eq!(browser.identify(login).await.page(), "reason");
        }
        let harder = browser.identify(login).await;
        assert_eq!(harder.problem(), (422, "captcha-harder".into()), "{login}");
        let captcha = harder.json()["captcha"].clone();
        assert_eq!((price(&captcha), &captcha["harder"]), (2 * base, &json!(true)));
        let opened = solve(&mut browser, login, &captcha, "captcha_work", &work(&captcha)).await;
        assert_eq!(opened.page(), "reason", "{login}");
    }
}

/// A stranger drives the price of a name up, but not beyond what a phone can pay.
/// Controls: C-007.
#[tokio::test]
async fn captcha_price_doubles_and_is_capped() {
    let world = World::with(&[("REKEY_OPENS_PER_HOUR", "1")]).await;
    let mut browser = world.browser();
    let base = price(&challenge(&mut browser).await);
    assert_eq!(browser.identify("aisyah").await.page(), "reason");
    let mut prices = Vec::new();
    for _ in 2..=20 {
        prices.push(price(&browser.identify("aisyah").await.json()["captcha"]) / base);
    }
    assert_eq!(prices, [2, 4, 4, 8, 8, 8, 8, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16]);
    assert_eq!(browser.identify("priya").await.page(), "reason", "another name has its own price");
    world.clock.advance(3_600);
    assert_eq!(browser.identify("aisyah").await.page(), "reason", "an hour later all is as before");
}

/// Characters alone never pass where work is required, and asking for it spends nothing.
/// Controls: C-007.
#[tokio::test]
async fn harder_captcha_requires_its_login_and_work() {
    let world = World::with(&[("REKEY_OPENS_PER_HOUR", "1")]).await;
    let mut browser = world.browser();
    browser.identify("aisyah").await;
    let captcha = browser.identify("aisyah").await.json()["captcha"].clone();
    for characters in [world.captcha_answer(token(&captcha)), world.captcha_digits(token(&captcha))] {
        let only = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &characters).await;
        assert_eq!(only.problem().1, "captcha-harder", "characters alone do not do");
        assert_eq!(only.json()["captcha"]["token"], captcha["token"], "the token is not spent");
    }
    let work = work(&captcha);
    let elsewhere = solve(&mut browser, "priya", &captcha, "captcha_work", &work).await;
    assert_eq!(elsewhere.problem().1, "captcha-wrong", "bound to another name");
    let (why, next) = (elsewhere.json()["why"].clone(), elsewhere.json()["captcha"].clone());
    assert_eq!(
        (why, &next["harder"]),
        (json!("other-name"), &json!(false)),
        "the other name has its own price"
    );
    let corrected = solve(&mut browser, "aisyah", &captcha, "captcha_work", &work).await;
    assert_eq!(corrected.page(), "reason", "the other name did not spend it");
}

/// Controls: C-007.
#[tokio::test]
async fn network_over_rate_limit_gets_harder_captcha() {
    let world = World::with(&[("REKEY_OPENS_PER_IP", "3")]).await;
    let from = |host: u8| world.browser().from_address([203, 0, 113, host]);
    for host in 0..3 {
        assert_eq!(from(host).identify(&format!("student{host}")).await.page(), "reason");
    }
    for login in ["aisyah", "nobody"] {
        assert_eq!(from(9).identify(login).await.problem(), (422, "captcha-harder".into()), "{login}");
    }
    let elsewhere = world.browser().from_address([203, 0, 114, 9]).identify("aisyah").await;
    assert_eq!(elsewhere.page(), "reason", "another network");
}

/// Answers with a CAPTCHA's characters from an address of a network; `right` says whether they are.
async fn characters_from(world: &Arc<World>, network: u8, login: &str, right: bool) -> Answer {
    let mut browser = world.browser();
    let captcha = challenge(&mut browser).await;
    let answer = if right { world.captcha_answer(token(&captcha)) } else { "######".into() };
    let body = json!({ "login": login, "captcha_token": captcha["token"], "captcha_answer": answer });
    let peer = SocketAddr::from(([203, 0, network, 7], 40_000));
    let request = browser.request(Method::POST, "/").header("content-type", "application/json");
    browser.send(request.extension(ConnectInfo(peer)).body(body.to_string()).unwrap()).await
}

/// The characters are read by programs, so they are a narrow door. The work stays open to everybody.
/// Controls: C-121.
#[tokio::test]
async fn characters_over_their_limits_require_work() {
    let limits = [("REKEY_CHARACTERS_PER_IP", "2"), ("REKEY_CHARACTERS_PER_HOUR", "3")];
    let world = World::with(&limits).await;
    let harder = (422, "captcha-harder".to_owned());
    assert_eq!(characters_from(&world, 1, "aisyah", false).await.json()["why"], "wrong");
    assert_eq!(characters_from(&world, 1, "aisyah", true).await.page(), "reason");
    for login in ["aisyah", "nobody"] {
        assert_eq!(characters_from(&world, 1, login, true).await.problem(), harder, "the network's limit");
    }
    assert_eq!(
        characters_from(&world, 2, "aisyah", true).await.page(),
        "reason",
        "refusals cost the others nothing"
    );
    let refused = characters_from(&world, 3, "aisyah", true).await;
    assert_eq!(refused.problem(), harder, "the deployment's limit");
    let captcha = refused.json()["captcha"].clone();
    let mut browser = world.browser();
    assert_eq!(
        solve(&mut browser, "aisyah", &captcha, "captcha_work", &work(&captcha)).await.page(),
        "reason"
    );
    let captcha = challenge(&mut browser).await;
    assert_eq!(solve(&mut browser, "mei", &captcha, "captcha_work", &work(&captcha)).await.page(), "reason");
    world.clock.advance(3_600);
    assert_eq!(
        characters_from(&world, 3, "aisyah", true).await.page(),
        "reason",
        "an hour later all is as before"
    );
}

/// An answer that was not compared gives back what it took of the limits.
/// Controls: C-121.
#[tokio::test]
async fn replayed_characters_cost_no_limit() {
    let world = World::with(&[("REKEY_CHARACTERS_PER_IP", "2")]).await;
    let mut browser = world.browser();
    let captcha = challenge(&mut browser).await;
    let right = world.captcha_answer(token(&captcha));
    assert_eq!(solve(&mut browser, "aisyah", &captcha, "captcha_answer", &right).await.page(), "reason");
    for _ in 0..5 {
        let again = solve(&mut browser, "aisyah", &captcha, "captcha_answer", &right).await;
        assert_eq!(again.json()["why"], "used");
    }
    assert_eq!(browser.identify("aisyah").await.page(), "reason");
    assert_eq!(browser.identify("aisyah").await.problem().1, "captcha-harder");
}

/// A browser that its owner has made known answers by characters whatever others do.
/// Controls: C-121.
#[tokio::test]
async fn known_device_is_exempt_from_character_limits() {
    let world = World::with(&[("REKEY_CHARACTERS_PER_IP", "0")]).await;
    let keys = world.keyring("REKEY_SECRET_CAPTCHA");
    let name = CanonicalName::parse("aisyah", &[]).unwrap().reference(&world.keyring("REKEY_SECRET_FLOWS"));
    let store = DynamoRateLimits::new(world.client.clone(), "BudgetsTable");
    let captchas = Captchas {
        keys: &keys,
        rate_limits: &store,
        entropy: &*world.entropy,
        language: Language::English,
        now: world.clock.now(),
    };
    for (known_device, solved) in [(false, false), (true, true)] {
        let captcha = captchas.challenge(None).unwrap();
        let solution = Solution::parse(Some(&world.captcha_answer(&captcha.token)), None).unwrap();
        let network = AddressBlock::from_address(None).network();
        let limits = CharacterLimits { settings: &world.settings, network, known_device };
        let result = captchas.check(&captcha.token, &solution, &name, Door::FirstPage(limits)).await.unwrap();
        assert_eq!(matches!(result, CaptchaResult::Solved { effort: None }), solved);
    }
}

/// The sign-in gives a harder challenge for nothing, with the least work. Page 1 doesn't take it where more is required.
/// Controls: C-007.
#[tokio::test]
async fn challenge_of_less_work_does_not_pass_for_more() {
    let world = World::with(&[("REKEY_OPENS_PER_HOUR", "1")]).await;
    for _ in 0..10 {
        world.browser().identify("aisyah").await;
    }
    let body = json!({
        "login": "aisyah", "password": "Wrong-Password-1", "captcha_token": "x", "captcha_answer": "x",
    });
    let given = world.browser().post("/security-info/sign-in", body).await.json()["captcha"].clone();
    let difficulty = given["work"]["difficulty"].as_u64().unwrap();
    let body = json!({
        "login": "aisyah", "captcha_token": given["token"], "captcha_work": work(&given),
    });
    let answer = world.browser().post("/", body).await;
    assert_eq!(answer.problem(), (422, "captcha-harder".into()));
    let required = answer.json()["captcha"]["work"]["difficulty"].as_u64().unwrap();
    assert_eq!(required, difficulty + 3, "sixteen times the base");
}
