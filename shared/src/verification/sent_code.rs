//! Sent codes: by mail, text or call.

use super::holder::{Holder, Mismatch, Refusal, VerificationError, Verified};
use crate::domain::account::Contact;
use crate::domain::approval::{RequestId, Requester};
use crate::domain::challenge::Challenge;
use crate::domain::code::OneTimeCode;
use crate::domain::cookie::{HolderCookie, HolderKind};
use crate::domain::keys::{Keyring, Tag};
use crate::domain::language::Language;
use crate::domain::message::{CodeMessage, Message, Purpose, Recipient, Requested, SmsShare};
use crate::domain::method::Method;
use crate::domain::session::CODE_ATTEMPTS;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{Entropy, EntropyExt as _};

/// The parameters of a new code.
pub struct NewCode<'a> {
    /// Selects the channel.
    pub method: Method,
    /// A contact of the method's kind.
    pub contact: Contact<'a>,
    /// Selects the text of the message.
    pub purpose: Purpose,
    /// The share of the day's texts and calls.
    pub share: SmsShare,
    /// The login of the account, where the contact is a confirmed one.
    pub login: Option<&'a str>,
    /// Where the request comes from, where the contact is a confirmed one.
    pub requester: Option<Requester>,
    /// The language of the text.
    pub language: Language,
    /// The number of digits (`REKEY_CODE_DIGITS`).
    pub digits: u8,
    /// The validity, which the text names in minutes.
    pub lifetime: Seconds,
    /// Whether it belongs to a decoy. Then no code has its tag, and the message is dropped on delivery.
    pub decoy: bool,
}

impl NewCode<'_> {
    /// Creates a code: the challenge for its holder, and the message with the code.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when the contact is of another kind than the method's.
    pub fn ask(
        &self,
        flows: &Keyring,
        entropy: &dyn Entropy,
        cookie: &HolderCookie,
        now: Timestamp,
    ) -> Result<(Challenge, Message), Refusal> {
        let code = OneTimeCode::generate(self.digits, entropy.bytes());
        let request = RequestId::from_bytes(entropy.bytes());
        let decoy_tag = Tag::from_bytes(entropy.bytes());
        let tag = tag(flows, cookie, request, &code).ok_or(VerificationError::KeyLost)?;
        let tag = if self.decoy { decoy_tag } else { tag };
        let challenge = Challenge::new(self.method, request, Some(tag), now, self.lifetime);
        let to = Recipient::for_code(self.method, self.contact).ok_or(Refusal::Unavailable)?;
        let message = if self.decoy {
            Message::Decoy
        } else {
            Message::Code(CodeMessage {
                to,
                purpose: self.purpose,
                share: self.share,
                code,
                language: self.language,
                expires_at: challenge.expires_at,
                minutes: self.lifetime.whole_minutes(),
                login: self.login.map(str::to_owned),
                requested: self.requester.clone().map(|from| Requested { at: now, from }),
            })
        };
        Ok((challenge, message))
    }
}

/// Checks a sent code of a session. A flow's is checked by one write without a read
/// ([`FlowStore::attempt_code`](crate::ports::FlowStore::attempt_code)).
pub(super) async fn check(
    flows: &Keyring,
    holder: &mut dyn Holder,
    method: Method,
    code: &OneTimeCode,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    let challenge = holder.challenge(method, now).ok_or(Refusal::Spent)?;
    holder.spend(method, now).await?;
    if !challenge.is_open(CODE_ATTEMPTS, now) {
        return Err(Refusal::Spent);
    }
    if !is_answered(flows, holder.cookie(), &challenge, code) {
        return Err(Refusal::Wrong(Mismatch::Code));
    }
    let young = holder.offer(method).is_none_or(|offer| offer.young);
    Verified::by(method, young, flows, holder.cookie(), code.expose().as_bytes())
}

/// Returns whether `code` is the awaited code of a challenge.
pub fn is_answered(
    flows: &Keyring,
    cookie: &HolderCookie,
    challenge: &Challenge,
    code: &OneTimeCode,
) -> bool {
    let tag = tag(flows, cookie, challenge.request, code);
    tag.is_some() && tag == challenge.code
}

fn tag(flows: &Keyring, cookie: &HolderCookie, request: RequestId, code: &OneTimeCode) -> Option<Tag> {
    let request = (cookie.kind() == HolderKind::Session).then_some(request);
    cookie.code_tag(flows, request, code)
}
