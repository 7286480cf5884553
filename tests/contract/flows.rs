//! The table of flows.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::account::{AccountId, Offer};
use shared::domain::flow::{Choosing, Flow, FlowContext, FlowLimits, Opened, Reason, Stage};
use shared::domain::holder::HolderId;
use shared::domain::keys::Tag;
use shared::domain::language::Language;
use shared::domain::method::Method;
use shared::domain::support_code::{FOUND_FOR, SupportCode};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{AttemptOutcome, CodeAttempt, FlowStore, Found};

use crate::stores::{Stores, contacts, on_every_store};

on_every_store!(
    flow_is_readable_until_it_expires,
    flow_with_too_distant_expiry_is_ignored,
    flow_update_with_stale_revision_is_rejected,
    code_attempt_is_counted_and_accepted_once,
    flow_attempts_above_limit_are_rejected,
    flow_is_found_by_its_support_code_for_a_day;
    at_once: concurrent_wrong_codes_never_exceed_attempt_limit, concurrent_correct_attempts_are_accepted_once;
    in_tables: malformed_flow_item_is_ignored;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);
const LIMITS: FlowLimits = FlowLimits {
    lifetime: Seconds(900),
    code_lifetime: Seconds(600),
    code_attempts: 5,
    flow_attempts: 10,
    sends_per_step: 3,
};
const KEY: HolderId = HolderId::from_bytes([7; 32]);

fn tag(byte: u8) -> Tag {
    Tag::from_bytes([byte; 32])
}

fn attempt(byte: u8) -> CodeAttempt {
    CodeAttempt { step: 1, tag: tag(byte) }
}

fn opened() -> Opened {
    let offers = Method::ALL
        .into_iter()
        .map(|method| Offer { method, masked: "*****98".to_owned(), young: false })
        .collect();
    Opened {
        context: FlowContext {
            account: AccountId::from_directory("aisyah").unwrap(),
            decoy: false,
            generation: 3,
            behind: None,
            steps: 2,
            opened_at: NOW,
            expires_at: NOW + LIMITS.lifetime,
            offers,
            language: Language::Tamil,
            login: None,
            password_policy: None,
            known_device: false,
        },
    }
}

fn choosing() -> Choosing {
    opened().choose(Reason::Forgotten)
}

/// Returns a store with a flow that waits for the code with tag 1.
async fn awaiting(stores: &Stores) -> Arc<dyn FlowStore> {
    let flows = stores.flows.clone();
    flows.insert(KEY, &opened()).await.unwrap();
    let next = Flow::AwaitingCode(choosing().send(Method::Email, tag(1), tag(9), NOW, &LIMITS));
    assert!(flows.replace(KEY, 1, &next, NOW).await.unwrap());
    flows
}

/// Controls: C-039.
async fn flow_is_readable_until_it_expires(stores: &Stores) {
    let flows = &stores.flows;
    assert!(flows.load(KEY, NOW).await.unwrap().is_none());
    flows.insert(KEY, &opened()).await.unwrap();
    assert!(flows.insert(KEY, &opened()).await.is_err(), "a key is taken once");
    let found = flows.load(KEY, NOW).await.unwrap().unwrap();
    assert_eq!((found.revision, found.value.stage()), (1, Stage::Reason));
    assert_eq!(found.value.context(), &opened().context);
    let end = NOW + LIMITS.lifetime;
    assert!(flows.load(KEY, end + Seconds(0)).await.unwrap().is_none(), "its item is still there");
}

/// Controls: C-240.
async fn flow_is_found_by_its_support_code_for_a_day(stores: &Stores) {
    let (flows, holders) = (&stores.flows, &stores.holders);
    let code = |key: HolderId| SupportCode::of_holder(key, &contacts()).unwrap();
    flows.insert(KEY, &opened()).await.unwrap();
    flows.insert(HolderId::from_bytes([8; 32]), &opened()).await.unwrap();
    let found = async |key, now| holders.find_by_code(code(key), now).await.unwrap();
    let [Found::Flow(flow)] = &found(KEY, NOW).await[..] else { panic!("one flow") };
    assert_eq!(flow.context(), &opened().context);
    assert!(found(HolderId::from_bytes([9; 32]), NOW).await.is_empty());
    let end = NOW + LIMITS.lifetime + FOUND_FOR;
    assert_eq!(found(KEY, Timestamp::from_seconds(end.as_seconds() - 1)).await.len(), 1);
    assert!(found(KEY, end).await.is_empty());
}

/// For example an expiry in milliseconds.
/// Controls: C-039.
async fn flow_with_too_distant_expiry_is_ignored(stores: &Stores) {
    let flows = &stores.flows;
    let mut late = opened();
    late.context.expires_at = Timestamp::from_seconds(NOW.as_seconds() * 1_000);
    flows.insert(KEY, &late).await.unwrap();
    assert!(flows.load(KEY, NOW).await.unwrap().is_none());
    assert!(!flows.replace(KEY, 1, &Flow::Choosing(choosing()), NOW).await.unwrap());
    assert!(matches!(flows.attempt_code(KEY, attempt(1), &LIMITS, NOW).await.unwrap(), AttemptOutcome::Gone));
    assert!(flows.spend_attempt(KEY, &LIMITS, NOW).await.unwrap().is_none());
}

/// Controls: C-024.
async fn flow_update_with_stale_revision_is_rejected(stores: &Stores) {
    let flows = &stores.flows;
    let next = Flow::Choosing(choosing());
    assert!(!flows.replace(KEY, 1, &next, NOW).await.unwrap(), "nothing is there");
    flows.insert(KEY, &opened()).await.unwrap();
    assert!(!flows.replace(KEY, 2, &next, NOW).await.unwrap());
    assert!(flows.replace(KEY, 1, &next, NOW).await.unwrap());
    assert!(!flows.replace(KEY, 1, &next, NOW).await.unwrap(), "it is another one by now");
    assert!(!flows.replace(KEY, 2, &next, NOW + LIMITS.lifetime).await.unwrap(), "it has ended");
    assert_eq!(flows.load(KEY, NOW).await.unwrap().unwrap().value.stage(), Stage::Method);
}

/// Controls: C-027.
async fn code_attempt_is_counted_and_accepted_once(stores: &Stores) {
    let flows = awaiting(stores).await;
    let AttemptOutcome::Wrong(Flow::AwaitingCode(left)) =
        flows.attempt_code(KEY, attempt(2), &LIMITS, NOW).await.unwrap()
    else {
        panic!("a wrong attempt")
    };
    assert_eq!(left.attempts_left(&LIMITS), 4);
    let late = NOW + LIMITS.code_lifetime;
    assert!(matches!(
        flows.attempt_code(KEY, attempt(1), &LIMITS, late).await.unwrap(),
        AttemptOutcome::Spent(_)
    ));
    let other_step = CodeAttempt { step: 2, tag: tag(1) };
    assert!(matches!(
        flows.attempt_code(KEY, other_step, &LIMITS, NOW).await.unwrap(),
        AttemptOutcome::NotAwaited(_)
    ));
    let AttemptOutcome::Right(flow) = flows.attempt_code(KEY, attempt(1), &LIMITS, NOW).await.unwrap() else {
        panic!("the right attempt")
    };
    assert_eq!((flow.stage(), flow.verified()), (Stage::Method, 1));
    for again in [1, 2] {
        let outcomes = flows.attempt_code(KEY, attempt(again), &LIMITS, NOW).await.unwrap();
        let AttemptOutcome::NotAwaited(flow) = outcomes else { panic!("no code is awaited") };
        assert_eq!(flow.was_verified_by(1, &tag(again)), again == 1);
        assert!(
            matches!(flow, Flow::Choosing(state) if state.progress.flow_attempts == 2),
            "and no try is spent"
        );
    }
    let ended = NOW + LIMITS.lifetime;
    assert!(matches!(
        flows.attempt_code(KEY, attempt(1), &LIMITS, ended).await.unwrap(),
        AttemptOutcome::Gone
    ));
    let unknown = HolderId::from_bytes([8; 32]);
    assert!(matches!(
        flows.attempt_code(unknown, attempt(1), &LIMITS, NOW).await.unwrap(),
        AttemptOutcome::Gone
    ));
}

async fn all_at_once(
    flows: &Arc<dyn FlowStore>,
    guesses: impl Iterator<Item = CodeAttempt>,
) -> Vec<AttemptOutcome> {
    let tasks: Vec<_> = guesses
        .map(|guess| {
            let flows = flows.clone();
            tokio::spawn(async move { flows.attempt_code(KEY, guess, &LIMITS, NOW).await.unwrap() })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

/// Controls: C-021.
async fn concurrent_wrong_codes_never_exceed_attempt_limit(stores: &Stores) {
    let flows = awaiting(stores).await;
    let outcomes = all_at_once(&flows, (10..60).map(attempt)).await;
    let attempts = outcomes.iter().filter(|outcome| matches!(outcome, AttemptOutcome::Wrong(_))).count();
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, AttemptOutcome::Spent(_))).count();
    assert_eq!((attempts, refused), (5, 45));
    assert!(matches!(
        flows.attempt_code(KEY, attempt(1), &LIMITS, NOW).await.unwrap(),
        AttemptOutcome::Spent(_)
    ));
}

/// Controls: C-027.
async fn concurrent_correct_attempts_are_accepted_once(stores: &Stores) {
    let flows = awaiting(stores).await;
    let outcomes = all_at_once(&flows, (0..20).map(|_| attempt(1))).await;
    let won = outcomes.iter().filter(|outcome| matches!(outcome, AttemptOutcome::Right(_))).count();
    assert_eq!(won, 1);
}

/// Controls: C-008.
async fn flow_attempts_above_limit_are_rejected(stores: &Stores) {
    let flows = &stores.flows;
    flows.insert(KEY, &opened()).await.unwrap();
    for spent in 1..=10 {
        let flow = flows.spend_attempt(KEY, &LIMITS, NOW).await.unwrap();
        assert!(flow.is_some(), "try {spent}");
    }
    assert!(flows.spend_attempt(KEY, &LIMITS, NOW).await.unwrap().is_none());
    let unknown = HolderId::from_bytes([8; 32]);
    assert!(flows.spend_attempt(unknown, &LIMITS, NOW).await.unwrap().is_none());
}

/// Controls: C-071.
async fn malformed_flow_item_is_ignored(client: &Client) {
    let flows = awaiting(&Stores::in_tables(client)).await;
    let key = AttributeValue::B(Blob::new(KEY.as_bytes()));
    let mut item = client
        .get_item()
        .table_name("FlowsTable")
        .key("flow", key)
        .send()
        .await
        .unwrap()
        .item
        .expect("the flow's item");
    for (name, value) in [
        ("v", AttributeValue::N("1".to_owned())),
        ("state", AttributeValue::S("unheard-of".to_owned())),
        ("body", AttributeValue::S("{}".to_owned())),
        ("expires_at", AttributeValue::S("soon".to_owned())),
        ("code_tries", AttributeValue::Null(true)),
    ] {
        let kept = item.insert(name.to_owned(), value).unwrap();
        client.put_item().table_name("FlowsTable").set_item(Some(item.clone())).send().await.unwrap();
        assert!(flows.load(KEY, NOW).await.unwrap().is_none(), "{name}");
        item.insert(name.to_owned(), kept);
    }
    for name in ["guess", "code", "code_expires_at"] {
        let mut damaged = item.clone();
        damaged.remove(name);
        client.put_item().table_name("FlowsTable").set_item(Some(damaged)).send().await.unwrap();
        let outcomes = flows.attempt_code(KEY, attempt(1), &LIMITS, NOW).await.unwrap();
        assert!(!matches!(outcomes, AttemptOutcome::Right(_)), "a missing {name} satisfies no condition");
    }
}
