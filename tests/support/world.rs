//! Rekey with the AWS emulator in one process. The gateway builds API Gateway's events, and each function has only
//! the permissions of its role in template.yaml.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, header};
use rekey_local::compose::{Functions, Parts};
use rekey_local::dev_inbox::DevInbox;
use rekey_local::emulator::roles::{ADMINISTRATOR, Call};
use rekey_local::emulator::{CallFault, Emulator, Storage};
use rekey_local::schedule::Task;
use rekey_local::system::System;
use rekey_local::template::{Route, Template};
use rekey_local::worker::{Consume, take_batch};
use shared::adapters::aws::emulated;
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{DynamoAuthenticators, DynamoEnrolment, DynamoLeases, DynamoSecurityInfo};
use shared::domain::account::{Account, AccountId};
use shared::domain::captcha::CaptchaChallenge;
use shared::domain::import::Overwrite;
use shared::domain::keys::Keyring;
use shared::domain::message::{Envelope, Message, Notice, ReconcileChange};
use shared::domain::name::CanonicalName;
use shared::domain::password::NewPassword;
use shared::domain::time::{Seconds, Timestamp};
use shared::domain::totp::TotpSeed;
use shared::ports::{
    self, AccountImport as _, ChangeInspector as _, ChangeOutcome, Clock as _, ContactImport,
    DirectoryPeople, EntropyExt as _, LivePasswordDirectory, OrganisationSignIn as _, PasswordChange,
};
use shared::process::Process;
use shared::settings::{DirectoryKind, Settings};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::answer::Answer;
use crate::browser::{Browser, Site};
use crate::directory::ListedDirectory;
use crate::fixtures::{self, Person};
use crate::live_directory::LiveDouble;
use crate::test_doubles::{TestClock, TestEntropy, TestTimer};

/// The `Host` of requests.
pub const HOST: &str = "reset.contoh.example";
/// The origin of a world that sets `REKEY_PUBLIC_URL`.
pub const ORIGIN: &str = "https://reset.contoh.example";
/// The origin of the other worlds, where browsers allow passkeys.
pub const LOCALHOST_ORIGIN: &str = "http://localhost:8080";
/// The secret that `REKEY_TRUSTED_PROXY` names in a world: the parameter of template.yaml stands for it.
pub const PROXY_ARN: &str = "arn:aws:secretsmanager:ap-southeast-1:000000000000:secret:RekeyTrustedProxy";
/// Its present and its previous value.
pub const PROXY_SECRETS: [&str; 2] = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];
/// The secret that `REKEY_OIDC_SECRET` names in a world.
pub const OIDC_ARN: &str = "arn:aws:secretsmanager:ap-southeast-1:000000000000:secret:RekeyOidcSecret";
/// Its value.
pub const OIDC_SECRET: &str = "client-secret: 1+1=2";
/// The source address of requests (RFC 5737).
const PEER: ([u8; 4], u16) = ([203, 0, 113, 7], 50_000);
/// The message queue's logical id in template.yaml.
const QUEUE: &str = "MessagesQueue";

/// An instance of Rekey with its services and test doubles.
pub struct World {
    /// The clock of every function and service.
    pub clock: Arc<TestClock>,
    /// The entropy of every function and service.
    pub entropy: Arc<TestEntropy>,
    /// The AWS emulator.
    pub emulator: Emulator,
    /// The delivered messages.
    pub dev_inbox: DevInbox,
    /// A DynamoDB client with administrator access.
    pub client: Client,
    /// The directory, with administrator access.
    pub directory: BuiltinDirectory,
    /// Reads contacts and methods, with administrator access.
    pub security_info: DynamoSecurityInfo,
    /// Writes enrolled methods, with administrator access.
    pub enrolment: DynamoEnrolment,
    /// Imports contacts, with administrator access.
    pub contacts: Arc<dyn ContactImport>,
    /// Reads and updates authenticators, with administrator access.
    pub authenticators: DynamoAuthenticators,
    /// The account leases, with administrator access.
    pub leases: DynamoLeases,
    /// The parsed parameters.
    pub settings: Arc<Settings>,
    /// The organisation's own directory, in a world that `REKEY_DIRECTORY` gives one.
    pub live: Arc<LiveDouble>,
    /// Its people, for `directory-sync`.
    pub people: Arc<ListedDirectory>,
    system: System,
    template: Template,
    running: RwLock<Running>,
    responses: Mutex<String>,
    /// The call that gets a fault, and whether it has happened.
    expected_call: Mutex<Option<(String, Arc<AtomicBool>)>>,
    _stop: watch::Sender<bool>,
}

/// The result of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// See [`ports::SignInResult::Accepted`].
    Accepted,
    /// See [`ports::SignInResult::Wrong`].
    Wrong,
    /// See [`ports::SignInResult::Locked`].
    Locked,
    /// See [`ports::SignInResult::Disabled`].
    Disabled,
}

impl From<ports::SignInResult> for SignIn {
    fn from(sign_in: ports::SignInResult) -> Self {
        match sign_in {
            ports::SignInResult::Accepted(_) => Self::Accepted,
            ports::SignInResult::Wrong => Self::Wrong,
            ports::SignInResult::Locked => Self::Locked,
            ports::SignInResult::Disabled => Self::Disabled,
        }
    }
}

/// The functions of the last start.
struct Running {
    gateway: Router,
    routers: HashMap<String, Router>,
    delivery: Consume,
    housekeeping: Task,
    audit: Task,
}

impl World {
    /// Creates a world with the demo policy.
    pub async fn new() -> Arc<Self> {
        Self::with(&[]).await
    }

    /// Creates a world with further parameters.
    pub async fn with(parameters: &[(&str, &str)]) -> Arc<Self> {
        let mut pairs = vec![
            ("REKEY_LOGIN_DOMAINS".to_owned(), "student.contoh.example,staff.contoh.example".to_owned()),
            ("REKEY_ORGANISATION".to_owned(), "Universiti Contoh".to_owned()),
            ("REKEY_VOICE_ORIGIN".to_owned(), "+60300000000".to_owned()),
            // Tests open flows by characters, which the world reveals.
            ("REKEY_CHARACTERS_PER_IP".to_owned(), "1000000".to_owned()),
            ("REKEY_CHARACTERS_PER_HOUR".to_owned(), "1000000".to_owned()),
        ];
        // This is the push host of the local environment. A deployment with a public URL has no push service on loopback.
        if parameters.iter().all(|(name, _)| *name != "REKEY_PUBLIC_URL") {
            pairs.push(("REKEY_PUSH_HOSTS".to_owned(), "127.0.0.1".to_owned()));
        }
        pairs.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let settings = Arc::new(Settings::from_pairs(pairs).unwrap());

        let (clock, entropy) = (Arc::new(TestClock::default()), Arc::new(TestEntropy::default()));
        let system =
            System { clock: clock.clone(), entropy: entropy.clone(), timer: Arc::new(TestTimer::default()) };
        let live = Arc::new(LiveDouble::of_fixtures());
        let people = Arc::new(ListedDirectory::default());
        let (stop, stopped) = watch::channel(false);
        let dev_inbox = DevInbox::new(system.clone());
        let template = Template::from_project().unwrap();
        let emulator =
            Emulator::start(&system, template.clone(), Storage::Process, dev_inbox.clone(), stopped)
                .await
                .unwrap();
        if let Some(arn) = &settings.trusted_proxy {
            let [current, previous] = PROXY_SECRETS;
            let secret = serde_json::json!({ "current": current, "previous": previous });
            emulator.put_secret_by_arn(arn, secret.to_string());
        }
        if let Some(arn) = &settings.oidc_secret {
            let secret = serde_json::json!({ "client_secret": OIDC_SECRET });
            emulator.put_secret_by_arn(arn, secret.to_string());
        }
        if let DirectoryKind::Remote(name) = &settings.directory {
            emulator.put_parameter("REKEY_PARAMETER_DIRECTORY", directory_document(name));
        }
        let parts = Parts {
            emulator: &emulator,
            settings: settings.clone(),
            system: system.clone(),
            memory: None,
            live_directory: Some(live.clone()),
            directory_people: Some(people.clone()),
        };
        let running = RwLock::new(start(&parts, &template).await);
        let tables = parts.tables().await.unwrap();
        let client = Client::new(&emulated(emulator.endpoint(), ADMINISTRATOR));
        let keys = Keyring::from_secret(&emulator.secret("REKEY_SECRET_CONTACTS").unwrap()).unwrap();
        let (keys, table) = (Arc::new(keys), "SecurityInfoTable");
        let security_info = DynamoSecurityInfo::new(client.clone(), table, keys.clone());
        let enrolment = DynamoEnrolment::new(client.clone(), table, keys, entropy.clone());
        let history = settings.password.history;
        let directory = BuiltinDirectory::new(client.clone(), "AccountsTable", entropy.clone(), history);
        let world = Self {
            authenticators: DynamoAuthenticators::new(client.clone(), table),
            leases: DynamoLeases::new(client.clone(), table),
            client,
            system,
            template,
            running,
            responses: Mutex::default(),
            expected_call: Mutex::default(),
            directory,
            security_info,
            enrolment,
            contacts: tables.contacts,
            clock,
            entropy,
            emulator,
            dev_inbox,
            settings,
            live,
            people,
            _stop: stop,
        };
        for person in fixtures::ALL {
            world.register(person).await;
        }
        Arc::new(world)
    }

    /// Restarts every function, as a deployment does: it reads settings and keys again.
    pub async fn restart(&self) {
        let running = start(&self.parts(), &self.template).await;
        *self.running.write().unwrap() = running;
    }

    /// Returns a function's process with its own role.
    pub async fn process(&self, function: &str) -> Process {
        self.parts().process(function).await.unwrap()
    }

    fn parts(&self) -> Parts<'_> {
        let (settings, system) = (self.settings.clone(), self.system.clone());
        let live_directory: Option<Arc<dyn LivePasswordDirectory>> = Some(self.live.clone());
        let directory_people: Option<Arc<dyn DirectoryPeople>> = Some(self.people.clone());
        let emulator = &self.emulator;
        Parts { emulator, settings, system, memory: None, live_directory, directory_people }
    }

    /// Adds a key to a secret and makes it the current one.
    pub fn rotate(&self, variable: &str) {
        let mut ring: BTreeMap<String, String> =
            serde_json::from_str(&self.emulator.secret(variable).unwrap()).unwrap();
        let id = ring.len().to_string();
        ring.insert(id.clone(), format!("{id:-<64}"));
        ring.insert("current".to_owned(), id);
        self.emulator.put_secret(variable, serde_json::to_string(&ring).unwrap());
    }

    /// Writes a person with all methods into the directory and the security info.
    pub async fn register(&self, person: &Person) {
        let account = person.account();
        self.put_account(&account, Some(Person::PASSWORD)).await;
        let seed = person.totp.then(|| {
            let seed = TotpSeed::parse(fixtures::SEED).unwrap();
            let seeds = self.keyring("REKEY_SECRET_SEEDS");
            seed.seal(&seeds, account.id.as_str(), self.entropy.bytes()).unwrap()
        });
        let now = self.clock.now();
        let (registration, waiting_period) = (person.registration(), self.settings.waiting_period);
        let overwrite = Overwrite::Imported;
        let import =
            self.contacts.import(&account.id, &registration, seed.as_deref(), overwrite, waiting_period, now);
        import.await.unwrap();
    }

    /// Writes an account into the directory and replaces an existing one. A password is hashed once in a process, which
    /// would otherwise be a quarter of the time of the tests.
    pub async fn put_account(&self, account: &Account, password: Option<&str>) {
        static HASHES: Mutex<BTreeMap<String, AttributeValue>> = Mutex::new(BTreeMap::new());
        let id = AttributeValue::S(format!("account/{}", account.id.as_str()));
        let Some(password) = password else { return self.directory.put(account, None).await.unwrap() };
        let known = HASHES.lock().unwrap().get(password).cloned();
        if let Some(hash) = known {
            self.directory.put(account, None).await.unwrap();
            let update = self.client.update_item().table_name("AccountsTable").key("account", id);
            let update = update.update_expression("SET password = :hash");
            update.expression_attribute_values(":hash", hash).send().await.unwrap();
        } else {
            let new = NewPassword::parse(password).unwrap();
            self.directory.put(account, Some(&new)).await.unwrap();
            let get = self.client.get_item().table_name("AccountsTable").key("account", id);
            let item = get.send().await.unwrap().item.unwrap();
            HASHES.lock().unwrap().insert(password.to_owned(), item["password"].clone());
        }
    }

    /// Returns whether the directory has made the change with this number, or a later one.
    pub async fn was_changed(&self, account: &AccountId, number: u64) -> bool {
        let change = PasswordChange { account: account.clone(), number, deadline: self.now() };
        self.directory.outcome(&change).await.unwrap() == ChangeOutcome::Applied
    }

    /// Returns the time of the test clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Creates a client without cookies.
    pub fn browser(self: &Arc<Self>) -> Browser {
        Browser::new(self)
    }

    /// Answers a request through the gateway, as the deployment would.
    pub async fn answer(&self, request: Request<String>) -> Answer {
        let mut request = request.map(Body::from);
        request.headers_mut().entry(header::HOST).or_insert(HOST.parse().unwrap());
        request.extensions_mut().get_or_insert_with(|| ConnectInfo(SocketAddr::from(PEER)));
        let gateway = self.running.read().unwrap().gateway.clone();
        let answer = Answer::read(gateway.oneshot(request).await.unwrap()).await;
        let said = format!("{:?}{}", answer.headers, String::from_utf8_lossy(&answer.body));
        self.responses.lock().unwrap().push_str(&said);
        answer
    }

    /// Returns headers and bodies of all responses so far.
    pub fn responses(&self) -> String {
        self.responses.lock().unwrap().clone()
    }

    /// Replaces the router of a function until the next restart.
    pub fn replace_function(&self, name: &str, router: Router) {
        let mut running = self.running.write().unwrap();
        running.routers.insert(name.to_owned(), router);
        running.gateway = gateway(&self.system, &self.template, &running.routers);
    }

    /// Returns the routes of template.yaml.
    pub fn routes(&self) -> &[Route] {
        &self.template.routes
    }

    /// Returns a function's router, without the gateway.
    pub fn function(&self, name: &str) -> Router {
        self.running.read().unwrap().routers[name].clone()
    }

    /// Returns the keyring of a secret, by its environment variable.
    pub fn keyring(&self, variable: &str) -> Keyring {
        Keyring::from_secret(&self.emulator.secret(variable).unwrap()).unwrap()
    }

    /// Returns the answer of a CAPTCHA token.
    pub fn captcha_answer(&self, token: &str) -> String {
        CaptchaChallenge::open(token, &self.keyring("REKEY_SECRET_CAPTCHA"), self.clock.now())
            .unwrap()
            .answer()
    }

    /// Returns the digits that the sound of a CAPTCHA token speaks.
    pub fn captcha_digits(&self, token: &str) -> String {
        CaptchaChallenge::open(token, &self.keyring("REKEY_SECRET_CAPTCHA"), self.clock.now())
            .unwrap()
            .digits()
    }

    /// Returns every message in the queue, sealed, with its delay.
    pub fn envelopes(&self) -> Vec<(Envelope, Seconds)> {
        let read = |(body, delay): (String, Seconds)| (serde_json::from_str(&body).unwrap(), delay);
        self.emulator.queues().contents(QUEUE).unwrap().into_iter().map(read).collect()
    }

    /// Returns every message in the queue, opened.
    pub fn messages(&self) -> Vec<Message> {
        let keys = self.keyring("REKEY_SECRET_MESSAGES");
        self.envelopes().iter().map(|(envelope, _)| envelope.open(&keys).unwrap().1).collect()
    }

    /// Runs `delivery` until no visible message is left in the queue.
    pub async fn deliver(&self) {
        let delivery = self.running.read().unwrap().delivery.clone();
        while take_batch(&self.emulator.queues(), &self.template.consumers[0], &delivery).await {}
    }

    /// Invokes `delivery` with an event and returns the number of messages to retry.
    pub async fn invoke_delivery(&self, event: SqsEvent) -> usize {
        let delivery = self.running.read().unwrap().delivery.clone();
        delivery(event).await.unwrap().batch_item_failures.len()
    }

    /// Invokes `housekeeping`, as its schedule does.
    ///
    /// # Errors
    /// The reason why it failed.
    pub async fn housekeep(&self) -> Result<(), String> {
        let housekeeping = self.running.read().unwrap().housekeeping.clone();
        housekeeping().await
    }

    /// Invokes the audit task of `housekeeping`, as its schedule does.
    ///
    /// # Errors
    /// The reason why it failed.
    pub async fn anchor(&self) -> Result<(), String> {
        let audit = self.running.read().unwrap().audit.clone();
        audit().await
    }

    /// Invokes `directory-sync`, as its schedule does.
    ///
    /// # Errors
    /// The reason why it failed.
    pub async fn sync(&self) -> Result<(), String> {
        let sync = self.parts().directory_sync().await.unwrap();
        sync().await
    }

    /// Makes every call of the functions fail whose action begins with `prefix` (`sqs:`).
    pub fn fail_all(&self, prefix: &'static str) {
        self.emulator.inject_faults(Some(Arc::new(move |call: &Call| {
            let hit = call.principal != ADMINISTRATOR && call.action.starts_with(prefix);
            if hit { CallFault::Unavailable } else { CallFault::None }
        })));
    }

    /// Returns a filter for such calls of a function, which records whether one happened.
    fn call_filter(
        &self,
        function: &'static str,
        action: &'static str,
        resource: &'static str,
    ) -> impl Fn(&Call) -> bool + use<> {
        let seen = Arc::new(AtomicBool::new(false));
        *self.expected_call.lock().unwrap() = Some((format!("{function} {action} {resource}"), seen.clone()));
        move |call: &Call| {
            let is_match = call.principal == function
                && call.action == action
                && call.resource.as_deref() == Some(resource);
            seen.fetch_or(is_match, Ordering::SeqCst);
            is_match
        }
    }

    /// Crashes a function right after a call: that call takes effect, and no later one does.
    pub fn crash_after(&self, function: &'static str, action: &'static str, resource: &'static str) {
        let (is_match, dead) = (self.call_filter(function, action, resource), AtomicBool::new(false));
        self.emulator.inject_faults(Some(Arc::new(move |call: &Call| {
            if call.principal == function && dead.load(Ordering::SeqCst) {
                return CallFault::Unavailable;
            }
            dead.fetch_or(is_match(call), Ordering::SeqCst);
            CallFault::None
        })));
    }

    /// Loses the response of a function's next such call: the call takes effect, and the function retries after an
    /// error.
    pub fn lose_response(&self, function: &'static str, action: &'static str, resource: &'static str) {
        let (is_match, lost) = (self.call_filter(function, action, resource), AtomicBool::new(false));
        self.emulator.inject_faults(Some(Arc::new(move |call: &Call| {
            if is_match(call) && !lost.swap(true, Ordering::SeqCst) {
                CallFault::ResponseLost
            } else {
                CallFault::None
            }
        })));
    }

    /// Makes every such call of a function fail.
    pub fn fail_calls(&self, function: &'static str, action: &'static str, resource: &'static str) {
        let is_match = self.call_filter(function, action, resource);
        self.emulator.inject_faults(Some(Arc::new(move |call: &Call| {
            if is_match(call) { CallFault::Unavailable } else { CallFault::None }
        })));
    }

    /// Removes all faults. It fails if the expected call never happened, because then the test has tested nothing.
    pub fn clear_faults(&self) {
        self.emulator.inject_faults(None);
        if let Some((what, seen)) = self.expected_call.lock().unwrap().take() {
            assert!(seen.load(Ordering::SeqCst), "nothing was disturbed: {what} was never called");
        }
    }

    /// Returns the newest code: from the queue, or from the dev inbox if no queued message has one.
    pub fn last_code(&self) -> String {
        let messages = self.messages();
        let queued = messages.iter().rev().find_map(|message| match message {
            Message::Code(code) => Some(code.code.expose().to_owned()),
            _ => None,
        });
        let delivered = || self.dev_inbox.messages().into_iter().find_map(|message| message.code);
        queued.or_else(delivered).expect("a code was sent")
    }

    /// Returns every notification in the queue.
    pub fn notices(&self) -> Vec<Notice> {
        let notice = |message| if let Message::Notice(notice) = message { Some(notice) } else { None };
        self.messages().into_iter().filter_map(notice).collect()
    }

    /// Returns every reconciliation message in the queue.
    pub fn reconcile_messages(&self) -> Vec<ReconcileChange> {
        let change = |message| if let Message::Reconcile(change) = message { Some(change) } else { None };
        self.messages().into_iter().filter_map(change).collect()
    }

    /// Returns the TOTP code, `steps` time steps from now.
    pub fn app_code(&self, steps: i64) -> String {
        let secret = totp_rs::Secret::try_from_base32(fixtures::SEED).unwrap();
        let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        app.generate((self.clock.now().as_seconds() + 30 * steps).unsigned_abs()).to_string()
    }

    /// Signs in to the directory with a password.
    pub async fn sign_in(&self, login: &str, password: &str) -> SignIn {
        let name = CanonicalName::parse(login, &self.settings.login_domains).unwrap();
        self.directory.sign_in(&name, password, self.clock.now()).await.unwrap().into()
    }

    /// Sets the group of an account, as an import does.
    pub async fn set_group(&self, login: &str, group: &str) {
        let update = self.client.update_item().table_name("AccountsTable");
        let update = update
            .key("account", AttributeValue::S(format!("account/{login}")))
            .update_expression("SET #group = :group")
            .expression_attribute_names("#group", "group")
            .expression_attribute_values(":group", AttributeValue::S(group.to_owned()));
        update.send().await.unwrap();
    }

    /// Returns every item of every table as text.
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

/// Returns the document of a directory that no test reaches: the double stands in for it.
pub fn directory_document(name: &str) -> String {
    let accounts = serde_json::json!({ "read": "cn=read", "write": "cn=write", "sync": "cn=sync" });
    let document = serde_json::json!({
        "name": name,
        "kind": "openldap",
        "servers": ["ldaps://ldap.contoh.example"],
        "ca": "-----BEGIN CERTIFICATE-----",
        "bases": ["ou=people,dc=contoh,dc=example"],
        "attributes": { "mobile": "mobile" },
        "service_accounts": accounts,
    });
    document.to_string()
}

async fn start(parts: &Parts<'_>, template: &Template) -> Running {
    let functions = parts.functions().await.unwrap();
    let gateway = gateway(&parts.system, template, &functions.routers);
    let Functions { routers, delivery, housekeeping, audit } = functions;
    Running { gateway, routers, delivery, housekeeping, audit }
}

fn gateway(system: &System, template: &Template, routers: &HashMap<String, Router>) -> Router {
    rekey_local::gateway::router(system.clone(), HOST, template.routes.clone(), routers.clone())
}
