//! What the services do with a call: the conditions and updates of the adapters, on values that can be hashed.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::domain::account::AccountId;
use shared::domain::time::Timestamp;

use crate::calls::{Answer, Call, Holder, Outcome, Stored};
use crate::people;

/// A rule that is taken out, to see that the search then finds what it stands against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A guess is compared with what was read before, and counted in a write of its own.
    GuessReadThenWrite,
    /// A guess is right whatever it is.
    GuessUnlooked,
    /// A code that a newer one replaced is good still.
    OldCodesStay,
    /// Expiry is left to the table's TTL.
    TtlTrusted,
    /// A flow is written whatever it has become.
    BlindReplace,
    /// A claim does not compare the generation.
    ClaimWithoutGeneration,
    /// The directory does not compare the generation.
    WriteWithoutGeneration,
    /// A time step is accepted again.
    AppStepAgain,
    /// A ledger is written whoever wrote meanwhile.
    BlindLedger,
    /// What is in a ledger never ages.
    LedgerNeverForgets,
    /// Budgets are not kept for names without an account.
    NoLedgerForNobody,
    /// The look at a change is lost.
    SettleLost,
    /// Notices are lost.
    NoticesLost,
}

/// An account as directory and security info have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// The generation that the directory was written under last.
    pub written: u64,
    pub password: String,
    pub generation: u64,
    pub claimed_by: Option<[u8; 32]>,
    pub lease_until: i64,
    pub last_step: u64,
    pub last_flow: Option<[u8; 32]>,
}

/// Everything that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tables {
    pub flows: BTreeMap<[u8; 32], Stored>,
    /// Codes that newer ones replaced; only a mutation looks at them.
    pub old_codes: BTreeMap<[u8; 32], Vec<[u8; 32]>>,
    pub counts: BTreeMap<String, u64>,
    pub ledgers: BTreeMap<AccountId, (u64, Arc<str>)>,
    pub accounts: BTreeMap<AccountId, Row>,
}

impl Tables {
    /// Carries a call out. Messages are not looked at here.
    pub fn carry_out(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        match call {
            Call::Insert { .. }
            | Call::Load { .. }
            | Call::Replace { .. }
            | Call::Guess { .. }
            | Call::Spend { .. } => self.flow(call, mutation),
            Call::Count { .. } | Call::Take { .. } | Call::Ledger { .. } | Call::ReplaceLedger { .. } => {
                self.budget(call, mutation)
            }
            Call::Enqueue { .. } | Call::Tell { .. } => Answer::Done,
            _ => self.account(call, mutation),
        }
    }

    /// The table `flows`.
    fn flow(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        match call {
            Call::Insert { key, flow } => {
                // The adapter takes a key that is there already for a failure.
                if self.flows.contains_key(key.as_bytes()) {
                    return Answer::Failed;
                }
                self.flows.insert(*key.as_bytes(), flow.clone());
                Answer::Done
            }
            Call::Load { key, at } => Answer::Flow(self.live(key.as_bytes(), *at, mutation).cloned()),
            Call::Replace { key, next, at } => {
                let key = *key.as_bytes();
                let live = self.live(&key, *at, mutation);
                let found =
                    live.is_some_and(|found| found.rev + 1 == next.rev || mutated(Mutation::BlindReplace));
                if !found {
                    return Answer::Flag(false);
                }
                let before = self.flows.insert(key, next.clone());
                if mutated(Mutation::OldCodesStay)
                    && let Some(slot) = before.and_then(|before| before.slot)
                {
                    self.old_codes.entry(key).or_default().push(slot.code);
                }
                Answer::Flag(true)
            }
            Call::Guess { key, step, tag, tries, at } => {
                let old = self.old_codes.get(key.as_bytes()).cloned().unwrap_or_default();
                let Some(item) = self.flows.get_mut(key.as_bytes()) else { return Answer::Unlooked(None) };
                let ttl_trusted = mutated(Mutation::TtlTrusted);
                let live = item.expires_at > *at || ttl_trusted;
                let awaited = item.state == "awaiting-code" && item.step == *step && live;
                let has_tries = item.flow_tries < tries.flow;
                let looked = match &mut item.slot {
                    Some(slot) if awaited && has_tries => {
                        let open = (slot.expires_at > *at || ttl_trusted)
                            && slot.tries < tries.code
                            && slot.guess != Some(slot.code);
                        if open {
                            let right = mutated(Mutation::GuessUnlooked)
                                || (mutated(Mutation::OldCodesStay) && old.contains(tag));
                            slot.guess = Some(if right { slot.code } else { *tag });
                            slot.tries += 1;
                        }
                        open
                    }
                    _ => false,
                };
                if looked {
                    item.flow_tries += 1;
                    item.rev += 1;
                    Answer::Looked(item.clone())
                } else {
                    Answer::Unlooked(live.then(|| item.clone()))
                }
            }
            Call::Spend { key, tries, at } => {
                let live = self.live(key.as_bytes(), *at, mutation).is_some();
                let item = self.flows.get_mut(key.as_bytes());
                match item.filter(|item| live && item.flow_tries < tries.flow) {
                    Some(item) => {
                        item.flow_tries += 1;
                        item.rev += 1;
                        Answer::Flow(Some(item.clone()))
                    }
                    None => Answer::Flow(None),
                }
            }
            _ => unreachable!("another table's"),
        }
    }

    /// The table `budgets`.
    fn budget(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        match call {
            Call::Count { key, .. } => {
                let count = self.counts.entry(key.clone()).or_default();
                *count += 1;
                Answer::Number(*count)
            }
            Call::Take { key, limit, .. } => {
                let count = self.counts.get(key).copied().unwrap_or_default();
                if count < *limit {
                    self.counts.insert(key.clone(), count + 1);
                }
                Answer::Flag(count < *limit)
            }
            Call::Ledger { account } => {
                let found = self.ledgers.get(account).cloned();
                let (rev, ledger) = found.unwrap_or_else(|| (0, "{}".into()));
                Answer::Ledger { rev, ledger: ledger.to_string() }
            }
            Call::ReplaceLedger { account, rev, ledger, at } => {
                let ledger = &if mutated(Mutation::LedgerNeverForgets) {
                    ageless(ledger, *at)
                } else {
                    ledger.clone()
                };
                let forgotten = mutated(Mutation::NoLedgerForNobody) && account.as_str().starts_with('~');
                let found = self.ledgers.get(account).map_or(0, |(rev, _)| *rev);
                let replaced = found == *rev || mutated(Mutation::BlindLedger);
                if replaced && !forgotten {
                    self.ledgers.insert(account.clone(), (rev + 1, ledger.as_str().into()));
                }
                Answer::Flag(replaced)
            }
            _ => unreachable!("another table's"),
        }
    }

    /// The tables `security-info` and `accounts`.
    fn account(&mut self, call: &Call, mutation: Option<Mutation>) -> Answer {
        let mutated = |by| mutation == Some(by);
        match call {
            Call::Registration { account } => {
                let row = self.accounts.get(account).cloned().unwrap_or_default();
                let claimed_by = row.claimed_by.map(shared::domain::flow::FlowKey::from_bytes);
                Answer::Registration { generation: row.generation, claimed_by }
            }
            Call::Totp { account } => {
                Answer::Flag(people::registration(account).has(shared::domain::method::Method::Totp))
            }
            Call::AcceptStep { account, step, flow } => {
                let Some(row) = self.accounts.get_mut(account) else { return Answer::Flag(false) };
                let again = row.last_step == *step && row.last_flow == Some(*flow.as_bytes());
                let accepted = row.last_step < *step || again || mutated(Mutation::AppStepAgain);
                if accepted {
                    row.last_step = *step;
                    row.last_flow = Some(*flow.as_bytes());
                }
                Answer::Flag(accepted)
            }
            Call::Claim { account, flow, generation, lease_until } => {
                let row = self.accounts.entry(account.clone()).or_default();
                if row.generation != *generation && !mutated(Mutation::ClaimWithoutGeneration) {
                    return Answer::Claimed(Some(Holder {
                        flow: row.claimed_by.map(shared::domain::flow::FlowKey::from_bytes),
                        generation: row.generation,
                        lease_until: Timestamp::from_seconds(row.lease_until),
                    }));
                }
                row.generation = generation + 1;
                row.claimed_by = Some(*flow.as_bytes());
                row.lease_until = lease_until.as_seconds();
                Answer::Claimed(None)
            }
            Call::Find { login } => Answer::Flag(people::person(login).is_some()),
            Call::Account { id } => Answer::Flag(self.accounts.contains_key(id)),
            Call::Reuse { id, password } => Answer::Flag(self.accounts[id].password == *password),
            Call::WasWritten { id, generation } => Answer::Flag(self.accounts[id].written >= *generation),
            Call::Write { id, generation, password } => {
                let row = self.accounts.get_mut(id).unwrap();
                let outcome = match row.written.cmp(generation) {
                    _ if mutated(Mutation::WriteWithoutGeneration) => Outcome::Made,
                    std::cmp::Ordering::Less => Outcome::Made,
                    // The same write once more changes nothing more.
                    std::cmp::Ordering::Equal => return Answer::Written(Outcome::Made),
                    std::cmp::Ordering::Greater => Outcome::Superseded,
                };
                if outcome == Outcome::Made {
                    row.written = *generation;
                    if let Some(password) = password {
                        row.password.clone_from(password);
                    }
                }
                Answer::Written(outcome)
            }
            _ => unreachable!("another table's"),
        }
    }

    fn live(&self, key: &[u8; 32], at: Timestamp, mutation: Option<Mutation>) -> Option<&Stored> {
        let found = self.flows.get(key)?;
        (found.expires_at > at || mutation == Some(Mutation::TtlTrusted)).then_some(found)
    }
}

/// A ledger whose messages were all sent in a future that never comes.
fn ageless(ledger: &str, at: Timestamp) -> String {
    let mut ledger: serde_json::Value = serde_json::from_str(ledger).unwrap();
    let lanes = ledger.get_mut("s").and_then(serde_json::Value::as_array_mut);
    for lane in lanes.into_iter().flatten() {
        for sent in lane["a"].as_array_mut().into_iter().flatten() {
            *sent = (at.as_seconds() + 10 * 86_400).into();
        }
    }
    ledger.to_string()
}
