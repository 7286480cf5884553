//! Every limit that protects an account counts all of its logins together.

use std::sync::Arc;

use rekey_tests::fixtures::{AISYAH, Person};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{Answer, Browser, Phone, World};
use serde_json::json;
use shared::domain::account::Account;

use crate::recovery_codes;

const MOBILE: &str = "012-345 6798";
const OFFICE: &str = "03-2731 7272";
const WRONG: &str = "Wrong-Password-1";

/// Names, a number and a mail address.
const LOGINS: [&str; 4] = ["aisyah", "2021100001", "nur.aisyah", "aisyah@alumni.example"];

/// A limit that protects an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Mails,
    Texts,
    Calls,
    OfficeCalls,
    WrongNumbers,
    AppCodes,
    Approvals,
    LaterMails,
    LaterTexts,
    LaterAppCodes,
    SlowRecoveryCodes,
    PasswordsWithoutCaptcha,
    Passwords,
    SessionCodes,
    SessionChanges,
    SessionAppCodes,
    SessionApprovals,
}

/// How a limit is spent.
struct Spending {
    limit: Limit,
    /// Visits with one login after the other, each from a network of its own.
    visits: u16,
    /// Seconds between visits.
    wait: i64,
    /// The uses that the limit allows meanwhile, to all logins and to one alone.
    given: usize,
}

const fn spending(limit: Limit, visits: u16, wait: i64, given: usize) -> Spending {
    Spending { limit, visits, wait, given }
}

/// The numbers are the defaults of the settings: SECURITY.md lists them.
const SPENDINGS: [Spending; 17] = [
    spending(Limit::Mails, 9, 10, 5),
    spending(Limit::Texts, 9, 10, 5),
    spending(Limit::Calls, 9, 10, 5),
    spending(Limit::OfficeCalls, 9, 10, 5),
    spending(Limit::WrongNumbers, 9, 10, 30),
    spending(Limit::AppCodes, 9, 10, 10),
    spending(Limit::Approvals, 8, 100, 3),
    spending(Limit::LaterMails, 9, 30, 5),
    spending(Limit::LaterTexts, 9, 30, 5),
    spending(Limit::LaterAppCodes, 4, 600, 10),
    spending(Limit::SlowRecoveryCodes, 7, 10, 10),
    spending(Limit::PasswordsWithoutCaptcha, 9, 10, 2),
    spending(Limit::Passwords, 20, 3_600, 30),
    spending(Limit::SessionCodes, 24, 60, 20),
    spending(Limit::SessionChanges, 10, 60, 40),
    spending(Limit::SessionAppCodes, 4, 60, 10),
    spending(Limit::SessionApprovals, 8, 100, 3),
];

/// A world whose flows can be opened as often as the test needs.
async fn world() -> Arc<World> {
    let world = World::with(&[
        ("REKEY_PUBLIC_URL", LOCALHOST_ORIGIN),
        ("REKEY_PUSH_HOSTS", "127.0.0.1"),
        ("REKEY_OPENS_PER_HOUR", "100000"),
    ])
    .await;
    let account = Account { logins: LOGINS.map(str::to_owned).to_vec(), ..AISYAH.account() };
    world.put_account(&account, Some(Person::PASSWORD)).await;
    world
}

fn count(given: bool) -> usize {
    usize::from(given)
}

fn is_wrong(answer: &Answer) -> usize {
    let (_, problem) = answer.problem();
    count(["code-wrong", "contact-mismatch", "sign-in-wrong"].contains(&problem.as_str()))
}

/// Returns a flow whose first step was verified by the app, with a code that is new.
async fn second_step(world: &Arc<World>, browser: &mut Browser, login: &str) {
    browser.open(login, "forgotten").await;
    world.clock.advance(30);
    assert_eq!(browser.totp(&world.app_code(0)).await.page(), "method", "{login}");
}

/// Returns a session whose step-up was done by the app, with a code that is new.
async fn step_up(world: &Arc<World>, browser: &mut Browser, login: &str) {
    assert_eq!(browser.sign_in(login).await.page(), "second-step", "{login}");
    world.clock.advance(30);
    assert_eq!(browser.second_step(&world.app_code(0)).await.page(), "security-info", "{login}");
}

/// Spends what one visit can, and returns the uses that were given.
async fn visit(world: &Arc<World>, limit: Limit, login: &str, network: u16) -> usize {
    let [high, low] = network.to_be_bytes();
    let mut browser = world.browser().from_address([10, high, low, 7]);
    let browser = &mut browser;
    let is_sent = |answer: Answer| count(answer.status == 200);
    match limit {
        Limit::Mails | Limit::Texts | Limit::Calls | Limit::OfficeCalls | Limit::Approvals => {
            browser.open(login, "forgotten").await;
            is_sent(match limit {
                Limit::Mails => browser.send_email().await,
                Limit::Texts => browser.send_phone("sms", MOBILE).await,
                Limit::Calls => browser.send_phone("mobile_call", MOBILE).await,
                Limit::OfficeCalls => browser.send_phone("office_call", OFFICE).await,
                _ => browser.send_push().await,
            })
        }
        Limit::LaterMails | Limit::LaterTexts => {
            second_step(world, browser, login).await;
            is_sent(match limit {
                Limit::LaterMails => browser.send_email().await,
                _ => browser.send_phone("sms", MOBILE).await,
            })
        }
        Limit::WrongNumbers => {
            browser.open(login, "forgotten").await;
            let mut given = 0;
            for _ in 0..5 {
                given += is_wrong(&browser.send_phone("sms", "012-999 9999").await);
            }
            given
        }
        Limit::AppCodes => {
            browser.open(login, "forgotten").await;
            let mut given = 0;
            for _ in 0..4 {
                given += is_wrong(&browser.totp("000000").await);
            }
            given
        }
        Limit::LaterAppCodes => {
            browser.open(login, "forgotten").await;
            assert_eq!(browser.send_email().await.page(), "code");
            assert_eq!(browser.code(&world.last_code()).await.page(), "method");
            let mut given = 0;
            for _ in 0..4 {
                given += is_wrong(&browser.totp("000000").await);
            }
            given
        }
        // This one counts by network, so all visits come from one.
        Limit::SlowRecoveryCodes => {
            let mut browser = world.browser().from_address([10, 0, 0, 7]);
            browser.open(login, "forgotten").await;
            let mut given = 0;
            for _ in 0..2 {
                let body = json!({ "method": "recovery_code", "code": "ABCD-EFGH-JKMN-PQRS" });
                given += is_wrong(&browser.post("/code", body).await);
            }
            given
        }
        Limit::PasswordsWithoutCaptcha => is_wrong(&browser.sign_in_with(login, WRONG).await),
        Limit::Passwords => {
            is_wrong(&browser.sign_in_with(login, WRONG).await)
                + is_wrong(&browser.sign_in_with(login, WRONG).await)
        }
        Limit::SessionCodes => {
            assert_eq!(browser.sign_in(login).await.page(), "second-step", "{login}");
            is_sent(browser.post("/security-info/verify", json!({ "method": "email" })).await)
        }
        Limit::SessionChanges => {
            step_up(world, browser, login).await;
            let mut given = 0;
            for _ in 0..5 {
                given += is_sent(browser.add("passkey", "").await);
            }
            given
        }
        Limit::SessionAppCodes => {
            assert_eq!(browser.sign_in(login).await.page(), "second-step", "{login}");
            let mut given = 0;
            for _ in 0..4 {
                given += is_wrong(&browser.second_step("000000").await);
            }
            given
        }
        Limit::SessionApprovals => {
            assert_eq!(browser.sign_in(login).await.page(), "second-step", "{login}");
            is_sent(browser.post("/security-info/verify", json!({ "method": "push" })).await)
        }
    }
}

/// Returns the uses that a limit gives to these logins in turn.
async fn spend(world: &Arc<World>, spending: &Spending, logins: &[&str]) -> usize {
    let mut given = 0;
    for (n, login) in (0..spending.visits).zip(logins.iter().cycle()) {
        given += visit(world, spending.limit, login, 100 + n).await;
        world.clock.advance(spending.wait);
    }
    // After two days nothing counts any more.
    world.clock.advance(2 * 86_400);
    given
}

async fn assert_shared(spendings: &[Spending]) {
    let world = world().await;
    let _phone = Phone::enrolled(&world, 1, &AISYAH).await;
    recovery_codes::keep(&world, recovery_codes::slow_sheet()).await;
    world.clock.advance(4 * 86_400);
    for spending in spendings {
        let of_one = spend(&world, spending, &LOGINS[..1]).await;
        assert_eq!(of_one, spending.given, "{:?}, one login", spending.limit);
        let of_all = spend(&world, spending, &LOGINS).await;
        assert_eq!(of_all, spending.given, "{:?}, all logins", spending.limit);
    }
}

/// Controls: C-106.
#[tokio::test]
async fn first_step_limits_are_shared_by_all_logins() {
    assert_shared(&SPENDINGS[..7]).await;
}

/// Controls: C-106.
#[tokio::test]
async fn later_step_limits_are_shared_by_all_logins() {
    assert_shared(&SPENDINGS[7..11]).await;
}

/// Controls: C-106.
#[tokio::test]
async fn sign_in_and_session_limits_are_shared_by_all_logins() {
    assert_shared(&SPENDINGS[11..]).await;
}

/// A stranger who reads one login's limit learns nothing from another: the price of a flow belongs to the typed name.
/// Passkeys and recovery codes have tries in each flow only, and strangers on many networks must not close them.
/// Controls: C-016, C-106.
#[tokio::test]
async fn opens_and_flow_tries_count_each_login_apart() {
    let world = World::with(&[("REKEY_OPENS_PER_HOUR", "3")]).await;
    let account = Account { logins: LOGINS.map(str::to_owned).to_vec(), ..AISYAH.account() };
    world.put_account(&account, Some(Person::PASSWORD)).await;
    recovery_codes::sheet(&world).await;
    for login in LOGINS {
        let mut opened = 0;
        for _ in 0..4 {
            opened += count(world.browser().identify(login).await.status == 200);
        }
        assert_eq!(opened, 3, "{login}");
    }
    world.clock.advance(3_600);
    for login in LOGINS {
        let mut browser = world.browser();
        browser.open(login, "forgotten").await;
        let mut wrong = 0;
        for _ in 0..12 {
            let body = json!({ "method": "recovery_code", "code": "0123-4567-89AB-CDEF" });
            wrong += is_wrong(&browser.post("/code", body).await);
        }
        assert_eq!(wrong, 10, "{login}");
    }
}
