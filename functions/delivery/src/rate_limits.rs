//! Rate limits of texts and calls: per number, per block of a thousand numbers, and per deployment.
//!
//! They apply here and not where the code is requested, so that no page reveals them. Over a limit a phone method
//! behaves as with a provider that refuses. Nothing arrives, and the person chooses another method. The account's own
//! limits, which a page may reveal, are in `code-send`.

use shared::domain::contact::PhoneNumber;
use shared::domain::message::Purpose;
use shared::domain::rate_limit::{MessageId, NumberRange, RateLimit};
use shared::domain::time::Timestamp;
use shared::ports::{Metric, StoreError};

use crate::{Ports, Receipt};

/// Acquires one code to `number`, or returns the metric of the limit that is used up.
///
/// A redelivered message takes at most one more, however often it comes. It may not have been counted the first time.
/// A provider outage of an hour must not use up the day.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn try_acquire(
    ports: &Ports,
    number: &PhoneNumber,
    purpose: Purpose,
    receipt: &Receipt<'_>,
    now: Timestamp,
) -> Result<Option<Metric>, StoreError> {
    if receipt.receives > 1
        && let Some(message) = MessageId::parse(receipt.id)
        && ports.rate_limits.increment(&RateLimit::Redelivery(message), now).await? > 1
    {
        return Ok(None);
    }
    let settings = &ports.settings;
    let (whole, block) =
        (NumberRange::whole(number, &ports.messages), NumberRange::block(number, &ports.messages));
    let (Some(whole), Some(block)) = (whole, block) else {
        return Err(StoreError::Unreadable("no key for the rate limits of numbers"));
    };
    // Twice the limit of one account. Accounts that share a number share the limit, and one account alone never
    // reaches it. Any account may type any number to enrol it. Those codes are counted apart, so that they don't use
    // up the owner's limit.
    let (of_range, per_number): (fn(NumberRange) -> RateLimit, _) = match purpose {
        Purpose::SecurityInfo => (RateLimit::CodesToNewNumber, u64::from(settings.sends.per_day)),
        Purpose::Reset | Purpose::SecondStep => {
            (RateLimit::CodesToNumber, 2 * u64::from(settings.sends.per_day))
        }
    };
    for (limit, most, metric) in [
        (of_range(whole), per_number, Metric::NumberBudgetExhausted),
        (of_range(block), u64::from(settings.sends_per_block), Metric::NumberBudgetExhausted),
        (RateLimit::PhoneMessages, u64::from(settings.sms_per_day), Metric::SmsBudgetExhausted),
    ] {
        if !ports.rate_limits.try_acquire(&limit, most, now).await? {
            return Ok(Some(metric));
        }
    }
    Ok(None)
}
