//! What the browser holds of a flow: its id, how many steps are proved, and a tag over both.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::RequestId;
use crate::domain::approval::ApprovalNumber;
use crate::domain::code::OneTimeCode;
use crate::domain::holder::HolderId;
use crate::domain::keys::{KeyId, Keyring, Tag};
use crate::domain::recovery_code::RecoveryCode;

/// A flow's id: 256 random bits, known to the browser only (ASVS 7.2.3). Tables hold its hash.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct FlowId([u8; 32]);

/// The content of the cookie `__Host-rekey`. Each proof changes it without storing anything, so an older cookie
/// is refused for what lies beyond its step, and a handler knows flow and step before it reads a table.
#[derive(Clone)]
pub struct FlowCookie {
    key_id: KeyId,
    id: FlowId,
    proofs: u8,
}

impl FlowCookie {
    /// The first cookie of a new flow.
    pub fn open(flows: &Keyring, entropy: [u8; 32]) -> Self {
        Self { key_id: flows.current().clone(), id: FlowId(entropy), proofs: 0 }
    }

    /// Reads a cookie's value; `None` when it is malformed or its tag is wrong. Which of these is not told.
    pub fn read(value: &str, flows: &Keyring) -> Option<Self> {
        let mut parts = value.split('.');
        let key_id = KeyId::parse(parts.next()?).ok()?;
        let proofs = match parts.next()?.as_bytes() {
            [digit @ b'0'..=b'9'] => digit - b'0',
            _ => return None,
        };
        let id: [u8; 32] = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let tag: [u8; 32] = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let cookie = Self { key_id, id: FlowId(id), proofs };
        let fits = parts.next().is_none() && cookie.tag(flows)? == Tag::from_bytes(tag);
        fits.then_some(cookie)
    }

    /// The cookie's value; `None` only when the ring lost the key under which the flow was opened.
    pub fn value(&self, flows: &Keyring) -> Option<String> {
        let tag = self.tag(flows)?;
        let (id, tag) = (URL_SAFE_NO_PAD.encode(self.id.0), URL_SAFE_NO_PAD.encode(tag.as_bytes()));
        Some(format!("{}.{}.{id}.{tag}", self.key_id.as_str(), self.proofs))
    }

    /// The cookie of the same flow with `proofs` steps proved.
    #[must_use]
    pub fn with_proofs(&self, proofs: u8) -> Self {
        Self { proofs, ..self.clone() }
    }

    /// How many steps it says are proved.
    pub const fn proofs(&self) -> u8 {
        self.proofs
    }

    /// The step that it may act in.
    pub const fn step(&self) -> u8 {
        self.proofs.saturating_add(1)
    }

    /// Where the flow is stored.
    pub fn key(&self) -> HolderId {
        HolderId::from_bytes(Sha256::digest(self.id.0).into())
    }

    /// The public reference to flow and step that forms carry, so that a form left in another tab can't act on the
    /// flow that replaced it.
    pub fn at(&self, flows: &Keyring) -> Option<String> {
        let tag = flows.tag(&self.key_id, "rekey/at", &[&self.id.0, &[self.proofs]])?;
        Some(URL_SAFE_NO_PAD.encode(&tag.as_bytes()[..12]))
    }

    /// Whether `at` refers to this flow, at the step of the cookie or one before.
    pub fn is_of_this_flow(&self, flows: &Keyring, at: &str) -> bool {
        (0..=self.proofs).any(|proofs| self.with_proofs(proofs).at(flows).is_some_and(|own| own == at))
    }

    /// The tag of a code in this flow and step. A code typed into another flow or step has another tag.
    pub fn code_tag(&self, flows: &Keyring, code: &OneTimeCode) -> Option<Tag> {
        flows.tag(&self.key_id, "rekey/code", &[&self.id.0, &[self.step()], code.expose().as_bytes()])
    }

    /// The fingerprint of a contact in this flow.
    pub fn contact_tag(&self, flows: &Keyring, contact: &str) -> Option<Tag> {
        flows.tag(&self.key_id, "rekey/contact", &[&self.id.0, contact.as_bytes()])
    }

    /// The number that the page of a request shows and the authenticator app asks for: of this browser and this request,
    /// so that nothing but the browser's own page knows it.
    pub fn approval_number(&self, flows: &Keyring, request: RequestId) -> Option<ApprovalNumber> {
        let tag = flows.tag(&self.key_id, "rekey/approval-number", &[&self.id.0, request.as_bytes()])?;
        Some(ApprovalNumber::from_tag(&tag))
    }

    /// The challenge that a passkey signs in answer to a request (Web Authentication Level 3 §13.4.3: at least 16
    /// random bytes): unknown before the request is made, and of no use in another flow, step or request.
    pub fn passkey_challenge(&self, flows: &Keyring, request: RequestId) -> Option<[u8; 32]> {
        let parts: [&[u8]; 3] = [&self.id.0, &[self.step()], request.as_bytes()];
        flows.tag(&self.key_id, "rekey/passkey-challenge", &parts).map(|tag| *tag.as_bytes())
    }

    /// The tag of a device's answer to a request, which proves the step that the request was made in.
    pub fn answer_tag(&self, flows: &Keyring, request: RequestId) -> Option<Tag> {
        flows.tag(&self.key_id, "rekey/answer", &[&self.id.0, request.as_bytes()])
    }

    /// The tag of a passkey's answer, which nobody but the passkey can have given.
    pub fn assertion_tag(&self, flows: &Keyring, signature: &[u8]) -> Option<Tag> {
        flows.tag(&self.key_id, "rekey/assertion", &[&self.id.0, &[self.step()], signature])
    }

    /// The tag of a recovery code in this flow and step.
    pub fn recovery_tag(&self, flows: &Keyring, code: &RecoveryCode) -> Option<Tag> {
        flows.tag(&self.key_id, "rekey/recovery", &[&self.id.0, &[self.step()], code.expose().as_bytes()])
    }

    fn tag(&self, flows: &Keyring) -> Option<Tag> {
        flows.tag(&self.key_id, "rekey/cookie", &[&self.id.0, &[self.proofs]])
    }
}

impl fmt::Debug for FlowCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlowCookie({:?}, proofs: {})", self.key(), self.proofs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    #[test]
    fn is_read_back_and_tells_its_step() {
        for proofs in 0..=9 {
            let cookie = FlowCookie::open(&keys(), [5; 32]).with_proofs(proofs);
            let read = FlowCookie::read(&cookie.value(&keys()).unwrap(), &keys()).unwrap();
            assert_eq!((read.key(), read.proofs(), read.step()), (cookie.key(), proofs, proofs + 1));
        }
    }

    #[test]
    fn a_raised_count_or_any_other_change_is_refused() {
        let value = FlowCookie::open(&keys(), [5; 32]).value(&keys()).unwrap();
        assert!(FlowCookie::read(&value.replacen(".0.", ".1.", 1), &keys()).is_none());
        for at in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
            assert!(FlowCookie::read(&String::from_utf8(bytes).unwrap(), &keys()).is_none(), "at {at}");
        }
        let (zeros, sign) = (value.replacen(".0.", ".00.", 1), value.replacen(".0.", ".+0.", 1));
        for text in ["", "....", "1.0", &format!("{value}.x"), &zeros, &sign] {
            assert!(FlowCookie::read(text, &keys()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_code_means_something_in_its_flow_and_step_only() {
        let code = OneTimeCode::parse("12345678").unwrap();
        let cookie = FlowCookie::open(&keys(), [5; 32]);
        let tag = cookie.code_tag(&keys(), &code).unwrap();
        assert_ne!(tag, cookie.with_proofs(1).code_tag(&keys(), &code).unwrap());
        assert_ne!(tag, FlowCookie::open(&keys(), [6; 32]).code_tag(&keys(), &code).unwrap());
    }

    #[test]
    fn a_number_to_approve_is_of_one_flow_and_request() {
        let request = |n| RequestId::from_bytes([n; 16]);
        let number =
            |id, n| FlowCookie::open(&keys(), [id; 32]).approval_number(&keys(), request(n)).unwrap();
        assert!(number(5, 1) == number(5, 1));
        assert!(
            (2..10).any(|n| number(5, n) != number(5, 1)),
            "eight requests with one number: one in 90 to the eighth"
        );
        assert!((6..14).any(|id| number(id, 1) != number(5, 1)));
    }

    #[test]
    fn prints_neither_id_nor_tag() {
        let cookie = FlowCookie::open(&keys(), [5; 32]);
        let printed = format!("{cookie:?}");
        assert!(printed.starts_with("FlowCookie(") && printed.ends_with(", proofs: 0)"), "{printed}");
        assert!(printed.len() < 40 && !printed.contains(&URL_SAFE_NO_PAD.encode([5; 32])[..8]), "{printed}");
    }

    #[test]
    fn a_form_refers_to_its_flow_at_this_step_or_an_earlier_one() {
        let first = FlowCookie::open(&keys(), [5; 32]);
        let second = first.with_proofs(1);
        let at = |cookie: &FlowCookie| cookie.at(&keys()).unwrap();
        assert!(first.is_of_this_flow(&keys(), &at(&first)));
        assert!(second.is_of_this_flow(&keys(), &at(&first)));
        assert!(second.is_of_this_flow(&keys(), &at(&second)));
        assert!(!first.is_of_this_flow(&keys(), &at(&second)), "what lies ahead");
        assert!(!second.is_of_this_flow(&keys(), &at(&FlowCookie::open(&keys(), [6; 32]))));
        assert!(!second.is_of_this_flow(&keys(), ""));
        assert_eq!(at(&first).len(), 16);
    }

    proptest! {
        /// Whatever the same bytes are said to be, and to which flow and step they belong, no two uses share a tag.
        #[test]
        fn a_tag_of_one_use_is_none_of_another(
            ids in (any::<[u8; 32]>(), any::<[u8; 32]>()), steps in (0_u8..3, 0_u8..3), digits in "[0-9]{6,10}",
        ) {
            let keys = keys();
            let code = OneTimeCode::parse(&digits).unwrap();
            let recovery = RecoveryCode::parse("ABCD-EFGH-JKMN-PQRS").unwrap();
            let request = RequestId::from_bytes([7; 16]);
            let tags = |id, proofs| {
                let cookie = FlowCookie::open(&keys, id).with_proofs(proofs);
                [
                    cookie.contact_tag(&keys, &digits),
                    cookie.answer_tag(&keys, request),
                    cookie.tag(&keys),
                    cookie.code_tag(&keys, &code),
                    cookie.passkey_challenge(&keys, request).map(Tag::from_bytes),
                    cookie.assertion_tag(&keys, digits.as_bytes()),
                    cookie.recovery_tag(&keys, &recovery),
                ]
                .map(Option::unwrap)
            };
            let (one, other) = (tags(ids.0, steps.0), tags(ids.1, steps.1));
            for (at, tag) in one.iter().enumerate() {
                for (there, another) in other.iter().enumerate() {
                    // A contact's fingerprint is the flow's and an answer's tag its request's, whatever the step.
                    let same = at == there && ids.0 == ids.1 && (at < 2 || steps.0 == steps.1);
                    prop_assert_eq!(tag == another, same, "{} {}", at, there);
                }
            }
            let own = FlowCookie::open(&keys, ids.0).with_proofs(steps.0);
            prop_assert_eq!(own.at(&keys) == own.with_proofs(steps.1).at(&keys), steps.0 == steps.1);
        }
    }
}
