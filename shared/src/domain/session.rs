//! A session at `/security-info`: who signed in, what they have verified since, and what they are about to enrol.
//!
//! ```text
//! sign-in ─▶ SignedIn ─verify─▶ Open ─enrol─▶ Enrolling ─confirm─▶ Open
//!     └────nothing to verify────▶┘
//! ```
//!
//! It is one item with a revision. Every attempt is spent by a replacement of that item before anything is compared, so
//! of many requests at once one is compared.

use serde::{Deserialize, Serialize};

use super::account::AccountId;
use super::approval::RequestId;
use super::challenge::Challenge;
use super::cookie::HolderCookie;
use super::factor::{self, VerifiedFactor};
use super::holder::HolderId;
use super::keys::Tag;
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
/// For so long the answer that verified a second step gets its newer cookie once more.
const REMEMBERED: Seconds = Seconds(60);
/// The wait before a code to the same place is sent again.
pub const RESEND: Seconds = Seconds(30);

/// A session, where it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Session {
    /// The password was right. A second step must be verified before anything is shown.
    SignedIn(SignedIn),
    /// The list may be seen, and changed while the last verification is fresh.
    Open(Open),
    /// Something is about to be enrolled.
    Enrolling(Enrolling),
}

/// A session that has verified nothing but the password.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignedIn {
    /// What is true throughout.
    pub facts: Facts,
    /// What was gathered so far.
    pub progress: Progress,
}

/// A session that may see what is enrolled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Open {
    /// What is true throughout.
    pub facts: Facts,
    /// What was gathered so far.
    pub progress: Progress,
    /// What was enrolled in this session and doesn't count yet.
    pub waiting: Vec<EntryId>,
}

/// A session in which something waits to be confirmed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolling {
    /// The session besides.
    pub open: Open,
    /// What waits.
    pub pending: Pending,
}

/// What is true of a session from its beginning to its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// Who signed in.
    pub account: AccountId,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
    /// The language for its messages.
    pub language: Language,
    /// What the account could verify when it began.
    pub start: EnrolmentState,
    /// Where to go back to, an address of the allow-list.
    pub back: Option<String>,
}

/// What a session has gathered since its beginning.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The account's generation as this session knows it. When somebody else changes the account, the session is over.
    pub generation: u64,
    /// The last verification beyond the password.
    pub last: Option<Verification>,
    /// The factors that verified it and that serve in resets too, each once.
    pub factors: Vec<VerifiedFactor>,
    /// How many verifications there were; its cookie says the same. The count stops at its end, far beyond what fits a
    /// session's time.
    pub verified: u8,
    /// What is awaited for the next one.
    pub challenge: Option<Challenge>,
    /// Names the next verification, and the challenge that a passkey signs for it. It is another one after each.
    pub request: RequestId,
    /// Wrong answers so far.
    pub attempts: u8,
    /// Codes sent so far.
    pub sends: u8,
}

/// What an account could verify when a session of it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnrolmentState {
    /// Nothing, since nothing was ever enrolled: there is no second step, and what this session enrols counts at once.
    FirstEnrolment,
    /// A second step, and so it must.
    StepUpRequired,
    /// Nothing, though something is or was enrolled: a number of a country that is no longer served, a sheet without a code
    /// left, entries that were all removed. The page stays open, so that its owner can mend it, but everything that is
    /// added waits: the password alone never leads to a reset before its owner, who is notified, has had time to act.
    NoUsableFactor,
}

impl EnrolmentState {
    /// How a session of an account begins; `can_verify` says whether a second step is offered.
    pub fn of(registered: &Registered, can_verify: bool) -> Self {
        match registered {
            Registered { generation: 0, entries, .. } if entries.is_empty() => Self::FirstEnrolment,
            Registered { entries, .. } if entries.is_empty() || !can_verify => Self::NoUsableFactor,
            Registered { .. } => Self::StepUpRequired,
        }
    }
}

/// A verification beyond the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// By which method.
    pub method: Method,
    /// When.
    pub at: Timestamp,
    /// The tag of the answer.
    pub answer: Tag,
}

/// What is about to be enrolled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// The id that it will have.
    pub id: EntryId,
    /// What may be shown of it.
    pub shown: String,
    /// What has to be kept until it is confirmed, sealed for this session.
    pub sealed: String,
    /// The challenge whose answer confirms it.
    pub challenge: Option<Challenge>,
}

impl Session {
    /// A session that begins, for an account of which this is enrolled.
    pub fn begin(facts: Facts, generation: u64, request: RequestId) -> Self {
        let progress = Progress {
            generation,
            last: None,
            factors: Vec::new(),
            verified: 0,
            challenge: None,
            request,
            attempts: 0,
            sends: 0,
        };
        match facts.start {
            EnrolmentState::StepUpRequired => Self::SignedIn(SignedIn { facts, progress }),
            EnrolmentState::FirstEnrolment | EnrolmentState::NoUsableFactor => {
                Self::Open(Open { facts, progress, waiting: Vec::new() })
            }
        }
    }

    /// What is true of it throughout.
    pub const fn facts(&self) -> &Facts {
        match self {
            Self::SignedIn(state) => &state.facts,
            Self::Open(state) => &state.facts,
            Self::Enrolling(state) => &state.open.facts,
        }
    }

    /// What it has gathered.
    pub const fn progress(&self) -> &Progress {
        match self {
            Self::SignedIn(state) => &state.progress,
            Self::Open(state) => &state.progress,
            Self::Enrolling(state) => &state.open.progress,
        }
    }

    /// The same, to be changed.
    pub const fn progress_mut(&mut self) -> &mut Progress {
        match self {
            Self::SignedIn(state) => &mut state.progress,
            Self::Open(state) => &mut state.progress,
            Self::Enrolling(state) => &mut state.open.progress,
        }
    }

    /// The session as one that may see the list, if a cookie opens it.
    pub const fn opened(&self, cookie: &HolderCookie) -> Option<&Open> {
        match self {
            _ if self.is_ahead_of(cookie) => None,
            Self::SignedIn(_) => None,
            Self::Open(state) => Some(state),
            Self::Enrolling(state) => Some(&state.open),
        }
    }

    /// What waits to be confirmed.
    pub const fn pending(&self) -> Option<&Pending> {
        match self {
            Self::Enrolling(state) => Some(&state.pending),
            Self::SignedIn(_) | Self::Open(_) => None,
        }
    }

    /// Goes on from a verification, with another request, so that nothing verifies twice. `factor` is what verified it, if
    /// it counts in resets too; the same one once more changes nothing.
    #[must_use]
    pub fn verify(
        mut self,
        verification: Verification,
        factor: Option<VerifiedFactor>,
        request: RequestId,
    ) -> Self {
        let progress = self.progress_mut();
        progress.last = Some(verification);
        let factor = factor.filter(|factor| !progress.factors.contains(factor));
        progress.factors.extend(factor);
        progress.verified = progress.verified.saturating_add(1);
        progress.challenge = None;
        progress.request = request;
        match self {
            Self::SignedIn(SignedIn { facts, progress }) => {
                Self::Open(Open { facts, progress, waiting: Vec::new() })
            }
            other => other,
        }
    }

    /// Forgets that something waits, which is removed.
    pub fn forget(&mut self, id: &EntryId) {
        if let Some(open) = self.open_mut() {
            open.waiting.retain(|waiting| waiting != id);
        }
    }

    /// Takes what waits, if nothing has to wait any longer: see [`Open::waives_waiting_period`].
    pub fn lift_waiting(&mut self) -> Vec<EntryId> {
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

    /// Whether a cookie is from before the last verification. It may verify anew, and nothing else.
    pub const fn is_ahead_of(&self, cookie: &HolderCookie) -> bool {
        self.progress().verified != cookie.verified()
    }

    /// Whether the last verification was by this answer, a moment ago: a double click, or a page that was lost on its way.
    pub fn was_verified_by(&self, answer: &Tag, now: Timestamp) -> bool {
        let last = self.progress().last.as_ref();
        last.is_some_and(|last| last.at.is_within(REMEMBERED, now) && last.answer == *answer)
    }

    /// Whether something may be changed now: a second step was verified a short while ago, or there is none to verify.
    pub fn may_change(&self, cookie: &HolderCookie, now: Timestamp) -> bool {
        self.opened(cookie).is_some_and(|open| open.is_fresh(now))
    }

    /// What an app's code or a recovery code is used up for: the next verification, not the whole session, so that no code
    /// serves twice in it.
    pub fn verification_id(&self, cookie: &HolderCookie) -> HolderId {
        cookie.verification_id(self.progress().request)
    }
}

impl Open {
    /// Whether the last verification is recent enough for a change, or none could be made.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let last = self.progress.last.as_ref();
        self.facts.start != EnrolmentState::StepUpRequired
            || last.is_some_and(|last| last.at.is_within(STEP_UP, now))
    }

    /// The session with something that waits to be confirmed.
    pub const fn enrol(self, pending: Pending) -> Enrolling {
        Enrolling { open: self, pending }
    }

    /// Whether the session has verified two different old factors: then nothing that it adds has to wait.
    pub fn waives_waiting_period(&self) -> bool {
        factor::waives_waiting_period(&self.progress.factors)
    }

    /// From when on something counts that is confirmed now. It waits, so that whoever took over a session can't turn it
    /// into a reset before the owner, who is notified, has had time to act. It counts at once on an account that never held
    /// anything; for a session that has verified two different old factors; and on an account that holds fewer factors
    /// than a reset `needs`, all of them verified here, and that lost none within the waiting period.
    pub fn active_from(&self, held: &Held<'_>, waiting_period: Seconds, now: Timestamp) -> Timestamp {
        let is_whole = held.removed_at.is_none_or(|removed| removed + waiting_period <= now);
        let holds_too_little =
            is_whole && factor::has_verified_too_few(held.factors, &self.progress.factors, held.needed);
        let at_once = self.facts.start == EnrolmentState::FirstEnrolment
            || self.waives_waiting_period()
            || holds_too_little;
        if at_once { now } else { now + waiting_period }
    }

    /// Whether what is added in it was preceded by a verification, or could not be.
    pub const fn is_verified(&self) -> bool {
        matches!(self.facts.start, EnrolmentState::FirstEnrolment) || self.progress.last.is_some()
    }
}

impl Enrolling {
    /// The session after what waited was confirmed; `waits` says whether it doesn't count yet.
    pub fn confirm(self, waits: bool) -> Open {
        let Self { mut open, pending } = self;
        open.waiting.retain(|waiting| *waiting != pending.id);
        if waits {
            open.waiting.push(pending.id);
        }
        open
    }
}

/// What an account holds when a session adds something to it.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The tags of all its factors that serve in a reset, whether or not they count yet, in this session.
    pub factors: &'a [Tag],
    /// When one of them was last removed by its owner.
    pub removed_at: Option<Timestamp>,
    /// How many a reset needs.
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

    /// A tag that stands for a factor of this name.
    fn tag(factor: &str) -> Tag {
        let mut bytes = [0; 32];
        bytes[..factor.len()].copy_from_slice(factor.as_bytes());
        Tag::from_bytes(bytes)
    }

    fn session(start: EnrolmentState) -> Session {
        let account = AccountId::from_directory("aisyah").unwrap();
        let expires_at = NOW + LIFETIME;
        let facts = Facts { account, expires_at, language: Language::English, start, back: None };
        Session::begin(facts, 0, request(1))
    }

    fn verification(method: Method) -> Verification {
        Verification { method, at: NOW, answer: tag("answer") }
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
            Session::SignedIn(SignedIn { facts, progress }) => Open { facts, progress, waiting: Vec::new() },
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
                usable_from: NOW,
                old_from: NOW,
                predecessor: None,
            }],
            generation,
            ..Registered::default()
        };
        assert_eq!(EnrolmentState::of(&Registered::default(), false), EnrolmentState::FirstEnrolment);
        assert_eq!(
            EnrolmentState::of(&registered(0), true),
            EnrolmentState::StepUpRequired,
            "an import moves no generation"
        );
        assert_eq!(EnrolmentState::of(&registered(3), true), EnrolmentState::StepUpRequired);
        assert_eq!(
            EnrolmentState::of(&registered(3), false),
            EnrolmentState::NoUsableFactor,
            "nothing that may be sent to"
        );
        assert_eq!(EnrolmentState::of(&emptied, true), EnrolmentState::NoUsableFactor);
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

    #[test]
    fn first_or_verified_sessions_are_verified() {
        assert!(
            open(&session(EnrolmentState::FirstEnrolment)).is_verified()
                && !open(&session(EnrolmentState::NoUsableFactor)).is_verified()
        );
        assert!(verified(&[(Method::RecoveryCode, "sheet", true)]).is_verified());
    }
}
