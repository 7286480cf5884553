//! The built-in directory: accounts and argon2id hashes in the table `accounts`.
//!
//! Two kinds of items share its key `account`: `login/<canonical name>` names the owner of a login, and
//! `account/<id>` holds the account.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::adapters::dynamodb::{Item, consistent_get, eventual_get, n, not_met, s, unavailable};
use crate::domain::account::{Account, AccountId, Standing};
use crate::domain::contact::EmailAddress;
use crate::domain::language::Language;
use crate::domain::name::CanonicalName;
use crate::domain::slow_hash::hasher;
use crate::domain::time::{SKEW, Seconds, Timestamp};
use crate::ports::{
    Directory, DirectoryError, DirectoryWriter, Entropy, EntropyExt as _, SignIn, SignInDirectory,
    StoreError, Write,
};

/// Failed sign-ins, each within [`LOCKOUT`] of the one before, that lock an account.
const FAILURES_MAX: u32 = 5;

/// How long that lasts: it ends by itself, or a stranger could shut people out for good (OWASP Authentication Cheat Sheet,
/// account lockout). What the organisation has locked stays so.
const LOCKOUT: Seconds = Seconds(15 * 60);

/// Where a miss looks: `~` begins no id, so no item can be there.
const NOBODY: &str = "account/~";

/// Accounts in DynamoDB.
#[derive(Clone)]
pub struct BuiltinDirectory {
    client: Client,
    table: String,
    entropy: Arc<dyn Entropy>,
}

impl BuiltinDirectory {
    /// Keeps accounts in `table`; `entropy` makes salts.
    pub fn new(client: Client, table: impl Into<String>, entropy: Arc<dyn Entropy>) -> Self {
        Self { client, table: table.into(), entropy }
    }

    /// Writes an account with its logins (an import), replacing one that is there.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub async fn create(&self, account: &Account, password: Option<&str>) -> Result<(), DirectoryError> {
        let id = account.id.as_str();
        for login in &account.logins {
            let item = Item::default().with("account", s(format!("login/{login}"))).with("owner", s(id));
            self.put(item).await?;
        }
        let logins = account.logins.iter().map(s).collect();
        let mut item = Item::default()
            .with("account", s(format!("account/{id}")))
            .with("id", s(id))
            .with("name", s(&account.name))
            .with("logins", AttributeValue::L(logins))
            .with("standing", s(standing_word(account.standing)))
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
            item = item.with("password", s(self.hash(password)?));
        }
        self.put(item).await
    }

    fn update(&self, key: &str, expression: &str) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table).key("account", s(key));
        update.update_expression(expression)
    }

    /// The account behind a name. Who it is, and that it may be reset, is looked at again when it is changed.
    async fn item_of(&self, name: &CanonicalName) -> Result<Option<Item>, DirectoryError> {
        let read = async |key: String| eventual_get(&self.client, &self.table, &[("account", s(key))]).await;
        let login = read(format!("login/{}", name.as_str())).await?;
        // A miss reads as well, so that it takes what a hit takes.
        let owner = login.as_ref().and_then(|item| item.optional_text("owner"));
        Ok(read(owner.map_or_else(|| NOBODY.to_owned(), |owner| format!("account/{owner}"))).await?)
    }

    async fn get(&self, key: String) -> Result<Option<Item>, DirectoryError> {
        Ok(consistent_get(&self.client, &self.table, &[("account", s(key))]).await?)
    }

    async fn put(&self, item: Item) -> Result<(), DirectoryError> {
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
    async fn find(&self, name: &CanonicalName) -> Result<Option<Account>, DirectoryError> {
        Ok(self.item_of(name).await?.as_ref().map(read_account).transpose()?)
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError> {
        let item = self.get(format!("account/{}", id.as_str())).await?;
        Ok(item.as_ref().map(read_account).transpose()?)
    }

    async fn was_written(&self, id: &AccountId, generation: u64) -> Result<bool, DirectoryError> {
        let item = self.get(format!("account/{}", id.as_str())).await?;
        Ok(match item {
            Some(item) => item.number::<u64>("generation")? >= generation,
            None => false,
        })
    }
}

#[async_trait]
impl SignInDirectory for BuiltinDirectory {
    /// Five failures lock the account for a while; each is counted before the password is compared, so that no number of
    /// sign-ins at once tries more than five. A failure makes two reads, one write and one hash, whatever it fails by:
    /// what is locked, switched off or not there is counted in vain and compared for nothing.
    async fn sign_in(
        &self,
        name: &CanonicalName,
        password: &str,
        now: Timestamp,
    ) -> Result<SignIn, DirectoryError> {
        let item = self.item_of(name).await?;
        let key = match &item {
            Some(item) => format!("account/{}", item.text("id")?),
            None => NOBODY.to_owned(),
        };
        let begins_anew =
            item.is_some_and(|item| item.moment("failed_at").is_ok_and(|at| !at.is_within(LOCKOUT, now)));
        let mut tried = self.count_try(&key, begins_anew, now).await?;
        // Another sign-in began the count meanwhile.
        if begins_anew && matches!(&tried, Try::Refused(Some(item)) if counts(read_standing(item)?)) {
            tried = self.count_try(&key, false, now).await?;
        }
        let (Try::Counted(found) | Try::Refused(Some(found))) = &tried else {
            self.is_right(None, password)?;
            return Ok(SignIn::Wrong);
        };
        let right = self.is_right(found.optional_text("password"), password)?;
        Ok(match tried {
            Try::Counted(_) if right => {
                let forgiven = self
                    .update(&key, "SET #failures = :zero")
                    .expression_attribute_names("#failures", "failures")
                    .expression_attribute_values(":zero", n(0));
                forgiven.send().await.map_err(unavailable)?;
                SignIn::Accepted
            }
            Try::Counted(found) if found.number::<u32>("failures")? < FAILURES_MAX => SignIn::Wrong,
            Try::Refused(Some(found)) if read_standing(&found)? == Standing::Disabled => SignIn::Disabled,
            Try::Counted(_) | Try::Refused(_) => SignIn::Locked,
        })
    }
}

/// What came of counting a sign-in.
enum Try {
    /// It may be compared; the account as it is since.
    Counted(Item),
    /// It may not; the account, if there is one.
    Refused(Option<Item>),
}

impl BuiltinDirectory {
    /// Counts a sign-in as failed, as the first or as one more. `standing` stays what the organisation says it is.
    async fn count_try(&self, key: &str, first: bool, now: Timestamp) -> Result<Try, DirectoryError> {
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
            .expression_attribute_values(":active", s(standing_word(Standing::Active)))
            .expression_attribute_values(":excluded", s(standing_word(Standing::Excluded)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // A failure that is yet to come was never written as one, and would lock the account for good.
        let counted = if first {
            counted.expression_attribute_values(":latest", n((now + SKEW).as_seconds()))
        } else {
            counted
        };
        match counted.send().await {
            Ok(output) => Ok(Try::Counted(Item(output.attributes.unwrap_or_default()))),
            Err(error) => Ok(Try::Refused(not_met(error)?)),
        }
    }

    /// Whether a password is the stored one. One hash is worked out, also where nothing readable is stored.
    fn is_right(&self, stored: Option<&str>, password: &str) -> Result<bool, DirectoryError> {
        match stored.and_then(|phc| PasswordHash::new(phc).ok()) {
            Some(hash) => Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()),
            None => self.hash(password).map(|_| false),
        }
    }
}

/// Whether sign-ins of an account are counted and compared.
const fn counts(standing: Standing) -> bool {
    matches!(standing, Standing::Active | Standing::Excluded)
}

#[async_trait]
impl DirectoryWriter for BuiltinDirectory {
    async fn account_and_reuse(
        &self,
        id: &AccountId,
        password: &str,
        history: u8,
    ) -> Result<Option<(Account, bool)>, DirectoryError> {
        let Some(item) = self.get(format!("account/{}", id.as_str())).await? else { return Ok(None) };
        let reused = latest_passwords(&item, history).iter().any(|phc| verifies(phc, password));
        Ok(Some((read_account(&item)?, reused)))
    }

    async fn write(
        &self,
        id: &AccountId,
        generation: u64,
        write: Write<'_>,
        history: u8,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let mut expression =
            "SET #generation = :generation, #standing = :active, #failures = :zero".to_owned();
        let mut update = self
            .update(&format!("account/{}", id.as_str()), "")
            .condition_expression("#generation < :generation AND #standing IN (:active, :locked)")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_names("#standing", "standing")
            .expression_attribute_names("#failures", "failures")
            .expression_attribute_values(":generation", n(generation))
            .expression_attribute_values(":active", s(standing_word(Standing::Active)))
            .expression_attribute_values(":locked", s(standing_word(Standing::Locked)))
            .expression_attribute_values(":zero", n(0))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Write::Password(password) = write {
            let kept = history.saturating_sub(1);
            // What is not kept need not be read.
            let previous = if kept == 0 {
                Vec::new()
            } else {
                let before = self.get(format!("account/{}", id.as_str())).await?;
                latest_passwords(&before.ok_or(DirectoryError::Refused)?, kept)
            };
            let previous = previous.into_iter().map(s).collect();
            expression.push_str(", #password = :password, #previous = :previous, #changed_at = :changed_at");
            update = update
                .expression_attribute_names("#password", "password")
                .expression_attribute_names("#previous", "previous")
                .expression_attribute_names("#changed_at", "changed_at")
                .expression_attribute_values(":password", s(self.hash(password)?))
                .expression_attribute_values(":previous", AttributeValue::L(previous))
                .expression_attribute_values(":changed_at", n(now.as_seconds()));
        }
        let Err(error) = update.update_expression(expression).send().await else { return Ok(()) };
        let found = not_met(error)?.ok_or(DirectoryError::Refused)?;
        match found.number::<u64>("generation")?.cmp(&generation) {
            std::cmp::Ordering::Less => Err(DirectoryError::Refused),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(DirectoryError::Superseded),
        }
    }
}

/// The hashes of the present password and of those before it, `count` at most.
fn latest_passwords(account: &Item, count: u8) -> Vec<String> {
    let present = account.optional_text("password").map(str::to_owned);
    present.into_iter().chain(account.texts("previous")).take(usize::from(count)).collect()
}

fn verifies(phc: &str, password: &str) -> bool {
    PasswordHash::new(phc)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn read_account(item: &Item) -> Result<Account, StoreError> {
    Ok(Account {
        id: AccountId::from_directory(item.text("id")?).map_err(|_| StoreError::Unreadable("id"))?,
        name: item.text("name")?.to_owned(),
        logins: item.texts("logins"),
        email: item.optional_text("email").map(|text| EmailAddress::from_stored(text.to_owned())),
        language: item.optional_text("language").and_then(Language::from_tag),
        standing: read_standing(item)?,
    })
}

fn read_standing(item: &Item) -> Result<Standing, StoreError> {
    match item.text("standing")? {
        "active" => Ok(Standing::Active),
        "locked" => Ok(Standing::Locked),
        "disabled" => Ok(Standing::Disabled),
        "excluded" => Ok(Standing::Excluded),
        _ => Err(StoreError::Unreadable("standing")),
    }
}

const fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Locked => "locked",
        Standing::Disabled => "disabled",
        Standing::Excluded => "excluded",
    }
}

fn hashing(error: impl std::error::Error + Send + Sync + 'static) -> DirectoryError {
    DirectoryError::Unavailable(Box::new(error))
}

impl From<StoreError> for DirectoryError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
