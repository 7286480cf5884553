//! Sends what the queue holds: codes, and the notices after a change; and settles what a crash left open.
//!
//! SQS delivers at least once and keeps what is reported as failed: such a message comes again after the queue's
//! visibility timeout, and goes to the dead-letter queue, which has an alarm, when it has come often enough. A code
//! that finds its provider down is tried again in this way until it has expired.

mod budgets;
mod push;
mod reconcile;
mod refused;
mod send;

use std::error::Error;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use shared::domain::flow::{APPROVAL_LIFETIME, CODE_LONGEST};
use shared::domain::holder::HolderId;
use shared::domain::keys::Keyring;
use shared::domain::message::{Channel, Envelope, Message};
use shared::domain::time::Timestamp;
use shared::ports::{
    BudgetStore, ChangeInspector, Clock, Entropy, FlowStore, MailSender, MessageQueue, Metrics, PushSender,
    PushTargets, SecurityInfo, TextSender, VoiceSender,
};
use shared::process::{Process, StartError};
use shared::settings::Settings;
use shared::text::messages::{Content, Wording};
use shared::verification::outgoing::Outgoing;

/// How often a message comes before it goes to the dead-letter queue: `maxReceiveCount` of `template.yaml`.
pub const RECEIVES: u32 = 24;

/// What delivery needs from outside.
pub struct Ports {
    /// The parameters.
    pub settings: Arc<Settings>,
    /// What messages say.
    pub wording: Wording,
    /// The keys that open and seal messages.
    pub messages: Arc<Keyring>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, for the notices that reconciling seals.
    pub entropy: Arc<dyn Entropy>,
    /// Mail.
    pub mails: Arc<dyn MailSender>,
    /// Texts.
    pub texts: Arc<dyn TextSender>,
    /// Calls.
    pub calls: Arc<dyn VoiceSender>,
    /// Pushes.
    pub pushes: Arc<dyn PushSender>,
    /// The devices that take them.
    pub push_targets: Arc<dyn PushTargets>,
    /// The keys of their subscriptions.
    pub push: Arc<Keyring>,
    /// The queue, for the notices that reconciling makes: each is then retried alone.
    pub queue: Arc<dyn MessageQueue>,
    /// The budgets of texts and calls.
    pub budgets: Arc<dyn BudgetStore>,
    /// Flows, to settle them.
    pub flows: Arc<dyn FlowStore>,
    /// The directory, to see whether a change was made.
    pub directory: Arc<dyn ChangeInspector>,
    /// The contacts that are told.
    pub security_info: Arc<dyn SecurityInfo>,
    /// What is worth an alarm.
    pub metrics: Arc<dyn Metrics>,
}

impl Ports {
    /// The ports as the process fulfils them.
    ///
    /// # Errors
    /// [`StartError`] when template.yaml does not tell this function of something it needs, or that makes no sense.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            settings: process.settings(),
            wording: process.wording(),
            messages: process.keyring("REKEY_SECRET_MESSAGES")?,
            clock: process.clock(),
            entropy: process.entropy(),
            mails: process.mails(),
            texts: process.texts(),
            calls: process.calls(),
            pushes: process.pushes()?,
            push_targets: process.push_targets()?,
            push: process.keyring("REKEY_SECRET_PUSH")?,
            queue: process.queue()?,
            budgets: process.budgets()?,
            flows: process.flows()?,
            directory: process.change_inspector()?,
            security_info: process.security_info()?,
            metrics: process.metrics(),
        })
    }

    /// The way back into the queue.
    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing { queue: &*self.queue, messages: &self.messages, entropy: &*self.entropy }
    }
}

/// Handles a batch, its messages side by side, and names those that are to come again.
pub async fn handle(ports: &Ports, event: SqsEvent) -> SqsBatchResponse {
    let again = join_all(event.records.iter().map(|record| deliver(ports, record))).await;
    let mut response = SqsBatchResponse::default();
    response.set_failures(again.into_iter().flatten());
    response
}

/// Handles one message. Its id if it is to come again.
async fn deliver(ports: &Ports, record: &SqsMessage) -> Option<String> {
    let now = ports.clock.now();
    let receipt = Receipt::of(record, now);
    let opened = record.body.as_deref().and_then(|body| open(body, &ports.messages));
    let Some((flow, message)) = opened else {
        let verdict = Verdict::again("the message can't be opened");
        log(None, "unknown", None, &verdict);
        return verdict.again_as(receipt.id);
    };
    let (kind, channel, verdict) = match &message {
        Message::Code(code) if !code.expires_at.is_ahead(now, CODE_LONGEST) => {
            ("code", Some(code.to.channel()), Verdict::again("the code has expired"))
        }
        Message::Code(code) => {
            ("code", Some(code.to.channel()), send::code(ports, code, &receipt, now).await)
        }
        Message::Decoy => ("code", None, Verdict::ended(End::Dropped, "a decoy")),
        Message::Notice(notice) => {
            ("notice", Some(notice.to.channel()), send::now(ports, Content::Notice(notice)).await)
        }
        Message::Push(push) if !push.expires_at.is_ahead(now, APPROVAL_LIFETIME) => {
            ("push", None, Verdict::ended(End::Dropped, "the request has expired"))
        }
        Message::Push(push) => ("push", None, push::push(ports, push, now).await),
        Message::Refused(refused) => ("refused", None, refused::tell(ports, flow, refused).await),
        Message::Reconcile(change) => ("settle", None, reconcile::reconcile(ports, change, &receipt).await),
    };
    log(Some(flow), kind, channel, &verdict);
    verdict.again_as(receipt.id)
}

fn open(body: &str, messages: &Keyring) -> Option<(HolderId, Message)> {
    serde_json::from_str::<Envelope>(body).ok()?.open(messages).ok()
}

/// What SQS tells of a message.
struct Receipt<'a> {
    id: &'a str,
    /// When it was queued; the present where that is not told.
    sent_at: Timestamp,
    /// How often it has come, this time included.
    receives: u32,
}

impl<'a> Receipt<'a> {
    fn of(record: &'a SqsMessage, now: Timestamp) -> Self {
        let number = |name| record.attributes.get(name).and_then(|text: &String| text.parse::<i64>().ok());
        let sent_at = number("SentTimestamp").map(|millis| Timestamp::from_seconds(millis / 1_000));
        Self {
            id: record.message_id.as_deref().unwrap_or_default(),
            sent_at: sent_at.filter(|at| *at <= now).unwrap_or(now),
            receives: number("ApproximateReceiveCount")
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(1),
        }
    }

    /// Whether it goes to the dead-letter queue if it is to come again.
    fn is_last(&self) -> bool {
        self.receives >= RECEIVES
    }
}

/// How a message ended, for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The provider took it.
    Sent,
    /// It is of no use, or over the budget.
    Dropped,
    /// The provider will never take it.
    Refused,
    /// Nothing is left open.
    Settled,
    /// It is to come again.
    Again,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
            Self::Settled => "settled",
            Self::Again => "again",
        }
    }
}

/// An end and its reason.
struct Verdict {
    end: End,
    reason: String,
}

impl Verdict {
    fn ended(end: End, reason: &str) -> Self {
        Self { end, reason: reason.to_owned() }
    }

    fn again(reason: &str) -> Self {
        Self::ended(End::Again, reason)
    }

    /// What failed, with what it says of the cause.
    fn failed(end: End, error: &dyn Error) -> Self {
        let cause = error.source().map_or_else(String::new, |source| format!(": {source}"));
        Self { end, reason: format!("{error}{cause}") }
    }

    /// This one, or another that got further.
    fn or(self, other: Self) -> Self {
        let rank = |end| match end {
            End::Sent | End::Settled => 3,
            End::Again => 2,
            End::Refused => 1,
            End::Dropped => 0,
        };
        if rank(other.end) > rank(self.end) { other } else { self }
    }

    fn again_as(&self, id: &str) -> Option<String> {
        (self.end == End::Again).then(|| id.to_owned())
    }
}

/// One event a message, of the same form for everybody's: which flow, how, what came of it. Never to whom or what.
fn log(flow: Option<HolderId>, kind: &str, channel: Option<Channel>, verdict: &Verdict) {
    let flow = flow.map_or_else(|| "unknown".to_owned(), |flow| format!("{flow:?}"));
    let channel = match channel {
        Some(Channel::Email) => "email",
        Some(Channel::Sms) => "sms",
        Some(Channel::Voice) => "voice",
        None => "none",
    };
    let (outcome, reason) = (verdict.end.as_str(), verdict.reason.as_str());
    tracing::info!(event = "delivery", flow, kind, channel, outcome, reason);
}
