//! The cookie of a flow or session.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::approval::{ApprovalNumber, RequestId};
use super::code::OneTimeCode;
use super::factor::FactorValue;
use super::holder::HolderId;
use super::keys::{KeyId, Keyring, Tag};
use super::method::Method;

/// The kind of a cookie's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderKind {
    /// A reset or unlock. Its tags are bound to the current step.
    Flow,
    /// A visit of `/security-info`. Its tags are bound to the request that they answer.
    Session,
}

/// The purpose of a holder's tag. A tag of one use is never valid for another.
#[derive(Clone, Copy)]
enum TagPurpose {
    Cookie,
    At,
    Code,
    Factor,
    Answer,
    PasskeyChallenge,
    ApprovalNumber,
}

impl HolderKind {
    /// Returns the purpose in the key derivation.
    const fn purpose(self, of: TagPurpose) -> &'static str {
        match (self, of) {
            (Self::Flow, TagPurpose::Cookie) => "rekey/cookie",
            (Self::Flow, TagPurpose::At) => "rekey/at",
            (Self::Flow, TagPurpose::Code) => "rekey/code",
            (Self::Flow, TagPurpose::Factor) => "rekey/contact",
            (Self::Flow, TagPurpose::Answer) => "rekey/answer",
            (Self::Flow, TagPurpose::PasskeyChallenge) => "rekey/passkey-challenge",
            (Self::Flow, TagPurpose::ApprovalNumber) => "rekey/approval-number",
            (Self::Session, TagPurpose::Cookie) => "rekey/session",
            (Self::Session, TagPurpose::At) => "rekey/session-at",
            (Self::Session, TagPurpose::Code) => "rekey/session-code",
            (Self::Session, TagPurpose::Factor) => "rekey/session-factor",
            (Self::Session, TagPurpose::Answer) => "rekey/session-answer",
            (Self::Session, TagPurpose::PasskeyChallenge) => "rekey/session-passkey",
            (Self::Session, TagPurpose::ApprovalNumber) => "rekey/session-approval",
        }
    }
}

/// The secret of a holder: 256 random bits that only the browser has (ASVS 7.2.3). Tables contain its hash.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Secret([u8; 32]);

/// The content of a holder's cookie: its secret, its number of passed verifications, and a tag over both.
///
/// Each verification changes the cookie without storing anything. An older cookie is refused beyond its step
/// (ASVS 7.2.4), and a handler knows holder and step before it reads a table.
#[derive(Clone)]
pub struct HolderCookie {
    kind: HolderKind,
    key_id: KeyId,
    secret: Secret,
    verified: u8,
}

impl HolderCookie {
    /// Returns the first cookie of a new holder. `entropy` must be random.
    pub fn open(kind: HolderKind, flows: &Keyring, entropy: [u8; 32]) -> Self {
        Self { kind, key_id: flows.current().clone(), secret: Secret(entropy), verified: 0 }
    }

    /// Returns the first cookie of a new flow. `entropy` must be random.
    pub fn open_flow(flows: &Keyring, entropy: [u8; 32]) -> Self {
        Self::open(HolderKind::Flow, flows, entropy)
    }

    /// Returns the first cookie of a new session. `entropy` must be random.
    pub fn open_session(flows: &Keyring, entropy: [u8; 32]) -> Self {
        Self::open(HolderKind::Session, flows, entropy)
    }

    /// Reads the value of a cookie of `kind`. `None` when it is malformed or its tag is wrong, without
    /// saying which.
    pub fn read(kind: HolderKind, value: &str, flows: &Keyring) -> Option<Self> {
        let mut parts = value.split('.');
        let key_id = KeyId::parse(parts.next()?).ok()?;
        let written = parts.next()?;
        let verified: u8 = written.parse().ok()?;
        let secret: [u8; 32] = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let tag: [u8; 32] = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let cookie = Self { kind, key_id, secret: Secret(secret), verified };
        // Each number has exactly one valid spelling.
        let fits = parts.next().is_none() && verified.to_string() == written;
        (fits && cookie.own_tag(flows)? == Tag::from_bytes(tag)).then_some(cookie)
    }

    /// Returns the cookie's value; `None` only when the ring lost the key that the holder was opened with.
    pub fn value(&self, flows: &Keyring) -> Option<String> {
        let tag = self.own_tag(flows)?;
        let (secret, tag) = (URL_SAFE_NO_PAD.encode(self.secret.0), URL_SAFE_NO_PAD.encode(tag.as_bytes()));
        Some(format!("{}.{}.{secret}.{tag}", self.key_id.as_str(), self.verified))
    }

    /// Returns the cookie of the same holder after `verified` verifications.
    #[must_use]
    pub fn with_verified(&self, verified: u8) -> Self {
        Self { verified, ..self.clone() }
    }

    /// Returns whether it belongs to a flow or a session.
    pub const fn kind(&self) -> HolderKind {
        self.kind
    }

    /// Returns the number of passed verifications, as the tag confirms it.
    pub const fn verified(&self) -> u8 {
        self.verified
    }

    /// Returns the step that it may act in, from 1.
    pub const fn step(&self) -> u8 {
        self.verified.saturating_add(1)
    }

    /// Returns the id that the holder is stored under. A flow and a session with the same secret have
    /// different ids.
    pub fn id(&self) -> HolderId {
        let hash = match self.kind {
            HolderKind::Flow => Sha256::new(),
            HolderKind::Session => Sha256::new_with_prefix(b"session"),
        };
        HolderId::from_bytes(hash.chain_update(self.secret.0).finalize().into())
    }

    /// Returns the id of one verification of this holder. An accepted answer is consumed for this id.
    pub fn verification_id(&self, request: RequestId) -> HolderId {
        let hash = Sha256::new_with_prefix(b"proof").chain_update(self.id().as_bytes());
        HolderId::from_bytes(hash.chain_update(request.as_bytes()).finalize().into())
    }

    /// Returns the public reference in forms. With it, a form in another tab can't act on a later holder. A
    /// flow's reference changes with each step.
    pub fn at(&self, flows: &Keyring) -> Option<String> {
        let tag = self.tag(flows, TagPurpose::At, &[&[self.bound_step()]])?;
        Some(URL_SAFE_NO_PAD.encode(&tag.as_bytes()[..12]))
    }

    /// Returns whether `at` refers to this flow, at the step of the cookie or one before.
    pub fn is_of_this_flow(&self, flows: &Keyring, at: &str) -> bool {
        (0..=self.verified)
            .any(|verified| self.with_verified(verified).at(flows).is_some_and(|own| own == at))
    }

    /// Returns the tag of a sent code. A session includes the request; a flow doesn't, so that checking a
    /// code needs no read.
    pub fn code_tag(&self, flows: &Keyring, request: Option<RequestId>, code: &OneTimeCode) -> Option<Tag> {
        let request = request.as_ref().map_or(&[][..], |request| request.as_bytes());
        self.tag(flows, TagPurpose::Code, &[&[self.bound_step()], request, code.expose().as_bytes()])
    }

    /// Returns the tag of a factor by its value. In one holder, equal factors have equal tags.
    pub fn factor_tag(&self, flows: &Keyring, value: &FactorValue<'_>) -> Option<Tag> {
        self.tag(flows, TagPurpose::Factor, &[value.canonical().as_bytes()])
    }

    /// Returns the tag of an answer by `method`. A browser that repeats it with the older cookie (a double
    /// click, a lost response) gets the newer cookie again.
    pub fn answer_tag(&self, flows: &Keyring, method: Method, answer: &[u8]) -> Option<Tag> {
        self.tag(flows, TagPurpose::Answer, &[&[self.bound_step()], method.as_str().as_bytes(), answer])
    }

    /// Returns the challenge that a passkey signs for a request (Web Authentication Level 3 §13.4.3: at least
    /// 16 random bytes). It is unpredictable before the request, and invalid in another holder, step or
    /// request.
    pub fn passkey_challenge(&self, flows: &Keyring, request: RequestId) -> Option<[u8; 32]> {
        let tag =
            self.tag(flows, TagPurpose::PasskeyChallenge, &[&[self.bound_step()], request.as_bytes()])?;
        Some(*tag.as_bytes())
    }

    /// Returns the number that the page of a request shows and the authenticator app asks for. It is derived
    /// from this browser's secret and this request, so only the browser's own page shows it.
    pub fn approval_number(&self, flows: &Keyring, request: RequestId) -> Option<ApprovalNumber> {
        let tag = self.tag(flows, TagPurpose::ApprovalNumber, &[request.as_bytes()])?;
        Some(ApprovalNumber::from_tag(&tag))
    }

    /// Returns the step that a flow's tag is bound to. A session's challenge may outlive a renewed step-up.
    const fn bound_step(&self) -> u8 {
        match self.kind {
            HolderKind::Flow => self.step(),
            HolderKind::Session => 0,
        }
    }

    fn own_tag(&self, flows: &Keyring) -> Option<Tag> {
        self.tag(flows, TagPurpose::Cookie, &[&[self.verified]])
    }

    fn tag(&self, flows: &Keyring, of: TagPurpose, parts: &[&[u8]]) -> Option<Tag> {
        let mut all: Vec<&[u8]> = vec![&self.secret.0];
        all.extend_from_slice(parts);
        flows.tag(&self.key_id, self.kind.purpose(of), &all)
    }
}

impl fmt::Debug for HolderCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?}, verified: {})", self.kind, self.id(), self.verified)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::method::Factor;

    const KINDS: [HolderKind; 2] = [HolderKind::Flow, HolderKind::Session];

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn code() -> OneTimeCode {
        OneTimeCode::parse("12345678").unwrap()
    }

    /// Controls: C-037.
    #[test]
    fn cookie_round_trips_and_rejects_changed_value() {
        for kind in KINDS {
            let cookie = HolderCookie::open(kind, &keys(), [5; 32]).with_verified(12);
            let value = cookie.value(&keys()).unwrap();
            let read = HolderCookie::read(kind, &value, &keys()).unwrap();
            assert_eq!((read.id(), read.verified(), read.step()), (cookie.id(), 12, 13));
            for at in 0..value.len() {
                let mut bytes = value.clone().into_bytes();
                bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
                let changed = String::from_utf8(bytes).unwrap();
                assert!(HolderCookie::read(kind, &changed, &keys()).is_none(), "{kind:?} at {at}");
            }
            for other in ["", ".", "1.12", "1.012", "1.+12", "1.-1", "1.256"] {
                let (_, rest) = value.split_once(".12").unwrap();
                let changed = format!("{other}{rest}");
                assert!(HolderCookie::read(kind, &changed, &keys()).is_none() || other == "1.12", "{other}");
            }
            assert!(HolderCookie::read(kind, &format!("{value}."), &keys()).is_none());
        }
    }

    /// Controls: C-037.
    #[test]
    fn cookie_with_raised_verification_count_is_rejected() {
        for kind in KINDS {
            let value = HolderCookie::open(kind, &keys(), [5; 32]).value(&keys()).unwrap();
            let raised = value.replacen(".0.", ".1.", 1);
            assert!(raised != value && HolderCookie::read(kind, &raised, &keys()).is_none());
        }
    }

    /// Controls: C-037.
    #[test]
    fn flow_and_session_cookies_are_not_interchangeable() {
        let [flow, session] = KINDS.map(|kind| HolderCookie::open(kind, &keys(), [5; 32]));
        assert_ne!(flow.id(), session.id());
        let [one, other] = [&flow, &session].map(|cookie| cookie.value(&keys()).unwrap());
        assert!(HolderCookie::read(HolderKind::Session, &one, &keys()).is_none());
        assert!(HolderCookie::read(HolderKind::Flow, &other, &keys()).is_none());
        assert_ne!(flow.at(&keys()), session.at(&keys()));
    }

    /// Controls: C-037.
    #[test]
    fn cookie_with_unknown_key_is_rejected() {
        let other =
            Keyring::from_secret(r#"{"current":"2","2":"fedcba9876543210fedcba9876543210"}"#).unwrap();
        let cookie = HolderCookie::open_flow(&keys(), [5; 32]);
        let value = cookie.value(&keys()).unwrap();
        assert!(
            HolderCookie::read(HolderKind::Flow, &value, &other).is_none() && cookie.value(&other).is_none()
        );
    }

    /// Controls: C-092.
    #[test]
    fn debug_prints_neither_secret_nor_tag() {
        let cookie = HolderCookie::open_flow(&keys(), [5; 32]);
        assert_eq!(format!("{cookie:?}"), format!("Flow({:?}, verified: 0)", cookie.id()));
    }

    /// Controls: C-084.
    #[test]
    fn flow_form_from_later_step_is_rejected() {
        let first = HolderCookie::open_flow(&keys(), [5; 32]);
        let second = first.with_verified(1);
        let at = |cookie: &HolderCookie| cookie.at(&keys()).unwrap();
        assert!(first.is_of_this_flow(&keys(), &at(&first)));
        assert!(second.is_of_this_flow(&keys(), &at(&first)));
        assert!(second.is_of_this_flow(&keys(), &at(&second)));
        assert!(!first.is_of_this_flow(&keys(), &at(&second)), "what lies ahead");
        assert!(!second.is_of_this_flow(&keys(), &at(&HolderCookie::open_flow(&keys(), [6; 32]))));
        assert!(!second.is_of_this_flow(&keys(), ""));
        assert_eq!(at(&first).len(), 16);
    }

    /// Controls: C-084.
    #[test]
    fn session_form_stays_valid_after_verification() {
        let cookie = HolderCookie::open_session(&keys(), [5; 32]);
        assert_eq!(cookie.at(&keys()), cookie.with_verified(1).at(&keys()));
        assert_ne!(cookie.at(&keys()), HolderCookie::open_session(&keys(), [6; 32]).at(&keys()));
    }

    #[test]
    fn approval_number_differs_by_holder_and_request() {
        for kind in KINDS {
            let number = |id, request| {
                let cookie = HolderCookie::open(kind, &keys(), [id; 32]);
                cookie.approval_number(&keys(), RequestId::from_bytes([request; 16])).unwrap()
            };
            assert!(number(5, 1) == number(5, 1));
            let differs = |n: u8| number(5, n) != number(5, 1);
            assert!((2..10).any(differs), "eight requests with one number: one in 90 to the eighth");
            assert!((6..14).any(|id| number(id, 1) != number(5, 1)));
        }
    }

    /// Controls: C-057.
    #[test]
    fn verification_id_differs_by_session_and_request() {
        let [one, other] = [5, 6].map(|id| HolderCookie::open_session(&keys(), [id; 32]));
        let [first, next] = [1, 2].map(|id| RequestId::from_bytes([id; 16]));
        assert_eq!(one.verification_id(first), one.verification_id(first));
        assert!(one.verification_id(first) != one.verification_id(next));
        assert!(one.verification_id(first) != other.verification_id(first));
    }

    #[test]
    fn factor_tag_is_bound_to_value_and_holder() {
        for kind in KINDS {
            let [one, other] = [5, 6].map(|id| HolderCookie::open(kind, &keys(), [id; 32]));
            let app = one.factor_tag(&keys(), &FactorValue::Held(Factor::AuthenticatorApp));
            assert!(
                app == one.with_verified(1).factor_tag(&keys(), &FactorValue::Held(Factor::AuthenticatorApp)),
                "whatever the step"
            );
            assert!(app != one.factor_tag(&keys(), &FactorValue::Held(Factor::Passkey)));
            assert!(app != other.factor_tag(&keys(), &FactorValue::Held(Factor::AuthenticatorApp)));
        }
    }

    /// A session's tags are bound to the request, since a code may outlive a renewed step-up.
    /// Controls: C-027.
    #[test]
    fn session_tags_differ_by_session_request_and_purpose() {
        let mut seen = HashSet::new();
        for id in 1..=8 {
            let cookie = HolderCookie::open_session(&keys(), [id; 32]);
            for request in 1..=8 {
                let request = RequestId::from_bytes([request; 16]);
                let tag = cookie.code_tag(&keys(), Some(request), &code()).unwrap();
                assert!(cookie.with_verified(1).code_tag(&keys(), Some(request), &code()) == Some(tag));
                assert!(seen.insert(*tag.as_bytes()));
                assert!(seen.insert(cookie.passkey_challenge(&keys(), request).unwrap()));
            }
        }
    }

    proptest! {
        /// No two uses share a tag, whatever their bytes, holder and step.
        /// Controls: C-090.
        #[test]
        fn tags_of_different_purposes_never_collide(
            ids in (any::<[u8; 32]>(), any::<[u8; 32]>()), steps in (0_u8..3, 0_u8..3), digits in "[0-9]{6,10}",
            kinds in (0..2_usize, 0..2_usize),
        ) {
            let keys = keys();
            let code = OneTimeCode::parse(&digits).unwrap();
            let request = RequestId::from_bytes([7; 16]);
            let tags = |kind: usize, id, verified| {
                let cookie = HolderCookie::open(KINDS[kind], &keys, id).with_verified(verified);
                [
                    cookie.factor_tag(&keys, &FactorValue::Held(Factor::AuthenticatorApp)),
                    cookie.own_tag(&keys),
                    cookie.code_tag(&keys, None, &code),
                    cookie.code_tag(&keys, Some(request), &code),
                    cookie.passkey_challenge(&keys, request).map(Tag::from_bytes),
                    cookie.answer_tag(&keys, Method::Totp, digits.as_bytes()),
                    cookie.answer_tag(&keys, Method::RecoveryCode, digits.as_bytes()),
                ]
                .map(Option::unwrap)
            };
            let (one, other) = (tags(kinds.0, ids.0, steps.0), tags(kinds.1, ids.1, steps.1));
            for (at, tag) in one.iter().enumerate() {
                for (there, another) in other.iter().enumerate() {
                    // A factor's tag is the same in every step; so are all of a session's tags but the
                    // cookie's.
                    let any_step = at == 0 || (at != 1 && KINDS[kinds.0] == HolderKind::Session);
                    let same = at == there && kinds.0 == kinds.1 && ids.0 == ids.1 && (any_step || steps.0 == steps.1);
                    prop_assert_eq!(tag == another, same, "{} {}", at, there);
                }
            }
        }
    }
}
