//! Response times of known and unknown logins, side by side: a stranger must not tell them apart.
//!
//! It starts Rekey on the AWS emulator with the people of a population, and sends the requests of a stranger with the
//! login of a person and with a made-up one that shows the same set of methods, request by request in turn. So both meet
//! the same load of the machine. It prints a line for each request and asserts nothing. AUC is the chance that the
//! response to a known login took longer than the response to an unknown one: 0.5 tells nothing.
//!
//! ```text
//! cargo bench --package rekey-tests --bench enumeration [-- PAIRS] [students|staff|mixed|college|devices …]
//! ```

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and ends where it can't go on"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use rekey_tests::browser::{Browser, Site as _};
use rekey_tests::fixtures::Person;
use rekey_tests::populations::{POPULATIONS, Population, Random};
use rekey_tests::{Answer, CeremonyOptions, Passkey, deployment};
use serde_json::{Value, json};
use shared::adapters::system::SystemClock;
use shared::domain::account::AccountState;
use tokio::task::JoinSet;

type Deployment = deployment::Deployment<SystemClock>;

/// The pairs of a population, unless the command line says otherwise.
const PAIRS: usize = 100;

/// Every flow comes from one network, and from one name more often than a person opens one.
const UNLIMITED: [(&str, &str); 2] = [("REKEY_OPENS_PER_IP", "1000000"), ("REKEY_OPENS_PER_HOUR", "100000")];

/// People with a password. Its hash is computed for everybody else, too.
const WITH_PASSWORD: usize = 20;

/// Made-up logins that are opened at once, to find one with the same set.
const BATCH: usize = 30;

#[tokio::main]
async fn main() {
    let pairs = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(PAIRS);
    let chosen: Vec<&Population> = POPULATIONS
        .iter()
        .filter(|population| std::env::args().any(|argument| argument == population.name))
        .collect();
    let chosen = if chosen.is_empty() { POPULATIONS.iter().collect() } else { chosen };
    println!("| population | request | known, median ms | unknown, median ms | difference, ms | AUC |");
    println!("|---|---|---|---|---|---|");
    for population in chosen {
        let mut times = measure(population, pairs).await;
        for (request, [unknown, known]) in &mut times {
            // A request that few logins allow says too little.
            let count = known.len();
            let auc = auc(known, unknown);
            let (known, unknown) = (median(known), median(unknown));
            println!(
                "| {} | {request} ({count}) | {known:.2} | {unknown:.2} | {:+.2} | {auc:.2} |",
                population.name,
                known - unknown
            );
        }
    }
}

/// The times of a request, of unknown and of known logins.
type Times = BTreeMap<&'static str, [Vec<Duration>; 2]>;

/// Measures so many pairs of logins in turn. Each login serves once, since it would come back with used limits: after all
/// people of a population, others follow.
async fn measure(population: &Population, pairs: usize) -> Times {
    let mut times = Times::new();
    let people = population.people as usize;
    for (seed, first) in (1..).zip((0..pairs).step_by(people)) {
        Box::pin(measure_people(population, seed, people.min(pairs - first), &mut times)).await;
    }
    times
}

/// Measures so many people, each with a made-up login that shows the same methods.
async fn measure_people(population: &Population, seed: u64, pairs: usize, times: &mut Times) {
    let site = Deployment::on_emulator(&UNLIMITED).await;
    let random = &mut Random::new(seed);
    let members = population.members(random);
    for (n, member) in members.iter().enumerate() {
        let password = (n < WITH_PASSWORD).then_some(Person::PASSWORD);
        site.register(member, AccountState::Active, password).await;
    }
    site.housekeep().await;
    let taken: BTreeSet<&String> = members.iter().map(|member| &member.login).collect();
    let mut nobody: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    // People with a password come first, since the sign-in compares theirs.
    for (n, member) in members.iter().enumerate().take(pairs) {
        let login = member.login.as_str();
        let shown = set(&site, login).await;
        let twin = loop {
            if let Some(twin) = nobody.get_mut(&shown).and_then(Vec::pop) {
                break twin;
            }
            // Together, because answers wait for the time grid.
            let mut opened = JoinSet::new();
            for made_up in (0..BATCH).map(|_| population.login(random)).filter(|name| !taken.contains(name)) {
                let site = site.clone();
                opened.spawn(async move { (set(&site, &made_up).await, made_up) });
            }
            for (shown, made_up) in opened.join_all().await {
                nobody.entry(shown).or_default().push(made_up);
            }
        };
        let mut both = [Visitor::new(&site, &twin, n), Visitor::new(&site, login, n)];
        for (step, request) in REQUESTS.into_iter().enumerate() {
            // The first of a pair is the known one and the unknown one in turn.
            for is_known in [n % 2 == 0, n % 2 != 0] {
                let is_known = usize::from(is_known);
                if let Some(time) = both[is_known].request(step, &shown).await {
                    times.entry(request).or_default()[is_known].push(time);
                }
            }
        }
    }
}

/// Returns the methods that a login shows.
async fn set(site: &Arc<Deployment>, login: &str) -> Vec<String> {
    let methods = Browser::new(site).open(login, "forgotten").await.json()["methods"].clone();
    let methods = methods.as_array().unwrap().iter();
    methods.map(|method| method["method"].as_str().unwrap().to_owned()).collect()
}

/// The requests of a stranger, in their order. The name of a method stands where a login must show it.
const REQUESTS: [&str; 20] = [
    "01 POST / opens a flow",
    "02 POST /reason",
    "03 GET /method",
    "04 POST /code/send, a mail",
    "05 POST /code, a wrong code",
    "06 GET /code",
    "07 POST /code/send, a wrong number",
    "08 POST /code/send, over the limit of numbers",
    "09 POST /code, a wrong app code",
    "10 POST /code, over the limit of app codes",
    "11 POST /code/send, an approval",
    "12 GET /code, an approval",
    "13 POST /code, an approval",
    "14 POST /code/send, a passkey",
    "15 POST /code, a wrong passkey",
    "16 POST /code, a wrong recovery code",
    "17 POST /code, a wrong pass",
    "18 GET /method after the limits",
    "19 POST /security-info/sign-in, a wrong password",
    "20 POST /security-info/sign-in for /change-password",
];

/// A stranger at one login.
struct Visitor<'a> {
    site: &'a Arc<Deployment>,
    browser: Browser<Deployment>,
    login: &'a str,
    passkey: Passkey,
    options: Value,
}

impl<'a> Visitor<'a> {
    /// Returns the visitor of the pair with this number, which has a network of its own.
    fn new(site: &'a Arc<Deployment>, login: &'a str, n: usize) -> Self {
        let creation = json!({ "rp": { "id": "localhost" }, "user": { "id": "AAAA" }, "challenge": "AAAA" });
        let (passkey, _) = Passkey::create(&creation, &CeremonyOptions::at("http://localhost:8080"));
        let [high, low] = u16::try_from(n % 60_000).unwrap().to_be_bytes();
        let browser = Browser::new(site).from_address([10, high, low, 7]);
        Self { site, browser, login, passkey, options: Value::Null }
    }

    /// Sends the request with this number and returns its time; none where the login shows no such method.
    async fn request(&mut self, step: usize, shown: &[String]) -> Option<Duration> {
        let has = |method: &str| shown.iter().any(|other| other == method);
        let code = |method: &str, code: &str| json!({ "method": method, "code": code });
        Some(match step + 1 {
            1 => {
                let token =
                    self.browser.get("/").await.json()["captcha"]["token"].as_str().unwrap().to_owned();
                let answer = self.site.solve(&token).await;
                let body = json!({ "login": self.login, "captcha_token": token, "captcha_answer": answer });
                self.post("/", body).await.0
            }
            2 => self.post("/reason", json!({ "reason": "forgotten" })).await.0,
            3 | 18 => self.get("/method").await,
            4 if has("email") => self.post("/code/send", json!({ "method": "email" })).await.0,
            5 if has("email") => self.post("/code", json!({ "code": "12345678" })).await.0,
            6 if has("email") => self.get("/code").await,
            7 if has("sms") => self.wrong_number().await,
            8 if has("sms") => {
                for _ in 0..4 {
                    self.wrong_number().await;
                }
                self.wrong_number().await
            }
            9 if has("totp") => self.post("/code", code("totp", "000000")).await.0,
            10 if has("totp") => {
                for _ in 0..4 {
                    self.post("/code", code("totp", "000000")).await;
                }
                let time = self.post("/code", code("totp", "000000")).await.0;
                // The flow's tries are nearly spent.
                self.browser.open(self.login, "forgotten").await;
                time
            }
            11 if has("push") => self.post("/code/send", json!({ "method": "push" })).await.0,
            12 if has("push") => self.get("/code").await,
            13 if has("push") => self.post("/code", json!({ "method": "push" })).await.0,
            14 if has("passkey") => {
                let (time, answer) = self.post("/code/send", json!({ "method": "passkey" })).await;
                self.options = answer.json()["options"].clone();
                time
            }
            15 if has("passkey") => {
                let saying = CeremonyOptions::at("https://reset.contoh.example");
                let assertion = self.passkey.answer(&self.options, &saying);
                self.post("/code", json!({ "method": "passkey", "assertion": assertion })).await.0
            }
            16 if has("recovery_code") => {
                self.post("/code", code("recovery_code", "0123-4567-89AB-CDEF")).await.0
            }
            17 => self.post("/code", code("pass", "0123-4567-89AB-CDEF")).await.0,
            19 => self.sign_in(None).await,
            20 => self.sign_in(Some("change-password")).await,
            _ => return None,
        })
    }

    async fn wrong_number(&mut self) -> Duration {
        self.post("/code/send", json!({ "method": "sms", "contact": "+60100000000" })).await.0
    }

    async fn sign_in(&mut self, next: Option<&str>) -> Duration {
        let mut body = json!({ "login": self.login, "password": "Wrong-Password-1" });
        if let Some(next) = next {
            body["next"] = next.into();
        }
        self.post("/security-info/sign-in", body).await.0
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    async fn post(&mut self, path: &str, body: Value) -> (Duration, Answer) {
        let start = Instant::now();
        let answer = self.browser.post(path, body).await;
        (start.elapsed(), answer)
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    async fn get(&mut self, path: &str) -> Duration {
        let request = self.browser.request(Method::GET, path).body(String::new()).unwrap();
        let start = Instant::now();
        self.browser.send(request).await;
        start.elapsed()
    }
}

/// Returns the chance that one of `first` is longer than one of `second`, by ranks.
fn auc(first: &[Duration], second: &[Duration]) -> f64 {
    let mut longer = 0.0;
    for a in first {
        for b in second {
            longer += match a.cmp(b) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    longer / count(first.len()) / count(second.len())
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn count(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap())
}
