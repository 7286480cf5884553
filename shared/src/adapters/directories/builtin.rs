//! The built-in directory: accounts and argon2id hashes in the table `accounts`.
//!
//! Its key `account` has two kinds of items: `login/<canonical name>` names the owner of a login, and
//! `account/<id>` has the account.

use std::collections::HashMap;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::adapters::dynamodb::{Item, get_attributes, n, not_met, s, unavailable};
use crate::domain::account::{Account, AccountId, AccountState};
use crate::domain::contact::EmailAddress;
use crate::domain::language::Language;
use crate::domain::name::CanonicalName;
use crate::domain::password::{NewPassword, Violation};
use crate::domain::slow_hash::hasher;
use crate::domain::time::{SKEW, Seconds, Timestamp};
use crate::ports::{
    AccountImport, AccountPage, AccountScan, Capabilities, ChangeError, ChangeInspector, ChangeOutcome,
    Directory, DirectoryError, DirectoryWrite, Entropy, EntropyExt as _, OrganisationSignIn, PasswordChange,
    PasswordDirectory, SignInDirectory, SignInResult, StoreError,
};

/// The failed sign-ins that lock an account, each within [`LOCKOUT`] of the one before.
const FAILURES_MAX: u32 = 5;

/// The duration of a lockout. It ends by itself; otherwise a stranger could lock people out forever (OWASP
/// Authentication Cheat Sheet, account lockout). A lock by the organisation stays.
const LOCKOUT: Seconds = Seconds(15 * 60);

/// The attributes of an [`Account`]. The role of a function that only reads accounts allows these, and no
/// password.
pub(super) const ACCOUNT: [&str; 7] =
    ["id", "name", "logins", "email", "language", "standing", "password_policy"];

/// The key that a miss reads: no id begins with `~`, so the item never exists.
const NOBODY: &str = "account/~";

/// Stores accounts in DynamoDB.
#[derive(Clone)]
pub struct BuiltinDirectory {
    client: Client,
    table: String,
    entropy: Arc<dyn Entropy>,
    history: u8,
}

impl BuiltinDirectory {
    /// Returns the directory in `table`. `entropy` yields salts. The current password and `history` previous
    /// ones are rejected as new passwords.
    pub fn new(client: Client, table: impl Into<String>, entropy: Arc<dyn Entropy>, history: u8) -> Self {
        Self { client, table: table.into(), entropy, history }
    }

    fn update(&self, key: &str, expression: &str) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table).key("account", s(key));
        update.update_expression(expression)
    }

    /// Reads these attributes of the account of a name. The caller checks the login and the state again at a
    /// change.
    async fn find_attributes(
        &self,
        name: &CanonicalName,
        attributes: &[&str],
    ) -> Result<Option<Item>, DirectoryError> {
        let login = self.read(format!("login/{}", name.as_str()), &["owner"], false).await?;
        // A miss reads as well, so that it takes as long as a hit.
        let owner = login.as_ref().and_then(|item| item.optional_text("owner"));
        let key = owner.map_or_else(|| NOBODY.to_owned(), |owner| format!("account/{owner}"));
        self.read(key, attributes, false).await
    }

    /// Reads these attributes of an account, strongly consistent.
    async fn attributes(&self, id: &AccountId, attributes: &[&str]) -> Result<Option<Item>, DirectoryError> {
        self.read(format!("account/{}", id.as_str()), attributes, true).await
    }

    async fn read(
        &self,
        key: String,
        attributes: &[&str],
        consistent: bool,
    ) -> Result<Option<Item>, DirectoryError> {
        let key = ("account", s(key));
        Ok(get_attributes(&self.client, &self.table, key, attributes, consistent).await?)
    }

    async fn put_item(&self, item: Item) -> Result<(), DirectoryError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.0));
        put.send().await.map(drop).map_err(|error| unavailable(error).into())
    }

    fn hash(&self, password: &str) -> Result<String, DirectoryError> {
        let salt: [u8; 16] = self.entropy.bytes();
        hasher()
            .map_err(hashing)?
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map(|hash| hash.to_string())
            .map_err(hashing)
    }
}

#[async_trait]
impl Directory for BuiltinDirectory {
    fn capabilities(&self) -> Capabilities {
        Capabilities { unlock: true, sign_in: true, history: self.history > 0 }
    }

    async fn find(&self, name: &CanonicalName) -> Result<Option<Account>, DirectoryError> {
        Ok(self.find_attributes(name, &ACCOUNT).await?.as_ref().map(read_account).transpose()?)
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError> {
        // The change has its own condition on the account's state, so this read may miss the writes of the
        // last second.
        let item = self.read(format!("account/{}", id.as_str()), &ACCOUNT, false).await?;
        Ok(item.as_ref().map(read_account).transpose()?)
    }
}

/// The items that a page of a scan reads, logins among them.
const PAGE: i32 = 200;

#[async_trait]
impl AccountScan for BuiltinDirectory {
    async fn page(&self, after: Option<&str>) -> Result<AccountPage, DirectoryError> {
        let names = ACCOUNT.iter().map(|name| (format!("#{name}"), (*name).to_owned())).collect();
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .limit(PAGE)
            .projection_expression(ACCOUNT.map(|name| format!("#{name}")).join(", "))
            .set_expression_attribute_names(Some(names))
            .set_exclusive_start_key(after.map(|key| HashMap::from([("account".to_owned(), s(key))])));
        let page = scan.send().await.map_err(unavailable)?;
        let last = page.last_evaluated_key.map(Item);
        // Items of logins have none of these attributes.
        let accounts = page.items.unwrap_or_default().into_iter().map(Item).filter(|item| item.has("id"));
        let read = |item: Item| {
            let account = read_account(&item);
            account.inspect_err(|error| tracing::warn!(event = "account.unreadable", %error)).ok()
        };
        Ok(AccountPage {
            accounts: accounts.filter_map(read).collect(),
            next: last.and_then(|key| key.optional_text("account").map(str::to_owned)),
        })
    }
}

#[async_trait]
impl AccountImport for BuiltinDirectory {
    async fn put(&self, account: &Account, password: Option<&NewPassword>) -> Result<(), DirectoryError> {
        let id = account.id.as_str();
        for login in &account.logins {
            let item = Item::default().with("account", s(format!("login/{login}"))).with("owner", s(id));
            self.put_item(item).await?;
        }
        let logins = account.logins.iter().map(s).collect();
        let mut item = Item::default()
            .with("account", s(format!("account/{id}")))
            .with("id", s(id))
            .with("name", s(&account.name))
            .with("logins", AttributeValue::L(logins))
            .with("standing", s(state_name(account.state)))
            .with("failures", n(0))
            .with("failed_at", n(0))
            .with("generation", n(0));
        if let Some(email) = &account.email {
            item = item.with("email", s(email.expose()));
        }
        if let Some(language) = account.language {
            item = item.with("language", s(language.tag()));
        }
        if let Some(password) = password {
            item = item.with("password", s(self.hash(password.expose())?));
        }
        self.put_item(item).await
    }

    /// New logins are written first and former ones removed last, so that the account is found throughout.
    async fn update_account(&self, found: &Account, account: &Account) -> Result<(), DirectoryError> {
        let id = account.id.as_str();
        for login in &account.logins {
            let item = Item::default().with("account", s(format!("login/{login}"))).with("owner", s(id));
            self.put_item(item).await?;
        }
        let present = [("email", account.email.is_some()), ("language", account.language.is_some())];
        let (set, removed): (Vec<_>, Vec<_>) = present.into_iter().partition(|(_, is_there)| *is_there);
        let set: Vec<String> = set.iter().map(|(name, _)| format!(", #{name} = :{name}")).collect();
        let set = set.concat();
        let removed: Vec<String> = removed.iter().map(|(name, _)| format!("#{name}")).collect();
        let removed = removed.join(", ");
        let removed = if removed.is_empty() { removed } else { format!(" REMOVE {removed}") };
        let expression = format!("SET #name = :name, #logins = :logins, #standing = :standing{set}{removed}");
        let mut update = self.update(&format!("account/{id}"), &expression);
        for name in ["id", "name", "logins", "standing", "email", "language"] {
            update = update.expression_attribute_names(format!("#{name}"), name);
        }
        let logins = account.logins.iter().map(s).collect();
        update = update
            .condition_expression("attribute_exists(#id)")
            .expression_attribute_values(":name", s(&account.name))
            .expression_attribute_values(":logins", AttributeValue::L(logins))
            .expression_attribute_values(":standing", s(state_name(account.state)));
        if let Some(email) = &account.email {
            update = update.expression_attribute_values(":email", s(email.expose()));
        }
        if let Some(language) = account.language {
            update = update.expression_attribute_values(":language", s(language.tag()));
        }
        update.send().await.map_err(unavailable)?;
        for login in found.logins.iter().filter(|login| !account.logins.contains(login)) {
            let removal = self.client.delete_item().table_name(&self.table);
            let removal = removal.key("account", s(format!("login/{login}")));
            removal.send().await.map_err(unavailable)?;
        }
        Ok(())
    }
}

#[async_trait]
impl SignInDirectory for BuiltinDirectory {
    async fn check_password(
        &self,
        account: &AccountId,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInResult, DirectoryError> {
        let attributes = [&ACCOUNT[..], &["password", "failures", "failed_at"]].concat();
        let found = self.attributes(account, &attributes).await?;
        let stored = found.as_ref().and_then(|found| found.optional_text("password"));
        let is_right = self.is_right(stored, password)?;
        let Some(found) = found else { return Ok(SignInResult::Wrong) };
        Ok(match read_state(&found)? {
            AccountState::Disabled => SignInResult::Disabled,
            AccountState::Locked => SignInResult::Locked,
            AccountState::Active | AccountState::Excluded if is_locked_out(&found, now)? => {
                SignInResult::Locked
            }
            AccountState::Active | AccountState::Excluded if is_right => {
                SignInResult::Accepted(read_account(&found)?)
            }
            AccountState::Active | AccountState::Excluded => SignInResult::Wrong,
        })
    }
}

#[async_trait]
impl OrganisationSignIn for BuiltinDirectory {
    /// Five failures lock the account for a while. Each sign-in is counted before the password is compared,
    /// so that concurrent sign-ins together compare at most five. A failure makes two reads, one write and
    /// one hash, whatever its cause: a locked, disabled or missing account costs the same.
    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignInResult, DirectoryError> {
        let item = self.find_attributes(name, &["id", "failed_at"]).await?;
        let key = match &item {
            Some(item) => format!("account/{}", item.text("id")?),
            None => NOBODY.to_owned(),
        };
        let begins_anew =
            item.is_some_and(|item| item.moment("failed_at").is_ok_and(|at| !at.is_within(LOCKOUT, now)));
        let mut tried = self.count_attempt(&key, begins_anew, now).await?;
        // A concurrent sign-in began the count.
        if begins_anew && matches!(&tried, SignInAttempt::Refused(Some(item)) if counts(read_state(item)?)) {
            tried = self.count_attempt(&key, false, now).await?;
        }
        let (SignInAttempt::Counted(found) | SignInAttempt::Refused(Some(found))) = &tried else {
            self.is_right(None, password)?;
            return Ok(SignInResult::Wrong);
        };
        let right = self.is_right(found.optional_text("password"), password)?;
        Ok(match tried {
            SignInAttempt::Counted(found) if right => {
                let forgiven = self
                    .update(&key, "SET #failures = :zero")
                    .expression_attribute_names("#failures", "failures")
                    .expression_attribute_values(":zero", n(0));
                forgiven.send().await.map_err(unavailable)?;
                SignInResult::Accepted(read_account(&found)?)
            }
            SignInAttempt::Counted(found) if found.number::<u32>("failures")? < FAILURES_MAX => {
                SignInResult::Wrong
            }
            SignInAttempt::Refused(Some(found)) if read_state(&found)? == AccountState::Disabled => {
                SignInResult::Disabled
            }
            SignInAttempt::Counted(_) | SignInAttempt::Refused(_) => SignInResult::Locked,
        })
    }
}

/// The result of counting a sign-in.
enum SignInAttempt {
    /// The password may be compared; the account after the write.
    Counted(Item),
    /// The password may not be compared; the account, if there is one.
    Refused(Option<Item>),
}

impl BuiltinDirectory {
    /// Counts a sign-in as failed, as the first or a further one. `state` stays as the organisation set
    /// it.
    async fn count_attempt(
        &self,
        key: &str,
        first: bool,
        now: Timestamp,
    ) -> Result<SignInAttempt, DirectoryError> {
        let (count, condition, bound) = if first {
            (
                ":one",
                "(#failed_at <= :bound OR #failed_at > :latest)",
                (now.as_seconds() - i64::from(LOCKOUT.0)).into(),
            )
        } else {
            ("#failures + :one", "#failures < :bound", i128::from(FAILURES_MAX))
        };
        let counted = self
            .update(key, &format!("SET #failures = {count}, #failed_at = :now"))
            .condition_expression(format!("#standing IN (:active, :excluded) AND {condition}"))
            .expression_attribute_names("#failures", "failures")
            .expression_attribute_names("#failed_at", "failed_at")
            .expression_attribute_names("#standing", "standing")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":bound", n(bound))
            .expression_attribute_values(":active", s(state_name(AccountState::Active)))
            .expression_attribute_values(":excluded", s(state_name(AccountState::Excluded)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // A failure in the future is invalid, and would lock the account forever.
        let counted = if first {
            counted.expression_attribute_values(":latest", n((now + SKEW).as_seconds()))
        } else {
            counted
        };
        match counted.send().await {
            Ok(output) => Ok(SignInAttempt::Counted(Item(output.attributes.unwrap_or_default()))),
            Err(error) => Ok(SignInAttempt::Refused(not_met(error)?)),
        }
    }

    /// Returns the hashes of the current password and of previous ones, `count` at most. A count of 0 makes
    /// no read.
    async fn latest_passwords(
        &self,
        id: &AccountId,
        count: u8,
        consistent: bool,
    ) -> Result<Vec<String>, DirectoryError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let key = format!("account/{}", id.as_str());
        let item = self.read(key, &["password", "previous"], consistent).await?;
        let Some(item) = item else { return Ok(Vec::new()) };
        let present = item.optional_text("password").map(str::to_owned);
        Ok(present.into_iter().chain(item.texts("previous")).take(usize::from(count)).collect())
    }

    /// Returns whether a password is the stored one. It computes one hash even if nothing readable is stored.
    fn is_right(&self, stored: Option<&str>, password: &str) -> Result<bool, DirectoryError> {
        match stored.and_then(|phc| PasswordHash::new(phc).ok()) {
            Some(hash) => Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()),
            None => self.hash(password).map(|_| false),
        }
    }
}

/// Returns whether failed sign-ins of other applications lock the account now.
fn is_locked_out(found: &Item, now: Timestamp) -> Result<bool, StoreError> {
    let is_recent = found.moment("failed_at").is_ok_and(|at| at.is_within(LOCKOUT, now));
    Ok(is_recent && found.number::<u32>("failures")? >= FAILURES_MAX)
}

/// Returns whether sign-ins of an account are counted and compared.
const fn counts(state: AccountState) -> bool {
    matches!(state, AccountState::Active | AccountState::Excluded)
}

#[async_trait]
impl ChangeInspector for BuiltinDirectory {
    async fn outcome(&self, change: &PasswordChange) -> Result<ChangeOutcome, DirectoryError> {
        let item = self.attributes(&change.account, &["generation"]).await?;
        let made = match item {
            Some(item) => item.number::<u64>("generation")? >= change.number,
            None => false,
        };
        Ok(if made { ChangeOutcome::Applied } else { ChangeOutcome::NotApplied })
    }
}

#[async_trait]
impl PasswordDirectory for BuiltinDirectory {
    async fn precheck(
        &self,
        account: &AccountId,
        password: &NewPassword,
    ) -> Result<Vec<Violation>, DirectoryError> {
        let earlier = self.latest_passwords(account, self.history, false).await?;
        let reused = earlier.iter().any(|phc| verifies(phc, password.expose()));
        Ok(reused.then_some(Violation::Previous).into_iter().collect())
    }

    async fn apply(
        &self,
        change: &PasswordChange,
        write: DirectoryWrite<'_>,
        now: Timestamp,
    ) -> Result<(), ChangeError> {
        if now >= change.deadline {
            return Err(ChangeError::NotApplied("the deadline has passed".into()));
        }
        let mut expression =
            "SET #generation = :generation, #standing = :active, #failures = :zero".to_owned();
        let mut update = self
            .update(&format!("account/{}", change.account.as_str()), "")
            .condition_expression("#generation < :generation AND #standing IN (:active, :locked)")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_names("#standing", "standing")
            .expression_attribute_names("#failures", "failures")
            .expression_attribute_values(":generation", n(change.number))
            .expression_attribute_values(":active", s(state_name(AccountState::Active)))
            .expression_attribute_values(":locked", s(state_name(AccountState::Locked)))
            .expression_attribute_values(":zero", n(0))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let DirectoryWrite::Password(password) = write {
            // The new password counts as one of those that are kept.
            let kept = self.latest_passwords(&change.account, self.history.saturating_sub(1), true).await;
            let previous = kept.map_err(not_applied)?.into_iter().map(s).collect();
            let password = self.hash(password.expose()).map_err(not_applied)?;
            expression.push_str(", #password = :password, #previous = :previous, #changed_at = :changed_at");
            update = update
                .expression_attribute_names("#password", "password")
                .expression_attribute_names("#previous", "previous")
                .expression_attribute_names("#changed_at", "changed_at")
                .expression_attribute_values(":password", s(password))
                .expression_attribute_values(":previous", AttributeValue::L(previous))
                .expression_attribute_values(":changed_at", n(now.as_seconds()));
        }
        let Err(error) = update.update_expression(expression).send().await else { return Ok(()) };
        // An earlier try may have succeeded though a later one failed, so any other failure leaves the
        // outcome unknown.
        let found = not_met(error).map_err(|error| ChangeError::Unknown(Box::new(error)))?;
        let found = found.ok_or(ChangeError::NotPermitted)?;
        match found.number::<u64>("generation").map_err(not_applied)?.cmp(&change.number) {
            std::cmp::Ordering::Less => Err(ChangeError::NotPermitted),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(ChangeError::Superseded),
        }
    }
}

fn not_applied(error: impl std::error::Error + Send + Sync + 'static) -> ChangeError {
    ChangeError::NotApplied(Box::new(error))
}

fn verifies(phc: &str, password: &str) -> bool {
    PasswordHash::new(phc)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

pub(super) fn read_account(item: &Item) -> Result<Account, StoreError> {
    Ok(Account {
        id: AccountId::from_directory(item.text("id")?).map_err(|_| StoreError::Unreadable("id"))?,
        name: item.text("name")?.to_owned(),
        logins: item.texts("logins"),
        email: item.optional_text("email").map(|text| EmailAddress::from_stored(text.to_owned())),
        language: item.optional_text("language").and_then(Language::from_tag),
        state: read_state(item)?,
        // An unreadable one shows fewer criteria. The directory itself still enforces it.
        password_policy: item
            .optional_text("password_policy")
            .and_then(|text| serde_json::from_str(text).ok()),
    })
}

fn read_state(item: &Item) -> Result<AccountState, StoreError> {
    match item.text("standing")? {
        "active" => Ok(AccountState::Active),
        "locked" => Ok(AccountState::Locked),
        "disabled" => Ok(AccountState::Disabled),
        "excluded" => Ok(AccountState::Excluded),
        _ => Err(StoreError::Unreadable("standing")),
    }
}

pub(super) const fn state_name(state: AccountState) -> &'static str {
    match state {
        AccountState::Active => "active",
        AccountState::Locked => "locked",
        AccountState::Disabled => "disabled",
        AccountState::Excluded => "excluded",
    }
}

fn hashing(error: impl std::error::Error + Send + Sync + 'static) -> DirectoryError {
    DirectoryError(Box::new(error))
}

impl From<StoreError> for DirectoryError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}
