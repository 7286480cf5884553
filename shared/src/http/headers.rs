//! The security headers of every response (OWASP ASVS 5.0 §3.4), errors and redirects included.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers with the same value in every response.
const FIXED: [(HeaderName, &str); 8] = [
    // Two years, as browsers' preload lists require.
    (STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // For browsers without frame-ancestors.
    (X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: browsers would then post forms with `Origin: null`, like an attacker's sandboxed
    // frame.
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), \
         publickey-credentials-create=(self), publickey-credentials-get=(self), usb=()",
    ),
    // Pages are about one person's account. Cacheable responses set their own value.
    (CACHE_CONTROL, "no-store"),
];

/// Sets all missing headers. `logo_url` is the only foreign source that the policy allows.
pub fn apply(headers: &mut HeaderMap, logo_url: Option<&str>) {
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::try_from(content_security_policy(logo_url)) {
        headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    }
}

fn content_security_policy(logo_url: Option<&str>) -> String {
    let images = logo_url.and_then(origin).map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:{images}; connect-src 'self'; \
         media-src 'self'; worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// Returns scheme, host and port of a URL, if they have no character that could end the directive.
fn origin(url: &str) -> Option<&str> {
    let host_and_rest = url.strip_prefix("https://")?;
    let host = host_and_rest.split(['/', '?', '#']).next()?;
    let is_plain = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
    is_plain.then(|| &url[.."https://".len() + host.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-081.
    #[test]
    fn security_headers_are_complete() {
        let mut headers = HeaderMap::new();
        apply(&mut headers, None);
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        for directive in
            ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"]
        {
            assert!(policy.split("; ").any(|part| part == directive), "{directive}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        assert_eq!(headers.len(), FIXED.len() + 1);
    }

    #[test]
    fn response_may_override_cache_control() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        apply(&mut headers, None);
        assert_eq!(headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
    }

    /// Controls: C-081.
    #[test]
    fn csp_allows_only_valid_logo_origin() {
        let policy = content_security_policy(Some("https://www.contoh.example/logo.svg?size=2"));
        assert!(policy.contains("img-src 'self' data: https://www.contoh.example;"));
        for bad in ["http://contoh.example/l.svg", "https:///l.svg", "https://a; script-src *", "//x", ""] {
            assert!(content_security_policy(Some(bad)).contains("img-src 'self' data:; "), "{bad}");
        }
    }
}
