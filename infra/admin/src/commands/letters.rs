//! `rekey pass --activation`: letters with passes for the new people of a group.
//!
//! The function `help-desk` decides about each person and makes the pass, by the agent's own rights. The operator's
//! rights read who is in the group. A pass is known to this process alone, so each goes into the file at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::future::ready;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use shared::domain::account_copy::CopiedAccount;
use shared::domain::help_desk_call::{HelpAnswer, HelpRefusal, What};
use shared::domain::language::Language;
use shared::domain::time::Timestamp;
use shared::text::messages::{Letter, MessageRenderer};

use super::failed;
use super::help::{not_done, remark};
use crate::cli::{Global, Pass};
use crate::deployment::{ACCOUNTS, Deployment, HelpDesk};
use crate::find;
use crate::interrupted;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

/// The people whom the function is asked about at once.
const AT_ONCE: usize = 8;
/// The accounts that one call reads with their groups.
const READ_AT_ONCE: usize = 100;
/// The people who are listed by login for each reason.
const LISTED: usize = 20;
/// The reason in the record, where none is given.
const REASON: &str = "activation letter";

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<title>Letters</title>
<style>
@page{size:A4;margin:25mm}
body{margin:0 auto;max-width:40rem;padding:1rem;font:12pt/1.5 system-ui,sans-serif;color:#000;background:#fff}
section{break-after:page;margin-block-end:4rem}
h1{font-size:1.4em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.5rem}
dd{margin:0;font-weight:600;overflow-wrap:anywhere}
dt:nth-of-type(3)+dd{font-family:monospace;font-size:1.2em;white-space:nowrap}
@media print{body{padding:0;max-width:none}section{margin:0}}
</style>
</head>
<body>
";
const FOOT: &str = "</body>\n</html>\n";

/// Why somebody gets no letter, for people.
fn reason(key: &str) -> &str {
    match key {
        "already-used" => "has used the account",
        "has-pass" => "has a pass that is still valid; --again replaces that of a letter",
        "no-contact" => "has no contact that a code can be sent to: import one",
        "not-eligible" => "privileged, disabled or excluded from self-service",
        "not-yours" => "REKEY_HELPERS does not let your role help this group",
        "not-found" => "has no login that is theirs alone",
        "needs-another-agent" => {
            "a further pass within seven days: another agent must run the same command within an hour"
        }
        _ => "failed: run the command again, with another file",
    }
}

/// Returns whether somebody should look at it: a new person may be without a letter.
fn needs_a_look(key: &str) -> bool {
    !["already-used", "has-pass", "not-eligible"].contains(&key)
}

/// What came of the people who were asked about.
#[derive(Default)]
struct Told {
    written: usize,
    valid_until: Option<Timestamp>,
    without: Vec<(String, &'static str)>,
}

pub(super) async fn run(
    global: &Global,
    group: &str,
    options: &Pass,
    output: &Output,
) -> Result<Outcome, Problem> {
    let reason = remark(options.reason.as_deref().unwrap_or(REASON))?;
    let path = options.letters.clone().unwrap_or_else(|| default_name(group));
    let deployment = Deployment::open(global, &[ACCOUNTS]).await?;
    let desk = HelpDesk::open(global).await?;
    let people = members(&deployment, group, output).await?;
    let mut letters = Letters::create(&path, &deployment)?;
    let is_stopped = AtomicBool::new(false);
    let asked = stream::iter(&people).take_while(|_| ready(!is_stopped.load(Ordering::Relaxed)));
    let what = What::ActivationPass { again: options.again, reason };
    let (desk, what) = (&desk, &what);
    let asked = asked.map(|person| async move {
        let login = person.account.logins.first().map_or("", String::as_str);
        (person, login, desk.ask(login, what.clone()).await)
    });
    let mut answers = pin!(asked.buffered(AT_ONCE));
    let mut stop = pin!(interrupted());
    let (mut told, mut failure) = (Told::default(), None::<Problem>);
    let progress = output.progress("Passes", people.len());
    loop {
        let next = tokio::select! {
            next = answers.next() => next,
            // What the function was asked for already is still written.
            () = &mut stop, if !is_stopped.load(Ordering::Relaxed) => {
                is_stopped.store(true, Ordering::Relaxed);
                failure = Some(Problem::interrupted_at("interrupted"));
                continue;
            }
        };
        let Some((person, login, answer)) = next else { break };
        let ended = answer.and_then(|answer| letters.take(person, login, &answer, &mut told));
        if let Err(problem) = ended {
            is_stopped.store(true, Ordering::Relaxed);
            failure.get_or_insert(problem);
        }
        progress.add(1);
    }
    drop(progress);
    let closed = letters.close(told.written);
    let left = people.len() - told.written - told.without.len();
    let failure = failure.or_else(|| closed.err().map(|error| unwritable(&path, &error)));
    if let Some(problem) = failure {
        let told = format!(
            "{} letters are in {}. For {left} people of the group nothing is known: run the command again, with another \
             --letters FILE. If a pass was given and its letter is missing, --again gives another",
            told.written,
            path.display()
        );
        return Err(problem.after(told));
    }
    Ok(tell(group, &path, &told, output))
}

fn default_name(group: &str) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '-' };
    PathBuf::from(format!("letters-{}.html", group.chars().map(plain).collect::<String>()))
}

/// Returns the people of a group by login, so that letters are in this order.
async fn members(
    deployment: &Deployment,
    group: &str,
    output: &Output,
) -> Result<Vec<CopiedAccount>, Problem> {
    let scan = deployment.process.account_scan().map_err(|error| failed(&error))?;
    let copy = find::accounts(deployment)?;
    let (mut people, mut groups, mut after) = (Vec::new(), BTreeSet::new(), None::<String>);
    output.note("Reading the accounts …");
    loop {
        let page = scan.page(after.as_deref()).await.map_err(|error| failed(&error))?;
        let ids: Vec<_> = page.accounts.into_iter().map(|account| account.id).collect();
        for ids in ids.chunks(READ_AT_ONCE) {
            let read = copy.accounts(ids).await.map_err(|error| failed(&error))?;
            groups.extend(read.iter().filter_map(|person| person.group.clone()));
            // Who left the directory has no login.
            let is_member = |person: &CopiedAccount| {
                person.group.as_deref() == Some(group) && !person.account.logins.is_empty()
            };
            people.extend(read.into_iter().filter(is_member));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if people.is_empty() {
        let groups: Vec<String> = groups.into_iter().take(LISTED).collect();
        let groups = if groups.is_empty() { "there is no group".to_owned() } else { groups.join(", ") };
        return Err(Problem::usage(format!("nobody is in the group `{group}`. Groups: {groups}")));
    }
    people.sort_by(|a, b| a.account.logins.cmp(&b.account.logins));
    people.dedup_by(|a, b| a.account.id == b.account.id);
    Ok(people)
}

/// The file with the letters.
struct Letters<'a> {
    path: &'a Path,
    file: File,
    renderer: MessageRenderer,
    address: &'a str,
    language: Language,
}

impl<'a> Letters<'a> {
    /// Makes the file, which its owner alone can read. It never takes the place of another one.
    fn create(path: &'a Path, deployment: &'a Deployment) -> Result<Self, Problem> {
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = created.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Problem::usage(format!(
                "{} exists, and its passes may be needed. Give another name with --letters",
                path.display()
            )),
            _ => unwritable(path, &error),
        })?;
        file.write_all(HEAD.as_bytes()).map_err(|error| unwritable(path, &error))?;
        let settings = &deployment.settings;
        Ok(Self {
            path,
            file,
            renderer: deployment.process.message_renderer(),
            address: &settings.public_url,
            language: settings.languages.first().copied().unwrap_or(Language::English),
        })
    }

    /// Writes the letter, or why there is none.
    fn take(
        &mut self,
        person: &CopiedAccount,
        login: &str,
        answer: &HelpAnswer,
        told: &mut Told,
    ) -> Result<(), Problem> {
        let why = match answer {
            HelpAnswer::Passed { pass, expires_at, .. } => {
                let letter = Letter {
                    language: person.account.language.unwrap_or(self.language),
                    name: &person.account.name,
                    login,
                    pass: pass.expose(),
                    address: self.address,
                    expires_at: *expires_at,
                };
                let html = self.renderer.letter(&letter);
                let written = self.file.write_all(html.expose().as_bytes());
                written.map_err(|error| unwritable(self.path, &error))?;
                told.written += 1;
                told.valid_until = told.valid_until.max(Some(*expires_at));
                return Ok(());
            }
            HelpAnswer::NeedsAnotherAgent { .. } => "needs-another-agent",
            HelpAnswer::Refused(HelpRefusal::UnknownCaller | HelpRefusal::Malformed) => {
                return Err(not_done(login, answer));
            }
            HelpAnswer::Refused(refusal) => refusal.as_str(),
            other => return Err(not_done(login, other)),
        };
        told.without.push((login.to_owned(), why));
        Ok(())
    }

    /// Ends the file. Without a letter it goes.
    fn close(mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return fs::remove_file(self.path);
        }
        self.file.write_all(FOOT.as_bytes())?;
        self.file.sync_all()
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Problem {
    Problem::failed(format!("{}: {error}", path.display()))
}

/// Tells how many letters there are, and who has none.
fn tell(group: &str, path: &Path, told: &Told, output: &Output) -> Outcome {
    let Told { written, valid_until, without } = told;
    let file = (*written > 0).then(|| path.display().to_string());
    if output.is_json() {
        let without: Vec<_> =
            without.iter().map(|(login, why)| json!({ "login": login, "reason": why })).collect();
        output.json(&json!({
            "group": group,
            "letters": written,
            "file": file,
            "valid_until": valid_until.map(|until| until.to_string()),
            "without_letter": without,
        }));
    } else {
        match (&file, valid_until) {
            (Some(file), Some(until)) => {
                output
                    .line(format!("{written} letters are in {file}. Their passes are valid until {until}."));
                output.note(
                    "Only you can read the file. Print it, and delete it: the passes can't be read again.",
                );
            }
            _ => output.line("Nobody gets a letter, so no file was written."),
        }
        let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (login, why) in without {
            by_reason.entry(why).or_default().push(login);
        }
        for (why, logins) in by_reason {
            let more = if logins.len() > LISTED { " …" } else { "" };
            let listed = logins.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
            output.line(format!("No letter for {}: {}: {listed}{more}", logins.len(), reason(why)));
        }
    }
    if without.iter().any(|(_, why)| needs_a_look(why)) { Outcome::Incomplete } else { Outcome::Done }
}
