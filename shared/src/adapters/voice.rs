//! Calls over AWS End User Messaging.

use async_trait::async_trait;
use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::types::{VoiceId, VoiceMessageBodyTextType};
use aws_types::SdkConfig;

use super::sending::send_error;
use crate::domain::contact::PhoneNumber;
use crate::domain::language::Language;
use crate::ports::{SendError, VoiceSender};

/// Codes of the service for a number that can't be called: malformed, or opted out.
const FINAL: [&str; 2] = ["ConflictException", "ValidationException"];

/// After this many seconds an unplaced call is dropped: the person no longer waits for it.
const TIME_TO_LIVE: i32 = 120;

/// Makes calls over AWS End User Messaging.
#[derive(Clone, Debug)]
pub struct VoiceCalls {
    client: Client,
    origin: Option<String>,
}

impl VoiceCalls {
    /// Returns a caller with `origin`: a telephone number of the AWS account, its id or ARN, or a pool's. AWS
    /// rejects calls without one.
    pub fn new(config: &SdkConfig, origin: Option<String>) -> Self {
        Self { client: Client::new(config), origin }
    }
}

#[async_trait]
impl VoiceSender for VoiceCalls {
    async fn call(&self, to: &PhoneNumber, ssml: &str, language: Language) -> Result<(), SendError> {
        let call = self.client.send_voice_message().destination_phone_number(to.expose());
        let call = call.set_origination_identity(self.origin.clone());
        let call = call.message_body(ssml).message_body_text_type(VoiceMessageBodyTextType::Ssml);
        let call = call.voice_id(voice(language)).time_to_live(TIME_TO_LIVE);
        call.send().await.map(|_| ()).map_err(|error| send_error(&error, &FINAL))
    }
}

/// Returns the voice of a language. Polly speaks English and Mandarin, but neither Malay nor Tamil, which get
/// the English voice.
fn voice(language: Language) -> VoiceId {
    match language {
        Language::Chinese => VoiceId::Zhiyu,
        Language::English | Language::Malay | Language::Tamil => VoiceId::Amy,
    }
}
