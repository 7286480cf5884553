//! Replays one trace with the real functions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use rekey_local::cloud::Disturbance;
use rekey_local::cloud::roles::Call as Seen;
use rekey_tests::chance::START;
use rekey_tests::people::AISYAH;
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
use shared::domain::security_info::Kind;
use shared::ports::{
    Added, ApprovalStore as _, Clock as _, EnrolmentStore as _, NewEntry, Secret, SecurityInfo as _,
};
use tokio::task::JoinHandle;

use super::gate::Gate;
use super::traces::Trace;
use crate::acts::{Act, Event};
use crate::people::{self, VICTIM};
use crate::product::{Function, Reply, Running, Step};
use crate::scope::{Ask, Asserted, Mishap, PASSWORDS, PRESENT, Registers, Scope};
use crate::state::{By, State};

/// The SDK's attempts for a call.
const ATTEMPTS: usize = 3;

/// Identifies a handler by its invoker and the number of the request.
type Who = (By, u64);

/// A running handler: the task that waits for it, and its pending call.
struct Task {
    join: JoinHandle<(Option<Browser>, Ended)>,
    waiting: Option<(u64, Seen)>,
}

/// The result of a real handler.
enum Ended {
    Answered(Box<Answer>),
    /// Number of messages to retry.
    Delivered(usize),
}

struct Real {
    world: Arc<World>,
    gate: Arc<Gate>,
    browsers: Vec<Browser>,
    tasks: BTreeMap<Who, Task>,
    /// The codes in the order of queueing, as the model has them.
    codes: Vec<String>,
    phone: Option<Phone>,
    /// The requests to it, in order of creation.
    requests: Vec<RequestId>,
    /// The passkey challenges, in the order in which pages showed them.
    challenges: Vec<String>,
    /// The last assertion of the passkey.
    asserted: Option<String>,
    /// The generation that the enrolment read.
    registering: u64,
}

/// Performs every act of a trace and compares with the model.
pub async fn replay(scope: &Scope, trace: &Trace) {
    let world = World::with(scope.parameters).await;
    let mut real = Real {
        browsers: scope.clients.iter().map(|_| world.browser()).collect(),
        gate: Arc::default(),
        tasks: BTreeMap::new(),
        codes: Vec::new(),
        phone: None,
        requests: Vec::new(),
        challenges: Vec::new(),
        asserted: None,
        registering: 0,
        world,
    };
    for kind in scope.holds {
        real.hold(*kind).await;
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
    real.world.mend();
    real.compare_passwords(&state, trace).await;
}

impl Drop for Real {
    /// Aborts the pending tasks, also after a failed comparison.
    fn drop(&mut self) {
        self.gate.close();
        for task in self.tasks.values() {
            task.join.abort();
        }
    }
}

impl Real {
    /// Enrols one of these for the victim.
    async fn hold(&mut self, kind: Kind) {
        if kind == Kind::Authenticator {
            self.phone = Some(Phone::of(&self.world, 1, &AISYAH).await);
        } else {
            self.world.enrolment.put(&AISYAH.account().id, &self.entry(kind, 0)).await.unwrap();
        }
    }

    /// Returns an entry of the victim.
    fn entry(&self, kind: Kind, number: u8) -> NewEntry<'static> {
        let secret = match kind {
            Kind::Passkey => {
                let flows = self.world.keyring("REKEY_SECRET_FLOWS");
                let (_, credential) = people::passkey(VICTIM, &flows, &self.world.settings.relying_party());
                Secret::Passkey { credential }
            }
            Kind::RecoveryCodes => {
                Secret::RecoveryCodes(people::sheet(number, &self.world.keyring("REKEY_SECRET_SEEDS")))
            }
            other => panic!("{other:?} is not replayed"),
        };
        NewEntry::new(people::entry(kind, number), "", secret, self.world.now())
    }

    /// Sends the scope's initial requests.
    async fn prepare(&mut self, scope: &Scope) {
        let mut state = Scope { before: Vec::new(), ..scope.clone() }.begin();
        for (client, ask) in &scope.before {
            let body = self.body(scope, &state, *client, *ask);
            let answer = Self::ask(&mut self.browsers[*client], *ask, body).await;
            let reply = scope.whole(&mut state, *client, *ask).unwrap();
            same(&reply, &answer, "before the trace");
            self.note_codes();
            self.note_challenge(&answer);
            self.note_request().await;
        }
    }

    /// Returns the body of a request, with the real code instead of the model's.
    fn body(&self, scope: &Scope, state: &State, client: usize, ask: Ask) -> (&'static str, Value) {
        let (_, path, mut body) = scope.body(state, client, ask).unwrap();
        if let Ask::Code(typed) = ask {
            let text = Scope::code(state, &state.clients[client], typed).unwrap();
            if let Some(place) = state.seen.codes.iter().position(|code| code.text == text) {
                body["code"] = self.codes[place].clone().into();
            }
        }
        if let Ask::Assert(asserted) = ask {
            let made = || {
                let (place, counter) = Scope::challenge(state, client, asserted)?;
                let flows = self.world.keyring("REKEY_SECRET_FLOWS");
                let party = self.world.settings.relying_party();
                Some(people::assertion(VICTIM, &flows, &party, &self.challenges[place], counter))
            };
            body["assertion"] = made().or_else(|| self.asserted.clone()).unwrap().into();
        }
        if let Ask::Phone(phoned) = ask {
            let (id, typed) = Scope::phoned(state, client, phoned).unwrap();
            let requests = &state.seen.requests;
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
        let client = state.seen.flows[&state.seen.requests[place].flow].client;
        let cookie =
            HolderCookie::read(HolderKind::Flow, self.browsers[client].cookie.as_ref().unwrap(), &keys)
                .unwrap();
        cookie.approval_number(&keys, self.requests[place]).unwrap().expose()
    }

    fn signed_by_phone(&self, request: RequestId, typed: Option<&str>) -> Value {
        let mut phone = self.phone.clone().unwrap();
        let keys = self.world.keyring("REKEY_SECRET_PUSH");
        phone.nonce =
            Device::of_handle(&keys, &phone.handle).unwrap().nonce(&keys, self.world.now()).unwrap();
        let mut body = phone.approval(&request.to_string(), typed.unwrap_or("denied"));
        if typed.is_none() {
            body.as_object_mut().unwrap().remove("number");
            body["denied"] = "true".into();
        }
        body
    }

    fn note_challenge(&mut self, answer: &Answer) {
        if let Some(text) = answer.json()["options"]["challenge"].as_str()
            && !self.challenges.iter().any(|known| known == text)
        {
            self.challenges.push(text.to_owned());
        }
    }

    /// Records the newest request to the victim's devices and returns its state.
    async fn note_request(&mut self) -> Option<RequestStatus> {
        let approvals = DynamoApprovals::new(self.world.client.clone(), "FlowsTable");
        let newest = approvals.newest(&AISYAH.account().id).await.unwrap()?;
        if !self.requests.contains(&newest.id) {
            self.requests.push(newest.id);
        }
        Some(newest.status)
    }

    /// The model stops an enrolment that lost a race.
    fn moved(&mut self, to: Option<u64>) {
        self.registering = to.unwrap_or(self.registering);
    }

    async fn register(&mut self, what: Registers) {
        let (account, by) = (AISYAH.account().id, HolderId::from_bytes([9; 32]));
        let store = self.world.enrolment.clone();
        match what {
            Registers::Reads => {
                self.registering = store.registered(&account).await.unwrap().generation;
            }
            Registers::Changes => self.moved(store.change(&account, self.registering, by).await.unwrap()),
            Registers::Puts(kind, number) => {
                let entry = self.entry(kind, number);
                let added = store.add(&account, self.registering, by, &entry).await.unwrap();
                self.moved(if let Added::Done(generation) = added { Some(generation) } else { None });
            }
            Registers::Deletes(kind, number) => {
                let id = people::entry(kind, number);
                self.moved(
                    store.remove(&account, self.registering, by, &id, self.world.now()).await.unwrap(),
                );
            }
        }
    }

    async fn ask(browser: &mut Browser, ask: Ask, (path, body): (&'static str, Value)) -> Answer {
        if ask == Ask::Open {
            return browser.identify(body["login"].as_str().unwrap()).await;
        }
        if ask == Ask::Look {
            return browser.get(path).await;
        }
        browser.post(path, body).await
    }

    async fn act(
        &mut self,
        scope: &Scope,
        before: &State,
        after: &State,
        act: Act,
        events: &[Event],
        what: &str,
    ) {
        let by = match act {
            Act::Ask(place) => {
                let (client, ask, _) = scope.menu[place];
                let serial = u64::from(before.clients[client].serial) + 1;
                let by = (By::Client(client, place), client as u64 * 1_000 + serial);
                let body = self.body(scope, before, client, ask);
                if matches!(ask, Ask::Assert(Asserted::Newest | Asserted::Elder)) {
                    self.asserted = body.1["assertion"].as_str().map(str::to_owned);
                }
                let (mut browser, phone) = (self.browsers[client].clone(), self.phone.clone());
                let join = tokio::spawn(async move {
                    if let (Ask::Phone(_), Some(mut phone)) = (ask, phone) {
                        let answer = phone.post(body.0, body.1).await;
                        return (None, Ended::Answered(Box::new(answer)));
                    }
                    let answer = Self::ask(&mut browser, ask, body).await;
                    (Some(browser), Ended::Answered(Box::new(answer)))
                });
                self.tasks.insert(by, Task { join, waiting: None });
                self.come(by).await;
                by
            }
            Act::Deliver(place) => {
                let message = &before.queue[place];
                let event = self.event(before, place);
                let world = self.world.clone();
                let join =
                    tokio::spawn(
                        async move { (None, Ended::Delivered(world.hand_to_delivery(event).await)) },
                    );
                let by = (By::Queue(message.id), message.id ^ (u64::from(message.receives) + 1));
                self.tasks.insert(by, Task { join, waiting: None });
                self.come(by).await;
                by
            }
            Act::Go(place) => {
                let (by, running) = &before.handlers[place];
                let by = (*by, running.request.seed);
                if matches!(&*running.next, Step::Waits) {
                    // This is the call that loads the flow. Without a result it asks for the lease again, or waits
                    // until the timeout.
                    self.pass(by, Disturbance::None).await;
                    let replied = events.iter().any(|event| matches!(event, Event::Replied(..)));
                    while replied && self.tasks[&by].waiting.is_some() {
                        self.pass(by, Disturbance::None).await;
                    }
                } else {
                    let twice = matches!(&*running.next, Step::Calls(call) if call.kind() == "find");
                    for _ in 0..if twice { 2 } else { 1 } {
                        self.pass(by, Disturbance::None).await;
                    }
                }
                by
            }
            Act::Mishap(mishap @ (Mishap::Twice | Mishap::Lost | Mishap::Refused), place) => {
                let by = who(&before.handlers[place]);
                let first =
                    if mishap == Mishap::Refused { Disturbance::Refused } else { Disturbance::AnswerLost };
                self.pass(by, first).await;
                if mishap == Mishap::Twice {
                    self.pass(by, Disturbance::None).await;
                } else {
                    for _ in 1..ATTEMPTS {
                        self.pass(by, Disturbance::Refused).await;
                    }
                }
                by
            }
            Act::Mishap(Mishap::Crash, place) => {
                let by = who(&before.handlers[place]);
                self.die(by).await;
                return;
            }
            Act::Mishap(Mishap::Forget, place) => {
                let key = before.tables.flows.0.keys().nth(place).unwrap();
                let client = before.seen.flows[key].client;
                self.forget(client).await;
                return;
            }
            Act::Mishap(_, _) => return,
            Act::Tick(place) => {
                for handler in &before.handlers {
                    self.die(who(handler)).await;
                }
                self.world.clock.advance(scope.ticks[place].0);
                return;
            }
            Act::Register => return self.register(scope.registers[before.registering.next]).await,
            Act::Late(_) => unreachable!("no trace has it"),
        };
        self.follow(after, by, events, what).await;
    }

    /// Checks a handler after it continued: it replied as in the model, or waits for the same call.
    async fn follow(&mut self, after: &State, by: Who, events: &[Event], what: &str) {
        let replied = events.iter().find_map(|event| match event {
            Event::Replied(by_whom, function, reply) if *by_whom == by.0 => Some((*function, reply)),
            _ => None,
        });
        if let Some((function, reply)) = replied {
            let task = self.tasks.remove(&by).unwrap();
            assert!(task.waiting.is_none(), "{what}: it still waits for {:?}", task.waiting);
            let (browser, ended) = task.join.await.unwrap();
            match ended {
                Ended::Answered(answer) => {
                    same(reply, &answer, what);
                    self.note_challenge(&answer);
                }
                Ended::Delivered(failures) => {
                    assert_eq!(
                        (function, failures == 0),
                        (Function::Delivery, reply.status == 200),
                        "{what}"
                    );
                }
            }
            if let (By::Client(client, _), Some(browser)) = (by.0, browser) {
                self.browsers[client] = browser;
            }
        } else {
            let (_, running) = after.handlers.iter().find(|handler| who(handler) == by).unwrap();
            let waiting = self.tasks[&by].waiting.as_ref();
            match &*running.next {
                Step::Calls(call) => {
                    let seen = waiting.unwrap_or_else(|| panic!("{what}: nothing comes after {events:?}"));
                    let (action, table) = on_the_wire(call.kind());
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
    async fn pass(&mut self, by: Who, how: Disturbance) {
        let task = self.tasks.get_mut(&by).unwrap();
        if let Some((ticket, _)) = task.waiting.take() {
            self.gate.pass(ticket, how);
            self.come(by).await;
        }
    }

    /// Waits until a handler makes a call or ends. Only one handler runs at a time, so the call is its own.
    async fn come(&mut self, by: Who) {
        let task = self.tasks.get_mut(&by).unwrap();
        while task.waiting.is_none() && !task.join.is_finished() {
            task.waiting = self.gate.arrival();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // It may have ended right after the gate handed out its last call.
        task.waiting = task.waiting.take().or_else(|| self.gate.arrival());
    }

    /// Crashes a handler: its pending call has no effect, and nobody gets a reply.
    async fn die(&mut self, by: Who) {
        while self.tasks[&by].waiting.is_some() {
            self.pass(by, Disturbance::Refused).await;
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
        let settles = |message: &&Envelope| {
            let keys = self.world.keyring("REKEY_SECRET_MESSAGES");
            matches!(message.open(&keys).unwrap().1, Message::Reconcile(_))
        };
        // If there are several, takes the one with the same generation.
        let envelope: Envelope = serde_json::from_str(&message.body).unwrap();
        let Message::Reconcile(wanted) = envelope.open(&people::keys()).unwrap().1 else { unreachable!() };
        let keys = self.world.keyring("REKEY_SECRET_MESSAGES");
        let queued = self.world.envelopes();
        let mut found = queued.iter().map(|(envelope, _)| envelope).filter(settles).filter(|envelope| {
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

    fn note_codes(&mut self) {
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
        self.note_codes();
        assert_eq!(self.codes.len(), state.seen.codes.len(), "{what}: codes");
        let told: BTreeSet<String> =
            self.world.notices().iter().map(|notice| people::exposed(&notice.to)).collect();
        let model: BTreeSet<String> = state.seen.told.iter().map(|(_, to)| to.clone()).collect();
        assert_eq!(told, model, "{what}: who is told");
        assert_eq!(self.world.clock.now().as_seconds() - START, state.now - START, "{what}: the time");
        let id = AccountId::from_directory(VICTIM).unwrap();
        let status = self.note_request().await;
        let newest = state.tables.approvals.0.get(&id).map(|found| found.request.status);
        assert_eq!((self.requests.len(), status), (state.seen.requests.len(), newest), "{what}: requests");
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
        let tried = if state.seen.changes.is_empty() { &PASSWORDS[PRESENT..] } else { &PASSWORDS };
        for password in tried.iter().copied() {
            let accepted = self.world.sign_in(VICTIM, password).await == SignIn::Accepted;
            assert_eq!(accepted, present.verifies(password), "{password} after {trace:?}");
        }
    }
}

fn who((by, running): &(By, Running)) -> Who {
    (*by, running.request.seed)
}

/// Returns the wire operation of a call of the model.
fn on_the_wire(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "insert" | "replace" | "ask-devices" => ("dynamodb:PutItem", "FlowsTable"),
        "load" | "newest" | "session" => ("dynamodb:GetItem", "FlowsTable"),
        "guess" | "spend" | "answer" | "note-told" => ("dynamodb:UpdateItem", "FlowsTable"),
        "count" | "take" => ("dynamodb:UpdateItem", "BudgetsTable"),
        "ledger" => ("dynamodb:GetItem", "BudgetsTable"),
        "replace-ledger" => ("dynamodb:PutItem", "BudgetsTable"),
        "registration" | "passkeys" => ("dynamodb:Query", "SecurityInfoTable"),
        "totp" | "sheet" | "device" => ("dynamodb:GetItem", "SecurityInfoTable"),
        "accept-step" | "claim" | "release" | "accept-counter" | "use-code" | "note-used" => {
            ("dynamodb:UpdateItem", "SecurityInfoTable")
        }
        "find" | "account" | "precheck" | "outcome" => ("dynamodb:GetItem", "AccountsTable"),
        "apply" => ("dynamodb:UpdateItem", "AccountsTable"),
        "enqueue" => ("sqs:SendMessage", ""),
        other => panic!("{other} is not replayed"),
    }
}

/// Checks that a reply of the model and a real response agree.
fn same(reply: &Reply, answer: &Answer, what: &str) {
    let json = answer.json();
    let read = |body: &Value| {
        let words = ["code", "page", "tries_left", "step", "result", "status"];
        words.map(|word| if word == "code" && reply.status == 200 { Value::Null } else { body[word].clone() })
    };
    assert_eq!((answer.status.as_u16(), read(&json)), (reply.status, read(&reply.body)), "{what}");
}
