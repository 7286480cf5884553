//! The providers that reach people.

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::contact::{EmailAddress, PhoneNumber};
use crate::domain::language::Language;
use crate::domain::push::Subscription;
use crate::domain::time::{Seconds, Timestamp};

/// A mail, in both forms.
pub struct Mail<'a> {
    /// The subject line.
    pub subject: &'a str,
    /// The plain text.
    pub text: &'a str,
    /// The HTML.
    pub html: &'a str,
}

/// Sends mail.
#[async_trait]
pub trait MailSender: Send + Sync {
    /// Sends a mail.
    ///
    /// # Errors
    /// [`SendError`].
    async fn send_mail(&self, to: &EmailAddress, mail: &Mail<'_>) -> Result<(), SendError>;
}

/// Sends texts.
#[async_trait]
pub trait TextSender: Send + Sync {
    /// Sends a text.
    ///
    /// # Errors
    /// [`SendError`].
    async fn send_text(&self, to: &PhoneNumber, text: &str) -> Result<(), SendError>;
}

/// Calls people.
#[async_trait]
pub trait VoiceSender: Send + Sync {
    /// Calls and speaks SSML in a language.
    ///
    /// # Errors
    /// [`SendError`].
    async fn call(&self, to: &PhoneNumber, ssml: &str, language: Language) -> Result<(), SendError>;
}

/// A push.
#[derive(Clone, Copy, Debug)]
pub struct Push<'a> {
    /// What it says, to be sealed for the device.
    pub payload: &'a [u8],
    /// How long the push service may keep it for a device that is not there.
    pub lifetime: Seconds,
    /// A newer push of a topic takes the place of an older one. At most 32 characters of base64url (RFC 8030 §5.4).
    pub topic: &'a str,
}

/// Pushes to devices.
#[async_trait]
pub trait PushSender: Send + Sync {
    /// Sends a push.
    ///
    /// # Errors
    /// [`SendError`]; refused for a subscription that is gone, too.
    async fn push(&self, to: &Subscription, push: &Push<'_>, now: Timestamp) -> Result<(), SendError>;
}

/// A provider did not take a message. The source is logged, so it must quote neither the recipient nor the message.
#[derive(Debug, Error)]
pub enum SendError {
    /// It may take it later: slow, throttled or gone.
    #[error("the provider is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It will never take it: a bad address, an opted-out number.
    #[error("the provider refused the message")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}
