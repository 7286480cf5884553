//! What the limits of a login show to a stranger, with and without an account, in each population.
//!
//! A stranger spends everything that a login gives, on several networks, with waits in between. Each answer is a list of
//! features of a classifier: status, headers, cookies, lengths, problem, attempts left, waits, methods. A known login is
//! compared with unknown ones that show the same set of methods; how often sets occur is tested with the decoys
//! themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::Method;
use rekey_tests::fixtures::Person;
use rekey_tests::populations::{Member, POPULATIONS, Population, Random};
use rekey_tests::test_doubles::TestClock;
use rekey_tests::{Answer, Browser, CeremonyOptions, Passkey, deployment};
use serde_json::{Value, json};
use shared::domain::account::{AccountState, Registration, suffices};
use shared::domain::contact::PhoneNumber;
use shared::domain::method;
use shared::domain::time::Timestamp;
use shared::ports::Clock as _;

type Deployment = deployment::Deployment<TestClock>;

const WRONG: &str = "Wrong-Password-1";
const DAY: i64 = 86_400;
/// Flows of one name within an hour without harder work.
const OPENS: &str = "45";

/// The answers of each door, in their order.
type Seen = BTreeMap<&'static str, Vec<Value>>;

/// A world whose networks are large.
async fn world() -> Arc<Deployment> {
    Deployment::in_memory(&[("REKEY_OPENS_PER_HOUR", OPENS), ("REKEY_OPENS_PER_IP", "1000000")]).await
}

/// Replaces masks and random values by their length, and times by their distance from now.
fn normalise(value: &mut Value, now: Timestamp) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value.as_str()) {
                    (
                        "masked" | "number" | "challenge" | "token" | "picture" | "sound" | "support_code",
                        Some(text),
                    ) => {
                        *value = text.len().into();
                    }
                    // It names the time of day.
                    ("detail", Some(text)) => *value = text.replace(|c: char| c.is_ascii_digit(), "0").into(),
                    (_, Some(text)) => {
                        if let Some(time) = Timestamp::parse(text) {
                            *value = (time.as_seconds() - now.as_seconds()).into();
                        }
                    }
                    _ => normalise(value, now),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| normalise(value, now)),
        _ => {}
    }
}

/// Returns all that an answer shows, without random values. A page may show the login that was typed.
fn observable(answer: &Answer, login: &str, now: Timestamp) -> Value {
    let length = String::from_utf8_lossy(&answer.body).replace(login, "").len();
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "apigw-requestid" && *name != "content-length")
        .map(|(name, value)| {
            let value = value.to_str().unwrap();
            match value.split_once(';').filter(|_| name == "set-cookie") {
                Some((cookie, attributes)) => {
                    let (name, value) = cookie.split_once('=').unwrap();
                    format!("cookie {name} of {} characters;{attributes}", value.len())
                }
                None => format!("{name}: {value}"),
            }
        })
        .collect();
    headers.sort();
    let body = match serde_json::from_slice(&answer.body) {
        Ok(mut body) => {
            normalise(&mut body, now);
            body
        }
        Err(_) => Value::Null,
    };
    json!({ "status": answer.status.as_u16(), "headers": headers, "length": length, "body": body })
}

/// A stranger at one login.
struct Stranger<'a> {
    world: &'a Arc<Deployment>,
    login: &'a str,
    network: u8,
    passkey: Passkey,
    seen: Seen,
}

impl Stranger<'_> {
    fn browser(&self) -> Browser<Deployment> {
        Browser::new(self.world).from_address([10, 0, self.network, 7])
    }

    fn note(&mut self, door: &'static str, answer: &Answer) {
        let observed = observable(answer, self.login, self.world.clock.now());
        self.seen.entry(door).or_default().push(observed);
    }

    async fn post(&mut self, door: &'static str, browser: &mut Browser<Deployment>, path: &str, body: Value) {
        let answer = browser.post(path, body).await;
        self.note(door, &answer);
    }

    async fn get(&mut self, door: &'static str, browser: &mut Browser<Deployment>, path: &str) {
        let answer = browser.get(path).await;
        self.note(door, &answer);
    }

    /// Loads a page as a browser does, and notes its length too.
    async fn page(&mut self, door: &'static str, browser: &mut Browser<Deployment>, path: &str) {
        let mut request = browser.request(Method::GET, path).body(String::new()).unwrap();
        request.headers_mut().insert("accept", "text/html".parse().unwrap());
        request.headers_mut().insert("accept-language", "ta".parse().unwrap());
        let answer = browser.send(request).await;
        self.note(door, &answer);
    }

    async fn opened(&mut self, reason: &str) -> Browser<Deployment> {
        let mut browser = self.browser();
        let answer = browser.identify(self.login).await;
        self.note("open", &answer);
        self.post("open", &mut browser, "/reason", json!({ "reason": reason })).await;
        browser
    }

    /// Submits a form as a browser does, and notes the page of its problem or the address of the next page.
    async fn form(
        &mut self,
        door: &'static str,
        browser: &mut Browser<Deployment>,
        path: &str,
        fields: &str,
    ) {
        let form = "application/x-www-form-urlencoded";
        let request = browser.request(Method::POST, path).header("sec-fetch-site", "same-origin");
        let mut request = request.header("content-type", form).body(fields.to_owned()).unwrap();
        request.headers_mut().insert("accept", "text/html".parse().unwrap());
        request.headers_mut().insert("accept-language", "zh-Hans".parse().unwrap());
        let answer = browser.send(request).await;
        self.note(door, &answer);
    }

    /// The same doors by forms, with the limits as they are left.
    async fn forms(&mut self) {
        let browser = &mut self.opened("forgotten").await;
        for fields in ["method=email", "method=sms&contact=%2B60100000000", "method=push", "method=passkey"] {
            self.form("forms", browser, "/code/send", fields).await;
            self.page("forms", browser, "/code").await;
        }
        for fields in
            ["code=12345678", "method=totp&code=000000", "method=recovery_code&code=0123456789ABCDEF"]
        {
            self.form("forms", browser, "/code", fields).await;
        }
        self.form("forms", browser, "/password", "password=Kancil-Lompat-42!&confirmation=Kancil").await;
        let signing_in = format!("login={}&password={WRONG}", self.login);
        self.form("forms", browser, "/security-info/sign-in", &signing_in).await;
        self.form("forms", browser, "/cancel", "").await;
    }

    /// Mails, their waits and their codes.
    async fn mails(&mut self) {
        let browser = &mut self.opened("forgotten").await;
        for _ in 0..2 {
            for _ in 0..2 {
                self.post("mail", browser, "/code/send", json!({ "method": "email" })).await;
            }
            for n in 0..3 {
                self.post("mail", browser, "/code", json!({ "code": format!("1234567{n}") })).await;
            }
            self.world.clock.advance(35);
        }
        self.post("mail", browser, "/code/send", json!({ "method": "email" })).await;
        self.get("mail", browser, "/code").await;
        // The code expires, and then the flow.
        for wait in [610, 300] {
            self.world.clock.advance(wait);
            self.post("mail", browser, "/code", json!({ "code": "12345678" })).await;
            self.get("mail", browser, "/code").await;
        }
        let browser = &mut self.opened("forgotten").await;
        self.post("mail", browser, "/code/send", json!({ "method": "email" })).await;
        for path in ["/code", "/method", "/reason"] {
            self.get("mail", browser, path).await;
            self.page("mail", browser, path).await;
        }
    }

    /// Texts and calls with wrong numbers.
    async fn numbers(&mut self) {
        let browser = &mut self.opened("locked").await;
        for contact in ["no number", "+60100000000", "+6591234567"] {
            for method in ["sms", "mobile_call", "office_call"] {
                let body = json!({ "method": method, "contact": contact });
                self.post("numbers", browser, "/code/send", body).await;
            }
        }
        self.post("numbers", browser, "/code/send", json!({ "method": "sms" })).await;
        self.page("numbers", browser, "/method").await;
    }

    async fn app_codes(&mut self) {
        let browser = &mut self.opened("forgotten").await;
        for n in 0..6 {
            self.post("app", browser, "/code", json!({ "method": "totp", "code": format!("00000{n}") }))
                .await;
        }
        self.get("app", browser, "/method").await;
    }

    /// Requests that nobody answers, and one that comes while another waits.
    async fn approvals(&mut self) {
        let browser = &mut self.opened("forgotten").await;
        for wait in [10, 85] {
            self.post("push", browser, "/code/send", json!({ "method": "push" })).await;
            self.get("push", browser, "/code").await;
            self.post("push", browser, "/code", json!({ "method": "push" })).await;
            self.world.clock.advance(wait);
        }
        let other = &mut self.opened("forgotten").await;
        self.post("push", other, "/code/send", json!({ "method": "push" })).await;
        self.world.clock.advance(100);
        self.get("push", browser, "/code").await;
        self.page("push", browser, "/code").await;
        self.post("push", browser, "/code", json!({ "method": "push" })).await;
        self.post("push", browser, "/code/send", json!({ "method": "push" })).await;
        self.get("push", browser, "/method").await;
    }

    /// Passkeys, recovery codes and passes of nobody, until each flow ends.
    async fn found_things(&mut self) {
        let browser = &mut self.opened("forgotten").await;
        let asked = browser.post("/code/send", json!({ "method": "passkey" })).await;
        self.note("passkey", &asked);
        let saying = CeremonyOptions::at("https://reset.contoh.example");
        for _ in 0..11 {
            // Without a passkey in the set there is no challenge to answer.
            let challenge = json!({ "challenge": "AAAA", "rpId": "reset.contoh.example" });
            let options = asked.json().get("options").cloned().unwrap_or(challenge);
            let assertion = self.passkey.answer(&options, &saying);
            let body = json!({ "method": "passkey", "assertion": assertion });
            self.post("passkey", browser, "/code", body).await;
        }
        for (door, method) in [("recovery code", "recovery_code"), ("pass", "pass")] {
            let browser = &mut self.opened("forgotten").await;
            for n in 0..11 {
                let code = format!("0123-4567-89AB-CD{n:02}");
                self.post(door, browser, "/code", json!({ "method": method, "code": code })).await;
            }
        }
    }

    /// Wrong passwords, here and where a password is changed, up to the CAPTCHA.
    async fn sign_ins(&mut self) {
        let browser = &mut self.browser();
        self.page("sign-in", browser, "/change-password").await;
        for next in [None, Some("change-password"), None] {
            let mut body = json!({ "login": self.login, "password": WRONG });
            if let Some(next) = next {
                body["next"] = next.into();
            }
            self.post("sign-in", browser, "/security-info/sign-in", body).await;
        }
    }

    /// Flows until opening one takes more work.
    async fn opens(&mut self) {
        for _ in 0..60 {
            let answer = self.browser().identify(self.login).await;
            self.note("open", &answer);
            if answer.status != 200 {
                break;
            }
        }
    }
}

/// Spends what a login gives. The clock then stands at the same time of another day.
async fn spend_everything(world: &Arc<Deployment>, login: &str) -> Seen {
    let begin = world.clock.now();
    let creation = json!({ "rp": { "id": "localhost" }, "user": { "id": "AAAA" }, "challenge": "AAAA" });
    let (passkey, _) = Passkey::create(&creation, &CeremonyOptions::at("http://localhost:8080"));
    let mut stranger = Stranger { world, login, network: 1, passkey, seen: Seen::new() };
    // The network of each visit, and the wait after it.
    for (network, wait) in [(1, 0), (2, 0), (2, 3_600), (3, DAY), (1, 0)] {
        stranger.network = network;
        if network != 2 {
            stranger.sign_ins().await;
        }
        stranger.mails().await;
        stranger.numbers().await;
        stranger.app_codes().await;
        stranger.approvals().await;
        world.clock.advance(wait);
    }
    stranger.found_things().await;
    stranger.forms().await;
    stranger.opens().await;
    let days = (world.clock.now().as_seconds() - begin.as_seconds()) / DAY + 2;
    world.clock.advance(begin.as_seconds() + days * DAY - world.clock.now().as_seconds());
    stranger.seen
}

/// Returns the methods that a login shows.
async fn set(world: &Arc<Deployment>, login: &str) -> Vec<String> {
    let methods = Browser::new(world).open(login, "forgotten").await.json()["methods"].clone();
    let methods = methods.as_array().unwrap().iter();
    methods.map(|method| method["method"].as_str().unwrap().to_owned()).collect()
}

/// Returns the AUC of the best classifier: the one that knows how often each value occurs among known and unknown.
fn best_auc<T: Ord>(known: &[T], unknown: &[T]) -> f64 {
    let size = |of: &[T]| f64::from(u32::try_from(of.len()).unwrap());
    let share = |of: &[T], value: &T| {
        let count = of.iter().filter(|other| *other == value).count();
        f64::from(u32::try_from(count).unwrap()) / size(of)
    };
    let ratio = |value: &T| share(known, value) / share(unknown, value);
    let chance = |known: &T, unknown: &T| match ratio(known).total_cmp(&ratio(unknown)) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    let pairs: f64 =
        known.iter().map(|one| unknown.iter().map(|other| chance(one, other)).sum::<f64>()).sum();
    pairs / size(known) / size(unknown)
}

/// The people of a world, and names of nobody by the set that they show.
struct Drawn {
    /// People who can reset.
    usable: Vec<Member>,
    /// Accounts that show a decoy: disabled, excluded, and with too few methods.
    unusable: Vec<(&'static str, String)>,
    nobody: BTreeMap<Vec<String>, Vec<String>>,
}

async fn draw(world: &Arc<Deployment>, population: &Population) -> Drawn {
    let random = &mut Random::new(7);
    let members = population.members(random);
    let taken: BTreeSet<String> = members.iter().map(|member| member.login.clone()).collect();
    let mut drawn = Drawn { usable: Vec::new(), unusable: Vec::new(), nobody: BTreeMap::new() };
    for (n, member) in members.into_iter().enumerate() {
        let entries = member.entries(world.clock.now());
        let kinds = entries.iter().flat_map(|entry| entry.id.kind().methods()).copied();
        let mut registration = member.registration.clone();
        registration.holds.extend(kinds);
        let is_usable = suffices(&registration.offers(&method::Method::ALL), 2);
        let state = match n % 20 {
            3 => AccountState::Disabled,
            7 => AccountState::Excluded,
            11 => AccountState::Locked,
            _ => AccountState::Active,
        };
        // A few have a password, since a hash takes time.
        let password = (n % 3 == 0 && n < 24).then_some(Person::PASSWORD);
        world.register(&member, state, password).await;
        // Some have another number since an hour ago, which waits. The earlier one serves.
        if n % 4 == 1 && member.registration.mobile.is_some() {
            world.clock.advance(3_600);
            let registration = Registration {
                mobile: Some(PhoneNumber::from_stored("+60129999999".to_owned())),
                ..member.registration.clone()
            };
            world.register(&Member { registration, ..member.clone() }, state, password).await;
        }
        match state {
            AccountState::Disabled => drawn.unusable.push(("disabled", member.login)),
            AccountState::Excluded => drawn.unusable.push(("excluded", member.login)),
            _ if !is_usable => drawn.unusable.push(("too few methods", member.login)),
            _ => drawn.usable.push(member),
        }
    }
    world.housekeep().await;
    while drawn.nobody.values().map(Vec::len).sum::<usize>() < 60 {
        let login = population.login(random);
        if !taken.contains(&login) {
            drawn.nobody.entry(set(world, &login).await).or_default().push(login);
        }
    }
    drawn
}

/// Pairs of a known and an unknown login in each population.
const PAIRS: usize = 4;

/// Asserts that a door's answers are alike, and names the first that isn't.
fn assert_alike(what: &str, one: &Seen, other: &Seen) {
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{what}");
    for (door, answers) in one {
        for (at, (one, other)) in answers.iter().zip(&other[door]).enumerate() {
            assert_eq!(one, other, "{what}: {door}, answer {at}");
        }
        assert_eq!(answers.len(), other[door].len(), "{what}: {door}");
    }
}

async fn assert_limits_tell_nothing(population: &Population) {
    let world = world().await;
    let mut drawn = draw(&world, population).await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let everybody = std::mem::take(&mut drawn.usable);
    for member in everybody {
        if known.len() == PAIRS {
            break;
        }
        let shown = set(&world, &member.login).await;
        // A rare set may have no match among the names that were drawn.
        let Some(twin) = drawn.nobody.get_mut(&shown).and_then(Vec::pop) else { continue };
        known.push((member.login.clone(), spend_everything(&world, &member.login).await));
        unknown.push((twin.clone(), spend_everything(&world, &twin).await));
    }
    assert_eq!(known.len(), PAIRS, "{}", population.name);
    let features = |all: &[(String, Seen)]| -> Vec<String> {
        all.iter().map(|(_, seen)| serde_json::to_string(seen).unwrap()).collect()
    };
    let auc = best_auc(&features(&known), &features(&unknown));
    for ((login, one), (twin, other)) in known.iter().zip(&unknown) {
        assert_alike(&format!("{}, {login} and {twin}", population.name), one, other);
    }
    assert!((0.4..0.6).contains(&auc), "{}: AUC {auc}", population.name);

    for why in ["disabled", "excluded", "too few methods"] {
        for (_, login) in drawn.unusable.iter().filter(|(other, _)| *other == why).take(1) {
            let shown = set(&world, login).await;
            let Some(twin) = drawn.nobody.get_mut(&shown).and_then(Vec::pop) else { continue };
            let (one, other) = (spend_everything(&world, login).await, spend_everything(&world, &twin).await);
            assert_alike(&format!("{}, {why}: {login} and {twin}", population.name), &one, &other);
        }
    }
}

/// Controls: C-001, C-002, C-005.
#[tokio::test]
async fn limits_of_students_tell_nothing() {
    assert_limits_tell_nothing(&POPULATIONS[0]).await;
}

/// Controls: C-001, C-002, C-005.
#[tokio::test]
async fn limits_of_staff_tell_nothing() {
    assert_limits_tell_nothing(&POPULATIONS[1]).await;
}

/// Controls: C-001, C-002, C-005.
#[tokio::test]
async fn limits_of_mixed_people_tell_nothing() {
    assert_limits_tell_nothing(&POPULATIONS[2]).await;
}

/// Controls: C-001, C-002, C-005.
#[tokio::test]
async fn limits_of_small_college_tell_nothing() {
    assert_limits_tell_nothing(&POPULATIONS[3]).await;
}

/// Controls: C-001, C-002, C-005.
#[tokio::test]
async fn limits_of_people_with_devices_tell_nothing() {
    assert_limits_tell_nothing(&POPULATIONS[4]).await;
}

/// The same check finds limits that differ in one answer of one login.
#[test]
fn best_classifier_detects_a_difference() {
    let alike = best_auc(&["a", "a", "b", "b"], &["a", "b", "a", "b"]);
    assert!((alike - 0.5).abs() < 1e-9, "{alike}");
    assert!(best_auc(&["a", "a", "a", "c"], &["a", "a", "a", "a"]) > 0.6);
    assert!(best_auc(&["b"; 4], &["a"; 4]) > 0.99);
}

/// Up to the lock of the sign-in, each hour without a CAPTCHA, from one network and then from others, and a day later.
/// Controls: C-005, C-104.
#[tokio::test]
async fn sign_in_pauses_every_login_alike() {
    let world = world().await;
    let random = &mut Random::new(11);
    let population = &POPULATIONS[2];
    let mut logins = vec![("nobody", population.login(random))];
    for (what, state, password) in [
        ("active", AccountState::Active, Some(Person::PASSWORD)),
        ("locked", AccountState::Locked, Some(Person::PASSWORD)),
        ("disabled", AccountState::Disabled, Some(Person::PASSWORD)),
        ("excluded", AccountState::Excluded, Some(Person::PASSWORD)),
        ("without a password", AccountState::Active, None),
    ] {
        let login = population.login(random);
        let member = population.member(random, login.clone());
        world.register(&member, state, password).await;
        logins.push((what, login));
    }
    let begin = world.clock.now();
    let mut all: Vec<(&str, Vec<Value>)> = logins.iter().map(|(what, _)| (*what, Vec::new())).collect();
    for hour in (0_u8..17).chain([24, 25]) {
        let network = if hour < 6 { 1 } else { 2 + hour / 5 };
        let passed = world.clock.now().as_seconds() - begin.as_seconds();
        world.clock.advance(i64::from(hour) * 3_600 - passed);
        for ((_, login), (_, seen)) in logins.iter().zip(&mut all) {
            for _ in 0..3 {
                let mut browser = Browser::new(&world).from_address([10, 0, network, 7]);
                let answer = browser.sign_in_with(login, WRONG).await;
                seen.push(observable(&answer, login, world.clock.now()));
            }
        }
    }
    let codes: BTreeSet<&str> = all[0].1.iter().filter_map(|seen| seen["body"]["code"].as_str()).collect();
    assert_eq!(codes, BTreeSet::from(["captcha-harder", "sign-in-paused", "sign-in-wrong"]));
    let (_, nobody) = &all[0];
    for (what, seen) in &all[1..] {
        for (at, (one, other)) in seen.iter().zip(nobody).enumerate() {
            assert_eq!(one, other, "{what}, answer {at}");
        }
    }
}
