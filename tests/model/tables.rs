//! The services: the tables of the in-memory adapter. A mutation disables a rule by changing the input or the result
//! of a call.
//!
//! A moment of use is stored as the start of the search. No handler reads it, and it would multiply the states.

use std::collections::BTreeMap;
use std::future::Future;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use argon2::{Algorithm, Argon2, Params, Version};
use rekey_tests::test_doubles::START;
use shared::adapters::memory::{
    self, AccountEntries, Memory, MemoryDirectory, StoredAccount, StoredRequest, StoredSecret,
};
use shared::domain::account::AccountId;
use shared::domain::approval::RequestStatus;
use shared::domain::holder::HolderId;
use shared::domain::keys::Tag;
use shared::domain::password::NewPassword;
use shared::domain::security_info::{Consumption, EntryId, Secret};
use shared::domain::time::Timestamp;
use shared::ports::{
    AuthenticatorStore as _, ChangeError, ChangeInspector as _, DeviceStore as _, Directory as _,
    DirectoryWrite, Entropy, LeaseHolder, PasswordDirectory as _, PushTargets as _, SecurityInfoStore as _,
};

use crate::calls::{Answer, Call, Refused};

/// The start of the search, as every moment of use.
pub const MOMENT: Timestamp = Timestamp::from_seconds(START);
/// The number of previous passwords that a new one must differ from, besides the current one.
const HISTORY: u8 = 1;

/// A disabled rule, to show that the search detects its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// An attempt is compared with an earlier read and counted in a separate write.
    AttemptReadThenWrite,
    /// Every attempt counts as correct.
    AttemptUnchecked,
    /// A replaced code is still accepted.
    OldCodesValid,
    /// Expiry relies on the table's TTL alone.
    TtlTrusted,
    /// A flow is written without a revision check.
    BlindReplace,
    /// A lease is granted without comparing the generation.
    LeaseWithoutGeneration,
    /// The directory writes without comparing the generation.
    WriteWithoutGeneration,
    /// A TOTP time step is accepted again.
    TimeStepReused,
    /// A limit log is written without a revision check.
    BlindSendLimits,
    /// Entries of a limit log never expire.
    SendLimitsNeverExpire,
    /// Names without an account have no rate limits.
    NoSendLimitsForDecoy,
    /// The reconciliation message is lost.
    ReconcileLost,
    /// Notifications are lost.
    NotificationsLost,
    /// A used recovery code stays on its sheet.
    RecoveryCodeReused,
    /// A recovery code is compared with an earlier read and removed in a separate write.
    RecoveryCodeReadThenWrite,
    /// A passkey's signature count is not stored.
    CounterNotStored,
    /// An approval counts for any flow.
    ApprovalOfAnyFlow,
    /// A new request replaces any waiting one.
    BlindRequest,
    /// An answer counts for any waiting request.
    AnswerToAnyRequest,
    /// A request can be answered again.
    RequestAnsweredTwice,
    /// A refusal causes no pause.
    DenialForgotten,
    /// Names without an account have no stored request.
    NoRequestForDecoy,
    /// The notification of a refusal is lost.
    DenialNotificationLost,
    /// An enrolment doesn't increment the generation.
    EnrolmentKeepsGeneration,
}

/// All stored items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tables {
    stored: memory::Tables,
    /// Replaced codes; only a mutation reads them.
    pub old_codes: BTreeMap<[u8; 32], Vec<Tag>>,
}

impl Deref for Tables {
    type Target = memory::Tables;

    fn deref(&self) -> &memory::Tables {
        &self.stored
    }
}

impl DerefMut for Tables {
    fn deref_mut(&mut self) -> &mut memory::Tables {
        &mut self.stored
    }
}

impl Tables {
    /// Returns the enrolled entries of an account with a directory entry.
    pub fn entries(&self, account: &AccountId) -> &AccountEntries {
        &self.security_info.0[account]
    }

    /// Returns an account of the directory.
    pub fn account(&self, account: &AccountId) -> &StoredAccount {
        &self.accounts.accounts[account]
    }

    /// Returns the number of changes and leases of an account.
    pub fn generation(&self, account: &AccountId) -> u64 {
        self.entries(account).state.as_ref().map_or(0, |state| state.generation)
    }

    /// Returns whether a flow holds an unexpired lease on an account.
    pub fn has_lease(&self, flow: HolderId, now: i64) -> bool {
        let states = self.security_info.0.values().filter_map(|entries| entries.state.as_ref());
        let mut leases = states.filter_map(|state| state.lease);
        leases.any(|(holder, until)| holder == flow && until.as_seconds() > now)
    }

    /// Calls a port of the in-memory adapter, which never waits.
    pub fn call<R>(&mut self, call: impl AsyncFnOnce(Arc<Memory>) -> R) -> R {
        let memory = Arc::new(Memory::of(mem::take(&mut self.stored)));
        let result = poll_once(call(memory.clone()));
        self.stored = memory.with(mem::take);
        result
    }

    /// Calls a port of the directory. Its hash is cheap, since a search makes many thousands.
    pub fn directory<R>(&mut self, call: impl AsyncFnOnce(MemoryDirectory) -> R) -> R {
        self.call(async |memory| {
            let directory = MemoryDirectory::new(memory, Arc::new(NoEntropy), HISTORY);
            call(directory.with_hasher(cheap)).await
        })
    }

    /// Performs a call. Queued messages are handled elsewhere.
    pub fn perform(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        match call {
            Call::Insert { .. }
            | Call::Load { .. }
            | Call::Replace { .. }
            | Call::CodeAttempt { .. }
            | Call::Spend { .. } => self.flow(call, mutation),
            Call::Increment { .. }
            | Call::TryAcquire { .. }
            | Call::LimitLog { .. }
            | Call::ReplaceLimitLog { .. } => self.rate_limit(call, mutation),
            Call::RequestApproval { .. }
            | Call::Newest { .. }
            | Call::Answer { .. }
            | Call::MarkNotified { .. }
            | Call::Session { .. } => self.request(call, mutation),
            Call::Enqueue { .. } | Call::Notify { .. } => Answer::Done,
            Call::Active { .. }
            | Call::Consume { .. }
            | Call::Device { .. }
            | Call::RecordUse { .. }
            | Call::RevokeKnownDevices { .. }
            | Call::PushTargets { .. } => self.entry(call, mutation),
            _ => self.account_call(call, mutation),
        }
    }

    /// Performs a call on the table `flows`.
    fn flow(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        // Under the TTL mutation nothing has expired: items are read as at the start of the search.
        let at = |at: Timestamp| {
            if mutated(Mutation::TtlTrusted) { Timestamp::from_seconds(START) } else { at }
        };
        match call {
            // The adapter treats an existing key as a failure.
            Call::Insert { key, flow } => {
                if self.flows.insert(*key, flow.clone()) {
                    Answer::Done
                } else {
                    Answer::Failed
                }
            }
            Call::Load { key, at: now } => Answer::Flow(self.flows.live(*key, at(*now)).cloned()),
            Call::Replace { key, next, at: now } => {
                let before = self.flows.live(*key, at(*now)).cloned();
                let mut next = next.clone();
                if mutated(Mutation::BlindReplace) {
                    next.revision = before.as_ref().map_or(0, |before| before.revision) + 1;
                }
                let replaced = self.flows.replace(*key, next, at(*now));
                if replaced
                    && mutated(Mutation::OldCodesValid)
                    && let Some(slot) = before.and_then(|before| before.record.slot.clone())
                {
                    self.old_codes.entry(*key.as_bytes()).or_default().push(slot.code);
                }
                Answer::Flag(replaced)
            }
            Call::CodeAttempt { key, guess, limits, at: now } => {
                let mut guess = *guess;
                let is_old = self.old_codes.get(key.as_bytes()).is_some_and(|old| old.contains(&guess.tag));
                let slot = self.flows.live(*key, at(*now)).and_then(|found| found.record.slot.as_ref());
                if let Some(slot) = slot
                    && (mutated(Mutation::AttemptUnchecked) || (mutated(Mutation::OldCodesValid) && is_old))
                {
                    guess.tag = slot.code;
                }
                match self.flows.try_attempt_code(*key, &guess, limits, at(*now)) {
                    Ok(compared) => Answer::Compared(compared),
                    Err(found) => Answer::NotCompared(found),
                }
            }
            Call::Spend { key, limits, at: now } => {
                Answer::Flow(self.flows.spend_attempt(*key, limits, at(*now)).cloned())
            }
            _ => unreachable!("another table's"),
        }
    }

    /// Performs a call on the table `rate_limits`.
    fn rate_limit(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        match call {
            Call::Increment { key, .. } => Answer::Number(self.rate_limits.increment(key.clone())),
            Call::TryAcquire { key, limit, .. } => {
                Answer::Flag(self.rate_limits.try_acquire(key.clone(), *limit))
            }
            Call::LimitLog { account } => {
                let found = self.rate_limits.limit_logs.get(account).cloned();
                let (rev, limit_log) = found.unwrap_or_else(|| (0, "{}".into()));
                Answer::LimitLog { rev, limit_log: limit_log.to_string() }
            }
            Call::ReplaceLimitLog { account, rev, limit_log, .. } => {
                let found = self.rate_limits.limit_logs.get(account).map_or(0, |(rev, _)| *rev);
                if mutated(Mutation::NoSendLimitsForDecoy) && account.as_str().starts_with('~') {
                    return Answer::Flag(found == *rev);
                }
                let rev = if mutated(Mutation::BlindSendLimits) { found } else { *rev };
                Answer::Flag(self.rate_limits.replace_limit_log(account, rev, limit_log))
            }
            _ => unreachable!("another table's"),
        }
    }

    /// Performs a call on device requests, which are in the table of flows.
    fn request(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        match call {
            Call::RequestApproval { account, request, at } => {
                let was_denied = |found: &StoredRequest| found.request.status == RequestStatus::Denied;
                let forgotten = mutated(Mutation::DenialForgotten)
                    && self.approvals.0.get(account).is_some_and(was_denied);
                if forgotten || mutated(Mutation::BlindRequest) {
                    self.approvals.0.remove(account);
                }
                if mutated(Mutation::NoRequestForDecoy) && account.as_str().starts_with('~') {
                    return Answer::Flag(self.approvals.clone().ask(account, request.clone(), *at));
                }
                Answer::Flag(self.approvals.ask(account, request.clone(), *at))
            }
            Call::Newest { account } => {
                Answer::Newest(self.approvals.0.get(account).map(|found| found.request.clone()))
            }
            Call::Answer { account, request, answer, at } => {
                let mut request = *request;
                if let Some(found) = self.approvals.0.get_mut(account) {
                    if mutated(Mutation::AnswerToAnyRequest) {
                        request = found.request.id;
                    }
                    let is_in_time = found.request.id == request && found.request.expires_at > *at;
                    if mutated(Mutation::RequestAnsweredTwice) && is_in_time {
                        found.request.status = RequestStatus::Pending;
                    }
                }
                Answer::Answered(self.approvals.answer(account, request, *answer, *at).cloned())
            }
            Call::MarkNotified { account, request } => {
                self.approvals.note_notified(account, *request);
                Answer::Done
            }
            // No client in the model signs in.
            Call::Session { .. } => Answer::Flow(None),
            _ => unreachable!("another table's"),
        }
    }

    /// Performs a call on entries in the table `security-info`.
    fn entry(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        match call {
            Call::Active { account, kind, at } => {
                let mut active = self.call(async |memory| memory.active(account, *kind, *at).await).unwrap();
                // No handler reads the accepted step, and it would multiply the states.
                for entry in &mut active {
                    if let Secret::Totp { step, .. } = &mut entry.secret {
                        *step = 0;
                    }
                }
                Answer::Active(active)
            }
            Call::Consume { account, entry, consumption, flow } => {
                if mutated(Mutation::TimeStepReused)
                    && let Some(StoredSecret::Totp { last_step, .. }) = self.secret(account, entry)
                {
                    *last_step = 0;
                }
                let consumed = self.security_info.consume(account, entry, consumption, *flow, MOMENT);
                match consumption {
                    Consumption::Counter(_) => {
                        return Answer::Flag(consumed || mutated(Mutation::CounterNotStored));
                    }
                    Consumption::RecoveryCode(hash) if consumed && mutated(Mutation::RecoveryCodeReused) => {
                        if let Some(StoredSecret::RecoveryCodes { hashes, .. }) = self.secret(account, entry)
                        {
                            hashes.insert(hash.clone());
                        }
                    }
                    _ => {}
                }
                Answer::Flag(consumed)
            }
            Call::Device { device } => {
                let found = self.call(async |memory| memory.device(device).await).unwrap();
                Answer::Device(found.map(|found| (found.key.to_bytes(), found.active_from, found.old_from)))
            }
            Call::PushTargets { account, at } => Answer::PushTargets(
                self.call(async |memory| memory.push_targets(account, *at).await).unwrap(),
            ),
            Call::RecordUse { device } => {
                self.call(async |memory| memory.note_used(device, MOMENT).await).unwrap();
                Answer::Done
            }
            // No client in the model has a known device, so its epoch would only multiply the states.
            Call::RevokeKnownDevices { .. } => Answer::Done,
            _ => unreachable!("another table's"),
        }
    }

    /// Returns the secret of an entry.
    fn secret(&mut self, account: &AccountId, entry: &EntryId) -> Option<&mut StoredSecret> {
        let entries = &mut self.security_info.0.get_mut(account)?.entries;
        Some(&mut entries.get_mut(entry)?.secret)
    }

    /// Performs a call on an account, in the tables `security-info` and `accounts`.
    fn account_call(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        match call {
            Call::Registration { account, at } => {
                let found = self.call(async |memory| memory.registration(account, *at).await).unwrap();
                Answer::Registration(Box::new(found))
            }
            Call::AcquireLease { account, flow, generation, lease_until } => {
                let blind = mutated(Mutation::LeaseWithoutGeneration);
                let generation = if blind { self.generation(account) } else { *generation };
                // The moments of use are those of contacts: see above.
                let holder = LeaseHolder {
                    flow: *flow,
                    generation,
                    verified_factors: &[],
                    revokes_known_devices: false,
                    limit: u64::MAX,
                };
                let table = &mut self.security_info;
                Answer::Leased(table.try_acquire_lease(account, &holder, generation, MOMENT, *lease_until))
            }
            Call::ReleaseLease { account, flow, generation } => {
                self.security_info.release(account, *flow, *generation);
                Answer::Done
            }
            Call::Find { name } => {
                Answer::Account(self.directory(async |directory| directory.find(name).await).unwrap())
            }
            Call::Account { id } => {
                Answer::Account(self.directory(async |directory| directory.account(id).await).unwrap())
            }
            Call::Precheck { id, password } => {
                let password = NewPassword::parse(password).unwrap();
                let found = self.directory(async |directory| directory.precheck(id, &password).await);
                Answer::Violations(found.unwrap())
            }
            Call::Outcome { change } => {
                Answer::Outcome(self.directory(async |directory| directory.outcome(change).await).unwrap())
            }
            Call::Apply { change, password, at } => {
                if mutated(Mutation::WriteWithoutGeneration)
                    && let Some(account) = self.accounts.accounts.get_mut(&change.account)
                {
                    account.number = 0;
                }
                let password = password.as_ref().map(|password| NewPassword::parse(password).unwrap());
                let write = password.as_ref().map_or(DirectoryWrite::Unlock, DirectoryWrite::Password);
                let result = self.directory(async |directory| directory.apply(change, write, *at).await);
                Answer::Written(result.map_err(|error| match error {
                    ChangeError::Superseded => Refused::Superseded,
                    ChangeError::NotApplied(_) => Refused::NotApplied,
                    ChangeError::NotPermitted => Refused::NotPermitted,
                    other => panic!("{other:?} is no answer of the in-memory directory"),
                }))
            }
            _ => unreachable!("another table's"),
        }
    }
}

/// Returns the output of a future that is ready at once.
fn poll_once<R>(future: impl Future<Output = R>) -> R {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the in-memory adapter waits"),
    }
}

/// Returns argon2id at its lowest costs.
fn cheap() -> Result<Argon2<'static>, argon2::Error> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, Some(32))?))
}

/// One salt for all, so that equal passwords have equal hashes, and equal states are one.
struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}
