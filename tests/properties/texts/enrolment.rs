//! Parsers of `/security-info`: its cookie, entry and request ids, the return URL, recovery codes, and sealed waiting
//! entries.

use proptest::prelude::*;
use proptest::sample::select;
use shared::domain::account::AccountId;
use shared::domain::approval::ApprovalNumber;
use shared::domain::cookie::{HolderCookie, HolderKind};
use shared::domain::flow::RequestId;
use shared::domain::recovery_code::{HashedWith, RecoveryCode, RecoveryCodes, Sheet};
use shared::domain::security_info::{EntryId, Kind};
use shared::settings::Settings;
use url::Url;

use super::keys;
use crate::edits::{almost_valid, changed, edited, edits};
use crate::enrolment::PENDING;
use crate::harness::Property;

/// Controls: C-037.
#[test]
fn altered_session_cookie_is_rejected() {
    let keys = keys();
    let cookie = HolderCookie::open_session(&keys, [7; 32]);
    let value = cookie.value(&keys).unwrap();
    let property = Property { name: "session-cookies", cases: 2_000, reaches: &["refused"] };
    property.run(&changed(value.clone()), |text| {
        let Some(read) = HolderCookie::read(HolderKind::Session, &text, &keys) else {
            return "refused".to_owned();
        };
        assert_eq!(text, value, "another text is read as the cookie");
        assert_eq!(read.id(), cookie.id());
        "the cookie".to_owned()
    });
}

/// A waiting entry opens unchanged, and only for its own session.
/// Controls: C-057.
#[test]
fn pending_data_opens_only_in_its_session() {
    let keys = keys();
    let [own, other] = [7, 8].map(|id| HolderCookie::open_session(&keys, [id; 32]).id());
    let sealed = keys.seal(PENDING, own.as_bytes(), b"+60123459900", [1; 24]).unwrap();
    let property = Property { name: "pending", cases: 1_500, reaches: &["refused"] };
    property.run(&changed(sealed.clone()), |text| {
        assert!(keys.open(PENDING, other.as_bytes(), &text).is_err(), "it opens in another session");
        assert!(keys.open("rekey/totp", own.as_bytes(), &text).is_err(), "it opens for another purpose");
        let Ok(plain) = keys.open(PENDING, own.as_bytes(), &text) else { return "refused".to_owned() };
        assert_eq!((text.as_str(), plain.as_slice()), (sealed.as_str(), &b"+60123459900"[..]));
        "what was sealed".to_owned()
    });
}

#[test]
fn random_entry_id_is_canonical_or_rejected() {
    let names = almost_valid(&[
        "mobile",
        "alternate_email",
        "totp",
        "recovery_codes",
        "passkey.0123456789abcdef",
        "authenticator.ffffffffffffffff",
        "passkey.0123456789ABCDEF",
        "state",
    ]);
    let own = (select(&Kind::ALL[..]), any::<[u8; 8]>())
        .prop_map(|(kind, entropy)| EntryId::new(kind, entropy).as_str().to_owned());
    let property =
        Property { name: "entries", cases: 2_000, reaches: &["none", "the one", "one of several"] };
    property.run(&prop_oneof![6 => names, 2 => own, 1 => any::<String>()], |text| {
        let Some(id) = EntryId::parse(&text) else { return "none".to_owned() };
        assert_eq!(id.as_str(), text, "a name is its own");
        assert_eq!(EntryId::try_from(text.clone()).as_ref(), Ok(&id), "and is stored as it is read");
        assert_ne!(text, "state", "the item of the account is no entry");
        let kind = id.kind();
        assert!(text.starts_with(kind.as_str()));
        if kind.limit() == 1 {
            assert_eq!(id, EntryId::only(kind));
            "the one".to_owned()
        } else {
            let number: [u8; 8] =
                u64::from_str_radix(text.rsplit('.').next().unwrap(), 16).unwrap().to_be_bytes();
            assert_eq!(id, EntryId::new(kind, number));
            "one of several".to_owned()
        }
    });
}

/// Upper-case digits name the same request; no other change does.
/// Controls: C-078.
#[test]
fn random_request_id_is_canonical_or_rejected() {
    let written = RequestId::from_bytes([0xab; 16]).to_string();
    let digits = "[0-9a-fA-F]{30,34}";
    let property = Property { name: "requests", cases: 1_500, reaches: &["none", "a request"] };
    property.run(&prop_oneof![3 => changed(written), 1 => digits], |text| {
        let Some(request) = RequestId::parse(&text) else { return "none".to_owned() };
        assert_eq!(request.to_string(), text.to_ascii_lowercase());
        assert_eq!(RequestId::parse(&request.to_string()), Some(request));
        "a request".to_owned()
    });
}

/// Controls: C-048.
#[test]
fn random_approval_number_is_valid_or_rejected() {
    let numbers = almost_valid(&["42", " 10\n", "99", "09", "１２", "+7", "4 2"]);
    let property = Property { name: "approvals", cases: 1_000, reaches: &["none", "a number"] };
    property.run(&prop_oneof![6 => numbers, 1 => any::<String>()], |text| {
        let Ok(number) = ApprovalNumber::parse(&text) else { return "none".to_owned() };
        assert_eq!(number.expose(), text.trim());
        assert!((10..=99).contains(&number.expose().parse::<u8>().unwrap()));
        "a number".to_owned()
    });
}

/// A parsed code is the same however it was typed; only the codes of a sheet match it.
/// Controls: C-016.
#[test]
fn random_recovery_code_is_canonical_or_rejected() {
    let codes = RecoveryCodes::generate(&std::array::from_fn(|at| u8::try_from(at).unwrap()));
    let (seeds, account) = (keys(), AccountId::from_directory("aisyah").unwrap());
    let sheet = codes.sheet(&seeds, &account).unwrap();
    let own: Vec<String> = codes.iter().map(|code| code.expose().to_string()).collect();
    let seed = own[3].clone();
    let typed = prop_oneof![
        4 => changed(seed.clone()),
        1 => edits().prop_map(move |edits| edited(&seed.to_lowercase().replace('0', "o").replace('1', "l"), &edits)),
        1 => "[0-9A-Za-z -]{14,22}",
    ];
    let property =
        Property { name: "recovery-codes", cases: 1_000, reaches: &["none", "a code", "on the sheet"] };
    property.run(&typed, |text| {
        let Ok(code) = RecoveryCode::parse(&text) else { return "none".to_owned() };
        let written = code.expose().to_string();
        assert_eq!(RecoveryCode::parse(&written).as_ref(), Ok(&code), "a code is its own");
        assert!(written.len() == 19 && written.split('-').all(|group| group.len() == 4), "{written}");
        assert!(!written.contains(['I', 'L', 'O', 'U']), "{written}");
        let is_own = own.contains(&written);
        let hash = sheet.hash(&code, &seeds, &account).unwrap();
        assert_eq!(sheet.hashes.contains(&hash), is_own, "{written}");
        if is_own { "on the sheet" } else { "a code" }.to_owned()
    });
}

/// Checking a code against any stored sheet returns a result or an error.
/// Controls: C-068.
#[test]
fn random_sheet_salt_is_hashed_or_rejected() {
    let code = RecoveryCode::parse("0123-4567-89AB-CDEF").unwrap();
    let property = Property { name: "sheets", cases: 120, reaches: &["looked at", "refused"] };
    property.run(&changed("AQEBAQEBAQEBAQEBAQEBAQ".to_owned()), |salt| {
        let hash_with = |hashed_with| {
            Sheet { hashed_with, hashes: Vec::new() }.hash(
                &code,
                &keys(),
                &AccountId::from_directory("aisyah").unwrap(),
            )
        };
        let _ = hash_with(HashedWith::Key(salt.clone()));
        hash_with(HashedWith::Salt(salt))
            .map_or("refused", |hash| {
                assert_eq!(hash.len(), 43);
                "looked at"
            })
            .to_owned()
    });
}

/// The return URL is on the list, as a browser parses it. It is no page beside or above, and on no other host.
/// Controls: C-086.
#[test]
fn random_return_url_is_allowed_or_rejected() {
    let allowed = "https://portal.example/app/,https://my.example/home?x=1";
    let pairs = [("REKEY_RETURN_URLS".to_owned(), allowed.to_owned())];
    let settings = Settings::from_pairs(pairs).unwrap();
    let asked = almost_valid(&[
        "https://portal.example/app/",
        "https://portal.example/app/page?course=1&state=%2F..%2F",
        "https://my.example/home?x=1",
        "https://portal.example/app/../admin",
        "https://portal.example/app/%2e%2E/admin",
        "https://portal.example/app/a/.%2e;x/../../b",
        "https://portal.example/app/\\..\\admin",
        "https://portal.example@evil.example/app/",
        "https://portal.example/app/?\u{9}//evil",
        "javascript:alert(1)//https://portal.example/app/",
    ]);
    let below = "[a-z0-9./%;:@?&=~_-]{0,12}".prop_map(|rest| format!("https://portal.example/app/{rest}"));
    let property = Property { name: "ways-back", cases: 2_500, reaches: &["nowhere", "below", "exactly"] };
    property.run(&prop_oneof![4 => asked, 2 => below, 1 => any::<String>()], |text| {
        let Some(back) = settings.return_to(&text) else { return "nowhere".to_owned() };
        assert_eq!(back, text, "it is what was asked");
        assert!(!text.contains(['"', '\'', '<', '>', '\\', '#']), "{text:?} could be more than an address");
        let url = Url::parse(back).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!((url.scheme(), url.username(), url.password(), url.port()), ("https", "", None, None));
        match url.host_str() {
            Some("my.example") => {
                assert_eq!(back, "https://my.example/home?x=1");
                "exactly".to_owned()
            }
            host => {
                assert_eq!(host, Some("portal.example"), "{text:?}");
                assert!(url.path().starts_with("/app/"), "{text:?} is {url}");
                "below".to_owned()
            }
        }
    });
}
