//! `rekey show`: a person's state and methods, as masks.

use serde_json::json;
use shared::adapters::system::SystemClock;
use shared::domain::account::AccountState;
use shared::domain::help_desk_call::{HelpAnswer, ShownMethod, ShownPerson, What};
use shared::domain::mail_failure::MailFailureKind;
use shared::domain::policy::Readiness;
use shared::domain::security_info::Kind;
use shared::domain::time::Timestamp;
use shared::ports::Clock as _;

use super::attempt;
use super::help::{not_done, remark};
use crate::cli::Global;
use crate::deployment::HelpDesk;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

pub(super) async fn run(
    global: &Global,
    login: &str,
    reason: Option<&str>,
    output: &Output,
) -> Result<Outcome, Problem> {
    let reveal = reason.map(remark).transpose()?;
    let desk = HelpDesk::open(global).await?;
    let person = match desk.ask(login, What::Show { reveal }).await? {
        HelpAnswer::Shown(person) => person,
        other => return Err(not_done(login, &other)),
    };
    let now = SystemClock.now();
    if output.is_json() {
        output.json(&json!({
            "login": person.login,
            "name": person.name,
            "email": person.email,
            "state": state_name(person.state),
            "group": person.group,
            "readiness": person.readiness,
            "methods": person.methods.iter().map(|method| json!({
                "id": method.id,
                "kind": method.id.kind().as_str(),
                "shown": method.shown,
                "added_at": method.added_at.to_string(),
                "last_used_at": method.last_used_at.map(|at| at.to_string()),
                "counts_from": method.active_from.to_string(),
                "counts": method.active_from <= now,
                "old": method.old_from <= now,
                "replaces": method.replaces,
                "mail_failure": method.mail_failure.map(|failure| json!({
                    "kind": failure.kind.as_str(), "at": failure.at.to_string(),
                })),
            })).collect::<Vec<_>>(),
            "confirmed_at": person.confirmed_at.map(|at| at.to_string()),
            "checked": person.checked.as_ref().map(|check| json!({
                "by": check.by, "agent": check.agent, "at": check.at.to_string(),
            })),
            "attempt": person.attempt.as_ref().map(attempt::json),
        }));
        return Ok(Outcome::Done);
    }
    write(login, &person, now, output);
    Ok(Outcome::Done)
}

fn write(login: &str, person: &ShownPerson, now: Timestamp, output: &Output) {
    let capable = match person.readiness {
        Readiness::Capable => "can reset",
        Readiness::Partly => "can't reset yet: too few methods",
        Readiness::None => "can't reset",
    };
    let (login, state) = (person.login.as_deref().unwrap_or(login), state_name(person.state));
    output.line(format!("{login}  {}  {state}  {capable}", person.name));
    if let Some(check) = &person.checked {
        output.line(format!("The caller was checked at {} by {}.", check.at, check.agent));
    }
    if let Some(attempt) = &person.attempt {
        output.line(attempt::line(attempt));
    }
    if person.methods.is_empty() {
        output.line("No method is enrolled.");
        return;
    }
    let rows = person.methods.iter().map(|method| row(method, now));
    output.table(&["Name", "Method", "Shown", "Added", "Last used", "Counts"], rows);
    for method in &person.methods {
        let Some(failure) = &method.mail_failure else { continue };
        let what = match failure.kind {
            MailFailureKind::Bounced => "mail came back",
            MailFailureKind::Complained => "mail was reported as spam",
        };
        output.line(format!(
            "{}: {what} at {}. Ask for another address; an operator can lift the block of SES \
             (infra/guides/sending-messages.md).",
            method.id.as_str(),
            failure.at
        ));
    }
}

fn row(method: &ShownMethod, now: Timestamp) -> Vec<String> {
    let counts = if method.active_from > now {
        let instead = method.replaces.as_ref().map(|mask| format!("; {mask} until then"));
        format!("from {}{}", method.active_from, instead.unwrap_or_default())
    } else if method.old_from > now {
        format!("yes; alone not before {}", method.old_from)
    } else {
        "yes".to_owned()
    };
    let shown = if method.shown.is_empty() { "–".to_owned() } else { method.shown.clone() };
    let used = method.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    vec![
        method.id.as_str().to_owned(),
        kind_name(method.id.kind()).to_owned(),
        shown,
        method.added_at.to_string(),
        used,
        counts,
    ]
}

/// Returns the name of a kind for people.
const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::AlternateEmail => "alternate email",
        Kind::Mobile => "mobile",
        Kind::OfficePhone => "office phone",
        Kind::Totp => "app codes",
        Kind::Authenticator => "authenticator app",
        Kind::Passkey => "passkey",
        Kind::RecoveryCodes => "recovery codes",
    }
}

/// Returns the name of a state, as files of people have it.
pub(super) const fn state_name(state: AccountState) -> &'static str {
    match state {
        AccountState::Active => "active",
        AccountState::Locked => "locked",
        AccountState::Disabled => "disabled",
        AccountState::Excluded => "excluded",
    }
}
