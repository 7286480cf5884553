//! Emulates the voice calls of End User Messaging (`PinpointSMSVoiceV2`, AWS JSON 1.0).

use serde::Deserialize;
use serde_json::json;

use super::sns::is_e164;
use super::wire::{CallResult, ServiceError, read_json, unsupported};
use crate::dev_inbox::{Channel, DevInbox, NewMessage, spoken};

/// Maximum message length: 6 000 characters, including SSML tags.
const LENGTH_MAX: usize = 6_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Call {
    destination_phone_number: Option<String>,
    origination_identity: Option<String>,
    message_body: Option<String>,
    message_body_text_type: Option<String>,
    voice_id: Option<String>,
}

/// Answers a call of `PinpointSMSVoiceV2.<operation>`.
///
/// # Errors
/// [`ServiceError`] in the form of the service.
pub fn call(dev_inbox: &DevInbox, operation: &str, body: &[u8]) -> CallResult {
    if operation != "SendVoiceMessage" {
        return Err(ServiceError::new("UnknownOperationException", unsupported(operation)));
    }
    let call: Call = read_json(body)?;
    let number = call.destination_phone_number.unwrap_or_default();
    if !is_e164(&number) {
        return Err(invalid("destinationPhoneNumber", "is not in E.164 format"));
    }
    if call.origination_identity.is_none_or(|identity| identity.is_empty()) {
        return Err(invalid("originationIdentity", "is missing"));
    }
    let message = call.message_body.unwrap_or_default();
    if message.is_empty() || message.chars().count() > LENGTH_MAX {
        return Err(invalid("messageBody", "must have 1 to 6000 characters"));
    }
    let voice = call.voice_id.unwrap_or_else(|| "MATTHEW".to_owned());
    if voice.is_empty() || !voice.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
        return Err(invalid("voiceId", "is not a voice"));
    }
    let words = match call.message_body_text_type.as_deref() {
        None | Some("TEXT") => message,
        Some("SSML") => spoken(&message).map_err(|why| invalid("messageBody", why))?,
        Some(_) => return Err(invalid("messageBodyTextType", "is neither TEXT nor SSML")),
    };
    let id = dev_inbox.receive(NewMessage {
        channel: Channel::Voice,
        to: number,
        subject: None,
        body: words,
        html: None,
    });
    Ok(json!({"MessageId": id}))
}

/// Builds an error of a field. The service names it in lower camel case.
fn invalid(field: &str, why: &str) -> ServiceError {
    ServiceError::new("ValidationException", format!("{field} {why}")).with(json!({
        "Reason": "FIELD_VALIDATION_FAILED",
        "Fields": [{"Name": field, "Message": why}],
    }))
}
