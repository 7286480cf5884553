//! In-memory queues with the semantics of SQS standard queues: delay, visibility timeout, receive count, dead
//! letters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use shared::domain::time::{Seconds, Timestamp};
use tokio::sync::Notify;

use crate::system::System;
use crate::template::QueueSettings;

/// The queues by logical id, in one lock.
pub struct Queues {
    system: System,
    settings: BTreeMap<String, QueueSettings>,
    messages: Mutex<BTreeMap<String, Vec<Stored>>>,
    arrived: Notify,
}

#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    id: String,
    body: String,
    sent_at: Timestamp,
    visible_at: Timestamp,
    receives: u32,
    first_received_at: Option<Timestamp>,
    receipt: Option<String>,
}

/// A message as a consumer receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The id that the sender got.
    pub id: String,
    /// Deletes the message; valid until it is received again.
    pub receipt: String,
    /// The message body, as sent.
    pub body: String,
    /// `SentTimestamp`.
    pub sent_at: Timestamp,
    /// `ApproximateFirstReceiveTimestamp`.
    pub first_received_at: Timestamp,
    /// `ApproximateReceiveCount`, including this receive.
    pub receives: u32,
}

/// No queue has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchQueue;

/// Number of messages in a queue, by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Ready to be received.
    pub visible: usize,
    /// Received and not deleted, within the visibility timeout.
    pub in_flight: usize,
    /// Sent with a delay that has not passed.
    pub delayed: usize,
}

impl Queues {
    /// Creates empty queues.
    pub fn new(system: System, settings: BTreeMap<String, QueueSettings>) -> Self {
        let messages = settings.keys().map(|name| (name.clone(), Vec::new())).collect();
        Self { system, settings, messages: Mutex::new(messages), arrived: Notify::new() }
    }

    /// Returns the settings of a queue.
    ///
    /// # Errors
    /// [`NoSuchQueue`].
    pub fn settings(&self, queue: &str) -> Result<&QueueSettings, NoSuchQueue> {
        self.settings.get(queue).ok_or(NoSuchQueue)
    }

    /// Sends a message and returns its id. Without a `delay` the queue's own applies.
    ///
    /// # Errors
    /// [`NoSuchQueue`].
    pub fn send(&self, queue: &str, body: String, delay: Option<Seconds>) -> Result<String, NoSuchQueue> {
        let delay = delay.unwrap_or(Seconds(self.settings(queue)?.delay));
        let now = self.system.now();
        let id = self.system.id();
        let message = Stored {
            id: id.clone(),
            body,
            sent_at: now,
            visible_at: now + delay,
            receives: 0,
            first_received_at: None,
            receipt: None,
        };
        self.lock().get_mut(queue).ok_or(NoSuchQueue)?.push(message);
        self.arrived.notify_waiters();
        Ok(id)
    }

    /// Receives up to `max` visible messages and hides them for `visibility` (by default the queue's). A message that
    /// reached the redrive policy's receive count moves to the dead-letter queue instead.
    ///
    /// # Errors
    /// [`NoSuchQueue`].
    pub fn receive(
        &self,
        queue: &str,
        max: usize,
        visibility: Option<Seconds>,
    ) -> Result<Vec<Received>, NoSuchQueue> {
        let settings = self.settings(queue)?;
        let visibility = visibility.unwrap_or(Seconds(settings.visibility));
        let now = self.system.now();
        let mut all = self.lock();
        let messages = all.get_mut(queue).ok_or(NoSuchQueue)?;
        messages.retain(|message| message.sent_at + Seconds(settings.retention) > now);
        let mut dead = Vec::new();
        if let Some((letters, receives)) = &settings.redrive {
            let spent = |message: &mut Stored| message.visible_at <= now && message.receives >= *receives;
            dead.extend(messages.extract_if(.., spent).map(|message| (letters.clone(), message)));
        }
        let visible = messages.iter_mut().filter(|message| message.visible_at <= now);
        let received = visible.take(max).map(|message| {
            message.receives = message.receives.saturating_add(1);
            message.visible_at = now + visibility;
            let receipt = self.system.id();
            message.receipt = Some(receipt.clone());
            Received {
                id: message.id.clone(),
                receipt,
                body: message.body.clone(),
                sent_at: message.sent_at,
                first_received_at: *message.first_received_at.get_or_insert(now),
                receives: message.receives,
            }
        });
        let received = received.collect();
        for (letters, mut message) in dead {
            message.visible_at = now;
            if let Some(queue) = all.get_mut(&letters) {
                queue.push(message);
            }
        }
        Ok(received)
    }

    /// Deletes the message that was last received with `receipt`. An older receipt, or one of a deleted message,
    /// deletes nothing and is no error, as in SQS.
    ///
    /// # Errors
    /// [`NoSuchQueue`].
    pub fn delete(&self, queue: &str, receipt: &str) -> Result<(), NoSuchQueue> {
        let mut all = self.lock();
        let messages = all.get_mut(queue).ok_or(NoSuchQueue)?;
        messages.retain(|message| message.receipt.as_deref() != Some(receipt));
        Ok(())
    }

    /// Returns every message of a queue, the oldest first, as body and delay. It doesn't count as a receive.
    ///
    /// # Errors
    /// [`NoSuchQueue`].
    pub fn contents(&self, queue: &str) -> Result<Vec<(String, Seconds)>, NoSuchQueue> {
        let all = self.lock();
        let content = |message: &Stored| {
            let delay = message.visible_at.seconds_after(message.sent_at);
            (message.body.clone(), Seconds(delay))
        };
        Ok(all.get(queue).ok_or(NoSuchQueue)?.iter().map(content).collect())
    }

    /// Counts the messages of a queue.
    ///
    /// # Errors
    /// [`NoSuchQueue`].
    pub fn counts(&self, queue: &str) -> Result<Counts, NoSuchQueue> {
        let now = self.system.now();
        let all = self.lock();
        let mut counts = Counts::default();
        for message in all.get(queue).ok_or(NoSuchQueue)? {
            match (message.visible_at <= now, message.receives) {
                (true, _) => counts.visible += 1,
                (false, 0) => counts.delayed += 1,
                (false, _) => counts.in_flight += 1,
            }
        }
        Ok(counts)
    }

    /// Waits for the next message that is sent to any queue.
    pub async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// Serialises all messages, to keep them over a restart.
    ///
    /// # Errors
    /// Never in practice: every key is a string.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&*self.lock())
    }

    /// Restores the messages of [`Queues::to_json`]. Queues that no longer exist are left out.
    ///
    /// # Errors
    /// If the text is not such JSON.
    pub fn restore(&self, json: &str) -> serde_json::Result<()> {
        let restored: BTreeMap<String, Vec<Stored>> = serde_json::from_str(json)?;
        let mut all = self.lock();
        let names: BTreeSet<String> = all.keys().cloned().collect();
        all.extend(restored.into_iter().filter(|(name, _)| names.contains(name)));
        Ok(())
    }

    /// A poisoned lock is safe to use: no change of the messages can stop halfway.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Stored>>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use shared::ports::Clock;

    use super::*;

    #[derive(Default)]
    struct ManualClock(AtomicI64);

    impl Clock for ManualClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(self.0.load(Ordering::Relaxed))
        }
    }

    fn queues() -> (Arc<ManualClock>, Queues) {
        let clock = Arc::new(ManualClock::default());
        let system = System { clock: clock.clone(), ..System::from_machine() };
        let plain = QueueSettings { visibility: 30, retention: 1_000, delay: 0, redrive: None };
        let main = QueueSettings { redrive: Some(("dead".to_owned(), 2)), ..plain.clone() };
        (clock, Queues::new(system, [("main".to_owned(), main), ("dead".to_owned(), plain)].into()))
    }

    #[test]
    fn received_message_is_hidden_until_timeout_or_deletion() {
        let (clock, queues) = queues();
        let id = queues.send("main", "hello".to_owned(), None).unwrap();
        let first = queues.receive("main", 10, None).unwrap();
        assert_eq!((first[0].id.as_str(), first[0].body.as_str(), first[0].receives), (&*id, "hello", 1));
        assert!(queues.receive("main", 10, None).unwrap().is_empty());
        assert_eq!(queues.counts("main").unwrap().in_flight, 1);

        clock.0.store(30, Ordering::Relaxed);
        let second = queues.receive("main", 10, None).unwrap();
        assert_eq!((second[0].receives, second[0].first_received_at), (2, Timestamp::from_seconds(0)));
        queues.delete("main", &first[0].receipt).unwrap();
        assert_eq!(queues.counts("main").unwrap().in_flight, 1, "an older receipt deletes nothing");
        queues.delete("main", &second[0].receipt).unwrap();
        assert_eq!(queues.counts("main").unwrap(), Counts::default());
    }

    #[test]
    fn undeleted_message_moves_to_dead_letter_queue() {
        let (clock, queues) = queues();
        queues.send("main", "poison".to_owned(), None).unwrap();
        for turn in 0..3 {
            clock.0.store(turn * 30, Ordering::Relaxed);
            assert_eq!(queues.receive("main", 10, None).unwrap().len(), usize::from(turn < 2));
        }
        assert_eq!(queues.receive("dead", 10, None).unwrap()[0].body, "poison");
    }

    #[test]
    fn delayed_message_is_hidden_until_due() {
        let (clock, queues) = queues();
        queues.send("main", "later".to_owned(), Some(Seconds(60))).unwrap();
        assert_eq!(queues.counts("main").unwrap().delayed, 1);
        clock.0.store(59, Ordering::Relaxed);
        assert!(queues.receive("main", 10, None).unwrap().is_empty());
        clock.0.store(60, Ordering::Relaxed);
        assert_eq!(queues.receive("main", 10, None).unwrap().len(), 1);
    }

    #[test]
    fn queued_messages_survive_a_restart() {
        let (_, queues) = queues();
        queues.send("main", "kept".to_owned(), None).unwrap();
        let (_, next) = self::queues();
        next.restore(&queues.to_json().unwrap()).unwrap();
        assert_eq!(next.receive("main", 10, None).unwrap()[0].body, "kept");
        assert_eq!(queues.send("other", String::new(), None), Err(NoSuchQueue));
    }
}
