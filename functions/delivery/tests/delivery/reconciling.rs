//! Reconciles a crash of `password-set` after each of its steps.

use std::sync::Arc;

use crate::support::{Around, START, event, flow_key, ports, sealed};
use delivery::{RECEIVES, handle};
use shared::domain::account::AccountId;
use shared::domain::flow::{Facts, Flow, Opened, Outcome, Reason, Stage};
use shared::domain::keys::Tag;
use shared::domain::language::Language;
use shared::domain::message::{Channel, Message, Notice, ReconcileChange};
use shared::domain::method::Method;
use shared::domain::notice::Event;
use shared::domain::time::Seconds;

/// The generation of the change.
const GENERATION: u64 = 4;

fn proven(reason: Reason) -> Flow {
    let facts = Facts {
        account: AccountId::from_directory("aisyah").unwrap(),
        decoy: false,
        generation: GENERATION - 1,
        behind: None,
        steps: 2,
        opened_at: START,
        expires_at: START + Seconds(30),
        offers: Vec::new(),
        language: Language::Malay,
    };
    let tag = Tag::from_bytes([1; 32]);
    let second = Opened { facts }.choose(reason).prove(Method::Totp, false, tag).unwrap().choosing().unwrap();
    second.prove(Method::Email, false, tag).unwrap()
}

fn done(reason: Reason, notices_queued: bool) -> Flow {
    let stage = if reason == Reason::Forgotten { Stage::Password } else { Stage::Unlock };
    Flow::Done(proven(reason).proven(stage).unwrap().finish(START + Seconds(1), notices_queued))
}

/// Returns whether the reconciliation is to be retried.
async fn settle(around: &Arc<Around>) -> bool {
    settle_as(around, Outcome::Reset).await
}

async fn settle_as(around: &Arc<Around>, outcome: Outcome) -> bool {
    settle_for(around, outcome, 1).await
}

/// As `settle`, for the `count`th receive.
async fn settle_for(around: &Arc<Around>, outcome: Outcome, count: u32) -> bool {
    let settle = ReconcileChange {
        flow: flow_key(),
        account: AccountId::from_directory("aisyah").unwrap(),
        generation: GENERATION,
        outcome,
        methods: vec![Method::Totp, Method::Email],
        language: Language::Malay,
    };
    around.advance(Seconds(45));
    let response = handle(&ports(around, &[]), event(&[sealed(&Message::Reconcile(settle))], count)).await;
    !response.batch_item_failures.is_empty()
}

fn notices(around: &Around) -> Vec<Notice> {
    let notice = |message| match message {
        Message::Notice(notice) => notice,
        other => panic!("{other:?} is no notice"),
    };
    around.queued().into_iter().map(notice).collect()
}

fn is_told(around: &Around) -> bool {
    matches!(around.flow(), Some(Flow::Done(done)) if done.notices_queued)
}

/// Controls: C-025.
#[tokio::test]
async fn crash_before_directory_write_queues_no_notices() {
    let around = Arc::new(Around::default());
    around.put_flow(&proven(Reason::Forgotten));
    assert!(!settle(&around).await);
    assert!(around.queued().is_empty());
    assert_eq!(around.flow().unwrap().stage(), Stage::Password, "the person may try again");
}

/// Controls: C-062.
#[tokio::test]
async fn crash_after_directory_write_notifies_and_finishes_flow() {
    for (reason, outcome) in [(Reason::Forgotten, Outcome::Reset), (Reason::Locked, Outcome::Unlocked)] {
        let around = Arc::new(Around::default());
        around.put_flow(&proven(reason));
        around.write(GENERATION);
        assert!(!settle_as(&around, outcome).await);
        let told = notices(&around);
        let channels: Vec<Channel> = told.iter().map(|notice| notice.to.channel()).collect();
        assert_eq!(channels, [Channel::Email, Channel::Email, Channel::Sms, Channel::Voice]);
        for notice in &told {
            assert_eq!((notice.event, notice.at, notice.language), (outcome.into(), START, Language::Malay));
            assert_eq!(notice.methods, [Method::Totp, Method::Email]);
        }
        assert!(is_told(&around));
    }
}

/// Controls: C-062.
#[tokio::test]
async fn crash_before_notices_notifies_every_contact_once() {
    let around = Arc::new(Around::default());
    around.put_flow(&done(Reason::Forgotten, false));
    around.write(GENERATION);
    assert!(!settle(&around).await);
    let told = notices(&around);
    assert_eq!(told.len(), 4);
    assert_eq!(told[0].at, START + Seconds(1), "the time that the flow knows");
    assert!(is_told(&around));
    assert!(!settle(&around).await);
    assert!(notices(&around).is_empty(), "the second look finds nothing to do");
}

/// Controls: C-062.
#[tokio::test]
async fn change_with_unknown_outcome_is_reconciled_again() {
    let around = Arc::new(Around::default());
    around.put_flow(&proven(Reason::Forgotten));
    around.forget_writes();
    assert!(settle(&around).await, "the look comes again");
    assert!(notices(&around).is_empty() && !is_told(&around));
    around.write(GENERATION);
    assert!(!settle(&around).await);
    assert!(notices(&around).len() == 4 && is_told(&around));
}

/// Controls: C-062.
#[tokio::test]
async fn unknown_outcome_is_notified_on_last_retry() {
    for outcome in [Outcome::Reset, Outcome::Unlocked] {
        let around = Arc::new(Around::default());
        around.put_flow(&proven(Reason::Forgotten));
        around.forget_writes();
        for count in 1..RECEIVES {
            assert!(settle_for(&around, outcome, count).await, "try {count} is followed by another");
            assert!(notices(&around).is_empty(), "try {count}");
        }
        assert!(settle_for(&around, outcome, RECEIVES).await, "it goes where the alarm is");
        let told = notices(&around);
        let channels: Vec<Channel> = told.iter().map(|notice| notice.to.channel()).collect();
        assert_eq!(channels, [Channel::Email, Channel::Email, Channel::Sms, Channel::Voice]);
        for notice in &told {
            assert_eq!((notice.event, notice.at), (Event::Unconfirmed, START));
            assert_eq!(notice.methods, [Method::Totp, Method::Email]);
        }
        assert_eq!(around.flow().unwrap().stage(), Stage::Password, "nobody says that it is done");
    }
}

/// Controls: C-062.
#[tokio::test]
async fn last_retry_uses_a_known_directory_outcome() {
    let around = Arc::new(Around::default());
    around.put_flow(&proven(Reason::Forgotten));
    assert!(!settle_for(&around, Outcome::Reset, RECEIVES).await);
    assert!(notices(&around).is_empty(), "nothing was changed");
    around.write(GENERATION);
    assert!(!settle_for(&around, Outcome::Reset, RECEIVES).await);
    assert!(notices(&around).iter().all(|notice| notice.event == Event::Reset) && is_told(&around));
}

/// `password-set` finished the flow after the directory had answered, but did not queue the notifications.
/// Controls: C-062.
#[tokio::test]
async fn finished_change_with_unknown_outcome_is_notified() {
    let around = Arc::new(Around::default());
    around.put_flow(&done(Reason::Forgotten, false));
    around.forget_writes();
    assert!(!settle(&around).await);
    let told = notices(&around);
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|notice| notice.event == Event::Reset) && is_told(&around));
}

#[tokio::test]
async fn finished_and_notified_change_queues_no_further_notices() {
    let around = Arc::new(Around::default());
    around.put_flow(&done(Reason::Locked, true));
    around.write(GENERATION);
    assert!(!settle(&around).await);
    assert!(notices(&around).is_empty());
}

#[tokio::test]
async fn reconciliation_is_retried_when_the_queue_fails() {
    let around = Arc::new(Around::default());
    around.put_flow(&proven(Reason::Forgotten));
    around.write(GENERATION);
    around.break_queue(true);
    assert!(settle(&around).await);
    assert!(!is_told(&around));
    around.break_queue(false);
    assert!(!settle(&around).await);
    assert_eq!(notices(&around).len(), 4);
}

/// Controls: C-062.
#[tokio::test]
async fn change_of_deleted_or_cancelled_flow_is_notified() {
    for flow in [None, Some(proven(Reason::Forgotten).cancel())] {
        let around = Arc::new(Around::default());
        if let Some(flow) = flow {
            around.put_flow(&flow);
        }
        around.write(GENERATION);
        assert!(!settle(&around).await);
        assert_eq!(notices(&around).len(), 4);
    }
}
