//! The registrations of many people at once, for imports.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, Select, WriteRequest};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::enrolment::{DynamoEnrolment, has_app, is_first, state_of, stored_contact};
use super::{STATE, items_of, registration_of};
use crate::adapters::dynamodb::batch::{self, AT_ONCE, names, projection, put};
use crate::adapters::dynamodb::item::{Item, n, s, unavailable};
use crate::domain::account::{AccountId, Contact, Registration};
use crate::domain::import::{HeldRegistration, NewRegistration};
use crate::domain::security_info::{EntryId, Kind, Secret};
use crate::domain::time::Timestamp;
use crate::ports::{BulkContactImport, NewEntry, StoreError};

/// Accounts beyond this number are read by a scan of the table, which costs less than so many queries.
const QUERIES_MAX: usize = 1_000;

/// What several accounts have; `None` for one with an unreadable item.
type Held = HashMap<AccountId, Option<HeldRegistration>>;

impl DynamoEnrolment {
    /// Reads an account's items. Opening contacts takes most of the time, so each is opened once.
    fn held_of(&self, account: &AccountId, items: &[Item], now: Timestamp) -> Option<HeldRegistration> {
        let registration = registration_of(items.to_vec(), &self.contacts, account, now).ok()?;
        let state = state_of(items);
        let contact = |item: &Item| {
            let kind = EntryId::parse(item.optional_text("item")?)?.kind();
            stored_contact(kind, newest(&registration, kind)?, item, state)
        };
        Some(HeldRegistration {
            contacts: items.iter().filter_map(contact).collect(),
            is_first: is_first(items),
            has_app: has_app(items),
            is_begun: state.is_some(),
            registration,
        })
    }

    async fn by_queries(&self, accounts: &[AccountId], now: Timestamp) -> Result<Held, StoreError> {
        let client = batch::patient(&self.client);
        let queries: Vec<_> = accounts
            .iter()
            .map(|id| {
                let (client, table) = (&client, &self.table);
                async move { Ok::<_, StoreError>((id, items_of(client, table, id).await?)) }
            })
            .collect();
        let found: Vec<(&AccountId, Vec<Item>)> =
            stream::iter(queries).buffer_unordered(AT_ONCE).try_collect().await?;
        let found = found.into_iter().filter(|(_, items)| !items.is_empty());
        Ok(found.map(|(id, items)| (id.clone(), self.held_of(id, &items, now))).collect())
    }

    /// Reads the whole table. The items of an account follow each other.
    async fn by_scan(&self, accounts: &[AccountId], now: Timestamp) -> Result<Held, StoreError> {
        let client = batch::patient(&self.client);
        let wanted: HashSet<&AccountId> = accounts.iter().collect();
        let mut held = Held::new();
        let mut current: (Option<AccountId>, Vec<Item>) = (None, Vec::new());
        let mut after = None;
        loop {
            let scan = client.scan().table_name(&self.table).consistent_read(true);
            let page = scan.set_exclusive_start_key(after).send().await.map_err(unavailable)?;
            for item in page.items.unwrap_or_default().into_iter().map(Item) {
                let id = item.optional_text("account").and_then(|id| AccountId::from_directory(id).ok());
                if id != current.0 {
                    let (earlier, items) = std::mem::replace(&mut current, (id, Vec::new()));
                    if let Some(id) = earlier.filter(|id| wanted.contains(id)) {
                        held.insert(id.clone(), self.held_of(&id, &items, now));
                    }
                }
                current.1.push(item);
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        let (last, items) = current;
        if let Some(id) = last.filter(|id| wanted.contains(id)) {
            held.insert(id.clone(), self.held_of(&id, &items, now));
        }
        Ok(held)
    }

    /// Returns the entries of a new account.
    fn entries(&self, new: &NewRegistration, now: Timestamp) -> Result<Vec<WriteRequest>, StoreError> {
        let contacts =
            new.contacts.contacts().into_iter().filter_map(|(kind, contact)| Some((kind, contact?)));
        let mut requests = Vec::new();
        for (kind, contact) in contacts {
            let item = self.item(&new.account, &NewEntry::contact(kind, contact, now))?;
            requests.push(put(item.with("imported", AttributeValue::Bool(true)))?);
        }
        if let Some(seed) = &new.sealed_seed {
            let secret = Secret::Totp { sealed_seed: seed.clone(), step: 0 };
            let entry = NewEntry::new(EntryId::only(Kind::Totp), "", secret, now);
            requests.push(put(self.item(&new.account, &entry)?)?);
        }
        Ok(requests)
    }
}

/// Returns the contact of a kind that was written last: the one that waits, where there is one.
fn newest(registration: &Registration, kind: Kind) -> Option<String> {
    let next = &registration.successors;
    let newest = match kind {
        Kind::AlternateEmail => {
            next.alternate_email.as_ref().or(registration.alternate_email.as_ref()).map(Contact::Email)
        }
        Kind::Mobile => next.mobile.as_ref().or(registration.mobile.as_ref()).map(Contact::Phone),
        Kind::OfficePhone => {
            next.office_phone.as_ref().or(registration.office_phone.as_ref()).map(Contact::Phone)
        }
        _ => None,
    };
    newest.map(|contact| contact.expose().to_owned())
}

#[async_trait]
impl BulkContactImport for DynamoEnrolment {
    async fn held(&self, accounts: &[AccountId], now: Timestamp) -> Result<Held, StoreError> {
        if accounts.len() > QUERIES_MAX {
            self.by_scan(accounts, now).await
        } else {
            self.by_queries(accounts, now).await
        }
    }

    async fn holders(&self) -> Result<HashSet<AccountId>, StoreError> {
        let client = batch::patient(&self.client);
        let (mut holders, mut after) = (HashSet::new(), None);
        loop {
            let scan = client.scan().table_name(&self.table).consistent_read(true);
            let scan = scan
                .projection_expression(projection(&["account"]))
                .set_expression_attribute_names(Some(names(&["account"])))
                .select(Select::SpecificAttributes);
            let page = scan.set_exclusive_start_key(after).send().await.map_err(unavailable)?;
            for item in page.items.unwrap_or_default().into_iter().map(Item) {
                holders
                    .extend(item.optional_text("account").and_then(|id| AccountId::from_directory(id).ok()));
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(holders);
            }
        }
    }

    async fn put_new(&self, new: &[NewRegistration], now: Timestamp) -> Result<(), StoreError> {
        let client = batch::patient(&self.client);
        let mut entries = Vec::new();
        for one in new {
            entries.append(&mut self.entries(one, now)?);
        }
        batch::write(&client, &self.table, entries).await?;
        // Last: without it no lease can be acquired, so an interrupted import allows no reset.
        let state = |one: &NewRegistration| {
            let item = Item::default().with("account", s(one.account.as_str()));
            put(item.with("item", s(STATE)).with("generation", n(0)))
        };
        let states = new.iter().map(state).collect::<Result<Vec<_>, _>>()?;
        batch::write(&client, &self.table, states).await
    }
}
