//! What the queue carries: sealed messages of one length.
//!
//! A message about a decoy goes through the queue like any other, and from outside both look the same. Only
//! `delivery` can open them, and there the decoy's is dropped.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::account::{AccountId, Contact};
use super::code::OneTimeCode;
use super::contact::{EmailAddress, PhoneNumber};
use super::event::Event;
use super::flow::Outcome;
use super::holder::HolderId;
use super::keys::{Keyring, SealError};
use super::language::Language;
use super::method::Method;
use super::time::Timestamp;

/// Every message is padded to this many bytes before it is sealed.
const LENGTH: usize = 768;
/// The purpose under which messages are sealed.
const PURPOSE: &str = "rekey/message";

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A mail.
    Email,
    /// A text.
    Sms,
    /// A call.
    Voice,
}

/// Where one message goes. Printed as a mask.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// A mailbox.
    Email(EmailAddress),
    /// A telephone that is texted.
    Sms(PhoneNumber),
    /// A telephone that is called.
    Voice(PhoneNumber),
}

impl Recipient {
    /// Where a code by `method` goes, if `contact` is of the method's kind.
    pub fn of_code(method: Method, contact: Contact<'_>) -> Option<Self> {
        match (method, contact) {
            (Method::Email, Contact::Email(address)) => Some(Self::Email(address.clone())),
            (Method::Sms, Contact::Phone(number)) => Some(Self::Sms(number.clone())),
            (Method::MobileCall | Method::OfficeCall, Contact::Phone(number)) => {
                Some(Self::Voice(number.clone()))
            }
            _ => None,
        }
    }

    /// Whether both reach the same mailbox or telephone.
    pub fn is_same_contact(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Email(one), Self::Email(other)) => one == other,
            (Self::Sms(one) | Self::Voice(one), Self::Sms(other) | Self::Voice(other)) => one == other,
            _ => false,
        }
    }

    /// How it travels.
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Sms(_) => Channel::Sms,
            Self::Voice(_) => Channel::Voice,
        }
    }
}

/// What a code is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Getting back into an account.
    #[default]
    Reset,
    /// To prove a contact before it counts.
    SecurityInfo,
    /// To show who one is on the page where one registers, after the password was right: whoever did not ask for it has to
    /// hear that somebody knows it.
    SecondStep,
}

/// A code on its way to its owner.
#[derive(Clone, Debug)]
pub struct CodeMessage {
    /// Where it goes.
    pub to: Recipient,
    /// What it is for.
    pub purpose: Purpose,
    /// The code.
    pub code: OneTimeCode,
    /// The language of the text.
    pub language: Language,
    /// After this moment it is of no use and is not sent any more.
    pub expires_at: Timestamp,
    /// How long it is good for, in whole minutes, as the text says it.
    pub minutes: u32,
}

/// Word to a contact that the password was changed or the account unlocked.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Where it goes.
    pub to: Recipient,
    /// What happened.
    pub event: Event,
    /// When.
    pub at: Timestamp,
    /// How the person proved who they are.
    pub methods: Vec<Method>,
    /// The language of the text.
    pub language: Language,
}

/// A look, some time after a claim, at whether the change it was for was made, finished and told. It carries all that
/// the notices need: by then the flow may be cancelled or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconcileChange {
    /// The flow that claimed.
    pub flow: HolderId,
    /// Whose account.
    pub account: AccountId,
    /// The generation that the claim made.
    pub generation: u64,
    /// What it was for.
    pub outcome: Outcome,
    /// How the person proved who they are.
    pub methods: Vec<Method>,
    /// The language of the notices.
    pub language: Language,
}

/// A request to the devices of an account. It names no number: that is on the page of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Whose devices.
    pub account: AccountId,
    /// After this moment it is of no use and is not sent any more.
    pub expires_at: Timestamp,
}

/// A request that its account's owner refused: everybody is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose account.
    pub account: AccountId,
    /// When.
    pub at: Timestamp,
    /// The language of the notices.
    pub language: Language,
}

/// Anything that the queue carries.
#[derive(Clone, Debug)]
pub enum Message {
    /// A code.
    Code(CodeMessage),
    /// A code for nobody: dropped once it is opened.
    Decoy,
    /// A notice.
    Notice(Notice),
    /// A look whether a change was finished.
    Reconcile(ReconcileChange),
    /// A request to devices.
    Push(Push),
    /// A request was refused: notices are to be made.
    Refused(Refused),
}

impl Message {
    /// Seals the message for the queue. `owner` is the flow it belongs to.
    ///
    /// # Errors
    /// [`MessageError`] when it is longer than every message may be.
    pub fn seal(
        &self,
        messages: &Keyring,
        owner: HolderId,
        nonce: [u8; 24],
    ) -> Result<Envelope, MessageError> {
        let wire = Wire::from(self);
        let mut plain = Zeroizing::new(Vec::with_capacity(LENGTH));
        serde_json::to_writer(&mut *plain, &wire).map_err(|_| MessageError)?;
        if plain.len() > LENGTH {
            return Err(MessageError);
        }
        plain.resize(LENGTH, b' ');
        let sealed = messages.seal(PURPOSE, owner.as_bytes(), &plain, nonce)?;
        Ok(Envelope { owner: hex::encode(owner.as_bytes()), sealed })
    }
}

/// A sealed message as it lies in the queue. All have the same length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    owner: String,
    sealed: String,
}

impl Envelope {
    /// Opens the message.
    ///
    /// # Errors
    /// [`MessageError`] when it was not sealed with these keys for this owner, or is of another version.
    pub fn open(&self, messages: &Keyring) -> Result<(HolderId, Message), MessageError> {
        let owner = flow_key(&self.owner)?;
        let plain = messages.open(PURPOSE, owner.as_bytes(), &self.sealed)?;
        let wire: Wire = serde_json::from_slice(&plain).map_err(|_| MessageError)?;
        Ok((owner, Message::try_from(wire)?))
    }
}

/// A message that can't be sealed or opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the message can't be read")]
pub struct MessageError;

impl From<SealError> for MessageError {
    fn from(_: SealError) -> Self {
        Self
    }
}

/// The sealed form. It is the one place where a code and a whole contact are written out, and never leaves this
/// module unsealed.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Wire {
    Code {
        channel: Channel,
        to: Wiped,
        purpose: Purpose,
        code: Wiped,
        language: Language,
        expires_at: Timestamp,
        minutes: u32,
    },
    Decoy,
    Notice {
        channel: Channel,
        to: Wiped,
        event: Event,
        at: Timestamp,
        methods: Vec<Method>,
        language: Language,
    },
    Settle {
        flow: String,
        account: AccountId,
        generation: u64,
        outcome: Outcome,
        methods: Vec<Method>,
        language: Language,
    },
    Push {
        account: AccountId,
        expires_at: Timestamp,
    },
    Refused {
        account: AccountId,
        at: Timestamp,
        language: Language,
    },
}

/// A text that is wiped when it is dropped.
#[derive(Serialize, Deserialize, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
#[serde(transparent)]
struct Wiped(String);

impl From<&Message> for Wire {
    fn from(message: &Message) -> Self {
        match message {
            Message::Code(code) => Self::Code {
                channel: code.to.channel(),
                to: address(&code.to),
                purpose: code.purpose,
                code: Wiped(code.code.expose().to_owned()),
                language: code.language,
                expires_at: code.expires_at,
                minutes: code.minutes,
            },
            Message::Decoy => Self::Decoy,
            Message::Notice(notice) => Self::Notice {
                channel: notice.to.channel(),
                to: address(&notice.to),
                event: notice.event,
                at: notice.at,
                methods: notice.methods.clone(),
                language: notice.language,
            },
            Message::Reconcile(settle) => Self::Settle {
                flow: hex::encode(settle.flow.as_bytes()),
                account: settle.account.clone(),
                generation: settle.generation,
                outcome: settle.outcome,
                methods: settle.methods.clone(),
                language: settle.language,
            },
            Message::Push(push) => Self::Push { account: push.account.clone(), expires_at: push.expires_at },
            Message::Refused(refused) => {
                Self::Refused { account: refused.account.clone(), at: refused.at, language: refused.language }
            }
        }
    }
}

impl TryFrom<Wire> for Message {
    type Error = MessageError;

    fn try_from(wire: Wire) -> Result<Self, MessageError> {
        Ok(match wire {
            Wire::Code { channel, to, purpose, code, language, expires_at, minutes } => {
                Self::Code(CodeMessage {
                    to: recipient(channel, &to),
                    purpose,
                    code: OneTimeCode::parse(&code.0).map_err(|_| MessageError)?,
                    language,
                    expires_at,
                    minutes,
                })
            }
            Wire::Decoy => Self::Decoy,
            Wire::Notice { channel, to, event, at, methods, language } => {
                Self::Notice(Notice { to: recipient(channel, &to), event, at, methods, language })
            }
            Wire::Settle { flow, account, generation, outcome, methods, language } => {
                Self::Reconcile(ReconcileChange {
                    flow: flow_key(&flow)?,
                    account,
                    generation,
                    outcome,
                    methods,
                    language,
                })
            }
            Wire::Push { account, expires_at } => Self::Push(Push { account, expires_at }),
            Wire::Refused { account, at, language } => Self::Refused(Refused { account, at, language }),
        })
    }
}

fn address(to: &Recipient) -> Wiped {
    Wiped(match to {
        Recipient::Email(address) => address.expose().to_owned(),
        Recipient::Sms(number) | Recipient::Voice(number) => number.expose().to_owned(),
    })
}

fn recipient(channel: Channel, to: &Wiped) -> Recipient {
    match channel {
        Channel::Email => Recipient::Email(EmailAddress::from_stored(to.0.clone())),
        Channel::Sms => Recipient::Sms(PhoneNumber::from_stored(to.0.clone())),
        Channel::Voice => Recipient::Voice(PhoneNumber::from_stored(to.0.clone())),
    }
}

fn flow_key(text: &str) -> Result<HolderId, MessageError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| MessageError)?;
    Ok(HolderId::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::security_info::Kind;

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn owner() -> HolderId {
        HolderId::from_bytes([3; 32])
    }

    fn code() -> Message {
        Message::Code(CodeMessage {
            to: Recipient::Sms(PhoneNumber::from_stored("+60123456798".into())),
            purpose: Purpose::Reset,
            code: OneTimeCode::parse("12345678").unwrap(),
            language: Language::Malay,
            expires_at: Timestamp::from_seconds(1_790_000_000),
            minutes: 10,
        })
    }

    #[test]
    fn decoy_message_has_same_length_as_others() {
        let length = |message: &Message| {
            serde_json::to_string(&message.seal(&keys(), owner(), [1; 24]).unwrap()).unwrap().len()
        };
        let notice = Message::Notice(Notice {
            to: Recipient::Email(EmailAddress::from_stored("a".repeat(254))),
            event: Event::Added(Kind::AlternateEmail),
            at: Timestamp::from_seconds(1_790_000_000),
            methods: Method::ALL.to_vec(),
            language: Language::Chinese,
        });
        assert_eq!(length(&code()), length(&Message::Decoy));
        assert_eq!(length(&notice), length(&Message::Decoy));
    }

    #[test]
    fn envelope_opens_for_its_owner_only() {
        let envelope = code().seal(&keys(), owner(), [1; 24]).unwrap();
        let (flow, message) = envelope.open(&keys()).unwrap();
        assert_eq!(flow, owner());
        let Message::Code(read) = message else { panic!("a code was sealed") };
        assert_eq!(read.code.expose(), "12345678");
        let swapped = Envelope { owner: hex::encode([4; 32]), ..envelope };
        assert!(swapped.open(&keys()).is_err());
    }

    #[test]
    fn envelope_and_debug_hide_code_and_contact() {
        let stored = serde_json::to_string(&code().seal(&keys(), owner(), [1; 24]).unwrap()).unwrap();
        for text in [stored, format!("{:?}", code())] {
            assert!(!text.contains("12345678") && !text.contains("0123456798"), "{text}");
        }
    }
}
