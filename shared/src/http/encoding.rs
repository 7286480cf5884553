//! Content codings (RFC 9110 §8.4): gzip for pages, Brotli for assets, which were compressed when the crate was built.
//!
//! Pages are compressed while somebody waits, by a compressor that every function carries. Brotli's would add half a
//! megabyte to each for a few bytes a page.
//!
//! On compressing pages next to secrets (BREACH): an attacker would have to make a victim's browser send many requests
//! whose text is reflected beside a secret that stays the same, and watch the lengths. Of what is typed only the login
//! is reflected, on the answer to a POST, and a POST from another site is refused before anything is rendered. Nothing
//! beside it stays the same: the CAPTCHA's token is new in every answer, the flow's secret lives in a cookie that no
//! page repeats, and `at` is public.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Below this, headers outweigh what compression saves.
const WORTHWHILE: usize = 512;

/// Encodes a page for what a client says it takes: the `Content-Encoding`, if any, and the body.
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

/// Whether an `Accept-Encoding` names `wanted` with a weight above zero (RFC 9110 §12.5.3).
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
