//! The check that a request came through the trusted proxy, and the client's address that it names.
//!
//! Behind CloudFront, API Gateway sees CloudFront's address. `CloudFront-Viewer-Address` has the client's, but
//! whoever calls the API directly can write that header too. It therefore counts only beside the secret.

use std::net::IpAddr;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::domain::proxy::ProxySecret;

/// The header in which the proxy sends its secret (ADR-019).
pub const SECRET_HEADER: HeaderName = HeaderName::from_static("x-rekey-proxy");
/// The header in which CloudFront names the client's address and port.
pub const VIEWER_ADDRESS: HeaderName = HeaderName::from_static("cloudfront-viewer-address");

/// The answer to a request that came another way. It is no page: no person comes this way.
const FORBIDDEN: &str = r#"{"type":"about:blank","title":"Forbidden","status":403,"code":"forbidden"}"#;

/// Checks the secret and the address of a request.
///
/// # Errors
/// The reason for the log.
pub(super) fn check(secret: &ProxySecret, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut given = headers.get_all(SECRET_HEADER).into_iter();
    let Some(value) = given.next() else { return Err("no secret of the proxy") };
    if given.next().is_some() || !secret.accepts(value.as_bytes()) {
        return Err("a wrong secret of the proxy");
    }
    viewer_address(headers).map(|_| ()).ok_or("no address of the client")
}

/// Returns the client's address as CloudFront names it: address and port, an IPv6 address with or without
/// brackets.
pub(super) fn viewer_address(headers: &HeaderMap) -> Option<IpAddr> {
    let mut given = headers.get_all(VIEWER_ADDRESS).into_iter();
    let (address, port) = given.next()?.to_str().ok()?.rsplit_once(':')?;
    let is_alone = given.next().is_none();
    let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
    let address = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => address.parse().ok()?,
    };
    (is_alone && port.parse::<u16>().is_ok()).then_some(address)
}

/// Returns the answer to a request that did not come through the proxy.
pub(super) fn forbidden() -> Response {
    let mut response = Response::new(Body::from(FORBIDDEN));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(VIEWER_ADDRESS, value.parse().unwrap());
        }
        viewer_address(&headers).map(|address| address.to_string())
    }

    /// Controls: C-100.
    #[test]
    fn viewer_address_is_parsed_with_its_port() {
        for (value, expected) in [
            ("198.51.100.10:46532", "198.51.100.10"),
            ("2001:db8:0:1:f0ad:beef:cafe:7:46532", "2001:db8:0:1:f0ad:beef:cafe:7"),
            ("2001:db8::7:443", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("::ffff:198.51.100.10:80", "::ffff:198.51.100.10"),
        ] {
            assert_eq!(address(&[value]).as_deref(), Some(expected), "{value}");
        }
        for value in [
            "",
            ":",
            "198.51.100.10",
            "198.51.100.10:",
            "198.51.100.10:65536",
            "198.51.100.10:80,203.0.113.1:80",
            "198.51.100.10, 203.0.113.1:80",
            "[198.51.100.10]:80",
            "[2001:db8::7]",
            "2001:db8::g:80",
            "evil.example:80",
        ] {
            assert_eq!(address(&[value]), None, "{value}");
        }
        assert_eq!(address(&[]), None);
        assert_eq!(address(&["198.51.100.10:1", "198.51.100.11:1"]), None);
    }
}
