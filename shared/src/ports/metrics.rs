//! Metrics for the operator.

use crate::domain::time::Timestamp;

/// A metric with an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// A text or call was not made: the deployment's daily limit, or that of its share, is reached.
    SmsBudgetExhausted,
    /// A text or call was not made: the daily limit of its number or the hourly limit of its block is
    /// reached.
    NumberBudgetExhausted,
    /// A mail with a code was not sent: the limit of its mailbox is reached, of an hour for an enrolled one, of a
    /// day for one that is being enrolled.
    MailboxBudgetExhausted,
    /// A provider refused a message for its recipient; it is not retried.
    MessagesRefused,
    /// A sync found more people gone or disabled than is plausible, and removed nothing.
    SyncRemovalsHeld,
}

impl Metric {
    /// Returns its name, which the alarms use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SmsBudgetExhausted => "SmsBudgetExhausted",
            Self::NumberBudgetExhausted => "NumberBudgetExhausted",
            Self::MailboxBudgetExhausted => "MailboxBudgetExhausted",
            Self::MessagesRefused => "MessagesRefused",
            Self::SyncRemovalsHeld => "SyncRemovalsHeld",
        }
    }
}

/// Publishes metrics.
pub trait Metrics: Send + Sync {
    /// Counts one event of a metric.
    fn count(&self, metric: Metric, at: Timestamp);
}
