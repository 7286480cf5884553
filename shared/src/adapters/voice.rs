//! Calls by AWS End User Messaging.

use async_trait::async_trait;
use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::types::{VoiceId, VoiceMessageBodyTextType};
use aws_types::SdkConfig;

use super::sending::send_error;
use crate::domain::contact::PhoneNumber;
use crate::domain::language::Language;
use crate::ports::{SendError, VoiceSender};

/// The codes by which the service says that this number can't be called: malformed, or opted out.
const FINAL: [&str; 2] = ["ConflictException", "ValidationException"];

/// After this many seconds an unplaced call is dropped: nobody waits for a code any longer.
const TIME_TO_LIVE: i32 = 120;

/// End User Messaging as a caller.
#[derive(Clone, Debug)]
pub struct VoiceCalls {
    client: Client,
    origin: Option<String>,
}

impl VoiceCalls {
    /// Calls come from `origin`: a telephone number of the account, its id or ARN, or a pool's. AWS refuses calls
    /// without one.
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

/// Polly speaks English and Mandarin, but neither Malay nor Tamil; there the English voice speaks.
fn voice(language: Language) -> VoiceId {
    match language {
        Language::Chinese => VoiceId::Zhiyu,
        Language::English | Language::Malay | Language::Tamil => VoiceId::Amy,
    }
}
