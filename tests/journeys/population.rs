//! Decoys resemble the people whom `housekeeping` has counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use rekey_local::Options;
use rekey_tests::browser::Site;
use rekey_tests::fixtures::{AISYAH, DANIEL, Person};
use rekey_tests::world::LOCALHOST_ORIGIN;
use rekey_tests::{Browser, LocalEnvironment, World};
use serde_json::Value;
use shared::domain::account::{Account, AccountId, AccountState, Registration};
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::import::Overwrite;
use shared::domain::method::Method;
use shared::domain::time::Seconds;

use crate::decoys::calls_since;

/// Returns the methods that a flow offers for a login, with their masks.
async fn methods<S: Site>(mut browser: Browser<S>, login: &str) -> Value {
    browser.open(login, "forgotten").await.json()["methods"].clone()
}

/// Returns the set of methods, and whether the mask of the mailbox begins with the letter of the login.
fn set(login: &str, methods: &Value) -> String {
    let methods = methods.as_array().unwrap();
    let names: Vec<&str> = methods.iter().map(|method| method["method"].as_str().unwrap()).collect();
    let mask = methods.iter().find(|method| method["method"] == "email");
    let is_own = mask.map(|mask| mask["masked"].as_str().unwrap().starts_with(&login[..1]));
    format!("{names:?} {is_own:?}")
}

/// Writes a person with these logins into the directory, and the enrolled methods.
async fn enrol(world: &World, logins: &[String], state: AccountState, registration: &Registration) {
    let id = AccountId::from_directory(logins[0].as_str()).unwrap();
    let account = Account { id: id.clone(), logins: logins.to_vec(), state, ..AISYAH.account() };
    world.put_account(&account, None).await;
    let seed = registration.has(Method::Totp).then_some("sealed");
    world
        .contacts
        .import(&id, registration, seed, Overwrite::Imported, Seconds(0), world.now())
        .await
        .unwrap();
}

fn contacts(email: Option<&str>, mobile: Option<&str>, office_phone: Option<&str>) -> Registration {
    let number = |text: &str| PhoneNumber::from_stored(text.to_owned());
    Registration {
        alternate_email: email.map(|text| EmailAddress::from_stored(text.to_owned())),
        mobile: mobile.map(number),
        office_phone: office_phone.map(number),
        ..Registration::default()
    }
}

/// Students have digits, an address and a mobile; staff have letters and an office phone.
async fn enrol_university(world: &World) -> Vec<String> {
    let mut logins = Vec::new();
    for n in 0..40_u32 {
        let mobile = format!("+60123456{n:03}");
        let (login, registration) = if n % 2 == 0 {
            let registration = contacts(Some("siti@mail.example"), Some(&mobile), None);
            (format!("20211000{n:02}"), registration)
        } else {
            let login = format!("staff{}", char::from(b'a' + u8::try_from(n / 2).unwrap()));
            let email = format!("{login}@mail.example");
            let mobile = Some(mobile.as_str()).filter(|_| n % 4 == 1);
            (login, contacts(Some(&email), mobile, Some("+60327317200")))
        };
        enrol(world, std::slice::from_ref(&login), AccountState::Active, &registration).await;
        logins.push(login);
    }
    logins
}

/// Returns how often each set occurs among these logins.
async fn shares<S: Site>(site: &Arc<S>, logins: &[String]) -> BTreeMap<String, f64> {
    let mut shares = BTreeMap::new();
    for login in logins {
        let shown = methods(Browser::new(site), login).await;
        let shape = if login.starts_with(|c: char| c.is_ascii_digit()) { "digits" } else { "letters" };
        *shares.entry(format!("{shape} {}", set(login, &shown))).or_default() +=
            1.0 / f64::from(u32::try_from(logins.len()).unwrap());
    }
    shares
}

/// The AUC of the best classifier on these sets is at most half of this distance above one half.
/// Controls: C-107.
#[tokio::test]
async fn unknown_names_show_the_sets_of_people() {
    let world = World::new().await;
    let known = enrol_university(&world).await;
    world.housekeep().await.unwrap();
    let made_up = |n: u32| [format!("20221{n:05}"), format!("somebody{}", char::from(b'a' + (n % 26) as u8))];
    let unknown: BTreeSet<String> = (0..26).chain(100..126).flat_map(made_up).collect();
    let unknown: Vec<String> = unknown.into_iter().collect();
    let digits = |login: &String| login.starts_with("2022");
    let (students, staff): (Vec<String>, Vec<String>) = unknown.into_iter().partition(digits);
    let (real_students, real_staff): (Vec<String>, Vec<String>) =
        known.into_iter().partition(|login| login.starts_with("2021"));
    for (real, decoys) in [(real_students, students), (real_staff, staff)] {
        let (real, decoys) = (shares(&world, &real).await, shares(&world, &decoys).await);
        let sets: BTreeSet<&String> = real.keys().chain(decoys.keys()).collect();
        let share = |of: &BTreeMap<String, f64>, set: &str| of.get(set).copied().unwrap_or_default();
        let distance: f64 =
            sets.iter().map(|set| (share(&real, set) - share(&decoys, set)).abs() / 2.0).sum();
        // With 5 in 100 of any set, and the chance of some thirty names.
        assert!(distance < 0.35, "{distance}: {real:#?} {decoys:#?}");
    }
}

/// The example people are known, and no other name may stand out beside them.
/// Controls: C-107.
#[tokio::test]
async fn local_decoys_resemble_the_example_people() {
    let environment = LocalEnvironment::start(&Options { memory: true, ..LocalEnvironment::options() }).await;
    let mut people = BTreeSet::new();
    for login in ["aisyah", "weiling", "priya", "james", "hafiz"] {
        people.insert(set(login, &methods(environment.browser(), login).await));
    }
    let mut seen = BTreeSet::new();
    let mut like_people = 0;
    for first in 'a'..='z' {
        for rest in ["nonymous", "nother", "bsent"] {
            let login = format!("{first}{rest}");
            let set = set(&login, &methods(environment.browser(), &login).await);
            like_people += u32::from(people.contains(&set));
            seen.insert(set);
        }
    }
    assert!(like_people >= 65, "{like_people} of 78 names show a set of the people");
    assert!(people.is_subset(&seen), "{people:#?} {seen:#?}");
}

/// Controls: C-001.
#[tokio::test]
async fn known_and_unknown_names_open_with_equal_calls() {
    let world = World::new().await;
    for is_counted in [false, true] {
        if is_counted {
            world.housekeep().await.unwrap();
            // The first flow within some minutes reads the counts, whatever its name.
            world.browser().identify("somebody").await;
        }
        let mut all = Vec::new();
        for login in ["aisyah", "nobody", "daniel", "mei"] {
            let before = world.emulator.calls();
            world.browser().identify(login).await;
            all.push(calls_since(&world, &before));
        }
        assert!(all.iter().all(|calls| *calls == all[0]), "{all:#?}");
    }
}

/// A flow keeps the decoy that it began with, though the decoy has changed since.
/// Controls: C-001.
#[tokio::test]
async fn flow_keeps_its_decoy_when_the_population_changes() {
    let world = World::new().await;
    let mut changed = 0;
    for n in 0..20 {
        let login = format!("nobody{n}");
        let mut flow = world.browser();
        let shown = flow.open(&login, "forgotten").await.json()["methods"].clone();
        if n == 0 {
            enrol_university(&world).await;
        }
        world.housekeep().await.unwrap();
        changed += u32::from(methods(world.browser(), &login).await != shown);
        assert_eq!(flow.get("/method").await.json()["methods"], shown);
        let mail = shown.as_array().unwrap().iter().find(|method| method["method"] == "email");
        if let Some(mail) = mail {
            assert_eq!(flow.send_email().await.json()["masked"], mail["masked"]);
        }
    }
    assert!(changed > 0, "the first count took effect");
}

/// Controls: C-107.
#[tokio::test]
async fn logins_of_one_person_show_one_set() {
    let world = World::new().await;
    enrol_university(&world).await;
    let registration = contacts(Some("zul@mail.example"), Some("+60123450001"), Some("+60327317211"));
    for (state, logins) in
        [(AccountState::Active, ["zul", "2021999999"]), (AccountState::Disabled, ["yusof", "2021888888"])]
    {
        enrol(&world, &logins.map(ToOwned::to_owned), state, &registration).await;
    }
    world.housekeep().await.unwrap();
    for [one, other] in [["zul", "2021999999"], ["yusof", "2021888888"]] {
        assert_eq!(methods(world.browser(), one).await, methods(world.browser(), other).await, "{one}");
    }
}

/// The language of a disabled account is none of a decoy's properties.
/// Controls: C-101.
#[tokio::test]
async fn decoy_has_the_language_of_the_browser() {
    for (login, language) in [("aisyah", "en"), ("daniel", "ms"), ("registrar", "ms"), ("nobody", "ms")] {
        let world = World::new().await;
        world.browser().with_headers(&[("accept-language", "ms")]).identify(login).await;
        let expected = format!(r#"\"language\":\"{language}\""#);
        assert!(world.dump().await.contains(&expected), "{login}: {language}");
    }
}

/// Controls: C-006.
#[tokio::test]
async fn page_hides_an_initial_that_is_no_letter() {
    let world = World::new().await;
    let registration = contacts(Some("2021@mail.example"), Some("+60123450001"), None);
    enrol(&world, &["zul".to_owned()], AccountState::Active, &registration).await;
    let shown = methods(world.browser(), "zul").await;
    assert_eq!(shown[0]["masked"], "******@*****", "{shown}");
}

/// Neither a failed count nor an unreadable one stops a reset.
/// Controls: C-071.
#[tokio::test]
async fn flows_open_without_a_readable_population() {
    let world = World::with(&[("REKEY_PUBLIC_URL", LOCALHOST_ORIGIN)]).await;
    world.fail_calls("housekeeping", "dynamodb:Query", "SecurityInfoTable");
    assert!(world.housekeep().await.is_err());
    world.clear_faults();
    assert!(!world.dump().await.contains("population"), "nothing was written");
    world.housekeep().await.unwrap();
    for population in [AttributeValue::S("{".to_owned()), AttributeValue::Bool(true)] {
        let key = AttributeValue::S("population".to_owned());
        let put = world.client.put_item().table_name("AccountsTable").item("account", key);
        put.item("population", population).send().await.unwrap();
        for login in ["aisyah", "nobody"] {
            assert!(methods(world.browser(), login).await.as_array().unwrap().len() > 1);
        }
        world.housekeep().await.unwrap();
        assert!(world.dump().await.contains(r#"\"number\":1"#), "the next count replaces it");
    }
}

/// An account with an unreadable item can't reset, and hinders no count.
/// Controls: C-071.
#[tokio::test]
async fn unreadable_account_does_not_stop_the_count() {
    let world = World::new().await;
    let key = AttributeValue::S("account/broken".to_owned());
    let item = world.client.put_item().table_name("AccountsTable").item("account", key);
    item.item("id", AttributeValue::S("broken".to_owned())).send().await.unwrap();
    let sealed = world.client.update_item().table_name("SecurityInfoTable");
    sealed
        .key("account", AttributeValue::S(DANIEL.login.to_owned()))
        .key("item", AttributeValue::S("mobile".to_owned()))
        .update_expression("SET sealed = :nonsense")
        .expression_attribute_values(":nonsense", AttributeValue::S("nonsense".to_owned()))
        .send()
        .await
        .unwrap();
    world.housekeep().await.unwrap();
    assert!(world.dump().await.contains(r#"\"number\":1"#));
}

/// Controls: C-108.
#[tokio::test]
async fn daily_count_changes_no_decoy_within_a_month() {
    let world = World::new().await;
    let names: Vec<String> = (0..12).map(|n| format!("nobody{n}")).collect();
    let shown = async || {
        let mut shown = Vec::new();
        for name in &names {
            shown.push(methods(world.browser(), name).await);
        }
        shown
    };
    world.housekeep().await.unwrap();
    let before = shown().await;
    // Fewer than outgrow the first count.
    for (n, login) in ["p0", "p1", "p2", "p3"].into_iter().enumerate() {
        world.clock.advance(86_400);
        let person = Person { login, ..AISYAH };
        world.register(&person).await;
        world.housekeep().await.unwrap();
        assert_eq!(shown().await, before, "day {n}");
    }
    world.clock.advance(26 * 86_400);
    world.housekeep().await.unwrap();
    assert_eq!(shown().await, before, "the new version is not an hour old");
    world.clock.advance(30 * 86_400);
    assert_ne!(shown().await, before);
}
