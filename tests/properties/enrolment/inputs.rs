//! Generates requests to `/security-info` in every state of a session, with the fields of each page.

use proptest::prelude::*;
use proptest::sample::select;
use serde::{Deserialize, Serialize};
use shared::domain::security_info::Kind;

use crate::requests::{self, Request, Side};

/// The state of the session of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    /// No session: no person has signed in.
    NoSession,
    StepUpDue,
    /// A code for the second step was sent by email.
    Sent,
    /// An approval was requested.
    ApprovalRequested,
    Approved,
    Denied,
    /// The list is shown.
    List,
    /// A recovery code verified the second step.
    VerifiedByRecoveryCode,
    /// A new entry is in its waiting period.
    WaitingPeriod,
    /// The enrolled entries offer no second step.
    NoUsableMethod,
    /// The account has no entries.
    Newcomer,
    /// The last verification is too old for a change.
    Stale,
    /// A new entry is waiting for its confirmation.
    Adding(Kind),
    /// A new contact is waiting, and the last verification is too old.
    StaleAdding,
    /// A new contact is waiting, and another session has changed the account.
    Superseded,
    /// The account was disabled meanwhile.
    Disabled,
    Expired,
}

impl At {
    /// Every state without a waiting entry.
    const ALL: [Self; 16] = [
        Self::NoSession,
        Self::StepUpDue,
        Self::Sent,
        Self::ApprovalRequested,
        Self::Approved,
        Self::Denied,
        Self::List,
        Self::VerifiedByRecoveryCode,
        Self::WaitingPeriod,
        Self::NoUsableMethod,
        Self::Newcomer,
        Self::Stale,
        Self::StaleAdding,
        Self::Superseded,
        Self::Disabled,
        Self::Expired,
    ];

    /// Returns whether its second step is verified, or there is none to verify.
    pub const fn may_see(self) -> bool {
        matches!(self, Self::Stale | Self::StaleAdding | Self::Disabled) || self.may_change()
    }

    /// Returns whether that was recent, without another change meanwhile.
    pub const fn may_change(self) -> bool {
        matches!(
            self,
            Self::List
                | Self::VerifiedByRecoveryCode
                | Self::WaitingPeriod
                | Self::NoUsableMethod
                | Self::Newcomer
                | Self::Adding(_)
        )
    }

    /// Returns the paths that suit the state.
    const fn fitting(self) -> &'static [&'static str] {
        match self {
            Self::NoSession => &["/security-info/sign-in", "/security-info/sign-in", "/security-info"],
            Self::StepUpDue | Self::Sent | Self::ApprovalRequested | Self::Approved | Self::Denied => {
                &["/security-info/verify", "/security-info/verify", "/security-info/verify", "/security-info"]
            }
            Self::WaitingPeriod => &["/security-info/verify", "/security-info/remove"],
            Self::List
            | Self::VerifiedByRecoveryCode
            | Self::NoUsableMethod
            | Self::Newcomer
            | Self::Disabled => &[
                "/security-info/add",
                "/security-info/add",
                "/security-info/remove",
                "/security-info/reconfirm",
            ],
            Self::Stale | Self::Expired => &[
                "/security-info/add",
                "/security-info/remove",
                "/security-info/verify",
                "/security-info/sign-out",
            ],
            Self::Adding(_) | Self::StaleAdding => &[
                "/security-info/confirm",
                "/security-info/confirm",
                "/security-info/confirm",
                "/security-info/add",
            ],
            Self::Superseded => &[
                "/security-info/confirm",
                "/security-info/remove",
                "/security-info/reconfirm",
                "/security-info",
            ],
        }
    }
}

const PATHS: [&str; 17] = [
    "/security-info",
    "/security-info/sign-in",
    "/security-info/verify",
    "/security-info/add",
    "/security-info/confirm",
    "/security-info/remove",
    "/security-info/reconfirm",
    "/security-info/remember",
    "/security-info/sign-out",
    "/security-info/",
    "/security-info/..",
    "/security-info/add/../remove",
    "/security-info/%ff",
    "/security-info//add",
    "/Security-Info",
    "//security-info",
    "/security-info/state",
];

const FIELDS: [(&str, &[&str]); 32] = [
    (
        "login",
        &["{login}", "AISYAH@student.contoh.example", "nobody", "\"><script>x</script>", "a\u{0}b", "ﬀ"],
    ),
    ("password", &["{password}", "Wrong-Password-1", "short", "\u{0}", "é\u{301}\u{202e}"]),
    ("password#wrong", &["Wrong-Password-1", "{login}", "harimau-malaya-2019"]),
    ("captcha_token", &["{token}", "1.AAAA", "."]),
    ("captcha_answer", &["{characters}", "333333", "V", " "]),
    ("captcha_work", &["{zeros}", "0", "18446744073709551615", "1..2", "-1"]),
    (
        "return",
        &[
            "https://portal.contoh.example/app/x?y=z",
            "https://evil.example/",
            "javascript:alert(1)",
            "https://portal.contoh.example/app/%2e%2e/x",
            "//evil.example",
        ],
    ),
    (
        "method",
        &[
            "totp",
            "email",
            "sms",
            "mobile_call",
            "office_call",
            "push",
            "passkey",
            "recovery_code",
            "TOTP",
            "",
        ],
    ),
    ("method#app", &["totp"]),
    ("method#paper", &["recovery_code"]),
    ("method#passkey", &["passkey"]),
    ("method#push", &["push"]),
    ("method#sent", &["email", "sms", "mobile_call", "office_call"]),
    ("code", &["{code}", "{app}", "00000000", "1234 5678", "１２３４５６", "-1", "000000"]),
    ("code#app", &["{app}", "{code}", "000000", "１２３４５６"]),
    ("code#paper", &["{recovery}", "0000-0000-0000-0000", "{code}", "o0il-0000-0000-000u"]),
    ("assertion", &["{assertion}", "{attestation}", "{}", "null", "{\"id\":\"AA\",\"id\":\"AA\"}"]),
    ("assertion#new", &["{attestation}", "{assertion}", "[]"]),
    ("kind", &["totp", "authenticator", "passkey", "mobile", "recovery_codes", "fax", "TOTP", "state"]),
    ("kind#email", &["alternate_email"]),
    ("kind#phone", &["mobile", "office_phone"]),
    ("value", &["\"><script>x</script>", "+", "a@b"]),
    (
        "value#email",
        &[
            "{address}",
            "aisyah@student.contoh.example",
            "a@STUDENT.contoh.example",
            "a@b\r\nBcc: x",
            "a@student.contoh.example.",
            "\"><script>x</script>@evil.example",
        ],
    ),
    ("value#phone", &["{phone}", "+19005550123", "٠١٢٣٤٥٦٧٨٩", "*****98", "tel:+60123450000;ext=1"]),
    ("by", &["call", "sms", "fax"]),
    (
        "id",
        &["{id}", "mobile", "passkey", "passkey.0000000000000000", "state", "alternate_email\u{0}", "totp."],
    ),
    (
        "id#entry",
        &[
            "{entry}",
            "mobile",
            "totp",
            "recovery_codes",
            "state",
            "alternate_email",
            "passkey.ffffffffffffffff",
        ],
    ),
    ("id#again", &["{id}"]),
    ("at", &["{at}", "AAAA", ""]),
    ("remember", &["device", "me", ""]),
    ("account", &["priya"]),
    ("usable_from", &["0"]),
];

/// `/security-info` as a target.
pub const SIDE: Side = Side {
    paths: &PATHS,
    got: &["/security-info"],
    fields: &FIELDS,
    usual,
    bodies: &[
        "{\"kind\":\"totp\"}",
        "{\"id\":\"{id}\",\"code\":\"{code}\"}",
        "{\"method\":\"totp\",\"code\":\"{app}\"}",
        "id={entry}&at={at}",
        "{\"id\":\"{entry}\",\"id\":\"mobile\"}",
    ],
    cookies: &[
        "__Host-rekey-session={session}",
        "__Host-rekey={session}",
        "rekey-session={session}",
        "__Host-rekey-session=\"{session}\"",
        "__Host-rekey-session=x",
    ],
    headers: &[],
};

fn usual(path: &str) -> &'static [&'static [&'static str]] {
    match path {
        "/security-info/sign-in" => &[
            &["login", "password"],
            &["login", "password"],
            &["login", "password", "return"],
            &["login", "password#wrong"],
            &["login", "password", "captcha_token", "captcha_answer"],
            &["login", "password#wrong", "captcha_token", "captcha_answer", "captcha_work", "at"],
        ],
        "/security-info/verify" => &[
            &["method#app", "code#app"],
            &["method#paper", "code#paper"],
            &["method#passkey", "assertion"],
            &["method#push"],
            &["method#push"],
            &["method#sent"],
            &["method#sent", "code"],
            &["method#sent", "code"],
            &["method", "code", "at"],
        ],
        "/security-info/add" => &[
            &["kind"],
            &["kind#email", "value#email"],
            &["kind#phone", "value#phone", "by"],
            &["kind", "value", "at"],
        ],
        "/security-info/confirm" => &[
            &["id", "code"],
            &["id#again", "code"],
            &["id#again", "code"],
            &["id#again", "assertion#new"],
            &["id#again", "at"],
        ],
        "/security-info/remove" => &[&["id#entry"], &["id#entry", "at"]],
        _ => &[&[], &["at"]],
    }
}

/// Generates requests in every state of a session. The placeholders `{session}` and `{at}` are its cookie and
/// reference. `{app}`, `{recovery}` and `{assertion}` verify a second step. `{code}` is the code of the open
/// challenge. `{id}` and `{attestation}` belong to the waiting entry, and `{entry}` is an enrolled one. `{address}`
/// and `{phone}` are new contacts. `{login}`, `{password}`, `{token}` and `{characters}` are for a sign-in.
pub fn requests() -> impl Strategy<Value = Request<At>> {
    let at = prop_oneof![
        4 => select(&[At::NoSession, At::NoSession, At::WaitingPeriod, At::Sent, At::Sent][..]),
        6 => select(&Kind::ALL[..]).prop_map(At::Adding),
        10 => select(&At::ALL[..]),
    ];
    requests::requests(&SIDE, at.prop_flat_map(|at| (Just(at), requests::path(&SIDE, at.fitting()))))
}

/// Generates sign-in requests without a session.
pub fn sign_ins() -> impl Strategy<Value = Request<At>> {
    requests::requests(&SIDE, Just((At::NoSession, "/security-info/sign-in".to_owned())))
}
