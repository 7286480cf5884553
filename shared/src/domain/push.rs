//! Push subscriptions of devices (Web Push, RFC 8030), and which of them are accepted.
//!
//! A subscription is an address from a client that Rekey posts to. It must name a known push service, over
//! HTTPS on the default port. Any other address would allow server-side request forgery into the network of
//! the functions.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::device::Device;
use super::keys::{Keyring, SealError};

/// The purpose in the key derivation. Subscriptions are sealed because an endpoint identifies a device across
/// sites.
const PURPOSE: &str = "rekey/subscription";
/// Browsers write keys without padding, some libraries with padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Characters that no URL has (RFC 3986 §2): a request to such an address fails.
const NEVER: &[u8] = b"\"<>\\^`{|}";
/// The longest endpoint in octets. Those of today's services have about 250.
const ENDPOINT_MAX: usize = 1_024;

/// The allowed hosts of push services: names, or `*.` and a name for all names below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushHosts(Vec<String>);

impl PushHosts {
    /// Takes hosts that [`PushHosts::is_host`] accepted.
    pub const fn new(hosts: Vec<String>) -> Self {
        Self(hosts)
    }

    /// Returns whether a text is a valid entry. A name has a dot, and a last label that is not only digits.
    /// The loopback address is valid too, since the local environment's push service has it.
    pub fn is_host(text: &str) -> bool {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let is_name = name.contains('.') && name.split('.').all(is_label);
        let is_address = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        text == LOOPBACK || (is_name && !is_address)
    }

    /// Returns whether the loopback address is allowed.
    pub fn have_loopback(&self) -> bool {
        self.0.iter().any(|host| host == LOOPBACK)
    }

    /// Returns whether a push may go to `endpoint`: HTTPS, an allowed host and no explicit port, or HTTP to an
    /// allowed loopback address.
    pub fn allow(&self, endpoint: &str) -> bool {
        let may_be_in_one = |b: u8| b.is_ascii_graphic() && !NEVER.contains(&b);
        if endpoint.len() > ENDPOINT_MAX || !endpoint.bytes().all(may_be_in_one) {
            return false;
        }
        let rest = endpoint.strip_prefix("https://");
        if let Some((authority, _)) = rest.and_then(|rest| rest.split_once('/')) {
            // No entry has a port, a user or a query, so an authority with one of them matches none.
            return authority != LOOPBACK && self.0.iter().any(|host| fits(host, authority));
        }
        let local = endpoint.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
        local.is_some_and(|(authority, _)| {
            let port = authority.strip_prefix(LOOPBACK).and_then(|rest| rest.strip_prefix(':'));
            let is_port =
                |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
            self.have_loopback() && port.is_some_and(is_port)
        })
    }
}

/// The push service of the local environment.
const LOOPBACK: &str = "127.0.0.1";

fn fits(host: &str, authority: &str) -> bool {
    match host.strip_prefix("*.") {
        Some(parent) => authority
            .strip_suffix(parent)
            .and_then(|below| below.strip_suffix('.'))
            .is_some_and(|below| !below.is_empty() && PushHosts::is_host(&format!("{below}.{parent}"))),
        None => host == authority,
    }
}

/// A push subscription in the browsers' form (`PushSubscription.toJSON`, Push API §8).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The URL that a push is posted to.
    pub endpoint: String,
    /// The browser's key for this subscription (RFC 8291 §3.1), an uncompressed point on P-256.
    p256dh: String,
    /// The secret that browser and sender share (RFC 8291 §3.2).
    auth: String,
}

#[derive(Deserialize)]
struct OfBrowser {
    endpoint: String,
    keys: KeysOfBrowser,
}

#[derive(Deserialize)]
struct KeysOfBrowser {
    p256dh: String,
    auth: String,
}

impl Subscription {
    /// Reads a browser's subscription.
    ///
    /// # Errors
    /// [`SubscriptionError`] when it is malformed, or its service is not among `hosts`.
    pub fn parse(json: &str, hosts: &PushHosts) -> Result<Self, SubscriptionError> {
        let read: OfBrowser = serde_json::from_str(json).map_err(|_| SubscriptionError)?;
        let OfBrowser { endpoint, keys: KeysOfBrowser { p256dh, auth } } = read;
        let subscription = Self { endpoint, p256dh, auth };
        let fits = hosts.allow(&subscription.endpoint) && subscription.keys().is_some();
        if fits { Ok(subscription) } else { Err(SubscriptionError) }
    }

    /// Returns the browser's key and secret in octets.
    pub fn keys(&self) -> Option<([u8; 65], [u8; 16])> {
        let point = BASE64.decode(&self.p256dh).ok()?.try_into().ok()?;
        Some((point, BASE64.decode(&self.auth).ok()?.try_into().ok()?))
    }

    /// Seals it for its device, as associated data.
    ///
    /// # Errors
    /// [`SealError`], never in practice.
    pub fn seal(&self, keys: &Keyring, device: &Device, nonce: [u8; 24]) -> Result<String, SealError> {
        let json = serde_json::to_vec(self).map_err(|_| SealError)?;
        keys.seal(PURPOSE, &device.owner(), &json, nonce)
    }

    /// Opens a subscription that was sealed for the device.
    ///
    /// # Errors
    /// [`SealError`] when it was sealed for another device, or with a removed key.
    pub fn open(keys: &Keyring, device: &Device, sealed: &str) -> Result<Self, SealError> {
        let json = keys.open(PURPOSE, &device.owner(), sealed)?;
        serde_json::from_slice(&json).map_err(|_| SealError)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription(..)")
    }
}

/// The key that identifies Rekey to push services (VAPID, RFC 8292). A subscription is bound to it, so it is
/// derived from the oldest key of the ring, which rotation keeps.
#[derive(Clone)]
pub struct VapidKey(SigningKey);

impl VapidKey {
    /// Derives the key from a ring; `None` never in practice.
    pub fn of(keys: &Keyring) -> Option<Self> {
        // One tag in 2^32 is no scalar of the curve; the loop then takes the next one.
        (0_u8..8).find_map(|number| {
            let tag = keys.tag(keys.oldest(), "rekey/vapid", &[&[number]])?;
            let secret = SecretKey::from_slice(tag.as_bytes()).ok()?;
            Some(Self(SigningKey::from(&secret)))
        })
    }

    /// Returns the public key for browsers (`applicationServerKey`) and push services (RFC 8292 §3.2): the
    /// uncompressed point, base64url.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.verifying_key().to_sec1_point(false).as_bytes())
    }

    /// Returns the ES256 signature of a text (RFC 7518 §3.4).
    pub fn sign(&self, text: &str) -> [u8; 64] {
        let signature: Signature = self.0.sign(text.as_bytes());
        signature.to_bytes().into()
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VapidKey(..)")
    }
}

/// The text is no subscription at an allowed push service.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a subscription at a known push service")]
pub struct SubscriptionError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::AccountId;
    use crate::domain::security_info::{EntryId, Kind};

    fn hosts(list: &[&str]) -> PushHosts {
        PushHosts::new(list.iter().map(|host| (*host).to_owned()).collect())
    }

    /// Controls: C-087.
    #[test]
    fn push_endpoint_outside_known_hosts_is_rejected() {
        let known = hosts(&["fcm.googleapis.com", "*.notify.windows.com"]);
        for endpoint in
            ["https://fcm.googleapis.com/fcm/send/a:b", "https://wns2-sg2p.notify.windows.com/w/?token=x"]
        {
            assert!(known.allow(endpoint), "{endpoint}");
        }
        for endpoint in [
            "http://fcm.googleapis.com/x",
            "https://fcm.googleapis.com:8443/x",
            "https://fcm.googleapis.com@10.0.0.1/x",
            "https://evil.example/fcm.googleapis.com/",
            "https://fcm.googleapis.com.evil.example/x",
            "https://evilfcm.googleapis.com/x",
            "https://notify.windows.com/x",
            "https://.notify.windows.com/x",
            "https://a#.notify.windows.com/x",
            "https://a@b.notify.windows.com/x",
            "https://FCM.googleapis.com/x",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/x",
            "https://fcm.googleapis.com",
            "https://fcm.googleapis.com\\@evil.example/x",
            "https://fcm.googleapis.com/ x",
            "https://fcm.googleapis.com/x?\"y",
            "https://fcm.googleapis.com/<x>",
            "https://fcm.googleapis.com/`x",
            "http://127.0.0.1:8000/x",
            "",
        ] {
            assert!(!known.allow(endpoint), "{endpoint}");
        }
        assert!(!known.allow(&format!("https://fcm.googleapis.com/{}", "a".repeat(1_100))));
    }

    #[test]
    fn loopback_endpoint_is_allowed_when_listed() {
        let local = hosts(&["127.0.0.1"]);
        assert!(local.allow("http://127.0.0.1:4321/push/x"));
        for endpoint in [
            "http://127.0.0.1/x",
            "http://127.0.0.1:x@evil.example/",
            "http://127.0.0.1:+80/x",
            "http://127.0.0.1:/x",
            "https://127.0.0.1/x",
            "http://127.0.0.2:80/x",
        ] {
            assert!(!local.allow(endpoint), "{endpoint}");
        }
    }

    /// Controls: C-087.
    #[test]
    fn push_host_list_accepts_host_names_only() {
        for host in ["fcm.googleapis.com", "*.notify.windows.com", "127.0.0.1"] {
            assert!(PushHosts::is_host(host), "{host}");
        }
        for host in
            ["", "*", "*.", "localhost", "10.0.0.1", "a..b", "a.b:80", "https://a.b", "A.b", "127.0.0.2"]
        {
            assert!(!PushHosts::is_host(host), "{host}");
        }
    }

    /// Controls: C-089.
    #[test]
    fn sealed_subscription_opens_for_its_device_only() {
        let keys = Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
        // The example of RFC 8291 §5.
        let json = r#"{"endpoint":"https://fcm.googleapis.com/x","expirationTime":null,"keys":{
            "p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#;
        let known = hosts(&["fcm.googleapis.com"]);
        let subscription = Subscription::parse(json, &known).unwrap();
        let device = |number| Device {
            account: AccountId::from_directory("aisyah").unwrap(),
            id: EntryId::new(Kind::Authenticator, [number; 8]),
        };
        let sealed = subscription.seal(&keys, &device(1), [1; 24]).unwrap();
        assert_eq!(Subscription::open(&keys, &device(1), &sealed), Ok(subscription));
        assert_eq!(Subscription::open(&keys, &device(2), &sealed), Err(SealError));
        for bad in [json.replace("fcm.", "www."), json.replace("BTBZ", "BT"), json.replace("BCVx", "CVx")] {
            assert_eq!(Subscription::parse(&bad, &known), Err(SubscriptionError), "{bad}");
        }
    }
}
