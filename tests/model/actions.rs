//! The transitions of the model: the possible acts in a state, and their effects.

use shared::domain::cookie::{HolderCookie, HolderKind};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use rekey_tests::test_doubles::START;
use serde_json::{Value, json};
use shared::domain::account::AccountId;
use shared::domain::captcha::{CaptchaChallenge, Effort};
use shared::domain::flow::{RequestId, StateName};
use shared::domain::holder::HolderId;
use shared::domain::message::{Envelope, Message};
use shared::domain::passkey::RelyingParty;
use shared::domain::security_info::Kind;
use shared::domain::time::Timestamp;
use shared::ports::{Added, EnrolmentStore as _};

use crate::accounts;
use crate::calls::{Answer, Call, has_ended};
use crate::product::{Function, Product, Reply, Request, Running, Step};
use crate::scope::{
    AssertionChoice, ClientRequest, CodeChoice, EnrolmentStep, Fault, PASSWORDS, PhoneChoice,
    RecoveryCodeChoice, Scope,
};
use crate::state::{Assertion, Client, Code, EnrolmentProgress, Invoker, Observations, Queued, State};
use crate::tables::{MOMENT, Mutation, Tables};

/// One transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A client sends the request at this place of the menu.
    Send(usize),
    /// The handler at this place continues: its call takes effect and is answered.
    Continue(usize),
    /// A fault happens to the handler, message or flow at this place.
    Fault(Fault, usize),
    /// `delivery` receives the message at this place.
    Deliver(usize),
    /// Time passes, longer than a function's timeout, which ends the running handlers.
    Tick(usize),
    /// The last call of a handler that timed out takes effect now.
    DelayedCall(usize),
    /// The enrolment in the scope takes its next step.
    Enrol,
}

/// The observable results of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Called(Function, &'static str, &'static str),
    Replied(Invoker, Function, Reply),
    Crashed(Invoker),
    /// An enrolment took this step; whether it succeeded.
    Enrolled(EnrolmentStep, bool),
}

impl Scope {
    /// Returns the state after the scope's initial requests.
    pub fn begin(&self) -> State {
        let mut tables = Tables::default();
        for login in [accounts::VICTIM, accounts::ATTACKER] {
            let held = |kind: &&Kind| login == accounts::VICTIM || **kind == Kind::Authenticator;
            let holds: Vec<Kind> = self.enrolled.iter().filter(held).copied().collect();
            accounts::enrol(&mut tables, login, &holds, &self.party());
        }
        let client = |(login, attacks): &(&'static str, bool)| Client {
            login,
            attacks: *attacks,
            cookie: None,
            flow: None,
            serial: 0,
            number: None,
        };
        let mut state = State {
            now: START,
            tables,
            queue: Vec::new(),
            handlers: Vec::new(),
            late: Vec::new(),
            clients: self.clients.iter().map(client).collect(),
            left: self.menu.iter().map(|(_, _, times)| *times).collect(),
            ticks: self.ticks.iter().map(|(_, times)| *times).collect(),
            faults: self.faults,
            enrolment_progress: EnrolmentProgress::default(),
            observed: Observations { counted: 1, ..Observations::default() },
        };
        for (client, ask) in &self.before {
            let reply = self.run_request(&mut state, *client, *ask).unwrap();
            assert_eq!(reply.status, 200, "{ask:?}: {}", reply.body);
        }
        state
    }

    /// Returns the possible acts.
    pub fn possible(&self, state: &State) -> Vec<Action> {
        let mut acts = Vec::new();
        let busy = state.handlers.len();
        if busy < self.concurrency.max(1) {
            for (place, (client, ask, _)) in self.menu.iter().enumerate() {
                if state.left[place] > 0 && self.body(state, *client, *ask).is_some() {
                    acts.push(Action::Send(place));
                }
            }
            for (place, message) in state.queue.iter().enumerate() {
                // A delayed call takes effect before reconciliation runs.
                if !message.busy && message.visible_at <= state.now && state.late.is_empty() {
                    acts.push(Action::Deliver(place));
                }
            }
        }
        acts.extend((0..busy).map(Action::Continue));
        acts.extend((0..state.late.len()).map(Action::DelayedCall));
        if state.enrolment_progress.next < self.enrolment.len() && !state.enrolment_progress.overtaken {
            acts.push(Action::Enrol);
        }
        for (place, left) in state.ticks.iter().enumerate() {
            // Timing out a handler counts as a fault.
            let cuts_off = self.fault_kinds.contains(&Fault::Timeout) && state.faults > 0;
            // A delayed call arrives first: the SDK's timeout for a call is shorter than a function's.
            if *left > 0 && (busy == 0 || cuts_off) && state.late.is_empty() {
                acts.push(Action::Tick(place));
            }
        }
        if state.faults > 0 {
            for fault in &self.fault_kinds {
                let places = match fault {
                    Fault::Timeout => 0,
                    Fault::Redelivered => state.queue.len(),
                    Fault::CodeLost => state.observed.codes.len(),
                    Fault::FlowDeleted => state.tables.flows.0.len(),
                    _ => busy,
                };
                acts.extend((0..places).map(|place| Action::Fault(*fault, place)));
            }
        }
        acts
    }

    /// Returns the next state and its events; `None` if the act is impossible.
    pub fn after(&self, before: &State, act: Action) -> Option<(State, Vec<Event>)> {
        let mut state = before.clone();
        let mut events = Vec::new();
        match act {
            Action::Send(place) => {
                let (client, ask, _) = self.menu[place];
                state.left[place] -= 1;
                let request = self.request(&mut state, client, ask)?;
                let by = Invoker::Client(client, place);
                let running = Running::start(self.parameters, request);
                self.proceed(&mut state, by, running, &mut events);
                if self.concurrency == 0 {
                    while !state.handlers.is_empty() {
                        self.step(&mut state, 0, None, &mut events);
                    }
                }
            }
            Action::Deliver(place) => {
                let (by, running) = self.delivery(&mut state, place);
                self.proceed(&mut state, by, running, &mut events);
                if self.concurrency == 0 {
                    while !state.handlers.is_empty() {
                        self.step(&mut state, 0, None, &mut events);
                    }
                }
            }
            Action::Continue(place) => self.step(&mut state, place, None, &mut events),
            Action::Tick(place) => {
                state.ticks[place] -= 1;
                state.now += self.ticks[place].0;
                state.faults -= u8::from(!state.handlers.is_empty());
                for (by, running) in std::mem::take(&mut state.handlers) {
                    Self::release(&mut state, by, false);
                    events.push(Event::Crashed(by));
                    if matches!(&*running.next, Step::Calls(call) if call.is_write()) {
                        state.late.push((by, running));
                    }
                }
            }
            Action::Enrol => {
                let what = self.enrolment[state.enrolment_progress.next];
                let done = self.register(&mut state, what);
                events.push(Event::Enrolled(what, done));
            }
            Action::DelayedCall(place) => {
                let (by, running) = state.late.remove(place);
                let Step::Calls(call) = &*running.next else { unreachable!("only calls come late") };
                let answer = self.perform(&mut state, by, &running, call);
                events.push(Event::Called(running.request.function, call.kind(), answer.kind()));
            }
            Action::Fault(fault, place) => {
                state.faults -= 1;
                match fault {
                    Fault::Retried | Fault::ResponseLost | Fault::CallFailed => {
                        self.step(&mut state, place, Some(fault), &mut events);
                    }
                    Fault::Crash => {
                        let (by, _) = state.handlers.remove(place);
                        Self::release(&mut state, by, false);
                        events.push(Event::Crashed(by));
                    }
                    Fault::Redelivered => {
                        let mut copy = state.queue[place].clone();
                        copy.id += 1;
                        copy.busy = false;
                        if state.queue.iter().any(|message| message.id == copy.id) {
                            return None;
                        }
                        state.queue.push(copy);
                        state.queue.sort();
                    }
                    Fault::CodeLost => {
                        let code = &mut state.observed.codes[place];
                        if code.used || !code.delivered {
                            return None;
                        }
                        code.delivered = false;
                    }
                    Fault::Timeout => unreachable!("time does it"),
                    Fault::FlowDeleted => {
                        let key = *state.tables.flows.0.keys().nth(place)?;
                        state.tables.flows.0.remove(&key);
                    }
                }
            }
        }
        (state != *before).then_some((state, events))
    }

    /// Takes the next step of the enrolment and returns whether it succeeded.
    fn register(&self, state: &mut State, what: EnrolmentStep) -> bool {
        let account = AccountId::from_directory(accounts::VICTIM).unwrap();
        let known = state.enrolment_progress.generation;
        let session = HolderId::from_bytes([9; 32]);
        let before = state.tables.entries(&account).state.clone();
        state.enrolment_progress.next += 1;
        let moved = state.tables.call(async |memory| match what {
            EnrolmentStep::Read => memory.registered(&account).await.map(|found| Some(found.generation)),
            EnrolmentStep::IncrementGeneration => memory.change(&account, known, session).await,
            EnrolmentStep::Put(kind, number) => {
                let entry = accounts::new_entry(accounts::VICTIM, kind, number, &self.party());
                let added = memory.add(&account, known, session, &entry).await;
                added.map(|added| if let Added::Done(generation) = added { Some(generation) } else { None })
            }
            EnrolmentStep::Delete(kind, number) => {
                memory.remove(&account, known, session, &accounts::entry(kind, number), MOMENT).await
            }
        });
        let Some(generation) = moved.unwrap() else {
            state.enrolment_progress.overtaken = true;
            return false;
        };
        state.enrolment_progress.generation = generation;
        if what != EnrolmentStep::Read {
            state.observed.enrolments += 1;
        }
        let table = &mut state.tables.security_info;
        if let (Some(Mutation::EnrolmentKeepsGeneration), Some(before)) = (self.mutation, before)
            && let Some(state_of) = &mut table.of(&account).state
        {
            (state_of.generation, state_of.lease) = (before.generation, before.lease);
            state.enrolment_progress.generation = before.generation;
        }
        true
    }

    /// Returns the relying party of passkeys.
    pub fn party(&self) -> RelyingParty {
        Product::of(self.parameters).settings.relying_party()
    }

    /// Runs a request of a client from start to end, without interleaving.
    pub fn run_request(&self, state: &mut State, client: usize, ask: ClientRequest) -> Option<Reply> {
        let request = self.request(state, client, ask)?;
        let mut events = Vec::new();
        let by = Invoker::Client(client, usize::MAX);
        let running = Running::start(self.parameters, request);
        self.proceed(state, by, running, &mut events);
        while let Some(place) = state.handlers.iter().position(|(who, _)| *who == by) {
            self.step(state, place, None, &mut events);
        }
        events.into_iter().find_map(|event| match event {
            Event::Replied(_, _, reply) => Some(reply),
            _ => None,
        })
    }

    fn delivery(&self, state: &mut State, place: usize) -> (Invoker, Running) {
        let message = &mut state.queue[place];
        message.busy = true;
        message.receives += 1;
        let record = json!({
            "messageId": message.id.to_string(),
            "body": &*message.body,
            "attributes": {
                "SentTimestamp": (message.sent_at * 1_000).to_string(),
                "ApproximateReceiveCount": message.receives.to_string(),
            },
        });
        let request = Request {
            function: Function::Delivery,
            path: "",
            cookie: None,
            body: json!({ "Records": [record] }).to_string(),
            at: state.now,
            seed: message.id ^ u64::from(message.receives),
            mutation: None,
        };
        (Invoker::Queue(message.id), Running::start(self.parameters, request))
    }

    /// Performs a handler's call, answers it, and runs the handler to its next call or reply.
    fn step(&self, state: &mut State, place: usize, fault: Option<Fault>, events: &mut Vec<Event>) {
        let (by, running) = state.handlers.remove(place);
        let call = match &*running.next {
            Step::Calls(call) => call,
            Step::Waits => return self.wait(state, by, &running, events),
            Step::Replies(_) => unreachable!("it would be over"),
        };
        let function = running.request.function;
        let answer = match fault {
            Some(Fault::CallFailed) => Answer::Failed,
            Some(Fault::ResponseLost) => {
                self.perform(state, by, &running, call);
                Answer::Failed
            }
            Some(Fault::Retried) => {
                self.perform(state, by, &running, call);
                self.perform(state, by, &running, call)
            }
            _ => self.perform(state, by, &running, call),
        };
        events.push(Event::Called(function, call.kind(), answer.kind()));
        let next = running.answer(self.parameters, answer, state.now);
        self.proceed(state, by, next, events);
    }

    /// Ends the wait of a double click when the flow is done or the time is up. If the first click has given up, it
    /// requests the lease again.
    fn wait(&self, state: &mut State, by: Invoker, running: &Running, events: &mut Vec<Event>) {
        let cookie = running.request.cookie.as_ref().unwrap();
        let key = HolderCookie::read(HolderKind::Flow, cookie, &accounts::keys()).unwrap().id();
        let load = Call::Load { key, at: Timestamp::from_seconds(state.now) };
        let (status, body) = match state.tables.perform(&load, self.mutation) {
            Answer::Flow(Some(stored)) if stored.record.state == StateName::Done => {
                (409, json!({ "code": "out-of-step", "page": "done" }))
            }
            Answer::Flow(Some(stored)) if !has_ended(&stored) => {
                if !state.tables.has_lease(key, running.request.at) {
                    return self.proceed(state, by, running.retry_lease(self.parameters), events);
                }
                (503, json!({ "code": "unavailable" }))
            }
            _ => (410, json!({ "code": "flow-ended" })),
        };
        self.proceed(state, by, running.end(Reply { status, body, cookie: None }), events);
    }

    /// Keeps a handler that has another call to make, and delivers the reply of one that hasn't.
    fn proceed(&self, state: &mut State, by: Invoker, running: Running, events: &mut Vec<Event>) {
        let Step::Replies(reply) = &*running.next else {
            state.handlers.push((by, running));
            state.handlers.sort_by_key(|(by, running)| (*by, running.request.seed));
            return;
        };
        let function = running.request.function;
        match by {
            Invoker::Client(client, _) => {
                self.observe_reply(state, client, &running, reply);
                let client = &mut state.clients[client];
                if let Some(cookie) = &reply.cookie {
                    client.cookie = (!cookie.is_empty()).then(|| cookie.as_str().into());
                }
                if let (Some("approval"), Some(number)) =
                    (reply.body["page"].as_str(), reply.body["number"].as_str())
                {
                    client.number = Some(number.into());
                }
                let read =
                    |cookie: &Arc<str>| HolderCookie::read(HolderKind::Flow, cookie, &accounts::keys());
                client.flow = client.cookie.as_ref().and_then(read).map(|cookie| *cookie.id().as_bytes());
            }
            Invoker::Queue(_) => Self::release(state, by, reply.status == 200),
        }
        events.push(Event::Replied(by, function, reply.clone()));
    }

    /// Deletes a handled message. Another one comes again, unless it is an expired code.
    fn release(state: &mut State, by: Invoker, handled: bool) {
        let Invoker::Queue(id) = by else { return };
        let now = state.now;
        state.queue.retain_mut(|message| {
            message.busy &= message.id != id;
            let dead = message.kind == "code" && message.sent_at + 600 <= now;
            message.id != id || !(handled || dead)
        });
    }

    fn perform(&self, state: &mut State, by: Invoker, running: &Running, call: &Call) -> Answer {
        let before = Self::flow_before(state, call);
        let answer = state.tables.perform(call, self.mutation);
        self.observe_call(state, by, running, call, &answer, before);
        if let Call::Enqueue { bodies, delay } = call {
            for body in bodies {
                self.enqueue(state, running, body, *delay);
            }
        }
        answer
    }

    fn enqueue(&self, state: &mut State, running: &Running, body: &str, delay: u32) {
        let envelope: Envelope = serde_json::from_str(body).unwrap();
        let (flow, message) = envelope.open(&accounts::keys()).unwrap();
        let kind = match &message {
            Message::Code(_) => "code",
            Message::Decoy => "decoy",
            Message::Notice(_) => "notice",
            Message::Reconcile(_) => "reconcile",
            Message::Push(_) => "push",
            Message::ApprovalDenied(_) => "refused",
            Message::SessionChanges => "session_changes",
        };
        let lost = match self.mutation {
            Some(Mutation::ReconcileLost) => kind == "reconcile",
            Some(Mutation::NotificationsLost) => kind == "notice",
            Some(Mutation::DenialNotificationLost) => kind == "refused",
            _ => false,
        };
        match &message {
            Message::Code(code) => self.observe_code(state, running, *flow.as_bytes(), code),
            Message::Notice(notice) if self.instant && !lost => {
                state.observed.notified.insert((*flow.as_bytes(), accounts::exposed(&notice.to)));
            }
            Message::ApprovalDenied(_) if !lost => {
                state.observed.refused.insert(*flow.as_bytes());
            }
            _ => {}
        }
        if lost || (self.instant && kind != "reconcile") {
            return;
        }
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let id = hasher.finish() & !1;
        // A repeated call queues a second message.
        let id = if state.queue.iter().any(|message| message.id == id) { id + 1 } else { id };
        state.queue.push(Queued {
            id,
            kind,
            sent_at: state.now,
            visible_at: state.now + i64::from(delay),
            receives: 0,
            busy: false,
            body: body.into(),
        });
        state.queue.sort();
        state.queue.dedup_by_key(|message| message.id);
    }

    /// Builds the request that a client sends.
    fn request(&self, state: &mut State, client: usize, ask: ClientRequest) -> Option<Request> {
        let (function, path, body) = self.body(state, client, ask)?;
        let asking = &mut state.clients[client];
        asking.serial += 1;
        if let ClientRequest::Assertion(asserted @ (AssertionChoice::Newest | AssertionChoice::Previous)) =
            ask
        {
            let (challenge, counter) = Self::challenge(state, client, asserted)?;
            state.observed.counted = counter;
            let text = body["assertion"].as_str().unwrap().into();
            state.observed.assertions.push(Assertion { text, challenge, counter, used: false });
        }
        let asking = &state.clients[client];
        Some(Request {
            function,
            path,
            // A phone sends no browser cookie.
            cookie: asking.cookie.clone().filter(|_| !matches!(ask, ClientRequest::PhoneAnswer(_))),
            body: if body.is_null() { String::new() } else { body.to_string() },
            at: state.now,
            seed: client as u64 * 1_000 + u64::from(asking.serial),
            mutation: self.mutation,
        })
    }

    /// Returns function, path and body; `None` if the client doesn't know what to send.
    pub fn body(
        &self,
        state: &State,
        client: usize,
        ask: ClientRequest,
    ) -> Option<(Function, &'static str, Value)> {
        let asking = &state.clients[client];
        let now = Timestamp::from_seconds(state.now);
        if asking.cookie.is_none() && ask != ClientRequest::Open {
            return None;
        }
        Some(match ask {
            ClientRequest::Open => {
                let seed = u8::try_from(client).unwrap() * 50 + asking.serial;
                let challenge = CaptchaChallenge::generate([seed; 16], now, Effort::BASE, None);
                let token = challenge.seal(&accounts::keys(), [seed; 24]).unwrap();
                let answer = challenge.answer();
                let body = json!({ "login": asking.login, "captcha_token": token, "captcha_answer": answer });
                (Function::Captcha, "/", body)
            }
            ClientRequest::Forgotten => {
                (Function::MethodSelection, "/reason", json!({ "reason": "forgotten" }))
            }
            ClientRequest::Locked => (Function::MethodSelection, "/reason", json!({ "reason": "locked" })),
            ClientRequest::Cancel => (Function::MethodSelection, "/cancel", json!({})),
            ClientRequest::Email => (Function::CodeSend, "/code/send", json!({ "method": "email" })),
            ClientRequest::Sms { right } => {
                let contact = if right { accounts::MOBILE } else { "012-999 9998" };
                (Function::CodeSend, "/code/send", json!({ "method": "sms", "contact": contact }))
            }
            ClientRequest::Code(typed) => {
                let code = Self::code(state, asking, typed)?;
                (Function::CodeVerify, "/code", json!({ "code": code }))
            }
            ClientRequest::App { right } => {
                let code = if right { accounts::app_code(now) } else { "000000".to_owned() };
                (Function::CodeVerify, "/code", json!({ "method": "totp", "code": code }))
            }
            ClientRequest::ReplayedTotp => {
                let (code, _) = state.observed.app_codes.last()?;
                (Function::CodeVerify, "/code", json!({ "method": "totp", "code": code }))
            }
            ClientRequest::Push => (Function::CodeSend, "/code/send", json!({ "method": "push" })),
            ClientRequest::ApprovalPage => (Function::CodeVerify, "/code", Value::Null),
            ClientRequest::ConfirmApproval => (Function::CodeVerify, "/code", json!({ "method": "push" })),
            ClientRequest::PhoneAnswer(phoned) => {
                let (request, typed) = Self::phoned(state, client, phoned)?;
                let owner = if asking.attacks { accounts::ATTACKER } else { asking.login };
                let body =
                    accounts::phone_answer(owner, RequestId::from_bytes(request), typed.as_deref(), now);
                (Function::Approval, "/authenticator/answer", body)
            }
            ClientRequest::PasskeyChallenge => {
                (Function::CodeSend, "/code/send", json!({ "method": "passkey" }))
            }
            ClientRequest::Assertion(asserted) => {
                let text = if asserted == AssertionChoice::Replayed {
                    state.observed.assertions.last()?.text.to_string()
                } else {
                    let (place, counter) = Self::challenge(state, client, asserted)?;
                    let challenge = &state.observed.challenges[place].text;
                    let party = self.settings().relying_party();
                    let login = if asserted == AssertionChoice::Unregistered { "" } else { accounts::VICTIM };
                    accounts::assertion(login, &accounts::keys(), &party, challenge, counter)
                };
                (Function::CodeVerify, "/code", json!({ "method": "passkey", "assertion": text }))
            }
            ClientRequest::Recovery(listed) => {
                let code = match listed {
                    RecoveryCodeChoice::Nth(nth) => accounts::recovery_code(0, nth),
                    RecoveryCodeChoice::Replayed => state.observed.recovery_codes.last()?.clone(),
                    RecoveryCodeChoice::Wrong => accounts::NO_CODE.to_owned(),
                };
                (Function::CodeVerify, "/code", json!({ "method": "recovery_code", "code": code }))
            }
            ClientRequest::Password(n) => {
                let password = PASSWORDS[n];
                let body = json!({ "password": password, "confirmation": password });
                (Function::PasswordSet, "/password", body)
            }
            ClientRequest::Unlock => (Function::PasswordSet, "/unlock", json!({})),
        })
    }

    /// Returns the request that a phone answers and the typed number; no number for "It wasn't me".
    pub fn phoned(state: &State, client: usize, phoned: PhoneChoice) -> Option<([u8; 16], Option<String>)> {
        let asking = &state.clients[client];
        let mut of_account = state.observed.requests.iter().rev().filter(|asked| asked.login == asking.login);
        let shown = match phoned {
            PhoneChoice::ApprovesPrevious | PhoneChoice::DeniesPrevious => of_account.nth(1)?,
            _ => of_account.next()?,
        };
        let typed = match phoned {
            PhoneChoice::Denies | PhoneChoice::DeniesPrevious => None,
            PhoneChoice::ApprovesPrevious => Some(shown.number.clone()),
            PhoneChoice::Mistypes => {
                let number: u8 = shown.number.parse().unwrap();
                Some(if number == 99 { 10 } else { number + 1 }.to_string())
            }
            PhoneChoice::Approves if asking.attacks => {
                let is_owners = |flow| !state.clients[state.observed.flows[flow].client].attacks;
                let mut owners = state.observed.requests.iter().rev().filter(|asked| is_owners(&asked.flow));
                Some(owners.next()?.number.clone())
            }
            PhoneChoice::Approves => {
                let number = asking.number.as_deref()?.to_owned();
                // Equal numbers of two requests are a coincidence, one in ninety.
                if number == shown.number && Some(shown.flow) != asking.flow {
                    return None;
                }
                Some(number)
            }
        };
        Some((shown.id, typed))
    }

    /// Returns the place of the answered challenge, and the passkey's signature count.
    pub fn challenge(state: &State, client: usize, asserted: AssertionChoice) -> Option<(usize, u32)> {
        let flow = state.clients[client].flow?;
        let shown = state.observed.challenges.iter().enumerate().rev();
        let mut own = shown.filter(|(_, challenge)| challenge.flow == flow).map(|(place, _)| place);
        Some(match asserted {
            AssertionChoice::Newest | AssertionChoice::Unregistered => {
                (own.next()?, state.observed.counted + 1)
            }
            AssertionChoice::Previous => (own.nth(1)?, state.observed.counted + 1),
            AssertionChoice::Cloned => {
                let proved = state.observed.assertions.iter().rfind(|made| made.used)?;
                (own.next()?, proved.counter)
            }
            AssertionChoice::Replayed => return None,
        })
    }

    /// Returns the code that a client types: one that reached the person behind it.
    pub fn code(state: &State, client: &Client, typed: CodeChoice) -> Option<String> {
        let owner = if client.attacks { accounts::ATTACKER } else { client.login };
        let came = |code: &&Code| code.delivered && code.login == owner;
        let mut own =
            state.observed.codes.iter().filter(came).filter(|code| Some(code.flow) == client.flow).rev();
        let mut others =
            state.observed.codes.iter().filter(came).filter(|code| Some(code.flow) != client.flow).rev();
        let found = match typed {
            CodeChoice::Newest => own.next(),
            CodeChoice::Previous => own.nth(1),
            CodeChoice::OfAnotherFlow => others.next(),
            CodeChoice::Wrong => return Some("00000000".to_owned()),
        };
        found.map(|code| code.text.clone())
    }

    /// Returns the parsed parameters of the scope.
    pub fn settings(&self) -> Arc<shared::settings::Settings> {
        Product::of(self.parameters).settings.clone()
    }
}
