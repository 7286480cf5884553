//! Strangers use up what a name gives them, and the owner still gets in.

use std::sync::Arc;

use rekey_tests::fixtures::{AISYAH, DANIEL, NEW_PASSWORD, Person};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{Browser, CeremonyOptions, Phone, SignIn, World};
use serde_json::json;

use crate::{passes, passkeys, recovery_codes};

const MOBILE: &str = "012-345 6798";
const OFFICE: &str = "03-2731 7272";
const WRONG: &str = "Wrong-Password-1";

/// A world whose CAPTCHAs a stranger can pay for.
async fn world() -> Arc<World> {
    World::with(&[
        ("REKEY_PUBLIC_URL", LOCALHOST_ORIGIN),
        ("REKEY_PUSH_HOSTS", "127.0.0.1"),
        ("REKEY_OPENS_PER_HOUR", "100000"),
        ("REKEY_OPENS_PER_IP", "1000000"),
    ])
    .await
}

/// A stranger's browser on the network with this number.
fn stranger(world: &Arc<World>, network: u16) -> Browser {
    let [high, low] = network.to_be_bytes();
    world.browser().from_address([10, high, low, 7])
}

/// The owner's browser, on a network that no stranger has.
fn owner(world: &Arc<World>) -> Browser {
    world.browser().from_address([198, 51, 100, 7])
}

/// Opens a flow and uses up what it gives: a mail, a text and a request to the app, wrong numbers and wrong codes.
/// The stranger even knows the number. Returns whether anything was still given.
async fn drain_a_flow(mut browser: Browser, login: &str) -> bool {
    browser.open(login, "forgotten").await;
    let mut given = false;
    for _ in 0..5 {
        given |= browser.send_phone("sms", "012-999 9999").await.problem().1 == "contact-mismatch";
    }
    given |= browser.send_email().await.status == 200;
    given |= browser.send_phone("sms", MOBILE).await.status == 200;
    given |= browser.send_push().await.status == 200;
    for _ in 0..9 {
        given |= browser.totp("000000").await.problem().1 == "code-wrong";
    }
    let mut calls = browser.clone();
    calls.open(login, "forgotten").await;
    given |= calls.send_phone("office_call", OFFICE).await.status == 200;
    given | (calls.send_phone("mobile_call", MOBILE).await.status == 200)
}

/// Drains an account from so many networks for a day: every hour from as many as are needed until nothing is given any
/// more.
async fn drain_for_a_day(world: &Arc<World>, login: &str, networks: u16) {
    for hour in 0..24 {
        for network in 0..networks {
            if !drain_a_flow(stranger(world, network), login).await {
                break;
            }
        }
        world.clock.advance(if hour < 23 { 3_600 } else { 120 });
    }
}

/// Resets Aisyah's password and makes the browser a known device; returns its cookie.
async fn known_device(world: &Arc<World>) -> String {
    let mut browser = owner(world);
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password(NEW_PASSWORD).await.page(), "done");
    let done = browser.post("/done", json!({ "remember": "device" })).await;
    assert_eq!((done.page().as_str(), &done.json()["known_device"]), ("done", &json!(true)));
    browser.device.unwrap()
}

async fn opened(mut browser: Browser) -> Browser {
    browser.open("aisyah", "forgotten").await;
    browser
}

/// Checks every method whose limits strangers can reach, each in a flow of its own.
async fn assert_every_method_works(world: &Arc<World>, browser: impl Fn() -> Browser, phone: &mut Phone) {
    assert_eq!(opened(browser()).await.send_email().await.page(), "code");
    for (method, number) in [("sms", MOBILE), ("office_call", OFFICE)] {
        let mut sent = opened(browser()).await;
        sent.send_phone(method, "012-999 9999").await;
        assert_eq!(sent.send_phone(method, number).await.page(), "code", "{method}");
        assert_eq!(sent.code(&world.last_code()).await.page(), "method", "{method}");
    }
    assert_eq!(opened(browser()).await.totp(&world.app_code(0)).await.page(), "method");
    let mut asked = opened(browser()).await;
    let page = asked.send_push().await;
    assert_eq!(page.page(), "approval", "{}", page.text());
    let request = phone.request().await;
    let number = page.json()["number"].as_str().unwrap().to_owned();
    assert_eq!(phone.approve(&request, &number).await.status, 200);
    assert_eq!(asked.approved().await.page(), "method");
}

/// Controls: C-101.
#[tokio::test]
async fn stranger_on_one_network_takes_nothing_from_the_owner() {
    let world = world().await;
    let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
    drain_for_a_day(&world, "aisyah", 1).await;
    assert_every_method_works(&world, || owner(&world), &mut phone).await;
}

/// Controls: C-101, C-102, C-103.
#[tokio::test]
async fn strangers_on_a_hundred_networks_leave_the_promised_ways() {
    let world = world().await;
    let mut passkey = passkeys::registered(&world, &AISYAH, 1).await;
    let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
    let codes = recovery_codes::sheet(&world).await;
    let device = known_device(&world).await;
    world.clock.advance(2 * 86_400);
    drain_for_a_day(&world, "aisyah", 100).await;

    // On an unknown device, these are closed, at most for the rest of the day.
    let unavailable = (422, "method-unavailable".to_owned());
    assert_eq!(opened(owner(&world)).await.send_phone("sms", MOBILE).await.problem(), unavailable);
    assert_eq!(opened(owner(&world)).await.send_phone("mobile_call", MOBILE).await.problem(), unavailable);
    assert_eq!(opened(owner(&world)).await.totp(&world.app_code(0)).await.problem(), unavailable);

    // These work at once.
    let mut browser = opened(owner(&world)).await;
    let options = passkeys::ask(&mut browser).await;
    let assertion = passkey.answer(&options, &CeremonyOptions::at(LOCALHOST_ORIGIN));
    assert_eq!(passkeys::answer(&mut browser, &assertion).await.page(), "method");
    assert_eq!(browser.send_phone("sms", MOBILE).await.page(), "code", "a second step");
    let mut browser = opened(owner(&world)).await;
    let answer = browser.post("/code", json!({ "method": "recovery_code", "code": codes[0] })).await;
    assert_eq!(answer.page(), "method");
    assert_eq!(browser.totp(&world.app_code(0)).await.page(), "password", "a second step");
    let pass = passes::pass(&world, &AISYAH.account().id).await;
    let answer = opened(owner(&world)).await.post("/code", json!({ "method": "pass", "code": pass })).await;
    assert_eq!(answer.page(), "password");

    // A known device has every method at once.
    world.clock.advance(30);
    assert_every_method_works(&world, || owner(&world).with_device(&device), &mut phone).await;

    // Mail comes back within the hour.
    world.clock.advance(3_600);
    let mut browser = opened(owner(&world)).await;
    assert_eq!(browser.send_email().await.page(), "code");
    assert_eq!(browser.code(&world.last_code()).await.page(), "method");
    assert_eq!(browser.send_phone("sms", MOBILE).await.page(), "code", "a second step");
}

/// A decoy's limits are used up like a person's, answer by answer.
/// Controls: C-001.
#[tokio::test]
async fn decoy_is_drained_like_an_account() {
    async fn answers(world: &Arc<World>, login: &str) -> Vec<(u16, String)> {
        let mut seen = Vec::new();
        for network in 0..4 {
            for _ in 0..3 {
                let mut browser = stranger(world, network);
                browser.open(login, "forgotten").await;
                for answer in [
                    browser.send_email().await,
                    browser.send_phone("sms", "012-999 9999").await,
                    browser.totp("000000").await,
                ] {
                    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
                    seen.push((answer.status.as_u16(), code));
                }
            }
        }
        seen
    }
    let world = world().await;
    // A name whose decoy has these three methods.
    let decoy = (0..200).map(|n| format!("nobody{n}"));
    let mut found = None;
    for login in decoy {
        let mut browser = world.browser();
        let methods = browser.open(&login, "forgotten").await.json()["methods"].to_string();
        if ["\"email\"", "\"sms\"", "\"totp\""].iter().all(|method| methods.contains(method)) {
            found = Some(login);
            break;
        }
    }
    let aisyah = answers(&world, "aisyah").await;
    assert_eq!(aisyah, answers(&world, &found.unwrap()).await);
    assert!(aisyah.contains(&(422, "method-unavailable".into())));
}

/// Controls: C-102, C-105.
#[tokio::test]
async fn known_device_cookie_is_protected_and_names_nobody() {
    let world = world().await;
    let mut browser = owner(&world);
    browser.verify_both_steps("forgotten").await;
    for early in [json!({ "remember": "device" }), json!({})] {
        let answer = browser.post("/done", early).await;
        assert_eq!(answer.problem().0, 409, "nothing is changed yet");
    }
    let done = browser.password(NEW_PASSWORD).await;
    assert_eq!(done.json()["known_device"], json!(false), "off by default");
    assert_eq!(browser.device, None);
    for other in [json!({ "remember": "me" }), json!({}), json!({ "remember": "device", "x": "1" })] {
        assert_eq!(browser.post("/done", other).await.problem().0, 400);
    }
    let answer = browser.post("/done", json!({ "remember": "device" })).await;
    let set = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap().to_owned());
    let line = set.into_iter().find(|line| line.starts_with("__Host-rekey-device=")).unwrap();
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Max-Age=15552000"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!line.contains("aisyah"));
    assert_eq!(browser.get("/done").await.json()["known_device"], json!(true));
}

/// Returns whether a browser with this cookie counts as a known device of Aisyah, after strangers took every text.
async fn is_known(world: &Arc<World>, device: &str) -> bool {
    for network in 0..20 {
        let mut browser = stranger(world, network);
        browser.open("aisyah", "forgotten").await;
        browser.send_phone("sms", MOBILE).await;
    }
    let mut browser = opened(owner(world).with_device(device)).await;
    browser.send_phone("sms", MOBILE).await.status == 200
}

/// Controls: C-102.
#[tokio::test]
async fn known_device_ends_with_reset_elsewhere_and_with_it_wasnt_me() {
    let world = world().await;
    let device = known_device(&world).await;
    world.clock.advance(86_400);
    assert!(is_known(&world, &device).await);

    // A reset on the device itself leaves it known.
    world.clock.advance(2 * 86_400);
    let mut browser = owner(&world).with_device(&device);
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password("Merdeka-Wau-Bulan-57").await.json()["known_device"], json!(true));
    world.clock.advance(2 * 86_400);
    assert!(is_known(&world, &device).await);

    // One on another device does not.
    world.clock.advance(2 * 86_400);
    let mut browser = owner(&world);
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password("Kancil-Lompat-43!").await.page(), "done");
    world.clock.advance(2 * 86_400);
    assert!(!is_known(&world, &device).await);

    // Nor does "It wasn't me".
    let mut phone = Phone::enrolled(&world, 1, &AISYAH).await;
    world.clock.advance(2 * 86_400);
    browser.verify_both_steps("forgotten").await;
    browser.password("Harimau-Rimba-88!").await;
    browser.post("/done", json!({ "remember": "device" })).await;
    let device = browser.device.clone().unwrap();
    assert!(is_known(&world, &device).await);
    world.clock.advance(2 * 86_400);
    assert_eq!(opened(stranger(&world, 1)).await.send_push().await.page(), "approval");
    let request = phone.request().await;
    assert_eq!(phone.deny(&request).await.status, 200);
    world.clock.advance(2 * 86_400);
    assert!(!is_known(&world, &device).await);
}

/// Controls: C-102.
#[tokio::test]
async fn known_device_of_one_account_is_none_of_another() {
    let world = world().await;
    let device = known_device(&world).await;
    world.clock.advance(2 * 86_400);
    let mut taken = 0;
    for network in 0..20 {
        let mut browser = stranger(&world, network).with_device(&device);
        browser.open("nobody", "forgotten").await;
        taken += usize::from(browser.send_email().await.status == 200);
    }
    let mut plain = 0;
    for network in 0..20 {
        let mut browser = stranger(&world, network);
        browser.open("nobody2", "forgotten").await;
        plain += usize::from(browser.send_email().await.status == 200);
    }
    assert!(taken <= 5 && plain <= 5, "{taken} {plain}");
}

/// Controls: C-102.
#[tokio::test]
async fn security_info_makes_known_device_after_step_up() {
    let world = world().await;
    let mut browser = owner(&world);
    browser.sign_in("aisyah").await;
    let early = browser.post("/security-info/remember", json!({ "remember": "device" })).await;
    assert_eq!(early.problem().0, 409);
    let list = browser.second_step(&world.app_code(0)).await;
    assert_eq!(list.json()["known_device"], json!(false));
    let list = browser.post("/security-info/remember", json!({ "remember": "device" })).await;
    assert_eq!((list.page().as_str(), &list.json()["known_device"]), ("security-info", &json!(true)));
    let device = browser.device.clone().unwrap();
    assert!(is_known(&world, &device).await);
    // Enrolment doesn't end it.
    world.clock.advance(3_600);
    let mut browser = owner(&world).with_device(&device);
    browser.sign_in("aisyah").await;
    assert_eq!(browser.second_step(&world.app_code(0)).await.json()["known_device"], json!(true));
    assert_eq!(browser.add("recovery_codes", "").await.status, 200);
    world.clock.advance(2 * 86_400);
    assert!(is_known(&world, &device).await);
}

async fn signed_in(browser: &mut Browser, login: &str, password: &str) -> (u16, String) {
    let answer = browser.sign_in_with(login, password).await;
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or("accepted").to_owned())
}

/// Strangers who type wrong passwords all day pause the sign-in on unknown devices, and nothing else. A made-up name is
/// paused alike. Two an hour need no CAPTCHA; with CAPTCHAs it only takes less long.
/// Controls: C-104.
#[tokio::test]
async fn wrong_passwords_lock_no_account() {
    let world = world().await;
    let device = known_device(&world).await;
    let mut seen: Vec<Vec<(u16, String)>> = vec![Vec::new(); 2];
    for hour in 0..20 {
        // Six hours from each network: twelve passwords, ten of which are compared.
        for (seen, login) in seen.iter_mut().zip(["aisyah", "nobody"]) {
            for _ in 0..2 {
                seen.push(signed_in(&mut stranger(&world, hour / 6), login, WRONG).await);
            }
        }
        world.clock.advance(3_600);
    }
    assert_eq!(seen[0], seen[1], "with an account and without");
    let of = |kind: &str| seen[0].iter().filter(|(_, code)| code == kind).count();
    assert_eq!((of("sign-in-wrong"), of("sign-in-paused")), (30, 10), "{seen:?}");
    for login in ["aisyah", "nobody"] {
        let answer = owner(&world).sign_in_with(login, NEW_PASSWORD).await;
        assert_eq!(answer.problem(), (429, "sign-in-paused".into()), "{login}");
        assert_eq!(answer.header("retry-after"), Some("14400"), "{login}: a day after the first");
    }

    assert_eq!(world.sign_in("aisyah", NEW_PASSWORD).await, SignIn::Accepted, "in other applications");
    let mut browser = owner(&world).with_device(&device);
    assert_eq!(browser.sign_in_with("aisyah", NEW_PASSWORD).await.page(), "second-step", "a known device");
    let mut browser = owner(&world);
    browser.verify_both_steps("forgotten").await;
    assert_eq!(browser.password("Merdeka-Wau-Bulan-57").await.page(), "done", "a reset");
    world.clock.advance(14_400);
    let answer = owner(&world).sign_in_with("aisyah", "Merdeka-Wau-Bulan-57").await;
    assert_eq!(answer.page(), "second-step");
}

/// One network's wrong passwords leave the sign-in open to others.
/// Controls: C-104.
#[tokio::test]
async fn one_network_never_pauses_sign_in_of_another() {
    let world = world().await;
    for _ in 0..12 {
        for _ in 0..2 {
            signed_in(&mut stranger(&world, 1), "aisyah", WRONG).await;
        }
        world.clock.advance(3_600);
    }
    assert_eq!(signed_in(&mut stranger(&world, 1), "aisyah", WRONG).await.1, "sign-in-paused");
    let answer = owner(&world).sign_in_with("aisyah", Person::PASSWORD).await;
    assert_eq!(answer.page(), "second-step");
}

/// A known device is compared with the account that was found, usable or not, so a disabled account's flow differs in
/// nothing.
/// Controls: C-105.
#[tokio::test]
async fn known_device_cookie_changes_no_answer() {
    let world = world().await;
    let device = known_device(&world).await;
    world.clock.advance(2 * 86_400);
    for login in ["aisyah", "nobody", DANIEL.login] {
        let mut answers = Vec::new();
        for browser in [owner(&world), owner(&world).with_device(&device)] {
            let mut browser = browser;
            answers.push((browser.open(login, "forgotten").await.json(), browser.send_email().await.status));
        }
        assert_eq!(answers[0].0, answers[1].0, "{login}");
        assert_eq!(answers[0].1, answers[1].1, "{login}");
    }
}

/// Controls: C-102, C-121.
#[tokio::test]
async fn known_device_answers_captchas_by_characters_without_limit() {
    let world = World::with(&[("REKEY_CHARACTERS_PER_IP", "3")]).await;
    let device = known_device(&world).await;
    let opened = async |mut browser: Browser, login: &str| browser.identify(login).await;
    assert_eq!(opened(owner(&world), "aisyah").await.page(), "reason");
    assert_eq!(opened(owner(&world), "aisyah").await.page(), "reason");
    let harder = (422, "captcha-harder".to_owned());
    assert_eq!(opened(owner(&world), "aisyah").await.problem(), harder, "the network's three are used up");
    for _ in 0..4 {
        assert_eq!(opened(owner(&world).with_device(&device), "aisyah").await.page(), "reason");
    }
    for login in ["nobody", "priya"] {
        assert_eq!(opened(owner(&world).with_device(&device), login).await.problem(), harder, "{login}");
    }
}

/// A stranger who reset the password first must not become a known device after the owner did.
/// Controls: C-102.
#[tokio::test]
async fn finished_flow_makes_no_known_device_after_its_epoch() {
    let world = world().await;
    let mut stranger = stranger(&world, 1);
    stranger.verify_both_steps("forgotten").await;
    assert_eq!(stranger.password(NEW_PASSWORD).await.page(), "done");
    let mut owner = owner(&world);
    owner.verify_both_steps("forgotten").await;
    assert_eq!(owner.password("Merdeka-Wau-Bulan-57").await.page(), "done");
    let late = stranger.post("/done", json!({ "remember": "device" })).await;
    assert_eq!(late.problem(), (410, "flow-ended".into()));
    assert_eq!(stranger.device, None);
    assert_eq!(owner.post("/done", json!({ "remember": "device" })).await.page(), "done");
    assert!(owner.device.is_some());
}
