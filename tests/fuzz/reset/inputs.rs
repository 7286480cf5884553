//! What is drawn: requests as API Gateway hands them on, with everything a client can put in, and texts that were
//! something once.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::{Deserialize, Serialize};

/// Where the flow of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    /// There is none.
    Nowhere,
    /// It was just opened.
    Opened,
    /// A first method is to be chosen.
    First,
    /// The first code is awaited.
    Awaiting,
    /// A second method is to be chosen.
    Second,
    /// The second code is awaited.
    AwaitingSecond,
    /// The password is awaited.
    Password,
    /// The unlock is awaited.
    Unlock,
    /// The password was set.
    Done,
    /// It is over.
    Cancelled,
    /// Its time is over.
    Expired,
}

/// One request. In its texts `{cookie}`, `{at}`, `{code}`, `{app}`, `{number}`, `{token}`, `{characters}`, `{login}`
/// and `{password}` stand for what is right at the moment when it is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Where its flow is.
    pub flow: At,
    /// The method.
    pub method: String,
    /// The path as it is after percent-decoding.
    pub path: String,
    /// The query string as it was sent.
    pub query: String,
    /// Headers, but for the cookie.
    pub headers: Vec<(String, String)>,
    /// Cookies.
    pub cookies: Vec<String>,
    /// The body.
    pub body: Body,
}

impl Request {
    /// Method and path, where they are ones of the product.
    pub fn place(&self) -> String {
        let path = if PATHS.contains(&self.path.as_str()) { &self.path } else { "elsewhere" };
        let method = if ["GET", "POST"].contains(&self.method.as_str()) { &self.method } else { "OTHER" };
        format!("{method} {path}")
    }
}

/// What a body is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Body {
    /// None.
    None,
    /// Fields as JSON, as a form should the request say so.
    Fields(Vec<(String, String)>),
    /// Text as it is.
    Text(String),
    /// Bytes that may be no text.
    Bytes(Vec<u8>),
}

/// Every path that means something, and some that don't.
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

/// Fields with values that lead somewhere, mostly.
const FIELDS: [(&str, &[&str]); 12] = [
    ("login", &["{login}", "AISYAH@student.contoh.example", "\"><script>x</script>", "a\u{0}b", "@", "ﬀ"]),
    ("captcha_token", &["{token}", "1.AAAA", "."]),
    ("captcha_answer", &["{characters}", "333333", " "]),
    ("captcha_work", &["0", "18446744073709551615", "-1", "1e9"]),
    ("reason", &["forgotten", "locked", "Forgotten"]),
    ("method", &["email", "sms", "mobile_call", "office_call", "totp", "push", "passkey", "pass", "EMAIL"]),
    ("contact", &["{number}", "+60100000000", "+", "٠١٢٣٤٥٦٧٨٩", "*****98", "+1-900-555-0123"]),
    ("code", &["{code}", "{app}", "00000000", "1234 5678", "１２３４５６", "-1", "000000"]),
    ("password", &["{password}", "short", "Harimau-Malaya-2019", "{login}", "\u{0}", "é\u{301}\u{202e}"]),
    ("confirmation", &["{password}", "short", "Harimau-Malaya-2019"]),
    ("at", &["{at}", "AAAA", ""]),
    ("admin", &["true"]),
];

const HEADERS: [(&str, &[&str]); 16] = [
    ("accept", &["application/json", "text/html", "*/*", "application/json;q=NaN,text/html;q=-1", ";;q=,"]),
    (
        "content-type",
        &[
            "application/json",
            "application/x-www-form-urlencoded",
            "text/plain",
            "application/json; charset=utf-7",
            "",
        ],
    ),
    ("sec-fetch-site", &["same-origin", "cross-site", "none", "same-site,same-origin"]),
    ("origin", &["https://reset.contoh.example", "null", "https://evil.example", "http://", "https://:"]),
    ("host", &["reset.contoh.example", "evil.example", "", "a b", "[::1", "x:99999", "user@x"]),
    ("x-forwarded-proto", &["https", "http", "", "javascript", "a b", "1", "://"]),
    ("x-forwarded-for", &["198.51.100.1", "999.1.1.1, ::1", "\u{e9}"]),
    ("x-forwarded-host", &["evil.example"]),
    ("forwarded", &["for=_secret;host=evil.example;proto=\"\\"]),
    ("accept-language", &["ms", "zh-Hans-CN;q=0.8, ta", ",,,", "*;q=1e999", "en-\u{e9}"]),
    ("accept-encoding", &["br", "gzip, br;q=0", "identity;q=0", "br;q=x"]),
    ("cookie", &["__Host-rekey=x", "=", ";;"]),
    ("content-length", &["99999999999999999999"]),
    ("transfer-encoding", &["chunked"]),
    ("x-http-method-override", &["DELETE"]),
    ("user-agent", &["\"><script>x</script>"]),
];

/// The first of `known` half of the time, which leads on; else another, or something else.
fn mostly(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![10 => Just(known[0].to_owned()), 6 => select(known).prop_map(str::to_owned), 1 => any::<String>(), 1 => spoiled(known)]
}

/// One of `known` with a change or two.
pub fn spoiled(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(known), edits()).prop_map(|(text, edits)| edited(text, &edits))
}

/// A change to a text: at a place, so many characters out, these in.
pub type Edit = (prop::sample::Index, usize, String);

/// A few changes.
pub fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let piece = prop_oneof![
        3 => select(&["", "\u{0}", "\u{feff}", "\u{202e}", "\u{301}", "%00", "\\ud800", ".", "=", "-", "A", "0", "{", "\"", "ﬁ"][..])
            .prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    vec((any::<prop::sample::Index>(), 0_usize..3, piece), 1..3)
}

/// The text after the changes.
pub fn edited(text: &str, edits: &[Edit]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (place, out, piece) in edits {
        let from = place.index(characters.len() + 1);
        let to = (from + out).min(characters.len());
        characters.splice(from..to, piece.chars());
    }
    characters.into_iter().collect()
}

/// Fields as the page takes them, mostly.
fn fields(path: &str) -> impl Strategy<Value = Vec<(String, String)>> + use<> {
    let field = |name: &'static str| {
        let values = FIELDS.iter().find(|(known, _)| *known == name).unwrap().1;
        (Just(name.to_owned()), mostly(values))
    };
    let usual: &'static [&'static [&'static str]] = match path {
        "/" => &[&["login", "captcha_token", "captcha_answer"], &["login", "captcha_token", "captcha_work"]],
        "/reason" => &[&["reason"], &["reason", "at"]],
        "/code/send" => &[&["method"], &["method", "contact"], &["method", "contact"], &["method", "at"]],
        "/code" => &[&["code"], &["code"], &["method", "code"], &["code", "at"]],
        "/password" => &[&["password", "confirmation"]],
        _ => &[&[]],
    };
    let any_field =
        select(&FIELDS[..]).prop_flat_map(|(name, values)| (Just(name.to_owned()), mostly(values)));
    prop_oneof![9 => select(usual).prop_flat_map(move |names| names.iter().copied().map(field).collect::<Vec<_>>()), 1 => vec(any_field, 0..4)]
}

fn body(path: &str) -> impl Strategy<Value = Body> + use<> {
    let json = select(
        &[
            "{\"login\":\"a\",\"login\":\"b\"}",
            "{\"reason\":\"forgotten\"}",
            "{\"code\":\"{code}\"}",
            "{\"code\":1e99999}",
            "{\"password\":\"\\ud800\"}",
            "[[[[[[[[[[",
            "code={code}&at={at}",
            "reason=forgotten&reason=locked",
            "login=%f",
        ][..],
    );
    prop_oneof![
        20 => fields(path).prop_map(Body::Fields),
        1 => Just(Body::None),
        2 => (json, edits()).prop_map(|(text, edits)| Body::Text(edited(text, &edits))),
        1 => any::<String>().prop_map(Body::Text),
        1 => vec(any::<u8>(), 0..100).prop_map(Body::Bytes),
        1 => (0_usize..9_000).prop_map(|length| Body::Text("[".repeat(length))),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let any_header =
        select(&HEADERS[..]).prop_flat_map(|(name, values)| (Just(name.to_owned()), mostly(values)));
    let usual = |name: &str, value: &str| Just(vec![(name.to_owned(), value.to_owned())]);
    let wanted = prop_oneof![3 => usual("accept", "application/json"), 2 => usual("accept", "text/html"), 1 => Just(vec![])];
    let kind = prop_oneof![
        10 => usual("content-type", "application/json"),
        6 => usual("content-type", "application/x-www-form-urlencoded"),
        1 => Just(vec![])
    ];
    let site = prop_oneof![12 => usual("sec-fetch-site", "same-origin"), 1 => Just(vec![])];
    let others = prop_oneof![3 => Just(vec![]), 1 => vec(any_header, 0..4)];
    (wanted, kind, site, others)
        .prop_map(|(wanted, kind, site, others)| [wanted, kind, site, others].concat())
}

fn flow() -> impl Strategy<Value = At> {
    let all = [
        At::Nowhere,
        At::Opened,
        At::First,
        At::Awaiting,
        At::Second,
        At::AwaitingSecond,
        At::Password,
        At::Unlock,
        At::Done,
        At::Cancelled,
        At::Expired,
    ];
    select(all.to_vec())
}

/// A path that goes with the flow half of the time.
fn path_of(flow: At) -> impl Strategy<Value = String> {
    let fitting: &'static [&'static str] = match flow {
        At::Nowhere => &["/", "/", "/", "/captcha/{token}/picture.png", "/captcha/{token}/sound.wav"],
        At::Opened => &["/reason"],
        At::First | At::Second => &["/method", "/code/send", "/code", "/code/send"],
        At::Awaiting | At::AwaitingSecond => &["/code", "/code", "/code/send"],
        At::Password => &["/password"],
        At::Unlock => &["/unlock"],
        At::Done | At::Cancelled | At::Expired => &["/done", "/code", "/cancel"],
    };
    prop_oneof![7 => select(fitting).prop_map(str::to_owned), 2 => mostly(&PATHS).prop_map(from_root)]
}

/// Requests to every function at every step.
pub fn requests() -> impl Strategy<Value = Request> {
    let method = prop_oneof![
        16 => Just("POST".to_owned()),
        4 => Just("GET".to_owned()),
        1 => select(&["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"][..]).prop_map(str::to_owned)
    ];
    let query = prop_oneof![
        6 => Just(String::new()),
        1 => mostly(&["lang=ms", "lang=ta&lang=zh-Hans", "lang=%ff", "lang", "&&=", "lang=<script>", "a=|\"", "a#b", "\u{e9}"]),
    ];
    let cookies = prop_oneof![
        12 => Just(vec!["__Host-rekey={cookie}".to_owned()]),
        1 => vec(mostly(&["__Host-rekey={cookie}", "__Host-language=ta", "rekey=x", "__Host-rekey=\"{cookie}\""]), 0..3),
    ];
    let somewhere = flow().prop_flat_map(|flow| (Just(flow), path_of(flow)));
    let somewhere = somewhere.prop_flat_map(|(flow, path)| (Just(flow), body(&path), Just(path)));
    (somewhere, method, query, headers(), cookies).prop_map(
        |((flow, body, path), method, query, headers, cookies)| Request {
            flow,
            method,
            path,
            query,
            headers,
            cookies,
            body,
        },
    )
}

/// Every path of a request begins so.
fn from_root(path: String) -> String {
    if path.starts_with('/') { path } else { format!("/{path}") }
}
