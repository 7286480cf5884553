//! Events of operators, one for each act, in the form of the functions' events.

use serde_json::{Value, json};
use shared::domain::account::AccountId;

use crate::cli::Sync;
use crate::deployment::Deployment;
use crate::outcome::Problem;

/// An act that concerns one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// `rekey export`.
    Export,
    /// `rekey forget`.
    Forget,
}

/// Writes that an operator does this to an account. It is written before the act, so that none goes unseen.
///
/// # Errors
/// [`Problem`] if it can't be written; then the act must not follow.
pub async fn act(deployment: &Deployment, act: Act, account: &AccountId) -> Result<(), Problem> {
    let event = match act {
        Act::Export => json!({ "event": "person.exported" }),
        Act::Forget => json!({ "event": "person.forgotten" }),
    };
    let account = format!("{:?}", account.pseudonym(&deployment.flows));
    write(deployment, event, &json!({ "account": account })).await
}

/// Writes that an operator tests the directory with an account, if the copy has it.
///
/// # Errors
/// [`Problem`] if it can't be written; then the test must not follow.
pub async fn directory_test(
    deployment: &Deployment,
    account: Option<&AccountId>,
    writes: bool,
) -> Result<(), Problem> {
    let event = if writes {
        json!({ "event": "directory.write_tested" })
    } else {
        json!({ "event": "directory.tested" })
    };
    let account = account.map(|account| format!("{:?}", account.pseudonym(&deployment.flows)));
    write(deployment, event, &json!({ "account": account })).await
}

/// Writes that an operator syncs the directory.
///
/// # Errors
/// [`Problem`] if it can't be written; then the sync must not follow.
pub async fn sync(deployment: &Deployment, options: &Sync) -> Result<(), Problem> {
    let fields = json!({ "full": options.full, "accept_removals": options.accept_removals });
    write(deployment, json!({ "event": "directory.synced" }), &fields).await
}

/// Writes that an operator rotates keys: a key of this id is `added`, or becomes the `current` one.
///
/// # Errors
/// [`Problem`] if it can't be written; then the round must not follow.
pub async fn keys_rotated(deployment: &Deployment, keys: &str, id: &str, round: &str) -> Result<(), Problem> {
    let fields = json!({ "keys": keys, "key": id, "round": round });
    write(deployment, json!({ "event": "keys.rotated" }), &fields).await
}

/// Writes that an operator imports a file.
///
/// # Errors
/// [`Problem`] if it can't be written; then the import must not follow.
pub async fn import(
    deployment: &Deployment,
    summary: &rekey_people::import::Summary,
    replaces_contacts: bool,
) -> Result<(), Problem> {
    let fields = json!({
        "new": summary.new,
        "changed": summary.changed,
        "another_person": summary.another_person,
        "unchanged": summary.unchanged,
        "refused": summary.refused,
        "contacts_added": summary.contacts_added,
        "contacts_replaced": summary.contacts_replaced,
        "contacts_removed": summary.contacts_removed,
        "disabled": summary.disabled,
        "replaces_contacts": replaces_contacts,
    });
    write(deployment, json!({ "event": "people.imported" }), &fields).await
}

async fn write(deployment: &Deployment, mut event: Value, fields: &Value) -> Result<(), Problem> {
    let common = json!({
        "timestamp": deployment.process.clock().now().to_string(),
        "level": "INFO",
        "actor": deployment.actor,
        "stack": deployment.name,
    });
    if let Some(event) = event.as_object_mut() {
        for more in [&common, fields] {
            event.extend(more.as_object().cloned().unwrap_or_default());
        }
    }
    deployment.log(&event).await
}
