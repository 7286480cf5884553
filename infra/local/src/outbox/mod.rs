//! The outbox: where mails, texts and calls of the local cloud arrive, for people and for programs.

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

pub(crate) use people::standing_word;
pub use people::{Accounts, Demo, SignIn, Unreadable};
pub use server::{Site, router};
pub use text::{code_in, spoken};

/// Older messages than this many are dropped.
const KEPT: usize = 1_000;

/// How a message travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// A mail.
    Email,
    /// A text.
    Sms,
    /// A call.
    Voice,
    /// A notification of the authenticator app.
    Push,
}

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The id that the sender was told.
    pub id: String,
    /// How it travelled.
    pub channel: Channel,
    /// Whom it went to, in full.
    pub to: String,
    /// A mail's subject.
    pub subject: Option<String>,
    /// The plain text; of a call, the words that are spoken.
    pub body: String,
    /// The code in it, digits only.
    pub code: Option<String>,
    /// When it arrived (RFC 3339).
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// A mail's HTML part.
    #[serde(skip)]
    pub html: Option<String>,
}

/// A message as an endpoint hands it in.
pub struct Incoming {
    /// How it travels.
    pub channel: Channel,
    /// Whom it goes to, in full.
    pub to: String,
    /// A mail's subject.
    pub subject: Option<String>,
    /// The plain text; of a call, the words that are spoken.
    pub body: String,
    /// A mail's HTML part.
    pub html: Option<String>,
}

/// A handle to the outbox; all clones are one.
#[derive(Clone)]
pub struct Outbox {
    system: System,
    messages: Arc<Mutex<VecDeque<Message>>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(system: System) -> Self {
        Self { system, messages: Arc::default(), changed: Arc::new(watch::Sender::new(0)) }
    }

    /// Takes a message in and tells its id.
    pub fn take(&self, incoming: Incoming) -> String {
        let id = self.system.id();
        let message = Message {
            id: id.clone(),
            channel: incoming.channel,
            to: incoming.to,
            code: code_in(incoming.channel, &incoming.body),
            subject: incoming.subject,
            body: incoming.body,
            at: self.system.now(),
            html: incoming.html,
        };
        let mut messages = self.lock();
        messages.push_front(message);
        messages.truncate(KEPT);
        drop(messages);
        self.changed.send_modify(|count| *count += 1);
        id
    }

    /// Every message, the newest first.
    pub fn messages(&self) -> Vec<Message> {
        self.lock().iter().cloned().collect()
    }

    /// Throws every message away.
    pub fn clear(&self) {
        self.lock().clear();
        self.changed.send_modify(|count| *count += 1);
    }

    /// Tells of every arrival, so that a test need not poll.
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
        let outbox = Outbox::new(System::of_machine());
        let take = |body: &str| {
            let (to, body) = ("+60123456798".to_owned(), body.to_owned());
            outbox.take(Incoming { channel: Channel::Sms, to, subject: None, body, html: None })
        };
        take("Your code is 1234 5678.");
        let id = take("Your password was changed at 12:43 on 2026-11-24.");
        let messages = outbox.messages();
        assert_eq!((messages[0].id.as_str(), messages[0].code.as_deref()), (&*id, None));
        assert_eq!(messages[1].code.as_deref(), Some("12345678"));
        let json = serde_json::to_value(&messages[1]).unwrap();
        let names: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["at", "body", "channel", "code", "id", "subject", "to"]);
        outbox.clear();
        assert!(outbox.messages().is_empty());
    }
}
