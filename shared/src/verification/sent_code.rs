//! Codes that are sent: by mail, text or call.

use crate::domain::account::Contact;
use crate::domain::code::OneTimeCode;
use crate::domain::language::Language;
use crate::domain::message::{CodeMessage, Message, Purpose, Recipient};
use crate::domain::method::Method;
use crate::domain::time::{Seconds, Timestamp};

/// A code on its way.
pub struct NewCode<'a> {
    /// The code.
    pub code: &'a OneTimeCode,
    /// How it goes.
    pub method: Method,
    /// Where it goes.
    pub contact: Contact<'a>,
    /// What it is for.
    pub purpose: Purpose,
    /// The language of its message.
    pub language: Language,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl NewCode<'_> {
    /// The message that brings it; `None` when the contact is none of the method's kind.
    pub fn message(&self, now: Timestamp) -> Option<Message> {
        Some(Message::Code(CodeMessage {
            to: Recipient::of_code(self.method, self.contact)?,
            purpose: self.purpose,
            code: self.code.clone(),
            language: self.language,
            expires_at: self.expires_at,
            minutes: Seconds(self.expires_at.seconds_after(now)).whole_minutes(),
        }))
    }
}
