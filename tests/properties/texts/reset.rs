//! Parsers of the reset and shared ones: cookies, tokens, messages, names, contacts, codes, files and bodies.

use proptest::collection::vec;
use proptest::prelude::*;
use rekey_local::people;
use shared::domain::captcha::{CaptchaChallenge, Effort};
use shared::domain::code::OneTimeCode;
use shared::domain::contact::{Country, EmailAddress, PhoneNumber};
use shared::domain::cookie::{HolderCookie, HolderKind};
use shared::domain::holder::HolderId;
use shared::domain::keys::Keyring;
use shared::domain::message::{Envelope, Message};
use shared::domain::name::CanonicalName;
use shared::domain::time::Timestamp;
use shared::domain::totp::TotpSeed;
use shared::http::FormFields;

use super::{KEYS, NOW, keys};
use crate::edits::{almost_valid, changed};
use crate::harness::Property;

/// Controls: C-037.
#[test]
fn altered_flow_cookie_is_rejected() {
    let keys = keys();
    let value = HolderCookie::open_flow(&keys, [7; 32]).with_verified(1).value(&keys).unwrap();
    let property = Property { name: "cookies", cases: 2_000, reaches: &["refused"] };
    property.run(&changed(value.clone()), |text| {
        if HolderCookie::read(HolderKind::Flow, &text, &keys).is_none() {
            return "refused".to_owned();
        }
        assert_eq!(text, value, "another text is read as the cookie");
        "the cookie".to_owned()
    });
}

/// Controls: C-007.
#[test]
fn altered_captcha_token_is_rejected() {
    let keys = keys();
    let token = CaptchaChallenge::generate([7; 16], NOW, Effort::BASE, None).seal(&keys, [1; 24]).unwrap();
    let property = Property { name: "tokens", cases: 2_000, reaches: &["refused"] };
    property.run(&changed(token.clone()), |text| {
        if CaptchaChallenge::open(&text, &keys, NOW).is_err() {
            return "refused".to_owned();
        }
        assert_eq!(text, token, "another text is read as the token");
        "the token".to_owned()
    });
}

/// Controls: C-089.
#[test]
fn altered_sealed_message_is_rejected() {
    let keys = keys();
    let sealed = Message::Decoy.seal(&keys, HolderId::from_bytes([7; 32]), [1; 24]).unwrap();
    let sealed = serde_json::to_string(&sealed).unwrap();
    let own: serde_json::Value = serde_json::from_str(&sealed).unwrap();
    let property = Property { name: "messages", cases: 1_000, reaches: &["no envelope", "refused"] };
    property.run(&changed(sealed), |text| {
        let Ok(envelope) = serde_json::from_str::<Envelope>(&text) else { return "no envelope".to_owned() };
        if envelope.open(&keys).is_err() {
            return "refused".to_owned();
        }
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["sealed"], own["sealed"]);
        "the message".to_owned()
    });
}

/// Controls: C-091.
#[test]
fn random_secret_is_keyring_or_rejected() {
    let property = Property { name: "keyrings", cases: 2_000, reaches: &["read", "refused"] };
    property.run(&changed(KEYS.to_owned()), |text| match Keyring::from_secret(&text) {
        Err(_) => "refused".to_owned(),
        Ok(keys) => {
            assert!(keys.tag(keys.current(), "rekey/properties", &[]).is_some());
            assert!(keys.oldest() <= keys.current());
            "read".to_owned()
        }
    });
}

/// Controls: C-078.
#[test]
fn random_phone_number_is_canonical_or_rejected() {
    let numbers = almost_valid(&[
        "+60123456798",
        "012-345 6798",
        "0060 12 345 6798",
        "1-800-88-1234",
        "+447400123456",
        "tel:+6012",
        "٠١٢٣٤٥٦٧٩٨",
    ]);
    let property = Property { name: "numbers", cases: 1_500, reaches: &["a number", "none", "reachable"] };
    property.run(&prop_oneof![6 => numbers, 1 => any::<String>()], |text| {
        let Ok(number) = PhoneNumber::parse(&text, Country::MALAYSIA) else { return "none".to_owned() };
        let digits = number.expose().strip_prefix('+').unwrap();
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
        let again = PhoneNumber::parse(number.expose(), Country::MALAYSIA).unwrap();
        assert!(again.matches(&number), "{text:?} is {digits}, and then {}", again.expose());
        assert_eq!(number.masked(), format!("*****{}", &digits[digits.len().saturating_sub(2)..]));
        assert!(number.expose().starts_with(number.block()));
        let reachable = number.is_reachable_in(&[Country::MALAYSIA]);
        assert!(!reachable || digits.starts_with("60"), "{digits} is not in Malaysia");
        if reachable { "reachable" } else { "a number" }.to_owned()
    });
}

/// Controls: C-004.
#[test]
fn random_login_is_canonical_or_rejected() {
    let names = almost_valid(&[
        "aisyah",
        "AISYAH@student.contoh.example",
        "ﬀ@x",
        "İstanbul",
        "ΑΣ",
        "a@b@student.contoh.example",
    ]);
    let own = ["student.contoh.example".to_owned()];
    let property = Property { name: "logins", cases: 3_000, reaches: &["a name", "none"] };
    property.run(&prop_oneof![6 => names, 2 => any::<String>(), 1 => "\\PC{0,300}"], |text| {
        let Ok(name) = CanonicalName::parse(&text, &own) else { return "none".to_owned() };
        assert!(!name.as_str().is_empty() && !name.as_str().contains(char::is_control));
        let again = CanonicalName::parse(name.as_str(), &own).map(|again| again.as_str().to_owned());
        assert_eq!(again.as_deref(), Ok(name.as_str()), "a canonical name is its own");
        let upper = CanonicalName::parse(&text.to_uppercase(), &own);
        // Some capitals are two letters, so the upper-case form may be too long for a name.
        let is_same = upper.map_or(text.to_uppercase().len() > text.len(), |upper| upper == name);
        assert!(is_same || has_no_capital(&text), "{text:?} in capitals");
        "a name".to_owned()
    });
}

/// Returns whether a letter's capital doesn't fold back to it under Unicode's full case folding.
fn has_no_capital(text: &str) -> bool {
    let fold = shared::domain::name::fold;
    text.chars().any(|c| {
        let c = c.to_string();
        fold(&c.to_uppercase()) != fold(&c)
    })
}

/// Controls: C-078.
#[test]
fn random_email_address_is_canonical_or_rejected() {
    let addresses =
        almost_valid(&["aisyah.rahman@mail.example", "a@b", "a@b\r\nBcc: x", "\"a b\"@c", "a@[::1]"]);
    let property = Property { name: "addresses", cases: 2_000, reaches: &["an address", "none"] };
    property.run(&prop_oneof![6 => addresses, 1 => any::<String>()], |text| {
        let Ok(address) = EmailAddress::parse(&text) else { return "none".to_owned() };
        let whole = address.expose();
        assert_eq!(whole.matches('@').count(), 1);
        assert!(
            !whole.contains(|c: char| c.is_control() || c.is_whitespace() || "<>,;".contains(c)),
            "{whole:?}"
        );
        let first = whole.chars().next().unwrap().to_ascii_lowercase();
        let shown = if first.is_ascii_lowercase() { first } else { '*' };
        assert_eq!(address.masked(), format!("{shown}*****@*****"));
        let again = EmailAddress::parse(whole).unwrap();
        assert!(again.expose() == whole && again == address, "{whole:?} is {:?}", again.expose());
        "an address".to_owned()
    });
}

/// Controls: C-029.
#[test]
fn random_totp_code_matches_only_adjacent_steps() {
    let seeds = almost_valid(&[
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "gezd gnbv gy3t qojq gezd gnbv gy3t qojq====",
        "MFRGGZDF",
    ]);
    let codes = almost_valid(&["123456", "１２３ ４５６", "000000", "12345678"]);
    let property = Property { name: "apps", cases: 1_000, reaches: &["no seed", "no code", "another code"] };
    property.run(&(seeds, codes, any::<i64>()), |(seed, code, at)| {
        let Ok(seed) = TotpSeed::parse(&seed) else { return "no seed".to_owned() };
        let Ok(code) = OneTimeCode::parse(&code) else { return "no code".to_owned() };
        let now = Timestamp::from_seconds(at);
        match seed.matching_step(&code, now) {
            None => "another code".to_owned(),
            Some(step) => {
                assert!(step.abs_diff(now.as_unsigned() / 30) <= 1);
                "the code".to_owned()
            }
        }
    });
}

#[test]
fn random_people_file_is_parsed_or_rejected() {
    let files = changed(people::DEMO.to_owned());
    let rows = vec(
        vec(almost_valid(&["aisyah", "", "\"", "+60123456798", "a@b.example", "en", "active"]), 0..12),
        0..4,
    )
    .prop_map(|rows| {
        let header = people::DEMO.lines().next().unwrap().to_owned();
        let rows = rows.into_iter().map(|row| row.join(","));
        std::iter::once(header).chain(rows).collect::<Vec<_>>().join("\n")
    });
    let property = Property { name: "people", cases: 300, reaches: &["read", "refused"] };
    let own = ["student.contoh.example".to_owned()];
    let countries = [Country::MALAYSIA];
    let rules = people::Rules { own_domains: &own, home_country: Country::MALAYSIA, countries: &countries };
    property.run(&prop_oneof![2 => files, 1 => rows, 1 => any::<String>()], |text| {
        match people::parse("people.csv", text.as_bytes(), &rules) {
            Err(failure) => {
                assert!(!failure.to_string().is_empty());
                "refused".to_owned()
            }
            Ok(read) => {
                assert!(read.people.iter().all(|person| !person.names.is_empty()));
                "read".to_owned()
            }
        }
    });
}

/// Controls: C-077.
#[test]
fn random_body_is_parsed_or_rejected() {
    let bodies = prop_oneof![
        almost_valid(&["{\"login\":\"aisyah\",\"captcha_token\":\"x\"}", "{\"a\":\"\\ud83d\\ude00\"}"]),
        almost_valid(&["login=aisyah&captcha_token=x", "a=%F0%9F%98%80", "a=+%2B"]),
    ];
    let bytes =
        (bodies, vec((any::<prop::sample::Index>(), any::<u8>()), 0..2)).prop_map(|(text, changes)| {
            let mut bytes = text.into_bytes();
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            bytes
        });
    let property = Property {
        name: "bodies",
        cases: 3_000,
        reaches: &["true read", "true refused", "false read", "false refused"],
    };
    property.run(&(bytes, any::<bool>()), |(body, json)| {
        let kind = if json { "application/json" } else { "application/x-www-form-urlencoded" };
        let outcome = match FormFields::read(Some(kind), &body) {
            Err(_) => "refused",
            Ok(mut fields) => {
                let lenient =
                    std::str::from_utf8(&body).ok().and_then(|text| text.parse::<serde_json::Value>().ok());
                if json {
                    // The lenient parser reads the same from a body that the strict one accepts.
                    for (name, value) in lenient.unwrap().as_object().unwrap() {
                        let read = fields.take(name).map(|value| value.to_string());
                        assert_eq!(read.as_deref().unwrap_or_default(), value.as_str().unwrap());
                    }
                    assert!(fields.finish().is_ok());
                }
                "read"
            }
        };
        format!("{json} {outcome}")
    });
}
