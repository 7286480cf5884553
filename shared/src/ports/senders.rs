//! The providers that deliver mail, texts, calls and pushes.

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::contact::{EmailAddress, PhoneNumber};
use crate::domain::language::Language;
use crate::domain::push::Subscription;
use crate::domain::time::{Seconds, Timestamp};

/// A mail in plain text and HTML.
pub struct Mail<'a> {
    /// The subject, in the language of the person.
    pub subject: &'a str,
    /// For clients without HTML.
    pub text: &'a str,
    /// The same content as `text`.
    pub html: &'a str,
}

/// Sends mail over one provider.
#[async_trait]
pub trait MailSender: Send + Sync {
    /// Sends a mail.
    ///
    /// # Errors
    /// [`SendError`].
    async fn send_mail(&self, to: &EmailAddress, mail: &Mail<'_>) -> Result<(), SendError>;
}

/// Sends texts over one provider.
#[async_trait]
pub trait TextSender: Send + Sync {
    /// Sends a text.
    ///
    /// # Errors
    /// [`SendError`].
    async fn send_text(&self, to: &PhoneNumber, text: &str) -> Result<(), SendError>;
}

/// Makes calls over one provider.
#[async_trait]
pub trait VoiceSender: Send + Sync {
    /// Calls a number and speaks SSML in a language.
    ///
    /// # Errors
    /// [`SendError`].
    async fn call(&self, to: &PhoneNumber, ssml: &str, language: Language) -> Result<(), SendError>;
}

/// A push message to a device.
#[derive(Clone, Copy, Debug)]
pub struct Push<'a> {
    /// The content, which the sender encrypts for the device.
    pub payload: &'a [u8],
    /// How long the push service may store it for an unreachable device.
    pub lifetime: Seconds,
    /// A newer push of a topic replaces an older one. At most 32 characters of base64url (RFC 8030 §5.4).
    pub topic: &'a str,
}

/// Sends pushes to devices.
#[async_trait]
pub trait PushSender: Send + Sync {
    /// Sends a push.
    ///
    /// # Errors
    /// [`SendError`]; also refused for a subscription that no longer exists.
    async fn push(&self, to: &Subscription, push: &Push<'_>, now: Timestamp) -> Result<(), SendError>;
}

/// A provider did not accept a message. The source is logged, so it must quote neither the recipient nor the
/// message.
#[derive(Debug, Error)]
pub enum SendError {
    /// It may accept it later: it is slow, throttled or unreachable, or the deployment is at fault, such as in
    /// a sandbox.
    #[error("the provider is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It will never accept it for this recipient: an invalid address, an opted-out number.
    #[error("the provider refused the message")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}
