//! The whole product on the local cloud, in one process: behind the gateway that makes API Gateway's events, each
//! function judged by its own role of template.yaml.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_dynamodb::Client;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, header};
use rekey_local::cloud::roles::{ADMINISTRATOR, Call};
use rekey_local::cloud::{Cloud, Disturbance, Storage};
use rekey_local::compose::Parts;
use rekey_local::outbox::Outbox;
use rekey_local::system::System;
use rekey_local::template::{Route, Template};
use rekey_local::worker::{Consume, take_batch};
use shared::adapters::aws::emulated;
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{DynamoAuthenticators, DynamoClaims, DynamoEnrolment, DynamoSecurityInfo};
use shared::domain::account::{Account, AccountId};
use shared::domain::captcha::Challenge;
use shared::domain::keys::Keyring;
use shared::domain::message::{Envelope, Message, Notice, ReconcileChange};
use shared::domain::name::CanonicalName;
use shared::domain::password::NewPassword;
use shared::domain::time::{Seconds, Timestamp};
use shared::domain::totp::TotpSeed;
use shared::ports::{
    self, AccountImport as _, ChangeInspector as _, ChangeOutcome, Clock as _, ContactImport,
    EntropyExt as _, PasswordChange, SignInDirectory as _,
};
use shared::process::Process;
use shared::settings::Settings;
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::answer::Answer;
use crate::browser::{Browser, Site};
use crate::chance::{TestClock, TestEntropy};
use crate::people::{self, Person};

/// The host that the product is asked under.
pub const HOST: &str = "reset.contoh.example";
/// The same as an address, for a world that is told it (`REKEY_PUBLIC_URL`).
pub const ORIGIN: &str = "https://reset.contoh.example";
/// Where the pages of a world are that is told no address, as browsers see them that use passkeys.
pub const LAPTOP: &str = "http://localhost:8080";
/// Where requests come from (RFC 5737).
const PEER: ([u8; 4], u16) = ([203, 0, 113, 7], 50_000);
/// The queue of messages, by its name in template.yaml.
const QUEUE: &str = "MessagesQueue";

/// The product with everything around it.
pub struct World {
    /// The clock.
    pub clock: Arc<TestClock>,
    /// The entropy.
    pub entropy: Arc<TestEntropy>,
    /// The local cloud.
    pub cloud: Cloud,
    /// What was delivered.
    pub outbox: Outbox,
    /// The store, with every right.
    pub client: Client,
    /// The directory, with every right.
    pub directory: BuiltinDirectory,
    /// The security info, to be read, with every right.
    pub security_info: DynamoSecurityInfo,
    /// The same, to be written.
    pub enrolment: DynamoEnrolment,
    /// The contacts, to be imported.
    pub contacts: Arc<dyn ContactImport>,
    /// The authenticators, with every right.
    pub authenticators: DynamoAuthenticators,
    /// The claims, with every right.
    pub claims: DynamoClaims,
    /// The settings.
    pub settings: Arc<Settings>,
    system: System,
    template: Template,
    running: RwLock<Running>,
    said: Mutex<String>,
    /// A call that is to be disturbed, and whether it came.
    awaited: Mutex<Option<(String, Arc<AtomicBool>)>>,
    _stop: watch::Sender<bool>,
}

/// What a sign-in comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// See [`ports::SignIn::Accepted`].
    Accepted,
    /// See [`ports::SignIn::Wrong`].
    Wrong,
    /// See [`ports::SignIn::Locked`].
    Locked,
    /// See [`ports::SignIn::Disabled`].
    Disabled,
}

impl From<ports::SignIn> for SignIn {
    fn from(sign_in: ports::SignIn) -> Self {
        match sign_in {
            ports::SignIn::Accepted(_) => Self::Accepted,
            ports::SignIn::Wrong => Self::Wrong,
            ports::SignIn::Locked => Self::Locked,
            ports::SignIn::Disabled => Self::Disabled,
        }
    }
}

/// The functions as they were started last.
struct Running {
    gateway: Router,
    routers: HashMap<String, Router>,
    delivery: Consume,
}

impl World {
    /// A world with the demo policy.
    pub async fn new() -> Arc<Self> {
        Self::with(&[]).await
    }

    /// A world with other parameters.
    pub async fn with(parameters: &[(&str, &str)]) -> Arc<Self> {
        let mut pairs = vec![
            ("REKEY_LOGIN_DOMAINS".to_owned(), "student.contoh.example,staff.contoh.example".to_owned()),
            ("REKEY_ORGANISATION".to_owned(), "Universiti Contoh".to_owned()),
        ];
        // As on a laptop; a deployment with an address of its own has no push service on this machine.
        if parameters.iter().all(|(name, _)| *name != "REKEY_PUBLIC_URL") {
            pairs.push(("REKEY_PUSH_HOSTS".to_owned(), "127.0.0.1".to_owned()));
        }
        pairs.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let settings = Arc::new(Settings::from_pairs(pairs).unwrap());

        let (clock, entropy) = (Arc::new(TestClock::default()), Arc::new(TestEntropy::default()));
        let system = System { clock: clock.clone(), entropy: entropy.clone() };
        let (stop, stopped) = watch::channel(false);
        let outbox = Outbox::new(system.clone());
        let template = Template::of_project().unwrap();
        let cloud =
            Cloud::start(&system, template.clone(), Storage::Process, outbox.clone(), stopped).await.unwrap();
        let parts = Parts { cloud: &cloud, settings: settings.clone(), system: system.clone(), memory: None };
        let running = RwLock::new(start(&parts, &template).await);
        let tables = parts.tables().await.unwrap();
        let client = Client::new(&emulated(cloud.endpoint(), ADMINISTRATOR));
        let keys = Keyring::from_secret(&cloud.secret("REKEY_SECRET_CONTACTS").unwrap()).unwrap();
        let (keys, table) = (Arc::new(keys), "SecurityInfoTable");
        let security_info = DynamoSecurityInfo::new(client.clone(), table, keys.clone());
        let enrolment = DynamoEnrolment::new(client.clone(), table, keys, entropy.clone());
        let history = settings.password.history;
        let directory = BuiltinDirectory::new(client.clone(), "AccountsTable", entropy.clone(), history);
        let world = Self {
            authenticators: DynamoAuthenticators::new(client.clone(), table),
            claims: DynamoClaims::new(client.clone(), table),
            client,
            system,
            template,
            running,
            said: Mutex::default(),
            awaited: Mutex::default(),
            directory,
            security_info,
            enrolment,
            contacts: tables.contacts,
            clock,
            entropy,
            cloud,
            outbox,
            settings,
            _stop: stop,
        };
        for person in people::ALL {
            world.register(person).await;
        }
        Arc::new(world)
    }

    /// Starts every function anew, as after a deployment: settings and keys are read again.
    pub async fn restart(&self) {
        let running = start(&self.parts(), &self.template).await;
        *self.running.write().unwrap() = running;
    }

    /// A function's process, as it is started with its own role.
    pub async fn process(&self, function: &str) -> Process {
        self.parts().process(function).await.unwrap()
    }

    fn parts(&self) -> Parts<'_> {
        let (settings, system) = (self.settings.clone(), self.system.clone());
        Parts { cloud: &self.cloud, settings, system, memory: None }
    }

    /// Adds a key to a secret and makes it the current one.
    pub fn rotate(&self, variable: &str) {
        let mut ring: BTreeMap<String, String> =
            serde_json::from_str(&self.cloud.secret(variable).unwrap()).unwrap();
        let id = ring.len().to_string();
        ring.insert(id.clone(), format!("{id:-<64}"));
        ring.insert("current".to_owned(), id);
        self.cloud.put_secret(variable, serde_json::to_string(&ring).unwrap());
    }

    /// Writes a person into directory and security info.
    pub async fn register(&self, person: &Person) {
        let account = person.account();
        self.put_account(&account, Some(Person::PASSWORD)).await;
        let seed = person.totp.then(|| {
            let seed = TotpSeed::parse(people::SEED).unwrap();
            let seeds = self.keyring("REKEY_SECRET_SEEDS");
            seed.seal(&seeds, account.id.as_str(), self.entropy.bytes()).unwrap()
        });
        let now = self.clock.now();
        let (registration, waiting_period) = (person.registration(), self.settings.cool_down);
        self.contacts.import(&account.id, &registration, seed.as_deref(), waiting_period, now).await.unwrap();
    }

    /// Writes an account into the directory, in the place of one that is there.
    pub async fn put_account(&self, account: &Account, password: Option<&str>) {
        let password = password.map(|password| NewPassword::parse(password).unwrap());
        self.directory.put(account, password.as_ref()).await.unwrap();
    }

    /// Whether the directory has made the change with this number, or a later one.
    pub async fn was_changed(&self, account: &AccountId, number: u64) -> bool {
        let change = PasswordChange { account: account.clone(), number, deadline: self.now() };
        self.directory.outcome(&change).await.unwrap() == ChangeOutcome::Applied
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new client.
    pub fn browser(self: &Arc<Self>) -> Browser {
        Browser::new(self)
    }

    /// Answers a request as the deployment would.
    pub async fn answer(&self, request: Request<String>) -> Answer {
        let mut request = request.map(Body::from);
        request.headers_mut().entry(header::HOST).or_insert(HOST.parse().unwrap());
        request.extensions_mut().get_or_insert_with(|| ConnectInfo(SocketAddr::from(PEER)));
        let gateway = self.running.read().unwrap().gateway.clone();
        let answer = Answer::read(gateway.oneshot(request).await.unwrap()).await;
        let said = format!("{:?}{}", answer.headers, String::from_utf8_lossy(&answer.body));
        self.said.lock().unwrap().push_str(&said);
        answer
    }

    /// Headers and body of every answer so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Lets another router answer for a function, until the functions are started anew.
    pub fn replace_function(&self, name: &str, router: Router) {
        let mut running = self.running.write().unwrap();
        running.routers.insert(name.to_owned(), router);
        running.gateway = gateway(&self.system, &self.template, &running.routers);
    }

    /// The routes of template.yaml.
    pub fn routes(&self) -> &[Route] {
        &self.template.routes
    }

    /// A function itself, without the gateway before it.
    pub fn function(&self, name: &str) -> Router {
        self.running.read().unwrap().routers[name].clone()
    }

    /// The keys behind a secret, by the variable that names it.
    pub fn keyring(&self, variable: &str) -> Keyring {
        Keyring::from_secret(&self.cloud.secret(variable).unwrap()).unwrap()
    }

    /// What a CAPTCHA shows.
    pub fn captcha_answer(&self, token: &str) -> String {
        Challenge::open(token, &self.keyring("REKEY_SECRET_CAPTCHA"), self.clock.now()).unwrap().answer()
    }

    /// Every message in the queue, sealed, with its delay.
    pub fn envelopes(&self) -> Vec<(Envelope, Seconds)> {
        let read = |(body, delay): (String, Seconds)| (serde_json::from_str(&body).unwrap(), delay);
        self.cloud.queues().contents(QUEUE).unwrap().into_iter().map(read).collect()
    }

    /// Every message in the queue, opened.
    pub fn messages(&self) -> Vec<Message> {
        let keys = self.keyring("REKEY_SECRET_MESSAGES");
        self.envelopes().iter().map(|(envelope, _)| envelope.open(&keys).unwrap().1).collect()
    }

    /// Lets `delivery` work on whatever is visible in the queue until nothing is left.
    pub async fn deliver(&self) {
        let delivery = self.running.read().unwrap().delivery.clone();
        while take_batch(&self.cloud.queues(), &self.template.consumers[0], &delivery).await {}
    }

    /// Hands an event to `delivery` as it is, and tells how many of its messages are to come again.
    pub async fn hand_to_delivery(&self, event: SqsEvent) -> usize {
        let delivery = self.running.read().unwrap().delivery.clone();
        delivery(event).await.unwrap().batch_item_failures.len()
    }

    /// Lets every call of a function fail whose action begins with `prefix` (`sqs:`).
    pub fn put_out_of_order(&self, prefix: &'static str) {
        self.cloud.disturb(Some(Arc::new(move |call: &Call| {
            let hit = call.principal != ADMINISTRATOR && call.action.starts_with(prefix);
            if hit { Disturbance::Refused } else { Disturbance::None }
        })));
    }

    /// Tells such calls of a function from all others, and remembers that there was one.
    fn such(
        &self,
        function: &'static str,
        action: &'static str,
        resource: &'static str,
    ) -> impl Fn(&Call) -> bool + use<> {
        let seen = Arc::new(AtomicBool::new(false));
        *self.awaited.lock().unwrap() = Some((format!("{function} {action} {resource}"), seen.clone()));
        move |call: &Call| {
            let is_such = call.principal == function
                && call.action == action
                && call.resource.as_deref() == Some(resource);
            seen.fetch_or(is_such, Ordering::SeqCst);
            is_such
        }
    }

    /// Lets a function die right after a call: that call is carried out, and whatever it calls afterwards is not.
    pub fn die_after(&self, function: &'static str, action: &'static str, resource: &'static str) {
        let (is_such, dead) = (self.such(function, action, resource), AtomicBool::new(false));
        self.cloud.disturb(Some(Arc::new(move |call: &Call| {
            if call.principal == function && dead.load(Ordering::SeqCst) {
                return Disturbance::Refused;
            }
            dead.fetch_or(is_such(call), Ordering::SeqCst);
            Disturbance::None
        })));
    }

    /// Lets the answer of a function's next such call get lost: the call is carried out, the function hears of a failure
    /// and asks again.
    pub fn lose_answer(&self, function: &'static str, action: &'static str, resource: &'static str) {
        let (is_such, lost) = (self.such(function, action, resource), AtomicBool::new(false));
        self.cloud.disturb(Some(Arc::new(move |call: &Call| {
            if is_such(call) && !lost.swap(true, Ordering::SeqCst) {
                Disturbance::AnswerLost
            } else {
                Disturbance::None
            }
        })));
    }

    /// Refuses every such call of a function.
    pub fn refuse(&self, function: &'static str, action: &'static str, resource: &'static str) {
        let is_such = self.such(function, action, resource);
        self.cloud.disturb(Some(Arc::new(move |call: &Call| {
            if is_such(call) { Disturbance::Refused } else { Disturbance::None }
        })));
    }

    /// Lets everything work again. What was to be disturbed must have come, or the test has disturbed nothing.
    pub fn mend(&self) {
        self.cloud.disturb(None);
        if let Some((what, seen)) = self.awaited.lock().unwrap().take() {
            assert!(seen.load(Ordering::SeqCst), "nothing was disturbed: {what} was never called");
        }
    }

    /// The code of the newest message that has one: in the queue, or, once that is delivered, in the outbox.
    pub fn last_code(&self) -> String {
        let messages = self.messages();
        let queued = messages.iter().rev().find_map(|message| match message {
            Message::Code(code) => Some(code.code.expose().to_owned()),
            _ => None,
        });
        let delivered = || self.outbox.messages().into_iter().find_map(|message| message.code);
        queued.or_else(delivered).expect("a code was sent")
    }

    /// Every notice in the queue.
    pub fn notices(&self) -> Vec<Notice> {
        let notice = |message| if let Message::Notice(notice) = message { Some(notice) } else { None };
        self.messages().into_iter().filter_map(notice).collect()
    }

    /// Every settle in the queue.
    pub fn settles(&self) -> Vec<ReconcileChange> {
        let settle = |message| if let Message::Reconcile(settle) = message { Some(settle) } else { None };
        self.messages().into_iter().filter_map(settle).collect()
    }

    /// The code that the authenticator app shows, `steps` time steps from now.
    pub fn app_code(&self, steps: i64) -> String {
        let secret = totp_rs::Secret::try_from_base32(people::SEED).unwrap();
        let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        app.generate((self.clock.now().as_seconds() + 30 * steps).unsigned_abs()).to_string()
    }

    /// What a sign-in with a password comes to.
    pub async fn sign_in(&self, login: &str, password: &str) -> SignIn {
        let name = CanonicalName::parse(login, &self.settings.login_domains).unwrap();
        self.directory.sign_in(&name, password, self.clock.now()).await.unwrap().into()
    }

    /// Every item of every table, as text.
    pub async fn dump(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for table in ["FlowsTable", "BudgetsTable", "SecurityInfoTable", "AccountsTable"] {
            let items = self.client.scan().table_name(table).send().await.unwrap().items.unwrap_or_default();
            for item in items {
                writeln!(text, "{table}: {item:?}").unwrap();
            }
        }
        text
    }
}

impl Site for World {
    async fn answer(&self, request: Request<String>) -> Answer {
        self.answer(request).await
    }

    async fn solve(&self, token: &str) -> String {
        self.captcha_answer(token)
    }
}

async fn start(parts: &Parts<'_>, template: &Template) -> Running {
    let functions = parts.functions().await.unwrap();
    let gateway = gateway(&parts.system, template, &functions.routers);
    Running { gateway, routers: functions.routers, delivery: functions.delivery }
}

fn gateway(system: &System, template: &Template, routers: &HashMap<String, Router>) -> Router {
    rekey_local::gateway::router(system.clone(), HOST, template.routes.clone(), routers.clone())
}
