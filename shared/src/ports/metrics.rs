//! Metrics for the operator.

use crate::domain::time::Timestamp;

/// A metric with an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// A text or call was not made: the deployment's daily limit is reached.
    SmsBudgetExhausted,
    /// A text or call was not made: the daily limit of its number or the hourly limit of its block is
    /// reached.
    NumberBudgetExhausted,
    /// A provider refused a message for its recipient; it is not retried.
    MessagesRefused,
}

impl Metric {
    /// Returns its name, which the alarms use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SmsBudgetExhausted => "SmsBudgetExhausted",
            Self::NumberBudgetExhausted => "NumberBudgetExhausted",
            Self::MessagesRefused => "MessagesRefused",
        }
    }
}

/// Publishes metrics.
pub trait Metrics: Send + Sync {
    /// Counts one event of a metric.
    fn count(&self, metric: Metric, at: Timestamp);
}
