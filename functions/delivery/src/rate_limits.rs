//! Rate limits of codes: per mailbox, per number, per block of a thousand numbers, and of texts and calls per
//! deployment, whole and by share.
//!
//! They apply here and not where the code is requested, so that no page reveals them. Over a limit a method behaves
//! as with a provider that refuses. Nothing arrives, and the person chooses another method. The account's own
//! limits, which a page may reveal, are in `code-send`.

use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::message::{CodeMessage, Purpose, Recipient, SmsShare};
use shared::domain::rate_limit::{MailboxTag, MessageId, NumberTag, RateLimit};
use shared::domain::time::Timestamp;
use shared::ports::{Metric, StoreError};
use shared::settings::Settings;

use crate::{Ports, Receipt};

/// Limits of one item, each with the number that it allows, and the metric that counts what they stop.
type Limits = (Vec<(RateLimit, u64)>, Metric);

/// Acquires one code to its contact, or returns the metric of the limit that is used up. A refused code spends
/// nothing: what other limits counted for it is refunded.
///
/// A redelivered message takes at most one more, however often it comes. It may not have been counted the first time.
/// A provider outage of an hour must not use up the day.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn try_acquire(
    ports: &Ports,
    code: &CodeMessage,
    receipt: &Receipt<'_>,
    now: Timestamp,
) -> Result<Option<Metric>, StoreError> {
    if receipt.receives > 1
        && let Some(message) = MessageId::parse(receipt.id)
        && ports.rate_limits.increment(&RateLimit::Redelivery(message), now).await? > 1
    {
        return Ok(None);
    }
    let limits = match &code.to {
        Recipient::Email(address) => of_mailbox(ports, address, code.purpose),
        Recipient::Sms(number) | Recipient::Voice(number) => of_number(ports, number, code),
    };
    let limits = limits.ok_or(StoreError::Unreadable("no key for the rate limits of contacts"))?;
    for (at, (together, metric)) in limits.iter().enumerate() {
        if !ports.rate_limits.try_acquire_together(together, now).await? {
            for (acquired, _) in limits[..at].iter().flat_map(|(together, _)| together) {
                ports.rate_limits.refund(acquired, now).await?;
            }
            return Ok(Some(*metric));
        }
    }
    Ok(None)
}

/// Returns twice what one account may send to a contact in a step. Accounts that share a contact share the limit.
/// Strangers who aim at one account never reach it: they use up its first step at most, which is half of it.
fn twice(of_one_account: u8) -> u64 {
    2 * u64::from(of_one_account)
}

/// Returns the limits of a code by mail.
///
/// Any account may type any address to enrol it, so a mailbox that is being enrolled has a limit for a day: no
/// campaign reaches a foreign mailbox with more. An enrolled mailbox has one for an hour only. A stranger who
/// uses it up must not keep its owner out for a day; mail comes back within the hour. A domain has no limit: most
/// people of a university use the same few providers, and one of them would close the mail of all.
fn of_mailbox(ports: &Ports, address: &EmailAddress, purpose: Purpose) -> Option<Vec<Limits>> {
    let mailbox = MailboxTag::of(address, &ports.messages)?;
    let sends = &ports.settings.sends;
    let (limit, most) = match purpose {
        Purpose::SecurityInfo => (RateLimit::CodesToNewMailbox(mailbox), twice(sends.per_day)),
        Purpose::Reset | Purpose::SecondStep => (RateLimit::CodesToMailbox(mailbox), twice(sends.per_hour)),
    };
    Some(vec![(vec![(limit, most)], Metric::MailboxBudgetExhausted)])
}

/// Returns the limits of a code by text or call.
///
/// Any account may type any number to enrol it. Those codes are counted apart, so that they don't use up the owner's
/// limit.
fn of_number(ports: &Ports, number: &PhoneNumber, code: &CodeMessage) -> Option<Vec<Limits>> {
    let settings = &ports.settings;
    let number = NumberTag::of(number, &ports.messages)?;
    let (block, per_day) = (number.block(), settings.sends.per_day);
    let (of_number, of_block, per_number) = match code.purpose {
        Purpose::SecurityInfo => {
            (RateLimit::CodesToNewNumber(number), RateLimit::CodesToNewBlock(block), u64::from(per_day))
        }
        Purpose::Reset | Purpose::SecondStep => {
            (RateLimit::CodesToNumber(number), RateLimit::CodesToBlock(block), twice(per_day))
        }
    };
    let of_numbers = vec![(of_number, per_number), (of_block, u64::from(settings.sends_per_block))];
    Some(vec![
        (of_numbers, Metric::NumberBudgetExhausted),
        (of_day(settings, code.share), Metric::SmsBudgetExhausted),
    ])
}

/// Returns the limits of the day's texts and calls: of all, and of the share, where it has one.
fn of_day(settings: &Settings, share: SmsShare) -> Vec<(RateLimit, u64)> {
    let per_day = u64::from(settings.sms_per_day);
    let mut limits = vec![(RateLimit::PhoneMessages, per_day)];
    if share != SmsShare::Rest {
        limits.push((RateLimit::PhoneMessagesOf(share), share.most(per_day)));
    }
    limits
}
