//! `rekey export`: all that is stored about a person, without secrets.

use serde_json::{Value, json};
use shared::domain::account::Registration;
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::language::Language;
use shared::domain::security_info::{Entry, Kind};

use super::failed;
use super::show::state_name;
use crate::audit::{self, Act};
use crate::cli::Global;
use crate::deployment::{Deployment, PEOPLE};
use crate::find;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

pub(super) async fn run(global: &Global, login: &str, output: &Output) -> Result<Outcome, Problem> {
    let deployment = Deployment::open(global, &[PEOPLE]).await?;
    let copied = find::person(&deployment, login).await?;
    let account = &copied.account;
    audit::act(&deployment, Act::Export, &account.id).await?;
    let (now, process) = (deployment.process.clock().now(), &deployment.process);
    let info = process.security_info().map_err(|error| failed(&error))?;
    let registration = info.registration(&account.id, now).await.map_err(|error| failed(&error))?;
    let enrolment = process.enrolment().map_err(|error| failed(&error))?;
    let registered = enrolment.registered(&account.id).await.map_err(|error| failed(&error))?;
    output.json(&json!({
        "exported_at": now.to_string(),
        "account": {
            "id": account.id.as_str(),
            "logins": account.logins,
            "name": account.name,
            "email": account.email.as_ref().map(EmailAddress::expose),
            "language": account.language.map(Language::tag),
            "state": state_name(account.state),
            "group": copied.group,
            "password_expires_at": copied.password_expires_at.map(|at| at.to_string()),
        },
        "enrolled": registered.entries.iter().map(|entry| enrolled(entry, &registration)).collect::<Vec<_>>(),
        "list_confirmed_at": registered.confirmed_at.map(|at| at.to_string()),
        "entry_removed_at": registered.removed_at.map(|at| at.to_string()),
    }));
    Ok(Outcome::Done)
}

/// Returns an entry, with the whole contact and no secret.
fn enrolled(entry: &Entry, registration: &Registration) -> Value {
    let kind = entry.id.kind();
    let (serves, waits) = contacts(kind, registration);
    // While a contact waits to replace another, the entry is the waiting one.
    let (value, until_then) = if waits.is_some() { (waits, serves) } else { (serves, None) };
    json!({
        "kind": kind.as_str(),
        "value": value,
        "name": (!kind.is_contact() && !entry.shown.is_empty()).then_some(&entry.shown),
        "added_at": entry.added_at.to_string(),
        "last_used_at": entry.last_used_at.map(|at| at.to_string()),
        "counts_from": entry.active_from.to_string(),
        "value_until_then": until_then,
    })
}

/// Returns the contact of a kind that serves, and the one that waits to replace it.
fn contacts(kind: Kind, registration: &Registration) -> (Option<&str>, Option<&str>) {
    let next = &registration.successors;
    match kind {
        Kind::AlternateEmail => (
            registration.alternate_email.as_ref().map(EmailAddress::expose),
            next.alternate_email.as_ref().map(EmailAddress::expose),
        ),
        Kind::Mobile => (
            registration.mobile.as_ref().map(PhoneNumber::expose),
            next.mobile.as_ref().map(PhoneNumber::expose),
        ),
        Kind::OfficePhone => (
            registration.office_phone.as_ref().map(PhoneNumber::expose),
            next.office_phone.as_ref().map(PhoneNumber::expose),
        ),
        _ => (None, None),
    }
}
