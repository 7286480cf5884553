//! Content codings (RFC 9110 §8.4): gzip for pages, Brotli for assets, which are compressed at build time.
//!
//! Pages are compressed per request, so every function contains the compressor. Brotli's would add half a
//! megabyte to each for a few bytes per page.
//!
//! Compression beside secrets (BREACH): an attacker would have to make a victim's browser send many requests
//! whose text is reflected beside a constant secret, and observe the lengths. Of the input, only the login is
//! reflected, in the response to a POST, and a cross-site POST is rejected before anything is rendered. No
//! secret beside it is constant: the CAPTCHA's token is new in every response, no page contains the flow's
//! secret, and `at` is public.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Below this size in bytes, the header costs more than compression saves.
const WORTHWHILE: usize = 512;

/// Encodes a page for a client's `Accept-Encoding`: returns the `Content-Encoding`, if any, and the body.
pub fn encode(accept_encoding: &str, body: Vec<u8>) -> (Option<&'static str>, Vec<u8>) {
    if body.len() < WORTHWHILE || !takes(accept_encoding, "gzip") {
        return (None, body);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    match encoder.write_all(&body).and_then(|()| encoder.finish()) {
        Ok(compressed) => (Some("gzip"), compressed),
        Err(_) => (None, body),
    }
}

/// Returns whether an `Accept-Encoding` names `wanted` with a weight above zero (RFC 9110 §12.5.3).
pub fn takes(accept_encoding: &str, wanted: &str) -> bool {
    accept_encoding.split(',').any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        name.trim().eq_ignore_ascii_case(wanted) && weight.is_ok_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn encoding_is_used_only_if_accepted() {
        for taken in ["br", "gzip, br", "gzip;q=0.5, BR;q=0.1", "deflate,br;q=1.0"] {
            assert!(takes(taken, "br"), "{taken}");
        }
        for not in ["", "gzip", "br;q=0", "br;q=0.000", "*", "brotli", "br;q=x"] {
            assert!(!takes(not, "br"), "{not}");
        }
    }

    #[test]
    fn encoded_body_round_trips() {
        let page = "Who are you? ".repeat(100).into_bytes();
        let (encoding, body) = encode("gzip, deflate, br", page.clone());
        assert_eq!(encoding, Some("gzip"));
        assert!(body.len() < page.len() / 4);
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, page);
        assert_eq!(encode("gzip", b"short".to_vec()), (None, b"short".to_vec()));
    }
}
