//! A session at `/security-info`: its account, its verifications, and the entry that waits for confirmation.
//!
//! ```text
//! sign-in ─▶ SignedIn ─verify─▶ Open ─enrol─▶ Enrolling ─confirm─▶ Open
//!     └────nothing to verify────▶┘
//! ```
//!
//! It is one item with a revision. Each attempt replaces that item before anything is compared, so of concurrent
//! requests one is compared.

use serde::{Deserialize, Serialize};

use super::account::AccountId;
use super::approval::RequestId;
use super::challenge::{Challenge, resend_wait};
use super::cookie::HolderCookie;
use super::factor::{self, VerifiedFactor};
use super::holder::HolderId;
use super::keys::Tag;
use super::language::Language;
use super::method::Method;
use super::security_info::{EntryId, Registered};
use super::time::{Seconds, Timestamp};

/// The absolute lifetime of a session, as long as Microsoft's page allows.
pub const LIFETIME: Seconds = Seconds(900);
/// The age of a step-up from which a change needs a new one. Shorter than a session, since people leave
/// sessions open on shared computers.
pub const STEP_UP: Seconds = Seconds(600);
/// Wrong answers per session, over all its challenges.
pub const ATTEMPTS: u8 = 10;
/// Wrong answers per code.
pub const CODE_ATTEMPTS: u8 = 5;
/// Codes sent per session.
pub const SENDS: u8 = 10;
/// For this long, the answer of the last step-up gets its newer cookie again.
const REMEMBERED: Seconds = Seconds(60);

/// A session in one of its states.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Session {
    /// The password was right. A step-up must follow before anything is shown.
    SignedIn(SignedIn),
    /// The list is visible, and can be changed while the last verification is fresh.
    Open(Open),
    /// An entry waits for its confirmation.
    Enrolling(Enrolling),
}

/// A session with the password as its only verification.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignedIn {
    /// Constant for the whole session.
    #[serde(rename = "facts")]
    pub context: SessionContext,
    /// Changes with each verification.
    pub progress: SessionProgress,
}

/// A session that may read the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Open {
    /// Constant for the whole session.
    #[serde(rename = "facts")]
    pub context: SessionContext,
    /// Changes with each verification.
    pub progress: SessionProgress,
    /// Entries enrolled in this session and still in their waiting period.
    pub waiting: Vec<EntryId>,
}

/// A session with an entry that waits for its confirmation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolling {
    /// The session that it returns to.
    pub open: Open,
    /// The unconfirmed entry.
    pub pending: Pending,
}

/// The facts of a session that never change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionContext {
    /// The account whose password was right.
    pub account: AccountId,
    /// The session ends at this time; activity does not extend it.
    pub expires_at: Timestamp,
    /// The language of its messages.
    pub language: Language,
    /// The methods that the account had at the start.
    pub start: EnrolmentState,
    /// The address to return to, from the allow-list.
    pub back: Option<String>,
    /// Whether the person signed in to change the password.
    #[serde(default, rename = "changes", skip_serializing_if = "is_false")]
    pub changes_password: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The mutable facts of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionProgress {
    /// The account's generation that this session knows. A change by another session or flow ends it.
    pub generation: u64,
    /// The last verification besides the password.
    pub last: Option<Verification>,
    /// The verified factors that also serve in resets, each once.
    pub factors: Vec<VerifiedFactor>,
    /// The number of verifications, as its cookie says. It saturates, at a value far above a session's
    /// possible number.
    pub verified: u8,
    /// The challenge that awaits an answer.
    pub challenge: Option<Challenge>,
    /// Names the next verification, and determines the challenge that a passkey signs. It changes after each.
    pub request: RequestId,
    /// Wrong answers so far; `ATTEMPTS` end the session.
    pub attempts: u8,
    /// Codes sent so far, at most `SENDS`.
    pub sends: u8,
    /// Whether its browser is a known device of the account.
    #[serde(default)]
    pub known_device: bool,
    /// The codes that nobody redeemed. They outlast the entry or challenge that they were sent for, so nothing
    /// that is added in between shortens a wait.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unredeemed: Vec<UnredeemedCodes>,
}

/// The codes of a session that share one wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeFor {
    /// All codes to new contacts, whichever they are: each may go to another person.
    NewContact,
    /// The codes of a step-up by one method. They go to the account's own contact, so another method needs no
    /// wait, as in a flow.
    StepUp(Method),
}

/// The codes of one purpose that were sent and not redeemed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnredeemedCodes {
    /// The codes that are counted.
    pub code: CodeFor,
    /// Determines the next wait.
    pub count: u8,
    /// Time of the last code; the next wait begins here.
    pub last_at: Timestamp,
}

impl SessionProgress {
    /// Counts a code.
    pub fn note_sent(&mut self, code: CodeFor, now: Timestamp) {
        self.sends = self.sends.saturating_add(1);
        match self.unredeemed.iter_mut().find(|sent| sent.code == code) {
            Some(sent) => (sent.count, sent.last_at) = (sent.count.saturating_add(1), now),
            None => self.unredeemed.push(UnredeemedCodes { code, count: 1, last_at: now }),
        }
    }

    /// Removes the code that was redeemed. The others keep their wait: a person who redeems codes of their own
    /// sends no faster to somebody else.
    pub fn redeem(&mut self, code: CodeFor) {
        for sent in self.unredeemed.iter_mut().filter(|sent| sent.code == code) {
            sent.count = sent.count.saturating_sub(1);
        }
        self.unredeemed.retain(|sent| sent.count > 0);
    }

    /// Returns the time from which another code may be sent: at once (`None`) if all were redeemed, else 30 s
    /// after the last one, 60 s after two, and so on.
    pub fn next_code_at(&self, code: CodeFor) -> Option<Timestamp> {
        let sent = self.unredeemed.iter().find(|sent| sent.code == code)?;
        Some(sent.last_at + resend_wait(sent.count))
    }

    /// Returns whether a code that corrects the last one (a mistyped contact, a call in place of a text) may be
    /// sent at once. Only the first correction may; it counts like any other code.
    pub fn may_correct(&self, code: CodeFor) -> bool {
        self.unredeemed.iter().any(|sent| sent.code == code && sent.count == 1)
    }
}

/// The verification methods of an account at the start of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrolmentState {
    /// None, since nothing was ever enrolled. There is no step-up, and entries of this session are active at
    /// once.
    FirstEnrolment,
    /// At least one, so a step-up is required.
    StepUpRequired,
    /// None, though entries exist or existed: a number of a country that is no longer served, a sheet without
    /// unused codes, removed entries. The owner can still repair the list, but every added entry has a
    /// waiting period. The password alone never leads to a reset before the notified owner has had time to
    /// act.
    NoUsableFactor,
}

impl EnrolmentState {
    /// Returns the state of an account; `can_verify` says whether a step-up is offered.
    pub fn from_registered(registered: &Registered, can_verify: bool) -> Self {
        match registered {
            Registered { generation: 0, entries, .. } if entries.is_empty() => Self::FirstEnrolment,
            Registered { entries, .. } if entries.is_empty() || !can_verify => Self::NoUsableFactor,
            Registered { .. } => Self::StepUpRequired,
        }
    }
}

/// A verification besides the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Shown in notifications; none if the identity provider verified the person.
    pub method: Option<Method>,
    /// Determines whether the step-up is fresh.
    pub at: Timestamp,
    /// The tag of the answer, to recognise its repetition.
    pub answer: Tag,
}

/// An entry before its confirmation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// The id that the entry will have.
    pub id: EntryId,
    /// The mask or name that the page shows.
    pub shown: String,
    /// The secret of the entry (a contact, a seed), sealed for this session.
    pub sealed: String,
    /// The challenge whose answer confirms the entry.
    pub challenge: Option<Challenge>,
}

impl Session {
    /// Returns a new session of an account in this state.
    pub fn begin(context: SessionContext, generation: u64, request: RequestId) -> Self {
        let progress = SessionProgress {
            generation,
            last: None,
            factors: Vec::new(),
            verified: 0,
            challenge: None,
            request,
            attempts: 0,
            sends: 0,
            known_device: false,
            unredeemed: Vec::new(),
        };
        match context.start {
            EnrolmentState::StepUpRequired => Self::SignedIn(SignedIn { context, progress }),
            EnrolmentState::FirstEnrolment | EnrolmentState::NoUsableFactor => {
                Self::Open(Open { context, progress, waiting: Vec::new() })
            }
        }
    }

    /// Returns the facts that never change.
    pub const fn context(&self) -> &SessionContext {
        match self {
            Self::SignedIn(state) => &state.context,
            Self::Open(state) => &state.context,
            Self::Enrolling(state) => &state.open.context,
        }
    }

    /// Returns the mutable facts.
    pub const fn progress(&self) -> &SessionProgress {
        match self {
            Self::SignedIn(state) => &state.progress,
            Self::Open(state) => &state.progress,
            Self::Enrolling(state) => &state.open.progress,
        }
    }

    /// Returns the mutable facts for a change.
    pub const fn progress_mut(&mut self) -> &mut SessionProgress {
        match self {
            Self::SignedIn(state) => &mut state.progress,
            Self::Open(state) => &mut state.progress,
            Self::Enrolling(state) => &mut state.open.progress,
        }
    }

    /// Returns the session as one that may read the list, if the cookie allows it.
    pub const fn opened(&self, cookie: &HolderCookie) -> Option<&Open> {
        match self {
            _ if self.is_ahead_of(cookie) => None,
            Self::SignedIn(_) => None,
            Self::Open(state) => Some(state),
            Self::Enrolling(state) => Some(&state.open),
        }
    }

    /// Returns the unconfirmed entry.
    pub const fn pending(&self) -> Option<&Pending> {
        match self {
            Self::Enrolling(state) => Some(&state.pending),
            Self::SignedIn(_) | Self::Open(_) => None,
        }
    }

    /// Records a verification and sets a new request, so that no answer verifies twice. `factor` is the
    /// verified factor, if it also serves in resets; a repeated factor is stored once.
    #[must_use]
    pub fn verify(
        mut self,
        verification: Verification,
        factor: Option<VerifiedFactor>,
        request: RequestId,
    ) -> Self {
        let progress = self.progress_mut();
        if let Some(method) = verification.method {
            progress.redeem(CodeFor::StepUp(method));
        }
        progress.last = Some(verification);
        let factor = factor.filter(|factor| !progress.factors.contains(factor));
        progress.factors.extend(factor);
        progress.verified = progress.verified.saturating_add(1);
        progress.challenge = None;
        progress.request = request;
        match self {
            Self::SignedIn(SignedIn { context, progress }) => {
                Self::Open(Open { context, progress, waiting: Vec::new() })
            }
            other => other,
        }
    }

    /// Removes the id of a removed entry from the waiting ones.
    pub fn forget(&mut self, id: &EntryId) {
        if let Some(open) = self.open_mut() {
            open.waiting.retain(|waiting| waiting != id);
        }
    }

    /// Takes the waiting entries if their waiting period is waived: see [`Open::waives_waiting_period`].
    pub fn waive_waiting_period(&mut self) -> Vec<EntryId> {
        match self.open_mut() {
            Some(open) if open.waives_waiting_period() => std::mem::take(&mut open.waiting),
            _ => Vec::new(),
        }
    }

    const fn open_mut(&mut self) -> Option<&mut Open> {
        match self {
            Self::SignedIn(_) => None,
            Self::Open(state) => Some(state),
            Self::Enrolling(state) => Some(&mut state.open),
        }
    }

    /// Returns whether a cookie is older than the last verification. Such a cookie may only verify again.
    pub const fn is_ahead_of(&self, cookie: &HolderCookie) -> bool {
        self.progress().verified != cookie.verified()
    }

    /// Returns whether this answer made the last verification recently: a double click, or a lost response.
    pub fn was_verified_by(&self, answer: &Tag, now: Timestamp) -> bool {
        let last = self.progress().last.as_ref();
        last.is_some_and(|last| last.at.is_within(REMEMBERED, now) && last.answer == *answer)
    }

    /// Returns whether the list may be changed now: a step-up is fresh, or none is possible.
    pub fn may_change(&self, cookie: &HolderCookie, now: Timestamp) -> bool {
        self.opened(cookie).is_some_and(|open| open.is_fresh(now))
    }

    /// Returns the id that an app's code or a recovery code is consumed for: the next verification. No code
    /// serves twice in a session.
    pub fn verification_id(&self, cookie: &HolderCookie) -> HolderId {
        cookie.verification_id(self.progress().request)
    }
}

impl Open {
    /// Returns whether the person has verified a factor in this session.
    pub const fn has_stepped_up(&self) -> bool {
        self.progress.last.is_some()
    }

    /// Returns whether the last verification is recent enough for a change, or none is possible.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let last = self.progress.last.as_ref();
        self.context.start != EnrolmentState::StepUpRequired
            || last.is_some_and(|last| last.at.is_within(STEP_UP, now))
    }

    /// Returns the session with an unconfirmed entry.
    pub const fn enrol(self, pending: Pending) -> Enrolling {
        Enrolling { open: self, pending }
    }

    /// Returns whether the session has verified two different old factors. Its entries then have no waiting
    /// period.
    pub fn waives_waiting_period(&self) -> bool {
        factor::waives_waiting_period(&self.progress.factors)
    }

    /// Returns the time from which an entry confirmed now is active. The waiting period prevents that an
    /// attacker with a stolen session resets the password before the notified owner has had time to act. The
    /// entry is active at once on an account without any earlier entry, and for a session that has verified
    /// two different old factors. It is also active at once on an account with fewer factors than a reset
    /// `needs`, if this session verified all of them and none was removed within the waiting period.
    pub fn active_from(&self, held: &Held<'_>, waiting_period: Seconds, now: Timestamp) -> Timestamp {
        let is_whole = held.removed_at.is_none_or(|removed| removed + waiting_period <= now);
        let holds_too_little =
            is_whole && factor::has_verified_too_few(held.factors, &self.progress.factors, held.needed);
        let at_once = self.context.start == EnrolmentState::FirstEnrolment
            || self.waives_waiting_period()
            || holds_too_little;
        if at_once { now } else { now + waiting_period }
    }

    /// Returns whether a verification precedes its entries, or none is possible.
    pub const fn is_verified(&self) -> bool {
        matches!(self.context.start, EnrolmentState::FirstEnrolment) || self.progress.last.is_some()
    }
}

impl Enrolling {
    /// Returns the session after the confirmation; `waits` says whether the entry has a waiting period.
    pub fn confirm(self, waits: bool) -> Open {
        let Self { mut open, pending } = self;
        open.waiting.retain(|waiting| *waiting != pending.id);
        if waits {
            open.waiting.push(pending.id);
        }
        open
    }
}

/// The factors of an account at the time of an enrolment.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The tags, in this session, of all factors that serve in a reset, active or waiting.
    pub factors: &'a [Tag],
    /// The time of the last removal by the owner.
    pub removed_at: Option<Timestamp>,
    /// The number of factors that a reset needs.
    pub needed: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::keys::Keyring;
    use crate::domain::security_info::{Entry, Kind};

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const COOL_DOWN: Seconds = Seconds(72 * 3_600);

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn cookie() -> HolderCookie {
        HolderCookie::open_session(&keys(), [5; 32])
    }

    fn request(byte: u8) -> RequestId {
        RequestId::from_bytes([byte; 16])
    }

    /// Returns a tag that represents a factor of this name.
    fn tag(factor: &str) -> Tag {
        let mut bytes = [0; 32];
        bytes[..factor.len()].copy_from_slice(factor.as_bytes());
        Tag::from_bytes(bytes)
    }

    fn session(start: EnrolmentState) -> Session {
        let account = AccountId::from_directory("aisyah").unwrap();
        let expires_at = NOW + LIFETIME;
        let context = SessionContext {
            account,
            expires_at,
            language: Language::English,
            start,
            back: None,
            changes_password: false,
        };
        Session::begin(context, 0, request(1))
    }

    fn verification(method: Method) -> Verification {
        Verification { method: Some(method), at: NOW, answer: tag("answer") }
    }

    fn open(session: &Session) -> Open {
        let cookie = cookie().with_verified(session.progress().verified);
        session.opened(&cookie).cloned().unwrap()
    }

    fn verified(factors: &[(Method, &str, bool)]) -> Open {
        let mut session = session(EnrolmentState::StepUpRequired);
        for (method, factor, old) in factors {
            let factor = VerifiedFactor { method: *method, factor: tag(factor), old: *old };
            session = session.verify(verification(*method), Some(factor), request(2));
        }
        match session {
            Session::SignedIn(SignedIn { context, progress }) => {
                Open { context, progress, waiting: Vec::new() }
            }
            other => open(&other),
        }
    }

    fn counts_at_once(session: &Open, held: &[&str], removed_at: Option<Timestamp>) -> bool {
        let factors: Vec<Tag> = held.iter().map(|name| tag(name)).collect();
        let held = Held { factors: &factors, removed_at, needed: 2 };
        let from = session.active_from(&held, COOL_DOWN, NOW);
        assert!(from == NOW || from == NOW + COOL_DOWN);
        from == NOW
    }

    /// Controls: C-076.
    #[test]
    fn wait_grows_with_unredeemed_codes_of_session() {
        let mut progress = session(EnrolmentState::FirstEnrolment).progress().clone();
        let new = CodeFor::NewContact;
        assert_eq!((progress.next_code_at(new), progress.may_correct(new)), (None, false));
        for (wait, may_correct) in [(30, true), (60, false), (120, false)] {
            progress.note_sent(new, NOW);
            assert_eq!(progress.next_code_at(new), Some(NOW + Seconds(wait)));
            assert_eq!(progress.may_correct(new), may_correct);
        }
        let mail = CodeFor::StepUp(Method::Email);
        assert_eq!(progress.next_code_at(mail), None, "another purpose");
        progress.note_sent(mail, NOW);
        progress.redeem(new);
        assert_eq!(progress.next_code_at(new), Some(NOW + Seconds(60)), "two codes are left");
        progress.redeem(mail);
        assert_eq!((progress.next_code_at(mail), progress.sends), (None, 4));
    }

    /// Controls: C-055.
    #[test]
    fn only_two_old_factors_lift_waiting_periods() {
        let mail = (Method::Email, "mail", true);
        for (factors, lifts) in [(&[mail][..], false), (&[mail, (Method::Totp, "app", true)], true)] {
            let mut open = verified(factors);
            open.waiting = vec![EntryId::only(Kind::Mobile)];
            let mut session = Session::Open(open);
            assert_eq!(session.waive_waiting_period().len(), usize::from(lifts));
            assert!(session.waive_waiting_period().is_empty() || !lifts, "once");
        }
    }

    /// Controls: C-061.
    #[test]
    fn removed_entry_is_forgotten_and_others_wait() {
        let pending = Pending {
            id: EntryId::only(Kind::Mobile),
            shown: String::new(),
            sealed: String::new(),
            challenge: None,
        };
        let mut open = open(&session(EnrolmentState::FirstEnrolment));
        open.waiting = vec![EntryId::only(Kind::Totp), EntryId::only(Kind::AlternateEmail)];
        let mut session = Session::Enrolling(open.enrol(pending));
        assert_eq!(session.pending().map(|pending| pending.id.kind()), Some(Kind::Mobile));
        session.forget(&EntryId::only(Kind::Totp));
        let Session::Enrolling(left) = session else { panic!("it waits still") };
        assert_eq!(left.open.waiting, [EntryId::only(Kind::AlternateEmail)]);
    }

    /// Controls: C-035.
    #[test]
    fn older_cookie_is_rejected_after_verification() {
        let answers = [tag("123456"), tag("123457")];
        for start in
            [EnrolmentState::FirstEnrolment, EnrolmentState::StepUpRequired, EnrolmentState::NoUsableFactor]
        {
            let mut session = session(start);
            assert!(!session.was_verified_by(&answers[0], NOW));
            for (verified, answer) in (1..).zip(&answers) {
                let by = Verification { answer: *answer, ..verification(Method::Totp) };
                session = session.verify(by, None, request(2));
                let newest = cookie().with_verified(verified);
                assert!(session.opened(&newest).is_some() && session.may_change(&newest, NOW));
                let older = cookie().with_verified(verified - 1);
                assert!(session.opened(&older).is_none() && !session.may_change(&older, NOW), "{start:?}");
                assert!(session.is_ahead_of(&older) && !session.is_ahead_of(&newest));
            }
            let was_verified_by =
                |nth: usize, seconds| session.was_verified_by(&answers[nth], NOW + Seconds(seconds));
            assert!(was_verified_by(1, 59) && !was_verified_by(1, 60) && !was_verified_by(0, 0));
        }
    }

    #[test]
    fn verification_id_changes_after_each_verification() {
        let other = HolderCookie::open_session(&keys(), [6; 32]);
        let first = session(EnrolmentState::StepUpRequired);
        let next = first.clone().verify(verification(Method::Totp), None, request(2));
        assert_eq!(first.verification_id(&cookie()), first.verification_id(&cookie()));
        assert!(first.verification_id(&cookie()) != next.verification_id(&cookie()));
        assert!(first.verification_id(&cookie()) != first.verification_id(&other));
    }

    /// Controls: C-053.
    #[test]
    fn change_requires_recent_step_up() {
        for start in [EnrolmentState::FirstEnrolment, EnrolmentState::NoUsableFactor] {
            assert!(session(start).may_change(&cookie(), NOW) && session(start).opened(&cookie()).is_some());
        }
        let signed_in = session(EnrolmentState::StepUpRequired);
        assert!(!signed_in.may_change(&cookie(), NOW) && signed_in.opened(&cookie()).is_none());
        let verified = signed_in.verify(verification(Method::Totp), None, request(2));
        let newest = cookie().with_verified(1);
        let may_change = |seconds| verified.may_change(&newest, NOW + Seconds(seconds));
        assert!(may_change(599) && !may_change(600));
        assert!(verified.opened(&newest).is_some());
    }

    #[test]
    fn renewed_step_up_keeps_pending_enrolment() {
        let pending = Pending {
            id: EntryId::only(Kind::Mobile),
            shown: String::new(),
            sealed: String::new(),
            challenge: None,
        };
        let enrolling = Session::Enrolling(open(&session(EnrolmentState::FirstEnrolment)).enrol(pending));
        let renewed = enrolling.verify(verification(Method::Email), None, request(2));
        let Session::Enrolling(enrolling) = renewed else { panic!("it waits still") };
        assert_eq!(enrolling.clone().confirm(true).waiting, [EntryId::only(Kind::Mobile)]);
        let again = Enrolling { open: enrolling.clone().confirm(true), pending: enrolling.pending };
        assert!(again.confirm(false).waiting.is_empty());
    }

    #[test]
    fn enrolment_without_two_old_factors_waits() {
        assert!(
            counts_at_once(&open(&session(EnrolmentState::FirstEnrolment)), &[], None),
            "nothing was ever held"
        );
        assert!(
            !counts_at_once(&open(&session(EnrolmentState::NoUsableFactor)), &[], None),
            "an emptied account"
        );
        let mail = (Method::Email, "mail", true);
        for waits in [
            verified(&[]),
            verified(&[mail]),
            verified(&[mail, mail]),
            verified(&[mail, (Method::Totp, "app", false)]),
            verified(&[mail, (Method::RecoveryCode, "sheet", true)]),
        ] {
            assert!(!counts_at_once(&waits, &["mail", "phone"], None), "{:?}", waits.progress.factors);
        }
        assert!(counts_at_once(&verified(&[mail, (Method::Totp, "app", true)]), &["mail", "phone"], None));
    }

    #[test]
    fn verified_only_factor_waives_waiting_period() {
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
    fn emptied_account_is_stranded() {
        let emptied = Registered { generation: 3, ..Registered::default() };
        let registered = |generation| Registered {
            entries: vec![Entry {
                id: EntryId::only(Kind::Mobile),
                shown: String::new(),
                added_at: NOW,
                last_used_at: None,
                active_from: NOW,
                old_from: NOW,
                predecessor: None,
            }],
            generation,
            ..Registered::default()
        };
        assert_eq!(
            EnrolmentState::from_registered(&Registered::default(), false),
            EnrolmentState::FirstEnrolment
        );
        assert_eq!(
            EnrolmentState::from_registered(&registered(0), true),
            EnrolmentState::StepUpRequired,
            "an import moves no generation"
        );
        assert_eq!(EnrolmentState::from_registered(&registered(3), true), EnrolmentState::StepUpRequired);
        assert_eq!(
            EnrolmentState::from_registered(&registered(3), false),
            EnrolmentState::NoUsableFactor,
            "nothing that may be sent to"
        );
        assert_eq!(EnrolmentState::from_registered(&emptied, true), EnrolmentState::NoUsableFactor);
    }

    #[test]
    fn session_in_every_state_round_trips() {
        let pending = Pending {
            id: EntryId::only(Kind::Mobile),
            shown: "*****98".into(),
            sealed: "1.sealed".into(),
            challenge: Some(Challenge::new(Method::Sms, request(3), Some(tag("code")), NOW, Seconds(600))),
        };
        let states = [
            session(EnrolmentState::StepUpRequired),
            session(EnrolmentState::FirstEnrolment),
            Session::Enrolling(verified(&[(Method::Email, "mail", true)]).enrol(pending)),
        ];
        for state in states {
            let stored = serde_json::to_string(&state).unwrap();
            let read: Session = serde_json::from_str(&stored).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), stored);
        }
    }

    /// Controls: C-052.
    #[test]
    fn first_or_verified_sessions_are_verified() {
        assert!(
            open(&session(EnrolmentState::FirstEnrolment)).is_verified()
                && !open(&session(EnrolmentState::NoUsableFactor)).is_verified()
        );
        assert!(verified(&[(Method::RecoveryCode, "sheet", true)]).is_verified());
    }
}
