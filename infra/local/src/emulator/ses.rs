//! Emulates SES (query protocol) for single emails in plain text and HTML.

use serde_json::json;
use shared::domain::contact::EmailAddress;

use super::wire::{CallResult, Form, ServiceError, members, unsupported};
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
