//! `rekey forget`: erases what is stored about a person.

use serde_json::json;
use shared::domain::account::{AccountId, AccountState};
use shared::domain::account_copy::LoginClaims;
use shared::domain::change_note::ChangeNote;
use shared::domain::help_desk::masked_name;
use shared::ports::CopyWrite;
use shared::settings::DirectoryKind;

use super::{confirm, failed};
use crate::audit::{self, Act};
use crate::cli::Global;
use crate::deployment::{Deployment, PEOPLE};
use crate::find::{self, Found};
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

/// What an erasure leaves, since it can't be found by the account.
const REST: &str = "Open flows, sessions, rate limits and queued messages hold pseudonyms or sealed values, and end by \
                    themselves: most within a day, known devices within 180 days. Logs end after their retention.";

pub(super) async fn run(
    global: &Global,
    login: &str,
    yes: bool,
    output: &Output,
) -> Result<Outcome, Problem> {
    let deployment = Deployment::open(global, &[PEOPLE]).await?;
    let found = find::login(&deployment, login).await?;
    let name = found.account.as_ref().map(|copied| masked_name(&copied.account.name)).unwrap_or_default();
    if !yes {
        let question = format!("Erase all that is stored about {login} ({name})? This can't be undone.");
        confirm(login, &question, "not confirmed, so nothing was erased")?;
    }
    let is_builtin = deployment.settings.directory == DirectoryKind::Builtin;
    erase(&deployment, found, is_builtin).await?;
    if output.is_json() {
        output.json(&json!({ "login": login, "registration_erased": true, "account_removed": is_builtin }));
        return Ok(Outcome::Done);
    }
    output.line(format!("{login}: everything that was enrolled or imported is erased."));
    if is_builtin {
        output.line("The account and its logins are removed.");
    } else {
        output.line(
            "The account stays in your directory, and its copy here. Remove the person there first, or the next sync \
             may copy contacts again.",
        );
    }
    output.line(REST);
    Ok(Outcome::Done)
}

/// Erases in an order in which the login still finds what an interruption left: it is removed last.
async fn erase(deployment: &Deployment, found: Found, removes_account: bool) -> Result<(), Problem> {
    let Some(id) = found.claims.owner().cloned() else { return Ok(()) };
    audit::act(deployment, Act::Forget, &id).await?;
    let accounts = find::accounts(deployment)?;
    let mut logins = vec![found.claims.login];
    if let Some(mut copied) = found.account {
        logins.extend(copied.account.logins.clone());
        if removes_account {
            // No flow may begin or end meanwhile.
            copied.account.state = AccountState::Disabled;
            let write = CopyWrite { account: copied, exists: true };
            accounts.put_accounts(&[write]).await.map_err(|error| failed(&error))?;
        }
    }
    let erasure = deployment.process.registration_erasure().map_err(|error| failed(&error))?;
    erasure.erase(&id).await.map_err(|error| failed(&error))?;
    if !removes_account {
        forget_change(deployment, &id).await?;
    }
    if removes_account {
        accounts.remove_account(&id).await.map_err(|error| failed(&error))?;
        logins.sort_unstable();
        logins.dedup();
        // A login that another person has by now stays.
        let claims = accounts.logins(&logins).await.map_err(|error| failed(&error))?;
        let own = claims.into_iter().filter(|claims| claims.owner() == Some(&id));
        let released: Vec<LoginClaims> =
            own.map(|claims| LoginClaims { claimants: [].into(), ..claims }).collect();
        accounts.put_logins(&released).await.map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// Erases the note of the latest change in the directory. The numbers of changes begin anew with the next registration,
/// and a note of earlier ones would answer for them.
async fn forget_change(deployment: &Deployment, id: &AccountId) -> Result<(), Problem> {
    let notes = deployment.process.change_notes().map_err(|error| failed(&error))?;
    let found = notes.change_note(id).await.map_err(|error| failed(&error))?;
    let Some(found) = found.filter(|found| found.revision > 0) else { return Ok(()) };
    let erased = notes.replace_change_note(id, found.revision, &ChangeNote::default()).await;
    if erased.map_err(|error| failed(&error))? {
        Ok(())
    } else {
        Err(Problem::failed("the account is being changed. Repeat the command in a minute"))
    }
}
