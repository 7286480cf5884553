//! Invariants of every response, for any request.

use http::{HeaderMap, header};
use rekey_tests::Answer;
use rekey_tests::fixtures::{AISYAH, Person, SEED};
use serde_json::Value;
use shared::domain::support_code::SupportCode;
use shared::http::problem::Code;
use shared::http::{ROUTES, headers};

use crate::gateway::{Filling, request_text};
use crate::requests::Request;

/// The permitted content of responses to one side.
pub struct Rules<'a> {
    /// The permitted redirect targets.
    pub places: &'a [&'a str],
    /// The secrets that a response may only repeat, besides those that it never contains.
    pub secrets: &'a [&'a str],
}

/// Panics if a response breaks an invariant; otherwise returns its kind.
pub fn check_response<At>(
    request: &Request<At>,
    filling: &Filling,
    rules: &Rules<'_>,
    answer: &Answer,
) -> String {
    let status = answer.status.as_u16();
    has_security_headers(answer);
    if status == 308 {
        // Another spelling of a path leads to that path, on this site.
        let place = answer.header("location").unwrap();
        let (path, _) = place.split_once('?').unwrap_or((place, ""));
        assert!(ROUTES.iter().any(|route| route.path == path), "sent to {place}");
        assert!(["GET", "HEAD"].contains(&&*request.method) && path != request.path, "{place}");
    } else if let Some(place) = answer.header("location") {
        assert_eq!(status, 303);
        assert!(rules.places.contains(&place), "sent to {place}");
    }
    for cookie in answer.headers.get_all(header::SET_COOKIE) {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure; HttpOnly"), "{cookie}");
    }
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_no_secret(&request_text(request, filling), rules.secrets, &text, &answer.headers);
    let what = match (status, kind.as_str()) {
        // The client asked for compression. Requests without it check the same page.
        _ if answer.headers.contains_key(header::CONTENT_ENCODING) => "compressed".to_owned(),
        // HEAD gets what GET gets, without a body.
        _ if request.method == "HEAD" => {
            assert!(text.is_empty());
            kind
        }
        (308, _) => {
            assert!(text.is_empty());
            "another spelling".to_owned()
        }
        (200, "application/json") => answer.json()["page"].as_str().unwrap_or("data").to_owned(),
        (200, _) => kind,
        (303, "") => answer.header("location").unwrap().to_owned(),
        (303, _) => {
            assert!(text.is_empty());
            answer.header("location").unwrap().to_owned()
        }
        (_, "application/problem+json") => {
            let (_, code) = answer.problem();
            let known = Code::ALL.into_iter().find(|known| known.as_str() == code).unwrap();
            assert_eq!(known.status(), answer.status, "{code}");
            code
        }
        (_, kind) => {
            assert!(Code::ALL.iter().any(|code| code.status() == answer.status), "{status}");
            assert!(kind.starts_with("text/html"), "{kind}: {text}");
            "a page".to_owned()
        }
    };
    assert!(status < 500, "{text}");
    if text.starts_with("<!") {
        assert!(!text.contains("<script>x"), "what was typed became markup: {text}");
        assert!(!text.contains("href=\"https://evil"), "what was typed became a link: {text}");
    }
    format!("{status} {what}")
}

fn has_security_headers(answer: &Answer) {
    let mut expected = HeaderMap::new();
    headers::apply(&mut expected, None);
    for (name, value) in &expected {
        let found = answer.headers.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert!(found == value || name == header::CACHE_CONTROL, "{name}: {found:?}");
    }
}

/// Checks that a response contains no secret that the client didn't send.
fn assert_no_secret(said: &str, secrets: &[&str], text: &str, headers: &HeaderMap) {
    let headers = format!("{headers:?}");
    let never = [SEED, Person::PASSWORD, "Kancil-Lompat-", "$argon2", "panicked", "src/"];
    let contacts = [
        AISYAH.alternate_email.unwrap(),
        "aisyah.rahman",
        &AISYAH.mobile.unwrap()[3..],
        &AISYAH.office_phone.unwrap()[3..],
    ];
    // The list of a person who is asked whether it is right has whole contacts, after a step-up: only then does it
    // also offer to remember the device, or say that it is remembered.
    let asks_for_contacts = text.contains("action=\"/security-info/reconfirm\"");
    let is_stepped_up = text.contains("class=\"own-device\"");
    let contacts = contacts.iter().filter(|_| !(asks_for_contacts && is_stepped_up));
    for secret in never.iter().chain(contacts).chain(secrets) {
        let is_leaked = text.contains(secret) || headers.contains(secret);
        assert!(!is_leaked || said.contains(secret), "{secret} is disclosed: {text}");
    }
}

/// Returns a response without cookies, references, challenges, times, names and support codes, to compare it with
/// another.
pub fn observable(answer: &Answer, unfill: impl Fn(&str) -> String) -> (u16, String) {
    let mut headers: Vec<&str> = answer.headers.keys().map(http::HeaderName::as_str).collect();
    headers.sort_unstable();
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let body = match serde_json::from_str::<Value>(&body) {
        Ok(mut body) => {
            for member in ["captcha", "expires_at", "resend_at", "login", "support_code"] {
                if let Some(value) = body.get_mut(member) {
                    *value = Value::Null;
                }
            }
            body.to_string()
        }
        Err(_) if body.contains("captcha_token") => "a page with a CAPTCHA".to_owned(),
        Err(_) if body.starts_with("<!") => without_support_code(&unfill(&body)),
        Err(_) => answer.header("content-type").unwrap_or_default().to_owned(),
    };
    let cookies = answer.headers.get_all("set-cookie").iter().count();
    let location = answer.header("location").unwrap_or_default();
    let status = answer.status.as_u16();
    (status, format!("{status} {location} {headers:?} {cookies} cookies\n{body}"))
}

/// Returns a page without its support code, which each flow has of its own.
fn without_support_code(page: &str) -> String {
    const BEFORE: &str = "<strong><bdi>";
    // It stands in the foot, below everything else of this form.
    let Some((before, after)) = page.rsplit_once(BEFORE) else { return page.to_owned() };
    match after.split_once("</bdi></strong>") {
        Some((code, after)) if SupportCode::parse(code).is_some() => format!("{before}{BEFORE}{after}"),
        _ => page.to_owned(),
    }
}
