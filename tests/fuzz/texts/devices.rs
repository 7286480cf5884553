//! Parsers for authenticator app devices: handles, nonces, keys, signatures, tokens, and push subscriptions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use shared::domain::account::AccountId;
use shared::domain::device::{Device, DeviceKey, NONCE_LIFETIME, Signed};
use shared::domain::flow::RequestId;
use shared::domain::pairing::PairingToken;
use shared::domain::push::{PushHosts, Subscription};
use shared::domain::security_info::{EntryId, Kind};
use shared::domain::time::Timestamp;
use url::Url;

use super::{NOW, keys};
use crate::edits::{almost_valid, changed, changed_bytes};
use crate::harness::Target;

fn device(number: u8) -> Device {
    Device {
        account: AccountId::from_directory("aisyah").unwrap(),
        id: EntryId::new(Kind::Authenticator, [number; 8]),
    }
}

fn signing() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn public_key() -> Vec<u8> {
    signing().verifying_key().to_sec1_point(false).as_bytes().to_vec()
}

fn sign(signed: &Signed<'_>) -> Vec<u8> {
    let signature: Signature = signing().sign(signed.text().as_bytes());
    signature.to_bytes().to_vec()
}

/// Controls: C-033.
#[test]
fn altered_device_handle_is_rejected() {
    let keys = keys();
    let handle = device(1).handle(&keys, [7; 24]).unwrap();
    let target = Target { name: "handles", cases: 2_000, reaches: &["no device"] };
    target.run(&changed(handle.clone()), |text| {
        let Some(named) = Device::from_handle(&keys, &text) else { return "no device".to_owned() };
        assert_eq!((text.as_str(), named), (handle.as_str(), device(1)));
        "the device".to_owned()
    });
}

/// A nonce is valid only unchanged, for the device that got it, and until it expires.
/// Controls: C-033.
#[test]
fn altered_or_expired_nonce_is_rejected() {
    let keys = keys();
    let nonce = device(1).nonce(&keys, NOW).unwrap();
    let seconds = format!("{:x}", NOW.as_seconds());
    let others = prop_oneof![
        Just(nonce.clone()),
        Just(nonce.to_uppercase()),
        select(&["+", "-", "0", "00", "+0", " ", "7"][..]).prop_map({
            let (nonce, seconds) = (nonce.clone(), seconds.clone());
            move |sign| nonce.replacen(&seconds, &format!("{sign}{seconds}"), 1)
        }),
        Just(nonce.replacen(&seconds, &seconds.to_uppercase(), 1)),
        Just(format!("{nonce}.")),
    ];
    let times = prop_oneof![
        4 => -10_i64..200,
        1 => any::<i64>(),
    ];
    let target =
        Target { name: "nonces", cases: 2_500, reaches: &["known", "unknown", "too old", "not yet"] };
    target.run(&(prop_oneof![1 => changed(nonce.clone()), 1 => others], times), |(text, later)| {
        let now = Timestamp::from_seconds(NOW.as_seconds().saturating_add(later));
        assert!(!device(2).knows_nonce(&keys, &text, now), "another device's");
        if !device(1).knows_nonce(&keys, &text, now) {
            return match later {
                _ if text != nonce => "unknown",
                ..0 => "not yet",
                _ => {
                    assert!(later >= i64::from(NONCE_LIFETIME.0), "{later} seconds later it is forgotten");
                    "too old"
                }
            }
            .to_owned();
        }
        assert_eq!(text, nonce, "another text is read as the nonce");
        assert!((-5..i64::from(NONCE_LIFETIME.0)).contains(&later), "{later} seconds later");
        "known".to_owned()
    });
}

#[test]
fn random_public_key_is_canonical_or_rejected() {
    let key = public_key();
    let texts = prop_oneof![
        changed(URL_SAFE_NO_PAD.encode(&key)),
        changed_bytes(key.clone()).prop_map(|bytes| URL_SAFE_NO_PAD.encode(bytes)),
        (any::<[u8; 31]>()).prop_map(|secret| {
            let secret = SigningKey::from_slice(&[&secret[..], &[1]].concat()).unwrap();
            URL_SAFE_NO_PAD.encode(secret.verifying_key().to_sec1_point(false).as_bytes())
        }),
        (any::<[u8; 31]>()).prop_map(|secret| {
            let secret = SigningKey::from_slice(&[&secret[..], &[1]].concat()).unwrap();
            URL_SAFE_NO_PAD.encode(secret.verifying_key().to_sec1_point(true).as_bytes())
        }),
    ];
    let target = Target { name: "device-keys", cases: 800, reaches: &["none", "a key"] };
    target.run(&texts, |text| {
        let Ok(key) = DeviceKey::parse(&text) else { return "none".to_owned() };
        assert_eq!(URL_SAFE_NO_PAD.encode(key.to_bytes()), text, "a key is its own");
        assert_eq!(DeviceKey::from_bytes(&key.to_bytes()), Ok(key));
        "a key".to_owned()
    });
}

/// A signature is valid for one text only. ECDSA allows two forms, `s` and the order of the curve less `s`. A device
/// makes one of them; the other is also valid, but changes like these don't produce it.
/// Controls: C-033.
#[test]
fn signature_verifies_only_for_its_signed_text() {
    let key = DeviceKey::from_bytes(&public_key()).unwrap();
    let request = RequestId::from_bytes([1; 16]);
    let own = Signed::Answer { nonce: "2.6b0.AAAA", request, answer: "42" };
    let signature = sign(&own);
    let (nonces, answers) = (changed("2.6b0.AAAA".to_owned()), almost_valid(&["42", "denied", "4", "42\n"]));
    let bytes = prop_oneof![1 => Just(signature.clone()), 2 => changed_bytes(signature.clone())];
    let target = Target { name: "signatures", cases: 800, reaches: &["refused"] };
    target.run(&(bytes, nonces, answers, any::<bool>()), |(bytes, nonce, answer, same)| {
        let (nonce, answer) = if same { ("2.6b0.AAAA", "42") } else { (nonce.as_str(), answer.as_str()) };
        let text = URL_SAFE_NO_PAD.encode(&bytes);
        let said = [
            Signed::Answer { nonce, request, answer },
            Signed::Requests { nonce },
            Signed::Pair { pairing: nonce, public_key: answer, subscription: "" },
        ];
        let accepted: Vec<&Signed<'_>> = said.iter().filter(|said| key.verifies(said, &text)).collect();
        if accepted.is_empty() {
            return "refused".to_owned();
        }
        assert_eq!(bytes, signature, "other bytes are the signature");
        assert!(accepted.iter().all(|said| said.text() == own.text()), "it is over {accepted:?}");
        "the signature".to_owned()
    });
}

/// People may type a token in any case, with spaces and hyphens anywhere. No other character, and no missing digit,
/// is accepted.
#[test]
fn random_pairing_token_is_canonical_or_rejected() {
    let token = PairingToken::new([0xa5; 16]);
    let texts = prop_oneof![3 => changed(token.expose()), 1 => "[0-9a-fA-F \u{a0}-]{30,40}"];
    let target = Target { name: "pairings", cases: 2_000, reaches: &["none", "the token", "a token"] };
    target.run(&texts, |text| {
        let Some(read) = PairingToken::parse(&text) else { return "none".to_owned() };
        let written = read.expose();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        assert_eq!(digits.to_ascii_lowercase(), written);
        assert!(text.chars().all(|c| c.is_ascii_hexdigit() || c.is_whitespace() || c == '-'), "{text:?}");
        assert_eq!(PairingToken::parse(&written).unwrap().key(), read.key());
        let same = written == token.expose();
        assert_eq!(read.key() == token.key(), same);
        if same { "the token" } else { "a token" }.to_owned()
    });
}

fn subscription() -> Value {
    json!({
        "endpoint": "https://fcm.googleapis.com/fcm/send/a:b",
        "expirationTime": null,
        "keys": { "p256dh": URL_SAFE_NO_PAD.encode(public_key()), "auth": "BTBZMqHH6r4Tts7J_aSIgg" },
    })
}

/// Pushes go over HTTPS to the default port of a listed service, as the HTTP client parses the URL.
/// Controls: C-087.
#[test]
fn random_push_endpoint_is_allowed_host_or_rejected() {
    let keys = keys();
    let hosts = PushHosts::new(vec!["fcm.googleapis.com".into(), "*.notify.windows.com".into()]);
    let endpoints = almost_valid(&[
        "https://fcm.googleapis.com/fcm/send/a:b",
        "https://wns2-sg2p.notify.windows.com/w/?token=x%2f",
        "https://notify.windows.com/w/",
        "https://fcm.googleapis.com:443/x",
        "https://fcm.googleapis.com@10.0.0.1/x",
        "https://169.254.169.254/fcm.googleapis.com/",
        "http://127.0.0.1:1/x",
        "https://a.notify.windows.com.evil.example/",
        "https://[::1].notify.windows.com/",
        "https://xn--.notify.windows.com/",
    ]);
    let with_endpoint = endpoints.prop_map(|endpoint| {
        let mut subscription = subscription();
        subscription["endpoint"] = json!(endpoint);
        subscription.to_string()
    });
    let with_keys = (changed_bytes(public_key()), changed_bytes(vec![9; 16])).prop_map(|(point, auth)| {
        let mut subscription = subscription();
        subscription["keys"] =
            json!({ "p256dh": URL_SAFE_NO_PAD.encode(point), "auth": URL_SAFE_NO_PAD.encode(auth) });
        subscription.to_string()
    });
    let texts = prop_oneof![4 => with_endpoint, 1 => with_keys, 1 => changed(subscription().to_string())];
    let target = Target { name: "subscriptions", cases: 3_000, reaches: &["refused", "fcm", "windows"] };
    target.run(&texts, |text| {
        let Ok(subscription) = Subscription::parse(&text, &hosts) else { return "refused".to_owned() };
        let said: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(said["endpoint"], subscription.endpoint);
        let endpoint = subscription.endpoint.as_str();
        let posted: http::Uri = endpoint.parse().unwrap_or_else(|error| panic!("{endpoint}: {error}"));
        assert_eq!((posted.scheme_str(), posted.port()), (Some("https"), None), "{endpoint}");
        assert!(!posted.authority().unwrap().as_str().contains('@'), "{endpoint}");
        // If a browser's parser also accepts the URL, both agree; it accepts fewer host names.
        if let Ok(read) = Url::parse(endpoint) {
            assert_eq!(posted.host(), read.host_str(), "{endpoint}");
            assert_eq!((read.port(), read.username(), read.password()), (None, "", None), "{endpoint}");
        }
        assert!(subscription.keys().is_some());
        let sealed = subscription.seal(&keys, &device(1), [1; 24]).unwrap();
        assert_eq!(Subscription::open(&keys, &device(1), &sealed).as_ref(), Ok(&subscription));
        assert!(Subscription::open(&keys, &device(2), &sealed).is_err());
        match posted.host().unwrap() {
            "fcm.googleapis.com" => "fcm".to_owned(),
            host => {
                assert!(
                    host.strip_suffix(".notify.windows.com").is_some_and(|below| !below.is_empty()),
                    "{host}"
                );
                "windows".to_owned()
            }
        }
    });
}

/// If this machine is listed, as in the local environment, the URL has its IP address and a port.
#[test]
fn random_local_push_endpoint_is_loopback_or_rejected() {
    let hosts = PushHosts::new(vec!["127.0.0.1".into()]);
    let endpoints = almost_valid(&[
        "http://127.0.0.1:4321/push/x",
        "http://127.0.0.1:+80/push/x",
        "http://127.0.0.1:00080/x",
        "http://127.0.0.1:0/x",
        "https://127.0.0.1/x",
        "http://127.0.0.1:4321@evil.example/",
        "http://127.0.0.1.:80/",
    ]);
    let target = Target { name: "local-subscriptions", cases: 1_500, reaches: &["refused", "here"] };
    target.run(&endpoints, |endpoint| {
        if !hosts.allow(&endpoint) {
            return "refused".to_owned();
        }
        let posted: http::Uri = endpoint.parse().unwrap_or_else(|error| panic!("{endpoint}: {error}"));
        let read = Url::parse(&endpoint).unwrap_or_else(|error| panic!("{endpoint}: {error}"));
        assert_eq!((posted.host(), read.host_str()), (Some("127.0.0.1"), Some("127.0.0.1")), "{endpoint}");
        assert_eq!(posted.port_u16(), read.port_or_known_default(), "{endpoint}");
        assert_eq!(read.username(), "");
        "here".to_owned()
    });
}
