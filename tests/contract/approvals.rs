//! The store of approval requests.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::account::AccountId;
use shared::domain::approval::{ApprovalRequest, RequestStatus, Requester};
use shared::domain::flow::RequestId;
use shared::domain::holder::HolderId;
use shared::domain::keys::Tag;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{Answered, DeviceAnswer};

use crate::stores::{Stores, corrupt_variants, on_every_store, put};

on_every_store!(
    second_request_is_rejected_until_first_expires,
    new_request_replaces_request_of_same_flow,
    wrong_number_closes_the_request,
    repeated_answer_is_idempotent,
    denial_blocks_new_requests_for_a_day,
    requests_are_isolated_between_accounts;
    at_once: concurrent_numbers_are_compared_once;
    in_tables: malformed_request_item_is_ignored;
    in_tables_at_once:
);

const NOW: Timestamp = Timestamp::from_seconds(1_795_492_800);

fn account() -> AccountId {
    AccountId::from_directory("aisyah").unwrap()
}

fn id(byte: u8) -> RequestId {
    RequestId::from_bytes([byte; 16])
}

fn number(byte: u8) -> DeviceAnswer {
    DeviceAnswer::Number { tag: Tag::from_bytes([byte; 32]), young: false }
}

/// Returns request `byte` of flow `flow`, made at `now`; its number has tag 1.
fn request(byte: u8, flow: u8, now: Timestamp) -> ApprovalRequest {
    ApprovalRequest {
        id: id(byte),
        flow: HolderId::from_bytes([flow; 32]),
        number: Tag::from_bytes([1; 32]),
        requester: Requester {
            network: "203.0.113.x".into(),
            browser: "Firefox, Linux".into(),
            known_device: true,
        },
        created_at: now,
        expires_at: now + Seconds(90),
        status: RequestStatus::Pending,
        young: false,
    }
}

/// Controls: C-049.
async fn second_request_is_rejected_until_first_expires(stores: &Stores) {
    let approvals = stores.approvals.clone();
    assert!(approvals.newest(&account()).await.unwrap().is_none());
    let first = request(1, 1, NOW);
    assert!(approvals.ask(&account(), &first, NOW).await.unwrap());
    assert_eq!(approvals.newest(&account()).await.unwrap(), Some(first));
    let almost = NOW + Seconds(89);
    assert!(!approvals.ask(&account(), &request(2, 2, almost), almost).await.unwrap());
    let ended = NOW + Seconds(90);
    let late = approvals.answer(&account(), id(1), number(1), ended).await.unwrap();
    assert!(matches!(late, Answered::Gone));
    assert!(approvals.ask(&account(), &request(2, 2, ended), ended).await.unwrap());
}

async fn new_request_replaces_request_of_same_flow(stores: &Stores) {
    let approvals = stores.approvals.clone();
    assert!(approvals.ask(&account(), &request(1, 1, NOW), NOW).await.unwrap());
    assert!(approvals.ask(&account(), &request(2, 1, NOW), NOW).await.unwrap());
    assert!(matches!(approvals.answer(&account(), id(1), number(1), NOW).await.unwrap(), Answered::Gone));
    assert!(matches!(approvals.answer(&account(), id(2), number(1), NOW).await.unwrap(), Answered::Approved));
    assert!(
        !approvals.ask(&account(), &request(3, 2, NOW), NOW).await.unwrap(),
        "its flow has not read it yet"
    );
}

/// Controls: C-034.
async fn wrong_number_closes_the_request(stores: &Stores) {
    let approvals = stores.approvals.clone();
    approvals.ask(&account(), &request(1, 1, NOW), NOW).await.unwrap();
    for _ in 0..2 {
        let same = approvals.answer(&account(), id(1), number(2), NOW).await.unwrap();
        assert!(matches!(same, Answered::Wrong), "{same:?}");
    }
    assert!(matches!(approvals.answer(&account(), id(1), number(1), NOW).await.unwrap(), Answered::Gone));
    assert_eq!(approvals.newest(&account()).await.unwrap().unwrap().status, RequestStatus::Wrong);
    let denied = DeviceAnswer::Denied(NOW + Seconds::DAY);
    assert!(matches!(approvals.answer(&account(), id(1), denied, NOW).await.unwrap(), Answered::Gone));
}

async fn repeated_answer_is_idempotent(stores: &Stores) {
    let approvals = stores.approvals.clone();
    approvals.ask(&account(), &request(1, 1, NOW), NOW).await.unwrap();
    let answer = async |request, answer| approvals.answer(&account(), request, answer, NOW).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(answer(id(1), number(1)).await, Answered::Approved));
    }
    assert!(matches!(answer(id(1), number(2)).await, Answered::Gone), "another number");
    assert!(matches!(answer(id(2), number(1)).await, Answered::Gone), "another request");
    assert!(matches!(answer(id(1), DeviceAnswer::Denied(NOW + Seconds::DAY)).await, Answered::Gone));
}

/// Controls: C-050.
async fn denial_blocks_new_requests_for_a_day(stores: &Stores) {
    let approvals = stores.approvals.clone();
    approvals.ask(&account(), &request(1, 1, NOW), NOW).await.unwrap();
    let until = NOW + Seconds::DAY;
    let denied = DeviceAnswer::Denied(until);
    for (expected, noted) in [(false, id(2)), (false, id(1)), (true, id(1))] {
        match approvals.answer(&account(), id(1), denied, NOW).await.unwrap() {
            Answered::Denied { request, notified } => assert_eq!((notified, request.id), (expected, id(1))),
            other => panic!("{other:?}"),
        }
        approvals.note_notified(&account(), noted).await.unwrap();
    }
    assert!(matches!(approvals.answer(&account(), id(1), number(1), NOW).await.unwrap(), Answered::Gone));
    let almost = NOW + Seconds(86_399);
    for flow in [1, 2] {
        assert!(!approvals.ask(&account(), &request(2, flow, almost), almost).await.unwrap(), "flow {flow}");
    }
    assert!(approvals.ask(&account(), &request(2, 2, until), until).await.unwrap());
}

async fn requests_are_isolated_between_accounts(stores: &Stores) {
    let approvals = stores.approvals.clone();
    approvals.ask(&account(), &request(1, 1, NOW), NOW).await.unwrap();
    let other = AccountId::from_directory("priya").unwrap();
    assert!(matches!(approvals.answer(&other, id(1), number(1), NOW).await.unwrap(), Answered::Gone));
    assert!(approvals.newest(&other).await.unwrap().is_none());
    assert!(approvals.ask(&other, &request(2, 2, NOW), NOW).await.unwrap());
}

/// It grants no access, and although the item remains it delays new requests no longer than intended.
/// Controls: C-071.
async fn malformed_request_item_is_ignored(client: &Client) {
    let approvals = Stores::in_tables(client).approvals;
    let key = [("flow".to_owned(), AttributeValue::B(Blob::new(ApprovalRequest::key(&account()))))];
    assert!(approvals.ask(&account(), &request(1, 1, NOW), NOW).await.unwrap());
    let kept_until = NOW + Seconds(90) + Seconds::HOUR;
    for (item, what) in corrupt_variants(client, "FlowsTable", &key, &["flow"]).await {
        put(client, "FlowsTable", item.clone()).await;
        let has_use = ["ttl", "blocked_until"].iter().any(|name| what.starts_with(name));
        assert_eq!(approvals.newest(&account()).await.unwrap().is_some(), has_use, "{what}");
        approvals.note_notified(&account(), id(1)).await.unwrap();
        let other = request(2, 2, kept_until);
        assert!(approvals.ask(&account(), &other, kept_until).await.unwrap(), "{what}");
        assert_eq!(approvals.newest(&account()).await.unwrap(), Some(other), "{what}");
        for answer in [number(1), DeviceAnswer::Denied(NOW + Seconds::DAY)] {
            put(client, "FlowsTable", item.clone()).await;
            let answered = approvals.answer(&account(), id(1), answer, NOW).await.unwrap();
            assert!(has_use || matches!(answered, Answered::Gone), "{what}: {answered:?}");
        }
    }
}

/// Controls: C-034.
async fn concurrent_numbers_are_compared_once(stores: &Stores) {
    let approvals = stores.approvals.clone();
    approvals.ask(&account(), &request(1, 1, NOW), NOW).await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let approvals = approvals.clone();
            tokio::spawn(async move { approvals.answer(&account(), id(1), number(n), NOW).await.unwrap() })
        })
        .collect();
    let mut attempts = 0;
    for task in tasks {
        attempts += usize::from(!matches!(task.await.unwrap(), Answered::Gone));
    }
    assert_eq!(attempts, 1);
}
