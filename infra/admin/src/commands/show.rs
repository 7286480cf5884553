//! `rekey show`: a person's state and methods, as masks.

use rekey_people::import::Readiness;
use serde_json::json;
use shared::domain::account::AccountState;
use shared::domain::security_info::{Entry, Kind};
use shared::domain::time::Timestamp;

use super::failed;
use crate::audit::{self, Act};
use crate::cli::Global;
use crate::deployment::{Deployment, PEOPLE};
use crate::find;
use crate::outcome::{Outcome, Problem};
use crate::output::{Output, masked_name};

pub(super) async fn run(global: &Global, login: &str, output: &Output) -> Result<Outcome, Problem> {
    let deployment = Deployment::open(global, &[PEOPLE]).await?;
    let copied = find::person(&deployment, login).await?;
    let account = &copied.account;
    audit::act(&deployment, Act::Show, &account.id).await?;
    let (now, process) = (deployment.process.clock().now(), &deployment.process);
    let info = process.security_info().map_err(|error| failed(&error))?;
    let registration = info.registration(&account.id, now).await.map_err(|error| failed(&error))?;
    let enrolment = process.enrolment().map_err(|error| failed(&error))?;
    let registered = enrolment.registered(&account.id).await.map_err(|error| failed(&error))?;
    let readiness = Readiness::of(&deployment.settings, account, &registration);
    let state = state_name(account.state);
    if output.is_json() {
        output.json(&json!({
            "login": account.shown_login(),
            "name": masked_name(&account.name),
            "email": account.email.as_ref().map(shared::domain::contact::EmailAddress::masked),
            "state": state,
            "group": copied.group,
            "readiness": readiness,
            "methods": registered.entries.iter().map(|entry| json!({
                "kind": entry.id.kind().as_str(),
                "shown": entry.shown,
                "added_at": entry.added_at.to_string(),
                "last_used_at": entry.last_used_at.map(|at| at.to_string()),
                "counts_from": entry.active_from.to_string(),
                "counts": entry.active_from <= now,
                "old": entry.old_from <= now,
                "replaces": entry.predecessor.as_ref().filter(|_| entry.active_from > now),
            })).collect::<Vec<_>>(),
            "confirmed_at": registered.confirmed_at.map(|at| at.to_string()),
        }));
        return Ok(Outcome::Done);
    }
    let capable = match readiness {
        Readiness::Capable => "can reset",
        Readiness::Partly => "can't reset yet: too few methods",
        Readiness::None => "can't reset",
    };
    output.line(format!("{}  {}  {state}  {capable}", account.logins.join(", "), masked_name(&account.name)));
    if registered.entries.is_empty() {
        output.line("No method is enrolled.");
        return Ok(Outcome::Done);
    }
    let rows = registered.entries.iter().map(|entry| row(entry, now));
    output.table(&["Method", "Shown", "Added", "Last used", "Counts"], rows);
    Ok(Outcome::Done)
}

fn row(entry: &Entry, now: Timestamp) -> Vec<String> {
    let counts = if entry.active_from > now {
        let instead = entry.predecessor.as_ref().map(|mask| format!("; {mask} until then"));
        format!("from {}{}", entry.active_from, instead.unwrap_or_default())
    } else if entry.old_from > now {
        format!("yes; alone not before {}", entry.old_from)
    } else {
        "yes".to_owned()
    };
    let shown = if entry.shown.is_empty() { "–".to_owned() } else { entry.shown.clone() };
    let used = entry.last_used_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    vec![kind_name(entry.id.kind()).to_owned(), shown, entry.added_at.to_string(), used, counts]
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
