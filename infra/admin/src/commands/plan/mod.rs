//! `rekey plan`: what a deployment for some people costs, from counted operations and a price list.

mod estimate;
mod prices;

use serde_json::json;

pub(super) use self::prices::Prices;

use self::estimate::{Estimate, Part, Question, estimate};
use crate::cli::Plan;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

pub(super) fn run(options: &Plan, output: &Output) -> Result<Outcome, Problem> {
    let mut prices = Prices::listed()?;
    for given in &options.price {
        prices.set(given)?;
    }
    let question = Question {
        people: options.people,
        resets: options.resets,
        texts_per_reset: options.texts_per_reset,
        office_phones: options.office_phones,
    };
    let plan = estimate(question, &prices)?;
    if output.is_json() {
        output.json(&json!({ "plan": plan, "prices": prices, "currency": "USD" }));
    } else {
        tell(&plan, &prices, output);
    }
    Ok(Outcome::Done)
}

fn tell(plan: &Estimate, prices: &Prices, output: &Output) {
    let Estimate { question, resets, first_enrolment, each_year, usd_per_reset } = plan;
    let people = grouped(f64::from(question.people), 0);
    output.line(format!("Once: {people} people enrol a mobile and a mailbox\n"));
    part(first_enrolment, output);
    output.line(format!("\nEach year: {} resets and unlocks\n", grouped(*resets, 0)));
    part(each_year, output);
    output.line(format!("\nOne more reset costs {usd_per_reset:.4} USD.\n"));
    output.line("Prices. They change: --price NAME=USD sets one, in the units of this list.\n");
    let rows = prices.iter().map(|price| {
        let per =
            if price.per == 1 { String::new() } else { format!(" for {}", grouped(price.per.into(), 0)) };
        let source = if price.is_planning_value { "a planning value" } else { "" };
        let of =
            [price.name.clone(), format!("{}{per}", price.usd), price.what.clone(), price.region.clone()];
        let read = if price.source == "--price" { "as given".to_owned() } else { price.read_on.clone() };
        of.into_iter().chain([read, source.to_owned()]).collect::<Vec<_>>()
    });
    output.table(&["Name", "USD", "What", "Region", "Read on", ""], rows);
    output.line("\nFree tiers, taxes, storage and a directory's network are left out. --json has the source of each price.");
}

fn part(part: &Part, output: &Output) {
    let row = |what: &str, count: String, usd: f64| vec![format!("  {what}"), count, grouped(usd, 2)];
    let shown = part.lines.iter().filter(|line| line.count > 0.0);
    let rows = shown.map(|line| {
        let digits = if line.count < 10.0 { 2 } else { 0 };
        row(line.what, grouped(line.count, digits), line.usd)
    });
    let rows: Vec<_> = rows.chain([row("Total", String::new(), part.usd)]).collect();
    output.table(&["", "Count", "USD"], rows);
}

/// Returns a number with its thousands apart.
fn grouped(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    if let Some(rest) = rest {
        grouped.push('.');
        grouped.push_str(rest);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, digits, text) in
            [(0.0, 2, "0.00"), (999.0, 0, "999"), (1_000.0, 0, "1 000"), (1_234_567.891, 2, "1 234 567.89")]
        {
            assert_eq!(grouped(number, digits), text);
        }
    }
}
