//! Records that mail came back or was reported as spam.
//!
//! SES publishes both to `EventBridge`, whose rule in template.yaml puts the events into the queue as they are. They are
//! not sealed: whoever may send to the queue can note a failure at a contact, and nothing else.

use serde::Deserialize;
use shared::domain::contact::EmailAddress;
use shared::domain::mail_failure::{FailedMailbox, MailFailure, MailFailureKind};
use shared::domain::time::Timestamp;

use crate::{End, Ports, Verdict};

/// An event of SES, as `EventBridge` delivers it. The provider's texts, which may quote the mail, are not read.
#[derive(Deserialize)]
pub(crate) struct MailEvent {
    source: Source,
    detail: Detail,
}

#[derive(Deserialize)]
enum Source {
    #[serde(rename = "aws.ses")]
    Ses,
}

#[derive(Deserialize)]
struct Detail {
    mail: Mail,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
}

#[derive(Deserialize)]
struct Mail {
    destination: Vec<String>,
}

#[derive(Deserialize)]
struct Bounce {
    #[serde(rename = "bounceType")]
    kind: String,
    #[serde(rename = "bouncedRecipients")]
    recipients: Vec<Recipient>,
    timestamp: String,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(rename = "complainedRecipients")]
    recipients: Vec<Recipient>,
    #[serde(rename = "complaintFeedbackType")]
    feedback: Option<String>,
    timestamp: String,
}

#[derive(Deserialize)]
struct Recipient {
    #[serde(rename = "emailAddress")]
    address: String,
}

impl MailEvent {
    /// Reads an event; `None` for any other text.
    pub(crate) fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// Returns the failure that the event tells, its time, and the recipients that it names; `None` for an event that is
    /// none: a delivery, a mailbox that is full for now, or mail that somebody took out of the spam folder.
    fn failure(&self) -> Option<(MailFailureKind, &str, &[Recipient])> {
        let Source::Ses = self.source;
        match &self.detail {
            Detail { bounce: Some(bounce), .. } if bounce.kind == "Permanent" => {
                Some((MailFailureKind::Bounced, &bounce.timestamp, &bounce.recipients))
            }
            Detail { complaint: Some(complaint), .. }
                if complaint.feedback.as_deref() != Some("not-spam") =>
            {
                Some((MailFailureKind::Complained, &complaint.timestamp, &complaint.recipients))
            }
            _ => None,
        }
    }

    /// Returns the addresses that the mail was sent to. A mail of Rekey has one. The failure may name another, which the
    /// mailbox forwards to.
    fn addresses<'a>(&'a self, recipients: &'a [Recipient]) -> Vec<&'a str> {
        match &*self.detail.mail.destination {
            [only] => vec![only],
            _ => recipients.iter().map(|recipient| recipient.address.as_str()).collect(),
        }
    }
}

/// Records the failure at the mailbox. A repetition changes nothing.
pub(crate) async fn record(ports: &Ports, event: &MailEvent, now: Timestamp) -> Verdict {
    let Some((kind, at, recipients)) = event.failure() else {
        return Verdict::ended(End::Dropped, "no mail failed for good");
    };
    let Some(at) = Timestamp::parse(at) else { return Verdict::retry("the time can't be read") };
    let failure = MailFailure { kind, at: at.min(now) };
    for address in event.addresses(recipients) {
        let mailbox = EmailAddress::parse(address).ok();
        let mailbox = mailbox.and_then(|address| FailedMailbox::of(&address, &ports.messages));
        let Some(mailbox) = mailbox else { return Verdict::retry("the address can't be read") };
        if let Err(error) = ports.mail_failures.record_mail_failure(&mailbox, &failure).await {
            return Verdict::failed(End::Retry, &error);
        }
    }
    match kind {
        MailFailureKind::Bounced => tracing::info!(event = "mail.bounced"),
        MailFailureKind::Complained => tracing::info!(event = "mail.complained"),
    }
    Verdict::ended(End::Completed, "the failure is recorded")
}
