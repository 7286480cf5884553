//! What texts and calls are bounded by: one number, its block of a thousand, the whole deployment.
//!
//! They are taken here and not where the code is asked for, so that no page tells them apart: over a budget a phone
//! method fails as it would with a provider that refuses, nothing comes, and the person chooses another way.
//! An account's own budgets, which a page may tell, are in `code-send`.

use shared::domain::contact::PhoneNumber;
use shared::domain::message::Purpose;
use shared::domain::rate_limit::{MessageId, NumberRange, RateLimit};
use shared::domain::time::Timestamp;
use shared::ports::{Metric, StoreError};

use crate::{Ports, Receipt};

/// Takes one code to `number`, or tells what is used up.
///
/// A message that comes again takes one more at most, however often it comes: it may not have been counted the first
/// time, but a provider that is down for an hour must not use up the day.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn take(
    ports: &Ports,
    number: &PhoneNumber,
    purpose: Purpose,
    receipt: &Receipt<'_>,
    now: Timestamp,
) -> Result<Option<Metric>, StoreError> {
    if receipt.receives > 1
        && let Some(message) = MessageId::parse(receipt.id)
        && ports.budgets.count(&RateLimit::Redelivery(message), now).await? > 1
    {
        return Ok(None);
    }
    let settings = &ports.settings;
    let (whole, block) =
        (NumberRange::whole(number, &ports.messages), NumberRange::block(number, &ports.messages));
    let (Some(whole), Some(block)) = (whole, block) else {
        return Err(StoreError::Unreadable("no key for the budgets of numbers"));
    };
    // Twice what one account may ask for: several accounts with one number share it, one alone never feels it. Anybody with
    // an account may type anybody's number to register it, so that is counted apart: it must not use up what its owner needs.
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
        if !ports.budgets.take(&limit, most, now).await? {
            return Ok(Some(metric));
        }
    }
    Ok(None)
}
