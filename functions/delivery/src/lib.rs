//! Sends the messages of the queue (codes, and notifications of a change), reconciles changes that a crash left open,
//! and records mail that did not arrive.
//!
//! SQS delivers at least once. A message reported as failed comes again after the queue's visibility timeout. After
//! `maxReceiveCount` receives it goes to the dead-letter queue, which has an alarm. A message whose provider is down, or
//! whose sender is not set up, is retried in this way. Only a refusal that blames the recipient is final; it has an alarm
//! too.

mod mail_failures;
mod push;
mod rate_limits;
mod reconcile;
mod refused;
mod send;
mod session_changes;

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
    ChangeInspector, Clock, Entropy, FlowStore, MailFailureStore, MailSender, MessageQueue, Metrics,
    PushSender, PushTargets, RateLimitStore, SecurityInfoStore, SessionChangesStore, TextSender, VoiceSender,
};
use shared::process::{Process, StartError};
use shared::settings::Settings;
use shared::text::messages::MessageRenderer;
use shared::verification::outgoing::Outgoing;

use crate::mail_failures::MailEvent;

/// Receives before a message goes to the dead-letter queue: `maxReceiveCount` in `template.yaml`.
pub const RECEIVES: u32 = 24;

/// The ports of `delivery`. No other function has senders; the directory is read-only here.
pub struct Ports {
    /// The rate limits of texts and calls, and the countries that they may go to.
    pub settings: Arc<Settings>,
    /// The texts of messages, in each language.
    pub renderer: MessageRenderer,
    /// Opens the messages of the queue and seals new notifications.
    pub messages: Arc<Keyring>,
    /// Message age and code expiry are compared with this clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes to seal notifications.
    pub entropy: Arc<dyn Entropy>,
    /// Sends email.
    pub mails: Arc<dyn MailSender>,
    /// Sends texts (SMS).
    pub texts: Arc<dyn TextSender>,
    /// Makes voice calls.
    pub calls: Arc<dyn VoiceSender>,
    /// Sends web pushes (RFC 8030).
    pub pushes: Arc<dyn PushSender>,
    /// The sealed push subscriptions of an account's devices.
    pub push_targets: Arc<dyn PushTargets>,
    /// Opens those subscriptions.
    pub push: Arc<Keyring>,
    /// Takes new notifications, one message per contact, so that each is retried alone.
    pub queue: Arc<dyn MessageQueue>,
    /// Holds the rate limits of texts and calls.
    pub rate_limits: Arc<dyn RateLimitStore>,
    /// Completes the flow of a change that a crash left open.
    pub flows: Arc<dyn FlowStore>,
    /// The changes of sessions whose notification was put off.
    pub session_changes: Arc<dyn SessionChangesStore>,
    /// Reads from the directory whether a change was made; can't write to it.
    pub directory: Arc<dyn ChangeInspector>,
    /// The contacts to notify.
    pub security_info: Arc<dyn SecurityInfoStore>,
    /// Notes that mail to a contact did not arrive.
    pub mail_failures: Arc<dyn MailFailureStore>,
    /// Counts what an alarm watches.
    pub metrics: Arc<dyn Metrics>,
}

impl Ports {
    /// Builds the ports from the settings and clients of the process.
    ///
    /// # Errors
    /// [`StartError`] if template.yaml lacks a setting that this function needs, or sets one to an invalid value.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            settings: process.settings(),
            renderer: process.message_renderer(),
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
            rate_limits: process.rate_limits()?,
            flows: process.flows()?,
            session_changes: process.session_changes()?,
            directory: process.change_inspector()?,
            security_info: process.security_info()?,
            mail_failures: process.mail_failures()?,
            metrics: process.metrics(),
        })
    }

    /// Groups what is needed to seal and queue a notification.
    fn outgoing(&self) -> Outgoing<'_> {
        Outgoing { queue: &*self.queue, messages: &self.messages, entropy: &*self.entropy }
    }
}

/// Handles the messages of a batch concurrently and returns the ids of those to retry (partial batch response).
pub async fn handle(ports: &Ports, event: SqsEvent) -> SqsBatchResponse {
    let retries = join_all(event.records.iter().map(|record| deliver(ports, record))).await;
    let mut response = SqsBatchResponse::default();
    response.set_failures(retries.into_iter().flatten());
    response
}

/// Handles one message; returns its id if it is to be retried.
async fn deliver(ports: &Ports, record: &SqsMessage) -> Option<String> {
    let now = ports.clock.now();
    let receipt = Receipt::from_record(record, now);
    let opened = record.body.as_deref().and_then(|body| open(body, &ports.messages));
    let Some((flow, message)) = opened else {
        if let Some(event) = record.body.as_deref().and_then(MailEvent::read) {
            let verdict = mail_failures::record(ports, &event, now).await;
            log(None, "mail_event", None, &verdict);
            return verdict.retry_id(receipt.id);
        }
        let verdict = Verdict::retry("the message can't be opened");
        log(None, "unknown", None, &verdict);
        return verdict.retry_id(receipt.id);
    };
    let (kind, channel, verdict) = match &message {
        Message::Code(code) if !code.expires_at.is_ahead(now, CODE_LONGEST) => {
            ("code", Some(code.to.channel()), Verdict::retry("the code has expired"))
        }
        Message::Code(code) => {
            ("code", Some(code.to.channel()), send::code(ports, code, &receipt, now).await)
        }
        Message::Decoy => ("code", None, Verdict::ended(End::Dropped, "a decoy")),
        Message::Notice(notice) => {
            ("notice", Some(notice.to.channel()), send::notice(ports, notice, now).await)
        }
        // A retry means that a push service failed until then. It ends in the dead-letter queue like a code.
        Message::Push(push) if !push.expires_at.is_ahead(now, APPROVAL_LIFETIME) && receipt.receives > 1 => {
            ("push", None, Verdict::retry("the request has expired"))
        }
        Message::Push(push) if !push.expires_at.is_ahead(now, APPROVAL_LIFETIME) => {
            ("push", None, Verdict::ended(End::Dropped, "the request has expired"))
        }
        Message::Push(push) => ("push", None, push::push(ports, push, now).await),
        Message::ApprovalDenied(refused) => ("refused", None, refused::notify(ports, flow, refused).await),
        Message::SessionChanges => ("session_changes", None, session_changes::notify(ports, flow, now).await),
        Message::Reconcile(change) => {
            ("reconcile", None, reconcile::reconcile(ports, change, &receipt).await)
        }
    };
    log(Some(flow), kind, channel, &verdict);
    verdict.retry_id(receipt.id)
}

fn open(body: &str, messages: &Keyring) -> Option<(HolderId, Message)> {
    serde_json::from_str::<Envelope>(body).ok()?.open(messages).ok()
}

/// The SQS attributes of a message.
struct Receipt<'a> {
    id: &'a str,
    /// When it was queued; the present if SQS doesn't say.
    sent_at: Timestamp,
    /// Receives so far, including this one.
    receives: u32,
}

impl<'a> Receipt<'a> {
    fn from_record(record: &'a SqsMessage, now: Timestamp) -> Self {
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

    /// Returns whether a retry would move it to the dead-letter queue.
    fn is_last(&self) -> bool {
        self.receives >= RECEIVES
    }
}

/// The outcome of one receive of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The provider accepted it.
    Sent,
    /// A decoy, an expired push, or a code over a rate limit: nothing was sent.
    Dropped,
    /// The provider will never accept it.
    Refused,
    /// Reconciling found nothing left to do.
    Completed,
    /// SQS should deliver it again.
    Retry,
}

impl End {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
            Self::Completed => "completed",
            Self::Retry => "retry",
        }
    }
}

/// An outcome and the reason for the log.
struct Verdict {
    end: End,
    reason: String,
}

impl Verdict {
    fn ended(end: End, reason: &str) -> Self {
        Self { end, reason: reason.to_owned() }
    }

    fn retry(reason: &str) -> Self {
        Self::ended(End::Retry, reason)
    }

    /// An outcome with the error and its cause as the reason.
    fn failed(end: End, error: &dyn Error) -> Self {
        let cause = error.source().map_or_else(String::new, |source| format!(": {source}"));
        Self { end, reason: format!("{error}{cause}") }
    }

    /// Returns whichever of two outcomes got further.
    fn or(self, other: Self) -> Self {
        let rank = |end| match end {
            End::Sent | End::Completed => 3,
            End::Retry => 2,
            End::Refused => 1,
            End::Dropped => 0,
        };
        if rank(other.end) > rank(self.end) { other } else { self }
    }

    fn retry_id(&self, id: &str) -> Option<String> {
        (self.end == End::Retry).then(|| id.to_owned())
    }
}

/// Logs one event per message, in the same form for accounts and decoys: the flow, the channel, the outcome. Never the
/// recipient or the content.
fn log(flow: Option<HolderId>, kind: &str, channel: Option<Channel>, verdict: &Verdict) {
    let flow = flow.map_or_else(|| "unknown".to_owned(), |flow| format!("{flow:?}"));
    let channel = match channel {
        Some(Channel::Email) => "email",
        Some(Channel::Sms) => "sms",
        Some(Channel::Voice) => "voice",
        None => "none",
    };
    let (outcome, reason) = (verdict.end.as_str(), verdict.reason.as_str());
    tracing::info!(event = "message.processed", flow, kind, channel, outcome, reason);
}
