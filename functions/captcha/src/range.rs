//! Range requests (RFC 9110 §14) for what is rendered in memory.

use std::ops::Range;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// Answers a GET with all bytes, with the one range that it asks for (206), or with 416.
///
/// Several ranges, another unit, and a range under a condition (`If-Range`: there is no validator to compare) get all
/// bytes, as §14.2 allows.
pub(crate) fn respond(headers: &HeaderMap, bytes: Vec<u8>) -> Response {
    let wanted = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .filter(|_| !headers.contains_key(header::IF_RANGE));
    let length = bytes.len();
    let (status, range, body) = match wanted.map_or(Wanted::All, |text| parse(text, length)) {
        Wanted::All => (StatusCode::OK, None, bytes),
        Wanted::One(range) => {
            let place = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            (StatusCode::PARTIAL_CONTENT, Some(place), bytes[range].to_vec())
        }
        Wanted::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, Some(format!("bytes */{length}")), Vec::new()),
    };
    let mut response = (status, body).into_response();
    let place = range.and_then(|range| HeaderValue::try_from(range).ok());
    response.headers_mut().extend(place.map(|place| (header::CONTENT_RANGE, place)));
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// Not empty, and within the bytes.
    One(Range<usize>),
    /// No byte, or no valid range.
    Nothing,
}

fn parse(text: &str, length: usize) -> Wanted {
    let Some((unit, set)) = text.split_once('=') else { return Wanted::All };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Wanted::All;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Nothing };
    // A number that is too large for a place lies beyond every end.
    let number = |digits: &str| -> Option<usize> {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().unwrap_or(usize::MAX))
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        _ => return Wanted::Nothing,
    };
    if range.is_empty() { Wanted::Nothing } else { Wanted::One(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_selects_bytes_as_in_rfc_9110() {
        for (text, range) in [
            ("bytes=0-1", 0..2),
            ("bytes=0-0", 0..1),
            ("bytes=3-", 3..10),
            ("bytes=-4", 6..10),
            ("bytes=-99", 0..10),
            ("Bytes=2-99999999999999999999999", 2..10),
            ("bytes= 9-9 ", 9..10),
        ] {
            assert_eq!(parse(text, 10), Wanted::One(range), "{text}");
        }
    }

    #[test]
    fn invalid_and_unsatisfiable_ranges_select_nothing() {
        for text in [
            "bytes=10-",
            "bytes=10-20",
            "bytes=-0",
            "bytes=5-4",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-+2",
        ] {
            assert_eq!(parse(text, 10), Wanted::Nothing, "{text}");
        }
        assert_eq!(parse("bytes=0-", 0), Wanted::Nothing);
    }

    #[test]
    fn other_units_and_several_ranges_select_everything() {
        for text in ["items=0-1", "bytes", "", "bytes=0-1,4-5"] {
            assert_eq!(parse(text, 10), Wanted::All, "{text}");
        }
    }

    #[test]
    fn response_states_its_range_and_length() {
        let answer = |pairs: &[(header::HeaderName, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            let response = respond(&headers.collect(), vec![7; 10]);
            let place = response.headers().get(header::CONTENT_RANGE);
            (response.status().as_u16(), place.map(|place| place.to_str().unwrap().to_owned()))
        };
        assert_eq!(answer(&[]), (200, None));
        assert_eq!(answer(&[(header::RANGE, "bytes=0-1")]), (206, Some("bytes 0-1/10".into())));
        assert_eq!(answer(&[(header::RANGE, "bytes=10-")]), (416, Some("bytes */10".into())));
        let conditional = [(header::RANGE, "bytes=0-1"), (header::IF_RANGE, "\"x\"")];
        assert_eq!(answer(&conditional), (200, None), "no validator can match");
    }
}
