//! Emulates SNS (query protocol) for texts to phone numbers.

use serde_json::json;

use super::wire::{CallResult, Form, ServiceError, unsupported};
use crate::dev_inbox::{Channel, DevInbox, NewMessage};

/// The API version in requests.
pub const VERSION: &str = "2010-03-31";
/// The XML namespace of responses.
pub const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// Answers an action.
///
/// # Errors
/// [`ServiceError`] in the form of SNS.
pub fn call(dev_inbox: &DevInbox, action: &str, form: &Form) -> CallResult {
    if action != "Publish" {
        return Err(ServiceError::new("InvalidAction", unsupported(action)));
    }
    let Some(number) = form.get("PhoneNumber") else {
        let why = "Invalid parameter: the AWS emulator publishes to a PhoneNumber only";
        return Err(ServiceError::new("InvalidParameter", why));
    };
    if !is_e164(number) {
        let why = format!("Invalid parameter: PhoneNumber Reason: {number} is not valid to publish to");
        return Err(ServiceError::new("InvalidParameter", why));
    }
    let text = form.get("Message").map(String::as_str).unwrap_or_default();
    if text.is_empty() {
        return Err(ServiceError::new("InvalidParameter", "Invalid parameter: Empty message"));
    }
    // SNS splits longer texts into parts of 153 characters and rejects texts beyond this length.
    if text.chars().count() > 1_600 {
        return Err(ServiceError::new("InvalidParameter", "Invalid parameter: Message too long"));
    }
    check_attributes(form)?;
    let id = dev_inbox.receive(NewMessage {
        channel: Channel::Sms,
        to: number.clone(),
        subject: None,
        body: text.to_owned(),
        html: None,
    });
    Ok(json!({"MessageId": id}))
}

/// Returns whether a number is E.164 with its plus, as SNS and End User Messaging require.
pub fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (2..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

fn check_attributes(form: &Form) -> Result<(), ServiceError> {
    let names = (1..).map_while(|number| {
        let entry = format!("MessageAttributes.entry.{number}");
        form.get(&format!("{entry}.Name")).map(|name| (entry, name))
    });
    for (entry, name) in names {
        let value = form.get(&format!("{entry}.Value.StringValue")).map_or("", String::as_str);
        let kind = form.get(&format!("{entry}.Value.DataType")).map_or("", String::as_str);
        let fits = match name.as_str() {
            "AWS.SNS.SMS.SMSType" => matches!(value, "Transactional" | "Promotional"),
            "AWS.SNS.SMS.SenderID" => {
                (1..=11).contains(&value.len())
                    && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            }
            _ => !value.is_empty(),
        };
        if kind.is_empty() || !fits {
            let why = format!("Invalid parameter: MessageAttributes Reason: {name} has an invalid value");
            return Err(ServiceError::new("ParameterValueInvalid", why));
        }
    }
    Ok(())
}
