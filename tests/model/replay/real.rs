//! Replays one trace with the real functions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use rekey_local::emulator::CallFault;
use rekey_local::emulator::roles::Call as Observations;
use rekey_tests::fixtures::AISYAH;
use rekey_tests::test_doubles::START;
use rekey_tests::{Answer, Browser, Phone, SignIn, World};
use serde_json::{Value, json};
use shared::adapters::dynamodb::DynamoApprovals;
use shared::domain::account::AccountId;
use shared::domain::approval::RequestStatus;
use shared::domain::cookie::{HolderCookie, HolderKind};
use shared::domain::device::Device;
use shared::domain::flow::RequestId;
use shared::domain::holder::HolderId;
use shared::domain::message::{Envelope, Message};
use shared::domain::security_info::{Kind, Secret};
use shared::ports::{
    Added, ApprovalStore as _, Clock as _, EnrolmentStore as _, NewEntry, SecurityInfoStore as _,
};
use tokio::task::JoinHandle;

use super::gate::Gate;
use super::traces::Trace;
use crate::accounts::{self, VICTIM};
use crate::actions::{Action, Event};
use crate::product::{Function, Reply, Running, Step};
use crate::scope::{AssertionChoice, ClientRequest, EnrolmentStep, Fault, PASSWORDS, PRESENT, Scope};
use crate::state::{Invoker, State};

/// The SDK's attempts for a call.
const ATTEMPTS: usize = 3;

/// Identifies a handler by its invoker and the number of the request.
type HandlerId = (Invoker, u64);

/// A running handler: the task that waits for it, and its pending call.
struct Task {
    join: JoinHandle<(Option<Browser>, HandlerResult)>,
    waiting: Option<(u64, Observations)>,
}

/// The result of a real handler.
enum HandlerResult {
    Answered(Box<Answer>),
    /// Number of messages to retry.
    Delivered(usize),
}

struct RealSystem {
    world: Arc<World>,
    gate: Arc<Gate>,
    browsers: Vec<Browser>,
    tasks: BTreeMap<HandlerId, Task>,
    /// The codes in the order of queueing, as the model has them.
    codes: Vec<String>,
    phone: Option<Phone>,
    /// The requests to it, in order of creation.
    requests: Vec<RequestId>,
    /// The passkey challenges, in the order in which pages showed them.
    challenges: Vec<String>,
    /// The last assertion of the passkey.
    last_assertion: Option<String>,
    /// The generation that the enrolment read.
    read_generation: u64,
}

/// Performs every act of a trace and compares with the model.
pub async fn replay(scope: &Scope, trace: &Trace) {
    let world = World::with(scope.parameters).await;
    let mut real = RealSystem {
        browsers: scope.clients.iter().map(|_| world.browser()).collect(),
        gate: Arc::default(),
        tasks: BTreeMap::new(),
        codes: Vec::new(),
        phone: None,
        requests: Vec::new(),
        challenges: Vec::new(),
        last_assertion: None,
        read_generation: 0,
        world,
    };
    for kind in scope.enrolled {
        real.enrol(*kind).await;
    }
    real.prepare(scope).await;
    real.gate = Gate::before(&real.world);
    let mut state = scope.begin();
    for (nth, act) in trace.iter().enumerate() {
        let (next, events) = scope.after(&state, *act).unwrap();
        let what = format!("{act:?}, act {nth} of {trace:?}");
        real.act(scope, &state, &next, *act, &events, &what).await;
        real.compare(&next, &what).await;
        state = next;
    }
    real.world.clear_faults();
    real.compare_passwords(&state, trace).await;
}

impl Drop for RealSystem {
    /// Aborts the pending tasks, also after a failed comparison.
    fn drop(&mut self) {
        self.gate.close();
        for task in self.tasks.values() {
            task.join.abort();
        }
    }
}

impl RealSystem {
    /// Enrols one of these for the victim.
    async fn enrol(&mut self, kind: Kind) {
        if kind == Kind::Authenticator {
            self.phone = Some(Phone::enrolled(&self.world, 1, &AISYAH).await);
        } else {
            self.world.enrolment.put(&AISYAH.account().id, &self.entry(kind, 0)).await.unwrap();
        }
    }

    /// Returns an entry of the victim.
    fn entry(&self, kind: Kind, number: u8) -> NewEntry<'static> {
        let secret = match kind {
            Kind::Passkey => {
                let flows = self.world.keyring("REKEY_SECRET_FLOWS");
                let (_, credential) = accounts::passkey(VICTIM, &flows, &self.world.settings.relying_party());
                Secret::Passkey(credential)
            }
            Kind::RecoveryCodes => {
                Secret::RecoveryCodes(accounts::sheet(number, &self.world.keyring("REKEY_SECRET_SEEDS")))
            }
            other => panic!("{other:?} is not replayed"),
        };
        NewEntry::new(accounts::entry(kind, number), "", secret, self.world.now())
    }

    /// Sends the scope's initial requests.
    async fn prepare(&mut self, scope: &Scope) {
        let mut state = Scope { before: Vec::new(), ..scope.clone() }.begin();
        for (client, ask) in &scope.before {
            let body = self.body(scope, &state, *client, *ask);
            let answer = Self::ask(&mut self.browsers[*client], *ask, body).await;
            let reply = scope.run_request(&mut state, *client, *ask).unwrap();
            assert_same_reply(&reply, &answer, "before the trace");
            self.record_codes();
            self.record_challenge(&answer);
            self.record_request().await;
        }
    }

    /// Returns the body of a request, with the real code instead of the model's.
    fn body(&self, scope: &Scope, state: &State, client: usize, ask: ClientRequest) -> (&'static str, Value) {
        let (_, path, mut body) = scope.body(state, client, ask).unwrap();
        if let ClientRequest::Code(typed) = ask {
            let text = Scope::code(state, &state.clients[client], typed).unwrap();
            if let Some(place) = state.observed.codes.iter().position(|code| code.text == text) {
                body["code"] = self.codes[place].clone().into();
            }
        }
        if let ClientRequest::Assertion(asserted) = ask {
            let made = || {
                let (place, counter) = Scope::challenge(state, client, asserted)?;
                let flows = self.world.keyring("REKEY_SECRET_FLOWS");
                let party = self.world.settings.relying_party();
                Some(accounts::assertion(VICTIM, &flows, &party, &self.challenges[place], counter))
            };
            body["assertion"] = made().or_else(|| self.last_assertion.clone()).unwrap().into();
        }
        if let ClientRequest::PhoneAnswer(phoned) = ask {
            let (id, typed) = Scope::phoned(state, client, phoned).unwrap();
            let requests = &state.observed.requests;
            let shown = requests.iter().position(|asked| asked.id == id).unwrap();
            let typed = typed.map(|typed| {
                let right = requests.iter().rposition(|asked| asked.number == typed);
                let number: u8 = self.number(state, right.unwrap_or(shown)).parse().unwrap();
                let wrong = if number == 99 { 10 } else { number + 1 };
                if right.is_some() { number } else { wrong }.to_string()
            });
            body = self.signed_by_phone(self.requests[shown], typed.as_deref());
        }
        (path, body)
    }

    /// Returns the number of a request, by its place in the order of creation.
    fn number(&self, state: &State, place: usize) -> String {
        let keys = self.world.keyring("REKEY_SECRET_FLOWS");
        let client = state.observed.flows[&state.observed.requests[place].flow].client;
        let cookie =
            HolderCookie::read(HolderKind::Flow, self.browsers[client].cookie.as_ref().unwrap(), &keys)
                .unwrap();
        cookie.approval_number(&keys, self.requests[place]).unwrap().expose()
    }

    fn signed_by_phone(&self, request: RequestId, typed: Option<&str>) -> Value {
        let mut phone = self.phone.clone().unwrap();
        let keys = self.world.keyring("REKEY_SECRET_PUSH");
        phone.nonce =
            Device::from_handle(&keys, &phone.handle).unwrap().nonce(&keys, self.world.now()).unwrap();
        let mut body = phone.approval(&request.to_string(), typed.unwrap_or("denied"));
        if typed.is_none() {
            body.as_object_mut().unwrap().remove("number");
            body["denied"] = "true".into();
        }
        body
    }

    fn record_challenge(&mut self, answer: &Answer) {
        if let Some(text) = answer.json()["options"]["challenge"].as_str()
            && !self.challenges.iter().any(|known| known == text)
        {
            self.challenges.push(text.to_owned());
        }
    }

    /// Records the newest request to the victim's devices and returns its state.
    async fn record_request(&mut self) -> Option<RequestStatus> {
        let approvals = DynamoApprovals::new(self.world.client.clone(), "FlowsTable");
        let newest = approvals.newest(&AISYAH.account().id).await.unwrap()?;
        if !self.requests.contains(&newest.id) {
            self.requests.push(newest.id);
        }
        Some(newest.status)
    }

    /// The model stops an enrolment that lost a race.
    fn update_generation(&mut self, to: Option<u64>) {
        self.read_generation = to.unwrap_or(self.read_generation);
    }

    async fn register(&mut self, what: EnrolmentStep) {
        let (account, by) = (AISYAH.account().id, HolderId::from_bytes([9; 32]));
        let store = self.world.enrolment.clone();
        match what {
            EnrolmentStep::Read => {
                self.read_generation = store.registered(&account).await.unwrap().generation;
            }
            EnrolmentStep::IncrementGeneration => {
                self.update_generation(store.change(&account, self.read_generation, by).await.unwrap());
            }
            EnrolmentStep::Put(kind, number) => {
                let entry = self.entry(kind, number);
                let added = store.add(&account, self.read_generation, by, &entry).await.unwrap();
                self.update_generation(if let Added::Done(generation) = added {
                    Some(generation)
                } else {
                    None
                });
            }
            EnrolmentStep::Delete(kind, number) => {
                let id = accounts::entry(kind, number);
                self.update_generation(
                    store.remove(&account, self.read_generation, by, &id, self.world.now()).await.unwrap(),
                );
            }
        }
    }

    async fn ask(browser: &mut Browser, ask: ClientRequest, (path, body): (&'static str, Value)) -> Answer {
        if ask == ClientRequest::Open {
            return browser.identify(body["login"].as_str().unwrap()).await;
        }
        if ask == ClientRequest::ApprovalPage {
            return browser.get(path).await;
        }
        browser.post(path, body).await
    }

    async fn act(
        &mut self,
        scope: &Scope,
        before: &State,
        after: &State,
        act: Action,
        events: &[Event],
        what: &str,
    ) {
        let by = match act {
            Action::Send(place) => {
                let (client, ask, _) = scope.menu[place];
                let serial = u64::from(before.clients[client].serial) + 1;
                let by = (Invoker::Client(client, place), client as u64 * 1_000 + serial);
                let body = self.body(scope, before, client, ask);
                if matches!(
                    ask,
                    ClientRequest::Assertion(AssertionChoice::Newest | AssertionChoice::Previous)
                ) {
                    self.last_assertion = body.1["assertion"].as_str().map(str::to_owned);
                }
                let (mut browser, phone) = (self.browsers[client].clone(), self.phone.clone());
                let join = tokio::spawn(async move {
                    if let (ClientRequest::PhoneAnswer(_), Some(mut phone)) = (ask, phone) {
                        let answer = phone.post(body.0, body.1).await;
                        return (None, HandlerResult::Answered(Box::new(answer)));
                    }
                    let answer = Self::ask(&mut browser, ask, body).await;
                    (Some(browser), HandlerResult::Answered(Box::new(answer)))
                });
                self.tasks.insert(by, Task { join, waiting: None });
                self.next_call(by).await;
                by
            }
            Action::Deliver(place) => {
                let message = &before.queue[place];
                let event = self.event(before, place);
                let world = self.world.clone();
                let join = tokio::spawn(async move {
                    (None, HandlerResult::Delivered(world.invoke_delivery(event).await))
                });
                let by = (Invoker::Queue(message.id), message.id ^ (u64::from(message.receives) + 1));
                self.tasks.insert(by, Task { join, waiting: None });
                self.next_call(by).await;
                by
            }
            Action::Continue(place) => {
                let (by, running) = &before.handlers[place];
                let by = (*by, running.request.seed);
                if matches!(&*running.next, Step::Waits) {
                    // This is the call that loads the flow. Without a result it asks for the lease again, or waits
                    // until the timeout.
                    self.pass(by, CallFault::None).await;
                    let replied = events.iter().any(|event| matches!(event, Event::Replied(..)));
                    while replied && self.tasks[&by].waiting.is_some() {
                        self.pass(by, CallFault::None).await;
                    }
                } else {
                    let twice = matches!(&*running.next, Step::Calls(call) if call.kind() == "find");
                    for _ in 0..if twice { 2 } else { 1 } {
                        self.pass(by, CallFault::None).await;
                    }
                }
                by
            }
            Action::Fault(fault @ (Fault::Retried | Fault::ResponseLost | Fault::CallFailed), place) => {
                let by = handler_id(&before.handlers[place]);
                let first =
                    if fault == Fault::CallFailed { CallFault::Unavailable } else { CallFault::ResponseLost };
                self.pass(by, first).await;
                if fault == Fault::Retried {
                    self.pass(by, CallFault::None).await;
                } else {
                    for _ in 1..ATTEMPTS {
                        self.pass(by, CallFault::Unavailable).await;
                    }
                }
                by
            }
            Action::Fault(Fault::Crash, place) => {
                let by = handler_id(&before.handlers[place]);
                self.crash(by).await;
                return;
            }
            Action::Fault(Fault::FlowDeleted, place) => {
                let key = before.tables.flows.0.keys().nth(place).unwrap();
                let client = before.observed.flows[key].client;
                self.forget(client).await;
                return;
            }
            Action::Fault(_, _) => return,
            Action::Tick(place) => {
                for handler in &before.handlers {
                    self.crash(handler_id(handler)).await;
                }
                self.world.clock.advance(scope.ticks[place].0);
                return;
            }
            Action::Enrol => return self.register(scope.enrolment[before.enrolment_progress.next]).await,
            Action::DelayedCall(_) => unreachable!("no trace has it"),
        };
        self.follow(after, by, events, what).await;
    }

    /// Checks a handler after it continued: it replied as in the model, or waits for the same call.
    async fn follow(&mut self, after: &State, by: HandlerId, events: &[Event], what: &str) {
        let replied = events.iter().find_map(|event| match event {
            Event::Replied(by_whom, function, reply) if *by_whom == by.0 => Some((*function, reply)),
            _ => None,
        });
        if let Some((function, reply)) = replied {
            let task = self.tasks.remove(&by).unwrap();
            assert!(task.waiting.is_none(), "{what}: it still waits for {:?}", task.waiting);
            let (browser, ended) = task.join.await.unwrap();
            match ended {
                HandlerResult::Answered(answer) => {
                    assert_same_reply(reply, &answer, what);
                    self.record_challenge(&answer);
                }
                HandlerResult::Delivered(failures) => {
                    assert_eq!(
                        (function, failures == 0),
                        (Function::Delivery, reply.status == 200),
                        "{what}"
                    );
                }
            }
            if let (Invoker::Client(client, _), Some(browser)) = (by.0, browser) {
                self.browsers[client] = browser;
            }
        } else {
            let (_, running) = after.handlers.iter().find(|handler| handler_id(handler) == by).unwrap();
            let waiting = self.tasks[&by].waiting.as_ref();
            match &*running.next {
                Step::Calls(call) => {
                    let seen = waiting.unwrap_or_else(|| panic!("{what}: nothing comes after {events:?}"));
                    let (action, table) = wire_operation(call.kind());
                    assert_eq!(seen.1.action, action, "{what}: {:?}", call.kind());
                    assert!(
                        table.is_empty() || seen.1.resource.as_deref() == Some(table),
                        "{what}: {seen:?}"
                    );
                }
                _ => assert!(waiting.is_some_and(|(_, call)| call.action == "dynamodb:GetItem"), "{what}"),
            }
        }
    }

    /// Releases the pending call of a handler and waits for the next one or the reply.
    async fn pass(&mut self, by: HandlerId, how: CallFault) {
        let task = self.tasks.get_mut(&by).unwrap();
        if let Some((ticket, _)) = task.waiting.take() {
            self.gate.pass(ticket, how);
            self.next_call(by).await;
        }
    }

    /// Waits until a handler makes a call or ends. Only one handler runs at a time, so the call is its own.
    async fn next_call(&mut self, by: HandlerId) {
        let task = self.tasks.get_mut(&by).unwrap();
        while task.waiting.is_none() && !task.join.is_finished() {
            task.waiting = self.gate.arrival();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // It may have ended right after the gate handed out its last call.
        task.waiting = task.waiting.take().or_else(|| self.gate.arrival());
    }

    /// Crashes a handler: its pending call has no effect, and no client gets a reply.
    async fn crash(&mut self, by: HandlerId) {
        while self.tasks[&by].waiting.is_some() {
            self.pass(by, CallFault::Unavailable).await;
        }
        self.tasks.remove(&by).unwrap().join.await.unwrap();
    }

    async fn forget(&self, client: usize) {
        let keys = self.world.keyring("REKEY_SECRET_FLOWS");
        let cookie = self.browsers[client].cookie.as_ref().unwrap();
        let key = HolderCookie::read(HolderKind::Flow, cookie, &keys).unwrap().id();
        let key = AttributeValue::B(Blob::new(key.as_bytes().to_vec()));
        self.world.client.delete_item().table_name("FlowsTable").key("flow", key).send().await.unwrap();
    }

    /// Returns the event of a message that is in both queues.
    fn event(&self, state: &State, place: usize) -> SqsEvent {
        let message = &state.queue[place];
        let reconcile_messages = |message: &&Envelope| {
            let keys = self.world.keyring("REKEY_SECRET_MESSAGES");
            matches!(message.open(&keys).unwrap().1, Message::Reconcile(_))
        };
        // If there are several, takes the one with the same generation.
        let envelope: Envelope = serde_json::from_str(&message.body).unwrap();
        let Message::Reconcile(wanted) = envelope.open(&accounts::keys()).unwrap().1 else { unreachable!() };
        let keys = self.world.keyring("REKEY_SECRET_MESSAGES");
        let queued = self.world.envelopes();
        let mut found =
            queued.iter().map(|(envelope, _)| envelope).filter(reconcile_messages).filter(|envelope| {
                let Message::Reconcile(settle) = envelope.open(&keys).unwrap().1 else { return false };
                settle.generation == wanted.generation
            });
        let body = serde_json::to_string(found.next().unwrap()).unwrap();
        let record = json!({
            "messageId": message.id.to_string(),
            "body": body,
            "attributes": {
                "SentTimestamp": (message.sent_at * 1_000).to_string(),
                "ApproximateReceiveCount": "1",
            },
        });
        serde_json::from_value(json!({ "Records": [record] })).unwrap()
    }

    fn record_codes(&mut self) {
        for message in self.world.messages() {
            if let Message::Code(code) = message
                && !self.codes.iter().any(|known| known == code.code.expose())
            {
                self.codes.push(code.code.expose().to_owned());
            }
        }
    }

    /// Compares the queue and the time.
    async fn compare(&mut self, state: &State, what: &str) {
        self.record_codes();
        assert_eq!(self.codes.len(), state.observed.codes.len(), "{what}: codes");
        let notified: BTreeSet<String> =
            self.world.notices().iter().map(|notice| accounts::exposed(&notice.to)).collect();
        let model: BTreeSet<String> = state.observed.notified.iter().map(|(_, to)| to.clone()).collect();
        assert_eq!(notified, model, "{what}: who is notified");
        assert_eq!(self.world.clock.now().as_seconds() - START, state.now - START, "{what}: the time");
        let id = AccountId::from_directory(VICTIM).unwrap();
        let status = self.record_request().await;
        let newest = state.tables.approvals.0.get(&id).map(|found| found.request.status);
        assert_eq!(
            (self.requests.len(), status),
            (state.observed.requests.len(), newest),
            "{what}: requests"
        );
        let registered = self.world.security_info.registration(&id, self.world.now()).await.unwrap();
        assert_eq!(registered.generation, state.tables.generation(&id), "{what}: the generation");
        let written = state.tables.account(&id).number;
        for (generation, expected) in [(written, true), (written + 1, false)] {
            let found = self.world.was_changed(&id, generation).await;
            assert_eq!(found, expected, "{what}: generation {generation} of the directory");
        }
    }

    async fn compare_passwords(&self, state: &State, trace: &Trace) {
        let account = state.tables.account(&AccountId::from_directory(VICTIM).unwrap());
        let present = account.password.as_ref().unwrap();
        let tried = if state.observed.changes.is_empty() { &PASSWORDS[PRESENT..] } else { &PASSWORDS };
        for password in tried.iter().copied() {
            let accepted = self.world.sign_in(VICTIM, password).await == SignIn::Accepted;
            assert_eq!(accepted, present.verifies(password), "{password} after {trace:?}");
        }
    }
}

fn handler_id((by, running): &(Invoker, Running)) -> HandlerId {
    (*by, running.request.seed)
}

/// Returns the wire operation of a call of the model.
fn wire_operation(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "insert" | "replace" | "ask-devices" => ("dynamodb:PutItem", "FlowsTable"),
        "load" | "newest" | "session" => ("dynamodb:GetItem", "FlowsTable"),
        "attempt-code" | "spend" | "answer" | "mark-notified" => ("dynamodb:UpdateItem", "FlowsTable"),
        "count" | "try-acquire" => ("dynamodb:UpdateItem", "BudgetsTable"),
        "limit-log" => ("dynamodb:GetItem", "BudgetsTable"),
        "replace-limit-log" => ("dynamodb:PutItem", "BudgetsTable"),
        "registration" | "passkeys" => ("dynamodb:Query", "SecurityInfoTable"),
        "totp" | "sheet" | "device" => ("dynamodb:GetItem", "SecurityInfoTable"),
        "accept-step" | "acquire-lease" | "release-lease" | "accept-counter" | "use-code" | "note-used" => {
            ("dynamodb:UpdateItem", "SecurityInfoTable")
        }
        "find" | "account" | "precheck" | "outcome" => ("dynamodb:GetItem", "AccountsTable"),
        "apply" => ("dynamodb:UpdateItem", "AccountsTable"),
        "enqueue" => ("sqs:SendMessage", ""),
        other => panic!("{other} is not replayed"),
    }
}

/// Checks that a reply of the model and a real response agree.
fn assert_same_reply(reply: &Reply, answer: &Answer, what: &str) {
    let json = answer.json();
    let read = |body: &Value| {
        let words = ["code", "page", "tries_left", "step", "result", "status"];
        words.map(|word| if word == "code" && reply.status == 200 { Value::Null } else { body[word].clone() })
    };
    assert_eq!((answer.status.as_u16(), read(&json)), (reply.status, read(&reply.body)), "{what}");
}
