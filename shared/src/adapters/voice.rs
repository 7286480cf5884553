//! Calls over AWS End User Messaging.

use async_trait::async_trait;
use aws_sdk_pinpointsmsvoicev2::Client;
use aws_sdk_pinpointsmsvoicev2::operation::send_voice_message::SendVoiceMessageError;
use aws_sdk_pinpointsmsvoicev2::types::{
    AccessDeniedExceptionReason, ConflictExceptionReason, ServiceQuotaExceededExceptionReason,
    ValidationExceptionReason, VoiceId, VoiceMessageBodyTextType,
};
use aws_types::SdkConfig;

use super::sending::{said, send_error};
use crate::domain::contact::PhoneNumber;
use crate::domain::language::Language;
use crate::ports::{SendError, VoiceSender};

/// The request's member with the number to call, as the service names it in an error.
const DESTINATION: &str = "destinationPhoneNumber";

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
        call.send().await.map(|_| ()).map_err(|error| {
            let reason = error.as_service_error().and_then(reason);
            match (send_error(&error, is_recipients_fault), reason) {
                (SendError::Unavailable(told), Some(reason)) => {
                    SendError::Unavailable(said(format!("{told} {reason}")).into())
                }
                (SendError::Refused(told), Some(reason)) => {
                    SendError::Refused(said(format!("{told} {reason}")).into())
                }
                (error, None) => error,
            }
        })
    }
}

/// Returns whether the number is to blame: it is malformed, or its owner wants no calls. The reason
/// `INVALID_IDENTITY_FOR_DESTINATION_COUNTRY` also names the destination, but means that our origin can't call
/// there. A number that is not verified is one of the sandbox.
fn is_recipients_fault(error: &SendVoiceMessageError) -> bool {
    match error {
        SendVoiceMessageError::ValidationException(invalid) => {
            let is_of_field = matches!(
                invalid.reason(),
                Some(
                    ValidationExceptionReason::FieldValidationFailed
                        | ValidationExceptionReason::InvalidParameter
                )
            );
            is_of_field && invalid.fields().iter().any(|field| field.name().eq_ignore_ascii_case(DESTINATION))
        }
        SendVoiceMessageError::ConflictException(conflict) => {
            conflict.reason() == Some(&ConflictExceptionReason::DestinationPhoneNumberOptedOut)
        }
        _ => false,
    }
}

/// Returns the reason of an error, for the log. It is a constant of the service, such as
/// `INVALID_IDENTITY_FOR_DESTINATION_COUNTRY`.
fn reason(error: &SendVoiceMessageError) -> Option<&str> {
    match error {
        SendVoiceMessageError::AccessDeniedException(denied) => {
            denied.reason().map(AccessDeniedExceptionReason::as_str)
        }
        SendVoiceMessageError::ConflictException(conflict) => {
            conflict.reason().map(ConflictExceptionReason::as_str)
        }
        SendVoiceMessageError::ServiceQuotaExceededException(quota) => {
            quota.reason().map(ServiceQuotaExceededExceptionReason::as_str)
        }
        SendVoiceMessageError::ValidationException(invalid) => {
            invalid.reason().map(ValidationExceptionReason::as_str)
        }
        _ => None,
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
