//! Runs `delivery` with in-memory test doubles; tests inspect what was sent and make any of them fail.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use delivery::Ports;
use serde_json::Value;
use shared::adapters::memory::{Memory, StoredFlow, Tables};
use shared::domain::account::{Account, AccountId, AccountState, Registration};
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::device::Device;
use shared::domain::flow::Flow;
use shared::domain::holder::HolderId;
use shared::domain::import::Overwrite;
use shared::domain::keys::Keyring;
use shared::domain::language::Language;
use shared::domain::mail_failure::{FailedMailbox, MailFailure};
use shared::domain::message::{Envelope, Message};
use shared::domain::name::CanonicalName;
use shared::domain::push::Subscription;
use shared::domain::rate_limit::RateLimit;
use shared::domain::security_info::Secret;
use shared::domain::time::{Seconds, Timestamp};
use shared::domain::time_zone::TimeZone;
use shared::ports::{
    Capabilities, ChangeInspector, ChangeOutcome, Clock, Directory, DirectoryError, Entropy, Mail,
    MailFailureStore as _, MailSender, MessageQueue, Metric, Metrics, NewEntry, PasswordChange, Push,
    PushSender, QueueError, SendError, TextSender, VoiceSender,
};
use shared::settings::Settings;
use shared::text::messages::{HelpDesk, MessageRenderer};

/// The start time of every test: 2026-11-24T04:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_795_492_800);

/// How a provider answers the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    Up,
    Down,
    Refusing,
}

/// The test doubles of every port.
pub struct Fakes {
    now: AtomicI64,
    drawn: AtomicU8,
    provider: Mutex<Provider>,
    sent: Mutex<Vec<(String, String)>>,
    queue_is_down: Mutex<bool>,
    metrics: Mutex<Vec<Metric>>,
    /// The number of the directory's last change; `None` if the directory can't tell.
    written: Mutex<Option<u64>>,
    /// The in-memory stores.
    memory: Arc<Memory>,
}

impl Default for Fakes {
    fn default() -> Self {
        let contacts = Registration {
            alternate_email: Some(EmailAddress::from_stored("aisyah@mail.example".into())),
            mobile: Some(PhoneNumber::from_stored("+60123456798".into())),
            office_phone: Some(PhoneNumber::from_stored("+60327317272".into())),
            ..Registration::default()
        };
        let mut tables = Tables::default();
        tables.security_info.import(&account(), &contacts, None, Overwrite::Imported, Seconds(0), START);
        Self {
            now: AtomicI64::new(START.as_seconds()),
            drawn: AtomicU8::new(0),
            provider: Mutex::new(Provider::Up),
            sent: Mutex::default(),
            queue_is_down: Mutex::default(),
            metrics: Mutex::default(),
            written: Mutex::new(Some(0)),
            memory: Arc::new(Memory::of(tables)),
        }
    }
}

impl Fakes {
    pub fn advance(&self, span: Seconds) {
        self.now.fetch_add(i64::from(span.0), Ordering::SeqCst);
    }

    pub fn set_provider(&self, provider: Provider) {
        *self.provider.lock().unwrap() = provider;
    }

    pub fn break_queue(&self, down: bool) {
        *self.queue_is_down.lock().unwrap() = down;
    }

    pub fn put_flow(&self, flow: &Flow) {
        let flow = StoredFlow::of(7, flow);
        self.memory.with(|tables| tables.flows.0.insert(*flow_key().as_bytes(), flow));
    }

    pub fn flow(&self) -> Option<Flow> {
        let read = |tables: &mut Tables| tables.flows.0.get(flow_key().as_bytes())?.read();
        self.memory.with(read).map(|read| read.value)
    }

    /// Registers a device with a sealed push subscription.
    pub fn subscribe(&self, device: &Device, sealed: String) {
        let secret = Secret::Authenticator { public_key: Vec::new(), subscription: Some(sealed) };
        let entry = NewEntry::new(device.id.clone(), "", secret, START);
        self.memory.with(|tables| tables.security_info.put(&device.account, &entry));
    }

    /// Makes the directory perform the write of `generation`.
    pub fn write(&self, generation: u64) {
        *self.written.lock().unwrap() = Some(generation);
    }

    /// Makes the directory unable to report the outcome of a write.
    pub fn forget_writes(&self) {
        *self.written.lock().unwrap() = None;
    }

    /// Removes and returns what was sent so far, as recipient and content.
    pub fn sent(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    /// Returns the failure that is noted for an address.
    pub async fn mail_failure(&self, address: &str) -> Option<MailFailure> {
        let mailbox = FailedMailbox::of(&EmailAddress::from_stored(address.into()), &keys()).unwrap();
        self.memory.mail_failure(&mailbox, self.now()).await.unwrap()
    }

    pub fn queued(&self) -> Vec<Message> {
        let queued = self.memory.with(|tables| std::mem::take(&mut tables.queue.0));
        let open = |body: &str| serde_json::from_str::<Envelope>(body).unwrap().open(&keys()).unwrap().1;
        queued.iter().map(|queued| open(&queued.body)).collect()
    }

    pub fn metrics(&self) -> usize {
        self.counted().len()
    }

    /// The metrics that were counted, in order.
    pub fn counted(&self) -> Vec<Metric> {
        self.metrics.lock().unwrap().clone()
    }

    /// The names of all rate limits that were used.
    pub fn rate_limits(&self) -> Vec<String> {
        self.memory.with(|tables| tables.rate_limits.counts.keys().cloned().collect())
    }

    pub fn phone_messages_counted(&self) -> u64 {
        let key = RateLimit::PhoneMessages.key(START);
        self.memory.with(|tables| tables.rate_limits.counts.get(&key).copied()).unwrap_or_default()
    }

    fn record_send(&self, to: &str, what: String) -> Result<(), SendError> {
        match *self.provider.lock().unwrap() {
            Provider::Up => {
                self.sent.lock().unwrap().push((to.to_owned(), what));
                Ok(())
            }
            Provider::Down => Err(SendError::Unavailable("down".into())),
            Provider::Refusing => Err(SendError::Refused("refused".into())),
        }
    }
}

/// Collects the log of a test.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Collects until the guard is dropped.
    pub fn keep(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let lines = tracing_subscriber::fmt().json().with_writer(move || log.clone());
        tracing::subscriber::set_default(lines.finish())
    }

    /// Returns outcome and reason of each event of this name.
    pub fn outcomes(&self, event: &str) -> Vec<(String, String)> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].take());
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        lines
            .filter(|line| line["event"] == event)
            .map(|line| (text(&line, "outcome"), text(&line, "reason")))
            .collect()
    }
}

/// Builds the ports of `delivery` over these test doubles.
pub fn ports(fakes: &Arc<Fakes>, parameters: &[(&str, &str)]) -> Ports {
    let mut pairs = vec![("REKEY_ORGANISATION".to_owned(), "Universiti Contoh".to_owned())];
    pairs.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Ports {
        settings: Arc::new(Settings::from_pairs(pairs).unwrap()),
        renderer: MessageRenderer::new(
            "Universiti Contoh",
            HelpDesk::default(),
            TimeZone::UTC,
            "https://reset.contoh.example",
        ),
        messages: Arc::new(keys()),
        clock: fakes.clone(),
        entropy: fakes.clone(),
        mails: fakes.clone(),
        texts: fakes.clone(),
        calls: fakes.clone(),
        pushes: fakes.clone(),
        push_targets: fakes.memory.clone(),
        push: Arc::new(keys()),
        queue: fakes.clone(),
        rate_limits: fakes.memory.clone(),
        flows: fakes.memory.clone(),
        session_changes: fakes.memory.clone(),
        directory: fakes.clone(),
        security_info: fakes.memory.clone(),
        mail_failures: fakes.memory.clone(),
        metrics: fakes.clone(),
    }
}

pub fn keys() -> Keyring {
    Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
}

/// The account of all messages.
pub fn account() -> AccountId {
    AccountId::from_directory("aisyah").unwrap()
}

pub fn flow_key() -> HolderId {
    HolderId::from_bytes([3; 32])
}

thread_local! {
    /// The number of the last batch of new messages in this test.
    static BATCH: Cell<u32> = const { Cell::new(0) };
}

/// Builds an event with these bodies, numbered from 0, as their `count`th receive. The first receive is of new messages;
/// a later one is of the last new messages.
pub fn event(bodies: &[String], count: u32) -> SqsEvent {
    BATCH.set(BATCH.get() + u32::from(count == 1));
    let record = |(number, body): (usize, &String)| {
        let mut record = SqsMessage::default();
        record.message_id = Some(format!("{}/{number}", BATCH.get()));
        record.body = Some(body.clone());
        record.attributes.insert("ApproximateReceiveCount".into(), count.to_string());
        record.attributes.insert("SentTimestamp".into(), format!("{}000", START.as_seconds()));
        record
    };
    let mut event = SqsEvent::default();
    event.records = bodies.iter().enumerate().map(record).collect();
    event
}

/// Returns the numbers of the messages to retry, each in its batch.
pub fn retried(response: &SqsBatchResponse) -> Vec<String> {
    let number = |id: &str| id.split_once('/').map(|(_, number)| number.to_owned());
    response.batch_item_failures.iter().filter_map(|failure| number(&failure.item_identifier)).collect()
}

/// Seals a message as the queue holds it.
pub fn sealed(message: &Message) -> String {
    serde_json::to_string(&message.seal(&keys(), flow_key(), [1; 24]).unwrap()).unwrap()
}

impl Clock for Fakes {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.now.load(Ordering::SeqCst))
    }
}

impl Entropy for Fakes {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.drawn.fetch_add(1, Ordering::SeqCst));
    }
}

impl Metrics for Fakes {
    fn count(&self, metric: Metric, _: Timestamp) {
        self.metrics.lock().unwrap().push(metric);
    }
}

#[async_trait]
impl MailSender for Fakes {
    async fn send_mail(&self, to: &EmailAddress, mail: &Mail<'_>) -> Result<(), SendError> {
        self.record_send(to.expose(), format!("{}\n{}\n{}", mail.subject, mail.text, mail.html))
    }
}

#[async_trait]
impl TextSender for Fakes {
    async fn send_text(&self, to: &PhoneNumber, text: &str) -> Result<(), SendError> {
        self.record_send(to.expose(), text.to_owned())
    }
}

#[async_trait]
impl VoiceSender for Fakes {
    async fn call(&self, to: &PhoneNumber, ssml: &str, _: Language) -> Result<(), SendError> {
        self.record_send(to.expose(), ssml.to_owned())
    }
}

#[async_trait]
impl PushSender for Fakes {
    async fn push(&self, to: &Subscription, push: &Push<'_>, _: Timestamp) -> Result<(), SendError> {
        // A subscription whose path ends in `/gone` has expired, whatever the provider does for others.
        if to.endpoint.ends_with("/gone") {
            return Err(SendError::Refused("gone".into()));
        }
        let payload = String::from_utf8(push.payload.to_vec()).unwrap();
        self.record_send(&to.endpoint, format!("{payload} {}", push.lifetime.0))
    }
}

#[async_trait]
impl MessageQueue for Fakes {
    async fn send(&self, messages: &[Envelope], delay: Seconds) -> Result<(), QueueError> {
        if *self.queue_is_down.lock().unwrap() {
            return Err(QueueError("down".into()));
        }
        self.memory.send(messages, delay).await
    }
}

#[async_trait]
impl Directory for Fakes {
    fn capabilities(&self) -> Capabilities {
        Capabilities { unlock: true, sign_in: true, history: true }
    }

    async fn find(&self, _: &CanonicalName) -> Result<Option<Account>, DirectoryError> {
        Err(DirectoryError("delivery knows no names".into()))
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError> {
        Ok(Some(Account {
            id: id.clone(),
            name: "Aisyah".into(),
            logins: vec!["aisyah".into()],
            email: Some(EmailAddress::from_stored("aisyah@contoh.example".into())),
            language: None,
            state: AccountState::Active,
            password_policy: None,
        }))
    }
}

#[async_trait]
impl ChangeInspector for Fakes {
    async fn outcome(&self, change: &PasswordChange) -> Result<ChangeOutcome, DirectoryError> {
        Ok(match *self.written.lock().unwrap() {
            None => ChangeOutcome::CannotTell,
            Some(written) if written >= change.number => ChangeOutcome::Applied,
            Some(_) => ChangeOutcome::NotApplied,
        })
    }
}
