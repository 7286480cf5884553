//! The test that writes, on an account that the command line names.

use shared::domain::account::{AccountId, Registration};
use shared::domain::holder::HolderId;
use shared::domain::import::Overwrite;
use shared::domain::password::NewPassword;
use shared::domain::time::Seconds;
use shared::ports::{
    ChangeError, DirectoryWrite, EntropyExt as _, LeaseHolder, LeaseOutcome, PasswordChange,
    PasswordDirectory as _, SignInDirectory as _, SignInResult,
};

use super::Context;
use crate::audit;
use crate::checks::{Checks, Verdict};
use crate::commands::failed;
use crate::find;
use crate::outcome::Problem;

const GROUP: &str = "Write test";
/// The length of a lease, as a reset has it.
const LEASE: Seconds = Seconds(30);
/// The writes of a test: a password, the same again, an unlock.
const WRITES: u64 = 3;

/// Sets a random password, binds with it, sets it again and unlocks. Each write has the number of a lease, so that it
/// can't meet a person's own reset, and what such a reset began before ends.
pub(super) async fn run(context: &Context<'_>, login: &str, checks: &mut Checks) -> Result<(), Problem> {
    let deployment = context.deployment;
    let Some(copied) = find::copied(deployment, login).await? else {
        let says = format!("the login {login} finds nobody in the copy");
        checks.add(Verdict::Bad, GROUP, "found", says, context.sync_command());
        return Ok(());
    };
    let id = &copied.account.id;
    audit::directory_test(deployment, Some(id), true).await?;
    let mut writer = Writer::new(context, id).await?;
    let password = random_password(context)?;
    let set = writer.set(&password).await?;
    let is_set = set.is_ok();
    written("set", "a random password is set", "set", set, checks);
    if !is_set {
        return Ok(());
    }
    let now = deployment.process.clock().now();
    let bound = context.directory.check_password(id, password.expose(), now).await;
    match bound {
        Ok(SignInResult::Accepted(_)) => checks.good(GROUP, "bind", "the new password opens the account"),
        Ok(_) => checks.add(
            Verdict::Bad,
            GROUP,
            "bind",
            "the new password is refused",
            "List the server first that takes changes at once, and repeat the command",
        ),
        Err(error) => checks.add(
            Verdict::Bad,
            GROUP,
            "bind",
            rekey_people::failure::with_causes(&error),
            "Repeat the command, and read the log of directory-read if it fails again",
        ),
    }
    match writer.set(&password).await? {
        Err(ChangeError::Rejected(_)) => checks.good(GROUP, "history", "the same password again is refused"),
        Ok(()) => checks.add(
            Verdict::Attention,
            GROUP,
            "history",
            "the same password may be set again",
            "Set \"history\": \"required\" in the document to refuse resets there, or accept it",
        ),
        Err(ChangeError::NotPermitted) => checks.add(
            Verdict::Attention,
            GROUP,
            "history",
            "a second reset is refused, by the minimum age of passwords as it seems",
            "Set the minimum age to 0 in the directory's policy",
        ),
        other => written("history", "", "set", other, checks),
    }
    let unlocked = writer.unlock().await?;
    written("unlock", "the directory let a lock be removed", "unlock", unlocked, checks);
    checks.add(
        Verdict::Attention,
        GROUP,
        "password",
        format!("nobody knows the password of {login} now"),
        format!("Reset it through Rekey, or set one for {login} in the directory"),
    );
    Ok(())
}

/// Adds the check of a write.
fn written(name: &'static str, good: &str, what: &str, result: Result<(), ChangeError>, checks: &mut Checks) {
    let (says, next) = match result {
        Ok(()) => {
            checks.good(GROUP, name, good);
            return;
        }
        Err(ChangeError::Rejected(violations)) => (
            format!("the password is refused by the policy: {violations:?}"),
            "Compare the policy above with what the servers enforce; a password filter may refuse random passwords",
        ),
        Err(ChangeError::NotPermitted) => (
            format!("the directory does not let Rekey {what}"),
            "Grant the rights that the directory's guide in infra/guides names, for the base of this account",
        ),
        Err(ChangeError::Superseded) => {
            ("somebody else changed the account meanwhile".to_owned(), "Repeat the command")
        }
        Err(ChangeError::NotApplied(cause)) => (
            format!("nothing was changed: {cause}"),
            "Repeat the command in a minute, and read the log of directory-write if it fails again",
        ),
        Err(ChangeError::Unknown(cause)) => (
            format!("whether it was changed is unknown: {cause}"),
            "Repeat the command in a minute, and read the log of directory-write",
        ),
    };
    checks.add(Verdict::Bad, GROUP, name, says, next);
}

/// Returns a password that nobody knows, of all classes and without a word that may be part of a name.
fn random_password(context: &Context<'_>) -> Result<NewPassword, Problem> {
    let random: [u8; 16] = context.deployment.process.entropy().bytes();
    NewPassword::parse(&format!("Zq7-{:032x}", u128::from_be_bytes(random)))
        .map_err(|error| Problem::failed(error.to_string()))
}

/// Writes to one account, each time with a lease of its own.
struct Writer<'a> {
    context: &'a Context<'a>,
    account: &'a AccountId,
    holder: HolderId,
    registration: Registration,
}

impl<'a> Writer<'a> {
    async fn new(context: &'a Context<'a>, account: &'a AccountId) -> Result<Self, Problem> {
        let process = &context.deployment.process;
        let info = process.security_info().map_err(|error| failed(&error))?;
        let registration = info.registration(account, process.clock().now()).await;
        let registration = registration.map_err(|error| failed(&error))?;
        let holder = HolderId::from_bytes(process.entropy().bytes());
        Ok(Self { context, account, holder, registration })
    }

    async fn set(&mut self, password: &NewPassword) -> Result<Result<(), ChangeError>, Problem> {
        let change = self.lease().await?;
        let now = self.context.deployment.process.clock().now();
        let write = DirectoryWrite::Password(password);
        let result = self.context.directory.apply(&change, write, now).await;
        self.release(&change).await?;
        Ok(result)
    }

    async fn unlock(&mut self) -> Result<Result<(), ChangeError>, Problem> {
        let change = self.lease().await?;
        let result = self.context.directory.prove_unlock(&change).await;
        self.release(&change).await?;
        Ok(result)
    }

    async fn lease(&self) -> Result<PasswordChange, Problem> {
        let process = &self.context.deployment.process;
        let leases = process.leases().map_err(|error| failed(&error))?;
        let holder = LeaseHolder {
            flow: self.holder,
            generation: self.registration.generation,
            limit: WRITES,
            verified_factors: &[],
            revokes_known_devices: false,
        };
        let now = process.clock().now();
        let deadline = now + LEASE;
        let acquire = async || leases.acquire(self.account, &holder, now, deadline).await;
        let mut outcome = acquire().await.map_err(|error| failed(&error))?;
        if outcome == LeaseOutcome::Lost && self.registration.generation == 0 {
            self.begin().await?;
            outcome = acquire().await.map_err(|error| failed(&error))?;
        }
        match outcome {
            LeaseOutcome::Acquired(number) => {
                Ok(PasswordChange { account: self.account.clone(), number, deadline })
            }
            _ => Err(Problem::failed("somebody else changes the account. Repeat the command in a minute")),
        }
    }

    /// Lets somebody who never enrolled a method have a lease. An import of what the account has changes nothing else.
    async fn begin(&self) -> Result<(), Problem> {
        let process = &self.context.deployment.process;
        let import = process.contact_import().map_err(|error| failed(&error))?;
        let (held, now) = (&self.registration, process.clock().now());
        let begun = import.import(self.account, held, None, Overwrite::Imported, Seconds(0), now).await;
        begun.map(drop).map_err(|error| failed(&error))
    }

    async fn release(&self, change: &PasswordChange) -> Result<(), Problem> {
        let leases = self.context.deployment.process.leases().map_err(|error| failed(&error))?;
        leases.release(self.account, self.holder, change.number).await.map_err(|error| failed(&error))
    }
}
