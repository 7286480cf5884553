//! The views of `/security-info`.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

pub use super::super::paths::{CALLBACK, CHANGE_PASSWORD, CONFIRM, HOME, START, VERIFY};
use super::parts::{Captcha, PasskeyOptions};
use crate::domain::account::Offer;
use crate::domain::audit::recent::RecentEvent;
use crate::domain::mail_failure::MailFailure;
use crate::domain::method::Method;
use crate::domain::passkey::CreationOptions;
use crate::domain::security_info::Kind;

/// The page that asks for login and password, or leads to the identity provider.
#[derive(Clone, Default, Serialize)]
pub struct SignIn {
    /// The typed login, so that an error does not clear it.
    #[serde(skip)]
    pub login: String,
    /// The address to return to, from the allow-list.
    #[serde(skip)]
    pub back: Option<String>,
    /// The CAPTCHA, where one is required. In the contract it is part of the problem.
    #[serde(skip)]
    pub captcha: Option<Captcha>,
    /// The address that begins a sign-in with the identity provider. The page then asks for no password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Whether the person wants to change the password.
    #[serde(skip)]
    pub changes_password: bool,
}

/// The page before the choice of a new password, after the step-up.
#[derive(Clone, Serialize)]
pub struct ChangePassword {
    /// Whether a factor was verified besides the password. Without one the person must enrol a method first.
    pub ready: bool,
}

/// The page of a person who comes back from the identity provider. Its browser loads the next page by itself: a redirect
/// would belong to the provider's site, and come without the new session's cookie.
#[derive(Clone, Serialize)]
pub struct SignedIn {
    /// The path of the next page.
    pub next: &'static str,
}

/// The page that asks for a step-up.
#[derive(Clone, Serialize)]
pub struct SecondStep {
    /// The offered methods with their masks.
    pub methods: Vec<Offer>,
    /// The last sent code, if one is awaited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<SentCode>,
    /// The options for the browser's credentials API, where a passkey is offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<PasskeyOptions>,
    /// The number for the authenticator app, while a request is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The method whose panel is open.
    #[serde(skip)]
    pub selected: Option<Method>,
    /// Whether it is a further step-up: to waive a waiting period, or because the last verification is too
    /// old.
    #[serde(skip)]
    pub again: bool,
}

/// A sent code that is awaited.
#[derive(Clone, Serialize)]
pub struct SentCode {
    /// The method that sent it.
    pub method: Method,
    /// The mask of the contact that received it.
    pub masked: String,
    /// The length of the code.
    pub digits: u8,
    /// The end of its validity (RFC 3339).
    pub expires_at: String,
    /// The time from which another can be sent (RFC 3339).
    pub resend_at: String,
    /// The remaining attempts.
    #[serde(rename = "tries_left")]
    pub attempts_left: u8,
    /// Seconds until `resend_at`.
    #[serde(skip)]
    pub resend_in: u32,
    /// The validity in whole minutes, which the page names.
    #[serde(skip)]
    pub minutes: u32,
}

/// The list of enrolled entries.
#[derive(Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "three are answers of the contract, one is a button")]
pub struct SecurityInfo {
    /// All entries, in the order of the kinds.
    pub methods: Vec<EntryView>,
    /// Whether the account has as many factors as a reset needs, active or waiting.
    pub registered: bool,
    /// Whether the person could reset their password now, with the active factors.
    pub capable: bool,
    /// Whether the person should confirm the list.
    pub due: bool,
    /// Whether the browser is a known device.
    pub known_device: bool,
    /// The last events of the account, the newest first.
    pub recent_events: Vec<RecentView>,
    /// Whether the session may make it one.
    #[serde(skip)]
    pub may_remember: bool,
    /// The kinds that can be added, and whether each replaces an entry.
    #[serde(skip)]
    pub kinds: Vec<(Kind, bool)>,
    /// The number of factors that a reset needs.
    #[serde(skip)]
    pub needed: u8,
    /// The number of factors that the account has.
    #[serde(skip)]
    pub factors: usize,
    /// Whether the waiting period of an entry from this session can be waived.
    #[serde(skip)]
    pub may_lift: bool,
    /// The kind whose panel is open.
    #[serde(skip)]
    pub selected: Option<Kind>,
    /// Whether a new mobile number may get its code by a call.
    #[serde(skip)]
    pub mobile_is_called: bool,
    /// The typed value, so that an error does not clear it.
    #[serde(skip)]
    pub value: String,
    /// The address of the portal, with its state.
    #[serde(skip)]
    pub back: Option<String>,
}

impl SecurityInfo {
    /// Returns whether the form of this kind stands beside its entry, which it replaces.
    pub(crate) fn is_beside(&self, kind: Kind, entry: &EntryView) -> bool {
        entry.kind == kind && self.kinds.contains(&(kind, true))
    }
}

/// An event of the account.
#[derive(Clone, Serialize)]
pub struct RecentView {
    /// The time (RFC 3339).
    pub at: String,
    /// Selects the text.
    pub event: &'static str,
    /// The network that it came from; empty for an act of the help desk.
    pub network: String,
    /// The browser and its system; empty for an unknown one.
    pub client: String,
}

impl From<&RecentEvent> for RecentView {
    fn from(event: &RecentEvent) -> Self {
        let (network, client) = (event.network.clone(), event.client.clone());
        Self { at: event.at.to_string(), event: event.kind.as_str(), network, client }
    }
}

impl RecentView {
    /// Returns where the event came from, as the page shows it.
    pub(crate) fn origin(&self) -> String {
        let parts = [self.network.as_str(), self.client.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

/// Mail that did not arrive.
#[derive(Clone, Serialize)]
pub struct MailFailureView {
    /// Selects the text: `bounced` or `complained`.
    pub kind: &'static str,
    /// The time (RFC 3339).
    pub at: String,
}

impl From<MailFailure> for MailFailureView {
    fn from(failure: MailFailure) -> Self {
        Self { kind: failure.kind.as_str(), at: failure.at.to_string() }
    }
}

/// One entry of the list.
#[derive(Clone, Serialize)]
pub struct EntryView {
    /// The id for removing it.
    pub id: String,
    /// Selects the entry's title.
    pub kind: Kind,
    /// The mask of a contact, the name of a device or passkey, or the number of unused codes.
    pub masked: String,
    /// The time of its enrolment (RFC 3339).
    pub added_at: String,
    /// The time of its last verification (RFC 3339).
    pub last_used_at: Option<String>,
    /// Active in resets from this time on (RFC 3339).
    pub usable_from: String,
    /// The mask of the active contact that this one will replace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<String>,
    /// Mail to it failed, and no code to it has come back since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_failure: Option<MailFailureView>,
    /// Whether it is active already.
    #[serde(skip)]
    pub counts: bool,
    /// The whole contact, where the person is asked whether it is right.
    #[serde(skip)]
    pub whole: Option<String>,
}

/// The page that asks for the confirmation of a new entry.
#[derive(Clone, Serialize)]
pub struct Confirm {
    /// The id that the entry will have.
    pub id: String,
    /// Selects the instructions of the page.
    pub kind: Kind,
    /// The mask or name of the entry; empty where it has none.
    pub masked: String,
    /// The input that confirms it.
    #[serde(flatten)]
    pub needs: Needs,
    /// The remaining attempts.
    #[serde(rename = "tries_left")]
    pub attempts_left: u8,
    /// The login of the account, for a sheet on paper.
    #[serde(skip)]
    pub login: Option<String>,
    /// The time of the page (RFC 3339), for a sheet on paper.
    #[serde(skip)]
    pub at: String,
}

/// The input that confirms a new entry.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub enum Needs {
    /// A code that was sent to the new contact.
    #[serde(serialize_with = "without_repetition")]
    Code(SentCode),
    /// A code that an app or device generates from a seed.
    Seed {
        /// The seed in base32, for typing.
        secret: String,
        /// The seed as an address for apps (`otpauth://`).
        otpauth: String,
        /// The same address as a QR picture (SVG).
        qr: String,
    },
    /// A device that pairs with the account.
    Authenticator {
        /// The address in the QR picture, with the token.
        pairing: String,
        /// The same address as a QR picture (SVG).
        qr: String,
    },
    /// A passkey: the options for the browser's credentials API.
    Passkey {
        /// `PublicKeyCredentialCreationOptionsJSON`.
        options: Box<CreationOptions>,
    },
    /// A sheet of codes, which the person must store.
    RecoveryCodes {
        /// The codes in groups, shown this once.
        codes: Vec<String>,
    },
}

impl Needs {
    /// Returns whether the page has a field for a code.
    pub(crate) const fn is_code(&self) -> bool {
        matches!(self, Self::Code(_) | Self::Seed { .. } | Self::Authenticator { .. })
    }
}

/// Serializes a sent code without the mask and the remaining attempts, which [`Confirm`] has, too.
fn without_repetition<S: Serializer>(sent: &SentCode, serializer: S) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct("Sent", 4)?;
    fields.serialize_field("method", &sent.method)?;
    fields.serialize_field("digits", &sent.digits)?;
    fields.serialize_field("expires_at", &sent.expires_at)?;
    fields.serialize_field("resend_at", &sent.resend_at)?;
    fields.end()
}

impl std::fmt::Debug for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Needs(..)")
    }
}
