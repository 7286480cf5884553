//! `rekey sync`: copies the people of the organisation's own directory now, and tells what came of it.

use serde_json::{Value, json};

use crate::audit;
use crate::cli::{Global, Sync};
use crate::deployment::{Deployment, PEOPLE};
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

/// What a summary counts, in the words of people. A count of zero is left out, but for the first ones.
const COUNTS: &[(&str, &str)] = &[
    ("read", "people read"),
    ("new", "new accounts"),
    ("changed", "changed accounts"),
    ("unchanged", "unchanged"),
    ("disabled", "no longer able to reset: disabled, excluded, or without a login"),
    ("removed", "gone from the directory"),
    ("erased", "erased, after the days that the settings keep them"),
    ("held", "held back: more than 2 % would be lost"),
    ("ambiguous", "logins that two people have, which find nobody"),
    ("contacts_written", "contacts added or replaced"),
    ("contacts_removed", "contacts removed"),
    ("contacts_declined", "contacts left out, since the person enrolled another one"),
];
const ALWAYS: usize = 4;

pub(super) async fn run(global: &Global, options: &Sync, output: &Output) -> Result<Outcome, Problem> {
    let deployment = Deployment::open(global, &[PEOPLE]).await?;
    let function = deployment.directory_sync().await?;
    audit::sync(&deployment, options).await?;
    output.note("Syncs. This may take minutes; other runs of the schedule wait.");
    let request = json!({
        "full": options.full,
        "accept_removals": options.accept_removals,
        "list_ambiguous": options.list_ambiguous,
    });
    let summary = deployment.sync(&function, &request).await?;
    if output.is_json() {
        output.json(&summary);
    } else {
        write(&summary, output);
    }
    let count = |name: &str| summary[name].as_u64().unwrap_or_default();
    match summary["outcome"].as_str() {
        Some("busy") => Err(Problem::failed("another sync is under way. Try again when it has ended")),
        _ if count("held") > 0 => Ok(Outcome::Incomplete),
        _ => Ok(Outcome::Done),
    }
}

fn write(summary: &Value, output: &Output) {
    let row = |name: &str, text: &str| {
        let count = summary[name].as_u64().unwrap_or_default();
        (count, vec![count.to_string(), text.to_owned()])
    };
    let rows = COUNTS.iter().enumerate().map(|(at, (name, text))| (at, row(name, text)));
    let mut rows: Vec<Vec<String>> =
        rows.filter(|(at, (count, _))| *at < ALWAYS || *count > 0).map(|(_, (_, row))| row).collect();
    for (reason, count) in summary["unusable"].as_object().into_iter().flatten() {
        rows.push(vec![count.to_string(), format!("values that can't be used: {reason}")]);
    }
    output.table(
        &["", if summary["full"] == true { "full sync" } else { "changes since the last sync" }],
        rows,
    );
    for login in summary["ambiguous_logins"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output.line(format!("  {login}"));
    }
    if summary["held"].as_u64().unwrap_or_default() > 0 {
        output.note(
            "Look at the directory. If these people are really gone: rekey sync --full --accept-removals",
        );
    }
}
