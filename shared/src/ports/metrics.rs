//! What is counted for whoever operates the deployment.

use crate::domain::time::Timestamp;

/// Something worth an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// A text or call was not made because the deployment's budget of the day is used up.
    SmsBudgetExhausted,
    /// A text or call was not made because too many went to its number in a day, or to its block in an hour.
    NumberBudgetExhausted,
}

impl Metric {
    /// Its name, as alarms know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SmsBudgetExhausted => "SmsBudgetExhausted",
            Self::NumberBudgetExhausted => "NumberBudgetExhausted",
        }
    }
}

/// Counts.
pub trait Metrics: Send + Sync {
    /// Counts one.
    fn count(&self, metric: Metric, at: Timestamp);
}
