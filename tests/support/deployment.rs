//! Rekey for the people of a population, below the socket: on tables in memory with a clock of the test, for thousands of
//! requests, or on the AWS emulator with the machine's clock, to measure times.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, header};
use rekey_local::compose::Parts;
use rekey_local::dev_inbox::DevInbox;
use rekey_local::emulator::roles::ADMINISTRATOR;
use rekey_local::emulator::{Emulator, Storage};
use rekey_local::schedule::Task;
use rekey_local::system::System;
use rekey_local::template::{Consumer, Template};
use rekey_local::worker::{Consume, take_batch};
use shared::adapters::aws::emulated;
use shared::adapters::dynamodb::DynamoEnrolment;
use shared::adapters::memory::Memory;
use shared::adapters::system::SystemClock;
use shared::domain::account::AccountState;
use shared::domain::captcha::CaptchaChallenge;
use shared::domain::import::Overwrite;
use shared::domain::keys::Keyring;
use shared::domain::message::{Envelope, Message};
use shared::domain::password::NewPassword;
use shared::domain::time::Seconds;
use shared::domain::totp::TotpSeed;
use shared::ports::{AccountImport, Clock, ContactImport, Entropy, EntropyExt as _, Timer};
use shared::settings::Settings;
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::answer::Answer;
use crate::browser::Site;
use crate::fixtures::SEED;
use crate::populations::Member;
use crate::test_doubles::{TestClock, TestEntropy};
use crate::world::HOST;

/// An instance of Rekey with the clock of every function.
pub struct Deployment<C> {
    /// The clock of every function.
    pub clock: Arc<C>,
    accounts: Arc<dyn AccountImport>,
    contacts: Arc<dyn ContactImport>,
    seeds: Arc<Keyring>,
    entropy: Arc<dyn Entropy>,
    waiting_period: Seconds,
    entries: Entries,
    captcha: Keyring,
    gateway: Router,
    housekeeping: Task,
    delivery: Consume,
    consumer: Consumer,
    messages: Keyring,
    emulator: Emulator,
    _stop: watch::Sender<bool>,
}

/// Where enrolled methods are written.
enum Entries {
    Memory(Arc<Memory>),
    Emulator(Box<DynamoEnrolment>),
}

/// Never waits: the grid of responses has tests of its own.
struct NoTimer;

#[async_trait]
impl Timer for NoTimer {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {}
}

impl Deployment<TestClock> {
    /// Creates a deployment with these parameters and without people, on tables in memory. Roles don't apply to them.
    pub async fn in_memory(parameters: &[(&str, &str)]) -> Arc<Self> {
        let clock = Arc::new(TestClock::default());
        let entropy = Arc::new(TestEntropy::default());
        let system = System { clock: clock.clone(), entropy, timer: Arc::new(NoTimer) };
        Self::start(parameters, clock, system, Some(Arc::default())).await
    }
}

impl Deployment<SystemClock> {
    /// Creates a deployment with these parameters and without people, on the AWS emulator, as `cargo local` does.
    pub async fn on_emulator(parameters: &[(&str, &str)]) -> Arc<Self> {
        let system = System { clock: Arc::new(SystemClock), ..System::from_machine() };
        Self::start(parameters, Arc::new(SystemClock), system, None).await
    }

    /// Creates a deployment with the machine's clock whose answers don't wait for the time grid, to measure what a
    /// request costs.
    pub async fn without_time_grid(parameters: &[(&str, &str)], memory: Option<Arc<Memory>>) -> Arc<Self> {
        let (clock, timer) = (Arc::new(SystemClock), Arc::new(NoTimer));
        let system = System { clock, timer, ..System::from_machine() };
        Self::start(parameters, Arc::new(SystemClock), system, memory).await
    }
}

impl<C: Clock> Deployment<C> {
    async fn start(
        parameters: &[(&str, &str)],
        clock: Arc<C>,
        system: System,
        memory: Option<Arc<Memory>>,
    ) -> Arc<Self> {
        let defaults = [
            ("REKEY_VOICE_ORIGIN", "+60300000000"),
            ("REKEY_PUSH_HOSTS", "127.0.0.1"),
            ("REKEY_CHARACTERS_PER_IP", "1000000"),
            ("REKEY_CHARACTERS_PER_HOUR", "1000000"),
        ];
        let pairs = defaults.iter().chain(parameters);
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Arc::new(Settings::from_pairs(pairs).unwrap());
        let (stop, stopped) = watch::channel(false);
        let template = Template::from_project().unwrap();
        let dev_inbox = DevInbox::new(system.clone());
        let storage = if memory.is_some() { Storage::WithoutTables } else { Storage::Process };
        let emulator = Emulator::start(&system, template.clone(), storage, dev_inbox, stopped).await.unwrap();
        let parts = Parts {
            emulator: &emulator,
            settings,
            system: system.clone(),
            memory: memory.clone(),
            live_directory: None,
            directory_people: None,
        };
        let functions = parts.functions().await.unwrap();
        let administrator = parts.process(ADMINISTRATOR).await.unwrap();
        let entries = if let Some(memory) = memory {
            Entries::Memory(memory)
        } else {
            let client = Client::new(&emulated(emulator.endpoint(), ADMINISTRATOR));
            let keys = Keyring::from_secret(&emulator.secret("REKEY_SECRET_CONTACTS").unwrap()).unwrap();
            let (table, entropy) = ("SecurityInfoTable", system.entropy.clone());
            Entries::Emulator(Box::new(DynamoEnrolment::new(client, table, Arc::new(keys), entropy)))
        };
        let consumer = template.consumers[0].clone();
        let gateway = rekey_local::gateway::router(system, HOST, template.routes, functions.routers);
        Arc::new(Self {
            captcha: Keyring::from_secret(&emulator.secret("REKEY_SECRET_CAPTCHA").unwrap()).unwrap(),
            accounts: administrator.account_import().unwrap(),
            contacts: administrator.contact_import().unwrap(),
            seeds: administrator.keyring("REKEY_SECRET_SEEDS").unwrap(),
            entropy: administrator.entropy(),
            waiting_period: administrator.settings().waiting_period,
            entries,
            housekeeping: functions.housekeeping,
            delivery: functions.delivery,
            consumer,
            messages: Keyring::from_secret(&emulator.secret("REKEY_SECRET_MESSAGES").unwrap()).unwrap(),
            emulator,
            _stop: stop,
            clock,
            gateway,
        })
    }

    /// Writes a person into the directory and the security info.
    pub async fn register(&self, member: &Member, state: AccountState, password: Option<&str>) {
        let account = member.account(state);
        let password = password.map(|password| NewPassword::parse(password).unwrap());
        self.accounts.put(&account, password.as_ref()).await.unwrap();
        let seed = (!member.registration.holds.is_empty()).then(|| {
            let seed = TotpSeed::parse(SEED).unwrap();
            seed.seal(&self.seeds, account.id.as_str(), self.entropy.bytes()).unwrap()
        });
        let (registration, overwrite, now) = (&member.registration, Overwrite::Imported, self.clock.now());
        let imported = self.contacts.import(
            &account.id,
            registration,
            seed.as_deref(),
            overwrite,
            self.waiting_period,
            now,
        );
        imported.await.unwrap();
        for entry in member.entries(now) {
            match &self.entries {
                Entries::Memory(memory) => {
                    memory.with(|tables| tables.security_info.put(&account.id, &entry));
                }
                Entries::Emulator(enrolment) => enrolment.put(&account.id, &entry).await.unwrap(),
            }
        }
    }

    /// Runs `delivery` until no visible message is left in the queue.
    pub async fn deliver(&self) {
        while take_batch(&self.emulator.queues(), &self.consumer, &self.delivery).await {}
    }

    /// Returns the newest code in the queue.
    pub fn queued_code(&self) -> String {
        let queued = self.emulator.queues().contents(&self.consumer.queue).unwrap();
        let code = queued.iter().rev().find_map(|(body, _)| {
            let envelope: Envelope = serde_json::from_str(body).unwrap();
            match envelope.open(&self.messages).unwrap().1 {
                Message::Code(code) => Some(code.code.expose().to_owned()),
                _ => None,
            }
        });
        code.expect("a code was queued")
    }

    /// Counts the people that decoys are drawn from.
    pub async fn housekeep(&self) {
        (self.housekeeping)().await.unwrap();
    }
}

impl<C: Clock> Site for Deployment<C> {
    async fn answer(&self, request: Request<String>) -> Answer {
        let mut request = request.map(Body::from);
        request.headers_mut().entry(header::HOST).or_insert(HOST.parse().unwrap());
        request
            .extensions_mut()
            .get_or_insert_with(|| ConnectInfo(SocketAddr::from(([203, 0, 113, 7], 50_000))));
        Answer::read(self.gateway.clone().oneshot(request).await.unwrap()).await
    }

    async fn solve(&self, token: &str) -> String {
        CaptchaChallenge::open(token, &self.captcha, self.clock.now()).unwrap().answer()
    }
}
