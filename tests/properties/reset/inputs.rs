//! Generates requests of a reset in every step, with the fields of each page.

use proptest::prelude::*;
use proptest::sample::select;
use serde::{Deserialize, Serialize};

use crate::requests::{self, Request, Side};

/// The state of the flow of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    NoFlow,
    /// Just opened.
    Opened,
    /// Waits for the choice of the first method.
    FirstMethod,
    /// Waits for the first code.
    FirstCode,
    /// Waits for the choice of the second method.
    SecondMethod,
    /// Waits for the second code.
    SecondCode,
    Password,
    Unlock,
    /// The password was set.
    Done,
    Cancelled,
    Expired,
}

/// All known paths, and some unknown ones.
const PATHS: [&str; 20] = [
    "/",
    "/captcha/{token}/picture.png",
    "/captcha/{token}/sound.wav",
    "/captcha/x/picture.png",
    "/captcha/%ff/picture.png",
    "/assets/app.css",
    "/assets/%ff",
    "/.well-known/change-password",
    "/reason",
    "/method",
    "/code/send",
    "/code",
    "/password",
    "/unlock",
    "/done",
    "/cancel",
    "/..",
    "/code/../password",
    "//evil.example/",
    "/\\evil.example",
];

/// Fields with their likely values.
const FIELDS: [(&str, &[&str]); 17] = [
    ("login", &["{login}", "AISYAH@student.contoh.example", "\"><script>x</script>", "a\u{0}b", "@", "ﬀ"]),
    ("captcha_token", &["{token}", "1.AAAA", "."]),
    ("captcha_answer", &["{characters}", "333333", "V", " "]),
    ("captcha_work", &["{zeros}", "0", "18446744073709551615", "1..2", "-1"]),
    ("reason", &["forgotten", "locked", "Forgotten"]),
    ("method", &["email", "sms", "mobile_call", "office_call", "totp", "push", "passkey", "pass", "EMAIL"]),
    ("method#phone", &["sms", "mobile_call", "office_call"]),
    ("contact#other", &["+60100000000", "012-345 6799"]),
    ("contact", &["{number}", "+60100000000", "+", "٠١٢٣٤٥٦٧٨٩", "*****98", "+1-900-555-0123"]),
    ("code", &["{code}", "{app}", "00000000", "1234 5678", "１２３４５６", "-1", "000000"]),
    ("code#wrong", &["00000000", "11112222"]),
    ("password", &["{password}", "short", "Harimau-Malaya-2019", "{login}", "\u{0}", "é\u{301}\u{202e}"]),
    ("confirmation", &["{password}", "short", "Harimau-Malaya-2019"]),
    ("password#weak", &["short"]),
    ("confirmation#weak", &["short"]),
    ("at", &["{at}", "AAAA", ""]),
    ("admin", &["true"]),
];

/// The reset as a target.
pub const SIDE: Side = Side {
    paths: &PATHS,
    got: &["/captcha/{token}/picture.png", "/captcha/{token}/sound.wav", "/method", "/done"],
    fields: &FIELDS,
    usual,
    bodies: &[
        "{\"reason\":\"forgotten\"}",
        "{\"code\":\"{code}\"}",
        "{\"password\":\"\\ud800\"}",
        "reason=forgotten&reason=locked",
    ],
    cookies: &["__Host-rekey={cookie}", "__Host-language=ta", "rekey=x", "__Host-rekey=\"{cookie}\""],
    headers: &[],
};

fn usual(path: &str) -> &'static [&'static [&'static str]] {
    match path {
        "/" => &[&["login", "captcha_token", "captcha_answer"], &["login", "captcha_token", "captcha_work"]],
        "/reason" => &[&["reason"], &["reason", "at"]],
        "/code/send" => &[
            &["method"],
            &["method#phone", "contact"],
            &["method#phone", "contact#other"],
            &["method", "contact"],
            &["method", "at"],
        ],
        "/code" => &[&["code"], &["code"], &["code#wrong"], &["method", "code"], &["code", "at"]],
        "/password" => &[&["password", "confirmation"], &["password#weak", "confirmation#weak"]],
        _ => &[&[]],
    }
}

fn at() -> impl Strategy<Value = At> {
    let all = [
        At::NoFlow,
        At::Opened,
        At::FirstMethod,
        At::FirstCode,
        At::SecondMethod,
        At::SecondCode,
        At::Password,
        At::Unlock,
        At::Done,
        At::Cancelled,
        At::Expired,
    ];
    select(all.to_vec())
}

/// Returns the paths that suit a step.
const fn fitting(at: At) -> &'static [&'static str] {
    match at {
        At::NoFlow => &["/", "/", "/", "/captcha/{token}/picture.png", "/captcha/{token}/sound.wav"],
        At::Opened => &["/reason"],
        At::FirstMethod | At::SecondMethod => &["/method", "/code/send", "/code", "/code/send"],
        At::FirstCode | At::SecondCode => &["/code", "/code", "/code/send"],
        At::Password => &["/password"],
        At::Unlock => &["/unlock"],
        At::Done | At::Cancelled | At::Expired => &["/done", "/code", "/cancel"],
    }
}

/// Generates requests to every function in every step. The placeholders `{cookie}`, `{at}`, `{code}`, `{app}`,
/// `{number}`, `{token}`, `{characters}`, `{login}` and `{password}` stand for correct values.
pub fn requests() -> impl Strategy<Value = Request<At>> {
    requests::requests(&SIDE, at().prop_flat_map(|at| (Just(at), requests::path(&SIDE, fitting(at)))))
}
