//! Emulates SES (query protocol) for single emails in plain text and HTML.

use serde_json::json;
use shared::domain::contact::EmailAddress;

use super::wire::{Answer, Fault, Form, members, unsupported};
use crate::outbox::{Channel, Incoming, Outbox};

/// The API version in requests.
pub const VERSION: &str = "2010-12-01";
/// The XML namespace of responses.
pub const NAMESPACE: &str = "http://ses.amazonaws.com/doc/2010-12-01/";

/// Answers an action.
///
/// # Errors
/// [`Fault`] in the form of SES.
pub fn call(outbox: &Outbox, action: &str, form: &Form) -> Answer {
    if action != "SendEmail" {
        return Err(Fault::new("InvalidAction", unsupported(action)));
    }
    let field = |name: &str| form.get(name).filter(|text| !text.is_empty());
    address(field("Source").map_or("", String::as_str))?;
    let recipients: Vec<&str> = ["ToAddresses", "CcAddresses", "BccAddresses"]
        .iter()
        .flat_map(|kind| members(form, &format!("Destination.{kind}")))
        .collect();
    if recipients.is_empty() {
        return Err(Fault::new("InvalidParameterValue", "Missing required header 'To'."));
    }
    if recipients.len() > 50 {
        return Err(Fault::new("InvalidParameterValue", "Recipient count exceeds 50."));
    }
    for recipient in &recipients {
        address(recipient)?;
    }
    let subject = field("Message.Subject.Data").cloned().unwrap_or_default();
    if subject.contains(['\r', '\n']) {
        return Err(Fault::new("InvalidParameterValue", "Header 'Subject' has a line break."));
    }
    let html = field("Message.Body.Html.Data").cloned();
    let text = field("Message.Body.Text.Data").cloned();
    if html.is_none() && text.is_none() {
        return Err(Fault::new("InvalidParameterValue", "The message has no body."));
    }
    let id = outbox.take(Incoming {
        channel: Channel::Email,
        to: recipients.join(", "),
        subject: Some(subject),
        body: text.unwrap_or_default(),
        html,
    });
    Ok(json!({"MessageId": id}))
}

/// Checks an address of the form `a@b` or `Name <a@b>`.
fn address(text: &str) -> Result<(), Fault> {
    let bare = match text.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    if EmailAddress::parse(bare).is_ok() {
        Ok(())
    } else if bare.contains('@') {
        Err(Fault::new("InvalidParameterValue", "Illegal address"))
    } else {
        Err(Fault::new("InvalidParameterValue", "Missing final '@domain'"))
    }
}
