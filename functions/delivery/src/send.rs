//! Sends one message.

use shared::domain::message::{CodeMessage, Notice, Recipient};
use shared::domain::time::Timestamp;
use shared::ports::{Mail, Metric, SendError};
use shared::text::messages::Content;

use crate::{End, Ports, Receipt, Verdict, rate_limits};

/// Sends a code. It is subject to the rate limits of its contact, a text or call also to those of the deployment.
pub(crate) async fn code(
    ports: &Ports,
    code: &CodeMessage,
    receipt: &Receipt<'_>,
    now: Timestamp,
) -> Verdict {
    match rate_limits::try_acquire(ports, code, receipt, now).await {
        Ok(None) => {}
        Ok(Some(exhausted)) => {
            ports.metrics.count(exhausted, now);
            return Verdict::ended(End::Dropped, exhausted.name());
        }
        Err(error) => return Verdict::failed(End::Retry, &error),
    }
    without_limit(ports, Content::Code(code), now).await
}

/// Sends a notification. It has no rate limit: an attacker could use it up to hide a takeover.
pub(crate) async fn notice(ports: &Ports, notice: &Notice, now: Timestamp) -> Verdict {
    // Calls were switched off by leaving their origin out. AWS would refuse every one of them.
    if matches!(notice.to, Recipient::Voice(_)) && ports.settings.voice_origin.is_none() {
        return Verdict::ended(End::Dropped, "REKEY_VOICE_ORIGIN is not set");
    }
    without_limit(ports, Content::Notice(notice), now).await
}

async fn without_limit(ports: &Ports, content: Content<'_>, now: Timestamp) -> Verdict {
    let sent = match content.to() {
        Recipient::Email(address) => {
            let mail = ports.renderer.mail(content);
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
        Recipient::Sms(number) => ports.texts.send_text(number, ports.renderer.text(content).expose()).await,
        Recipient::Voice(number) => {
            let call = ports.renderer.call(content);
            ports.calls.call(number, call.ssml.expose(), call.language).await
        }
    };
    match sent {
        Ok(()) => Verdict::ended(End::Sent, ""),
        Err(error @ SendError::Unavailable(_)) => Verdict::failed(End::Retry, &error),
        Err(error @ SendError::Refused(_)) => {
            ports.metrics.count(Metric::MessagesRefused, now);
            Verdict::failed(End::Refused, &error)
        }
    }
}
