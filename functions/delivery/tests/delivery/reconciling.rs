//! Reconciles a crash of `password-set` after each of its steps.

use std::sync::Arc;

use crate::support::{Fakes, Log, START, event, flow_key, ports, sealed};
use delivery::{RECEIVES, handle};
use shared::domain::account::AccountId;
use shared::domain::flow::{Flow, FlowContext, Opened, Outcome, Reason, Stage};
use shared::domain::keys::Tag;
use shared::domain::language::Language;
use shared::domain::message::{Channel, Message, Notice, ReconcileChange};
use shared::domain::method::Method;
use shared::domain::notice::Event;
use shared::domain::time::Seconds;

/// The generation of the change.
const GENERATION: u64 = 4;

fn verified_flow(reason: Reason) -> Flow {
    let context = FlowContext {
        account: AccountId::from_directory("aisyah").unwrap(),
        decoy: false,
        generation: GENERATION - 1,
        behind: None,
        steps: 2,
        opened_at: START,
        expires_at: START + Seconds(30),
        offers: Vec::new(),
        language: Language::Malay,
        login: None,
        password_policy: None,
        known_device: false,
    };
    let tag = Tag::from_bytes([1; 32]);
    let second =
        Opened { context }.choose(reason).verify(Method::Totp, false, tag).unwrap().choosing().unwrap();
    second.verify(Method::Email, false, tag).unwrap()
}

fn done(reason: Reason, notices_queued: bool) -> Flow {
    let stage = if reason == Reason::Forgotten { Stage::Password } else { Stage::Unlock };
    Flow::Done(verified_flow(reason).all_verified(stage).unwrap().finish(START + Seconds(1), notices_queued))
}

/// Returns whether the reconciliation is to be retried.
async fn reconcile(fakes: &Arc<Fakes>) -> bool {
    reconcile_outcome(fakes, Outcome::Reset).await
}

async fn reconcile_outcome(fakes: &Arc<Fakes>, outcome: Outcome) -> bool {
    reconcile_receive(fakes, outcome, 1).await
}

/// As `reconcile`, for the `count`th receive.
async fn reconcile_receive(fakes: &Arc<Fakes>, outcome: Outcome, count: u32) -> bool {
    let settle = ReconcileChange {
        flow: flow_key(),
        account: AccountId::from_directory("aisyah").unwrap(),
        generation: GENERATION,
        outcome,
        methods: vec![Method::Totp, Method::Email],
        language: Language::Malay,
    };
    fakes.advance(Seconds(45));
    let response = handle(&ports(fakes, &[]), event(&[sealed(&Message::Reconcile(settle))], count)).await;
    !response.batch_item_failures.is_empty()
}

fn notices(fakes: &Fakes) -> Vec<Notice> {
    let notice = |message| match message {
        Message::Notice(notice) => notice,
        other => panic!("{other:?} is no notice"),
    };
    fakes.queued().into_iter().map(notice).collect()
}

fn notices_are_queued(fakes: &Fakes) -> bool {
    matches!(fakes.flow(), Some(Flow::Done(done)) if done.notices_queued)
}

/// Controls: C-025.
#[tokio::test]
async fn crash_before_directory_write_queues_no_notices() {
    let fakes = Arc::new(Fakes::default());
    fakes.put_flow(&verified_flow(Reason::Forgotten));
    assert!(!reconcile(&fakes).await);
    assert!(fakes.queued().is_empty());
    assert_eq!(fakes.flow().unwrap().stage(), Stage::Password, "the person may try again");
}

/// Controls: C-062.
#[tokio::test]
async fn crash_after_directory_write_notifies_and_finishes_flow() {
    for (reason, outcome) in [(Reason::Forgotten, Outcome::Reset), (Reason::Locked, Outcome::Unlocked)] {
        let fakes = Arc::new(Fakes::default());
        fakes.put_flow(&verified_flow(reason));
        fakes.write(GENERATION);
        assert!(!reconcile_outcome(&fakes, outcome).await);
        let notices_sent = notices(&fakes);
        let channels: Vec<Channel> = notices_sent.iter().map(|notice| notice.to.channel()).collect();
        // The office is called for a reset only.
        let expected = [Channel::Email, Channel::Email, Channel::Sms, Channel::Voice];
        assert_eq!(channels, expected[..if outcome == Outcome::Reset { 4 } else { 3 }]);
        for notice in &notices_sent {
            assert_eq!((notice.event, notice.at, notice.language), (outcome.into(), START, Language::Malay));
            assert_eq!(notice.methods, [Method::Totp, Method::Email]);
        }
        assert!(notices_are_queued(&fakes));
    }
}

/// Controls: C-062.
#[tokio::test]
async fn crash_before_notices_notifies_every_contact_once() {
    let fakes = Arc::new(Fakes::default());
    fakes.put_flow(&done(Reason::Forgotten, false));
    fakes.write(GENERATION);
    assert!(!reconcile(&fakes).await);
    let notices_sent = notices(&fakes);
    assert_eq!(notices_sent.len(), 4);
    assert_eq!(notices_sent[0].at, START + Seconds(1), "the time that the flow knows");
    assert!(notices_are_queued(&fakes));
    assert!(!reconcile(&fakes).await);
    assert!(notices(&fakes).is_empty(), "the second look finds nothing to do");
}

/// Controls: C-062.
#[tokio::test]
async fn change_with_unknown_outcome_is_reconciled_again() {
    let fakes = Arc::new(Fakes::default());
    fakes.put_flow(&verified_flow(Reason::Forgotten));
    fakes.forget_writes();
    assert!(reconcile(&fakes).await, "the look comes again");
    assert!(notices(&fakes).is_empty() && !notices_are_queued(&fakes));
    fakes.write(GENERATION);
    assert!(!reconcile(&fakes).await);
    assert!(notices(&fakes).len() == 4 && notices_are_queued(&fakes));
}

/// Controls: C-062.
#[tokio::test]
async fn unknown_outcome_is_notified_on_last_retry() {
    for outcome in [Outcome::Reset, Outcome::Unlocked] {
        let fakes = Arc::new(Fakes::default());
        fakes.put_flow(&verified_flow(Reason::Forgotten));
        fakes.forget_writes();
        for count in 1..RECEIVES {
            assert!(reconcile_receive(&fakes, outcome, count).await, "try {count} is followed by another");
            assert!(notices(&fakes).is_empty(), "try {count}");
        }
        assert!(reconcile_receive(&fakes, outcome, RECEIVES).await, "it goes where the alarm is");
        let notices_sent = notices(&fakes);
        let channels: Vec<Channel> = notices_sent.iter().map(|notice| notice.to.channel()).collect();
        assert_eq!(channels, [Channel::Email, Channel::Email, Channel::Sms, Channel::Voice]);
        for notice in &notices_sent {
            assert_eq!((notice.event, notice.at), (Event::Unconfirmed, START));
            assert_eq!(notice.methods, [Method::Totp, Method::Email]);
        }
        assert_eq!(fakes.flow().unwrap().stage(), Stage::Password, "the page does not say that it is done");
    }
}

/// The audit trail gets the end of a flow whose change nobody can confirm, once.
/// Controls: C-232.
#[tokio::test]
async fn change_that_stays_unconfirmed_ends_failed() {
    let log = Log::default();
    let _guard = log.keep();
    let fakes = Arc::new(Fakes::default());
    fakes.put_flow(&verified_flow(Reason::Forgotten));
    fakes.forget_writes();
    for count in 1..RECEIVES {
        reconcile_receive(&fakes, Outcome::Reset, count).await;
    }
    assert_eq!(log.outcomes("flow.ended"), [], "it may still be told");
    reconcile_receive(&fakes, Outcome::Reset, RECEIVES).await;
    assert_eq!(log.outcomes("flow.ended"), [("failed".to_owned(), "unconfirmed".to_owned())]);
}

/// Controls: C-062.
#[tokio::test]
async fn last_retry_uses_a_known_directory_outcome() {
    let fakes = Arc::new(Fakes::default());
    fakes.put_flow(&verified_flow(Reason::Forgotten));
    assert!(!reconcile_receive(&fakes, Outcome::Reset, RECEIVES).await);
    assert!(notices(&fakes).is_empty(), "nothing was changed");
    fakes.write(GENERATION);
    assert!(!reconcile_receive(&fakes, Outcome::Reset, RECEIVES).await);
    assert!(notices(&fakes).iter().all(|notice| notice.event == Event::Reset) && notices_are_queued(&fakes));
}

/// `password-set` finished the flow after the directory had answered, but did not queue the notifications.
/// Controls: C-062.
#[tokio::test]
async fn finished_change_with_unknown_outcome_is_notified() {
    let fakes = Arc::new(Fakes::default());
    fakes.put_flow(&done(Reason::Forgotten, false));
    fakes.forget_writes();
    assert!(!reconcile(&fakes).await);
    let notices_sent = notices(&fakes);
    assert_eq!(notices_sent.len(), 4);
    assert!(notices_sent.iter().all(|notice| notice.event == Event::Reset) && notices_are_queued(&fakes));
}

#[tokio::test]
async fn finished_and_notified_change_queues_no_further_notices() {
    let fakes = Arc::new(Fakes::default());
    fakes.put_flow(&done(Reason::Locked, true));
    fakes.write(GENERATION);
    assert!(!reconcile(&fakes).await);
    assert!(notices(&fakes).is_empty());
}

#[tokio::test]
async fn reconciliation_is_retried_when_the_queue_fails() {
    let fakes = Arc::new(Fakes::default());
    fakes.put_flow(&verified_flow(Reason::Forgotten));
    fakes.write(GENERATION);
    fakes.break_queue(true);
    assert!(reconcile(&fakes).await);
    assert!(!notices_are_queued(&fakes));
    fakes.break_queue(false);
    assert!(!reconcile(&fakes).await);
    assert_eq!(notices(&fakes).len(), 4);
}

/// Controls: C-062.
#[tokio::test]
async fn change_of_deleted_or_cancelled_flow_is_notified() {
    for flow in [None, Some(verified_flow(Reason::Forgotten).cancel())] {
        let fakes = Arc::new(Fakes::default());
        if let Some(flow) = flow {
            fakes.put_flow(&flow);
        }
        fakes.write(GENERATION);
        assert!(!reconcile(&fakes).await);
        assert_eq!(notices(&fakes).len(), 4);
    }
}
