//! Carries a plan out, in parts that may each be repeated.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use shared::domain::account::{Account, AccountState};
use shared::domain::account_copy::{CopiedAccount, LoginClaims};
use shared::domain::holder::HolderId;
use shared::domain::import::NewRegistration;
use shared::domain::language::Language;
use shared::domain::message::Message;
use shared::domain::notice::{AccountChange, Event, notices};
use shared::domain::password::NewPassword;
use shared::domain::time::Seconds;
use shared::domain::totp::TotpSeed;
use shared::ports::{CopyWrite, EntropyExt as _};
use shared::verification::outgoing::Outgoing;

use super::plan::{Action, Plan, RowPlan};
use super::{Failed, Hashing, Importer, Interrupted};

/// The rows that are written together. With passwords, they take some ten seconds.
const PART: usize = 200;
/// The exclusive right to write accounts, which each part prolongs. After a crash another import waits this long.
const LEASE: Seconds = Seconds(90);
/// Accounts whose contacts are written at once.
const AT_ONCE: usize = 16;

/// New accounts with the passwords that they still lack.
#[derive(Default)]
pub struct Unhashed(Vec<(CopiedAccount, NewPassword)>);

impl Plan<'_> {
    /// Returns the new accounts whose file has a password, for [`Importer::put_passwords`].
    ///
    /// # Errors
    /// [`Failed`] if a password is invalid.
    pub fn unhashed(&self) -> Result<Unhashed, Failed> {
        unhashed(self.rows.iter().filter(|row| row.is_new()))
    }
}

impl Importer {
    /// Writes everything that a plan has, until `stop` is ready. `written` is called with the number of rows that are
    /// done. Nobody else imports or syncs meanwhile.
    ///
    /// # Errors
    /// [`Failed`] if a store fails, or another import or sync is under way: [`Interrupted`] after `stop`. What is
    /// written stays, and the same file does the rest.
    pub async fn apply(
        &self,
        plan: &Plan<'_>,
        written: &(dyn Fn(usize) + Sync),
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), Failed> {
        let run = HolderId::from_bytes(self.entropy.bytes());
        self.hold(run).await?;
        let applied = tokio::select! {
            applied = self.write(run, plan, written) => applied,
            () = stop => Err(Interrupted.into()),
        };
        // A lease that stays ends by itself.
        let released = self.accounts.release(run).await;
        applied.and(released.map_err(Failed::from))
    }

    /// Takes the exclusive right to write accounts, or prolongs it.
    async fn hold(&self, run: HolderId) -> Result<(), Failed> {
        let now = self.clock.now();
        if self.accounts.acquire(run, now + LEASE, now).await? {
            return Ok(());
        }
        Err("another import or sync is under way. Wait until it has ended; one that crashed ends by itself, an import \
             within two minutes"
            .into())
    }

    async fn write(
        &self,
        run: HolderId,
        plan: &Plan<'_>,
        written: &(dyn Fn(usize) + Sync),
    ) -> Result<(), Failed> {
        let rows: Vec<&RowPlan<'_>> =
            plan.rows.iter().filter(|row| !matches!(row.action, Action::Unchanged)).collect();
        for part in rows.chunks(PART) {
            self.hold(run).await?;
            let (new, others): (Vec<&RowPlan<'_>>, Vec<&RowPlan<'_>>) =
                part.iter().partition(|row| row.is_new());
            self.add(plan, &new, written).await?;
            self.change(plan, &others).await?;
            written(others.len());
        }
        Ok(())
    }

    /// Writes new accounts. The logins are first: they keep the id for another try. The account is last: its presence
    /// means that the import of the person is complete.
    async fn add(
        &self,
        plan: &Plan<'_>,
        rows: &[&RowPlan<'_>],
        written: &(dyn Fn(usize) + Sync),
    ) -> Result<(), Failed> {
        let mut released = Vec::new();
        for row in rows {
            match &row.action {
                Action::Another(before) => released.extend(self.retire(before, row).await?),
                Action::New { has_leftovers: true } => self.erasure.erase(&row.account.account.id).await?,
                _ => {}
            }
        }
        let logins = rows.iter().flat_map(|row| claims(&row.account.account)).chain(released);
        self.accounts.put_logins(&logins.collect::<Vec<_>>()).await?;
        for row in rows {
            if let Action::Another(before) = &row.action {
                self.accounts.remove_account(&before.account.id).await?;
            }
        }
        let new = rows.iter().map(|row| self.registration(row)).collect::<Result<Vec<_>, _>>()?;
        self.bulk.put_new(&new, plan.now).await?;
        let (hashed, others): (Vec<&RowPlan<'_>>, Vec<&RowPlan<'_>>) = rows
            .iter()
            .partition(|row| plan.policy.hashing == Hashing::WithAccount && row.person.password.is_some());
        let write = |row: &&RowPlan<'_>| CopyWrite { account: row.account.clone(), exists: false };
        self.accounts.put_accounts(&others.iter().map(write).collect::<Vec<_>>()).await?;
        written(others.len());
        self.put_passwords(unhashed(hashed.iter().copied())?, written).await
    }

    /// Writes accounts with their passwords, each hashed on a core of its own. `written` is called with the number of
    /// accounts that are done.
    ///
    /// # Errors
    /// [`Failed`] if the directory fails.
    pub async fn put_passwords(
        &self,
        Unhashed(rows): Unhashed,
        written: &(dyn Fn(usize) + Sync),
    ) -> Result<(), Failed> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let grouped = rows.iter().filter(|(account, _)| account.group.is_some());
        let grouped: Vec<CopyWrite> =
            grouped.map(|(account, _)| CopyWrite { account: account.clone(), exists: true }).collect();
        let writes = rows.into_iter().map(|(account, password)| {
            let passwords = self.passwords.clone();
            async move {
                let write = async move { passwords.put(&account.account, Some(&password)).await };
                tokio::spawn(write).await.map_err(Failed::from)?.map_err(Failed::from)
            }
        });
        let mut writes = stream::iter(writes).buffer_unordered(cores);
        while let Some(result) = writes.next().await {
            result?;
            written(1);
        }
        Ok(self.accounts.put_accounts(&grouped).await?)
    }

    /// Disables the account whose login another person has, and erases what it enrolled. Returns its other logins, to
    /// release.
    async fn retire(&self, before: &CopiedAccount, row: &RowPlan<'_>) -> Result<Vec<LoginClaims>, Failed> {
        let mut disabled = before.clone();
        disabled.account.state = AccountState::Disabled;
        self.accounts.put_accounts(&[CopyWrite { account: disabled, exists: true }]).await?;
        self.erasure.erase(&before.account.id).await?;
        Ok(released(&before.account, &row.account.account))
    }

    fn registration(&self, row: &RowPlan<'_>) -> Result<NewRegistration, Failed> {
        let account = row.account.account.id.clone();
        let sealed_seed = self.sealed_seed(row)?;
        Ok(NewRegistration { account, contacts: row.contacts.clone(), sealed_seed })
    }

    fn sealed_seed(&self, row: &RowPlan<'_>) -> Result<Option<String>, Failed> {
        let Some(secret) = &row.person.totp_secret else { return Ok(None) };
        let (owner, nonce) = (row.account.account.id.as_str(), self.entropy.bytes());
        Ok(Some(TotpSeed::from_other_system(secret)?.seal(&self.seeds, owner, nonce)?))
    }

    /// Writes changes: contacts, then new logins, then accounts, and former logins last, so that an account is found
    /// throughout.
    async fn change(&self, plan: &Plan<'_>, rows: &[&RowPlan<'_>]) -> Result<(), Failed> {
        let contacts: Vec<_> = rows
            .iter()
            .filter(|row| matches!(row.action, Action::Change { writes_contacts: true, .. }))
            .map(|row| self.change_contacts(plan, row))
            .collect();
        let () = stream::iter(contacts).buffer_unordered(AT_ONCE).try_collect().await?;
        let accounts = rows.iter().filter_map(|row| match &row.action {
            Action::Change { before, writes_account: true, .. } => Some((&**before, &row.account)),
            _ => None,
        });
        let accounts: Vec<(&CopiedAccount, &CopiedAccount)> = accounts.collect();
        let added = accounts.iter().flat_map(|(before, after)| {
            claims(&after.account).filter(|claims| !before.account.logins.contains(&claims.login))
        });
        self.accounts.put_logins(&added.collect::<Vec<_>>()).await?;
        let writes = accounts.iter().map(|(_, after)| CopyWrite { account: (*after).clone(), exists: true });
        self.accounts.put_accounts(&writes.collect::<Vec<_>>()).await?;
        let removed = accounts.iter().flat_map(|(before, after)| released(&before.account, &after.account));
        Ok(self.accounts.put_logins(&removed.collect::<Vec<_>>()).await?)
    }

    /// Writes the contacts of an existing account, and notifies those that are replaced.
    async fn change_contacts(&self, plan: &Plan<'_>, row: &RowPlan<'_>) -> Result<(), Failed> {
        let account = &row.account.account;
        let (seed, overwrite, wait) =
            (self.sealed_seed(row)?, plan.policy.overwrite, self.settings.waiting_period);
        let import =
            self.contacts.import(&account.id, &row.contacts, seed.as_deref(), overwrite, wait, plan.now);
        let mut messages = Vec::new();
        for (kind, action) in import.await? {
            if plan.policy.notifies && action.replaces() {
                let fallback = self.settings.languages.first().copied().unwrap_or(Language::English);
                let language = account.language.unwrap_or(fallback);
                let change =
                    AccountChange { event: Event::Added(kind), methods: Vec::new(), at: plan.now, language };
                let told = Account { email: None, ..account.clone() };
                messages.extend(
                    notices(&told, &row.earlier.only(kind), &change).into_iter().map(Message::Notice),
                );
            }
        }
        let (queue, keys, entropy) = (&*self.queue, &*self.messages, &*self.entropy);
        let outgoing = Outgoing { queue, messages: keys, entropy };
        outgoing.send(HolderId::from_bytes(self.entropy.bytes()), &messages, Seconds(0)).await?;
        Ok(())
    }
}

/// Returns the accounts of rows, with the passwords of those that have one.
fn unhashed<'a>(rows: impl Iterator<Item = &'a RowPlan<'a>>) -> Result<Unhashed, Failed> {
    let with_password = rows.filter_map(|row| Some((row, row.person.password.as_deref()?)));
    let read = with_password.map(|(row, text)| Ok((row.account.clone(), NewPassword::parse(text)?)));
    read.collect::<Result<_, Failed>>().map(Unhashed)
}

/// Returns the claims that give an account its logins.
fn claims(account: &Account) -> impl Iterator<Item = LoginClaims> {
    let id = account.id.clone();
    account
        .logins
        .iter()
        .map(move |login| LoginClaims { login: login.clone(), claimants: [id.clone()].into() })
}

/// Returns claims without a claimant for the logins that only `before` has.
fn released(before: &Account, after: &Account) -> Vec<LoginClaims> {
    let former = before.logins.iter().filter(|login| !after.logins.contains(login));
    former.map(|login| LoginClaims { login: login.clone(), claimants: [].into() }).collect()
}
