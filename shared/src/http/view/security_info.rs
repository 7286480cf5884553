//! The views of the page where people register.

use serde::Serialize;

pub use super::super::paths::{CONFIRM, HOME, VERIFY};
use super::parts::{Captcha, PasskeyOptions};
use crate::domain::account::Offer;
use crate::domain::method::Method;
use crate::domain::passkey::CreationOptions;
use crate::domain::security_info::Kind;

/// Sign in to see and change what is registered.
#[derive(Clone, Default, Serialize)]
pub struct SignIn {
    /// What was typed before.
    #[serde(skip)]
    pub login: String,
    /// Where to go back to.
    #[serde(skip)]
    pub back: Option<String>,
    /// The CAPTCHA, where one is asked for. In the contract it is the problem's.
    #[serde(skip)]
    pub captcha: Option<Captcha>,
}

/// Prove more than the password.
#[derive(Clone, Serialize)]
pub struct SecondStep {
    /// What can be chosen.
    pub methods: Vec<Offer>,
    /// The code that was sent last, if one is awaited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
    /// What the browser's credentials API is asked for, where a passkey can be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<PasskeyOptions>,
    /// The number to type into the authenticator app, while it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The method whose panel is open.
    #[serde(skip)]
    pub selected: Option<Method>,
    /// Whether it is asked again, to let a new contact count at once or because the last proof is too old.
    #[serde(skip)]
    pub again: bool,
}

/// A code that is awaited.
#[derive(Clone, Serialize)]
pub struct Sent {
    /// How it was sent.
    pub method: Method,
    /// Where it went.
    pub masked: String,
    /// How many digits it has.
    pub digits: u8,
    /// When it ends (RFC 3339).
    pub expires_at: String,
    /// When another may be asked for (RFC 3339).
    pub resend_at: String,
    /// Wrong answers that are left.
    pub tries_left: u8,
    /// Seconds until `resend_at`.
    #[serde(skip)]
    pub resend_in: u32,
    /// Whole minutes that it is good for.
    #[serde(skip)]
    pub minutes: u32,
}

/// What is registered.
#[derive(Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "three are answers of the contract, one is a button")]
pub struct SecurityInfo {
    /// Every entry.
    pub methods: Vec<EntryView>,
    /// Whether as much is registered as a reset needs.
    pub registered: bool,
    /// Whether the person could reset their password now.
    pub capable: bool,
    /// Whether they should look through it all again.
    pub due: bool,
    /// What can be added, and whether it replaces what is there.
    #[serde(skip)]
    pub kinds: Vec<(Kind, bool)>,
    /// How many factors a reset needs.
    #[serde(skip)]
    pub needed: u8,
    /// How many there are.
    #[serde(skip)]
    pub factors: usize,
    /// Whether something that was added in this session can be made to count at once.
    #[serde(skip)]
    pub may_lift: bool,
    /// The kind whose panel is open.
    #[serde(skip)]
    pub selected: Option<Kind>,
    /// What was typed before.
    #[serde(skip)]
    pub value: String,
    /// The way back to the portal, with the state.
    #[serde(skip)]
    pub back: Option<String>,
}

/// One entry.
#[derive(Clone, Serialize)]
pub struct EntryView {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: Kind,
    /// What may be shown of it.
    pub masked: String,
    /// When it was registered (RFC 3339).
    pub added_at: String,
    /// When it last proved something (RFC 3339).
    pub last_used_at: Option<String>,
    /// From when on it serves in a reset (RFC 3339).
    pub usable_from: String,
    /// The mask of the contact that serves until then, where this one takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<String>,
    /// Whether it does already.
    #[serde(skip)]
    pub counts: bool,
}

/// Prove what is about to be registered.
#[derive(Clone, Serialize)]
pub struct Confirm {
    /// The id that it will have.
    pub id: String,
    /// Its kind.
    pub kind: Kind,
    /// What may be shown of it.
    pub masked: String,
    /// What it is proved with.
    #[serde(flatten)]
    pub needs: Needs,
    /// Wrong answers that are left.
    pub tries_left: u8,
}

/// What something that is about to be registered is proved with.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub enum Needs {
    /// A code that was sent to it.
    Code(Sent),
    /// A code that the app shows.
    Totp {
        /// The secret, base32.
        secret: String,
        /// The same as an address that apps read (`otpauth://`).
        otpauth: String,
        /// The same as a picture: SVG.
        qr: String,
    },
    /// The app, paired.
    Authenticator {
        /// What the app is given: the address behind the picture.
        pairing: String,
        /// The same as a picture: SVG.
        qr: String,
    },
    /// A passkey: what the browser's credentials API is asked to make.
    Passkey {
        /// `PublicKeyCredentialCreationOptionsJSON`.
        options: Box<CreationOptions>,
    },
    /// The sheet, to be kept.
    RecoveryCodes {
        /// The codes.
        codes: Vec<String>,
    },
}

impl std::fmt::Debug for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Needs(..)")
    }
}
