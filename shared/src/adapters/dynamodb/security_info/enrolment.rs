//! The entries as the person who owns them adds and removes them, and as an import writes them.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::claims::used_at;
use super::{CONTACT, NEVER, PREDECESSOR, STATE, items_of, open_contact, owner_of_contact};
use crate::adapters::dynamodb::item::{Item, b, consistent_get, n, not_met, s, unavailable};
use crate::domain::account::{AccountId, Contact, Registration};
use crate::domain::flow::FlowKey;
use crate::domain::keys::Keyring;
use crate::domain::security_info::{Entry, EntryId, Kind, Registered};
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{EnrolmentStore, Entropy, EntropyExt as _, NewEntry, Secret, StoreError};

/// Keeps entries.
#[derive(Clone)]
pub struct DynamoEnrolment {
    client: Client,
    table: String,
    contacts: Arc<Keyring>,
    entropy: Arc<dyn Entropy>,
}

impl DynamoEnrolment {
    /// Keeps entries in `table`, their contacts sealed with `contacts`; `entropy` makes nonces.
    pub fn new(
        client: Client,
        table: impl Into<String>,
        contacts: Arc<Keyring>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { client, table: table.into(), contacts, entropy }
    }

    /// Writes the contacts and the code app of an account (an import), and tells which contacts took the place of others;
    /// those are to be notified. What an account that never held anything gets counts at once and as old: whoever imports
    /// vouches for it. Afterwards a value that is there already keeps its age, in whichever column, and any other waits
    /// `waiting_period`; until then the one that it replaces serves. Contacts that the person enrolled stay as they are,
    /// imported ones that are not given any more are taken away. A code app, a generation and a claim that are there stay.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn import(
        &self,
        account: &AccountId,
        registration: &Registration,
        sealed_seed: Option<&str>,
        waiting_period: Seconds,
        now: Timestamp,
    ) -> Result<Vec<Kind>, StoreError> {
        let items = items_of(&self.client, &self.table, account).await?;
        let is_state = |item: &&Item| item.optional_text("item") == Some(STATE);
        let generation = items.iter().find(is_state).and_then(|state| state.number::<u64>("generation").ok());
        let is_first = generation.unwrap_or_default() == 0 && items.iter().all(|item| is_state(&item));
        let contacts = [
            (Kind::AlternateEmail, registration.alternate_email.as_ref().map(Contact::Email)),
            (Kind::Mobile, registration.mobile.as_ref().map(Contact::Phone)),
            (Kind::OfficePhone, registration.office_phone.as_ref().map(Contact::Phone)),
        ];
        let mut replaced = Vec::new();
        for (kind, contact) in contacts {
            let id = EntryId::only(kind);
            let found = items.iter().find(|item| item.optional_text("item") == Some(id.as_str()));
            if found.is_some_and(|item| !item.flag("imported").unwrap_or_default()) {
                continue;
            }
            let Some(contact) = contact else {
                self.delete(account, &id).await?;
                continue;
            };
            if found.is_some_and(|item| self.holds(account, item, kind, contact)) {
                continue;
            }
            let mut entry = NewEntry::contact(kind, contact, now);
            if let Some(known) = self.known(account, &items, contact) {
                (entry.usable_from, entry.old_from) = known;
            } else if !is_first {
                entry.usable_from = now + waiting_period;
                entry.old_from = entry.usable_from + waiting_period;
                replaced.extend(found.map(|_| kind));
            }
            let item = self.item(account, &entry)?.with("imported", AttributeValue::Bool(true));
            let item = found.into_iter().fold(item, |item, found| with_predecessor(item, found, &entry));
            self.put_item(item).await?;
        }
        let has_app = items.iter().any(|item| item.optional_text("item") == Some(Kind::Totp.as_str()));
        if let Some(seed) = sealed_seed.filter(|_| !has_app) {
            let secret = Secret::Totp { sealed_seed: seed.to_owned(), step: 0 };
            let mut entry = NewEntry::new(EntryId::only(Kind::Totp), "", secret, now);
            if !is_first {
                entry.usable_from = now + waiting_period;
                entry.old_from = entry.usable_from + waiting_period;
            }
            self.put(account, &entry).await?;
        }
        let begin = self
            .update_state(account, "SET #generation = if_not_exists(#generation, :zero)")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_values(":zero", n(0));
        // Last: without it nothing can be claimed, so an import that died half-way resets nobody.
        begin.send().await.map_err(unavailable)?;
        Ok(replaced)
    }

    /// Whether an entry's contact has this value.
    fn holds(&self, account: &AccountId, item: &Item, kind: Kind, contact: Contact<'_>) -> bool {
        let stored = item.optional_text("sealed");
        let stored = stored.and_then(|sealed| open_contact(&self.contacts, account, kind, sealed).ok());
        stored.is_some_and(|stored| contact.is_stored_as(kind, stored))
    }

    /// Since when a value counts, and from when on as old, where any entry of the account has it: then it is the same
    /// factor under another name.
    fn known(
        &self,
        account: &AccountId,
        items: &[Item],
        contact: Contact<'_>,
    ) -> Option<(Timestamp, Timestamp)> {
        let kind = |item: &Item| item.optional_text("item").and_then(EntryId::parse).map(|id| id.kind());
        let mut same = items.iter().filter(|item| {
            let kind = kind(item).filter(|kind| kind.is_contact());
            kind.is_some_and(|kind| self.holds(account, item, kind, contact))
        });
        same.find_map(|item| item.moment("usable_from").ok().zip(item.moment("lifts_from").ok()))
    }

    /// Writes an entry and nothing else (an import): open flows and sessions go on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, account: &AccountId, entry: &NewEntry<'_>) -> Result<(), StoreError> {
        self.put_item(self.item(account, entry)?).await
    }

    async fn put_item(&self, item: Item) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.0));
        put.send().await.map(drop).map_err(unavailable)
    }

    /// Removes an entry and nothing else; one that is gone already stays gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, account: &AccountId, id: &EntryId) -> Result<(), StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(id.as_str()));
        delete.send().await.map(drop).map_err(unavailable)
    }

    fn item(&self, account: &AccountId, entry: &NewEntry<'_>) -> Result<Item, StoreError> {
        let item = Item::default()
            .with("account", s(account.as_str()))
            .with("item", s(entry.id.as_str()))
            .with("shown", s(&entry.shown))
            .with("added_at", n(entry.added_at.as_seconds()))
            .with("usable_from", n(entry.usable_from.as_seconds()))
            .with("lifts_from", n(entry.old_from.as_seconds()))
            .with("proved", AttributeValue::Bool(entry.proved));
        Ok(match &entry.secret {
            Secret::Contact(contact) => {
                let owner = owner_of_contact(account, entry.id.kind());
                let sealed = self
                    .contacts
                    .seal(CONTACT, &owner, contact.expose().as_bytes(), self.entropy.bytes())
                    .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
                item.with("sealed", s(sealed))
            }
            Secret::Totp { sealed_seed, step } => {
                item.with("seed", s(sealed_seed)).with("last_step", n(*step))
            }
            Secret::Authenticator { public_key, subscription } => {
                let item = item.with("public_key", b(public_key));
                match subscription {
                    Some(subscription) => item.with("subscription", s(subscription)),
                    None => item,
                }
            }
            Secret::Passkey { credential } => item.with("credential", s(credential)),
            Secret::RecoveryCodes { salt, hashes } => {
                item.with("salt", s(salt)).with("hashes", AttributeValue::Ss(hashes.clone()))
            }
        })
    }

    fn update_state(
        &self,
        account: &AccountId,
        expression: &str,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(STATE))
            .update_expression(expression)
    }

    /// Ends a change: carries `write` out and moves the generation on, both or neither.
    async fn finish(
        &self,
        account: &AccountId,
        generation: u64,
        by: FlowKey,
        write: TransactWriteItem,
        removed_at: Option<Timestamp>,
    ) -> Result<Option<u64>, StoreError> {
        let next = generation + 1;
        let bump = Update::builder()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(STATE));
        let bump = match removed_at {
            None => bump.update_expression(MOVE),
            Some(now) => bump
                .update_expression(MOVE.replacen("SET ", "SET #removed_at = :now, ", 1))
                .expression_attribute_names("#removed_at", "removed_at")
                .expression_attribute_values(":now", n(now.as_seconds())),
        };
        let bump = bump
            .condition_expression("#generation = :generation AND #changed_by = :by")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_names("#changed_by", "changed_by")
            .expression_attribute_names("#changed_to", "changed_to")
            .expression_attribute_names("#claimed_by", "claimed_by")
            .expression_attribute_names("#lease_until", "lease_until")
            .expression_attribute_values(":generation", n(generation))
            .expression_attribute_values(":next", n(next))
            .expression_attribute_values(":by", b(by.as_bytes()))
            .build()
            .map_err(incomplete)?;
        let bump = TransactWriteItem::builder().update(bump).build();
        let both = self.client.transact_write_items().transact_items(bump).transact_items(write);
        // A try whose answer was lost is known by the token that the SDK gives it and all that follow it.
        let Err(error) = both.send().await else { return Ok(Some(next)) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled))
                if canceled
                    .cancellation_reasons()
                    .iter()
                    .any(|reason| reason.code() == Some("ConditionalCheckFailed")) =>
            {
                Ok(None)
            }
            _ => Err(unavailable(error)),
        }
    }
}

/// A request that lacks something, which ours don't.
fn incomplete(error: BuildError) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

/// The item of an entry that waits, with the contact that serves until then: the one that it replaces, or the one that
/// serves in the place of that.
fn with_predecessor(item: Item, found: &Item, entry: &NewEntry<'_>) -> Item {
    if entry.usable_from <= entry.added_at {
        return item;
    }
    let serves = found.moment("usable_from").is_ok_and(|from| from <= entry.added_at);
    PREDECESSOR.iter().fold(item, |item, (name, prior)| {
        let value = found.0.get(if serves { *name } else { *prior });
        value.into_iter().fold(item, |item, value| item.with(prior, value.clone()))
    })
}

/// Moves the generation on. A reset that had claimed the account is over like any other: it can't claim anew what it
/// claimed before.
const MOVE: &str =
    "SET #generation = :next, #changed_by = :by, #changed_to = :next REMOVE #claimed_by, #lease_until";

/// The session that moved the generation to `generation`, if it is there and was moved by one. A reset moves it without a
/// word here, so what was moved to is noted too.
fn changed_by(state: &Item, generation: u64) -> Option<FlowKey> {
    let is_at = |name| state.number::<u64>(name).is_ok_and(|number| number == generation);
    let by = state.tag("changed_by").filter(|_| is_at("generation") && is_at("changed_to"));
    by.map(|by| FlowKey::from_bytes(*by.as_bytes()))
}

#[async_trait]
impl EnrolmentStore for DynamoEnrolment {
    async fn registered(&self, account: &AccountId) -> Result<Registered, StoreError> {
        let mut registered = Registered::default();
        let items = items_of(&self.client, &self.table, account).await?;
        let state = items.iter().find(|item| item.optional_text("item") == Some(STATE));
        if let Some(state) = state {
            registered.generation = state.number("generation")?;
            registered.changed_by = changed_by(state, registered.generation);
            registered.confirmed_at = state.moment("confirmed_at").ok();
            registered.removed_at = state.moment("removed_at").ok();
        }
        for item in &items {
            let Some(id) = EntryId::parse(item.text("item")?) else { continue };
            let used_as_contact =
                used_at(id.kind().factor()).and_then(|name| state.and_then(|state| state.moment(name).ok()));
            let shown = match id.kind() {
                Kind::RecoveryCodes => item.set("hashes").len().to_string(),
                _ => item.optional_text("shown").unwrap_or_default().to_owned(),
            };
            // One of another version, or that can't be read whole, is listed, so that its owner can take it away, and
            // never counts.
            registered.entries.push(Entry {
                added_at: item.moment("added_at").unwrap_or(Timestamp::from_seconds(0)),
                // What an earlier contact of the kind proved is not this one's.
                last_used_at: item
                    .moment("last_used_at")
                    .ok()
                    .or(used_as_contact)
                    .filter(|used| item.moment("added_at").is_ok_and(|added| *used >= added)),
                usable_from: item.moment("usable_from").unwrap_or(NEVER),
                old_from: item.moment("lifts_from").unwrap_or(NEVER),
                predecessor: item.optional_text("prior_shown").map(str::to_owned),
                shown,
                id,
            });
        }
        registered.entries.sort_by(|one, other| {
            (one.id.kind(), one.added_at, &one.id).cmp(&(other.id.kind(), other.added_at, &other.id))
        });
        Ok(registered)
    }

    async fn change(
        &self,
        account: &AccountId,
        generation: u64,
        by: FlowKey,
    ) -> Result<Option<u64>, StoreError> {
        let next = generation + 1;
        let stands = match generation {
            0 => "attribute_not_exists(#generation) OR #generation = :generation",
            _ => "#generation = :generation",
        };
        let bump = self
            .update_state(account, MOVE)
            .condition_expression(stands)
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_names("#claimed_by", "claimed_by")
            .expression_attribute_names("#lease_until", "lease_until")
            .expression_attribute_values(":generation", n(generation))
            .expression_attribute_values(":next", n(next))
            .expression_attribute_names("#changed_by", "changed_by")
            .expression_attribute_names("#changed_to", "changed_to")
            .expression_attribute_values(":by", b(by.as_bytes()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match bump.send().await {
            Ok(_) => Ok(Some(next)),
            // Our own change, whose answer was lost.
            Err(error) => {
                let found = not_met(error)?;
                Ok(found.filter(|state| changed_by(state, next) == Some(by)).map(|_| next))
            }
        }
    }

    async fn add(
        &self,
        account: &AccountId,
        generation: u64,
        by: FlowKey,
        entry: &NewEntry<'_>,
    ) -> Result<Option<u64>, StoreError> {
        let mut item = self.item(account, entry)?;
        if entry.id.kind().is_contact() && entry.usable_from > entry.added_at {
            let key = [("account", s(account.as_str())), ("item", s(entry.id.as_str()))];
            if let Some(found) = consistent_get(&self.client, &self.table, &key).await? {
                item = with_predecessor(item, &found, entry);
            }
        }
        let put = Put::builder().table_name(&self.table).set_item(Some(item.0)).build();
        let write = TransactWriteItem::builder().put(put.map_err(incomplete)?).build();
        self.finish(account, generation, by, write, None).await
    }

    async fn remove(
        &self,
        account: &AccountId,
        generation: u64,
        by: FlowKey,
        id: &EntryId,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(id.as_str()))
            .build();
        let write = TransactWriteItem::builder().delete(delete.map_err(incomplete)?).build();
        self.finish(account, generation, by, write, Some(now)).await
    }

    async fn count_from(
        &self,
        account: &AccountId,
        id: &EntryId,
        from: Timestamp,
        old_from: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(id.as_str()))
            .update_expression("SET #usable_from = :from, #old_from = :old_from")
            // One that was removed meanwhile does not come back.
            .condition_expression("attribute_exists(#usable_from)")
            .expression_attribute_names("#usable_from", "usable_from")
            .expression_attribute_names("#old_from", "lifts_from")
            .expression_attribute_values(":from", n(from.as_seconds()))
            .expression_attribute_values(":old_from", n(old_from.as_seconds()));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(drop),
        }
    }

    async fn confirm(&self, account: &AccountId, now: Timestamp) -> Result<(), StoreError> {
        let confirm = self
            .update_state(
                account,
                "SET #confirmed_at = :now, #generation = if_not_exists(#generation, :zero)",
            )
            .expression_attribute_names("#confirmed_at", "confirmed_at")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_values(":now", n(now.as_seconds()))
            .expression_attribute_values(":zero", n(0));
        confirm.send().await.map(drop).map_err(unavailable)
    }
}
