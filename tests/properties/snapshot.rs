//! Snapshots of the stored accounts and entries, to detect and undo the changes of a request.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use rekey_tests::World;

type Item = HashMap<String, AttributeValue>;

/// The tables of entries and of accounts, with their key attributes.
const TABLES: [(&str, &[&str]); 2] =
    [("SecurityInfoTable", &["account", "item"]), ("AccountsTable", &["account"])];

/// The location of an item: table and key.
type Place = (&'static str, Vec<String>);

/// Every item of these tables.
pub struct Snapshot(BTreeMap<Place, Item>);

/// A changed attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub table: &'static str,
    pub key: Vec<String>,
    pub attribute: String,
}

impl Snapshot {
    /// Reads the tables.
    pub async fn read(world: &World) -> Self {
        let mut all = BTreeMap::new();
        for (table, keys) in TABLES {
            let items = world.client.scan().table_name(table).send().await.unwrap().items.unwrap();
            for mut item in items {
                let key = keys.iter().map(|key| item[*key].as_s().unwrap().clone()).collect();
                for value in item.values_mut() {
                    // A set has no order.
                    if let AttributeValue::Ss(texts) = value {
                        texts.sort();
                    }
                }
                all.insert((table, key), item);
            }
        }
        Self(all)
    }

    /// Returns the changes since the snapshot, and undoes them.
    pub async fn undo(&self, world: &World) -> Vec<Change> {
        let later = Self::read(world).await;
        let changes = self.changes(&later);
        if !changes.is_empty() {
            self.restore(world, &later).await;
        }
        changes
    }

    fn changes(&self, later: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let places: BTreeSet<&Place> = self.0.keys().chain(later.0.keys()).collect();
        for place in places {
            let none = Item::new();
            let (old, new) = (self.0.get(place).unwrap_or(&none), later.0.get(place).unwrap_or(&none));
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            changes.extend(
                names.into_iter().filter(|name| old.get(*name) != new.get(*name)).map(|name| Change {
                    table: place.0,
                    key: place.1.clone(),
                    attribute: name.clone(),
                }),
            );
        }
        changes
    }

    async fn restore(&self, world: &World, later: &Self) {
        for (place, item) in &self.0 {
            if later.0.get(place) != Some(item) {
                let put = world.client.put_item().table_name(place.0).set_item(Some(item.clone()));
                put.send().await.unwrap();
            }
        }
        for ((table, key), _) in later.0.iter().filter(|(place, _)| !self.0.contains_key(*place)) {
            let names = TABLES.iter().find(|(name, _)| name == table).unwrap().1;
            let key =
                names.iter().map(|name| (*name).to_owned()).zip(key.iter().cloned().map(AttributeValue::S));
            let delete = world.client.delete_item().table_name(*table).set_key(Some(key.collect()));
            delete.send().await.unwrap();
        }
    }
}
