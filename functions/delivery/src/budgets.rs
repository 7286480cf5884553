//! What texts and calls are bounded by: one number, its block of a thousand, the whole deployment.
//!
//! They are taken here and not where the code is asked for, so that no page tells them apart: over a budget a phone
//! method fails as it would with a provider that refuses, nothing comes, and the person chooses another way.
//! An account's own budgets, which a page may tell, are in `code-send`.

use shared::domain::contact::PhoneNumber;
use shared::domain::message::Purpose;
use shared::domain::time::{Seconds, Timestamp};
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
    let until = now + Seconds(2 * Seconds::DAY.0);
    if receipt.returned && ports.budgets.count(&format!("sms#{}", receipt.id), until).await? > 1 {
        return Ok(None);
    }
    let settings = &ports.settings;
    // Twice what one account may ask for: several accounts with one number share it, one alone never feels it. Anybody with
    // an account may type anybody's number to register it, so that is counted apart: it must not use up what its owner needs.
    let (pool, per_number) = match purpose {
        Purpose::SecurityInfo => ("new-number", u64::from(settings.sends.per_day)),
        Purpose::Reset | Purpose::SecondStep => ("number", 2 * u64::from(settings.sends.per_day)),
    };
    let (moment, day, hour) = (now.to_string(), "yyyy-mm-dd".len(), "yyyy-mm-ddThh".len());
    let at = |length: usize| moment.get(..length).unwrap_or(&moment);
    let tagged = |what: &str| {
        let messages = &ports.messages;
        messages.tag(messages.eldest(), "rekey/number budget", &[what.as_bytes()])
    };
    let (Some(whole), Some(block)) = (tagged(number.expose()), tagged(number.block())) else {
        return Err(StoreError::Unreadable("no key for the budgets of numbers"));
    };
    let key = |tag: &[u8; 32], at: &str| format!("{pool}#{}#{at}", hex::encode(&tag[..16]));
    for (key, limit, metric) in [
        (key(whole.as_bytes(), at(day)), per_number, Metric::NumberBudgetExhausted),
        (key(block.as_bytes(), at(hour)), u64::from(settings.sends_per_block), Metric::NumberBudgetExhausted),
        (format!("sms#{}", at(day)), u64::from(settings.sms_per_day), Metric::SmsBudgetExhausted),
    ] {
        if !ports.budgets.take(&key, limit, until).await? {
            return Ok(Some(metric));
        }
    }
    Ok(None)
}
