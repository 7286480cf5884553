//! Texts over SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::ProvideErrorMetadata as _;
use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_types::SdkConfig;

use super::sending::{said, send_error};
use crate::domain::contact::PhoneNumber;
use crate::ports::{SendError, TextSender};

/// Codes of SNS for an invalid parameter. Their message names the parameter.
const INVALID: [&str; 3] = ["InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid"];
/// The code of SNS for a number whose owner wants no texts.
const OPTED_OUT: &str = "OptedOut";

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
        call.send().await.map(|_| ()).map_err(|error| send_error(&error, is_recipients_fault))
    }
}

/// Returns whether the number is to blame: `Invalid parameter: PhoneNumber Reason: … is not valid to publish
/// to`. Other parameters, such as the sender ID, are the deployment's. The message is read and not kept, since
/// it quotes the number.
fn is_recipients_fault(error: &PublishError) -> bool {
    let names_number = || {
        let message = error.message().unwrap_or_default().to_ascii_lowercase();
        message.contains("phonenumber") || message.contains("phone number")
    };
    let code = error.code().unwrap_or_default();
    code == OPTED_OUT || (INVALID.contains(&code) && names_number())
}

fn attribute(value: &str) -> Result<MessageAttributeValue, SendError> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    attribute.map_err(|_| SendError::Unavailable(said("an attribute could not be built").into()))
}
