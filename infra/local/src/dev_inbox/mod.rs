//! The dev inbox: receives the emails, texts, calls and pushes of the AWS emulator, for people and programs to read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use shared::domain::time::Timestamp;
use tokio::sync::watch;

use crate::system::System;

mod page;
mod people;
mod server;
mod text;

pub(crate) use people::state_name;
pub use people::{Accounts, Demo, SignInOutcome, Unreadable};
pub use server::{InboxState, router};
pub use text::{code_in, spoken};

/// Maximum number of messages; older ones are dropped.
const MESSAGES_MAX: usize = 1_000;

/// The channel of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Sent through SES.
    Email,
    /// Sent through SNS.
    Sms,
    /// Spoken through End User Messaging.
    Voice,
    /// Pushed to the authenticator app, encrypted for the device.
    Push,
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The id that the sender got.
    pub id: String,
    /// The service that it came through.
    pub channel: Channel,
    /// The recipient, unmasked.
    pub to: String,
    /// The subject, of an email only.
    pub subject: Option<String>,
    /// The plain text; of a call, the spoken words.
    pub body: String,
    /// The code in it, digits only.
    pub code: Option<String>,
    /// When it arrived (RFC 3339).
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// The HTML part of an email.
    #[serde(skip)]
    pub html: Option<String>,
}

/// A message as an emulated service hands it in.
pub struct NewMessage {
    /// The service that it came through.
    pub channel: Channel,
    /// The recipient, unmasked.
    pub to: String,
    /// The subject, of an email only.
    pub subject: Option<String>,
    /// The plain text; of a call, the spoken words.
    pub body: String,
    /// The HTML part of an email.
    pub html: Option<String>,
}

/// A handle to the dev inbox; clones share the messages.
#[derive(Clone)]
pub struct DevInbox {
    system: System,
    messages: Arc<Mutex<VecDeque<Message>>>,
    changed: Arc<watch::Sender<u64>>,
}

impl DevInbox {
    /// Creates an empty dev inbox.
    pub fn new(system: System) -> Self {
        Self { system, messages: Arc::default(), changed: Arc::new(watch::Sender::new(0)) }
    }

    /// Stores a message and returns its id.
    pub fn receive(&self, new: NewMessage) -> String {
        let id = self.system.id();
        let message = Message {
            id: id.clone(),
            channel: new.channel,
            to: new.to,
            code: code_in(new.channel, &new.body),
            subject: new.subject,
            body: new.body,
            at: self.system.now(),
            html: new.html,
        };
        let mut messages = self.lock();
        messages.push_front(message);
        messages.truncate(MESSAGES_MAX);
        drop(messages);
        self.changed.send_modify(|count| *count += 1);
        id
    }

    /// Returns every message, the newest first.
    pub fn messages(&self) -> Vec<Message> {
        self.lock().iter().cloned().collect()
    }

    /// Deletes every message.
    pub fn clear(&self) {
        self.lock().clear();
        self.changed.send_modify(|count| *count += 1);
    }

    /// Signals every arrival, so that a test need not poll.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference to the field")]
fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_newest_first_with_their_code() {
        let dev_inbox = DevInbox::new(System::from_machine());
        let take = |body: &str| {
            let (to, body) = ("+60123456798".to_owned(), body.to_owned());
            dev_inbox.receive(NewMessage { channel: Channel::Sms, to, subject: None, body, html: None })
        };
        take("Your code is 1234 5678.");
        let id = take("Your password was changed at 12:43 on 2026-11-24.");
        let messages = dev_inbox.messages();
        assert_eq!((messages[0].id.as_str(), messages[0].code.as_deref()), (&*id, None));
        assert_eq!(messages[1].code.as_deref(), Some("12345678"));
        let json = serde_json::to_value(&messages[1]).unwrap();
        let names: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["at", "body", "channel", "code", "id", "subject", "to"]);
        dev_inbox.clear();
        assert!(dev_inbox.messages().is_empty());
    }
}
