//! The invariants. An observer checks each step: it knows every code, request and reply, and uses none of Rekey's own
//! checks. Invariants of a state are checked on the state.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use shared::adapters::memory::{self, StoredAccount, StoredFlow, StoredRequest};
use shared::domain::account::AccountId;
use shared::domain::approval::{ApprovalRequest, RequestStatus};
use shared::domain::cookie::{HolderCookie, HolderKind};
use shared::domain::flow::{Flow, PASSKEY_LIFETIME, RequestId};
use shared::domain::holder::HolderId;
use shared::domain::keys::Tag;
use shared::domain::message::{CodeMessage, Envelope};
use shared::domain::method::Method;
use shared::domain::security_info::{Consumption, Kind};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::CodeAttempt;
use stateright::{Model, Property};

use crate::accounts;
use crate::actions::Action;
use crate::calls::{Answer, Call, flow_of, has_ended, is_verified, verified_steps};
use crate::product::{Function, Reply, Running};
use crate::scope::{
    AssertionChoice, ClientRequest, CodeChoice, PASSWORDS, PhoneChoice, RecoveryCodeChoice, Scope,
};
use crate::state::{Challenge, Change, Code, DeviceRequest, FlowHistory, Invoker, State};

pub const I1: &str =
    "I1 a password changes only after fresh verifications for this account and flow, by distinct factors";
pub const I2: &str = "I2 each verification serves once";
pub const I3: &str = "I3 wrong answers stay within the attempts";
pub const I4: &str = "I4 one code or request is good at a time";
pub const I5: &str = "I5 what is done, cancelled, expired or overtaken stays so";
pub const I6: &str = "I6 codes and requests stay within the rate limits, and one request waits at a time";
pub const I8: &str = "I8 a crash leaves a true end: one password, finished and notified";
pub const I9: &str = "I9 without the owner's channels nothing is verified";
pub const I10: &str = "I10 from anywhere the owner gets through within two hours";
pub const CHANGED: &str = "a password changes";
pub const RECONCILED: &str = "all is reconciled after a change";

impl Model for Scope {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.begin()]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Action>) {
        acts.extend(self.possible(state));
    }

    fn next_state(&self, before: &State, act: Action) -> Option<State> {
        self.after(before, act).map(|(state, _)| state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(I1, |_, state: &State| !state.observed.violated.contains(I1)),
            Property::always(I2, |_, state: &State| !state.observed.violated.contains(I2)),
            Property::always(I3, |_, state: &State| !state.observed.violated.contains(I3)),
            Property::always(I4, |scope: &Self, state: &State| {
                !state.observed.violated.contains(I4) && scope.one_code_is_valid(state)
            }),
            Property::always(I5, |_, state: &State| !state.observed.violated.contains(I5)),
            Property::always(I6, |_, state: &State| !state.observed.violated.contains(I6)),
            Property::always(I8, |_, state: &State| {
                !state.observed.violated.contains(I8) && (!is_quiet(state) || is_reconciled(state))
            }),
            Property::always(I9, |_, state: &State| !state.observed.violated.contains(I9)),
        ];
        if self.check_liveness {
            properties.push(Property::always(I10, Self::owner_can_reset));
        }
        if self.expects_change {
            properties
                .push(Property::sometimes(CHANGED, |_, state: &State| !state.observed.changes.is_empty()));
            properties.push(Property::sometimes(RECONCILED, |_, state: &State| {
                !state.observed.changes.is_empty() && is_quiet(state) && is_reconciled(state)
            }));
        }
        properties
    }
}

/// Returns whether no handler, message or delayed call is pending.
fn is_quiet(state: &State) -> bool {
    state.handlers.is_empty() && state.queue.is_empty() && state.late.is_empty()
}

/// Returns whether every contact was notified of every change, and its flow is finished or gone.
fn is_reconciled(state: &State) -> bool {
    state.observed.changes.iter().all(|change| {
        let notified = |contact: &String| state.observed.notified.contains(&(change.flow, contact.clone()));
        let end = state.tables.flows.0.get(&change.flow);
        let account = AccountId::from_directory(change.login).unwrap();
        let registration = state.tables.entries(&account).registration(Timestamp::from_seconds(state.now));
        accounts::contacts(change.login, registration).iter().all(notified) && end.is_none_or(has_ended)
    })
}

/// The items that a call may change, as they were before it.
pub struct Before {
    flow: Option<StoredFlow>,
    account: Option<StoredAccount>,
    request: Option<StoredRequest>,
}

impl Scope {
    pub fn flow_before(state: &State, call: &Call) -> Before {
        let flow = match call {
            Call::Replace { key, .. } | Call::CodeAttempt { key, .. } | Call::Spend { key, .. } => {
                state.tables.flows.0.get(key.as_bytes()).cloned()
            }
            _ => None,
        };
        let account = match call {
            Call::Apply { change, .. } => Some(state.tables.account(&change.account).clone()),
            _ => None,
        };
        let request = match call {
            Call::RequestApproval { account, .. } | Call::Answer { account, .. } => {
                state.tables.approvals.0.get(account).cloned()
            }
            _ => None,
        };
        Before { flow, account, request }
    }

    pub fn observe_call(
        &self,
        state: &mut State,
        by: Invoker,
        running: &Running,
        call: &Call,
        answer: &Answer,
        before: Before,
    ) {
        match call {
            Call::Insert { key, flow } => {
                let Invoker::Client(client, _) = by else { return };
                let history = FlowHistory {
                    client,
                    expires_at: flow.record.expires_at.as_seconds(),
                    verified_methods: Vec::new(),
                    challenged: BTreeSet::new(),
                    wrong: 0,
                    wrong_codes: 0,
                    ended: false,
                    changes_before: state.observed.changes.len(),
                    enrolments_before: state.observed.enrolments,
                };
                state.observed.flows.entry(*key.as_bytes()).or_insert(history);
            }
            Call::Replace { key, .. } | Call::CodeAttempt { key, .. } | Call::Spend { key, .. } => {
                Self::observe_flow(state, by, running, *key, before.flow);
            }
            Call::Apply { change, .. }
                if *answer == Answer::Written(Ok(()))
                    && before.account.as_ref() != Some(state.tables.account(&change.account)) =>
            {
                self.observe_change(state, running, change.account.as_str(), call);
            }
            Call::RequestApproval { .. } if *answer == Answer::Flag(true) => {
                self.observe_request(state, running, call, before.request.as_ref());
            }
            Call::Answer { account, request, .. } => {
                Self::observe_answer(state, running, account, *request, before.request.as_ref());
            }
            Call::AcquireLease { flow, .. } if matches!(answer, Answer::Leased(Ok(_))) => {
                Self::observe_lease(state, *flow);
            }
            Call::Consume { account, entry, consumption, .. } if *answer == Answer::Flag(true) => {
                let hash = match consumption {
                    Consumption::RecoveryCode(hash) => Some(hash),
                    _ => None,
                };
                Self::observe_use(state, account, entry.kind(), hash);
            }
            Call::Notify { to } => {
                let Invoker::Queue(id) = by else { return };
                let Some(message) = state.queue.iter().find(|message| message.id == id) else { return };
                let envelope: Envelope = serde_json::from_str(&message.body).unwrap();
                let (flow, opened) = envelope.open(&accounts::keys()).unwrap();
                match opened {
                    shared::domain::message::Message::Code(code) => {
                        let text = code.code.expose();
                        let found = state.observed.codes.iter_mut().find(|code| code.text == text);
                        found.unwrap().delivered = true;
                    }
                    _ => {
                        state.observed.notified.insert((*flow.as_bytes(), to.clone()));
                    }
                }
            }
            _ => {}
        }
    }

    /// Checks a flow after a call that may have changed it.
    fn observe_flow(
        state: &mut State,
        by: Invoker,
        running: &Running,
        key: HolderId,
        before: Option<StoredFlow>,
    ) {
        let after = state.tables.flows.0.get(key.as_bytes()).cloned();
        let (Some(before), Some(after)) = (before, after) else { return };
        if before == after {
            return;
        }
        let Some(history) = state.observed.flows.get_mut(key.as_bytes()) else { return };
        let expired = history.expires_at <= running.request.at;
        let over = has_ended(&before) && after.record.state != before.record.state;
        if over || (expired && matches!(by, Invoker::Client(..))) {
            state.observed.violated.insert(I5);
        }
        history.ended |= has_ended(&after);
        if let Flow::AwaitingCode(awaiting) = flow_of(&after) {
            history.challenged.insert((after.record.step, awaiting.sent.method));
        }
        if verified_steps(&after) > verified_steps(&before) {
            Self::observe_verification(state, running, key, verified_steps(&before) + 1, &flow_of(&after));
        }
    }

    /// Checks a newly verified step.
    fn observe_verification(state: &mut State, running: &Running, key: HolderId, step: u8, flow: &Flow) {
        let proofs = match flow {
            Flow::Choosing(state) => &state.progress.verified_steps,
            Flow::AllVerified(state) => &state.progress.verified_steps,
            _ => return,
        };
        let method = proofs.last().unwrap().method;
        let body: serde_json::Value = serde_json::from_str(&running.request.body).unwrap();
        let typed = body["code"].as_str().unwrap_or_default();
        let at = running.request.at;
        let seen = &mut state.observed;
        let history = seen.flows.get_mut(key.as_bytes()).unwrap();
        if state.clients[history.client].attacks {
            seen.violated.insert(I9);
        }
        if history.verified_methods.iter().any(|verified: &Method| verified.factor() == method.factor()) {
            seen.violated.insert(I1);
        }
        history.verified_methods.push(method);
        if method.is_sent() {
            let sent = |code: &&mut Code| {
                code.flow == *key.as_bytes()
                    && code.step == step
                    && code.method == method
                    && code.text == typed
            };
            match seen.codes.iter_mut().find(sent) {
                Some(code) if code.used => {
                    seen.violated.insert(I2);
                }
                Some(code) if at < code.expires_at => code.used = true,
                _ => {
                    seen.violated.insert(I1);
                }
            }
        } else if method == Method::Push {
            let own = |asked: &&mut DeviceRequest| {
                asked.flow == *key.as_bytes() && asked.step == step && asked.approved
            };
            match seen.requests.iter_mut().find(own) {
                Some(asked) if asked.used => {
                    seen.violated.insert(I2);
                }
                Some(asked) => asked.used = true,
                None => {
                    seen.violated.insert(I1);
                }
            }
        } else if method == Method::Passkey {
            let text = body["assertion"].as_str().unwrap_or_default();
            let newest = seen.challenges.iter().rposition(|challenge| challenge.flow == *key.as_bytes());
            match seen.assertions.iter_mut().find(|made| &*made.text == text) {
                Some(made) if made.used => {
                    seen.violated.insert(I2);
                }
                Some(made) if Some(made.challenge) != newest => {
                    let is_own = seen.challenges[made.challenge].flow == *key.as_bytes();
                    seen.violated.insert(if is_own { I4 } else { I1 });
                }
                Some(made) if at < seen.challenges[made.challenge].expires_at => made.used = true,
                _ => {
                    seen.violated.insert(I1);
                }
            }
        } else if method == Method::RecoveryCode {
            let listed = (0..2).any(|nth| accounts::recovery_code(0, nth) == typed);
            if !listed {
                seen.violated.insert(I1);
            }
            if seen.recovery_codes.iter().any(|used| used == typed) {
                seen.violated.insert(I2);
            }
            seen.recovery_codes.push(typed.to_owned());
        } else {
            let shown = |off: i64| accounts::app_code(Timestamp::from_seconds(at + off)) == typed;
            if ![-30, 0, 30].into_iter().any(shown) {
                seen.violated.insert(I1);
            }
            if seen.app_codes.iter().any(|(used, _)| used == typed) {
                seen.violated.insert(I2);
            }
            seen.app_codes.push((typed.to_owned(), *key.as_bytes()));
        }
    }

    /// Checks a stored request to devices.
    fn observe_request(
        &self,
        state: &mut State,
        running: &Running,
        call: &Call,
        before: Option<&StoredRequest>,
    ) {
        let Call::RequestApproval { request, at, .. } = call else { return };
        let seen = &mut state.observed;
        if seen.requests.iter().any(|asked| asked.id == *request.id.as_bytes()) {
            return;
        }
        let cookie = running.request.cookie.as_ref();
        let cookie = cookie
            .and_then(|cookie| HolderCookie::read(HolderKind::Flow, cookie, &accounts::keys()))
            .unwrap();
        let (flow, step) = (*request.flow.as_bytes(), cookie.step());
        let login = state.clients[seen.flows[&flow].client].login;
        let number = cookie.approval_number(&accounts::keys(), request.id).unwrap();
        let is_others = |found: &ApprovalRequest| *found.flow.as_bytes() != flow && found.expires_at > *at;
        let waits = before.is_some_and(|found| is_others(&found.request));
        let was_denied = |found: &ApprovalRequest| found.status == RequestStatus::Denied;
        let paused = before.is_some_and(|found| was_denied(&found.request) && found.blocked_until > *at);
        seen.requests.push(DeviceRequest {
            flow,
            login,
            step,
            id: *request.id.as_bytes(),
            number: number.expose(),
            asked_at: running.request.at,
            approved: false,
            used: false,
        });
        let settings = self.settings();
        let lane = |asked: &&DeviceRequest| asked.login == login && asked.step.min(2) == step.min(2);
        let within = |span: Seconds| {
            let from = running.request.at - i64::from(span.0);
            seen.requests.iter().filter(lane).filter(|asked| asked.asked_at > from).count()
        };
        let in_step = seen.requests.iter().filter(|asked| asked.flow == flow && asked.step == step).count();
        if waits
            || paused
            || within(Seconds::HOUR) > usize::from(settings.sends.pushes_per_hour)
            || within(Seconds::DAY) > usize::from(settings.sends.per_day)
            || in_step > usize::from(settings.flow.sends_per_step)
        {
            seen.violated.insert(I6);
        }
    }

    /// Checks a device's answer.
    fn observe_answer(
        state: &mut State,
        running: &Running,
        account: &AccountId,
        request: RequestId,
        before: Option<&StoredRequest>,
    ) {
        let after = state.tables.approvals.0.get(account);
        let (Some(before), Some(after)) = (before, after.filter(|after| before != Some(after))) else {
            return;
        };
        let seen = &mut state.observed;
        if before.request.id != request {
            seen.violated.insert(I4);
        }
        if before.request.status != RequestStatus::Pending {
            seen.violated.insert(I2);
        }
        if before.request.expires_at.as_seconds() <= running.request.at {
            seen.violated.insert(I5);
        }
        let body: serde_json::Value = serde_json::from_str(&running.request.body).unwrap();
        let asked = seen.requests.iter_mut().find(|asked| asked.id == *after.request.id.as_bytes()).unwrap();
        asked.approved = body["number"] == asked.number.as_str();
    }

    /// Checks the use of an enrolled method. A replaced or removed one must not verify anything.
    fn observe_use(state: &mut State, account: &AccountId, kind: Kind, hash: Option<&String>) {
        let mut enrolled = state.tables.entries(account).entries.iter().filter(|(id, _)| id.kind() == kind);
        let is_of = |number: &str| {
            let sheet = |number: &str| accounts::sheet(number.parse().unwrap(), &accounts::keys());
            hash.is_none_or(|hash| sheet(number).hashes.contains(hash))
        };
        if !enrolled.any(|(_, entry)| is_of(&entry.shown)) {
            state.observed.violated.insert(I1);
        }
    }

    /// Checks a lease that a flow got.
    fn observe_lease(state: &mut State, flow: HolderId) {
        let seen = &mut state.observed;
        let Some(history) = seen.flows.get(flow.as_bytes()) else { return };
        if history.enrolments_before != seen.enrolments {
            seen.violated.insert(I5);
        }
    }

    /// Checks a write to the directory.
    fn observe_change(&self, state: &mut State, running: &Running, id: &str, call: &Call) {
        let Call::Apply { password, .. } = call else { return };
        let cookie = running.request.cookie.as_ref();
        let cookie = cookie
            .and_then(|cookie| HolderCookie::read(HolderKind::Flow, cookie, &accounts::keys()))
            .unwrap();
        let flow = *cookie.id().as_bytes();
        let seen = &mut state.observed;
        let history = &seen.flows[&flow];
        let client = &state.clients[history.client];
        if client.attacks {
            seen.violated.insert(I9);
        }
        let steps = usize::from(self.settings().steps);
        if client.login != id || history.verified_methods.len() < steps {
            seen.violated.insert(I1);
        }
        if running.request.at >= history.expires_at {
            seen.violated.insert(I5);
        }
        let since = &seen.changes[history.changes_before..];
        if since.iter().any(|change| change.login == id && change.flow != flow) {
            seen.violated.insert(I5);
        }
        // Another write of the same flow may follow a delayed one, unless the client got a success for the first.
        if since.iter().any(|change| change.flow == flow && change.acknowledged) {
            seen.violated.insert(I8);
        }
        seen.changes.push(Change {
            flow,
            login: client.login,
            password: password.clone(),
            acknowledged: false,
        });
    }

    /// Checks a queued code.
    pub fn observe_code(&self, state: &mut State, running: &Running, flow: [u8; 32], message: &CodeMessage) {
        let cookie = running.request.cookie.as_ref();
        let cookie = cookie
            .and_then(|cookie| HolderCookie::read(HolderKind::Flow, cookie, &accounts::keys()))
            .unwrap();
        let body: serde_json::Value = serde_json::from_str(&running.request.body).unwrap();
        let method = Method::parse(body["method"].as_str().unwrap()).unwrap();
        let text = message.code.expose();
        let seen = &mut state.observed;
        if seen.codes.iter().any(|code| code.text == text) {
            return;
        }
        let login = state.clients[seen.flows[&flow].client].login;
        seen.codes.push(Code {
            flow,
            login,
            step: cookie.step(),
            method,
            text: text.to_owned(),
            tag: *cookie.code_tag(&accounts::keys(), None, &message.code).unwrap().as_bytes(),
            sent_at: running.request.at,
            expires_at: message.expires_at.as_seconds(),
            delivered: self.instant,
            used: false,
        });
        let settings = self.settings();
        let step = cookie.step();
        let lane = |code: &&Code| {
            code.login == login && code.method.factor() == method.factor() && code.step.min(2) == step.min(2)
        };
        let within = |span: Seconds| {
            let from = running.request.at - i64::from(span.0);
            seen.codes.iter().filter(lane).filter(|code| code.sent_at > from).count()
        };
        let in_step = seen.codes.iter().filter(|code| code.flow == flow && code.step == step).count();
        if within(Seconds::HOUR) > usize::from(settings.sends.per_hour)
            || within(Seconds::DAY) > usize::from(settings.sends.per_day)
            || in_step > usize::from(settings.flow.sends_per_step)
        {
            seen.violated.insert(I6);
        }
    }

    /// Checks a reply to a client.
    pub fn observe_reply(&self, state: &mut State, client: usize, running: &Running, reply: &Reply) {
        if running.request.function == Function::Approval && reply.body["status"] == "denied" {
            Self::observe_denial(state, running);
        }
        let Some(cookie) = running.request.cookie.as_ref() else { return };
        let Some(cookie) = HolderCookie::read(HolderKind::Flow, cookie, &accounts::keys()) else { return };
        let flow = *cookie.id().as_bytes();
        let settings = self.settings();
        let login = state.clients[client].login;
        let seen = &mut state.observed;
        let body: serde_json::Value = serde_json::from_str(&running.request.body).unwrap_or_default();
        if reply.outcome() == "code-wrong" {
            let history = seen.flows.get_mut(&flow).unwrap();
            history.wrong += 1;
            let of_codes = history.challenged.len() * usize::from(settings.flow.code_attempts);
            let budget = match body["method"].as_str().and_then(Method::parse) {
                Some(method @ Method::Totp) => Some((method, u64::from(settings.totp_attempts_per_day))),
                // Passkey assertions and recovery codes can't be guessed, so only the flow's attempts limit them.
                Some(method) => Some((method, u64::from(settings.flow.flow_attempts))),
                None => None,
            };
            if let Some((method, budget)) = budget {
                let wrong_attempts = seen.wrong_attempts.entry((method, login, cookie.step())).or_default();
                *wrong_attempts += 1;
                if method == Method::Totp && u64::from(*wrong_attempts) > budget {
                    seen.violated.insert(I3);
                }
            } else {
                history.wrong_codes += 1;
                if usize::from(history.wrong_codes) > of_codes {
                    seen.violated.insert(I3);
                }
            }
            if history.wrong > settings.flow.flow_attempts {
                seen.violated.insert(I3);
            }
        }
        if let Some(text) = reply.body["options"]["challenge"].as_str()
            && !seen.challenges.iter().any(|challenge| challenge.text == text)
        {
            let expires_at = running.request.at + i64::from(PASSKEY_LIFETIME.0);
            seen.challenges.push(Challenge { flow, text: text.to_owned(), expires_at });
        }
        if reply.body["page"] == "done" {
            let password = body["password"].as_str().filter(|_| reply.status == 200);
            let made = |change: &Change| {
                change.flow == flow
                    && password.is_none_or(|password| change.password.as_deref() == Some(password))
            };
            match seen.changes.iter_mut().rev().find(|change| made(change)) {
                Some(change) => change.acknowledged = true,
                None => {
                    seen.violated.insert(I8);
                }
            }
        }
    }

    /// Checks a confirmed refusal: the flow that asked has ended, and the owner will be notified.
    fn observe_denial(state: &mut State, running: &Running) {
        let body: serde_json::Value = serde_json::from_str(&running.request.body).unwrap();
        let id = body["request"].as_str().and_then(RequestId::parse).unwrap();
        let seen = &mut state.observed;
        let asked = seen.requests.iter().find(|asked| asked.id == *id.as_bytes()).unwrap();
        let end = state.tables.flows.0.get(&asked.flow);
        if !end.is_none_or(has_ended) || !seen.refused.contains(&asked.flow) {
            seen.violated.insert(I8);
        }
    }

    /// Of all codes made for a flow, at most one is accepted now.
    fn one_code_is_valid(&self, state: &State) -> bool {
        let limits = &self.settings().flow;
        state.observed.flows.keys().all(|flow| {
            let good = |code: &&Code| {
                let guess = Call::CodeAttempt {
                    key: HolderId::from_bytes(*flow),
                    guess: CodeAttempt { step: code.step, tag: Tag::from_bytes(code.tag) },
                    limits: *limits,
                    at: Timestamp::from_seconds(state.now),
                };
                let answer = state.tables.clone().perform(&guess, self.mutation);
                matches!(answer, Answer::Compared(stored) if is_verified(&stored))
            };
            let codes: Vec<&Code> = state.observed.codes.iter().filter(|code| code.flow == *flow).collect();
            codes.len() < 2 || codes.into_iter().filter(good).count() < 2
        })
    }

    /// Returns whether the owner, alone and without faults, can set a password within two hours.
    fn owner_can_reset(&self, state: &State) -> bool {
        if !state.handlers.is_empty() {
            return true;
        }
        thread_local! {
            /// A new flow depends on its account's data only, not on other flows.
            static KNOWN: RefCell<HashMap<u64, bool>> = RefCell::default();
        }
        let mut hasher = DefaultHasher::new();
        let memory::Tables { accounts, security_info, rate_limits, approvals, .. } = &*state.tables;
        (self.parameters, accounts, security_info, rate_limits, approvals).hash(&mut hasher);
        (state.observed.counted, state.now).hash(&mut hasher);
        let digest = hasher.finish();
        if let Some(through) = KNOWN.with_borrow(|known| known.get(&digest).copied()) {
            return through;
        }
        let mut state = state.clone();
        let through = (0..3).any(|_| {
            let through = self.attempt_reset(&mut state);
            state.now += 3_600;
            through
        });
        KNOWN.with_borrow_mut(|known| known.insert(digest, through));
        through
    }

    /// Attempts once with every method, as the owner.
    fn attempt_reset(&self, state: &mut State) -> bool {
        let owner = self.clients.iter().position(|(_, attacks)| !attacks).unwrap();
        let ask = |state: &mut State, ask| {
            state.now += 31;
            let reply = self.run_request(state, owner, ask);
            reply.filter(|reply| reply.status == 200).map(|reply| reply.outcome().to_owned())
        };
        ask(state, ClientRequest::Open);
        ask(state, ClientRequest::Forgotten);
        let mut page = "method".to_owned();
        let last = [
            ClientRequest::PasskeyChallenge,
            ClientRequest::Recovery(RecoveryCodeChoice::Nth(0)),
            ClientRequest::Recovery(RecoveryCodeChoice::Nth(1)),
        ];
        let first = [
            ClientRequest::Push,
            ClientRequest::Email,
            ClientRequest::Sms { right: true },
            ClientRequest::App { right: true },
        ];
        for way in first.into_iter().chain(last) {
            if page == "password" {
                break;
            }
            let mut next = ask(state, way);
            next = match next.as_deref() {
                Some("code") => ask(state, ClientRequest::Code(CodeChoice::Newest)),
                Some("passkey") => ask(state, ClientRequest::Assertion(AssertionChoice::Newest)),
                Some("approval") => {
                    let request = ClientRequest::PhoneAnswer(PhoneChoice::Approves);
                    let _ = self
                        .body(state, owner, request)
                        .and_then(|_| self.run_request(state, owner, request));
                    ask(state, ClientRequest::ConfirmApproval)
                }
                _ => next,
            };
            page = next.unwrap_or(page);
        }
        let account = AccountId::from_directory(self.clients[owner].0).unwrap();
        let present = state.tables.account(&account).password.as_ref().unwrap();
        let other = PASSWORDS.iter().position(|password| !present.verifies(password)).unwrap();
        ask(state, ClientRequest::Password(other)).as_deref() == Some("done")
    }
}
