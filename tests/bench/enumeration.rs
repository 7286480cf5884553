//! Response times of known and unknown logins, side by side: a stranger must not tell them apart.
//!
//! It starts Rekey as `cargo local` does, with as many people as pairs, and asks for a person and for a made-up name in
//! turn. It prints a line for each route and asserts nothing. AUC is the chance that the response to a known login took
//! longer than the response to an unknown one: 0.5 tells nothing.
//!
//! ```text
//! cargo bench --package rekey-tests --bench enumeration [-- PAIRS]
//! ```

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and ends where it can't go on"
)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rekey_local::Options;
use rekey_tests::LocalEnvironment;
use rekey_tests::browser::{Browser, Site as _};
use rekey_tests::local_environment::Folder;
use serde_json::{Value, json};

/// The pairs of a route, unless the command line says otherwise.
const PAIRS: usize = 500;

/// The requests of one flow, in their order. The first has a CAPTCHA as well.
const ROUTES: [(&str, &str); 5] = [
    ("POST /", "opens a flow"),
    ("POST /reason", ""),
    ("POST /code/send", "a mail"),
    ("POST /code", "a wrong code"),
    ("POST /code/send", "a wrong number"),
];

/// The flows are opened by characters, all from one network.
const UNLIMITED: [(&str, &str); 2] =
    [("REKEY_CHARACTERS_PER_IP", "1000000"), ("REKEY_CHARACTERS_PER_HOUR", "1000000")];

#[tokio::main]
async fn main() {
    let pairs = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(PAIRS);
    let folder = Folder::new("enumeration");
    let mut people = "login,name,alternate_email,mobile\n".to_owned();
    for n in 0..pairs {
        writeln!(people, "2021{n:06},Person {n},person{n}@mail.example,+6012345{n:04}").unwrap();
    }
    let file = folder.write("people.csv", &people);
    let options = Options { people: Some(file), ..LocalEnvironment::options() };
    let environment = LocalEnvironment::start_with(&options, &UNLIMITED).await;

    let mut times = [const { [Vec::new(), Vec::new()] }; ROUTES.len()];
    for n in 0..pairs {
        // The first of a pair is the known one and the unknown one in turn.
        for is_known in [n % 2 == 0, n % 2 != 0] {
            let login = if is_known { format!("2021{n:06}") } else { format!("2022{n:06}") };
            for (route, time) in flow(&environment, &login).await.into_iter().enumerate() {
                times[route][usize::from(is_known)].push(time);
            }
        }
    }

    println!("{pairs} pairs of a known and an unknown login\n");
    println!("| request | | known, median ms | unknown, median ms | difference, ms | AUC |");
    println!("|---|---|---|---|---|---|");
    for ((request, what), [unknown, known]) in ROUTES.iter().zip(&mut times) {
        let auc = auc(known, unknown);
        let (known, unknown) = (median(known), median(unknown));
        println!("| {request} | {what} | {known:.2} | {unknown:.2} | {:+.2} | {auc:.2} |", known - unknown);
    }
}

/// Sends the requests of [`ROUTES`] for a login, and returns their times.
async fn flow(environment: &Arc<LocalEnvironment>, login: &str) -> [Duration; ROUTES.len()] {
    let mut browser = environment.browser();
    let token = browser.get("/").await.json()["captcha"]["token"].as_str().unwrap().to_owned();
    let answer = environment.solve(&token).await;
    let opening = json!({ "login": login, "captcha_token": token, "captcha_answer": answer });
    [
        timed(&mut browser, "/", opening).await,
        timed(&mut browser, "/reason", json!({ "reason": "forgotten" })).await,
        timed(&mut browser, "/code/send", json!({ "method": "email" })).await,
        timed(&mut browser, "/code", json!({ "code": "12345678" })).await,
        timed(&mut browser, "/code/send", json!({ "method": "sms", "contact": "+60100000000" })).await,
    ]
}

async fn timed(browser: &mut Browser<LocalEnvironment>, path: &str, body: Value) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    browser.post(path, body).await;
    start.elapsed()
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
