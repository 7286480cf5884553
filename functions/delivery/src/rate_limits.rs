//! Rate limits of codes: per mailbox, per number, per block of a thousand numbers, and of texts and calls per
//! deployment, whole and by share.
//!
//! They apply here and not where the code is requested, so that no page reveals them. Over a limit a method behaves
//! as with a provider that refuses. Nothing arrives, and the person chooses another method. The account's own
//! limits, which a page may reveal, are in `code-send`.

use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::message::{CodeMessage, Purpose, Recipient, SmsShare};
use shared::domain::rate_limit::{MailboxTag, MessageTag, NumberTag, RateLimit};
use shared::domain::time::Timestamp;
use shared::ports::{Metric, StoreError};
use shared::settings::Settings;

use crate::{Ports, Receipt};

/// The limits of a code, each with the number that it allows.
struct Limits {
    /// Those of its contact, which are in one item.
    of_contact: Vec<(RateLimit, u64)>,
    /// The one of them in whose item the code is marked as counted.
    marked_in: RateLimit,
    /// Those of the day's texts and calls, which are in one item; none for mail.
    of_day: Vec<(RateLimit, u64)>,
    /// The metric that counts what those of the contact stop.
    metric: Metric,
}

/// Acquires one code to its contact, or returns the metric of the limit that is used up. A refused code spends
/// nothing: what other limits counted for it is refunded.
///
/// The queue may deliver a message again. The write that counts it marks it in the same item. A marked message goes
/// out, even if it took the last one of a limit itself. In the next hour of a mailbox, or on the next day of a number, it
/// counts anew.
///
/// # Errors
/// [`StoreError`]. Nothing stays counted then, so that the next delivery counts the message.
pub(crate) async fn try_acquire(
    ports: &Ports,
    code: &CodeMessage,
    receipt: &Receipt<'_>,
    now: Timestamp,
) -> Result<Option<Metric>, StoreError> {
    let store = &*ports.rate_limits;
    let limits = match &code.to {
        Recipient::Email(address) => of_mailbox(ports, address, code.purpose),
        Recipient::Sms(number) | Recipient::Voice(number) => of_number(ports, number, code),
    };
    let Limits { of_contact, marked_in, of_day, metric } =
        limits.ok_or(StoreError::Unreadable("no key for the rate limits of contacts"))?;
    let mark =
        RateLimit::CountedMessage { counted_in: Box::new(marked_in), message: MessageTag::of(receipt.id) };
    let of_contact: Vec<_> = of_contact.into_iter().chain([(mark.clone(), 1)]).collect();
    if !store.try_acquire_together(&of_contact, now).await? {
        let is_counted = !store.try_acquire(&mark, 1, now).await?;
        if !is_counted {
            store.refund(&mark, now).await?;
        }
        return Ok((!is_counted).then_some(metric));
    }
    if of_day.is_empty() {
        return Ok(None);
    }
    let acquired = store.try_acquire_together(&of_day, now).await;
    if !matches!(acquired, Ok(true)) {
        for (limit, _) in &of_contact {
            store.refund(limit, now).await?;
        }
    }
    Ok((!acquired?).then_some(Metric::SmsBudgetExhausted))
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
fn of_mailbox(ports: &Ports, address: &EmailAddress, purpose: Purpose) -> Option<Limits> {
    let mailbox = MailboxTag::of(address, &ports.messages)?;
    let sends = &ports.settings.sends;
    let (limit, most) = match purpose {
        Purpose::SecurityInfo => (RateLimit::CodesToNewMailbox(mailbox), twice(sends.per_day)),
        Purpose::Reset | Purpose::SecondStep | Purpose::HelpDesk => {
            (RateLimit::CodesToMailbox(mailbox), twice(sends.per_hour))
        }
    };
    Some(Limits {
        of_contact: vec![(limit.clone(), most)],
        marked_in: limit,
        of_day: Vec::new(),
        metric: Metric::MailboxBudgetExhausted,
    })
}

/// Returns the limits of a code by text or call.
///
/// Any account may type any number to enrol it. Those codes are counted apart, so that they don't use up the owner's
/// limit.
fn of_number(ports: &Ports, number: &PhoneNumber, code: &CodeMessage) -> Option<Limits> {
    let settings = &ports.settings;
    let number = NumberTag::of(number, &ports.messages)?;
    let (block, per_day) = (number.block(), settings.sends.per_day);
    let (of_number, of_block, per_number) = match code.purpose {
        Purpose::SecurityInfo => {
            (RateLimit::CodesToNewNumber(number), RateLimit::CodesToNewBlock(block), u64::from(per_day))
        }
        Purpose::Reset | Purpose::SecondStep | Purpose::HelpDesk => {
            (RateLimit::CodesToNumber(number), RateLimit::CodesToBlock(block), twice(per_day))
        }
    };
    Some(Limits {
        of_contact: vec![(of_number, per_number), (of_block.clone(), u64::from(settings.sends_per_block))],
        marked_in: of_block,
        of_day: of_day(settings, code.share),
        metric: Metric::NumberBudgetExhausted,
    })
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
