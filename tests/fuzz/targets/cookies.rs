//! The cookie of a flow or session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared::domain::cookie::{HolderCookie, HolderKind};
use shared::domain::keys::{KeyId, Keyring};

use crate::{ITERATIONS, keys, replay};

/// The longest value: key id, number, secret and tag, with three dots.
const LONGEST: usize = 8 + 3 + 43 + 43 + 3;

#[test]
fn mutated_cookie_is_canonical_or_rejected() {
    let keys = keys();
    replay("cookies", |bytes| check(bytes, &keys));
    bolero::check!(name = "cookies").with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        check(bytes, &keys);
    });
}

/// Reads the text as a cookie, and as the part before the tag, which nobody could forge.
fn check(bytes: &[u8], keys: &Keyring) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut is_accepted = false;
    for (kind, purpose) in [(HolderKind::Flow, "rekey/cookie"), (HolderKind::Session, "rekey/session")] {
        let read = HolderCookie::read(kind, text, keys);
        assert!(read.is_none() || text.len() <= LONGEST, "a longer value is accepted");
        if let Some(cookie) = &read {
            let (untagged, tag) = text.rsplit_once('.').unwrap();
            assert_eq!(tag_of(untagged, purpose, keys).as_deref(), Some(tag), "a wrong tag is accepted");
            assert_eq!(cookie.value(keys).as_deref(), Some(text), "it has two spellings");
        }
        if let Some(tag) = tag_of(text, purpose, keys) {
            let tagged = format!("{text}.{tag}");
            let value = HolderCookie::read(kind, &tagged, keys).and_then(|cookie| cookie.value(keys));
            assert_eq!(value, is_canonical(text).then(|| tagged.clone()), "{text}");
            let other = if kind == HolderKind::Flow { HolderKind::Session } else { HolderKind::Flow };
            assert!(HolderCookie::read(other, &tagged, keys).is_none(), "a cookie of two kinds");
        }
        is_accepted |= read.is_some() || is_canonical(text);
    }
    is_accepted
}

/// Returns the tag of key id, number and secret, in whatever spelling.
fn tag_of(untagged: &str, purpose: &str, keys: &Keyring) -> Option<String> {
    let [id, verified, secret] = untagged.split('.').collect::<Vec<_>>().try_into().ok()?;
    let verified: u8 = verified.trim().parse().ok()?;
    let secret: Vec<u8> = URL_SAFE_NO_PAD.decode(secret.trim()).ok()?;
    let tag = keys.tag(&KeyId::parse(id.trim()).ok()?, purpose, &[&secret, &[verified]])?;
    Some(URL_SAFE_NO_PAD.encode(tag.as_bytes()))
}

/// Returns whether key id, number and secret are written as the server writes them.
fn is_canonical(untagged: &str) -> bool {
    let parts: Vec<_> = untagged.split('.').collect();
    let [id, verified, secret] = parts[..] else { return false };
    let is_number = (0..=u8::MAX).any(|number| number.to_string() == verified);
    // 43 characters have 258 bits: the last two of them are zero.
    let is_secret = secret.len() == 43
        && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && secret.ends_with(|last| "AEIMQUYcgkosw048".contains(last));
    ["1", "2"].contains(&id) && is_number && is_secret
}
