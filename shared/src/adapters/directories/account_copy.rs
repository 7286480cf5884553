//! The copy of a directory's people in the table `accounts`, in the items that the built-in directory reads.
//!
//! `login/<canonical name>` has `owner`, or `claimants` if several accounts have the login: then nobody is found, by
//! the same reads. `account/<id>` has the account, `directory/<name>` the state of a sync with the directory's rules
//! for passwords, and `sync` the lease.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::builtin::{ACCOUNT, read_account, state_name};
use crate::adapters::dynamodb::batch::{self, AT_ONCE, incomplete, names, projection, put};
use crate::adapters::dynamodb::{Item, b, get_attributes, n, not_met, s, unavailable};
use crate::domain::account::AccountId;
use crate::domain::account_copy::{CopiedAccount, CopiedContacts, LoginClaims};
use crate::domain::directory::PublishedPolicy;
use crate::domain::holder::HolderId;
use crate::domain::security_info::Kind;
use crate::domain::sync::{LEASE, SyncState};
use crate::domain::time::Timestamp;
use crate::ports::{AccountCopy, CopyPage, CopyWrite, DirectoryError, StoreError};

/// The attributes of accounts beside those that every function reads. Each may be missing.
const NOTED: [&str; 6] =
    ["group", "password_expires_at", "digest", "contacts_digest", "contact_kinds", "departed_at"];
/// The attributes of an account that may be missing.
const OPTIONAL: [&str; 9] = [
    "email",
    "language",
    "password_policy",
    "group",
    "password_expires_at",
    "digest",
    "contacts_digest",
    "contact_kinds",
    "departed_at",
];
/// The attributes of a login.
const LOGIN: [&str; 3] = ["account", "owner", "claimants"];
/// The key of the lease.
const SYNC: &str = "sync";

/// The items that a page of a scan reads.
const PAGE: i32 = 1_000;

/// Stores the copy in DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoAccountCopy {
    client: Client,
    table: String,
}

impl DynamoAccountCopy {
    /// Returns the store in `table`. It waits longer and tries more often than the stores that people wait for.
    pub fn new(client: &Client, table: impl Into<String>) -> Self {
        Self { client: batch::patient(client), table: table.into() }
    }

    /// Reads items by their keys, and only these attributes of them, strongly consistent.
    async fn read(&self, keys: Vec<String>, attributes: &[&'static str]) -> Result<Vec<Item>, StoreError> {
        let keys = keys.into_iter().map(|key| HashMap::from([("account".to_owned(), s(key))])).collect();
        batch::read(&self.client, &self.table, keys, attributes).await
    }

    async fn write(&self, requests: Vec<WriteRequest>) -> Result<(), StoreError> {
        batch::write(&self.client, &self.table, requests).await
    }

    /// Changes an account's own attributes and leaves the others, such as the note of a password change.
    async fn update(&self, account: &CopiedAccount) -> Result<(), StoreError> {
        let item = item(account);
        let key = item.0.get("account").cloned().unwrap_or_else(|| s(""));
        let set: Vec<String> = item
            .0
            .keys()
            .filter(|name| *name != "account")
            .map(|name| format!("#{name} = :{name}"))
            .collect();
        let removed: Vec<&str> = OPTIONAL.into_iter().filter(|name| !item.has(name)).collect();
        let mut expression = format!("SET {}", set.join(", "));
        if !removed.is_empty() {
            expression = format!("{expression} REMOVE {}", projection(&removed));
        }
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", key)
            .update_expression(expression);
        for (name, value) in item.0.into_iter().filter(|(name, _)| name != "account") {
            update = update
                .expression_attribute_names(format!("#{name}"), &name)
                .expression_attribute_values(format!(":{name}"), value);
        }
        for name in removed {
            update = update.expression_attribute_names(format!("#{name}"), name);
        }
        update.send().await.map(drop).map_err(unavailable)
    }
}

fn delete(key: String) -> Result<WriteRequest, StoreError> {
    let delete = DeleteRequest::builder().key("account", s(key)).build().map_err(incomplete)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

/// Returns the item of an account, without the attributes that other functions write.
fn item(copied: &CopiedAccount) -> Item {
    let account = &copied.account;
    let mut item = Item::default()
        .with("account", s(format!("account/{}", account.id.as_str())))
        .with("id", s(account.id.as_str()))
        .with("name", s(&account.name))
        .with("logins", AttributeValue::L(account.logins.iter().map(s).collect()))
        .with("standing", s(state_name(account.state)));
    let contacts = copied.contacts.as_ref();
    let kinds: Vec<String> =
        contacts.iter().flat_map(|contacts| &contacts.kinds).map(|kind| kind.as_str().to_owned()).collect();
    let policy = account.password_policy.and_then(|policy| serde_json::to_string(&policy).ok());
    let optional = [
        ("email", account.email.as_ref().map(|email| s(email.expose()))),
        ("language", account.language.map(|language| s(language.tag()))),
        ("password_policy", policy.map(s)),
        ("group", copied.group.as_ref().map(s)),
        ("password_expires_at", copied.password_expires_at.map(|at| n(at.as_seconds()))),
        ("digest", copied.digest.map(|tag| b(tag.as_bytes()))),
        ("contacts_digest", contacts.map(|contacts| b(contacts.digest.as_bytes()))),
        ("contact_kinds", (!kinds.is_empty()).then_some(AttributeValue::Ss(kinds))),
        ("departed_at", copied.departed_at.map(|at| n(at.as_seconds()))),
    ];
    for (name, value) in optional {
        item = value.into_iter().fold(item, |item, value| item.with(name, value));
    }
    item
}

fn read_copied(item: &Item) -> Result<CopiedAccount, StoreError> {
    let kinds: BTreeSet<Kind> =
        item.set("contact_kinds").iter().filter_map(|kind| Kind::parse(kind)).collect();
    Ok(CopiedAccount {
        account: read_account(item)?,
        group: item.optional_text("group").map(str::to_owned),
        password_expires_at: item.moment("password_expires_at").ok(),
        digest: item.tag("digest"),
        contacts: item.tag("contacts_digest").map(|digest| CopiedContacts { digest, kinds }),
        departed_at: item.moment("departed_at").ok(),
    })
}

/// Returns the accounts of these items. An unreadable one counts as missing, so that the sync writes it anew.
fn read_all(items: impl IntoIterator<Item = Item>) -> Vec<CopiedAccount> {
    let read = |item: Item| {
        read_copied(&item).inspect_err(|error| tracing::warn!(event = "account.unreadable", %error)).ok()
    };
    items.into_iter().filter_map(read).collect()
}

fn read_claims(item: &Item) -> Option<LoginClaims> {
    let login = item.optional_text("account")?.strip_prefix("login/")?.to_owned();
    let owner = item.optional_text("owner").map(str::to_owned);
    let claimants = owner.map_or_else(|| item.set("claimants"), |owner| vec![owner]);
    let claimants = claimants.into_iter().filter_map(|id| AccountId::from_directory(id).ok());
    Some(LoginClaims { login, claimants: claimants.collect() })
}

#[async_trait]
impl AccountCopy for DynamoAccountCopy {
    async fn acquire(&self, run: HolderId, until: Timestamp, now: Timestamp) -> Result<bool, DirectoryError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(SYNC))
            .update_expression("SET #run = :run, #lease_until = :until")
            .condition_expression(
                "NOT attribute_type(#lease_until, :number) OR #lease_until <= :now OR #lease_until > :latest OR \
                 #run = :run",
            )
            .expression_attribute_names("#run", "run")
            .expression_attribute_names("#lease_until", "lease_until")
            .expression_attribute_values(":run", b(run.as_bytes()))
            .expression_attribute_values(":until", n(until.as_seconds()))
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":latest", n(Timestamp::latest_end(now, LEASE).as_seconds()))
            .expression_attribute_values(":number", s("N"));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => Ok(not_met(error).map(|_| false)?),
        }
    }

    async fn release(&self, run: HolderId) -> Result<(), DirectoryError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(SYNC))
            .update_expression("REMOVE #lease_until")
            .condition_expression("#run = :run")
            .expression_attribute_names("#run", "run")
            .expression_attribute_names("#lease_until", "lease_until")
            .expression_attribute_values(":run", b(run.as_bytes()));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => Ok(not_met(error).map(drop)?),
        }
    }

    async fn state(&self, directory: &str) -> Result<SyncState, DirectoryError> {
        let key = ("account", s(format!("directory/{directory}")));
        let item = get_attributes(&self.client, &self.table, key, &["sync_state"], true).await?;
        let text = item.as_ref().and_then(|item| item.optional_text("sync_state"));
        let read = text.and_then(|text| serde_json::from_str(text).ok());
        if text.is_some() && read.is_none() {
            tracing::warn!(event = "sync.state_unreadable", directory);
        }
        Ok(read.unwrap_or_default())
    }

    async fn put_state(
        &self,
        directory: &str,
        state: &SyncState,
        policy: &PublishedPolicy,
    ) -> Result<(), DirectoryError> {
        let json = |error| DirectoryError(Box::new(error));
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(format!("directory/{directory}")))
            .update_expression("SET #sync_state = :state, #policy = :policy")
            .expression_attribute_names("#sync_state", "sync_state")
            .expression_attribute_names("#policy", "policy")
            .expression_attribute_values(":state", s(serde_json::to_string(state).map_err(json)?))
            .expression_attribute_values(":policy", s(serde_json::to_string(policy).map_err(json)?));
        update.send().await.map(drop).map_err(|error| unavailable(error).into())
    }

    async fn accounts(&self, ids: &[AccountId]) -> Result<Vec<CopiedAccount>, DirectoryError> {
        let keys = ids.iter().map(|id| format!("account/{}", id.as_str())).collect();
        Ok(read_all(self.read(keys, &[&ACCOUNT[..], &NOTED].concat()).await?))
    }

    async fn logins(&self, logins: &[String]) -> Result<Vec<LoginClaims>, DirectoryError> {
        let keys = logins.iter().map(|login| format!("login/{login}")).collect();
        Ok(self.read(keys, &LOGIN).await?.iter().filter_map(read_claims).collect())
    }

    async fn put_logins(&self, logins: &[LoginClaims]) -> Result<(), DirectoryError> {
        let request = |claims: &LoginClaims| {
            let key = format!("login/{}", claims.login);
            if claims.claimants.is_empty() {
                return delete(key);
            }
            let item = Item::default().with("account", s(key));
            if let Some(owner) = claims.owner() {
                return put(item.with("owner", s(owner.as_str())));
            }
            let ids = claims.claimants.iter().map(|id| id.as_str().to_owned());
            put(item.with("claimants", AttributeValue::Ss(ids.collect())))
        };
        let requests = logins.iter().map(request).collect::<Result<Vec<_>, _>>()?;
        Ok(self.write(requests).await?)
    }

    async fn put_accounts(&self, writes: &[CopyWrite]) -> Result<(), DirectoryError> {
        let is_new = |write: &&CopyWrite| !write.exists;
        let new = writes.iter().filter(is_new).map(|write| {
            let counters = ["failures", "failed_at", "generation"];
            put(counters.into_iter().fold(item(&write.account), |item, name| item.with(name, n(0))))
        });
        self.write(new.collect::<Result<Vec<_>, _>>()?).await?;
        let updates: Vec<_> =
            writes.iter().filter(|write| write.exists).map(|write| self.update(&write.account)).collect();
        Ok(stream::iter(updates).buffer_unordered(AT_ONCE).try_collect().await?)
    }

    async fn remove_account(&self, id: &AccountId) -> Result<(), DirectoryError> {
        let key = s(format!("account/{}", id.as_str()));
        let delete = self.client.delete_item().table_name(&self.table).key("account", key);
        delete.send().await.map(drop).map_err(|error| unavailable(error).into())
    }

    async fn page(&self, after: Option<&str>) -> Result<CopyPage, DirectoryError> {
        let attributes = [&ACCOUNT[..], &NOTED, &LOGIN].concat();
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .limit(PAGE)
            .consistent_read(true)
            .projection_expression(projection(&attributes))
            .set_expression_attribute_names(Some(names(&attributes)))
            .set_exclusive_start_key(after.map(|key| HashMap::from([("account".to_owned(), s(key))])));
        let page = scan.send().await.map_err(unavailable)?;
        let last = page.last_evaluated_key.map(Item);
        let mut found = CopyPage {
            next: last.and_then(|key| key.optional_text("account").map(str::to_owned)),
            ..CopyPage::default()
        };
        let (accounts, others): (Vec<Item>, Vec<Item>) =
            page.items.unwrap_or_default().into_iter().map(Item).partition(|item| item.has("id"));
        found.accounts = read_all(accounts);
        found.logins = others.iter().filter_map(read_claims).collect();
        Ok(found)
    }
}
