//! The table of rate limits.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use shared::domain::account::AccountId;
use shared::domain::budget::{FlowMark, Pool, Send, SendLedger, SendLimits};
use shared::domain::method::Factor;
use shared::domain::name::NameRef;
use shared::domain::rate_limit::RateLimit;
use shared::domain::time::{Seconds, Timestamp};

use crate::stores::{Stores, damaged, on_every_store, put};

on_every_store!(
    counter_increments_per_key_and_window,
    rate_limit_rejects_requests_above_limit,
    refunded_rate_limit_can_be_acquired_again,
    send_rate_limit_rejects_write_with_stale_revision,
    random_rate_limit_operations_match_reference_model;
    at_once: concurrent_acquires_never_exceed_rate_limit;
    in_tables: unreadable_send_rate_limit_is_reset, unreadable_counter_fails_until_its_window_ends;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const LIMITS: SendLimits =
    SendLimits { per_hour: 5, per_day: 10, contacts_per_flow: 5, contacts_per_day: 10, unredeemed: 20 };

async fn counter_increments_per_key_and_window(stores: &Stores) {
    let budgets = stores.budgets.clone();
    let opens = |name| RateLimit::OpensOfName(NameRef::from_bytes([name; 32]));
    for expected in 1..4 {
        assert_eq!(budgets.count(&opens(1), NOW).await.unwrap(), expected);
    }
    assert_eq!(budgets.count(&opens(2), NOW).await.unwrap(), 1);
    assert_eq!(budgets.count(&opens(1), NOW + Seconds::HOUR).await.unwrap(), 1, "another window");
}

async fn rate_limit_rejects_requests_above_limit(stores: &Stores) {
    let budgets = stores.budgets.clone();
    for expected in [true, true, false, false] {
        assert_eq!(budgets.take(&RateLimit::PhoneMessages, 2, NOW).await.unwrap(), expected);
    }
}

/// Controls: C-069.
async fn refunded_rate_limit_can_be_acquired_again(stores: &Stores) {
    let budgets = stores.budgets.clone();
    let take = async || budgets.take(&RateLimit::PhoneMessages, 1, NOW).await.unwrap();
    budgets.give_back(&RateLimit::PhoneMessages, NOW).await.unwrap();
    assert!(take().await && !take().await, "nothing was taken yet, so nothing came back");
    budgets.give_back(&RateLimit::PhoneMessages, NOW).await.unwrap();
    assert!(take().await && !take().await);
}

/// Controls: C-024.
async fn concurrent_acquires_never_exceed_rate_limit(stores: &Stores) {
    let budgets = stores.budgets.clone();
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let budgets = budgets.clone();
            tokio::spawn(async move { budgets.take(&RateLimit::PhoneMessages, 7, NOW).await.unwrap() })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        taken += usize::from(task.await.unwrap());
    }
    assert_eq!(taken, 7);
    assert!(
        !budgets
            .take(&RateLimit::Changes(AccountId::from_directory("aisyah").unwrap()), 0, NOW)
            .await
            .unwrap()
    );
}

/// Controls: C-024.
async fn send_rate_limit_rejects_write_with_stale_revision(stores: &Stores) {
    let budgets = stores.budgets.clone();
    let account = AccountId::from_directory("aisyah").unwrap();
    let read = budgets.ledger(&account).await.unwrap();
    assert_eq!((read.revision, &read.value), (0, &SendLedger::default()));
    let mut ledger = read.value;
    let send = Send {
        factor: Factor::MobilePhone,
        pool: Pool::First,
        flow: FlowMark(1),
        generation: 0,
        proved: &[],
    };
    ledger.take(&send, NOW, &LIMITS).unwrap();
    assert_eq!(budgets.replace_ledger(&account, 0, &ledger, NOW).await.unwrap(), Some(1));
    assert_eq!(budgets.replace_ledger(&account, 0, &ledger, NOW).await.unwrap(), None, "somebody was faster");
    let read = budgets.ledger(&account).await.unwrap();
    assert_eq!((read.revision, &read.value), (1, &ledger));
    assert_eq!(budgets.replace_ledger(&account, 1, &ledger, NOW).await.unwrap(), Some(2));
}

/// Otherwise the owner would get no code while the item exists, even long after its expiry.
/// Controls: C-071.
async fn unreadable_send_rate_limit_is_reset(client: &Client) {
    let budgets = Stores::in_tables(client).budgets;
    let account = AccountId::from_directory("aisyah").unwrap();
    let mut ledger = SendLedger::default();
    let send = Send {
        factor: Factor::MobilePhone,
        pool: Pool::First,
        flow: FlowMark(1),
        generation: 0,
        proved: &[],
    };
    ledger.take(&send, NOW, &LIMITS).unwrap();
    for revision in 0..3 {
        budgets.replace_ledger(&account, revision, &ledger, NOW).await.unwrap().unwrap();
    }
    let key = [("budget".to_owned(), AttributeValue::S("sends#aisyah".to_owned()))];
    for (item, what) in damaged(client, "BudgetsTable", &key, &["budget", "ttl"]).await {
        put(client, "BudgetsTable", item).await;
        let read = budgets.ledger(&account).await.unwrap();
        let expected = if what.starts_with("rev") { &ledger } else { &SendLedger::default() };
        assert_eq!(&read.value, expected, "{what}: what can be read counts");
        let next = budgets.replace_ledger(&account, read.revision, &ledger, NOW).await.unwrap();
        assert_eq!(next, Some(read.revision + 1), "{what}");
        assert_eq!(budgets.ledger(&account).await.unwrap().value, ledger, "{what}");
    }
}

/// A counter's key contains its hour or day, so a corrupt counter matters in that window only.
async fn unreadable_counter_fails_until_its_window_ends(client: &Client) {
    let budgets = Stores::in_tables(client).budgets;
    for value in [AttributeValue::S("many".to_owned()), AttributeValue::Bool(true)] {
        let item = [
            ("budget".to_owned(), AttributeValue::S(RateLimit::PhoneMessages.key(NOW))),
            ("count".to_owned(), value),
        ];
        put(client, "BudgetsTable", item.into()).await;
        assert!(!budgets.take(&RateLimit::PhoneMessages, 7, NOW).await.is_ok_and(|taken| taken));
        assert!(budgets.count(&RateLimit::PhoneMessages, NOW).await.is_err());
    }
    assert!(budgets.take(&RateLimit::PhoneMessages, 1, NOW + Seconds::DAY).await.unwrap());
}

#[derive(Clone, Debug)]
enum Act {
    Count,
    Take(u64),
    Replace(u64),
}

/// Random sequences of calls, compared with counters and revisions in a map.
/// Controls: C-024.
async fn random_rate_limit_operations_match_reference_model(stores: &Stores) {
    let budgets = stores.budgets.clone();
    let act =
        prop_oneof![Just(Act::Count), (0_u64..6).prop_map(Act::Take), (0_u64..5).prop_map(Act::Replace)];
    let sequence = prop::collection::vec((act, 0_usize..2), 120);
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(1), ..Config::default() });
    let acts = sequence.new_tree(&mut runner).unwrap().current();
    let (mut counts, mut revisions) = (BTreeMap::<usize, u64>::new(), BTreeMap::<usize, u64>::new());
    for (at, (act, who)) in acts.into_iter().enumerate() {
        let account = AccountId::from_directory(format!("plain{who}")).unwrap();
        let plain = RateLimit::Changes(account.clone());
        let count = counts.entry(who).or_default();
        let revision = revisions.entry(who).or_default();
        match act {
            Act::Count => {
                *count += 1;
                assert_eq!(budgets.count(&plain, NOW).await.unwrap(), *count, "act {at}");
            }
            Act::Take(limit) => {
                let fits = *count < limit;
                *count += u64::from(fits);
                assert_eq!(budgets.take(&plain, limit, NOW).await.unwrap(), fits, "act {at}");
            }
            Act::Replace(read) => {
                let fits = *revision == read;
                *revision += u64::from(fits);
                let ledger = SendLedger::default();
                let written = budgets.replace_ledger(&account, read, &ledger, NOW).await.unwrap();
                assert_eq!(written, fits.then_some(read + 1), "act {at}");
                assert_eq!(budgets.ledger(&account).await.unwrap().revision, *revision, "act {at}");
            }
        }
    }
}
