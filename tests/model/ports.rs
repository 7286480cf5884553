//! Scripted ports for the real handlers. A call that the script answers returns at once. The first call beyond the
//! script is recorded and never returns.
//!
//! So a request and the answers so far describe a running handler. Run again with them, it reaches the same call and
//! continues with any answer, or with none. Every port method makes the same operations as its adapter. It makes one,
//! or two if an attempt was not compared or a lease is taken again.

use std::cell::RefCell;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use shared::adapters::memory::{StoredFlow, StoredRequest};
use shared::domain::account::{Account, AccountId, Registration};
use shared::domain::account_limits::LimitLog;
use shared::domain::approval::{ApprovalRequest, RequestStatus};
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::device::{Device, DeviceKey};
use shared::domain::flow::{CodeSlot, Flow, FlowLimits, Opened, Record, RequestId};
use shared::domain::holder::HolderId;
use shared::domain::language::Language;
use shared::domain::message::Envelope;
use shared::domain::name::CanonicalName;
use shared::domain::pass::{PassKind, PassTags};
use shared::domain::password::{NewPassword, Violation};
use shared::domain::push::Subscription;
use shared::domain::rate_limit::RateLimit;
use shared::domain::security_info::{Consumption, EntryId, Kind, Secret};
use shared::domain::session::Session;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{
    ActiveEntry, Answered, ApprovalStore, AttemptOutcome, AuthenticatorStore, Capabilities, ChangeError,
    ChangeInspector, ChangeOutcome, Clock, CodeAttempt, DeviceAnswer, DeviceStore, Directory, DirectoryError,
    DirectoryWrite, Entropy, FlowStore, KnownDeviceStore, LeaseHolder, LeaseOutcome, LeaseStore, Mail,
    MailSender, MessageQueue, Metric, Metrics, PasswordChange, PasswordDirectory, Push, PushSender,
    PushTargets, QueueError, RateLimitStore, SecurityInfoStore, SendError, SessionStore, StoreError,
    StoredDevice, TextSender, Timer, Versioned, VoiceSender,
};

use crate::calls::{Answer, Call, Refused, flow_of};
use crate::tables::Mutation;

/// The script of one run of a handler.
#[derive(Default)]
pub struct Script {
    /// The answers to its calls, each with its time.
    pub answers: Vec<(Answer, i64)>,
    /// Number of answers used so far.
    pub at: usize,
    /// The present time, in seconds.
    pub now: i64,
    /// Seed of the run's entropy.
    pub seed: u64,
    /// Number of draws from the entropy so far.
    pub drawn: u64,
    /// The rule to disable. Only rules between two calls are disabled here.
    pub mutation: Option<Mutation>,
    /// The approval request that the loaded flow waits for.
    pub awaited: Option<(HolderId, RequestId)>,
    /// The hashes on the loaded sheet.
    pub listed: Vec<String>,
    /// The first call beyond the script.
    pub pending: Option<Call>,
}

thread_local! {
    pub static SCRIPT: RefCell<Script> = RefCell::default();
}

/// All ports, as one type.
#[derive(Clone, Copy)]
pub struct Scripted;

async fn ask(call: Call) -> Answer {
    let answered = SCRIPT.with_borrow_mut(|script| {
        let (answer, now) = script.answers.get(script.at).cloned()?;
        script.at += 1;
        script.now = now;
        Some(answer)
    });
    if let Some(answer) = answered {
        return answer;
    }
    SCRIPT.with_borrow_mut(|script| script.pending = Some(call));
    std::future::pending().await
}

fn mutated(by: Mutation) -> bool {
    SCRIPT.with_borrow(|script| script.mutation) == Some(by)
}

fn failed() -> Box<dyn std::error::Error + Send + Sync> {
    "out of order".into()
}

fn unavailable() -> StoreError {
    StoreError::Unavailable(failed())
}

/// Makes a call that expects one kind of answer.
macro_rules! ask {
    ($call:expr, $($answer:pat => $value:expr),+ $(,)?) => {
        match ask($call).await {
            $($answer => Ok($value),)+
            Answer::Failed => Err(unavailable().into()),
            other => panic!("{other:?} is no answer to this call"),
        }
    };
}

impl Clock for Scripted {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(SCRIPT.with_borrow(|script| script.now))
    }
}

/// Time is no part of the model, so responses leave at once.
#[async_trait]
impl Timer for Scripted {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _wait: Duration) {}
}

impl Entropy for Scripted {
    fn fill(&self, bytes: &mut [u8]) {
        let (seed, nth) = SCRIPT.with_borrow_mut(|script| {
            script.drawn += 1;
            (script.seed, script.drawn)
        });
        for (part, chunk) in bytes.chunks_mut(32).enumerate() {
            let hash = Sha256::digest([seed, nth, part as u64].map(u64::to_be_bytes).concat());
            chunk.copy_from_slice(&hash[..chunk.len()]);
        }
    }
}

#[async_trait]
impl FlowStore for Scripted {
    async fn insert(&self, key: HolderId, flow: &Opened) -> Result<(), StoreError> {
        let flow = StoredFlow::of(1, &Flow::Opened(flow.clone()));
        ask!(Call::Insert { key, flow }, Answer::Done => ())
    }

    async fn load(&self, key: HolderId, at: Timestamp) -> Result<Option<Versioned<Flow>>, StoreError> {
        let read = |stored: StoredFlow| {
            let flow = flow_of(&stored);
            if let Flow::AwaitingAnswer(state) = &flow {
                SCRIPT.with_borrow_mut(|script| script.awaited = Some((key, state.request)));
            }
            Versioned { value: flow, revision: stored.revision }
        };
        ask!(Call::Load { key, at }, Answer::Flow(found) => found.map(read))
    }

    async fn replace(
        &self,
        key: HolderId,
        revision: u64,
        next: &Flow,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let next = StoredFlow::of(revision + 1, next);
        ask!(Call::Replace { key, next, at }, Answer::Flag(replaced) => replaced)
    }

    async fn attempt_code(
        &self,
        key: HolderId,
        guess: CodeAttempt,
        limits: &FlowLimits,
        at: Timestamp,
    ) -> Result<AttemptOutcome, StoreError> {
        let step = guess.step;
        let call = Call::CodeAttempt { key, guess, limits: *limits, at };
        if mutated(Mutation::AttemptReadThenWrite)
            && let Answer::Flow(Some(read)) = ask(Call::Load { key, at }).await
            && let Some(slot) = read.record.slot.as_ref().filter(|slot| slot.attempts < limits.code_attempts)
        {
            let slot =
                CodeSlot { last_attempt: Some(guess.tag), attempts: slot.attempts + 1, ..slot.clone() };
            let record = Record { slot: Some(slot), ..(*read.record).clone() };
            let _ = ask(call).await;
            return Ok(match Flow::try_from(record).unwrap() {
                flow @ Flow::AwaitingCode(_) => AttemptOutcome::Wrong(flow),
                flow => AttemptOutcome::Right(flow),
            });
        }
        let found = match ask(call).await {
            Answer::Compared(stored) => {
                return Ok(match flow_of(&stored) {
                    flow @ Flow::AwaitingCode(_) => AttemptOutcome::Wrong(flow),
                    flow => AttemptOutcome::Right(flow),
                });
            }
            Answer::NotCompared(found) => found,
            Answer::Failed => return Err(unavailable()),
            other => panic!("{other:?} is no answer to an attempt"),
        };
        let Some(flow) = found.as_ref().map(flow_of) else { return Ok(AttemptOutcome::Gone) };
        if matches!(flow, Flow::AwaitingCode(_)) && flow.verified() + 1 == step {
            return Ok(AttemptOutcome::Spent(flow));
        }
        Ok(AttemptOutcome::NotAwaited(flow))
    }

    async fn spend_attempt(
        &self,
        key: HolderId,
        limits: &FlowLimits,
        at: Timestamp,
    ) -> Result<Option<Flow>, StoreError> {
        ask!(Call::Spend { key, limits: *limits, at }, Answer::Flow(found) => found.as_ref().map(flow_of))
    }
}

#[async_trait]
impl RateLimitStore for Scripted {
    async fn increment(&self, limit: &RateLimit, now: Timestamp) -> Result<u64, StoreError> {
        ask!(Call::Increment { key: limit.key(now), until: limit.kept_until(now) }, Answer::Number(count) => count)
    }

    async fn try_acquire(&self, limit: &RateLimit, most: u64, now: Timestamp) -> Result<bool, StoreError> {
        let (key, until) = (limit.key(now), limit.kept_until(now));
        ask!(Call::TryAcquire { key, limit: most, until }, Answer::Flag(taken) => taken)
    }

    async fn try_acquire_together(
        &self,
        limits: &[(RateLimit, u64)],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // One write; no contact in the model reaches one of these limits.
        let (first, most) = &limits[0];
        self.try_acquire(first, *most, now).await
    }

    async fn refund(&self, _: &RateLimit, _: Timestamp) -> Result<(), StoreError> {
        panic!("no person in the model signs in");
    }

    async fn limit_log(&self, account: &AccountId) -> Result<Versioned<LimitLog>, StoreError> {
        let read = |limit_log: String| {
            let forgets = !mutated(Mutation::SendLimitsNeverExpire);
            serde_json::from_str(&if forgets { limit_log } else { ageless(&limit_log) }).unwrap()
        };
        ask!(
            Call::LimitLog { account: account.clone() },
            Answer::LimitLog { rev, limit_log } => Versioned { value: read(limit_log), revision: rev },
        )
    }

    async fn replace_limit_log(
        &self,
        account: &AccountId,
        revision: u64,
        limit_log: &LimitLog,
        at: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let limit_log = serde_json::to_string(limit_log).unwrap();
        ask!(
            Call::ReplaceLimitLog { account: account.clone(), rev: revision, limit_log, at },
            Answer::Flag(replaced) => replaced.then_some(revision + 1),
        )
    }
}

#[async_trait]
impl SecurityInfoStore for Scripted {
    async fn registration(&self, account: &AccountId, at: Timestamp) -> Result<Registration, StoreError> {
        ask!(
            Call::Registration { account: account.clone(), at },
            Answer::Registration(registration) => *registration,
        )
    }
}

#[async_trait]
impl AuthenticatorStore for Scripted {
    async fn active(
        &self,
        account: &AccountId,
        kind: Kind,
        at: Timestamp,
    ) -> Result<Vec<ActiveEntry>, StoreError> {
        let read = |active: Vec<ActiveEntry>| {
            if let Some(ActiveEntry { secret: Secret::RecoveryCodes(sheet), .. }) = active.first() {
                SCRIPT.with_borrow_mut(|script| script.listed.clone_from(&sheet.hashes));
            }
            active
        };
        ask!(Call::Active { account: account.clone(), kind, at }, Answer::Active(found) => read(found))
    }

    async fn consume(
        &self,
        account: &AccountId,
        entry: &EntryId,
        consumption: &Consumption,
        flow: HolderId,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        let (account, entry) = (account.clone(), entry.clone());
        let call = Call::Consume { account, entry, consumption: consumption.clone(), flow };
        if let Consumption::RecoveryCode(hash) = consumption
            && mutated(Mutation::RecoveryCodeReadThenWrite)
        {
            let listed = SCRIPT.with_borrow(|script| script.listed.contains(hash));
            let _ = ask(call).await;
            return Ok(listed);
        }
        ask!(call, Answer::Flag(accepted) => accepted)
    }

    /// No account in the model has a pass.
    async fn redeem_pass(
        &self,
        _: &AccountId,
        _: &PassTags,
        _: HolderId,
        _: Timestamp,
    ) -> Result<Option<PassKind>, StoreError> {
        Ok(None)
    }
}

#[async_trait]
impl ApprovalStore for Scripted {
    async fn ask(
        &self,
        account: &AccountId,
        request: &ApprovalRequest,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let call = Call::RequestApproval { account: account.clone(), request: request.clone(), at };
        ask!(call, Answer::Flag(asked) => asked)
    }

    async fn newest(&self, account: &AccountId) -> Result<Option<ApprovalRequest>, StoreError> {
        let read = |found: ApprovalRequest| match SCRIPT.with_borrow(|script| script.awaited) {
            Some((flow, id)) if mutated(Mutation::ApprovalOfAnyFlow) => ApprovalRequest { flow, id, ..found },
            _ => found,
        };
        ask!(Call::Newest { account: account.clone() }, Answer::Newest(found) => found.map(read))
    }

    async fn answer(
        &self,
        account: &AccountId,
        request: RequestId,
        answer: DeviceAnswer,
        at: Timestamp,
    ) -> Result<Answered, StoreError> {
        let came_to = |found: StoredRequest| match found.request.status {
            RequestStatus::Approved => Answered::Approved,
            RequestStatus::Denied => {
                Answered::Denied { request: Box::new(found.request), notified: found.notified }
            }
            RequestStatus::Wrong | RequestStatus::Pending => Answered::Wrong,
        };
        let call = Call::Answer { account: account.clone(), request, answer, at };
        ask!(call, Answer::Answered(found) => found.map_or(Answered::Gone, came_to))
    }

    async fn note_notified(&self, account: &AccountId, request: RequestId) -> Result<(), StoreError> {
        let call = Call::MarkNotified { account: account.clone(), request };
        ask!(call, Answer::Done => ())
    }
}

#[async_trait]
impl DeviceStore for Scripted {
    async fn device(&self, device: &Device) -> Result<Option<StoredDevice>, StoreError> {
        let read = |(key, active_from, old_from): (Vec<u8>, Timestamp, Timestamp)| StoredDevice {
            key: DeviceKey::from_bytes(&key).unwrap(),
            active_from,
            old_from,
        };
        ask!(Call::Device { device: device.clone() }, Answer::Device(found) => found.map(read))
    }

    async fn note_used(&self, device: &Device, _: Timestamp) -> Result<(), StoreError> {
        ask!(Call::RecordUse { device: device.clone() }, Answer::Done => ())
    }
}

#[async_trait]
impl KnownDeviceStore for Scripted {
    async fn revoke(&self, account: &AccountId) -> Result<(), StoreError> {
        ask!(Call::RevokeKnownDevices { account: account.clone() }, Answer::Done => ())
    }
}

#[async_trait]
impl SessionStore for Scripted {
    async fn begin(&self, _: HolderId, _: &Session) -> Result<(), StoreError> {
        panic!("no person in the model signs in");
    }

    async fn session(&self, key: HolderId, _: Timestamp) -> Result<Option<Versioned<Session>>, StoreError> {
        ask!(Call::Session { key }, Answer::Flow(None) => None)
    }

    async fn update(&self, _: HolderId, _: u64, _: &Session, _: Timestamp) -> Result<bool, StoreError> {
        panic!("no person in the model signs in");
    }

    async fn end(&self, _: HolderId) -> Result<(), StoreError> {
        panic!("no person in the model signs in");
    }
}

#[async_trait]
impl PushTargets for Scripted {
    async fn push_targets(
        &self,
        account: &AccountId,
        at: Timestamp,
    ) -> Result<Vec<(Device, String)>, StoreError> {
        ask!(Call::PushTargets { account: account.clone(), at }, Answer::PushTargets(found) => found)
    }
}

#[async_trait]
impl PushSender for Scripted {
    async fn push(&self, _: &Subscription, _: &Push<'_>, _: Timestamp) -> Result<(), SendError> {
        panic!("no push leaves the model");
    }
}

#[async_trait]
impl LeaseStore for Scripted {
    async fn acquire(
        &self,
        account: &AccountId,
        lease_holder: &LeaseHolder<'_>,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<LeaseOutcome, StoreError> {
        let (flow, known) = (lease_holder.flow, lease_holder.generation);
        let claim =
            |generation| Call::AcquireLease { account: account.clone(), flow, generation, lease_until };
        let holder = match ask(claim(known)).await {
            Answer::Leased(Ok(generation)) => return Ok(LeaseOutcome::Acquired(generation)),
            Answer::Leased(Err(Some(holder))) if holder.flow == flow => holder,
            Answer::Leased(Err(_)) => return Ok(LeaseOutcome::Lost),
            Answer::Failed => return Err(unavailable()),
            other => panic!("{other:?} is no answer to a lease request"),
        };
        if holder.lease_until > now {
            return Ok(LeaseOutcome::Busy);
        }
        if holder.generation - known >= lease_holder.limit {
            return Ok(LeaseOutcome::Spent);
        }
        match ask(claim(holder.generation)).await {
            Answer::Leased(Ok(generation)) => Ok(LeaseOutcome::Acquired(generation)),
            Answer::Leased(Err(Some(faster))) if faster.flow == flow => Ok(LeaseOutcome::Busy),
            Answer::Leased(Err(_)) => Ok(LeaseOutcome::Lost),
            Answer::Failed => Err(unavailable()),
            other => panic!("{other:?} is no answer to a lease request"),
        }
    }

    async fn release(&self, account: &AccountId, flow: HolderId, generation: u64) -> Result<(), StoreError> {
        ask!(Call::ReleaseLease { account: account.clone(), flow, generation }, Answer::Done => ())
    }
}

#[async_trait]
impl Directory for Scripted {
    fn capabilities(&self) -> Capabilities {
        Capabilities { unlock: true, sign_in: true, history: true }
    }

    async fn find(&self, name: &CanonicalName) -> Result<Option<Account>, DirectoryError> {
        ask!(Call::Find { name: name.clone() }, Answer::Account(found) => found)
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError> {
        ask!(Call::Account { id: id.clone() }, Answer::Account(found) => found)
    }
}

#[async_trait]
impl ChangeInspector for Scripted {
    async fn outcome(&self, change: &PasswordChange) -> Result<ChangeOutcome, DirectoryError> {
        ask!(Call::Outcome { change: change.clone() }, Answer::Outcome(outcome) => outcome)
    }
}

#[async_trait]
impl PasswordDirectory for Scripted {
    async fn precheck(
        &self,
        account: &AccountId,
        password: &NewPassword,
    ) -> Result<Vec<Violation>, DirectoryError> {
        ask!(
            Call::Precheck { id: account.clone(), password: password.expose().to_owned() },
            Answer::Violations(violations) => violations,
        )
    }

    async fn apply(
        &self,
        change: &PasswordChange,
        write: DirectoryWrite<'_>,
        at: Timestamp,
    ) -> Result<(), ChangeError> {
        let password = match write {
            DirectoryWrite::Password(password) => Some(password.expose().to_owned()),
            DirectoryWrite::Unlock => None,
        };
        match ask(Call::Apply { change: change.clone(), password, at }).await {
            Answer::Written(Ok(())) => Ok(()),
            Answer::Written(Err(Refused::Superseded)) => Err(ChangeError::Superseded),
            Answer::Written(Err(Refused::NotApplied)) => Err(ChangeError::NotApplied(failed())),
            Answer::Written(Err(Refused::NotPermitted)) => Err(ChangeError::NotPermitted),
            Answer::Failed => Err(ChangeError::Unknown(failed())),
            other => panic!("{other:?} is no answer to a change"),
        }
    }
}

#[async_trait]
impl MessageQueue for Scripted {
    async fn send(&self, messages: &[Envelope], delay: Seconds) -> Result<(), QueueError> {
        let bodies = messages.iter().map(|envelope| serde_json::to_string(envelope).unwrap()).collect();
        match ask(Call::Enqueue { bodies, delay: delay.0 }).await {
            Answer::Done => Ok(()),
            _ => Err(QueueError(failed())),
        }
    }
}

async fn tell(to: &str) -> Result<(), SendError> {
    match ask(Call::Notify { to: to.to_owned() }).await {
        Answer::Done => Ok(()),
        _ => Err(SendError::Unavailable(failed())),
    }
}

#[async_trait]
impl MailSender for Scripted {
    async fn send_mail(&self, to: &EmailAddress, _mail: &Mail<'_>) -> Result<(), SendError> {
        tell(to.expose()).await
    }
}

#[async_trait]
impl TextSender for Scripted {
    async fn send_text(&self, to: &PhoneNumber, _text: &str) -> Result<(), SendError> {
        tell(to.expose()).await
    }
}

#[async_trait]
impl VoiceSender for Scripted {
    async fn call(&self, to: &PhoneNumber, _ssml: &str, _language: Language) -> Result<(), SendError> {
        tell(to.expose()).await
    }
}

impl Metrics for Scripted {
    fn count(&self, _metric: Metric, _at: Timestamp) {}
}

/// Returns a limit log as if all its messages had been sent just now.
fn ageless(limit_log: &str) -> String {
    let mut limit_log: serde_json::Value = serde_json::from_str(limit_log).unwrap();
    let now = SCRIPT.with_borrow(|script| script.now);
    let lanes = limit_log.get_mut("s").and_then(serde_json::Value::as_array_mut);
    for lane in lanes.into_iter().flatten() {
        for sent in lane["a"].as_array_mut().into_iter().flatten() {
            sent[0] = now.into();
        }
    }
    limit_log.to_string()
}
