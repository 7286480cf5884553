//! Builds the event that an API Gateway HTTP API makes of a request (payload format 2.0).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderValue, header, request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use shared::domain::time::Timestamp;

use super::routes::Chosen;
use crate::emulator::ACCOUNT;

/// The API id in events; a real one also has ten letters and digits.
const API: &str = "localrekey";

/// Decodes a path as an HTTP API does: percent-decoded, and cut at an encoded `?`. `None` if it is not UTF-8.
pub fn decoded_path(path: &str) -> Option<String> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    Some(decoded.split('?').next().unwrap_or_default().to_owned())
}

/// The connection and the time of a request.
pub struct Arrival<'a> {
    /// The address of the client, which becomes `sourceIp`.
    pub peer: SocketAddr,
    /// The `Host` header.
    pub host: &'a str,
    /// The path after percent-decoding.
    pub path: &'a str,
    /// When the request arrived.
    pub at: Timestamp,
    /// The `requestId` of the event.
    pub id: &'a str,
}

/// Builds the event of a request.
pub fn event(parts: &request::Parts, body: &[u8], chosen: &Chosen<'_>, arrival: &Arrival<'_>) -> Value {
    let query = parts.uri.query().unwrap_or_default();
    let headers = headers(&parts.headers, arrival);
    let cookies = cookies(&parts.headers);
    let text = std::str::from_utf8(body).ok().filter(|_| is_text(&parts.headers));
    let agent = headers.get("user-agent").cloned().unwrap_or_default();
    let time = jiff::Timestamp::from_second(arrival.at.as_seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let mut event = json!({
        "version": "2.0",
        "routeKey": chosen.key,
        "rawPath": arrival.path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": arrival.host,
            "domainPrefix": arrival.host.split(['.', ':']).next(),
            "http": {
                "method": parts.method.as_str(),
                "path": arrival.path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": arrival.peer.ip().to_canonical().to_string(),
                "userAgent": agent,
            },
            "requestId": arrival.id,
            "routeKey": chosen.key,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": arrival.at.as_seconds().saturating_mul(1_000),
        },
        "isBase64Encoded": !body.is_empty() && text.is_none(),
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(parameters(query));
    }
    if !chosen.parameters.is_empty() {
        event["pathParameters"] = json!(chosen.parameters);
    }
    if !body.is_empty() {
        event["body"] = text.map_or_else(|| json!(STANDARD.encode(body)), |text| json!(text));
    }
    event
}

/// Returns lower-case names, with repeated headers joined by commas and without cookies. It appends the proxy headers
/// after the values that the client sent.
fn headers(given: &HeaderMap, arrival: &Arrival<'_>) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in given {
        if name == header::COOKIE || HOP_BY_HOP.contains(&name.as_str()) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    let address = arrival.peer.ip().to_canonical().to_string();
    let chain = match headers.get("x-forwarded-for") {
        Some(claimed) => format!("{claimed}, {address}"),
        None => address,
    };
    headers.insert("x-forwarded-for".to_owned(), chain);
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    let port = arrival.host.rsplit_once(':').map_or("80", |(_, port)| port);
    headers.insert("x-forwarded-port".to_owned(), port.to_owned());
    headers
}

/// Hop-by-hop headers, which no gateway forwards (RFC 9110 §7.6.1).
pub const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Returns every cookie. One that is not UTF-8, such as another application's, doesn't affect the others.
fn cookies(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    pairs.filter(|pair| !pair.is_empty()).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect()
}

/// Returns decoded query parameters, with the values of one name joined by commas.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    parameters
}

/// Returns whether an HTTP API passes the body as text; it encodes other bodies as base64.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || matches!(&*kind, "application/json" | "application/javascript" | "application/xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_decoded_like_api_gateway() {
        assert_eq!(decoded_path("/a%20b/%C3%A9").as_deref(), Some("/a b/é"));
        assert_eq!(decoded_path("/me%3Fadmin=true").as_deref(), Some("/me"));
        assert_eq!(decoded_path("/%FF"), None);
    }

    #[test]
    fn cookies_with_any_bytes_are_listed() {
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_bytes(b"campus=Universit\xe4t; own=1;").unwrap();
        headers.insert(header::COOKIE, line);
        assert_eq!(cookies(&headers), ["campus=Universit\u{fffd}t", "own=1"]);
    }
}
