//! Requests as API Gateway passes them on, with everything that a client can set.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::{Deserialize, Serialize};

use crate::edits::{edited, edits, mostly};

/// A request. Placeholders `{…}` stand for correct values at the time of the request: see the `Scene` of its side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request<At> {
    /// The state of its sender.
    pub at: At,
    pub method: String,
    /// The path after percent-decoding.
    pub path: String,
    /// The query string as sent.
    pub query: String,
    /// The headers without cookies.
    pub headers: Vec<(String, String)>,
    /// The cookies, as name and value.
    pub cookies: Vec<String>,
    /// The body, in one of several forms.
    pub body: Body,
}

impl<At> Request<At> {
    /// Returns method and path if the side has them.
    pub fn place(&self, side: &Side) -> String {
        let path = if side.paths.contains(&self.path.as_str()) { &self.path } else { "elsewhere" };
        let method = if ["GET", "POST"].contains(&self.method.as_str()) { &self.method } else { "OTHER" };
        format!("{method} {path}")
    }
}

/// The form of a body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Body {
    None,
    /// Fields as JSON, or as a form if the content type says so.
    FormFields(Vec<(String, String)>),
    /// Fields with one character of one value replaced, after the placeholders are filled in.
    Spoiled(Vec<(String, String)>, CharacterEdit),
    /// Text, sent unchanged.
    Text(String),
    /// Bytes that may not be UTF-8.
    Bytes(Vec<u8>),
}

/// The value, the character (both modulo their number), and the replacement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CharacterEdit {
    value: usize,
    character: usize,
    into: char,
}

impl CharacterEdit {
    /// Replaces the character.
    pub fn apply(&self, values: &mut [(String, String)]) {
        let count = values.len().max(1);
        let Some((_, value)) = values.get_mut(self.value % count) else { return };
        let mut characters: Vec<char> = value.chars().collect();
        let length = characters.len().max(1);
        if let Some(character) = characters.get_mut(self.character % length) {
            *character = self.into;
        }
        *value = characters.into_iter().collect();
    }
}

/// Names with their likely values; the first value leads on. The suffix after `#` distinguishes fields of one name
/// and is not sent.
pub type Known = [(&'static str, &'static [&'static str])];

/// The material for the requests of one side.
pub struct Side {
    /// All known paths, and some unknown ones.
    pub paths: &'static [&'static str],
    /// The paths that are mostly requested by GET.
    pub got: &'static [&'static str],
    pub fields: &'static Known,
    /// Returns the sets of fields that the page at a path sends.
    pub usual: fn(&str) -> &'static [&'static [&'static str]],
    /// Almost valid bodies.
    pub bodies: &'static [&'static str],
    /// The cookies, the one of the flow or session first; empty if there is none.
    pub cookies: &'static [&'static str],
    /// Headers that every request of this side has.
    pub headers: &'static Known,
}

const HEADERS: [(&str, &[&str]); 18] = [
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
    ("cloudfront-viewer-address", &["198.51.100.1:1", "2001:db8::1:1", ":", "\u{e9}:1"]),
    ("x-rekey-proxy", &["", "0123456789abcdef0123456789abcdef"]),
    ("forwarded", &["for=_secret;host=evil.example;proto=\"\\"]),
    ("accept-language", &["ms", "zh-Hans-CN;q=0.8, ta", ",,,", "*;q=1e999", "en-\u{e9}"]),
    ("accept-encoding", &["br", "gzip, br;q=0", "identity;q=0", "br;q=x"]),
    ("cookie", &["__Host-rekey=x", "=", ";;"]),
    ("content-length", &["99999999999999999999"]),
    ("transfer-encoding", &["chunked"]),
    ("x-http-method-override", &["DELETE"]),
    ("user-agent", &["\"><script>x</script>"]),
];

/// Generates requests of a side, each in a state and to a path.
pub fn requests<S, At>(side: &'static Side, somewhere: S) -> impl Strategy<Value = Request<At>>
where
    S: Strategy<Value = (At, String)>,
    At: Clone + std::fmt::Debug + 'static,
{
    let query = prop_oneof![
        6 => Just(String::new()),
        1 => mostly(&["lang=ms", "lang=ta&lang=zh-Hans", "lang=%ff", "lang", "&&=", "lang=<script>", "a=|\"", "a#b", "\u{e9}", "return=https://portal.contoh.example/app/", "return=https://evil.example/"]),
    ];
    let cookies = match side.cookies {
        [] => Just(Vec::new()).boxed(),
        known => prop_oneof![12 => Just(vec![known[0].to_owned()]), 1 => vec(mostly(known), 0..3)].boxed(),
    };
    let somewhere = somewhere
        .prop_flat_map(move |(at, path)| (Just(at), method(side, &path), body(side, &path), Just(path)));
    (somewhere, query, headers(side), cookies).prop_map(
        |((at, method, body, path), query, headers, cookies)| Request {
            at,
            method,
            path,
            query,
            headers,
            cookies,
            body,
        },
    )
}

/// Generates a path, mostly one that suits the state.
pub fn path(side: &'static Side, fitting: &'static [&'static str]) -> impl Strategy<Value = String> {
    let from_root = |path: String| if path.starts_with('/') { path } else { format!("/{path}") };
    prop_oneof![8 => select(fitting).prop_map(str::to_owned), 2 => mostly(side.paths).prop_map(from_root)]
}

fn method(side: &Side, path: &str) -> impl Strategy<Value = String> + use<> {
    let (usual, other) = if side.got.contains(&path) { ("GET", "POST") } else { ("POST", "GET") };
    prop_oneof![
        20 => Just(usual.to_owned()),
        3 => Just(other.to_owned()),
        1 => select(&["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"][..]).prop_map(str::to_owned)
    ]
}

/// Generates the fields of a page: all correct, each mostly correct, or rarely any others.
fn fields(side: &'static Side, path: &str) -> impl Strategy<Value = Vec<(String, String)>> + use<> {
    let sent = |name: &str| name.split('#').next().unwrap().to_owned();
    let values = |name: &str| side.fields.iter().find(|(known, _)| *known == name).unwrap().1;
    let right = move |name: &&'static str| (sent(name), values(name)[0].to_owned());
    let nearly = move |name: &&'static str| (Just(sent(name)), mostly(values(name)));
    let any_field =
        select(side.fields).prop_flat_map(move |(name, values)| (Just(sent(name)), mostly(values)));
    let usual = (side.usual)(path);
    prop_oneof![
        6 => select(usual).prop_map(move |names| names.iter().map(right).collect::<Vec<_>>()),
        6 => select(usual).prop_flat_map(move |names| names.iter().map(nearly).collect::<Vec<_>>()),
        1 => vec(any_field, 0..4),
    ]
}

fn body(side: &'static Side, path: &str) -> impl Strategy<Value = Body> + use<> {
    let edit = || {
        let into = prop_oneof![select(&['A', 'B', '0', '1', '"', ' ', '\u{0}'][..]), any::<char>()];
        (0_usize..8, 0_usize..1_000, into).prop_map(|(value, character, into)| CharacterEdit {
            value,
            character,
            into,
        })
    };
    let nearly = prop_oneof![
        select(side.bodies),
        select(
            &[
                "{\"login\":\"a\",\"login\":\"b\"}",
                "{\"code\":1e99999}",
                "[[[[[[[[[[",
                "login=%f",
                "code={code}&at={at}"
            ][..]
        )
    ];
    prop_oneof![
        20 => fields(side, path).prop_map(Body::FormFields),
        2 => (fields(side, path), edit()).prop_map(|(fields, edit)| Body::Spoiled(fields, edit)),
        1 => Just(Body::None),
        2 => (nearly, edits()).prop_map(|(text, edits)| Body::Text(edited(text, &edits))),
        1 => any::<String>().prop_map(Body::Text),
        1 => vec(any::<u8>(), 0..100).prop_map(Body::Bytes),
        1 => (0_usize..9_000).prop_map(|length| Body::Text("[".repeat(length))),
    ]
}

fn headers(side: &'static Side) -> impl Strategy<Value = Vec<(String, String)>> {
    let any_header =
        select(&HEADERS[..]).prop_flat_map(|(name, values)| (Just(name.to_owned()), mostly(values)));
    let usual = |name: &str, value: &str| Just(vec![(name.to_owned(), value.to_owned())]);
    let wanted = prop_oneof![3 => usual("accept", "application/json"), 2 => usual("accept", "text/html"), 1 => Just(vec![])];
    let kind = prop_oneof![
        10 => usual("content-type", "application/json"),
        6 => usual("content-type", "application/x-www-form-urlencoded"),
        1 => Just(vec![])
    ];
    let from = prop_oneof![12 => usual("sec-fetch-site", "same-origin"), 1 => Just(vec![])];
    let names = || side.headers.iter();
    let right: Vec<_> = names().map(|(name, values)| ((*name).to_owned(), values[0].to_owned())).collect();
    let nearly: Vec<_> = names().map(|(name, values)| (Just((*name).to_owned()), mostly(values))).collect();
    let own = prop_oneof![Just(right), nearly];
    let others = prop_oneof![3 => Just(vec![]), 1 => vec(any_header, 0..4)];
    (wanted, kind, from, own, others)
        .prop_map(|(wanted, kind, from, own, others)| [wanted, kind, from, own, others].concat())
}
