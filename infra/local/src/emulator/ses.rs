//! Emulates SES (query protocol) for single emails in plain text and HTML, and the addresses of its mailbox simulator that
//! fail.

use serde_json::{Value, json};
use shared::domain::contact::EmailAddress;
use shared::domain::time::Timestamp;

use super::wire::{CallResult, Form, ServiceError, members, unsupported};
use super::{ACCOUNT, REGION};
use crate::dev_inbox::{Channel, DevInbox, NewMessage};

/// The API version in requests.
pub const VERSION: &str = "2010-12-01";
/// The XML namespace of responses.
pub const NAMESPACE: &str = "http://ses.amazonaws.com/doc/2010-12-01/";

/// Answers an action.
///
/// # Errors
/// [`ServiceError`] in the form of SES.
pub fn call(dev_inbox: &DevInbox, action: &str, form: &Form) -> CallResult {
    if action != "SendEmail" {
        return Err(ServiceError::new("InvalidAction", unsupported(action)));
    }
    let field = |name: &str| form.get(name).filter(|text| !text.is_empty());
    address(field("Source").map_or("", String::as_str))?;
    let recipients: Vec<&str> = ["ToAddresses", "CcAddresses", "BccAddresses"]
        .iter()
        .flat_map(|kind| members(form, &format!("Destination.{kind}")))
        .collect();
    if recipients.is_empty() {
        return Err(ServiceError::new("InvalidParameterValue", "Missing required header 'To'."));
    }
    if recipients.len() > 50 {
        return Err(ServiceError::new("InvalidParameterValue", "Recipient count exceeds 50."));
    }
    for recipient in &recipients {
        address(recipient)?;
    }
    let subject = field("Message.Subject.Data").cloned().unwrap_or_default();
    if subject.contains(['\r', '\n']) {
        return Err(ServiceError::new("InvalidParameterValue", "Header 'Subject' has a line break."));
    }
    let html = field("Message.Body.Html.Data").cloned();
    let text = field("Message.Body.Text.Data").cloned();
    if html.is_none() && text.is_none() {
        return Err(ServiceError::new("InvalidParameterValue", "The message has no body."));
    }
    let id = dev_inbox.receive(NewMessage {
        channel: Channel::Email,
        to: recipients.join(", "),
        subject: Some(subject),
        body: text.unwrap_or_default(),
        html,
    });
    Ok(json!({"MessageId": id}))
}

/// Returns the event that SES publishes to `EventBridge` after this call, if it goes to an address of the mailbox
/// simulator that fails: `bounce@simulator.amazonses.com`, `complaint@` or `suppressionlist@`, also with a label
/// (`bounce+aisyah@`).
pub fn failure(form: &Form, now: Timestamp) -> Option<Value> {
    let [to] = members(form, "Destination.ToAddresses")[..] else { return None };
    let (local, domain) = to.split_once('@')?;
    if domain != "simulator.amazonses.com" {
        return None;
    }
    let (at, bounce) = (now.to_string(), |kind: &str, sub: &str| {
        json!({
            "feedbackId": "0100017f", "bounceType": kind, "bounceSubType": sub, "timestamp": now.to_string(),
            "bouncedRecipients": [{
                "emailAddress": to, "action": "failed", "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }],
        })
    });
    let (name, event, detail) = match local.split('+').next()? {
        "bounce" => ("Email Bounced", "bounce", bounce("Permanent", "General")),
        "suppressionlist" => ("Email Bounced", "bounce", bounce("Permanent", "OnAccountSuppressionList")),
        "complaint" => (
            "Email Complaint Received",
            "complaint",
            json!({
                "feedbackId": "0100017f", "complaintSubType": null, "complaintFeedbackType": "abuse",
                "complainedRecipients": [{ "emailAddress": to }], "timestamp": at,
            }),
        ),
        _ => return None,
    };
    Some(json!({
        "version": "0", "source": "aws.ses", "account": ACCOUNT, "region": REGION, "time": at, "detail-type": name,
        "resources": [],
        "detail": {
            "eventType": if event == "bounce" { "Bounce" } else { "Complaint" },
            "mail": { "timestamp": at, "messageId": "0100017f", "destination": [to] },
            event: detail,
        },
    }))
}

/// Checks an address of the form `a@b` or `Name <a@b>`.
fn address(text: &str) -> Result<(), ServiceError> {
    let bare = match text.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    if EmailAddress::parse(bare).is_ok() {
        Ok(())
    } else if bare.contains('@') {
        Err(ServiceError::new("InvalidParameterValue", "Illegal address"))
    } else {
        Err(ServiceError::new("InvalidParameterValue", "Missing final '@domain'"))
    }
}
