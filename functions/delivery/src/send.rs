//! Sending one message.

use shared::domain::message::Recipient;
use shared::domain::time::{Seconds, Timestamp};
use shared::domain::wording::Content;
use shared::ports::{Mail, Metric, SendError, StoreError};

use crate::{End, Ports, Receipt, Verdict};

/// Sends a code; to a telephone only within the deployment's budget of the day. Over it a phone method fails as it
/// would with a provider that refuses: nothing comes, and the person chooses another way.
pub(crate) async fn code(
    ports: &Ports,
    content: Content<'_>,
    receipt: &Receipt<'_>,
    now: Timestamp,
) -> Verdict {
    if !matches!(content.to(), Recipient::Email(_)) {
        match within_budget(ports, receipt, now).await {
            Ok(true) => {}
            Ok(false) => {
                ports.metrics.count(Metric::SmsBudgetExhausted, now);
                return Verdict::ended(End::Dropped, "the day's budget of texts and calls is used up");
            }
            Err(error) => return Verdict::failed(End::Again, &error),
        }
    }
    self::now(ports, content).await
}

/// Sends without a budget: notices have none, or whoever drains it would keep a takeover quiet.
pub(crate) async fn now(ports: &Ports, content: Content<'_>) -> Verdict {
    let sent = match content.to() {
        Recipient::Email(address) => {
            let mail = ports.wording.mail(content);
            let mail = Mail { subject: &mail.subject, text: mail.text.expose(), html: mail.html.expose() };
            ports.mails.send_mail(address, &mail).await
        }
        Recipient::Sms(number) | Recipient::Voice(number)
            if !number.is_reachable_in(&ports.settings.sms_countries) =>
        {
            return Verdict::ended(
                End::Refused,
                "texts and calls don't go to this country or kind of number",
            );
        }
        Recipient::Sms(number) => ports.texts.send_text(number, ports.wording.text(content).expose()).await,
        Recipient::Voice(number) => {
            let call = ports.wording.call(content);
            ports.calls.call(number, call.ssml.expose(), call.language).await
        }
    };
    match sent {
        Ok(()) => Verdict::ended(End::Sent, ""),
        Err(error @ SendError::Unavailable(_)) => Verdict::failed(End::Again, &error),
        Err(error @ SendError::Refused(_)) => Verdict::failed(End::Refused, &error),
    }
}

/// Takes one from the day's budget. A message that comes again takes one more at most, however often it comes:
/// it may not have been counted the first time, but a provider that is down for an hour must not use up the day.
async fn within_budget(ports: &Ports, receipt: &Receipt<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let until = now + Seconds(2 * Seconds::DAY.0);
    if receipt.returned && ports.budgets.count(&format!("sms#{}", receipt.id), until).await? > 1 {
        return Ok(true);
    }
    let day: String = now.to_string().chars().take("yyyy-mm-dd".len()).collect();
    ports.budgets.take(&format!("sms#{day}"), u64::from(ports.settings.sms_per_day), until).await
}
