//! Generates requests of the authenticator app, in every state of a pairing and of an approval request.

use proptest::prelude::*;
use proptest::sample::select;
use serde::{Deserialize, Serialize};

use crate::requests::{self, Request, Side};

/// The state of the device that sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    /// It has an unused token.
    Open,
    /// It has used the token; the person hasn't typed its code yet.
    Waiting,
    /// Another device used the token first.
    TokenUsed,
    /// The person has typed its code.
    Confirmed,
    /// The token has expired.
    Ended,
    /// It is enrolled, and a request is waiting.
    RequestPending,
    /// It is enrolled, and no request is waiting.
    Idle,
    Approved,
    Denied,
    /// It is enrolled and in its waiting period.
    WaitingPeriod,
    Removed,
}

impl At {
    const ALL: [Self; 11] = [
        Self::Open,
        Self::Waiting,
        Self::TokenUsed,
        Self::Confirmed,
        Self::Ended,
        Self::RequestPending,
        Self::Idle,
        Self::Approved,
        Self::Denied,
        Self::WaitingPeriod,
        Self::Removed,
    ];

    /// Returns whether the device is being paired.
    pub const fn is_pairing(self) -> bool {
        matches!(self, Self::Open | Self::Waiting | Self::TokenUsed | Self::Confirmed | Self::Ended)
    }

    /// Returns the paths that suit the state.
    const fn fitting(self) -> &'static [&'static str] {
        match self {
            Self::Idle => &["/authenticator/requests", "/authenticator", "/authenticator/sw.js"],
            Self::RequestPending => {
                &["/authenticator/answer", "/authenticator/answer", "/authenticator/requests"]
            }
            _ if self.is_pairing() => &["/authenticator/pair"],
            _ => &["/authenticator/answer", "/authenticator/requests"],
        }
    }
}

const PATHS: [&str; 12] = [
    "/authenticator/requests",
    "/authenticator",
    "/authenticator/manifest.webmanifest",
    "/authenticator/sw.js",
    "/authenticator/pair",
    "/authenticator/answer",
    "/authenticator/",
    "/authenticator/..",
    "/authenticator/%ff",
    "/authenticator/answer/../pair",
    "//authenticator",
    "/Authenticator",
];

const FIELDS: [(&str, &[&str]); 12] = [
    ("pairing", &["{pairing}", "00000000000000000000000000000000", "{pairing} ", "-{pairing}\n", ""]),
    ("public_key", &["{key}", "{other_key}", "BA", "not base64!"]),
    (
        "subscription",
        &[
            "{subscription}",
            "{\"endpoint\":\"https://evil.example/\",\"keys\":{\"p256dh\":\"{key}\",\"auth\":\"AAAAAAAAAAAAAAAAAAAAAA\"}}",
            "{\"endpoint\":\"http://127.0.0.1:+1/\",\"keys\":{\"p256dh\":\"{key}\",\"auth\":\"AAAAAAAAAAAAAAAAAAAAAA\"}}",
            "null",
            "[[[[[[",
        ],
    ),
    ("signature", &["{signature}", "", "AAAA", "{key}"]),
    ("device", &["{device}", "{other_device}", "1.AAAA", "."]),
    ("nonce", &["{nonce}", "{old_nonce}", "{other_nonce}", "1.0.AAAA", "..", ""]),
    ("request", &["{request}", "00000000000000000000000000000000", "{request}0", "denied"]),
    ("number", &["{number}", "{other_number}", " {number}\n", "9", "100", "denied", "１２"]),
    ("number#other", &["{other_number}"]),
    ("denied", &["true", "false", "TRUE", ""]),
    ("account", &["aisyah"]),
    ("at", &["AAAA"]),
];

/// The authenticator app as a target.
pub const SIDE: Side = Side {
    paths: &PATHS,
    got: &[
        "/authenticator",
        "/authenticator/manifest.webmanifest",
        "/authenticator/sw.js",
        "/authenticator/requests",
    ],
    fields: &FIELDS,
    usual,
    bodies: &[
        "{\"device\":\"{device}\",\"nonce\":\"{nonce}\",\"request\":\"{request}\",\"denied\":\"true\",\"signature\":\"{signature}\"}",
        "{\"pairing\":\"{pairing}\",\"public_key\":\"{key}\",\"signature\":\"{signature}\"}",
        "device={device}&device={other_device}",
    ],
    cookies: &[],
    headers: &[
        ("rekey-device", &["{device}", "{other_device}", "1.AAAA", ""]),
        ("rekey-nonce", &["{nonce}", "{old_nonce}", "{other_nonce}", "1.0.AAAA", ""]),
        ("rekey-signature", &["{signature}", "AAAA", "\u{e9}", ""]),
    ],
};

fn usual(path: &str) -> &'static [&'static [&'static str]] {
    match path {
        "/authenticator/pair" => &[
            &["pairing", "public_key", "signature", "subscription"],
            &["pairing", "public_key", "signature", "subscription"],
            &["pairing", "public_key", "signature"],
        ],
        "/authenticator/answer" => &[
            &["device", "nonce", "request", "number", "signature"],
            &["device", "nonce", "request", "number", "signature"],
            &["device", "nonce", "request", "number#other", "signature"],
            &["device", "nonce", "request", "number#other", "signature"],
            &["device", "nonce", "request", "denied", "signature"],
            &["device", "nonce", "request", "denied", "signature"],
            &["device", "nonce", "request", "denied", "signature", "number"],
        ],
        _ => &[&[]],
    }
}

/// Generates requests in every state of a device. The placeholder `{pairing}` is its token; it pairs with `{key}` and
/// `{subscription}`, and then gets `{device}` and `{nonce}`. `{request}` and `{number}` belong to the waiting
/// request. `{old_…}` and `{other_…}` are wrong values. `{signature}` signs the rest of the request.
pub fn requests() -> impl Strategy<Value = Request<At>> {
    let at = prop_oneof![1 => Just(At::RequestPending), 3 => select(&At::ALL[..])];
    requests::requests(&SIDE, at.prop_flat_map(|at| (Just(at), requests::path(&SIDE, at.fitting()))))
}
