//! Writes of entries, by their owners and by imports.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::authenticators::{ACTIVATION, PASS, PASS_KIND};
use super::leases::used_at;
use super::{
    CONTACT, NEVER, PREDECESSOR, STATE, items_of, known_devices, open_contact, owner_of_contact, predecessor,
    secrets,
};
use crate::adapters::dynamodb::item::{Item, b, consistent_get, n, not_met, s, unavailable};
use crate::domain::account::{AccountId, Registration};
use crate::domain::holder::HolderId;
use crate::domain::import::{ImportAction, Overwrite, StoredContactEntry, active_from, import_contact};
use crate::domain::keys::{Keyring, Tag};
use crate::domain::pass::{HeldPass, PassKind};
use crate::domain::passkey::Credential;
use crate::domain::security_info::{Entry, EntryId, Kind, Registered, Secret};
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{
    Added, ContactImport, EnrolmentStore, Entropy, EntropyExt as _, NewEntry, PassStore, RegistrationErasure,
    StoreError,
};

/// Stores entries in DynamoDB.
#[derive(Clone)]
pub struct DynamoEnrolment {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) contacts: Arc<Keyring>,
    entropy: Arc<dyn Entropy>,
}

impl DynamoEnrolment {
    /// Returns the store in `table`. `contacts` seals the contacts; `entropy` yields nonces.
    pub fn new(
        client: Client,
        table: impl Into<String>,
        contacts: Arc<Keyring>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { client, table: table.into(), contacts, entropy }
    }

    /// Writes an entry without a new generation (an import): open flows and sessions continue.
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

    /// Removes an entry without a new generation; a missing one is no error.
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

    pub(super) fn item(&self, account: &AccountId, entry: &NewEntry<'_>) -> Result<Item, StoreError> {
        let item = Item::default()
            .with("account", s(account.as_str()))
            .with("item", s(entry.id.as_str()))
            .with("shown", s(&entry.shown))
            .with("added_at", n(entry.added_at.as_seconds()))
            .with("usable_from", n(entry.active_from.as_seconds()))
            .with("lifts_from", n(entry.old_from.as_seconds()))
            .with("proved", AttributeValue::Bool(entry.verified));
        secrets::write(item, &entry.secret, |contact| {
            let owner = owner_of_contact(account, entry.id.kind());
            self.contacts
                .seal(CONTACT, &owner, contact.expose().as_bytes(), self.entropy.bytes())
                .map_err(|error| StoreError::Unavailable(Box::new(error)))
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

    /// Ends a change: makes the writes and moves the generation, all or none.
    async fn finish(
        &self,
        account: &AccountId,
        generation: u64,
        holder: HolderId,
        writes: Vec<TransactWriteItem>,
        removed_at: Option<Timestamp>,
    ) -> Result<Added, StoreError> {
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
            .expression_attribute_values(":by", b(holder.as_bytes()))
            .build()
            .map_err(incomplete)?;
        let bump = TransactWriteItem::builder().update(bump).build();
        let all = self.client.transact_write_items().transact_items(bump);
        let all = writes.into_iter().fold(all, TransactWriteItemsFluentBuilder::transact_items);
        // A try whose response was lost is recognised by the idempotency token, which the SDK repeats with
        // each retry.
        let Err(error) = all.send().await else { return Ok(Added::Done(next)) };
        // The generation's write comes first: if its condition failed too, it is the reason.
        match refused(&error).first() {
            Some(0) => Ok(Added::Overtaken),
            Some(_) => Ok(Added::Taken),
            None => Err(unavailable(error)),
        }
    }

    /// Enters a passkey of an earlier version in the index of all accounts. If another account entered the same
    /// one first, that entry stays.
    async fn make_known(&self, account: &AccountId, item: &Item) -> Result<(), StoreError> {
        let id = item.optional_text("item").and_then(EntryId::parse);
        let Some(id) = id.filter(|id| id.kind() == Kind::Passkey && item.bytes(REFERENCE).is_none()) else {
            return Ok(());
        };
        let Ok(Secret::Passkey(credential)) = secrets::read(id.kind(), item) else { return Ok(()) };
        let reference = credential.reference();
        let note = Update::builder()
            .table_name(&self.table)
            .key("account", s(account.as_str()))
            .key("item", s(id.as_str()))
            .update_expression("SET #reference = :reference")
            .condition_expression("attribute_exists(#credential)")
            .expression_attribute_names("#reference", REFERENCE)
            .expression_attribute_names("#credential", "credential")
            .expression_attribute_values(":reference", b(&reference))
            .build()
            .map_err(incomplete)?;
        let note = TransactWriteItem::builder().update(note).build();
        let claim = self.reserve_passkey(account, &id, reference)?;
        let both = self.client.transact_write_items().transact_items(claim).transact_items(note);
        match both.send().await {
            // Another request was first, with the same passkey or this very write.
            Err(error) if !is_canceled(&error) => Err(unavailable(error)),
            _ => Ok(()),
        }
    }

    /// Returns the write that registers a passkey among all accounts for this entry, unless it is another's.
    fn reserve_passkey(
        &self,
        account: &AccountId,
        id: &EntryId,
        reference: [u8; 32],
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .item("account", s(known_as(&reference)))
            .item("item", s(OWNER))
            .item("owner", s(account.as_str()))
            .item("entry", s(id.as_str()))
            .condition_expression("attribute_not_exists(#account) OR (#owner = :owner AND #entry = :entry)")
            .expression_attribute_names("#account", "account")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":owner", s(account.as_str()))
            .expression_attribute_values(":entry", s(id.as_str()))
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Returns the write that removes the registration of [`Self::reserve_passkey`], if it is this entry's.
    async fn release_passkey(
        &self,
        account: &AccountId,
        id: &EntryId,
    ) -> Result<Option<TransactWriteItem>, StoreError> {
        let key = [("account", s(account.as_str())), ("item", s(id.as_str()))];
        let entry = consistent_get(&self.client, &self.table, &key).await?;
        let Some(reference) = entry.and_then(|entry| entry.tag(REFERENCE)) else { return Ok(None) };
        let known_as = known_as(reference.as_bytes());
        let key = [("account", s(&known_as)), ("item", s(OWNER))];
        let known = consistent_get(&self.client, &self.table, &key).await?;
        let is_its = |known: &Item| {
            known.optional_text("owner") == Some(account.as_str())
                && known.optional_text("entry") == Some(id.as_str())
        };
        if !known.is_some_and(|known| is_its(&known)) {
            return Ok(None);
        }
        let delete =
            Delete::builder().table_name(&self.table).key("account", s(known_as)).key("item", s(OWNER));
        Ok(Some(TransactWriteItem::builder().delete(delete.build().map_err(incomplete)?).build()))
    }

    /// Removes a passkey from the index of all accounts, if it is this account's.
    async fn forget_passkey(&self, account: &AccountId, reference: &[u8; 32]) -> Result<(), StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("account", s(known_as(reference)))
            .key("item", s(OWNER))
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(account.as_str()));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) => not_met(error).map(drop),
        }
    }
}

/// The attribute with the hash that identifies an entry's passkey among all accounts.
const REFERENCE: &str = "known_as";
/// The item with the owner of a passkey.
const OWNER: &str = "owner";

/// Returns the key of a passkey among all accounts. No account's id begins with `~`.
fn known_as(reference: &[u8; 32]) -> String {
    format!("~passkey/{}", hex::encode(reference))
}

fn is_canceled(error: &SdkError<TransactWriteItemsError>) -> bool {
    matches!(error.as_service_error(), Some(TransactWriteItemsError::TransactionCanceledException(_)))
}

/// Returns the positions of the writes in a transaction whose conditions were not met; none for another
/// failure.
fn refused(error: &SdkError<TransactWriteItemsError>) -> Vec<usize> {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error()
    else {
        return Vec::new();
    };
    let reasons = canceled.cancellation_reasons().iter().enumerate();
    reasons.filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed")).map(|(at, _)| at).collect()
}

/// A request without a required part, which this code never builds.
fn incomplete(error: BuildError) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

/// Returns the contacts of an account that open.
fn held_contacts(contacts: &Keyring, account: &AccountId, items: &[Item]) -> Vec<StoredContactEntry> {
    let state = state_of(items);
    items.iter().filter_map(|item| held_contact(contacts, account, item, state)).collect()
}

/// Returns the item about the whole account.
pub(super) fn state_of(items: &[Item]) -> Option<&Item> {
    items.iter().find(|item| item.optional_text("item") == Some(STATE))
}

/// Returns whether the account never held anything.
pub(super) fn is_first(items: &[Item]) -> bool {
    let generation = state_of(items).and_then(|state| state.number::<u64>("generation").ok());
    let is_state = |item: &Item| item.optional_text("item") == Some(STATE);
    generation.unwrap_or_default() == 0 && items.iter().all(is_state)
}

/// Returns whether the account has an app for codes.
pub(super) fn has_app(items: &[Item]) -> bool {
    items.iter().any(|item| item.optional_text("item") == Some(Kind::Totp.as_str()))
}

/// Returns the contact of an item, if it opens.
fn held_contact(
    contacts: &Keyring,
    account: &AccountId,
    item: &Item,
    state: Option<&Item>,
) -> Option<StoredContactEntry> {
    let kind = EntryId::parse(item.optional_text("item")?)?.kind();
    let value = open_contact(contacts, account, kind, item.optional_text("sealed")?).ok()?;
    stored_contact(kind, value, item, state)
}

/// Returns the contact of an item that was opened.
pub(super) fn stored_contact(
    kind: Kind,
    value: String,
    item: &Item,
    state: Option<&Item>,
) -> Option<StoredContactEntry> {
    let active_from = item.moment("usable_from").ok()?;
    let at = |name| state?.moment(name).ok();
    let is_used = used_at(kind.factor()).and_then(at).is_some_and(|used| active_from <= used);
    let confirmed_at = at("confirmed_at");
    let added_at = item.moment("added_at").ok();
    Some(StoredContactEntry {
        kind,
        value,
        is_imported: item.flag("imported").unwrap_or_default(),
        is_confirmed: is_used || confirmed_at.is_some_and(|at| added_at.is_none_or(|added| added <= at)),
        active_from,
        old_from: item.moment("lifts_from").unwrap_or(NEVER),
    })
}

/// Returns the item of a waiting entry with the contact that is active until then: the one that it replaces,
/// or that one's own predecessor.
fn with_predecessor(item: Item, found: &Item, entry: &NewEntry<'_>) -> Item {
    if entry.active_from <= entry.added_at {
        return item;
    }
    let serves = found.moment("usable_from").is_ok_and(|from| from <= entry.added_at);
    PREDECESSOR.iter().fold(item, |item, (name, prior)| {
        let value = found.0.get(if serves { *name } else { *prior });
        value.into_iter().fold(item, |item, value| item.with(prior, value.clone()))
    })
}

/// Returns the item of the contact that an entry was to replace; `None` if there is none, or the entry is
/// active already.
fn restored(found: &Item, now: Timestamp) -> Option<Item> {
    let earlier = predecessor(found, now)?;
    let mut item = Item(found.0.clone())
        .with("usable_from", n(now.as_seconds()))
        .with("proved", AttributeValue::Bool(true));
    for (name, prior) in PREDECESSOR {
        item.0.remove(prior);
        item.0.remove(name);
    }
    item.0.extend(earlier.0);
    Some(item)
}

/// Moves the generation. A reset with a lease ends like any other: it can't acquire the lease again.
const MOVE: &str =
    "SET #generation = :next, #changed_by = :by, #changed_to = :next REMOVE #claimed_by, #lease_until";

/// Returns the session that moved the generation to `generation`, if a session did. A reset moves it without
/// recording a session, so the item has the session's generation too.
fn changed_by(state: &Item, generation: u64) -> Option<HolderId> {
    let is_at = |name| state.number::<u64>(name).is_ok_and(|number| number == generation);
    let holder = state.tag("changed_by").filter(|_| is_at("generation") && is_at("changed_to"));
    holder.map(|holder| HolderId::from_bytes(*holder.as_bytes()))
}

#[async_trait]
impl ContactImport for DynamoEnrolment {
    async fn import(
        &self,
        account: &AccountId,
        imported: &Registration,
        sealed_seed: Option<&str>,
        overwrite: Overwrite,
        waiting_period: Seconds,
        now: Timestamp,
    ) -> Result<Vec<(Kind, ImportAction)>, StoreError> {
        let items = items_of(&self.client, &self.table, account).await?;
        let is_first = is_first(&items);
        let held = held_contacts(&self.contacts, account, &items);
        let mut decisions = Vec::with_capacity(4);
        for (kind, contact) in imported.contacts() {
            let id = EntryId::only(kind);
            let action = import_contact(kind, contact, &held, overwrite, is_first, waiting_period, now);
            match (action, contact) {
                (ImportAction::Put { active_from, old_from, .. }, Some(contact)) => {
                    let entry = NewEntry { active_from, old_from, ..NewEntry::contact(kind, contact, now) };
                    let item = self.item(account, &entry)?.with("imported", AttributeValue::Bool(true));
                    let found = items.iter().find(|item| item.optional_text("item") == Some(id.as_str()));
                    let item =
                        found.into_iter().fold(item, |item, found| with_predecessor(item, found, &entry));
                    self.put_item(item).await?;
                }
                (ImportAction::Remove, _) => self.delete(account, &id).await?,
                _ => {}
            }
            decisions.push((kind, action));
        }
        if let Some(seed) = sealed_seed.filter(|_| !has_app(&items)) {
            let (active_from, old_from) = active_from(is_first, waiting_period, now);
            let secret = Secret::Totp { sealed_seed: seed.to_owned(), step: 0 };
            let entry = NewEntry::new(EntryId::only(Kind::Totp), "", secret, now);
            self.put(account, &NewEntry { active_from, old_from, ..entry }).await?;
            decisions.push((Kind::Totp, ImportAction::Put { active_from, old_from, replaces: false }));
        }
        let begin = self
            .update_state(account, "SET #generation = if_not_exists(#generation, :zero)")
            .expression_attribute_names("#generation", "generation")
            .expression_attribute_values(":zero", n(0));
        // Last: without it no lease can be acquired, so an interrupted import allows no reset.
        begin.send().await.map_err(unavailable)?;
        Ok(decisions)
    }
}

#[async_trait]
impl PassStore for DynamoEnrolment {
    async fn put_pass(
        &self,
        account: &AccountId,
        kind: PassKind,
        pass: &Tag,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let item = Item::default()
            .with("account", s(account.as_str()))
            .with("item", s(PASS))
            .with("pass", b(pass.as_bytes()))
            .with("expires_at", n(expires_at.as_seconds()));
        let item = match kind {
            PassKind::Caller => item,
            PassKind::Activation => item.with(PASS_KIND, s(ACTIVATION)),
        };
        self.put_item(item).await
    }

    async fn held_pass(&self, account: &AccountId) -> Result<Option<HeldPass>, StoreError> {
        let key = [("account", s(account.as_str())), ("item", s(PASS))];
        let Some(item) = consistent_get(&self.client, &self.table, &key).await? else { return Ok(None) };
        let is_activation = item.optional_text(PASS_KIND) == Some(ACTIVATION);
        Ok(Some(HeldPass {
            kind: if is_activation { PassKind::Activation } else { PassKind::Caller },
            expires_at: item.moment("expires_at")?,
            is_redeemed: item.has("last_flow"),
        }))
    }
}

#[async_trait]
impl RegistrationErasure for DynamoEnrolment {
    async fn erase(&self, account: &AccountId) -> Result<(), StoreError> {
        let items = items_of(&self.client, &self.table, account).await?;
        // The state goes last: as long as it is there, an interrupted erasure finds the others again.
        let (states, entries): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| item.optional_text("item") == Some(STATE));
        for item in entries.iter().chain(&states) {
            if let Some(reference) = item.tag(REFERENCE) {
                self.forget_passkey(account, reference.as_bytes()).await?;
            }
            let delete = self
                .client
                .delete_item()
                .table_name(&self.table)
                .key("account", s(account.as_str()))
                .key("item", s(item.text("item")?));
            delete.send().await.map_err(unavailable)?;
        }
        Ok(())
    }
}

#[async_trait]
impl EnrolmentStore for DynamoEnrolment {
    async fn registered(&self, account: &AccountId) -> Result<Registered, StoreError> {
        let mut registered = Registered::default();
        let items = items_of(&self.client, &self.table, account).await?;
        let state = items.iter().find(|item| item.optional_text("item") == Some(STATE));
        if let Some(state) = state {
            registered.generation = state.number("generation")?;
            registered.device_epoch = known_devices::epoch(state)?;
            registered.changed_by = changed_by(state, registered.generation);
            registered.confirmed_at = state.moment("confirmed_at").ok();
            registered.removed_at = state.moment("removed_at").ok();
        }
        for item in &items {
            let Some(id) = EntryId::parse(item.text("item")?) else { continue };
            self.make_known(account, item).await?;
            let used_as_contact =
                used_at(id.kind().factor()).and_then(|name| state.and_then(|state| state.moment(name).ok()));
            // An unreadable entry, or one of another version, is listed, so that its owner can remove it. It
            // is never active.
            registered.entries.push(Entry {
                added_at: item.moment("added_at").unwrap_or(Timestamp::from_seconds(0)),
                // The use of an earlier contact of the kind does not count for this one.
                last_used_at: item
                    .moment("last_used_at")
                    .ok()
                    .or(used_as_contact)
                    .filter(|used| item.moment("added_at").is_ok_and(|added| *used >= added)),
                active_from: item.moment("usable_from").unwrap_or(NEVER),
                old_from: item.moment("lifts_from").unwrap_or(NEVER),
                predecessor: item.optional_text("prior_shown").map(str::to_owned),
                shown: secrets::shown(id.kind(), item),
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
        holder: HolderId,
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
            .expression_attribute_values(":by", b(holder.as_bytes()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match bump.send().await {
            Ok(_) => Ok(Some(next)),
            // The caller's own change, whose response was lost.
            Err(error) => {
                let found = not_met(error)?;
                Ok(found.filter(|state| changed_by(state, next) == Some(holder)).map(|_| next))
            }
        }
    }

    async fn add(
        &self,
        account: &AccountId,
        generation: u64,
        holder: HolderId,
        entry: &NewEntry<'_>,
    ) -> Result<Added, StoreError> {
        let mut item = self.item(account, entry)?;
        if entry.id.kind().is_contact() && entry.active_from > entry.added_at {
            let key = [("account", s(account.as_str())), ("item", s(entry.id.as_str()))];
            if let Some(found) = consistent_get(&self.client, &self.table, &key).await? {
                item = with_predecessor(item, &found, entry);
            }
        }
        let mut writes = Vec::new();
        if let Secret::Passkey(credential) = &entry.secret {
            let reference = credential.reference();
            item = item.with(REFERENCE, b(&reference));
            writes.push(self.reserve_passkey(account, &entry.id, reference)?);
        }
        let put = Put::builder().table_name(&self.table).set_item(Some(item.0)).build();
        writes.push(TransactWriteItem::builder().put(put.map_err(incomplete)?).build());
        self.finish(account, generation, holder, writes, None).await
    }

    async fn is_registered(&self, passkey: &Credential) -> Result<bool, StoreError> {
        let key = [("account", s(known_as(&passkey.reference()))), ("item", s(OWNER))];
        Ok(consistent_get(&self.client, &self.table, &key).await?.is_some())
    }

    async fn remove(
        &self,
        account: &AccountId,
        generation: u64,
        holder: HolderId,
        id: &EntryId,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let key = [("account", s(account.as_str())), ("item", s(id.as_str()))];
        let found = if id.kind().is_contact() {
            consistent_get(&self.client, &self.table, &key).await?
        } else {
            None
        };
        let restored = found.and_then(|found| restored(&found, now));
        let removed_at = restored.is_none().then_some(now);
        let write = if let Some(item) = restored {
            let put = Put::builder().table_name(&self.table).set_item(Some(item.0)).build();
            TransactWriteItem::builder().put(put.map_err(incomplete)?)
        } else {
            let delete = Delete::builder().table_name(&self.table).key("account", s(account.as_str()));
            let delete = delete.key("item", s(id.as_str())).build();
            TransactWriteItem::builder().delete(delete.map_err(incomplete)?)
        };
        let mut writes = vec![write.build()];
        if id.kind() == Kind::Passkey {
            writes.extend(self.release_passkey(account, id).await?);
        }
        Ok(match self.finish(account, generation, holder, writes, removed_at).await? {
            Added::Done(generation) => Some(generation),
            Added::Overtaken | Added::Taken => None,
        })
    }

    async fn set_active_from(
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
            // A removed entry must not come back.
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
