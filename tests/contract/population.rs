//! The item of the population that decoys are drawn from.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use rekey_tests::fixtures::AISYAH;
use shared::domain::contact::Country;
use shared::domain::method::Method;
use shared::domain::population::{Census, PopulationVersions, ResetPolicy};
use shared::domain::time::{Seconds, Timestamp};

use crate::stores::{Stores, corrupt_variants, on_every_store, put};

on_every_store!(
    population_is_replaced_only_by_its_revision;
    at_once: concurrent_replacements_of_population_succeed_once;
    in_tables: unreadable_population_counts_as_none;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

/// Returns versions of a population with one person.
fn versions(now: Timestamp) -> PopulationVersions {
    let policy = ResetPolicy { methods: &Method::ALL, steps: 2, countries: &[Country::MALAYSIA] };
    let mut census = Census::default();
    census.count(&AISYAH.account(), &AISYAH.registration(), &policy);
    PopulationVersions::after(None, &census.population(None), now).unwrap()
}

/// Controls: C-024.
async fn population_is_replaced_only_by_its_revision(stores: &Stores) {
    let store = &stores.population;
    let found = store.population().await.unwrap();
    assert_eq!((found.value, found.revision), (None, 0));
    let (first, second) = (versions(NOW), versions(NOW + Seconds::DAY));
    assert!(store.replace_population(0, &first).await.unwrap());
    assert!(!store.replace_population(0, &second).await.unwrap(), "another count was faster");
    let found = store.population().await.unwrap();
    assert_eq!((found.value, found.revision), (Some(first), 1));
    assert!(store.replace_population(1, &second).await.unwrap());
    assert!(!store.replace_population(1, &second).await.unwrap());
    let found = store.population().await.unwrap();
    assert_eq!((found.value, found.revision), (Some(second), 2));
}

/// Controls: C-024.
async fn concurrent_replacements_of_population_succeed_once(stores: &Stores) {
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = stores.population.clone();
            tokio::spawn(async move { store.replace_population(0, &versions(NOW)).await.unwrap() })
        })
        .collect();
    let mut replaced = 0;
    for task in tasks {
        replaced += usize::from(task.await.unwrap());
    }
    assert_eq!(replaced, 1);
}

/// Every flow reads the item, so a damaged one must stop none. The next count replaces it.
/// Controls: C-071.
async fn unreadable_population_counts_as_none(client: &Client) {
    let store = Stores::in_tables(client).population;
    assert!(store.replace_population(0, &versions(NOW)).await.unwrap());
    let key = [("account".to_owned(), AttributeValue::S("population".to_owned()))];
    for (item, how) in corrupt_variants(client, "AccountsTable", &key, &["account", "rev"]).await {
        put(client, "AccountsTable", item).await;
        let found = store.population().await.unwrap();
        assert_eq!((&found.value, found.revision), (&None, 1), "{how}");
    }
    for rev in [None, Some(AttributeValue::S("1".to_owned())), Some(AttributeValue::N("-0.5".to_owned()))] {
        let rev = rev.map(|rev| ("rev".to_owned(), rev));
        put(client, "AccountsTable", key.iter().cloned().chain(rev).collect()).await;
        let revision = store.population().await.unwrap().revision;
        assert!(store.replace_population(revision, &versions(NOW)).await.unwrap());
        assert_eq!(store.population().await.unwrap().value, Some(versions(NOW)));
    }
}
