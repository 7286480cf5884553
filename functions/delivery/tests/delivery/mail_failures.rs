//! Bounces and complaints, in the form in which SES publishes them.

use std::sync::Arc;

use crate::sending::code;
use crate::support::{Fakes, Provider, START, event, ports, retried, sealed};
use delivery::handle;
use serde_json::{Value, json};
use shared::domain::contact::EmailAddress;
use shared::domain::mail_failure::{KEPT, MailFailure, MailFailureKind};
use shared::domain::message::Recipient;
use shared::domain::time::Timestamp;

const ADDRESS: &str = "aisyah@mail.example";

/// An event of `EventBridge`, with everything that SES puts into it.
fn published(name: &str, destination: &[&str], member: &str, detail: &Value) -> Value {
    json!({
        "version": "0",
        "id": "12345678-1234-1234-1234-123456789012",
        "detail-type": name,
        "source": "aws.ses",
        "account": "123456789012",
        "time": "2026-11-24T03:59:30Z",
        "region": "ap-southeast-1",
        "resources": ["arn:aws:ses:ap-southeast-1:123456789012:configuration-set/rekey"],
        "detail": {
            "eventType": member,
            "mail": {
                "timestamp": "2026-11-24T03:59:00.123Z",
                "source": "\"Universiti Contoh\" <no-reply@contoh.example>",
                "sourceArn": "arn:aws:ses:ap-southeast-1:123456789012:identity/contoh.example",
                "sendingAccountId": "123456789012",
                "messageId": "010f018b2f3c4d5e-11111111-2222-3333-4444-555555555555-000000",
                "destination": destination,
                "headersTruncated": false,
                "headers": [{ "name": "Subject", "value": "Universiti Contoh: 12345678" }],
                "commonHeaders": { "to": destination, "subject": "Universiti Contoh: 12345678" },
                "tags": { "ses:configuration-set": ["rekey"], "ses:from-domain": ["contoh.example"] },
            },
            member: detail,
        },
    })
}

fn bounce(kind: &str, sub: &str, recipient: &str, at: &str) -> Value {
    json!({
        "feedbackId": "010f018b2f3c4d5e-feedback-000000",
        "bounceType": kind,
        "bounceSubType": sub,
        "bouncedRecipients": [{
            "emailAddress": recipient,
            "action": "failed",
            "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 <aisyah@mail.example>: no such user",
        }],
        "timestamp": at,
        "remoteMtaIp": "198.51.100.7",
        "reportingMTA": "dns; b224-7.smtp-out.ap-southeast-1.amazonses.com",
    })
}

fn bounced(kind: &str, sub: &str) -> Value {
    let detail = bounce(kind, sub, ADDRESS, "2026-11-24T03:59:30.500Z");
    published("Email Bounced", &[ADDRESS], "bounce", &detail)
}

fn complained(feedback: Option<&str>) -> Value {
    let detail = json!({
        "feedbackId": "010f018b2f3c4d5e-feedback-000000",
        "complaintSubType": null,
        "complainedRecipients": [{ "emailAddress": ADDRESS }],
        "timestamp": "2026-11-24T03:59:30.500Z",
        "userAgent": "Mail provider",
        "complaintFeedbackType": feedback,
        "arrivalDate": "2026-11-24T03:59:10.000Z",
    });
    published("Email Complaint Received", &[ADDRESS], "complaint", &detail)
}

fn delivered() -> Value {
    let detail = json!({
        "timestamp": "2026-11-24T03:59:10.000Z", "processingTimeMillis": 500, "recipients": [ADDRESS],
        "smtpResponse": "250 2.0.0 OK", "reportingMTA": "b224-7.smtp-out.ap-southeast-1.amazonses.com",
    });
    published("Email Delivered", &[ADDRESS], "delivery", &detail)
}

const fn failure(kind: MailFailureKind) -> MailFailure {
    MailFailure { kind, at: Timestamp::from_seconds(START.as_seconds() - 30) }
}

/// Returns the numbers of the messages to retry.
async fn deliver(fakes: &Arc<Fakes>, bodies: &[String]) -> Vec<String> {
    retried(&handle(&ports(fakes, &[]), event(bodies, 1)).await)
}

/// Controls: C-280.
#[tokio::test]
async fn only_permanent_bounces_and_complaints_are_recorded() {
    let (bounce, complaint) =
        (Some(failure(MailFailureKind::Bounced)), Some(failure(MailFailureKind::Complained)));
    for (event, noted) in [
        (bounced("Permanent", "General"), bounce),
        (bounced("Permanent", "NoEmail"), bounce),
        (bounced("Permanent", "OnAccountSuppressionList"), bounce),
        (bounced("Transient", "MailboxFull"), None),
        (bounced("Transient", "General"), None),
        (bounced("Undetermined", "Undetermined"), None),
        (complained(Some("abuse")), complaint),
        (complained(None), complaint),
        (complained(Some("not-spam")), None),
        (delivered(), None),
    ] {
        let fakes = Arc::new(Fakes::default());
        assert!(deliver(&fakes, &[event.to_string()]).await.is_empty(), "{event}");
        assert_eq!(fakes.mail_failure(ADDRESS).await, noted, "{event}");
        assert!(fakes.sent().is_empty() && fakes.queued().is_empty(), "nobody gets a message about it");
    }
}

/// One batch has a code, an event, and what nobody can read. Each stands for itself.
/// Controls: C-280, C-072.
#[tokio::test]
async fn unreadable_event_is_retried_alone() {
    let fakes = Arc::new(Fakes::default());
    let code = sealed(&code(Recipient::Email(EmailAddress::from_stored(ADDRESS.into()))));
    let mut without_time = bounced("Permanent", "General");
    without_time["detail"]["bounce"]["timestamp"] = "yesterday".into();
    let mut without_address = bounced("Permanent", "General");
    without_address["detail"]["mail"]["destination"] = json!(["nobody"]);
    let mut without_recipients = bounced("Permanent", "General");
    without_recipients["detail"]["bounce"].as_object_mut().unwrap().remove("bouncedRecipients");
    let mut of_another_source = bounced("Permanent", "General");
    of_another_source["source"] = "com.example".into();
    let bodies = [
        without_time.to_string(),
        without_address.to_string(),
        without_recipients.to_string(),
        of_another_source.to_string(),
        "{}".to_owned(),
        code,
        bounced("Permanent", "General").to_string(),
    ];
    assert_eq!(deliver(&fakes, &bodies).await, ["0", "1", "2", "3", "4"]);
    assert_eq!(fakes.sent().len(), 1, "the code is sent");
    assert_eq!(fakes.mail_failure(ADDRESS).await, Some(failure(MailFailureKind::Bounced)));
}

/// Controls: C-280.
#[tokio::test]
async fn failure_is_noted_at_the_address_that_was_sent_to() {
    let fakes = Arc::new(Fakes::default());
    let at = "2026-11-24T03:59:30Z";
    // The mailbox forwards, and the other one is gone: the report names that.
    let forwarded = bounce("Permanent", "General", "old@elsewhere.example", at);
    let event = published("Email Bounced", &["Aisyah@MAIL.example"], "bounce", &forwarded);
    assert!(deliver(&fakes, &[event.to_string()]).await.is_empty());
    assert!(fakes.mail_failure("old@elsewhere.example").await.is_none());
    assert!(fakes.mail_failure(ADDRESS).await.is_some(), "in any spelling");

    let one = bounce("Permanent", "General", "mei@mail.example", at);
    let event = published("Email Bounced", &["mei@mail.example", "farah@mail.example"], "bounce", &one);
    assert!(deliver(&fakes, &[event.to_string()]).await.is_empty());
    assert!(fakes.mail_failure("mei@mail.example").await.is_some());
    assert!(fakes.mail_failure("farah@mail.example").await.is_none(), "it arrived there");
}

/// Controls: C-280.
#[tokio::test]
async fn repeated_and_late_events_change_nothing() {
    let fakes = Arc::new(Fakes::default());
    let later = complained(Some("abuse")).to_string();
    let earlier = bounce("Permanent", "General", ADDRESS, "2026-11-24T03:00:00Z");
    let earlier = published("Email Bounced", &[ADDRESS], "bounce", &earlier).to_string();
    for body in [&later, &earlier, &later] {
        assert!(deliver(&fakes, std::slice::from_ref(body)).await.is_empty());
    }
    assert_eq!(fakes.mail_failure(ADDRESS).await, Some(failure(MailFailureKind::Complained)));
    // A clock that is ahead makes no failure that a confirmation can't clear.
    let ahead = bounce("Permanent", "General", ADDRESS, "2027-11-24T03:00:00Z");
    let ahead = published("Email Bounced", &[ADDRESS], "bounce", &ahead).to_string();
    assert!(deliver(&fakes, &[ahead]).await.is_empty());
    let noted = fakes.mail_failure(ADDRESS).await.unwrap();
    assert_eq!((noted.kind, noted.at), (MailFailureKind::Bounced, START));
    fakes.set_provider(Provider::Down);
    fakes.advance(KEPT);
    assert_eq!(fakes.mail_failure(ADDRESS).await, None, "it expires");
}
