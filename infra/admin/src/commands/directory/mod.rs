//! `rekey directory test`: whether the functions of the organisation's own directory can do their work.
//!
//! Only they reach the directory, each with a service account of its own. So they are asked, by the same Invoke as for
//! people, and nothing on the operator's machine needs the network or the passwords.

mod examined;
mod write_test;

use std::collections::BTreeSet;

use rekey_people::failure::with_causes;
use shared::adapters::directories::{DirectoryFunction, RemoteDirectory};
use shared::domain::account::AccountId;
use shared::domain::account_copy::CopiedAccount;
use shared::domain::directory::EntryStanding;
use shared::domain::directory_examination::ExaminedPerson;
use shared::domain::name::CanonicalName;
use shared::settings::DirectoryKind;

use crate::audit;
use crate::checks::{Checks, Verdict};
use crate::cli::Global;
use crate::deployment::{DIRECTORY, Deployment, PEOPLE};
use crate::find;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

pub(super) struct Options<'a> {
    pub(super) login: &'a str,
    pub(super) write_test: Option<&'a str>,
    pub(super) yes: bool,
}

pub(super) async fn test(
    global: &Global,
    options: &Options<'_>,
    output: &Output,
) -> Result<Outcome, Problem> {
    let deployment = Deployment::open(global, &[PEOPLE, DIRECTORY]).await?;
    let DirectoryKind::Remote(name) = deployment.settings.directory.clone() else {
        return Err(Problem::usage(
            "this deployment has the built-in directory, which needs no test. Set RekeyDirectory to use your own",
        ));
    };
    let directory =
        deployment.process.tested_directory().map_err(|error| Problem::failed(with_causes(&error)))?;
    if let Some(account) = options.write_test
        && !options.yes
    {
        super::confirm(
            account,
            &format!("Set a random password for {account}, which nobody will know? Type the login: "),
            "not confirmed, so nothing was written",
        )?;
    }
    let copied = find::copied(&deployment, options.login).await?;
    let id = copied.as_ref().map(|copied| &copied.account.id);
    audit::directory_test(&deployment, id, false).await?;
    let mut checks = Checks::default();
    let context = Context { deployment: &deployment, directory: &directory, name: &name };
    let is_found = context.examine(options.login, copied.as_ref(), &mut checks).await?;
    if let Some(account) = options.write_test {
        if checks.has_failed() {
            checks.add(
                Verdict::Unknown,
                "Write test",
                "skipped",
                "nothing was written, since a check failed",
                "Do what the failed checks say, and repeat the command",
            );
        } else {
            write_test::run(&context, account, &mut checks).await?;
        }
    }
    let outcome = checks.write(output);
    if is_found || output.is_json() { Ok(outcome) } else { Err(Problem::not_found(options.login)) }
}

/// Checks the directory with a person as a sample, and returns the checks.
///
/// # Errors
/// [`Problem`] if the copy can't be read or the event can't be written.
pub(super) async fn examine_sample(
    deployment: &Deployment,
    name: &str,
    login: &str,
    checks: &mut Checks,
) -> Result<(), Problem> {
    let directory =
        deployment.process.tested_directory().map_err(|error| Problem::failed(with_causes(&error)))?;
    let copied = find::copied(deployment, login).await?;
    audit::directory_test(deployment, copied.as_ref().map(|copied| &copied.account.id), false).await?;
    let context = Context { deployment, directory: &directory, name };
    context.examine(login, copied.as_ref(), checks).await.map(drop)
}

/// What the checks need.
struct Context<'a> {
    deployment: &'a Deployment,
    directory: &'a RemoteDirectory,
    /// The name of the directory.
    name: &'a str,
}

impl Context<'_> {
    /// Asks both functions, and checks their answers. Returns whether the directory has the person.
    async fn examine(
        &self,
        login: &str,
        copied: Option<&CopiedAccount>,
        checks: &mut Checks,
    ) -> Result<bool, Problem> {
        let logins = self.forms(login)?;
        let read = self.directory.examine(DirectoryFunction::Read, logins.clone()).await;
        let write = self.directory.examine(DirectoryFunction::Write, logins).await;
        let mut is_found = true;
        match &read {
            Ok(examination) => {
                is_found = examined::person(self, login, examination, copied, checks);
                // Whoever is outside of the document's scope is in no copy.
                let in_scope = |person: &&ExaminedPerson| person.entry.standing != EntryStanding::OutOfScope;
                let found = examination.people.first().filter(in_scope).map(ExaminedPerson::id);
                self.copy(copied, found, checks).await?;
                examined::account(self, "read", examination, checks);
            }
            Err(error) => examined::no_answer(self, "read", error, checks),
        }
        match &write {
            Ok(examination) => examined::account(self, "write", examination, checks),
            Err(error) => examined::no_answer(self, "write", error, checks),
        }
        Ok(is_found)
    }

    /// Returns the forms in which a directory may have a login: as typed, and with or without the university's domains.
    fn forms(&self, login: &str) -> Result<Vec<String>, Problem> {
        let domains = &self.deployment.settings.login_domains;
        let name = CanonicalName::parse(login, domains)
            .map_err(|error| Problem::usage(format!("`{login}`: {error}. Use a login such as aisyah")))?;
        let mut forms = BTreeSet::from([login.trim().to_owned(), name.as_str().to_owned()]);
        if !name.as_str().contains('@') {
            forms.extend(domains.iter().map(|domain| format!("{}@{domain}", name.as_str())));
        }
        Ok(forms.into_iter().collect())
    }

    /// Checks what the pages before the last one know of the person.
    async fn copy(
        &self,
        copied: Option<&CopiedAccount>,
        found: Option<&AccountId>,
        checks: &mut Checks,
    ) -> Result<(), Problem> {
        const GROUP: &str = "Person";
        let accounts = find::accounts(self.deployment)?;
        let state = accounts.state(self.name).await.map_err(|error| super::failed(&error))?;
        let sync = self.sync_command();
        let Some(synced_at) = state.synced_at else {
            checks.add(Verdict::Bad, GROUP, "copy", "no sync has come to its end", sync);
            return Ok(());
        };
        let Some(found) = found else { return Ok(()) };
        match copied {
            Some(copied) if copied.account.id == *found => {
                let state = super::show::state_name(copied.account.state);
                checks.good(GROUP, "copy", format!("{state}, as of the sync of {synced_at}"));
            }
            Some(_) => {
                let says = format!("the login finds another person in the copy of {synced_at}");
                checks.add(Verdict::Bad, GROUP, "copy", says, sync);
            }
            None => {
                let says = format!("the login finds nobody in the copy of {synced_at}, so no reset begins");
                checks.add(Verdict::Bad, GROUP, "copy", says, sync);
            }
        }
        Ok(())
    }

    fn sync_command(&self) -> String {
        let of = if self.deployment.is_local {
            format!("--local={}", self.deployment.name)
        } else {
            format!("--stack {}", self.deployment.name)
        };
        format!("rekey sync --full {of}")
    }
}
