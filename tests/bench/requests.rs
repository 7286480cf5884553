//! What requests cost: processor time and times of each request of a reset, resets a second, and how they grow with the
//! number of accounts.
//!
//! It starts Rekey in one process, on stores in memory and on the AWS emulator, resets passwords through the gateway, and
//! prints tables. It asserts nothing. Processor time is that of the whole process, the emulator included. Answers don't
//! wait for the time grid.
//!
//! ```text
//! cargo bench --package rekey-tests --bench requests [-- RESETS]
//! ```

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints, reads the clock, and ends where it can't go on"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use rekey_tests::browser::{Browser, Site as _};
use rekey_tests::deployment;
use rekey_tests::populations::Member;
use serde_json::{Value, json};
use shared::adapters::memory::Memory;
use shared::adapters::system::SystemClock;
use shared::domain::account::{AccountState, Registration};
use shared::domain::contact::EmailAddress;

type Deployment = deployment::Deployment<SystemClock>;

/// Resets of each run, unless the command line says otherwise.
const RESETS: usize = 100;
/// Numbers of accounts, to see what grows with them.
const ACCOUNTS: [usize; 3] = [1_000, 10_000, 100_000];
/// One step, all flows from one network, and no mailbox refuses its code.
const ONE_STEP: [(&str, &str); 2] = [("REKEY_STEPS", "1"), ("REKEY_OPENS_PER_IP", "1000000")];
const NEW: &str = "Kancil-Lompat-42!";

// One thread, as a function has one request at a time.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let resets = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(RESETS);
    let hash = hash_cost(resets);
    println!("One argon2id hash: {hash:.2} ms of processor time.\n");
    for (store, memory) in [("memory", true), ("the AWS emulator", false)] {
        // The new password is compared with the present one, if history counts, and then hashed itself.
        for (history, hashes) in [("1", 2.0), ("0", 1.0)] {
            let parameters = [ONE_STEP.as_slice(), &[("REKEY_PASSWORD_HISTORY", history)]].concat();
            let site = Deployment::without_time_grid(&parameters, memory.then(Arc::<Memory>::default)).await;
            let costs = measure(&site, resets, 0).await;
            println!(
                "### {resets} resets with one step, stores in {store}, REKEY_PASSWORD_HISTORY={history}\n"
            );
            report(&costs, resets, hash * hashes);
        }
    }
    println!("### Growth, stores in memory, no history\n");
    println!("| accounts | processor time of a reset, ms | without hashes |\n|---|---|---|");
    for accounts in ACCOUNTS {
        let parameters = [ONE_STEP.as_slice(), &[("REKEY_PASSWORD_HISTORY", "0")]].concat();
        let site = Deployment::without_time_grid(&parameters, Some(Arc::default())).await;
        let costs = measure(&site, resets, accounts).await;
        let (all, rest) = totals(&costs, resets, hash);
        println!("| {accounts} | {all:.2} | {rest:.2} |");
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("\nPeak of the process, the stores of all accounts included: {peak}");
}

/// What a request took, once for each time it was sent.
#[derive(Default)]
struct Cost {
    times: Vec<Duration>,
    processor: Vec<Duration>,
    bytes: usize,
}

type Costs = BTreeMap<&'static str, Cost>;

/// Resets so many passwords beside so many other accounts.
async fn measure(site: &Arc<Deployment>, resets: usize, accounts: usize) -> Costs {
    for n in resets..accounts {
        site.register(&person(n), AccountState::Active, None).await;
    }
    for n in 0..resets {
        site.register(&person(n), AccountState::Active, Some("Pelangi-Petang-77!")).await;
    }
    site.housekeep().await;
    // What a process reads once and keeps is read before.
    let mut costs = Costs::new();
    reset(site, "nobody", &mut costs, false).await;
    costs.clear();
    for n in 0..resets {
        reset(site, &login(n), &mut costs, true).await;
    }
    costs
}

async fn reset(site: &Arc<Deployment>, login: &str, costs: &mut Costs, is_known: bool) {
    let mut visitor = Visitor { browser: Browser::new(site), costs };
    let captcha = visitor.get("01 GET /", "/").await["captcha"].clone();
    let picture = captcha["picture"].as_str().unwrap();
    visitor.fetch("15 GET /captcha/…/picture.png, not of a reset", picture).await;
    visitor.fetch("16 GET /captcha/…/sound.wav, not of a reset", captcha["sound"].as_str().unwrap()).await;
    let answer = site.solve(captcha["token"].as_str().unwrap()).await;
    let body = json!({ "login": login, "captcha_token": captcha["token"], "captcha_answer": answer });
    visitor.post("02 POST /", "/", body).await;
    visitor.get("03 GET /reason", "/reason").await;
    visitor.post("04 POST /reason", "/reason", json!({ "reason": "forgotten" })).await;
    visitor.get("05 GET /method", "/method").await;
    if !is_known {
        return;
    }
    visitor.post("06 POST /code/send", "/code/send", json!({ "method": "email" })).await;
    visitor.get("07 GET /code", "/code").await;
    let code = site.queued_code();
    visitor.deliver("08 delivery of the code", site).await;
    visitor.post("09 POST /code", "/code", json!({ "code": code })).await;
    visitor.get("10 GET /password", "/password").await;
    let body = json!({ "password": NEW, "confirmation": NEW });
    let done = visitor.post("11 POST /password", "/password", body).await;
    assert_eq!(done["page"], "done", "{done}");
    visitor.get("12 GET /done", "/done").await;
    visitor.deliver("13 delivery of the notices", site).await;
}

/// A browser that notes what its requests cost.
struct Visitor<'a> {
    browser: Browser<Deployment>,
    costs: &'a mut Costs,
}

impl Visitor<'_> {
    async fn get(&mut self, name: &'static str, path: &str) -> Value {
        let (time, processor) = (Instant::now(), processor_time());
        let answer = self.browser.get(path).await;
        self.note(name, time, processor, answer.body.len());
        answer.json()
    }

    async fn fetch(&mut self, name: &'static str, path: &str) {
        let request = self.browser.request(Method::GET, path).body(String::new()).unwrap();
        let (time, processor) = (Instant::now(), processor_time());
        let answer = self.browser.send(request).await;
        self.note(name, time, processor, answer.body.len());
    }

    async fn post(&mut self, name: &'static str, path: &str, body: Value) -> Value {
        let (time, processor) = (Instant::now(), processor_time());
        let answer = self.browser.post(path, body).await;
        self.note(name, time, processor, answer.body.len());
        answer.json()
    }

    async fn deliver(&mut self, name: &'static str, site: &Arc<Deployment>) {
        let (time, processor) = (Instant::now(), processor_time());
        site.deliver().await;
        self.note(name, time, processor, 0);
    }

    fn note(&mut self, name: &'static str, time: Instant, processor: Duration, bytes: usize) {
        let cost = self.costs.entry(name).or_default();
        cost.times.push(time.elapsed());
        cost.processor.push(processor_time().saturating_sub(processor));
        cost.bytes = bytes;
    }
}

/// Returns the processor time of all threads of this process. One that has ended is not in it; tokio keeps its own.
fn processor_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let nanoseconds = tasks.filter_map(|task| {
        let times = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Returns the processor time of one hash, in milliseconds.
fn hash_cost(count: usize) -> f64 {
    let hasher = shared::domain::slow_hash::hasher().unwrap();
    let before = processor_time();
    for _ in 0..count {
        hasher.hash_password_into(NEW.as_bytes(), b"sixteen bytes ..", &mut [0; 32]).unwrap();
    }
    milliseconds(processor_time().saturating_sub(before)) / float(count)
}

/// Returns the processor time of a reset, with its hashes and without them, in milliseconds.
fn totals(costs: &Costs, resets: usize, hashes: f64) -> (f64, f64) {
    let of_reset = costs.iter().filter(|(name, _)| !name.contains("not of a reset"));
    let all: Duration = of_reset.flat_map(|(_, cost)| &cost.processor).sum();
    let all = milliseconds(all) / float(resets);
    (all, all - hashes)
}

fn report(costs: &Costs, resets: usize, hashes: f64) {
    println!(
        "| request | processor time, ms | p50, ms | p90, ms | p99, ms | bytes of JSON |\n|---|---|---|---|---|---|"
    );
    for (name, cost) in costs {
        let mut times = cost.times.clone();
        times.sort_unstable();
        let at = |percent: usize| milliseconds(times[(times.len() - 1) * percent / 100]);
        let processor = milliseconds(cost.processor.iter().sum()) / float(cost.processor.len());
        let (p50, p90, p99) = (at(50), at(90), at(99));
        println!("| {name} | {processor:.2} | {p50:.2} | {p90:.2} | {p99:.2} | {} |", cost.bytes);
    }
    let (all, rest) = totals(costs, resets, hashes);
    println!(
        "\nA reset takes {all:.1} ms of processor time, {rest:.1} ms without its hashes: {:.0} resets a second on a \
         core.\n",
        1e3 / all
    );
}

/// Returns a person with a mailbox.
fn person(n: usize) -> Member {
    let mailbox = EmailAddress::parse(&format!("{}@mailbox.example", login(n))).unwrap();
    let registration = Registration { alternate_email: Some(mailbox), ..Registration::default() };
    Member { login: login(n), registration, enrolled: Vec::new() }
}

fn login(n: usize) -> String {
    format!("a{n:06}")
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn float(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap())
}
