//! Models the services. Flows, rate limits and requests use the in-memory adapter's tables; accounts are the few
//! values that the search distinguishes. A mutation disables a rule by changing the input or the result of a call.

use std::collections::{BTreeMap, BTreeSet};

use rekey_tests::chance::START;
use shared::adapters::memory::{Approvals, Budgets, Flows, StoredRequest};
use shared::domain::account::AccountId;
use shared::domain::approval::RequestStatus;
use shared::domain::holder::HolderId;
use shared::domain::keys::Tag;
use shared::domain::security_info::Kind;
use shared::domain::time::Timestamp;

use crate::calls::{Answer, Call, Holder, Outcome};
use crate::people::{self, Entries};

/// A disabled rule, to show that the search detects its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// An attempt is compared with an earlier read and counted in a separate write.
    GuessReadThenWrite,
    /// Every attempt counts as correct.
    GuessUnlooked,
    /// A replaced code is still accepted.
    OldCodesStay,
    /// Expiry relies on the table's TTL alone.
    TtlTrusted,
    /// A flow is written without a revision check.
    BlindReplace,
    /// A lease is granted without comparing the generation.
    ClaimWithoutGeneration,
    /// The directory writes without comparing the generation.
    WriteWithoutGeneration,
    /// A TOTP time step is accepted again.
    AppStepAgain,
    /// A ledger is written without a revision check.
    BlindLedger,
    /// Entries of a ledger never expire.
    LedgerNeverForgets,
    /// Names without an account have no rate limits.
    NoLedgerForNobody,
    /// The reconciliation message is lost.
    SettleLost,
    /// Notifications are lost.
    NoticesLost,
    /// A used recovery code stays on its sheet.
    RecoveryCodeStays,
    /// A recovery code is compared with an earlier read and removed in a separate write.
    RecoveryCodeReadThenTaken,
    /// A passkey's signature count is not stored.
    CounterNotKept,
    /// An approval counts for any flow.
    ApprovalOfAnyFlow,
    /// A new request replaces any waiting one.
    AskedBlindly,
    /// An answer counts for any waiting request.
    AnswerToAnyRequest,
    /// A request can be answered again.
    AnsweredAgain,
    /// A refusal causes no pause.
    RefusalForgotten,
    /// Names without an account have no stored request.
    NoRequestForNobody,
    /// The notification of a refusal is lost.
    RefusalUntold,
    /// An enrolment doesn't increment the generation.
    RegisteredUnnoticed,
}

/// An account in the directory and the security info.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// The generation of the last directory write.
    pub written: u64,
    pub password: String,
    pub generation: u64,
    pub claimed_by: Option<[u8; 32]>,
    pub lease_until: i64,
    pub last_step: u64,
    pub last_flow: Option<[u8; 32]>,
    /// The enrolled entries.
    pub entries: Entries,
    /// Signature counts of passkeys, each with the flow that it was last accepted for.
    pub counters: BTreeMap<u8, (u32, [u8; 32])>,
    /// Used hashes of the recovery sheet.
    pub taken: BTreeSet<String>,
    /// The last used hash, with its flow.
    pub last_taken: Option<(String, [u8; 32])>,
}

impl Row {
    /// Returns the number of the entry of a kind that allows only one.
    pub fn only(&self, kind: Kind) -> Option<u8> {
        self.entries.iter().find(|(of, _)| *of == kind).map(|(_, number)| *number)
    }

    /// Returns the unused hashes of the sheet.
    fn left(&self) -> Option<(u8, Vec<String>)> {
        let number = self.only(Kind::RecoveryCodes)?;
        let mut hashes = people::sheet(number, &people::keys()).hashes;
        hashes.retain(|hash| !self.taken.contains(hash));
        Some((number, hashes))
    }

    /// Returns the entries that count: not a used-up sheet.
    fn counting(&self) -> Entries {
        let is_used_up = self.left().is_some_and(|(_, hashes)| hashes.is_empty());
        let counts = |(kind, _): &&(Kind, u8)| !(is_used_up && *kind == Kind::RecoveryCodes);
        self.entries.iter().filter(counts).copied().collect()
    }

    /// Writes an entry. It replaces the item of most kinds, which allow only one.
    pub fn put(&mut self, kind: Kind, number: u8) {
        if kind.limit() == 1 {
            self.entries.retain(|(of, _)| *of != kind);
        }
        self.entries.insert((kind, number));
        self.is_another(kind, number);
    }

    pub fn delete(&mut self, kind: Kind, number: u8) {
        self.entries.remove(&(kind, number));
        self.is_another(kind, number);
    }

    /// Data of an item disappears with the item.
    fn is_another(&mut self, kind: Kind, number: u8) {
        match kind {
            Kind::Totp => (self.last_step, self.last_flow) = (0, None),
            Kind::Passkey => drop(self.counters.remove(&number)),
            Kind::RecoveryCodes => (self.taken, self.last_taken) = (BTreeSet::new(), None),
            _ => {}
        }
    }
}

/// All stored items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tables {
    pub flows: Flows,
    /// Replaced codes; only a mutation reads them.
    pub old_codes: BTreeMap<[u8; 32], Vec<Tag>>,
    pub budgets: Budgets,
    pub accounts: BTreeMap<AccountId, Row>,
    /// The newest request to the devices of each account.
    pub requests: Approvals,
}

impl Tables {
    /// Returns whether a flow holds an unexpired lease on an account.
    pub fn is_held(&self, flow: HolderId, now: i64) -> bool {
        let holds = |row: &Row| row.claimed_by == Some(*flow.as_bytes()) && row.lease_until > now;
        self.accounts.values().any(holds)
    }

    /// Performs a call. Queued messages are handled elsewhere.
    pub fn carry_out(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        match call {
            Call::Insert { .. }
            | Call::Load { .. }
            | Call::Replace { .. }
            | Call::CodeAttempt { .. }
            | Call::Spend { .. } => self.flow(call, mutation),
            Call::Count { .. } | Call::Take { .. } | Call::Ledger { .. } | Call::ReplaceLedger { .. } => {
                self.budget(call, mutation)
            }
            Call::AskDevices { .. }
            | Call::Newest { .. }
            | Call::Answer { .. }
            | Call::NoteTold { .. }
            | Call::Session { .. } => self.request(call, mutation),
            Call::Enqueue { .. } | Call::Tell { .. } => Answer::Done,
            Call::Totp { .. }
            | Call::AcceptStep { .. }
            | Call::Passkeys { .. }
            | Call::AcceptCounter { .. }
            | Call::Sheet { .. }
            | Call::UseCode { .. }
            | Call::Device { .. }
            | Call::NoteUsed { .. }
            | Call::PushTargets { .. } => self.entry(call, mutation),
            _ => self.account(call, mutation),
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
                    && mutated(Mutation::OldCodesStay)
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
                    && (mutated(Mutation::GuessUnlooked) || (mutated(Mutation::OldCodesStay) && is_old))
                {
                    guess.tag = slot.code;
                }
                match self.flows.try_guess(*key, &guess, limits, at(*now)) {
                    Ok(looked) => Answer::Looked(looked),
                    Err(found) => Answer::Unlooked(found),
                }
            }
            Call::Spend { key, limits, at: now } => {
                Answer::Flow(self.flows.spend_try(*key, limits, at(*now)).cloned())
            }
            _ => unreachable!("another table's"),
        }
    }

    /// Performs a call on the table `budgets`.
    fn budget(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        match call {
            Call::Count { key, .. } => Answer::Number(self.budgets.count(key.clone())),
            Call::Take { key, limit, .. } => Answer::Flag(self.budgets.take(key.clone(), *limit)),
            Call::Ledger { account } => {
                let found = self.budgets.ledgers.get(account).cloned();
                let (rev, ledger) = found.unwrap_or_else(|| (0, "{}".into()));
                Answer::Ledger { rev, ledger: ledger.to_string() }
            }
            Call::ReplaceLedger { account, rev, ledger, .. } => {
                let found = self.budgets.ledgers.get(account).map_or(0, |(rev, _)| *rev);
                if mutated(Mutation::NoLedgerForNobody) && account.as_str().starts_with('~') {
                    return Answer::Flag(found == *rev);
                }
                let rev = if mutated(Mutation::BlindLedger) { found } else { *rev };
                Answer::Flag(self.budgets.replace_ledger(account, rev, ledger))
            }
            _ => unreachable!("another table's"),
        }
    }

    /// Performs a call on device requests, which are in the table of flows.
    fn request(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        match call {
            Call::AskDevices { account, request, at } => {
                let was_denied = |found: &StoredRequest| found.request.status == RequestStatus::Denied;
                let forgotten = mutated(Mutation::RefusalForgotten)
                    && self.requests.0.get(account).is_some_and(was_denied);
                if forgotten || mutated(Mutation::AskedBlindly) {
                    self.requests.0.remove(account);
                }
                if mutated(Mutation::NoRequestForNobody) && account.as_str().starts_with('~') {
                    return Answer::Flag(self.requests.clone().ask(account, request.clone(), *at));
                }
                Answer::Flag(self.requests.ask(account, request.clone(), *at))
            }
            Call::Newest { account } => {
                Answer::Newest(self.requests.0.get(account).map(|found| found.request.clone()))
            }
            Call::Answer { account, request, answer, at } => {
                let mut request = *request;
                if let Some(found) = self.requests.0.get_mut(account) {
                    if mutated(Mutation::AnswerToAnyRequest) {
                        request = found.request.id;
                    }
                    let is_in_time = found.request.id == request && found.request.expires_at > *at;
                    if mutated(Mutation::AnsweredAgain) && is_in_time {
                        found.request.status = RequestStatus::Pending;
                    }
                }
                Answer::Answered(self.requests.answer(account, request, *answer, *at).cloned())
            }
            Call::NoteTold { account, request } => {
                self.requests.note_told(account, *request);
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
        let row = |account| self.accounts.get(account);
        match call {
            Call::Totp { account } => {
                Answer::Flag(row(account).is_some_and(|row| row.only(Kind::Totp).is_some()))
            }
            Call::AcceptStep { account, step, flow } => {
                let Some(row) = self.accounts.get_mut(account) else { return Answer::Flag(false) };
                let again = row.last_step == *step && row.last_flow == Some(*flow.as_bytes());
                let moves = row.last_step < *step || again || mutated(Mutation::AppStepAgain);
                let accepted = moves && row.only(Kind::Totp).is_some();
                if accepted {
                    row.last_step = *step;
                    row.last_flow = Some(*flow.as_bytes());
                }
                Answer::Flag(accepted)
            }
            Call::Passkeys { account } => {
                let entries = row(account).map(|row| row.entries.clone()).unwrap_or_default();
                let passkeys = entries.into_iter().filter(|(kind, _)| *kind == Kind::Passkey);
                Answer::Passkeys(passkeys.map(|(_, number)| number).collect())
            }
            Call::AcceptCounter { account, passkey, counter, flow } => {
                let Some(row) = self.accounts.get_mut(account) else { return Answer::Flag(false) };
                let of_id = |entry: &&(Kind, u8)| people::entry(entry.0, entry.1) == *passkey;
                let Some((_, number)) = row.entries.iter().find(of_id) else { return Answer::Flag(false) };
                let moves = row.counters.get(number).is_none_or(|(kept, by)| {
                    *kept < *counter || (kept == counter && (*counter == 0 || by == flow.as_bytes()))
                });
                if moves {
                    row.counters.insert(*number, (*counter, *flow.as_bytes()));
                }
                Answer::Flag(moves || mutated(Mutation::CounterNotKept))
            }
            Call::Sheet { account } => Answer::Sheet(row(account).and_then(Row::left)),
            Call::UseCode { account, hash, flow } => {
                let Some(row) = self.accounts.get_mut(account) else { return Answer::Flag(false) };
                let use_of = Some((hash.clone(), *flow.as_bytes()));
                let listed = row.left().is_some_and(|(_, hashes)| hashes.contains(hash));
                let again = row.last_taken == use_of;
                if listed || again {
                    if !mutated(Mutation::RecoveryCodeStays) {
                        row.taken.insert(hash.clone());
                    }
                    row.last_taken = use_of;
                }
                Answer::Flag(listed || again)
            }
            Call::Device { account, id } => {
                let is_it = |entry: &(Kind, u8)| people::entry(entry.0, entry.1) == *id;
                Answer::Flag(row(account).is_some_and(|row| row.entries.iter().any(is_it)))
            }
            Call::PushTargets { account } => {
                Answer::Flag(row(account).is_some_and(|row| row.only(Kind::Authenticator).is_some()))
            }
            // The time of last use is only displayed.
            Call::NoteUsed { .. } => Answer::Done,
            _ => unreachable!("another table's"),
        }
    }

    /// Performs a call on an account, in the tables `security-info` and `accounts`.
    fn account(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        match call {
            Call::Registration { account } => {
                let row = self.accounts.get(account).cloned().unwrap_or_default();
                let claimed_by = row.claimed_by.map(HolderId::from_bytes);
                Answer::Registration { generation: row.generation, claimed_by, entries: row.counting() }
            }
            Call::Claim { account, flow, generation, lease_until } => {
                let row = self.accounts.entry(account.clone()).or_default();
                if row.generation != *generation && !mutated(Mutation::ClaimWithoutGeneration) {
                    return Answer::Claimed(Some(Holder {
                        flow: row.claimed_by.map(HolderId::from_bytes),
                        generation: row.generation,
                        lease_until: Timestamp::from_seconds(row.lease_until),
                    }));
                }
                row.generation = generation + 1;
                row.claimed_by = Some(*flow.as_bytes());
                row.lease_until = lease_until.as_seconds();
                Answer::Claimed(None)
            }
            Call::Release { account, flow, generation } => {
                let row = self.accounts.get_mut(account).unwrap();
                if row.generation == *generation && row.claimed_by == Some(*flow.as_bytes()) {
                    row.lease_until = 0;
                }
                Answer::Done
            }
            Call::Find { login } => Answer::Flag(people::person(login).is_some()),
            Call::Account { id } => Answer::Flag(self.accounts.contains_key(id)),
            Call::Precheck { id, password } => Answer::Flag(self.accounts[id].password == *password),
            Call::Outcome { id, number } => Answer::Flag(self.accounts[id].written >= *number),
            Call::Apply { id, number, password } => {
                let row = self.accounts.get_mut(id).unwrap();
                let outcome = match row.written.cmp(number) {
                    _ if mutated(Mutation::WriteWithoutGeneration) => Outcome::Made,
                    std::cmp::Ordering::Less => Outcome::Made,
                    // A repeated write changes nothing.
                    std::cmp::Ordering::Equal => return Answer::Written(Outcome::Made),
                    std::cmp::Ordering::Greater => Outcome::Superseded,
                };
                if outcome == Outcome::Made {
                    row.written = *number;
                    if let Some(password) = password {
                        row.password.clone_from(password);
                    }
                }
                Answer::Written(outcome)
            }
            _ => unreachable!("another table's"),
        }
    }
}
