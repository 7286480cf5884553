//! The report as text for a terminal, and as CSV.

use super::facts::{Facts, Window};
use crate::outcome::Problem;
use crate::output::table;

/// A section of rows: what is counted, the column of the count, and the count.
pub(super) struct Section {
    pub title: &'static str,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Returns the sections of a report, as text, CSV and HTML show them.
pub(super) fn sections(facts: &Facts) -> Vec<Section> {
    let people = &facts.people;
    let count =
        |what: &str, count: usize| vec![what.to_owned(), count.to_string(), share(count, people.total)];
    let mut who = vec![
        count("can reset", people.capable),
        count("too few methods", people.partly),
        count("no method, or closed to self-service", people.none),
    ];
    who.extend(
        people.methods.iter().map(|(method, number)| count(&format!("with {}", in_words(method)), *number)),
    );
    let spans = || facts.windows.iter().map(|window| days(window.days));
    let row = |what: &str, of: &dyn Fn(&Window) -> usize| {
        std::iter::once(what.to_owned())
            .chain(facts.windows.iter().map(|window| of(window).to_string()))
            .collect::<Vec<_>>()
    };
    let end = |name: &'static str| move |window: &Window| window.ends.get(name).copied().unwrap_or_default();
    let flows = vec![
        row("opened by people with an account", &|window| window.opened),
        row("password reset", &|window| window.resets),
        row("unlocked", &|window| window.unlocks),
        row("abandoned", &end("abandoned")),
        row("cancelled", &end("cancelled")),
        row("blocked", &end("blocked")),
        row("failed", &end("failed")),
        row("opened for names without an account", &|window| window.without_account),
    ];
    let mut methods: Vec<&String> =
        facts.windows.iter().flat_map(|window| window.by_method.keys()).chain(facts.methods.keys()).collect();
    methods.sort_unstable();
    methods.dedup();
    let by_method = methods.into_iter().map(|method| {
        let mut row = vec![in_words(method)];
        for window in &facts.windows {
            let changes = window.by_method.get(method).copied().unwrap_or_default();
            row.push(changes.resets.to_string());
            row.push(changes.unlocks.to_string());
        }
        let used = facts.methods.get(method).copied().unwrap_or_default();
        row.extend([used.asked.to_string(), used.verified.to_string()]);
        row
    });
    let each = |span: String| [format!("resets, {span}"), format!("unlocks, {span}")];
    let listed = |rows: Vec<(String, usize)>| {
        let mut rows = rows;
        rows.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        rows.into_iter().map(|(what, number)| vec![what, number.to_string()]).collect::<Vec<_>>()
    };
    let named = |columns: &[&str]| columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>();
    let money = facts.messages.iter().map(|(channel, messages)| {
        vec![channel.clone(), messages.sent.to_string(), messages.refused.to_string(), usd(messages.usd)]
    });
    let all = vec!["all".to_owned(), String::new(), String::new(), usd(facts.usd)];
    vec![
        Section { title: "People", columns: named(&["", "people", "share"]), rows: who },
        Section {
            title: "Resets and unlocks",
            columns: std::iter::once(String::new()).chain(spans()).collect(),
            rows: flows,
        },
        Section {
            title: "By method",
            columns: std::iter::once(String::new())
                .chain(spans().flat_map(each))
                .chain(["asked".to_owned(), "verified".to_owned()])
                .collect(),
            rows: by_method.collect(),
        },
        Section {
            title: "Where people stopped",
            columns: named(&["", "flows"]),
            rows: listed(facts.stopped.iter().map(|(what, n)| ((*what).to_owned(), *n)).collect()),
        },
        Section {
            title: "Refusals",
            columns: named(&["", "times"]),
            rows: listed(facts.refusals.iter().map(|(what, n)| (what.clone(), *n)).collect()),
        },
        Section {
            title: "Messages",
            columns: named(&["", "sent", "refused", "USD"]),
            rows: money.chain([all]).collect(),
        },
        Section {
            title: "Mail that did not arrive",
            columns: named(&["", "mails"]),
            rows: vec![
                vec!["came back for good".to_owned(), facts.mail_failures.bounced.to_string()],
                vec!["reported as spam".to_owned(), facts.mail_failures.complained.to_string()],
            ],
        },
        Section {
            title: "Help desk",
            columns: named(&["", "times"]),
            rows: listed(facts.help_desk.iter().map(|(what, n)| (in_words(what), *n)).collect()),
        },
    ]
}

/// Returns the name of a method or an event in words: `mobile call`, `person shown`.
fn in_words(name: &str) -> String {
    name.replace(['_', '.'], " ")
}

/// Returns the period of a report, in words.
pub(super) fn period(facts: &Facts) -> String {
    format!("{} to {}", facts.since, facts.until)
}

fn days(days: u32) -> String {
    if days == 1 { "24 h".to_owned() } else { format!("{days} days") }
}

fn usd(amount: f64) -> String {
    format!("{amount:.2}")
}

#[expect(clippy::cast_precision_loss, reason = "a count of people, for a share in whole percent")]
fn share(count: usize, total: usize) -> String {
    if total == 0 { String::new() } else { format!("{:.0} %", count as f64 * 100.0 / total as f64) }
}

/// Returns the report for a terminal.
pub(super) fn text(facts: &Facts) -> String {
    let mut text = format!("{} · {}\n{} people\n", facts.organisation, period(facts), facts.people.total);
    for section in sections(facts).into_iter().filter(|section| !section.rows.is_empty()) {
        let mut columns: Vec<&str> = section.columns.iter().map(String::as_str).collect();
        if let Some(first) = columns.first_mut() {
            *first = section.title;
        }
        text.push('\n');
        text.push_str(&table(&columns, section.rows));
        text.push('\n');
    }
    text
}

/// Returns the report as CSV: one count a line, with its section, what it counts, and its column.
pub(super) fn csv(facts: &Facts) -> Result<String, Problem> {
    let broken = |_| Problem::failed("the CSV can't be written");
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["section", "what", "column", "value"]).map_err(broken)?;
    for section in sections(facts) {
        for row in &section.rows {
            let Some((what, values)) = row.split_first() else { continue };
            for (column, value) in section.columns.iter().skip(1).zip(values) {
                writer.write_record([section.title, what, column, value]).map_err(broken)?;
            }
        }
    }
    let bytes = writer.into_inner().map_err(|_| Problem::failed("the CSV can't be written"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
