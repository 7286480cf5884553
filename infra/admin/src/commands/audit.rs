//! `rekey audit`: verifies and exports the audit trail.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use shared::domain::audit::verify::{Anchor, Finding, Verified, verify as verified};
use shared::domain::audit::{Fields, time_of};
use shared::domain::time::Timestamp;

use super::failed;
use crate::cli::Global;
use crate::deployment::{Deployment, TRAIL};
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

/// The lines and anchors of a time.
pub(super) struct Trail {
    pub lines: Vec<Fields>,
    pub anchors: Vec<Anchor>,
    pub since: Timestamp,
    pub until: Timestamp,
}

/// Verifies the trail of a deployment, or that of a file.
pub(super) async fn verify(
    global: &Global,
    days: u32,
    file: Option<&Path>,
    output: &Output,
) -> Result<Outcome, Problem> {
    let trail = match file {
        Some(file) => read(file)?,
        None => of_deployment(&Deployment::open(global, &[TRAIL]).await?, days, output).await?,
    };
    if trail.lines.is_empty() && trail.anchors.is_empty() {
        return Err(Problem::failed(format!(
            "there is no line of the audit trail since {}. Check the name of the stack, and --days",
            trail.since
        )));
    }
    let found = verified(&trail.lines, &trail.anchors, trail.since, trail.until);
    if output.is_json() {
        output.json(&as_json(&trail, &found));
    } else {
        show(&trail, &found, output);
    }
    Ok(if found.findings.is_empty() { Outcome::Done } else { Outcome::Incomplete })
}

fn as_json(trail: &Trail, found: &Verified) -> Value {
    let anchor = found.last_anchor.as_ref();
    json!({
        "sound": found.findings.is_empty(),
        "findings": found.findings,
        "streams": found.streams,
        "lines": found.lines,
        "since": trail.since.to_string(),
        "until": trail.until.to_string(),
        "anchors": trail.anchors.len(),
        "last_anchor": anchor.map(|(number, at, hash)| {
            json!({ "number": number, "at": at.to_string(), "hash": hash })
        }),
    })
}

fn show(trail: &Trail, found: &Verified, output: &Output) {
    if !found.findings.is_empty() {
        let lines = |finding: &Finding| match (finding.sequence, finding.until) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        };
        let row = |finding: &Finding| {
            vec![finding.kind.as_str().to_owned(), finding.stream.clone(), lines(finding)]
        };
        output.table(&["What", "Stream", "Lines"], found.findings.iter().map(row));
        output.line("");
    }
    let verdict = if found.findings.is_empty() { "Sound" } else { "Not sound" };
    let (lines, streams, since) = (found.lines, found.streams, trail.since);
    output.line(format!("{verdict}: {lines} lines in {streams} streams since {since}."));
    match &found.last_anchor {
        Some((number, at, hash)) => {
            output
                .line(format!("The last anchor is number {number} of {at}. Its hash proves all before it:"));
            output.line(hash);
        }
        None => output.line("There is no anchor yet, so a cut tail or a missing stream would not show."),
    }
}

/// Writes the trail: a line about its time, the anchors, and the lines.
pub(super) async fn export(global: &Global, days: u32, output: &Output) -> Result<Outcome, Problem> {
    let trail = of_deployment(&Deployment::open(global, &[TRAIL]).await?, days, output).await?;
    let time = json!({ "since": trail.since.to_string(), "until": trail.until.to_string() });
    output.line(json!({ "trail": time }).to_string());
    for anchor in &trail.anchors {
        output.line(json!({ "anchor": anchor }).to_string());
    }
    for line in trail.lines {
        output.line(Value::Object(line).to_string());
    }
    Ok(Outcome::Done)
}

/// Reads the trail of a deployment.
pub(super) async fn of_deployment(
    deployment: &Deployment,
    days: u32,
    output: &Output,
) -> Result<Trail, Problem> {
    let process = &deployment.process;
    let until = process.clock().now();
    let since = Timestamp::from_seconds(until.as_seconds() - i64::from(days) * 86_400);
    output.note("Reading the audit trail …");
    let trail = process.audit_trail().map_err(|error| failed(&error))?;
    // The anchors first: a line that is written meanwhile is in none of them.
    let anchors = process.anchors().map_err(|error| failed(&error))?;
    let anchors = anchors.anchors_since(since).await.map_err(|error| failed(&error))?;
    let lines = trail.lines(since, until).await.map_err(|error| failed(&error))?;
    Ok(Trail { lines, anchors, since, until })
}

/// Reads a file. A line that is no JSON object is skipped: exports may have others.
fn read(file: &Path) -> Result<Trail, Problem> {
    let text = fs::read_to_string(file);
    let text = text.map_err(|error| Problem::failed(format!("{}: {error}", file.display())))?;
    let (mut lines, mut anchors, mut time) = (Vec::new(), Vec::new(), None);
    for line in text.lines() {
        // Exports of CloudWatch Logs write the time before the line.
        let start = line.find('{').unwrap_or(line.len());
        let Ok(mut fields) = serde_json::from_str::<Fields>(line.get(start..).unwrap_or_default()) else {
            continue;
        };
        if let Some(anchor) = fields.remove("anchor").filter(|_| fields.is_empty()) {
            let anchor = serde_json::from_value(anchor);
            anchors.push(anchor.map_err(|_| Problem::failed("an anchor of the file is unreadable"))?);
        } else if let Some(Value::Object(of)) = fields.get("trail").filter(|_| fields.len() == 1) {
            let at = |name: &str| Timestamp::parse(of.get(name)?.as_str()?);
            time = at("since").zip(at("until"));
        } else {
            lines.push(fields);
        }
    }
    let now = Timestamp::from_seconds(0);
    let times = || lines.iter().filter_map(time_of);
    let (since, until) = time.unwrap_or_else(|| (times().min().unwrap_or(now), times().max().unwrap_or(now)));
    Ok(Trail { lines, anchors, since, until })
}
