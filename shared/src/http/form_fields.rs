//! Strict parser of bodies: named texts, as form or JSON; no duplicate, nested or unknown fields.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::problem::Problem;

/// The largest accepted body in bytes. The longest password, percent-encoded with three bytes per octet, and
/// all other fields fit.
pub const BODY_MAX: usize = 8 * 1024;

/// The fields of a request; each is taken once. [`FormFields::finish`] rejects the rest.
pub struct FormFields(Vec<(String, Zeroizing<String>)>);

impl FormFields {
    /// Reads a body by its content type.
    ///
    /// # Errors
    /// `unsupported-media-type`, `too-large` or `malformed`.
    pub fn read(content_type: Option<&str>, body: &[u8]) -> Result<Self, Problem> {
        if body.len() > BODY_MAX {
            return Err(Problem::TooLarge);
        }
        let essence = content_type.and_then(|text| text.split(';').next()).map(str::trim).unwrap_or_default();
        match essence.to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Self::form(body),
            "application/json" => Self::json(body),
            // A program without input (POST /cancel) needs no content type.
            "" if body.is_empty() => Ok(Self(Vec::new())),
            _ => Err(Problem::UnsupportedMediaType),
        }
    }

    /// Returns no fields, as for a GET.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    fn form(body: &[u8]) -> Result<Self, Problem> {
        let malformed = || Problem::Malformed(None);
        let mut fields = Self(Vec::new());
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            let name = percent_decoded(&pair[..at]).ok_or_else(malformed)?;
            let value = percent_decoded(&pair[at + 1..]).ok_or_else(malformed)?;
            fields.add(name.to_string(), value).map_err(|()| malformed())?;
        }
        Ok(fields)
    }

    fn json(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(body).map_err(|_| Problem::Malformed(None))
    }

    fn add(&mut self, name: String, value: Zeroizing<String>) -> Result<(), ()> {
        if self.0.iter().any(|(known, _)| *known == name) {
            return Err(());
        }
        self.0.push((name, value));
        Ok(())
    }

    /// Takes an optional field; an empty one counts as absent.
    pub fn take(&mut self, name: &str) -> Option<Zeroizing<String>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_empty())
    }

    /// Takes a required field.
    ///
    /// # Errors
    /// `malformed`, about this field.
    pub fn require(&mut self, name: &'static str) -> Result<Zeroizing<String>, Problem> {
        self.take(name).ok_or_else(|| Problem::malformed(name))
    }

    /// Checks that no field is left.
    ///
    /// # Errors
    /// `malformed` when an unknown field is left.
    pub fn finish(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::Malformed(None)) }
    }
}

impl fmt::Debug for FormFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Decodes `application/x-www-form-urlencoded` (WHATWG URL §5.1) strictly: an incomplete escape and invalid
/// UTF-8 are rejected instead of replaced.
fn percent_decoded(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(*digit).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => *byte,
        });
    }
    Some(Zeroizing::new(std::str::from_utf8(&decoded).ok()?.to_owned()))
}

impl<'de> Deserialize<'de> for FormFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneLevel;

        impl<'de> Visitor<'de> for OneLevel {
            type Value = FormFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FormFields, A::Error> {
                let mut fields = FormFields(Vec::new());
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    fields
                        .add(name, Zeroizing::new(value))
                        .map_err(|()| A::Error::custom("a field stands twice"))?;
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(OneLevel)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::problem::Code;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
    const JSON: Option<&str> = Some("application/json; charset=utf-8");

    fn code(content_type: Option<&str>, body: &[u8]) -> Option<Code> {
        FormFields::read(content_type, body).err().map(|problem| problem.code())
    }

    /// Controls: C-077.
    #[test]
    fn form_and_json_bodies_are_equivalent() {
        let mut form = FormFields::read(FORM, b"login=a%C3%A9+b%40c&reason=").unwrap();
        let mut json = FormFields::read(JSON, "{\"login\":\"aé b@c\",\"reason\":\"\"}".as_bytes()).unwrap();
        for fields in [&mut form, &mut json] {
            assert_eq!(fields.take("login").unwrap().as_str(), "aé b@c");
            assert!(fields.take("reason").is_none(), "an empty field counts as missing");
        }
        assert!(form.finish().is_ok() && json.finish().is_ok());
    }

    /// Controls: C-077.
    #[test]
    fn nested_duplicate_or_unknown_fields_are_rejected() {
        let cases: [(Option<&str>, &[u8]); 13] = [
            (JSON, br#"{"login":"a","login":"b"}"#),
            (JSON, br#"{"login":["a","b"]}"#),
            (JSON, br#"{"login":1}"#),
            (JSON, br#"{"login":null}"#),
            (JSON, br#"{"login":"\ud800"}"#),
            (JSON, b"[]"),
            (JSON, b"{} x"),
            (JSON, b""),
            (JSON, b"{\"login\":\"\xff\"}"),
            (FORM, b"login=a&login=b"),
            (FORM, b"login=%zz"),
            (FORM, b"login=%ff"),
            (FORM, b"login"),
        ];
        for (content_type, body) in cases {
            assert_eq!(code(content_type, body), Some(Code::Malformed), "{}", String::from_utf8_lossy(body));
        }
        let mut unknown = FormFields::read(FORM, b"login=a&admin=1").unwrap();
        unknown.take("login");
        assert!(unknown.finish().is_err());
    }

    /// Controls: C-077.
    #[test]
    fn unsupported_type_or_oversized_body_is_rejected() {
        assert_eq!(code(Some("text/plain"), b"login=a"), Some(Code::UnsupportedMediaType));
        assert_eq!(code(None, b"login=a"), Some(Code::UnsupportedMediaType));
        assert_eq!(code(None, b""), None);
        assert_eq!(code(JSON, &vec![b'['; BODY_MAX + 1]), Some(Code::TooLarge));
        assert_eq!(
            code(JSON, &vec![b'['; BODY_MAX]),
            Some(Code::Malformed),
            "depth is no way to exhaust the stack"
        );
    }

    proptest! {
        /// Controls: C-077.
        #[test]
        fn parsing_arbitrary_body_never_panics(body in prop::collection::vec(any::<u8>(), 0..200), json: bool) {
            let _ = FormFields::read(if json { JSON } else { FORM }, &body);
        }
    }
}
