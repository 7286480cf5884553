//! Requests: media type, cookies, and bodies as form or JSON.
//!
//! An input has the value of `Content-Type`, a line break, the value of `Cookie`, a line break, and the body.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::FromRequest as _;
use http::{HeaderValue, Request, header};
use percent_encoding::percent_decode;
use serde_json::Value;
use shared::domain::cookie::HolderCookie;
use shared::http::problem::{Code, Problem};
use shared::http::{AppContext, FormFields, IncomingRequest};
use shared::ports::Timer;
use shared::settings::Settings;

use crate::{ITERATIONS, keys, replay};

/// The largest accepted body in bytes.
const LONGEST: usize = 8 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Requests are only parsed here.
struct NoTimer;

#[async_trait]
impl Timer for NoTimer {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _wait: Duration) {}
}

type Pairs = Vec<(String, String)>;

#[test]
fn mutated_body_is_read_alike_or_rejected() {
    let site = AppContext {
        settings: Arc::new(Settings::from_pairs([]).unwrap()),
        flows: Arc::new(keys()),
        proxy: None,
        timer: Arc::new(NoTimer),
    };
    replay("requests", |bytes| check(bytes, &site));
    let site = std::panic::AssertUnwindSafe(site);
    bolero::check!(name = "requests").with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        check(bytes, &site);
    });
}

fn check(bytes: &[u8], site: &AppContext) -> bool {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let (kind, cookies, body) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let Ok(kind) = std::str::from_utf8(kind) else { return false };
    let essence = kind.split_once(';').map_or(kind, |(essence, _)| essence).trim().to_ascii_lowercase();
    let result = FormFields::read(Some(kind), body);
    let problem = result.as_ref().err().map(Problem::code);
    assert_eq!(problem == Some(Code::TooLarge), body.len() > LONGEST);
    if body.len() <= LONGEST {
        let is_known = essence == FORM || essence == JSON || (essence.is_empty() && body.is_empty());
        assert_eq!(problem == Some(Code::UnsupportedMediaType), !is_known, "{essence}");
    }
    let is_form = essence == FORM;
    let pairs = match essence.as_str() {
        FORM => form(body),
        JSON => json(body),
        _ => Some(Pairs::new()),
    };
    if body.len() <= LONGEST && is_form {
        assert_eq!(result.is_ok(), pairs.is_some(), "a form is valid for one reader only");
    }
    let is_accepted = result.is_ok();
    if let Ok(fields) = result {
        let pairs = pairs.expect("the strict reader accepts more");
        assert_has(fields, &pairs);
        // The same fields in the other format.
        let (kind, body) = if is_form { (JSON, as_json(&pairs)) } else { (FORM, as_form(&pairs)) };
        if body.len() <= LONGEST {
            assert_has(FormFields::read(Some(kind), body.as_bytes()).expect(&body), &pairs);
        }
    }
    if let (Ok(kind), Ok(cookies)) = (HeaderValue::from_str(kind), HeaderValue::from_bytes(cookies)) {
        // A header that isn't ASCII counts as absent.
        let is_accepted = FormFields::read(kind.to_str().ok(), body).is_ok();
        let incoming = incoming(site, kind, &cookies, body);
        assert_eq!(incoming.is_some(), is_accepted, "the whole request and its body differ");
        if let Some(incoming) = incoming {
            for (name, cookie) in
                [("__Host-rekey", &incoming.cookie), ("__Host-rekey-session", &incoming.session)]
            {
                assert_is_sent(name, cookie.as_ref(), site, &cookies);
            }
        }
    }
    is_accepted
}

/// Sends a request of the site's own page.
fn incoming(
    site: &AppContext,
    kind: HeaderValue,
    cookies: &HeaderValue,
    body: &[u8],
) -> Option<IncomingRequest> {
    let request = Request::post("/code")
        .header(header::CONTENT_TYPE, kind)
        .header(header::COOKIE, cookies)
        .header("sec-fetch-site", "same-origin")
        .body(Body::from(body.to_vec()))
        .unwrap();
    let mut reading = pin!(IncomingRequest::from_request(request, site));
    match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(incoming) => incoming.ok(),
        Poll::Pending => unreachable!("the whole body is there"),
    }
}

/// Checks that an accepted cookie stands in the header, with its tag.
fn assert_is_sent(name: &str, cookie: Option<&HolderCookie>, site: &AppContext, header: &HeaderValue) {
    let Some(cookie) = cookie else { return };
    let pair = format!("{name}={}", cookie.value(&site.flows).unwrap());
    let sent = header.to_str().unwrap();
    assert!(sent.split(';').any(|sent| sent.trim() == pair), "{sent}");
}

fn assert_has(mut fields: FormFields, pairs: &Pairs) {
    for (name, value) in pairs {
        let taken = fields.take(name);
        assert_eq!(taken.as_ref().map_or("", |taken| taken.as_str()), value, "{name}");
        assert!(fields.take(name).is_none(), "{name} is there twice");
    }
    assert!(fields.finish().is_ok(), "further fields");
}

/// Reads a form (WHATWG URL §5.1) by another parser. `None` for what only a lenient parser reads.
fn form(body: &[u8]) -> Option<Pairs> {
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        for part in [&pair[..at], &pair[at + 1..]] {
            percent_decode(part).decode_utf8().ok()?;
            let mut escapes = part.split(|byte| *byte == b'%').skip(1);
            escapes
                .all(|after| after.len() >= 2 && after[..2].iter().all(u8::is_ascii_hexdigit))
                .then_some(())?;
        }
    }
    let pairs: Pairs = form_urlencoded::parse(body).into_owned().collect();
    is_unique(&pairs).then_some(pairs)
}

/// Reads an object of texts by another parser.
fn json(body: &[u8]) -> Option<Pairs> {
    let object: Value = serde_json::from_slice(body).ok()?;
    object.as_object()?.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn is_unique(pairs: &Pairs) -> bool {
    let names: BTreeSet<_> = pairs.iter().map(|(name, _)| name).collect();
    names.len() == pairs.len()
}

fn as_json(pairs: &Pairs) -> String {
    pairs
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect::<Value>()
        .to_string()
}

fn as_form(pairs: &Pairs) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
