//! Delivery with everything around it in memory: what was sent can be looked at, and anything can be broken.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use delivery::Ports;
use shared::domain::account::{Account, AccountId, Registration, Standing};
use shared::domain::budget::SendLedger;
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::device::Device;
use shared::domain::flow::{Flow, FlowKey, FlowLimits, Opened};
use shared::domain::keys::Keyring;
use shared::domain::language::Language;
use shared::domain::message::{Envelope, Message};
use shared::domain::name::CanonicalName;
use shared::domain::push::Subscription;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::{
    BudgetStore, Clock, Directory, DirectoryError, Entropy, FlowStore, Guess, Guessed, Mail, MailSender,
    MessageQueue, Metric, Metrics, Push, PushSender, PushTargets, QueueError, SecurityInfo, SendError,
    StoreError, TextSender, Versioned, VoiceSender,
};
use shared::settings::Settings;
use shared::text::messages::Wording;

/// When every test begins: 2026-11-24T04:00:00Z.
pub const START: Timestamp = Timestamp::from_seconds(1_795_492_800);

/// How a provider answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    Up,
    Down,
    Refusing,
}

/// Everything around delivery.
pub struct Around {
    now: AtomicI64,
    drawn: AtomicU8,
    provider: Mutex<Provider>,
    sent: Mutex<Vec<(String, String)>>,
    queued: Mutex<Vec<Envelope>>,
    queue_is_down: Mutex<bool>,
    counts: Mutex<BTreeMap<String, u64>>,
    metrics: Mutex<Vec<Metric>>,
    flow: Mutex<Option<Versioned<Flow>>>,
    written: Mutex<u64>,
    targets: Mutex<Vec<(Device, String)>>,
}

impl Default for Around {
    fn default() -> Self {
        Self {
            now: AtomicI64::new(START.as_seconds()),
            drawn: AtomicU8::new(0),
            provider: Mutex::new(Provider::Up),
            sent: Mutex::default(),
            queued: Mutex::default(),
            queue_is_down: Mutex::default(),
            counts: Mutex::default(),
            metrics: Mutex::default(),
            flow: Mutex::default(),
            written: Mutex::default(),
            targets: Mutex::default(),
        }
    }
}

impl Around {
    pub fn advance(&self, span: Seconds) {
        self.now.fetch_add(i64::from(span.0), Ordering::SeqCst);
    }

    pub fn set_provider(&self, provider: Provider) {
        *self.provider.lock().unwrap() = provider;
    }

    pub fn break_queue(&self, down: bool) {
        *self.queue_is_down.lock().unwrap() = down;
    }

    pub fn put_flow(&self, flow: Flow) {
        *self.flow.lock().unwrap() = Some(Versioned { value: flow, revision: 7 });
    }

    pub fn flow(&self) -> Option<Flow> {
        self.flow.lock().unwrap().clone().map(|found| found.value)
    }

    pub fn subscribe(&self, device: Device, sealed: String) {
        self.targets.lock().unwrap().push((device, sealed));
    }

    /// The directory carries out the write of `generation`.
    pub fn write(&self, generation: u64) {
        *self.written.lock().unwrap() = generation;
    }

    /// What was sent since the last look: to whom, and what.
    pub fn sent(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    pub fn queued(&self) -> Vec<Message> {
        let queued = std::mem::take(&mut *self.queued.lock().unwrap());
        queued.iter().map(|envelope| envelope.open(&keys()).unwrap().1).collect()
    }

    pub fn metrics(&self) -> usize {
        self.metrics.lock().unwrap().len()
    }

    /// The names of all budgets that were taken from.
    pub fn budgets(&self) -> Vec<String> {
        self.counts.lock().unwrap().keys().cloned().collect()
    }

    pub fn taken(&self) -> u64 {
        self.counts.lock().unwrap().get("sms#2026-11-24").copied().unwrap_or_default()
    }

    fn take(&self, to: &str, what: String) -> Result<(), SendError> {
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

/// Delivery in the middle of `around`.
pub fn ports(around: &Arc<Around>, parameters: &[(&str, &str)]) -> Ports {
    let mut pairs = vec![("REKEY_ORGANISATION".to_owned(), "Universiti Contoh".to_owned())];
    pairs.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Ports {
        settings: Arc::new(Settings::from_pairs(pairs).unwrap()),
        wording: Wording::new("Universiti Contoh", None),
        messages: Arc::new(keys()),
        clock: around.clone(),
        entropy: around.clone(),
        mails: around.clone(),
        texts: around.clone(),
        calls: around.clone(),
        pushes: around.clone(),
        push_targets: around.clone(),
        push: Arc::new(keys()),
        queue: around.clone(),
        budgets: around.clone(),
        flows: around.clone(),
        directory: around.clone(),
        security_info: around.clone(),
        metrics: around.clone(),
    }
}

pub fn keys() -> Keyring {
    Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
}

pub fn flow_key() -> FlowKey {
    FlowKey::from_bytes([3; 32])
}

/// An event with these bodies, numbered from 0, as it comes for the `count`th time.
pub fn event(bodies: &[String], count: u32) -> SqsEvent {
    let record = |(number, body): (usize, &String)| {
        let mut record = SqsMessage::default();
        record.message_id = Some(number.to_string());
        record.body = Some(body.clone());
        record.attributes.insert("ApproximateReceiveCount".into(), count.to_string());
        record.attributes.insert("SentTimestamp".into(), format!("{}000", START.as_seconds()));
        record
    };
    let mut event = SqsEvent::default();
    event.records = bodies.iter().enumerate().map(record).collect();
    event
}

/// A message as it lies in the queue.
pub fn sealed(message: &Message) -> String {
    serde_json::to_string(&message.seal(&keys(), flow_key(), [1; 24]).unwrap()).unwrap()
}

impl Clock for Around {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.now.load(Ordering::SeqCst))
    }
}

impl Entropy for Around {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.drawn.fetch_add(1, Ordering::SeqCst));
    }
}

impl Metrics for Around {
    fn count(&self, metric: Metric, _: Timestamp) {
        self.metrics.lock().unwrap().push(metric);
    }
}

#[async_trait]
impl MailSender for Around {
    async fn send_mail(&self, to: &EmailAddress, mail: &Mail<'_>) -> Result<(), SendError> {
        self.take(to.expose(), format!("{}\n{}\n{}", mail.subject, mail.text, mail.html))
    }
}

#[async_trait]
impl TextSender for Around {
    async fn send_text(&self, to: &PhoneNumber, text: &str) -> Result<(), SendError> {
        self.take(to.expose(), text.to_owned())
    }
}

#[async_trait]
impl VoiceSender for Around {
    async fn call(&self, to: &PhoneNumber, ssml: &str, _: Language) -> Result<(), SendError> {
        self.take(to.expose(), ssml.to_owned())
    }
}

#[async_trait]
impl PushSender for Around {
    async fn push(&self, to: &Subscription, push: &Push<'_>, _: Timestamp) -> Result<(), SendError> {
        // One whose path says so is gone, whatever the provider does for others.
        if to.endpoint.ends_with("/gone") {
            return Err(SendError::Refused("gone".into()));
        }
        let payload = String::from_utf8(push.payload.to_vec()).unwrap();
        self.take(&to.endpoint, format!("{payload} {}", push.lifetime.0))
    }
}

#[async_trait]
impl PushTargets for Around {
    async fn push_targets(&self, _: &AccountId, _: Timestamp) -> Result<Vec<(Device, String)>, StoreError> {
        Ok(self.targets.lock().unwrap().clone())
    }
}

#[async_trait]
impl MessageQueue for Around {
    async fn send(&self, messages: &[Envelope], _: Seconds) -> Result<(), QueueError> {
        if *self.queue_is_down.lock().unwrap() {
            return Err(QueueError("down".into()));
        }
        self.queued.lock().unwrap().extend_from_slice(messages);
        Ok(())
    }
}

#[async_trait]
impl BudgetStore for Around {
    async fn count(&self, key: &str, _: Timestamp) -> Result<u64, StoreError> {
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(key.to_owned()).or_default();
        *count += 1;
        Ok(*count)
    }

    async fn take(&self, key: &str, limit: u64, _: Timestamp) -> Result<bool, StoreError> {
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(key.to_owned()).or_default();
        let left = *count < limit;
        *count += u64::from(left);
        Ok(left)
    }

    async fn give_back(&self, _: &str) -> Result<(), StoreError> {
        Err(StoreError::Unreadable("delivery gives nothing back"))
    }

    async fn ledger(&self, _: &AccountId) -> Result<Versioned<SendLedger>, StoreError> {
        Err(StoreError::Unreadable("delivery reads no ledger"))
    }

    async fn replace_ledger(
        &self,
        _: &AccountId,
        _: u64,
        _: &SendLedger,
        _: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        Err(StoreError::Unreadable("delivery writes no ledger"))
    }
}

#[async_trait]
impl FlowStore for Around {
    async fn insert(&self, _: FlowKey, _: &Opened) -> Result<(), StoreError> {
        Err(StoreError::Unreadable("delivery opens no flow"))
    }

    async fn load(&self, key: FlowKey, now: Timestamp) -> Result<Option<Versioned<Flow>>, StoreError> {
        let found = self.flow.lock().unwrap().clone();
        Ok(found.filter(|found| key == flow_key() && found.value.facts().expires_at > now))
    }

    async fn replace(
        &self,
        _: FlowKey,
        revision: u64,
        next: &Flow,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut flow = self.flow.lock().unwrap();
        let fits = flow.as_ref().is_some_and(|found| found.revision == revision);
        if fits {
            *flow = Some(Versioned { value: next.clone(), revision: revision + 1 });
        }
        Ok(fits)
    }

    async fn guess(&self, _: FlowKey, _: Guess, _: &FlowLimits, _: Timestamp) -> Result<Guessed, StoreError> {
        Err(StoreError::Unreadable("delivery guesses nothing"))
    }

    async fn spend_try(&self, _: FlowKey, _: &FlowLimits, _: Timestamp) -> Result<Option<Flow>, StoreError> {
        Err(StoreError::Unreadable("delivery guesses nothing"))
    }
}

#[async_trait]
impl Directory for Around {
    async fn find(&self, _: &CanonicalName) -> Result<Option<Account>, DirectoryError> {
        Err(DirectoryError::Refused)
    }

    async fn account(&self, id: &AccountId) -> Result<Option<Account>, DirectoryError> {
        Ok(Some(Account {
            id: id.clone(),
            name: "Aisyah".into(),
            logins: vec!["aisyah".into()],
            email: Some(EmailAddress::from_stored("aisyah@contoh.example".into())),
            language: None,
            standing: Standing::Active,
        }))
    }

    async fn was_written(&self, _: &AccountId, generation: u64) -> Result<bool, DirectoryError> {
        Ok(*self.written.lock().unwrap() >= generation)
    }
}

#[async_trait]
impl SecurityInfo for Around {
    async fn registration(&self, _: &AccountId, _: Timestamp) -> Result<Registration, StoreError> {
        Ok(Registration {
            alternate_email: Some(EmailAddress::from_stored("aisyah@mail.example".into())),
            mobile: Some(PhoneNumber::from_stored("+60123456798".into())),
            office_phone: Some(PhoneNumber::from_stored("+60327317272".into())),
            generation: 4,
            ..Registration::default()
        })
    }
}
