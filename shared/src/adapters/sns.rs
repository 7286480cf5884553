//! Texts over SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_types::SdkConfig;

use super::sending::{said, send_error};
use crate::domain::contact::PhoneNumber;
use crate::ports::{SendError, TextSender};

/// Codes of SNS for a number that can't be texted: invalid, opted out, or of an unsupported kind.
const FINAL: [&str; 5] =
    ["InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "OptedOut", "ValidationException"];

/// Sends texts over SNS.
#[derive(Clone, Debug)]
pub struct SnsTexts {
    client: Client,
    sender_id: Option<String>,
}

impl SnsTexts {
    /// Returns a sender of texts from `sender_id` where the country allows it, else from a number of AWS.
    pub fn new(config: &SdkConfig, sender_id: Option<String>) -> Self {
        Self { client: Client::new(config), sender_id }
    }
}

#[async_trait]
impl TextSender for SnsTexts {
    async fn send_text(&self, to: &PhoneNumber, text: &str) -> Result<(), SendError> {
        let mut call = self.client.publish().phone_number(to.expose()).message(text);
        // AWS delivers transactional texts with priority, over the most reliable route.
        call = call.message_attributes("AWS.SNS.SMS.SMSType", attribute("Transactional")?);
        if let Some(sender_id) = &self.sender_id {
            call = call.message_attributes("AWS.SNS.SMS.SenderID", attribute(sender_id)?);
        }
        call.send().await.map(|_| ()).map_err(|error| send_error(&error, &FINAL))
    }
}

fn attribute(value: &str) -> Result<MessageAttributeValue, SendError> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    attribute.map_err(|_| SendError::Refused(said("an attribute could not be built").into()))
}
