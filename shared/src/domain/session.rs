//! A session on the page where a person registers: who signed in, what they have proved since, and what they are
//! about to add.
//!
//! ```text
//! sign-in ─▶ (second step, once something is registered) ─▶ the list ─add─▶ awaiting proof ─confirm─▶ the list
//! ```
//!
//! It is one item with a revision. Every try is spent by a replacement of that item before anything is compared, so of
//! many requests at once one looks.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::account::AccountId;
use super::approval::ApprovalNumber;
use super::code::OneTimeCode;
use super::factor::{self, FactorValue, VerifiedFactor};
use super::flow::{CODE_LONGEST, RequestId};
use super::holder::HolderId;
use super::keys::{KeyId, Keyring, Tag};
use super::language::Language;
use super::method::Method;
use super::security_info::{EntryId, Registered};
use super::time::{Seconds, Timestamp};

/// How long a session lasts, however busy: what Microsoft's page gives.
pub const LIFETIME: Seconds = Seconds(900);
/// How old a second step may be when something is changed. Half of a session left open in a library is too old.
pub const STEP_UP: Seconds = Seconds(600);
/// Wrong answers in one session, over all that is asked in it.
pub const TRIES: u8 = 10;
/// Wrong answers to one code.
pub const CODE_TRIES: u8 = 5;
/// Codes sent in one session.
pub const SENDS: u8 = 10;
/// For so long the answer that proved a second step gets its newer cookie once more.
const REMEMBERED: Seconds = Seconds(60);
/// The wait before a code to the same place is sent again.
pub const RESEND: Seconds = Seconds(30);

/// A session's id: 256 random bits, known to the browser only (ASVS 7.2.3).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct SessionId([u8; 32]);

/// The content of the session's cookie. Each proof changes it, so that a cookie that was seen before is worth no more than
/// the password it was given for (ASVS 7.2.4).
#[derive(Clone)]
pub struct SessionCookie {
    key_id: KeyId,
    id: SessionId,
    proofs: u8,
}

impl SessionCookie {
    /// The cookie of a new session.
    pub fn open(flows: &Keyring, entropy: [u8; 32]) -> Self {
        Self { key_id: flows.current().clone(), id: SessionId(entropy), proofs: 0 }
    }

    /// Reads a cookie's value; `None` when it is malformed or its tag is wrong.
    pub fn read(value: &str, flows: &Keyring) -> Option<Self> {
        let mut parts = value.split('.');
        let key_id = KeyId::parse(parts.next()?).ok()?;
        let [proofs]: [u8; 1] = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let id: [u8; 32] = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let tag: [u8; 32] = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let cookie = Self { key_id, id: SessionId(id), proofs };
        let fits = parts.next().is_none() && cookie.own_tag(flows)? == Tag::from_bytes(tag);
        fits.then_some(cookie)
    }

    /// The cookie's value; `None` only when the ring lost its key.
    pub fn value(&self, flows: &Keyring) -> Option<String> {
        let tag = self.own_tag(flows)?;
        let parts = [&[self.proofs][..], &self.id.0, tag.as_bytes()].map(|part| URL_SAFE_NO_PAD.encode(part));
        Some(format!("{}.{}", self.key_id.as_str(), parts.join(".")))
    }

    /// The cookie of the same session after so many proofs.
    #[must_use]
    pub fn with_proofs(&self, proofs: u8) -> Self {
        Self { proofs, ..self.clone() }
    }

    /// Where the session is stored: another hash than a flow's of the same id, so that neither is ever the other.
    pub fn key(&self) -> HolderId {
        let hash = Sha256::new_with_prefix(b"session").chain_update(self.id.0);
        HolderId::from_bytes(hash.finalize().into())
    }

    /// The public reference that forms carry, so that a form left in another tab can't act on the session that came
    /// after it.
    pub fn at(&self, flows: &Keyring) -> Option<String> {
        let tag = self.tag(flows, "rekey/session-at", &[])?;
        Some(URL_SAFE_NO_PAD.encode(&tag.as_bytes()[..12]))
    }

    /// The tag of a code that is awaited in answer to `request`.
    pub fn code_tag(&self, flows: &Keyring, request: RequestId, code: &OneTimeCode) -> Option<Tag> {
        self.tag(flows, "rekey/session-code", &[request.as_bytes(), code.expose().as_bytes()])
    }

    /// The tag of a factor by its value, in this session.
    pub fn factor_tag(&self, flows: &Keyring, value: &FactorValue<'_>) -> Option<String> {
        let tag = self.tag(flows, "rekey/session-factor", &[value.canonical().as_bytes()])?;
        Some(URL_SAFE_NO_PAD.encode(tag.as_bytes()))
    }

    /// The tag of an answer that proves the second step, whatever it is.
    pub fn answer_tag(&self, flows: &Keyring, method: Method, answer: &[u8]) -> Option<Tag> {
        self.tag(flows, "rekey/session-answer", &[method.as_str().as_bytes(), answer])
    }

    /// The challenge that a passkey signs in answer to `request`.
    pub fn passkey_challenge(&self, flows: &Keyring, request: RequestId) -> Option<[u8; 32]> {
        self.tag(flows, "rekey/session-passkey", &[request.as_bytes()]).map(|tag| *tag.as_bytes())
    }

    /// The number that the page shows and the authenticator app asks for.
    pub fn approval_number(&self, flows: &Keyring, request: RequestId) -> Option<ApprovalNumber> {
        let tag = self.tag(flows, "rekey/session-approval", &[request.as_bytes()])?;
        Some(ApprovalNumber::from_tag(&tag))
    }

    fn own_tag(&self, flows: &Keyring) -> Option<Tag> {
        self.tag(flows, "rekey/session", &[&[self.proofs]])
    }

    fn tag(&self, flows: &Keyring, purpose: &str, parts: &[&[u8]]) -> Option<Tag> {
        let mut all: Vec<&[u8]> = vec![&self.id.0];
        all.extend_from_slice(parts);
        flows.tag(&self.key_id, purpose, &all)
    }
}

impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionCookie({:?})", self.key())
    }
}

/// A session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Who signed in.
    pub account: AccountId,
    /// The account's generation as this session knows it. When somebody else changes the account, the session is over.
    pub generation: u64,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
    /// The language for its messages.
    pub language: Language,
    /// What the account could prove when it began.
    pub start: Start,
    /// The last proof beyond the password.
    pub proved: Option<Proved>,
    /// The factors that verified it and that serve in resets too, each once.
    pub verified: Vec<VerifiedFactor>,
    /// How many there were; its cookie says the same. The count stops at its end, far beyond what fits a session's time.
    pub proofs: u8,
    /// The tag of the answer that was the last one, base64url.
    pub answered: Option<String>,
    /// What is awaited for such a proof.
    pub asked: Option<Asked>,
    /// Names the challenge that a passkey signs here. It is another one after each proof.
    pub challenge: String,
    /// What is about to be added.
    pub pending: Option<Pending>,
    /// What was added in this session and does not count yet.
    pub cooling: Vec<EntryId>,
    /// Wrong answers so far.
    pub tries: u8,
    /// Codes sent so far.
    pub sends: u8,
    /// Where to go back to, an address of the allow-list.
    pub back: Option<String>,
}

/// What an account could prove when a session of it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Nothing, since nothing was ever registered: there is no second step, and what this session registers counts at once.
    First,
    /// A second step, and so it must.
    Provable,
    /// Nothing, though something is or was registered: a number of a country that is no longer served, a sheet without a
    /// code left, entries that were all removed. That keeps nobody out of the page where they can mend it, but everything that is added waits, so that the
    /// password alone never leads to a reset before its owner, who is told, has had time to act.
    Stranded,
}

/// A proof beyond the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proved {
    /// By which method.
    pub method: Method,
    /// When.
    pub at: Timestamp,
}

/// A code or an answer that is awaited.
#[derive(Clone, Serialize, Deserialize)]
pub struct Asked {
    /// How it was asked for.
    pub method: Method,
    /// Which request it must be an answer to.
    pub request: String,
    /// The tag of the awaited code, base64url; none where a device answers.
    pub code: Option<String>,
    /// When it was asked for.
    pub at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Wrong answers so far.
    pub tries: u8,
}

impl Asked {
    /// A question put now.
    pub fn new(
        method: Method,
        request: RequestId,
        code: Option<Tag>,
        now: Timestamp,
        lifetime: Seconds,
    ) -> Self {
        Self {
            method,
            request: request.to_string(),
            code: code.map(|tag| URL_SAFE_NO_PAD.encode(tag.as_bytes())),
            at: now,
            expires_at: now + lifetime,
            tries: 0,
        }
    }

    /// The request.
    pub fn request(&self) -> Option<RequestId> {
        RequestId::parse(&self.request)
    }

    /// Whether `tag` is that of the awaited code.
    pub fn is(&self, tag: &Tag) -> bool {
        is_stored(self.code.as_deref(), tag)
    }

    /// Whether it may still be answered.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.expires_at.is_ahead(now, CODE_LONGEST) && self.tries < CODE_TRIES
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked({:?}, tries: {})", self.method, self.tries)
    }
}

/// Whether a stored tag is this one.
fn is_stored(stored: Option<&str>, tag: &Tag) -> bool {
    let stored = stored.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let stored = stored.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).map(Tag::from_bytes);
    stored.is_some_and(|stored| stored == *tag)
}

/// What is about to be added.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// The id that it will have.
    pub id: EntryId,
    /// What may be shown of it.
    pub shown: String,
    /// What has to be kept until it is confirmed, sealed for this session.
    pub sealed: String,
    /// The question whose answer confirms it.
    pub asked: Option<Asked>,
}

impl Session {
    /// A session that begins.
    pub fn begin(
        account: AccountId,
        registered: &Registered,
        language: Language,
        back: Option<String>,
        challenge: RequestId,
        now: Timestamp,
    ) -> Self {
        Self {
            account,
            generation: registered.generation,
            expires_at: now + LIFETIME,
            language,
            start: match registered {
                Registered { generation: 0, entries, .. } if entries.is_empty() => Start::First,
                Registered { entries, .. } if entries.is_empty() => Start::Stranded,
                Registered { .. } => Start::Provable,
            },
            proved: None,
            verified: Vec::new(),
            proofs: 0,
            answered: None,
            asked: None,
            challenge: challenge.to_string(),
            pending: None,
            cooling: Vec::new(),
            tries: 0,
            sends: 0,
            back,
        }
    }

    /// Goes on from a proof, with another challenge, so that nothing proves twice. `factor` is what verified it, if it
    /// counts in resets too; the same one once more changes nothing.
    pub fn prove(
        &mut self,
        proved: Proved,
        factor: Option<VerifiedFactor>,
        answer: &Tag,
        challenge: RequestId,
    ) {
        self.proved = Some(proved);
        self.verified.extend(factor.filter(|factor| !self.verified.contains(factor)));
        self.proofs = self.proofs.saturating_add(1);
        self.answered = Some(URL_SAFE_NO_PAD.encode(answer.as_bytes()));
        self.asked = None;
        self.challenge = challenge.to_string();
    }

    /// Whether a cookie is from before the last proof. It may prove anew, and nothing else.
    pub const fn is_ahead_of(&self, cookie: &SessionCookie) -> bool {
        self.proofs != cookie.proofs
    }

    /// Whether the last proof was this answer, a moment ago: a double click, or a page that was lost on its way.
    pub fn was_proved_by(&self, answer: &Tag, now: Timestamp) -> bool {
        let is_fresh = self.proved.is_some_and(|proved| proved.at.is_within(REMEMBERED, now));
        is_fresh && is_stored(self.answered.as_deref(), answer)
    }

    /// Whether something may be changed now: a second step was proved a short while ago, or there is none to prove.
    pub fn may_change(&self, cookie: &SessionCookie, now: Timestamp) -> bool {
        let is_fresh = self.proved.is_some_and(|proved| proved.at.is_within(STEP_UP, now));
        !self.is_ahead_of(cookie) && (self.start != Start::Provable || is_fresh)
    }

    /// What an app's code or a recovery code is used up for: the proof that is asked for next, not the whole session, so that
    /// no code serves twice in it.
    pub fn proof_key(&self, cookie: &SessionCookie) -> HolderId {
        let hash = Sha256::new_with_prefix(b"proof").chain_update(cookie.key().as_bytes());
        HolderId::from_bytes(hash.chain_update(self.challenge.as_bytes()).finalize().into())
    }

    /// Whether the list may be seen.
    pub fn may_see(&self, cookie: &SessionCookie) -> bool {
        !self.is_ahead_of(cookie) && (self.start != Start::Provable || self.proved.is_some())
    }

    /// Whether the session has verified two different old factors: then nothing that it adds has to wait.
    pub fn waives_waiting_period(&self) -> bool {
        factor::waives_waiting_period(&self.verified)
    }

    /// From when on something counts that is confirmed now. It waits, so that whoever took over a session can't turn it
    /// into a reset before the owner, who is told, has had time to act. It counts at once on an account that never held
    /// anything; for a session that has verified two different old factors; and on an account that holds fewer factors
    /// than a reset `needs`, all of them verified here, and that lost none within the waiting period.
    pub fn active_from(&self, held: &Held<'_>, waiting_period: Seconds, now: Timestamp) -> Timestamp {
        let is_whole = held.removed_at.is_none_or(|removed| removed + waiting_period <= now);
        let holds_too_little =
            is_whole && factor::has_verified_too_few(held.factors, &self.verified, held.needed);
        let at_once = self.start == Start::First || self.waives_waiting_period() || holds_too_little;
        if at_once { now } else { now + waiting_period }
    }

    /// Whether what is added in it was preceded by a proof, or could not be.
    pub fn is_proved(&self) -> bool {
        self.start == Start::First || self.proved.is_some()
    }
}

/// What an account holds when a session adds something to it.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The tags of all its factors that serve in a reset, whether or not they count yet, in this session.
    pub factors: &'a [String],
    /// When one of them was last removed by its owner.
    pub removed_at: Option<Timestamp>,
    /// How many a reset needs.
    pub needed: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::security_info::{Entry, Kind};

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const COOL_DOWN: Seconds = Seconds(72 * 3_600);

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn session(start: Start) -> Session {
        let registered = Registered::default();
        let (account, challenge) =
            (AccountId::from_directory("aisyah").unwrap(), RequestId::from_bytes([1; 16]));
        let mut session = Session::begin(account, &registered, Language::English, None, challenge, NOW);
        session.start = start;
        session
    }

    fn proved(method: Method) -> Session {
        Session { proved: Some(Proved { method, at: NOW }), ..session(Start::Provable) }
    }

    fn verified(factors: &[(Method, &str, bool)]) -> Session {
        let mut session = session(Start::Provable);
        let answer = SessionCookie::open(&keys(), [5; 32]).answer_tag(&keys(), Method::Totp, b"1").unwrap();
        for (method, factor, old) in factors {
            let factor = VerifiedFactor { method: *method, factor: (*factor).to_owned(), old: *old };
            let proved = Proved { method: *method, at: NOW };
            session.prove(proved, Some(factor), &answer, RequestId::from_bytes([2; 16]));
        }
        session
    }

    fn counts_at_once(session: &Session, held: &[&str], removed_at: Option<Timestamp>) -> bool {
        let factors: Vec<String> = held.iter().map(|tag| (*tag).to_owned()).collect();
        let held = Held { factors: &factors, removed_at, needed: 2 };
        let from = session.active_from(&held, COOL_DOWN, NOW);
        assert!(from == NOW || from == NOW + COOL_DOWN);
        from == NOW
    }

    #[test]
    fn a_cookie_is_read_back_and_no_other() {
        let cookie = SessionCookie::open(&keys(), [5; 32]);
        let value = cookie.value(&keys()).unwrap();
        assert_eq!(SessionCookie::read(&value, &keys()).unwrap().key(), cookie.key());
        for at in 0..value.len() {
            let mut bytes = value.clone().into_bytes();
            bytes[at] = if bytes[at] == b'B' { b'C' } else { b'B' };
            assert!(SessionCookie::read(&String::from_utf8(bytes).unwrap(), &keys()).is_none(), "at {at}");
        }
    }

    #[test]
    fn an_older_cookie_is_worth_no_proof() {
        let cookie = SessionCookie::open(&keys(), [5; 32]);
        let values = [&cookie, &cookie.with_proofs(1)].map(|cookie| cookie.value(&keys()).unwrap());
        assert_ne!(values[0], values[1]);
        let read = SessionCookie::read(&values[1], &keys()).unwrap();
        assert_eq!((read.proofs, read.key(), read.at(&keys())), (1, cookie.key(), cookie.at(&keys())));
        let raised = values[0].replacen(".AA.", ".AQ.", 1);
        assert!(raised != values[0] && SessionCookie::read(&raised, &keys()).is_none());

        let totp = Proved { method: Method::Totp, at: NOW };
        let answers = [b"123456", b"123457"];
        let answers = answers.map(|code| cookie.answer_tag(&keys(), Method::Totp, code).unwrap());
        for start in [Start::First, Start::Provable, Start::Stranded] {
            let mut session = session(start);
            assert!(!session.was_proved_by(&answers[0], NOW));
            for (proofs, answer) in (1..).zip(&answers) {
                session.prove(totp, None, answer, RequestId::from_bytes([2; 16]));
                let newest = cookie.with_proofs(proofs);
                assert!(session.may_see(&newest) && session.may_change(&newest, NOW));
                let older = cookie.with_proofs(proofs - 1);
                assert!(!session.may_see(&older) && !session.may_change(&older, NOW), "{start:?}");
                assert!(session.is_ahead_of(&older) && !session.is_ahead_of(&newest));
            }
            let was_proved_by =
                |nth: usize, seconds| session.was_proved_by(&answers[nth], NOW + Seconds(seconds));
            assert!(was_proved_by(1, 59) && !was_proved_by(1, 60) && !was_proved_by(0, 0));
        }
    }

    /// Whatever a session tags, it means nothing in another session, for another request or in another use.
    #[test]
    fn a_tag_is_of_its_session_request_and_use() {
        let code = OneTimeCode::parse("12345678").unwrap();
        let mut seen = std::collections::HashSet::new();
        for id in 1..=8 {
            let cookie = SessionCookie::open(&keys(), [id; 32]);
            assert_eq!(cookie.at(&keys()).unwrap().len(), 16);
            assert!(seen.insert(cookie.at(&keys()).unwrap().into_bytes()));
            for request in 1..=8 {
                let request = RequestId::from_bytes([request; 16]);
                let tag = cookie.code_tag(&keys(), request, &code).unwrap();
                assert!(seen.insert(tag.as_bytes().to_vec()));
                assert!(seen.insert(cookie.passkey_challenge(&keys(), request).unwrap().to_vec()));
            }
        }
        let number = |id, request| {
            let cookie = SessionCookie::open(&keys(), [id; 32]);
            cookie.approval_number(&keys(), RequestId::from_bytes([request; 16])).unwrap()
        };
        assert!(
            (2..10).any(|id| number(id, 1) != number(1, 1)) && (2..10).any(|n| number(1, n) != number(1, 1))
        );
    }

    #[test]
    fn what_is_printed_of_a_session_opens_nothing() {
        let cookie = SessionCookie::open(&keys(), [5; 32]);
        assert_eq!(format!("{cookie:?}"), format!("SessionCookie({:?})", cookie.key()));
        let tag = cookie.code_tag(
            &keys(),
            RequestId::from_bytes([1; 16]),
            &OneTimeCode::parse("12345678").unwrap(),
        );
        let asked = Asked::new(Method::Sms, RequestId::from_bytes([1; 16]), tag, NOW, Seconds(600));
        assert_eq!(format!("{asked:?}"), "Asked(Sms, tries: 0)");
        assert_eq!(asked.request(), Some(RequestId::from_bytes([1; 16])));
    }

    #[test]
    fn an_app_code_is_used_up_for_one_proof() {
        let (one, other) = (SessionCookie::open(&keys(), [5; 32]), SessionCookie::open(&keys(), [6; 32]));
        let first = session(Start::Provable);
        let next = Session { challenge: RequestId::from_bytes([2; 16]).to_string(), ..first.clone() };
        assert_eq!(first.proof_key(&one), first.proof_key(&one));
        assert!(
            first.proof_key(&one) != next.proof_key(&one) && first.proof_key(&one) != first.proof_key(&other)
        );
    }

    #[test]
    fn a_flow_and_a_session_of_one_id_are_two() {
        use crate::domain::flow::FlowCookie;
        let (flow, session) = (FlowCookie::open(&keys(), [5; 32]), SessionCookie::open(&keys(), [5; 32]));
        assert_ne!(flow.key(), session.key());
        assert!(SessionCookie::read(&flow.value(&keys()).unwrap(), &keys()).is_none());
        assert!(FlowCookie::read(&session.value(&keys()).unwrap(), &keys()).is_none());
        let code = OneTimeCode::parse("12345678").unwrap();
        let request = RequestId::from_bytes([1; 16]);
        assert_ne!(flow.code_tag(&keys(), &code), session.code_tag(&keys(), request, &code));
    }

    #[test]
    fn a_code_answers_its_own_request_only() {
        let cookie = SessionCookie::open(&keys(), [5; 32]);
        let code = OneTimeCode::parse("12345678").unwrap();
        let tag = |n| cookie.code_tag(&keys(), RequestId::from_bytes([n; 16]), &code).unwrap();
        let asked = Asked::new(Method::Sms, RequestId::from_bytes([1; 16]), Some(tag(1)), NOW, Seconds(600));
        assert!(asked.is(&tag(1)) && !asked.is(&tag(2)));
        assert!(asked.is_open(NOW + Seconds(599)) && !asked.is_open(NOW + Seconds(600)));
        assert!(!Asked { tries: CODE_TRIES, ..asked }.is_open(NOW));
    }

    #[test]
    fn a_change_needs_a_fresh_second_step() {
        let cookie = SessionCookie::open(&keys(), [5; 32]);
        for start in [Start::First, Start::Stranded] {
            assert!(session(start).may_change(&cookie, NOW) && session(start).may_see(&cookie));
        }
        let provable = session(Start::Provable);
        assert!(!provable.may_change(&cookie, NOW) && !provable.may_see(&cookie));
        let proved = proved(Method::Totp);
        let may_change = |seconds| proved.may_change(&cookie, NOW + Seconds(seconds));
        assert!(may_change(599) && !may_change(600));
        assert!(proved.may_see(&cookie));
    }

    #[test]
    fn enrolment_waits_without_two_old_factors() {
        assert!(counts_at_once(&session(Start::First), &[], None), "nothing was ever held");
        assert!(!counts_at_once(&session(Start::Stranded), &[], None), "an emptied account");
        let mail = (Method::Email, "mail", true);
        for waits in [
            verified(&[]),
            verified(&[mail]),
            verified(&[mail, mail]),
            verified(&[mail, (Method::Totp, "app", false)]),
            verified(&[mail, (Method::RecoveryCode, "sheet", true)]),
        ] {
            assert!(!counts_at_once(&waits, &["mail", "phone"], None), "{:?}", waits.verified);
        }
        assert!(counts_at_once(&verified(&[mail, (Method::Totp, "app", true)]), &["mail", "phone"], None));
    }

    #[test]
    fn one_verified_factor_of_one_lets_the_next_count() {
        let young = verified(&[(Method::Email, "mail", false)]);
        assert!(counts_at_once(&young, &["mail"], None), "all that is held is verified");
        assert!(!counts_at_once(&young, &["phone"], None) && !counts_at_once(&young, &[], None));
        let removed = |ago: u32| {
            let at = Timestamp::from_seconds(NOW.as_seconds() - i64::from(ago));
            counts_at_once(&young, &["mail"], Some(at))
        };
        assert!(!removed(0) && !removed(COOL_DOWN.0 - 1), "what was removed a short while ago is missing");
        assert!(removed(COOL_DOWN.0));
    }

    #[test]
    fn what_was_emptied_is_no_beginning() {
        let emptied = Registered { generation: 3, ..Registered::default() };
        let (account, challenge) =
            (AccountId::from_directory("aisyah").unwrap(), RequestId::from_bytes([1; 16]));
        let begin = |registered: Registered| {
            Session::begin(account.clone(), &registered, Language::English, None, challenge, NOW).start
        };
        let registered = |generation| Registered {
            entries: vec![Entry {
                id: EntryId::only(Kind::Mobile),
                shown: String::new(),
                added_at: NOW,
                last_used_at: None,
                usable_from: NOW,
                old_from: NOW,
                predecessor: None,
            }],
            generation,
            ..Registered::default()
        };
        assert_eq!(begin(Registered::default()), Start::First);
        assert_eq!(begin(registered(0)), Start::Provable, "an import moves no generation");
        assert_eq!(begin(registered(3)), Start::Provable);
        assert_eq!(begin(emptied), Start::Stranded);
    }

    #[test]
    fn factor_tag_belongs_to_value_and_session() {
        let (one, other) = (SessionCookie::open(&keys(), [5; 32]), SessionCookie::open(&keys(), [6; 32]));
        let app = one.factor_tag(&keys(), &FactorValue::App);
        assert_eq!(app, one.factor_tag(&keys(), &FactorValue::App));
        assert_ne!(app, one.factor_tag(&keys(), &FactorValue::Passkey));
        assert_ne!(app, other.factor_tag(&keys(), &FactorValue::App));
    }

    #[test]
    fn first_or_verified_sessions_are_proved() {
        assert!(session(Start::First).is_proved() && !session(Start::Stranded).is_proved());
        assert!(proved(Method::RecoveryCode).is_proved());
    }
}
