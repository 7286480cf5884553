//! `rekey import`: a dry run that tells everything, and the import itself.

use std::fs;
use std::path::{Path, PathBuf};

use rekey_people::failure::with_causes;
use rekey_people::import::{Hashing, Importer, Interrupted, Plan, Policy, ReadinessCount, Summary};
use rekey_people::{People, Remark, Rules, read};
use serde_json::{Value, json};
use shared::domain::import::Overwrite;
use shared::settings::DirectoryKind;

use super::{failed, refused};
use crate::audit;
use crate::cli::{Global, Import};
use crate::deployment::{Deployment, IMPORT, PEOPLE};
use crate::interrupted;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

pub(super) async fn run(global: &Global, options: &Import, output: &Output) -> Result<Outcome, Problem> {
    let name = options.file.display().to_string();
    let bytes = fs::read(&options.file).map_err(|error| {
        Problem::usage(format!("{name}: can't be read: {error}. Give the path of a CSV or .xlsx file"))
    })?;
    let deployment = Deployment::open(global, &[PEOPLE, IMPORT]).await?;
    let people = read(&name, &bytes, &Rules::from(&*deployment.settings))?;
    output.note(format!(
        "{name}: {} rows, columns {}",
        people.people.len() + people.refused.len(),
        people.header.join(", ")
    ));
    let importer = Importer::from_process(&deployment.process).map_err(|error| failed(&error))?;
    let policy = Policy {
        overwrite: if options.replace_contacts { Overwrite::All } else { Overwrite::Unconfirmed },
        notifies: options.replace_contacts,
        accepts_losses: options.accept_losses,
        keeps_people: options.same_people,
        hashing: Hashing::WithAccount,
    };
    let plan = {
        let _reading = output.progress("Comparing with what is stored", people.people.len());
        tokio::select! {
            plan = importer.plan(&people, policy) => plan.map_err(|error| failed(&*error))?,
            () = interrupted() => return Err(Problem::interrupted()),
        }
    };
    let refused_file = options.refused.as_deref().map(|file| refused_file(&options.file, file));
    let is_refused = !people.refused.is_empty() || !plan.refused.is_empty();
    if let Some(file) = refused_file.as_ref().filter(|_| is_refused) {
        refused::write(file, &people, &plan).map_err(|error| {
            Problem::failed(format!("{}: can't be written: {error}. Give another name", file.display()))
        })?;
    }
    let report = Report { people: &people, plan: &plan, options, deployment: &deployment, refused_file };
    if !output.is_json() {
        report.print(output);
    }
    if options.apply {
        apply(&importer, &report, output).await?;
    }
    if output.is_json() {
        output.json(&report.to_json());
    } else {
        report.print_end(output);
    }
    Ok(if is_refused { Outcome::Incomplete } else { Outcome::Done })
}

/// Writes what the plan has.
async fn apply(importer: &Importer, report: &Report<'_>, output: &Output) -> Result<(), Problem> {
    let plan = report.plan;
    if let Some(why) = plan.brake() {
        return Err(Problem::failed(format!(
            "{why}. Nothing was written. If the file is right, add --accept-losses"
        )));
    }
    audit::import(report.deployment, &report.summary(), report.options.replace_contacts).await?;
    if plan.passwords() > 0 {
        output.note(format!("{} passwords are hashed, some 20 a second on each core.", plan.passwords()));
    }
    let progress = output.progress("Rows written", plan.writes());
    let applied = importer.apply(plan, &|rows| progress.add(rows), interrupted()).await;
    applied.map_err(|error| {
        if error.is::<Interrupted>() {
            return Problem::interrupted();
        }
        let done = progress.done();
        Problem::failed(format!(
            "{}. {done} of {} rows are written; the same command writes the others",
            with_causes(&*error),
            plan.writes()
        ))
    })
}

/// Returns the name of the file of refused rows.
fn refused_file(file: &Path, given: &str) -> PathBuf {
    if given.is_empty() {
        let mut name = file.as_os_str().to_owned();
        name.push(".refused.csv");
        name.into()
    } else {
        given.into()
    }
}

/// What there is to say about an import.
struct Report<'a> {
    people: &'a People,
    plan: &'a Plan<'a>,
    options: &'a Import,
    deployment: &'a Deployment,
    refused_file: Option<PathBuf>,
}

impl Report<'_> {
    /// Returns the numbers, with the rows that the reader refused.
    fn summary(&self) -> Summary {
        let mut summary = self.plan.summary;
        summary.refused += self.people.refused.len();
        summary
    }

    /// Returns everything to say about rows, in the order of the file.
    fn remarks(&self) -> Vec<(&Remark, bool)> {
        let refused = self.people.refused.iter().flat_map(|refused| &refused.remarks);
        let mut all: Vec<(&Remark, bool)> = refused.map(|remark| (remark, true)).collect();
        let is_refused = |remark: &Remark| self.plan.refused.iter().any(|(_, why)| why == remark);
        let refused_rows = !self.plan.refused.is_empty();
        all.extend(self.people.warnings.iter().map(|remark| (remark, false)));
        all.extend(self.plan.remarks.iter().map(|remark| (remark, refused_rows && is_refused(remark))));
        all.sort_by_key(|(remark, _)| remark.row);
        all
    }

    fn print(&self, output: &Output) {
        for (remark, is_refused) in self.remarks() {
            let column = remark.column.map(|column| format!(", {column}")).unwrap_or_default();
            let refused =
                if is_refused && !remark.why.starts_with("row ignored") { "row refused: " } else { "" };
            output.line(format!("row {}{column}: {refused}{}", remark.row, remark.why));
        }
        let Summary {
            new,
            changed,
            another_person,
            unchanged,
            refused,
            contacts_added,
            contacts_replaced,
            contacts_removed,
            contacts_kept,
            disabled,
            passwords_kept,
            notified,
            ..
        } = self.summary();
        let would = if self.options.apply { "What happens" } else { "What would happen" };
        let rows = [
            ("new people", new),
            ("changed", changed),
            ("another person with the login", another_person),
            ("unchanged", unchanged),
            ("refused", refused),
            ("contacts and apps added", contacts_added),
            ("contacts replaced, after a waiting period", contacts_replaced),
            ("contacts removed", contacts_removed),
            ("contacts of the person kept", contacts_kept),
            ("people disabled or excluded", disabled),
            ("passwords not taken: the account has its own", passwords_kept),
            ("contacts notified", notified),
        ];
        let always = ["new people", "changed", "unchanged", "refused"];
        let rows = rows.into_iter().filter(|(what, number)| *number > 0 || always.contains(what));
        output.table(&[would, "rows"], rows.map(|(what, number)| vec![what.to_owned(), number.to_string()]));
        let Summary { before, after, .. } = self.summary();
        let row = |what: &str, of: fn(&ReadinessCount) -> usize| {
            vec![what.to_owned(), of(&before).to_string(), of(&after).to_string()]
        };
        let rows = [
            row("can reset", |count| count.capable),
            row("have too few methods", |count| count.partly),
            row("have none, or are not allowed to", |count| count.none),
        ];
        output.table(&["People of the file", "today", "then"], rows);
    }

    fn print_end(&self, output: &Output) {
        if let Some(file) = self.refused_file.as_ref().filter(|_| self.summary().refused > 0) {
            output.line(format!("Refused rows are in {}.", file.display()));
        }
        if self.deployment.settings.directory != DirectoryKind::Builtin
            && self.people.people.iter().any(|person| person.password.is_some())
        {
            output.line("Passwords of the file are ignored: they belong to your own directory.");
        }
        if self.options.apply {
            output.line(format!("{} rows are written.", self.plan.writes()));
            return;
        }
        if let Some(why) = self.plan.brake() {
            output.line(format!("{why}: --apply needs --accept-losses."));
        }
        if !self.options.replace_contacts {
            output.line("No message is sent to anybody.");
        }
        output.line("Nothing was written. To do it, add --apply.");
    }

    fn to_json(&self) -> Value {
        let remarks = self.remarks();
        let remarks = remarks.into_iter().map(|(remark, is_refused)| {
            json!({ "row": remark.row, "column": remark.column, "why": remark.why, "refused": is_refused })
        });
        json!({
            "file": self.people.file,
            "applied": self.options.apply,
            "summary": self.summary(),
            "held_back": if self.options.apply { None } else { self.plan.brake() },
            "remarks": remarks.collect::<Vec<_>>(),
            "refused_file": self.refused_file.as_ref().filter(|_| self.summary().refused > 0),
        })
    }
}
