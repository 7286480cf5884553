//! The estimate: operations, times what they cost.
//!
//! Tests count the operations and hold the files of `data` to them: `tests/journeys/cost.rs` those of a reset and of a
//! first enrolment, `tests/deployment/plan.rs` what stands whether anybody comes or not. What no test counts is a constant
//! here, from measurements or on the safe side.

use serde::{Deserialize, Serialize};

use super::prices::Prices;
use crate::outcome::Problem;

const RESET: &str = include_str!("../../../data/reset.json");
const ENROLMENT: &str = include_str!("../../../data/enrolment.json");
const RESOURCES: &str = include_str!("../../../data/resources.json");

/// GB-seconds of a request: 512 MB for 10 ms, with its calls of the store.
const GB_SECONDS_OF_REQUEST: f64 = 0.005;
/// GB-seconds of the hash of a password: 1 GB for 60 ms.
const GB_SECONDS_OF_HASH: f64 = 0.06;
/// GB-seconds of a message: 512 MB for 100 ms, most of it waiting for a provider.
const GB_SECONDS_OF_MESSAGE: f64 = 0.05;
/// Requests of SQS for a message: send, receive, delete.
const QUEUE_REQUESTS: f64 = 3.0;
/// GB of log lines of one run: 0.9 kB.
const LOG_GB: f64 = 0.9e-6;
/// The share of requests that X-Ray traces.
const TRACED: f64 = 0.05;
/// GB of the first page with its files: 25 kB, the most that it may have.
const FIRST_PAGE_GB: f64 = 25e-6;
/// GB of each further request: every other one is a page of 6 kB at most, the others redirect to it.
const PAGE_GB: f64 = 3e-6;
/// Read units for each person of the daily count.
const DAILY_READS: f64 = 1.0;
const DAYS: f64 = 365.0;
const MONTHS: f64 = 12.0;

/// The operations of one reset, or of one enrolment.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Operations {
    requests: u32,
    write_units: u32,
    /// An eventually consistent read is half a unit.
    half_read_units: u32,
    queue_messages: u32,
    mails: u32,
    #[serde(default)]
    texts: u32,
    /// Calls to an office phone, if the person has one.
    #[serde(default)]
    calls: u32,
}

/// What stands in a deployment with the built-in directory.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Resources {
    secrets: u32,
    alarms: u32,
    dashboards: u32,
}

/// What is asked.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Question {
    pub(super) people: u32,
    /// Resets and unlocks of one person in a year.
    pub(super) resets: f64,
    /// Texts of one reset; `None` as counted.
    pub(super) texts_per_reset: Option<f64>,
    /// The share of people with an office phone.
    pub(super) office_phones: f64,
}

/// How many of something, and what they cost.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub(super) what: &'static str,
    /// The name of the price.
    pub(super) price: &'static str,
    pub(super) count: f64,
    pub(super) usd: f64,
}

/// Lines with their sum.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Part {
    pub(super) lines: Vec<Line>,
    pub(super) usd: f64,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Estimate {
    pub(super) question: Question,
    pub(super) resets: f64,
    /// Everybody enrols a mobile and a mailbox.
    pub(super) first_enrolment: Part,
    pub(super) each_year: Part,
    /// What one more reset costs.
    pub(super) usd_per_reset: f64,
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Problem> {
    let damaged = |error| Problem::failed(format!("the counts of this build are damaged: {error}"));
    serde_json::from_str(text).map_err(damaged)
}

/// Returns the estimate.
pub(super) fn estimate(question: Question, prices: &Prices) -> Result<Estimate, Problem> {
    let people = f64::from(question.people);
    let resets = people * question.resets;
    let reset: Operations = read(RESET)?;
    let texts = question.texts_per_reset.unwrap_or_else(|| f64::from(reset.texts));
    let each = [texts, f64::from(reset.calls) * question.office_phones, GB_SECONDS_OF_HASH];
    let mut yearly = operations(&reset, each, resets, prices)?;
    let usd_per_reset = if resets > 0.0 { total(&yearly) / resets } else { 0.0 };
    yearly.extend(standing(people, prices)?);
    let enrolment: Operations = read(ENROLMENT)?;
    let each = [f64::from(enrolment.texts), f64::from(enrolment.calls) * question.office_phones, 0.0];
    let first = operations(&enrolment, each, people, prices)?;
    Ok(Estimate {
        question,
        resets,
        first_enrolment: Part { usd: total(&first), lines: first },
        each_year: Part { usd: total(&yearly), lines: yearly },
        usd_per_reset,
    })
}

fn total(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.usd).sum()
}

fn line(what: &'static str, price: &'static str, count: f64, prices: &Prices) -> Result<Line, Problem> {
    Ok(Line { what, price, count, usd: count * prices.of(price)? })
}

/// Returns the lines of `times` resets or enrolments; `each` has the texts, the calls and the further GB-seconds of one.
fn operations(one: &Operations, each: [f64; 3], times: f64, prices: &Prices) -> Result<Vec<Line>, Problem> {
    let [texts, calls, gb_seconds] = each;
    let [requests, messages] = [one.requests, one.queue_messages].map(f64::from);
    let runs = requests + messages;
    let gb_seconds = gb_seconds + requests * GB_SECONDS_OF_REQUEST + messages * GB_SECONDS_OF_MESSAGE;
    let traffic = FIRST_PAGE_GB + (requests - 1.0).max(0.0) * PAGE_GB;
    [
        ("texts", "text", texts),
        ("calls", "call", calls),
        ("mails", "mail", f64::from(one.mails)),
        ("write units", "write", f64::from(one.write_units)),
        ("read units", "read", f64::from(one.half_read_units) / 2.0),
        ("requests", "request", requests),
        ("runs of functions", "invocation", runs),
        ("GB-seconds", "gb_second", gb_seconds),
        ("requests of the queue", "queue", messages * QUEUE_REQUESTS),
        ("GB of logs", "log_gb", runs * LOG_GB),
        ("traces", "trace", requests * TRACED),
        ("GB of traffic", "traffic_gb", traffic),
    ]
    .into_iter()
    .map(|(what, price, count)| line(what, price, count * times, prices))
    .collect()
}

/// Returns the lines of a year in which nobody comes.
fn standing(people: f64, prices: &Prices) -> Result<Vec<Line>, Problem> {
    let Resources { secrets, alarms, dashboards } = read(RESOURCES)?;
    [
        ("months of secrets", "secret", f64::from(secrets) * MONTHS),
        ("months of alarms", "alarm", f64::from(alarms) * MONTHS),
        ("months of the dashboard", "dashboard", f64::from(dashboards) * MONTHS),
        ("read units of the daily count", "read", people * DAILY_READS * DAYS),
    ]
    .into_iter()
    .map(|(what, price, count)| line(what, price, count, prices))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(people: u32, resets: f64) -> Estimate {
        let question = Question { people, resets, texts_per_reset: None, office_phones: 0.1 };
        estimate(question, &Prices::listed().unwrap()).unwrap()
    }

    fn count(part: &Part, what: &str) -> f64 {
        part.lines.iter().find(|line| line.what == what).unwrap().count
    }

    fn is(value: f64, expected: f64) -> bool {
        (value - expected).abs() <= expected.abs() * 1e-9
    }

    #[test]
    fn first_enrolment_texts_everybody() {
        let plan = of(50_000, 0.5);
        let texts = count(&plan.first_enrolment, "texts");
        assert!(texts >= 50_000.0, "{texts}: each number is confirmed by a text");
        assert!(plan.first_enrolment.usd >= texts * 0.05);
        assert!(is(count(&plan.each_year, "texts"), 2.0 * 25_000.0), "a code and a notice");
        assert!(is(count(&plan.each_year, "calls"), 2_500.0), "a tenth has an office phone");
    }

    /// The README says some 60 USD, before messages.
    #[test]
    fn million_resets_cost_some_sixty_dollars() {
        let plan = of(1_000_000, 1.0);
        let is_message = |line: &&Line| ["text", "call", "mail"].contains(&line.price);
        let messages: f64 = plan.each_year.lines.iter().filter(is_message).map(|line| line.usd).sum();
        let idle = of(1_000_000, 0.0).each_year.usd;
        let operations = plan.each_year.usd - idle - messages;
        assert!(operations > 50.0 && operations <= 65.0, "{operations}");
    }

    #[test]
    fn costs_grow_with_people_and_resets() {
        let (small, large) = (of(1_000, 0.5), of(10_000, 0.5));
        assert!(is(large.first_enrolment.usd, 10.0 * small.first_enrolment.usd));
        assert!(is(large.usd_per_reset, small.usd_per_reset));
        assert!(of(1_000, 1.0).each_year.usd > small.each_year.usd);
        let idle = of(1_000, 0.0);
        assert!(idle.each_year.usd > 0.0 && is(idle.usd_per_reset, 0.0));
    }
}
