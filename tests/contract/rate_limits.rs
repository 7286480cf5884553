//! The table of rate limits.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use shared::domain::account::AccountId;
use shared::domain::account_limits::{self, Bucket, LimitLog, SendLimits, SendRequest, TieredLimit};
use shared::domain::client::NetworkTag;
use shared::domain::message::SmsShare;
use shared::domain::method::Factor;
use shared::domain::name::NameRef;
use shared::domain::rate_limit::RateLimit;
use shared::domain::time::{Seconds, Timestamp};

use crate::stores::{Stores, corrupt_variants, on_every_store, put};

on_every_store!(
    counter_increments_per_key_and_window,
    rate_limit_rejects_requests_above_limit,
    refunded_rate_limit_can_be_acquired_again,
    limits_of_one_item_are_acquired_together_or_not_at_all,
    send_rate_limit_rejects_write_with_stale_revision,
    random_rate_limit_operations_match_reference_model;
    at_once: concurrent_acquires_never_exceed_rate_limit;
    in_tables: unreadable_send_rate_limit_is_reset, unreadable_counter_fails_until_its_window_ends;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const LIMITS: SendLimits = SendLimits {
    per_hour: 5,
    per_day: 10,
    pushes_per_hour: 3,
    contacts_per_flow: 5,
    contacts_per_day: TieredLimit::new(30, 10),
    unredeemed: TieredLimit::of_messages(20),
};

/// Returns a client on some network.
fn somebody() -> account_limits::Client {
    account_limits::Client { network: NetworkTag::from_stored(7).unwrap(), known_device: false }
}

async fn counter_increments_per_key_and_window(stores: &Stores) {
    let rate_limits = stores.rate_limits.clone();
    let opens = |name| RateLimit::OpensOfName(NameRef::from_bytes([name; 32]));
    for expected in 1..4 {
        assert_eq!(rate_limits.increment(&opens(1), NOW).await.unwrap(), expected);
    }
    assert_eq!(rate_limits.increment(&opens(2), NOW).await.unwrap(), 1);
    assert_eq!(rate_limits.increment(&opens(1), NOW + Seconds::HOUR).await.unwrap(), 1, "another window");
}

async fn rate_limit_rejects_requests_above_limit(stores: &Stores) {
    let rate_limits = stores.rate_limits.clone();
    for expected in [true, true, false, false] {
        assert_eq!(rate_limits.try_acquire(&RateLimit::PhoneMessages, 2, NOW).await.unwrap(), expected);
    }
}

/// Controls: C-069.
async fn refunded_rate_limit_can_be_acquired_again(stores: &Stores) {
    let rate_limits = stores.rate_limits.clone();
    let take = async || rate_limits.try_acquire(&RateLimit::PhoneMessages, 1, NOW).await.unwrap();
    rate_limits.refund(&RateLimit::PhoneMessages, NOW).await.unwrap();
    assert!(take().await && !take().await, "nothing was taken yet, so nothing came back");
    rate_limits.refund(&RateLimit::PhoneMessages, NOW).await.unwrap();
    assert!(take().await && !take().await);
}

/// Controls: C-024.
async fn concurrent_acquires_never_exceed_rate_limit(stores: &Stores) {
    let rate_limits = stores.rate_limits.clone();
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let rate_limits = rate_limits.clone();
            tokio::spawn(
                async move { rate_limits.try_acquire(&RateLimit::PhoneMessages, 7, NOW).await.unwrap() },
            )
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        taken += usize::from(task.await.unwrap());
    }
    assert_eq!(taken, 7);
    assert!(
        !rate_limits
            .try_acquire(&RateLimit::OpensOfName(NameRef::from_bytes([9; 32])), 0, NOW)
            .await
            .unwrap()
    );
}

/// Controls: C-024.
/// Controls: C-132.
async fn limits_of_one_item_are_acquired_together_or_not_at_all(stores: &Stores) {
    let rate_limits = stores.rate_limits.clone();
    let (all, share) = (RateLimit::PhoneMessages, RateLimit::PhoneMessagesOf(SmsShare::FirstStep));
    let take = async |most, of_share| {
        let limits = [(all.clone(), most), (share.clone(), of_share)];
        rate_limits.try_acquire_together(&limits, NOW).await.unwrap()
    };
    assert!(!take(9, 0).await && !take(0, 9).await);
    assert!(take(9, 2).await && take(9, 2).await && !take(9, 2).await, "the share is used up");
    assert!(!take(2, 9).await, "all are used up");
    assert_eq!(rate_limits.increment(&all, NOW).await.unwrap(), 3, "what was refused took nothing");
    rate_limits.refund(&share, NOW).await.unwrap();
    assert!(take(9, 2).await && !take(9, 2).await, "one came back");
    assert!(!rate_limits.try_acquire(&share, 2, NOW).await.unwrap());
    assert!(rate_limits.try_acquire(&all, 5, NOW).await.unwrap());
}

async fn send_rate_limit_rejects_write_with_stale_revision(stores: &Stores) {
    let rate_limits = stores.rate_limits.clone();
    let account = AccountId::from_directory("aisyah").unwrap();
    let read = rate_limits.limit_log(&account).await.unwrap();
    assert_eq!((read.revision, &read.value), (0, &LimitLog::default()));
    let mut limit_log = read.value;
    let send = SendRequest {
        factor: Factor::MobilePhone,
        bucket: Bucket::FirstStep,
        client: somebody(),
        generation: 0,
        verified_factors: &[],
    };
    limit_log.try_acquire_send(&send, NOW, &LIMITS).unwrap();
    assert_eq!(rate_limits.replace_limit_log(&account, 0, &limit_log, NOW).await.unwrap(), Some(1));
    assert_eq!(
        rate_limits.replace_limit_log(&account, 0, &limit_log, NOW).await.unwrap(),
        None,
        "another request was faster"
    );
    let read = rate_limits.limit_log(&account).await.unwrap();
    assert_eq!((read.revision, &read.value), (1, &limit_log));
    assert_eq!(rate_limits.replace_limit_log(&account, 1, &limit_log, NOW).await.unwrap(), Some(2));
}

/// Otherwise the owner would get no code while the item exists, even long after its expiry.
/// Controls: C-071.
async fn unreadable_send_rate_limit_is_reset(client: &Client) {
    let rate_limits = Stores::in_tables(client).rate_limits;
    let account = AccountId::from_directory("aisyah").unwrap();
    let mut limit_log = LimitLog::default();
    let send = SendRequest {
        factor: Factor::MobilePhone,
        bucket: Bucket::FirstStep,
        client: somebody(),
        generation: 0,
        verified_factors: &[],
    };
    limit_log.try_acquire_send(&send, NOW, &LIMITS).unwrap();
    for revision in 0..3 {
        rate_limits.replace_limit_log(&account, revision, &limit_log, NOW).await.unwrap().unwrap();
    }
    let key = [("budget".to_owned(), AttributeValue::S("sends#aisyah".to_owned()))];
    for (item, what) in corrupt_variants(client, "BudgetsTable", &key, &["budget", "ttl"]).await {
        put(client, "BudgetsTable", item).await;
        let read = rate_limits.limit_log(&account).await.unwrap();
        let expected = if what.starts_with("rev") { &limit_log } else { &LimitLog::default() };
        assert_eq!(&read.value, expected, "{what}: what can be read counts");
        let next = rate_limits.replace_limit_log(&account, read.revision, &limit_log, NOW).await.unwrap();
        assert_eq!(next, Some(read.revision + 1), "{what}");
        assert_eq!(rate_limits.limit_log(&account).await.unwrap().value, limit_log, "{what}");
    }
}

/// A counter's key contains its hour or day, so a corrupt counter matters in that window only.
async fn unreadable_counter_fails_until_its_window_ends(client: &Client) {
    let rate_limits = Stores::in_tables(client).rate_limits;
    for value in [AttributeValue::S("many".to_owned()), AttributeValue::Bool(true)] {
        let item = [
            ("budget".to_owned(), AttributeValue::S(RateLimit::PhoneMessages.key(NOW))),
            ("count".to_owned(), value),
        ];
        put(client, "BudgetsTable", item.into()).await;
        assert!(!rate_limits.try_acquire(&RateLimit::PhoneMessages, 7, NOW).await.is_ok_and(|taken| taken));
        assert!(rate_limits.increment(&RateLimit::PhoneMessages, NOW).await.is_err());
    }
    assert!(rate_limits.try_acquire(&RateLimit::PhoneMessages, 1, NOW + Seconds::DAY).await.unwrap());
}

#[derive(Clone, Debug)]
enum Operation {
    Increment,
    TryAcquire(u64),
    Replace(u64),
}

/// Random sequences of calls, compared with counters and revisions in a map.
/// Controls: C-024.
async fn random_rate_limit_operations_match_reference_model(stores: &Stores) {
    let rate_limits = stores.rate_limits.clone();
    let act = prop_oneof![
        Just(Operation::Increment),
        (0_u64..6).prop_map(Operation::TryAcquire),
        (0_u64..5).prop_map(Operation::Replace)
    ];
    let sequence = prop::collection::vec((act, 0_usize..2), 120);
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(1), ..Config::default() });
    let acts = sequence.new_tree(&mut runner).unwrap().current();
    let (mut counts, mut revisions) = (BTreeMap::<usize, u64>::new(), BTreeMap::<usize, u64>::new());
    for (at, (act, who)) in acts.into_iter().enumerate() {
        let account = AccountId::from_directory(format!("plain{who}")).unwrap();
        let plain = RateLimit::OpensOfName(NameRef::from_bytes([u8::try_from(who).unwrap(); 32]));
        let count = counts.entry(who).or_default();
        let revision = revisions.entry(who).or_default();
        match act {
            Operation::Increment => {
                *count += 1;
                assert_eq!(rate_limits.increment(&plain, NOW).await.unwrap(), *count, "act {at}");
            }
            Operation::TryAcquire(limit) => {
                let fits = *count < limit;
                *count += u64::from(fits);
                assert_eq!(rate_limits.try_acquire(&plain, limit, NOW).await.unwrap(), fits, "act {at}");
            }
            Operation::Replace(read) => {
                let fits = *revision == read;
                *revision += u64::from(fits);
                let limit_log = LimitLog::default();
                let written = rate_limits.replace_limit_log(&account, read, &limit_log, NOW).await.unwrap();
                assert_eq!(written, fits.then_some(read + 1), "act {at}");
                assert_eq!(rate_limits.limit_log(&account).await.unwrap().revision, *revision, "act {at}");
            }
        }
    }
}
