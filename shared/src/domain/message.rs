//! Messages in the queue: sealed and all of one length.
//!
//! A decoy's message passes through the queue like any other and looks the same from outside. Only `delivery`
//! can open messages, and it drops the decoy's.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::account::{AccountId, Contact};
use super::approval::Requester;
use super::code::OneTimeCode;
use super::contact::{EmailAddress, PhoneNumber};
use super::event::{Change, Event};
use super::flow::Outcome;
use super::holder::HolderId;
use super::keys::{Keyring, SealError};
use super::language::Language;
use super::method::Method;
use super::time::Timestamp;

/// Each message is padded to this many bytes before it is sealed, so that its length reveals nothing. The longest
/// is a notification of [`FURTHER_CHANGES`] + 1 changes.
const LENGTH: usize = 1_024;
/// The changes that a notification can report after its first one.
pub const FURTHER_CHANGES: usize = 9;
/// The purpose in the key derivation of the message key.
const PURPOSE: &str = "rekey/message";

/// How a code or notification is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Mail, through SES.
    Email,
    /// A text message to a phone.
    Sms,
    /// A call that speaks the text.
    Voice,
}

/// The contact that a message goes to. `Debug` prints its mask.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// Receives mail.
    Email(EmailAddress),
    /// Receives a text.
    Sms(PhoneNumber),
    /// Receives a call.
    Voice(PhoneNumber),
}

impl Recipient {
    /// Returns the recipient of a code by `method`, or `None` if `contact` is of another kind.
    pub fn for_code(method: Method, contact: Contact<'_>) -> Option<Self> {
        match (method, contact) {
            (Method::Email, Contact::Email(address)) => Some(Self::Email(address.clone())),
            (Method::Sms, Contact::Phone(number)) => Some(Self::Sms(number.clone())),
            (Method::MobileCall | Method::OfficeCall, Contact::Phone(number)) => {
                Some(Self::Voice(number.clone()))
            }
            _ => None,
        }
    }

    /// Returns whether both are the same mailbox or telephone, over whatever channel.
    pub fn is_same_contact(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Email(one), Self::Email(other)) => one == other,
            (Self::Sms(one) | Self::Voice(one), Self::Sms(other) | Self::Voice(other)) => one == other,
            _ => false,
        }
    }

    /// Returns the channel of the message.
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Sms(_) => Channel::Sms,
            Self::Voice(_) => Channel::Voice,
        }
    }
}

/// The purpose of a code; it selects the text of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A password reset or an unlock.
    #[default]
    Reset,
    /// Verifies a contact before it becomes active.
    SecurityInfo,
    /// The second step of a sign-in to `/security-info`. The text warns that another person may know the password.
    SecondStep,
    /// Checks the caller of the help desk, who reads it out.
    HelpDesk,
}

/// The share of the day's texts and calls that a code counts in. No share alone uses up the day: a flood of one
/// leaves something for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmsShare {
    /// The first step of a reset that nothing vouches for: any stranger who knows a login and the number can ask
    /// for it.
    FirstStep,
    /// A number that is being enrolled: anybody with an account can type any number.
    Enrolment,
    /// All others: second steps, known devices, and numbers that redeemed a code lately. A message of an earlier
    /// version, which names no share, counts here.
    #[default]
    Rest,
}

impl SmsShare {
    /// Returns the share of a code for a step of a reset.
    pub const fn of_reset(step: u8, known_device: bool, redeemed_lately: bool) -> Self {
        if step <= 1 && !known_device && !redeemed_lately { Self::FirstStep } else { Self::Rest }
    }

    /// Returns the most texts and calls of this share, of `per_day` for all of them: 30 % for first steps of
    /// strangers, 60 % for enrolment. So at least 10 % are left for the rest, which has no limit of its own.
    pub const fn most(self, per_day: u64) -> u64 {
        let percent = match self {
            Self::FirstStep => 30,
            Self::Enrolment => 60,
            Self::Rest => 100,
        };
        per_day.saturating_mul(percent) / 100
    }

    /// Returns the name of its counter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstStep => "first-step",
            Self::Enrolment => "enrolment",
            Self::Rest => "rest",
        }
    }
}

/// When and where from a code was asked for, so that a person recognises their own request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// The time of the request.
    pub at: Timestamp,
    /// Its network and browser.
    pub from: Requester,
}

/// A code for a person's contact.
#[derive(Clone, Debug)]
pub struct CodeMessage {
    /// A contact from the registration, or the one being enrolled.
    pub to: Recipient,
    /// Selects the text of the message.
    pub purpose: Purpose,
    /// The share of the day's texts and calls; of no effect for a mail.
    pub share: SmsShare,
    /// The code in clear; sealed with the message.
    pub code: OneTimeCode,
    /// The language of the text, as the person chose it on the page.
    pub language: Language,
    /// `delivery` drops the message after this time.
    pub expires_at: Timestamp,
    /// The validity in whole minutes, as the text names it.
    pub minutes: u32,
    /// The login of the account, which mails to a confirmed contact name. A code for a new contact names none.
    pub login: Option<String>,
    /// The request, which mails to a confirmed contact name.
    pub requested: Option<Requested>,
}

/// A notification to a contact about a change of the account.
#[derive(Clone, Debug)]
pub struct Notice {
    /// A contact of the account, also one that verified nothing.
    pub to: Recipient,
    /// The change; it selects the text.
    pub event: Event,
    /// The time of the change, which the text names; of an expiry, the time ahead.
    pub at: Timestamp,
    /// Later changes of the same session that are reported with it, at most [`FURTHER_CHANGES`], in order.
    pub further: Vec<Change>,
    /// The methods that verified the person, which the text names.
    pub methods: Vec<Method>,
    /// The language of the text.
    pub language: Language,
    /// The login of the account, which mails name.
    pub login: Option<String>,
}

impl Notice {
    /// Returns all changes that it reports, in order.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        [Change { event: self.event, at: self.at }].into_iter().chain(self.further.iter().copied())
    }
}

/// Checks, some time after a lease, whether its change was made, finished and notified. It carries all data
/// for the notifications: by then the flow may be cancelled or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconcileChange {
    /// The flow that acquired the lease.
    pub flow: HolderId,
    /// The account that the lease is for.
    pub account: AccountId,
    /// The generation of the account that the lease created.
    pub generation: u64,
    /// The change that the lease was acquired for.
    pub outcome: Outcome,
    /// The methods that verified the person.
    pub methods: Vec<Method>,
    /// The language of the notifications.
    pub language: Language,
}

/// A push to the devices of an account. It does not contain the number, which only the page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalPush {
    /// The account whose active devices receive the push.
    pub account: AccountId,
    /// `delivery` drops the push after this time.
    pub expires_at: Timestamp,
}

/// A request that the account's owner denied: all contacts are notified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalDenied {
    /// The account whose contacts are notified.
    pub account: AccountId,
    /// The time of the denial, which the text names.
    pub at: Timestamp,
    /// The language of the notifications.
    pub language: Language,
}

/// All messages that the queue carries.
#[derive(Clone, Debug)]
pub enum Message {
    /// Sent to one contact.
    Code(CodeMessage),
    /// A decoy's code: dropped once it is opened.
    Decoy,
    /// Sent to one contact.
    Notice(Notice),
    /// Sent to no contact: `delivery` reconciles a change.
    Reconcile(ReconcileChange),
    /// Sent to each active device of the account.
    Push(ApprovalPush),
    /// `delivery` expands it into one notice per contact.
    ApprovalDenied(ApprovalDenied),
    /// The session that holds the message has changes whose notification was put off. `delivery` reads them, and
    /// expands them into one notice per contact.
    SessionChanges,
}

impl Message {
    /// Seals the message for the queue. `owner` is its flow or session, as associated data.
    ///
    /// # Errors
    /// [`MessageError`] when it is longer than the padded length.
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

/// A sealed message in the queue. All have the same length.
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
        let owner = parse_holder_id(&self.owner)?;
        let plain = messages.open(PURPOSE, owner.as_bytes(), &self.sealed)?;
        let wire: Wire = serde_json::from_slice(&plain).map_err(|_| MessageError)?;
        Ok((owner, Message::try_from(wire)?))
    }
}

/// The message can't be sealed or opened. The cause is not exposed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the message can't be read")]
pub struct MessageError;

impl From<SealError> for MessageError {
    fn from(_: SealError) -> Self {
        Self
    }
}

/// The form that is sealed. Only here are a code and a whole contact written out, and they never leave the domain
/// unsealed.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Wire {
    Code {
        channel: Channel,
        to: Wiped,
        purpose: Purpose,
        #[serde(default)]
        share: SmsShare,
        code: Wiped,
        language: Language,
        expires_at: Timestamp,
        minutes: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        login: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested: Option<Requested>,
    },
    Decoy,
    Notice {
        channel: Channel,
        to: Wiped,
        event: Event,
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        further: Vec<(Event, Timestamp)>,
        methods: Vec<Method>,
        language: Language,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        login: Option<String>,
    },
    #[serde(rename = "settle")]
    Reconcile {
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
    SessionChanges,
}

/// A contact as it is sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct WrittenContact {
    channel: Channel,
    to: Wiped,
}

impl From<&Recipient> for WrittenContact {
    fn from(to: &Recipient) -> Self {
        Self { channel: to.channel(), to: address(to) }
    }
}

impl From<WrittenContact> for Recipient {
    fn from(written: WrittenContact) -> Self {
        recipient(written.channel, &written.to)
    }
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
                share: code.share,
                code: Wiped(code.code.expose().to_owned()),
                language: code.language,
                expires_at: code.expires_at,
                minutes: code.minutes,
                login: code.login.clone(),
                requested: code.requested.clone(),
            },
            Message::Decoy => Self::Decoy,
            Message::Notice(notice) => Self::Notice {
                channel: notice.to.channel(),
                to: address(&notice.to),
                event: notice.event,
                at: notice.at,
                further: notice.further.iter().map(|change| (change.event, change.at)).collect(),
                methods: notice.methods.clone(),
                language: notice.language,
                login: notice.login.clone(),
            },
            Message::Reconcile(change) => Self::Reconcile {
                flow: hex::encode(change.flow.as_bytes()),
                account: change.account.clone(),
                generation: change.generation,
                outcome: change.outcome,
                methods: change.methods.clone(),
                language: change.language,
            },
            Message::Push(push) => Self::Push { account: push.account.clone(), expires_at: push.expires_at },
            Message::ApprovalDenied(refused) => {
                Self::Refused { account: refused.account.clone(), at: refused.at, language: refused.language }
            }
            Message::SessionChanges => Self::SessionChanges,
        }
    }
}

impl TryFrom<Wire> for Message {
    type Error = MessageError;

    fn try_from(wire: Wire) -> Result<Self, MessageError> {
        Ok(match wire {
            Wire::Code {
                channel,
                to,
                purpose,
                share,
                code,
                language,
                expires_at,
                minutes,
                login,
                requested,
            } => Self::Code(CodeMessage {
                to: recipient(channel, &to),
                purpose,
                share,
                code: OneTimeCode::parse(&code.0).map_err(|_| MessageError)?,
                language,
                expires_at,
                minutes,
                login,
                requested,
            }),
            Wire::Decoy => Self::Decoy,
            Wire::Notice { channel, to, event, at, further, methods, language, login } => {
                let further = further.into_iter().map(|(event, at)| Change { event, at }).collect();
                Self::Notice(Notice {
                    to: recipient(channel, &to),
                    event,
                    at,
                    further,
                    methods,
                    language,
                    login,
                })
            }
            Wire::Reconcile { flow, account, generation, outcome, methods, language } => {
                Self::Reconcile(ReconcileChange {
                    flow: parse_holder_id(&flow)?,
                    account,
                    generation,
                    outcome,
                    methods,
                    language,
                })
            }
            Wire::Push { account, expires_at } => Self::Push(ApprovalPush { account, expires_at }),
            Wire::Refused { account, at, language } => {
                Self::ApprovalDenied(ApprovalDenied { account, at, language })
            }
            Wire::SessionChanges => Self::SessionChanges,
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

fn parse_holder_id(text: &str) -> Result<HolderId, MessageError> {
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
            share: SmsShare::FirstStep,
            code: OneTimeCode::parse("12345678").unwrap(),
            language: Language::Malay,
            expires_at: Timestamp::from_seconds(1_790_000_000),
            minutes: 10,
            login: Some("aisyah".to_owned()),
            requested: None,
        })
    }

    /// Controls: C-132.
    #[test]
    fn only_unvouched_first_steps_use_the_strangers_share() {
        use SmsShare::{Enrolment, FirstStep, Rest};
        assert_eq!(SmsShare::of_reset(1, false, false), FirstStep);
        for (step, known_device, redeemed_lately) in
            [(1, true, false), (1, false, true), (2, false, false), (3, true, true)]
        {
            assert_eq!(SmsShare::of_reset(step, known_device, redeemed_lately), Rest, "step {step}");
        }
        assert_eq!([FirstStep, Enrolment, Rest].map(|share| share.most(1_000)), [300, 600, 1_000]);
        assert_eq!([FirstStep, Enrolment, Rest].map(|share| share.most(9)), [2, 5, 9], "at most the share");
    }

    /// Controls: C-002.
    #[test]
    fn decoy_message_has_same_length_as_others() {
        let length = |message: &Message| {
            serde_json::to_string(&message.seal(&keys(), owner(), [1; 24]).unwrap()).unwrap().len()
        };
        let longest = Change {
            event: Event::Replaced(Kind::AlternateEmail),
            at: Timestamp::from_seconds(1_790_000_000),
        };
        let notice = Message::Notice(Notice {
            to: Recipient::Email(EmailAddress::from_stored("a".repeat(254))),
            event: Event::Replaced(Kind::AlternateEmail),
            at: Timestamp::from_seconds(1_790_000_000),
            further: vec![longest; FURTHER_CHANGES],
            methods: Method::ALL.to_vec(),
            language: Language::Chinese,
            login: Some("a".repeat(64)),
        });
        assert_eq!(length(&code()), length(&Message::Decoy));
        assert_eq!(length(&notice), length(&Message::Decoy));
        assert_eq!(length(&Message::SessionChanges), length(&Message::Decoy));
    }

    /// Messages of earlier versions have no share, no login and no further changes.
    #[test]
    fn messages_of_earlier_versions_are_read() {
        let read = |plain: &str| {
            let sealed = keys().seal(PURPOSE, owner().as_bytes(), plain.as_bytes(), [1; 24]).unwrap();
            Envelope { owner: hex::encode(owner().as_bytes()), sealed }.open(&keys()).unwrap().1
        };
        let code = r#"{"kind":"code","channel":"sms","to":"+60123456798","purpose":"reset","code":"12345678",
            "language":"en","expires_at":1790000000,"minutes":10}"#;
        let Message::Code(code) = read(code) else { panic!("a code was sealed") };
        assert_eq!((code.share, code.login), (SmsShare::Rest, None));
        let notice = r#"{"kind":"notice","channel":"voice","to":"+60327317272","event":{"added":"mobile"},
            "at":1790000000,"methods":["email"],"language":"ms"}"#;
        let Message::Notice(notice) = read(notice) else { panic!("a notice was sealed") };
        assert_eq!((notice.event, notice.further.len()), (Event::Added(Kind::Mobile), 0));
        assert_eq!(notice.login, None);
    }

    /// Controls: C-089.
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

    /// Controls: C-092.
    #[test]
    fn envelope_and_debug_hide_code_and_contact() {
        let stored = serde_json::to_string(&code().seal(&keys(), owner(), [1; 24]).unwrap()).unwrap();
        for text in [stored, format!("{:?}", code())] {
            assert!(!text.contains("12345678") && !text.contains("0123456798"), "{text}");
        }
    }
}
