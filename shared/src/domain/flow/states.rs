//! The states of a flow and their transitions.

use super::{
    Behind, DeliveryState, Flow, FlowContext, FlowLimits, Outcome, Reason, RequestId, SendRefusal,
    StepProgress, VerifiedStep,
};
use crate::domain::account::Offer;
use crate::domain::challenge::resend_wait;
use crate::domain::keys::Tag;
use crate::domain::method::Method;
use crate::domain::time::{Seconds, Timestamp};

/// A flow without a reason yet.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Constant for the whole flow.
    pub context: FlowContext,
}

impl Opened {
    /// Sets the reason and begins the first step.
    pub fn choose(self, reason: Reason) -> Choosing {
        let progress =
            StepProgress { reason, verified_steps: Vec::new(), sent: Vec::new(), flow_attempts: 0 };
        Choosing { context: self.context, progress }
    }
}

/// A flow whose person must choose a method.
#[derive(Clone, Debug)]
pub struct Choosing {
    /// Constant for the whole flow.
    pub context: FlowContext,
    /// Changes with each step.
    pub progress: StepProgress,
}

impl Choosing {
    /// Returns the methods of this step: all whose factor has not served yet, and after a young factor only
    /// old ones where the flow has any.
    pub fn offers(&self) -> impl Iterator<Item = &Offer> {
        self.context
            .offers
            .iter()
            .filter(|offer| self.progress.accepts(&self.context, offer.method, offer.young))
    }

    /// Returns whether a contact, by its fingerprint, verified an earlier step, whatever kind it had then.
    pub fn has_used(&self, contact: &Tag) -> bool {
        self.progress.verified_steps.iter().any(|step| step.contact.as_ref() == Some(contact))
    }

    /// Returns the offer of `method` in this step.
    ///
    /// # Errors
    /// [`SendRefusal::Unavailable`] when it isn't offered.
    pub fn offer(&self, method: Method) -> Result<&Offer, SendRefusal> {
        self.offers().find(|offer| offer.method == method).ok_or(SendRefusal::Unavailable)
    }

    /// Checks whether a message by `method` may be sent now. A switch to another method never waits.
    ///
    /// # Errors
    /// The reason why it can't be sent.
    pub fn may_send(&self, method: Method, now: Timestamp, limits: &FlowLimits) -> Result<(), SendRefusal> {
        self.offer(method)?;
        let sent_in_step: u8 = self.progress.sent.iter().fold(0, |sum, sent| sum.saturating_add(sent.count));
        let earlier = self.progress.sent.iter().find(|sent| sent.method == method);
        let tries_used = earlier.map_or(0, |sent| sent.attempts);
        if !(method.is_sent() || method.is_asked())
            || sent_in_step >= limits.sends_per_step
            || tries_used >= limits.code_attempts
        {
            return Err(SendRefusal::Unavailable);
        }
        // A passkey request sends nothing, so repeating it disturbs nobody.
        let earlier = earlier.filter(|_| method != Method::Passkey);
        let wait = earlier.map_or(0, |sent| (sent.last_at + resend_wait(sent.count)).seconds_after(now));
        if wait > 0 { Err(SendRefusal::TooEarly(Seconds(wait))) } else { Ok(()) }
    }

    /// Records a request to a device by `method`. It invalidates an older code or request of this step.
    pub fn ask(
        mut self,
        method: Method,
        request: RequestId,
        now: Timestamp,
        lifetime: Seconds,
    ) -> AwaitingAnswer {
        let sent = self.note_sent(method, now);
        let expires_at = self.context.expires_at.min(now + lifetime);
        AwaitingAnswer { context: self.context, progress: self.progress, sent, request, expires_at }
    }

    /// Records a code for `method`. It invalidates an older code or request of this step.
    pub fn send(
        mut self,
        method: Method,
        code: Tag,
        contact: Tag,
        now: Timestamp,
        limits: &FlowLimits,
    ) -> AwaitingCode {
        let sent = self.note_sent(method, now);
        let expires_at = self.context.expires_at.min(now + limits.code_lifetime);
        AwaitingCode {
            context: self.context,
            progress: self.progress,
            sent,
            code,
            last_attempt: None,
            contact,
            expires_at,
        }
    }

    /// Counts one more message by `method` and returns its counters.
    fn note_sent(&mut self, method: Method, now: Timestamp) -> DeliveryState {
        let at = self.progress.sent.iter().position(|sent| sent.method == method);
        let mut sent = at.map_or(DeliveryState { method, count: 0, last_at: now, attempts: 0 }, |at| {
            self.progress.sent.remove(at)
        });
        sent.count = sent.count.saturating_add(1);
        sent.last_at = now;
        sent
    }

    /// Records that the step was verified without a sent code: by a code of the authenticator app, a device's
    /// answer or a recovery code. Its factor is `young` or old; see [`StepProgress::accepts`].
    ///
    /// # Errors
    /// [`SendRefusal::Unavailable`] when a factor of that age can't serve in this step.
    pub fn verify(mut self, method: Method, young: bool, code: Tag) -> Result<Flow, SendRefusal> {
        if !self.progress.accepts(&self.context, method, young) {
            return Err(SendRefusal::Unavailable);
        }
        let steps = self.context.steps.saturating_sub(self.progress.step() - 1);
        let served = if method.serves_every_step() { steps } else { 1 };
        let step = VerifiedStep { method, code, contact: None, young };
        self.progress.verified_steps.extend(std::iter::repeat_n(step, usize::from(served)));
        if method.serves_every_step()
            && let Some(behind) = self.context.behind.take()
        {
            let Behind { account, generation, .. } = behind;
            self.context = FlowContext { account, generation, decoy: false, ..self.context };
        }
        Ok(self.advance())
    }

    /// Records that the pass of a letter verified the step. Another factor of the account must verify a second one,
    /// whatever the policy, and an old one where it has any: others may have read the letter. An account that was
    /// changed since it has existed is nobody's to activate.
    ///
    /// # Errors
    /// [`SendRefusal::Unavailable`] for such an account, and where no other factor can serve.
    pub fn activate(mut self, code: Tag) -> Result<Flow, SendRefusal> {
        if let Some(Behind { account, generation, offers }) = self.context.behind.take() {
            self.context = FlowContext { account, generation, offers, decoy: false, ..self.context };
        }
        self.context.steps = self.context.steps.max(2);
        let (method, young) = (Method::Pass, true);
        if self.context.generation != 0 || !self.progress.accepts(&self.context, method, young) {
            return Err(SendRefusal::Unavailable);
        }
        self.progress.verified_steps.push(VerifiedStep { method, code, contact: None, young });
        match self.advance() {
            Flow::Choosing(next) if next.offers().next().is_none() => Err(SendRefusal::Unavailable),
            next => Ok(next),
        }
    }

    /// Returns whether the factor of a method was young at the start of the flow.
    fn is_young(&self, method: Method) -> bool {
        self.context.offers.iter().any(|offer| offer.method == method && offer.young)
    }

    fn advance(mut self) -> Flow {
        self.progress.sent.clear();
        if self.progress.verified_steps.len() >= usize::from(self.context.steps) {
            Flow::AllVerified(AllVerified { context: self.context, progress: self.progress })
        } else {
            Flow::Choosing(self)
        }
    }
}

/// A flow with a sent code.
#[derive(Clone, Debug)]
pub struct AwaitingCode {
    /// Constant for the whole flow.
    pub context: FlowContext,
    /// Changes with each step; `sent` has the other methods of this step.
    pub progress: StepProgress,
    /// The messages by the current method.
    pub sent: DeliveryState,
    /// The tag of the sent code.
    pub code: Tag,
    /// The tag of the last attempt. It equals `code` once an attempt was right: see [`AwaitingCode::after_attempt`].
    pub last_attempt: Option<Tag>,
    /// The fingerprint of the contact that received it.
    pub contact: Tag,
    /// The code is invalid from this time on.
    pub expires_at: Timestamp,
}

impl AwaitingCode {
    /// Returns the flow after its last attempt. The write of an attempt stores its tag beside the code
    /// without knowing whether it is right. Equal tags mean that the step is verified.
    pub fn after_attempt(self) -> Flow {
        if self.last_attempt != Some(self.code) {
            return Flow::AwaitingCode(self);
        }
        let (method, code, contact) = (self.sent.method, self.code, Some(self.contact));
        let mut flow = Choosing { context: self.context, progress: self.progress };
        let young = flow.is_young(method);
        flow.progress.verified_steps.push(VerifiedStep { method, code, contact, young });
        flow.advance()
    }

    /// Returns to the choice of a method. Messages and attempts stay counted.
    pub fn give_up_code(self) -> Choosing {
        let mut progress = self.progress;
        progress.sent.push(self.sent);
        Choosing { context: self.context, progress }
    }

    /// Returns the offer of the current method.
    pub fn offer(&self) -> Option<&Offer> {
        self.context.offers.iter().find(|offer| offer.method == self.sent.method)
    }

    /// Returns the attempts that remain for this code.
    pub fn attempts_left(&self, limits: &FlowLimits) -> u8 {
        let for_code = limits.code_attempts.saturating_sub(self.sent.attempts);
        for_code.min(limits.flow_attempts.saturating_sub(self.progress.flow_attempts))
    }

    /// Returns the time from which the same method may send again.
    pub fn resend_at(&self) -> Timestamp {
        self.sent.last_at + resend_wait(self.sent.count)
    }

    /// Returns whether the same method may send again at all.
    pub fn may_resend(&self, limits: &FlowLimits) -> bool {
        let others = self.progress.sent.iter().fold(0_u8, |sum, sent| sum.saturating_add(sent.count));
        others.saturating_add(self.sent.count) < limits.sends_per_step
            && self.sent.attempts < limits.code_attempts
    }
}

/// A flow that awaits a device's answer.
#[derive(Clone, Debug)]
pub struct AwaitingAnswer {
    /// Constant for the whole flow.
    pub context: FlowContext,
    /// Changes with each step; `sent` has the other methods of this step.
    pub progress: StepProgress,
    /// The requests by the current method.
    pub sent: DeliveryState,
    /// The request that the answer must name.
    pub request: RequestId,
    /// The request is invalid from this time on.
    pub expires_at: Timestamp,
}

impl AwaitingAnswer {
    /// Returns to the choice of a method. Requests stay counted.
    pub fn give_up(self) -> Choosing {
        let mut progress = self.progress;
        progress.sent.push(self.sent);
        Choosing { context: self.context, progress }
    }

    /// Returns whether another request in this step is allowed at all.
    pub fn may_ask_again(&self, limits: &FlowLimits) -> bool {
        let others = self.progress.sent.iter().fold(0_u8, |sum, sent| sum.saturating_add(sent.count));
        others.saturating_add(self.sent.count) < limits.sends_per_step
    }

    /// Returns the time from which the device may get another request.
    pub fn resend_at(&self) -> Timestamp {
        self.sent.last_at + resend_wait(self.sent.count)
    }
}

/// A flow with all steps verified.
#[derive(Clone, Debug)]
pub struct AllVerified {
    /// Constant for the whole flow.
    pub context: FlowContext,
    /// All verified steps.
    pub progress: StepProgress,
}

impl AllVerified {
    /// Records that the password was set or the account unlocked.
    pub fn finish(self, at: Timestamp, notices_queued: bool) -> Done {
        let outcome = self.progress.reason.outcome();
        let (context, progress) = (self.context, self.progress);
        Done { context, progress, outcome, at, notices_queued, device_epoch: None }
    }
}

/// A flow that made its change.
#[derive(Clone, Debug)]
pub struct Done {
    /// Constant for the whole flow.
    pub context: FlowContext,
    /// All verified steps.
    pub progress: StepProgress,
    /// The change that the flow made.
    pub outcome: Outcome,
    /// Time of the change, which the notifications name.
    pub at: Timestamp,
    /// Whether the notifications are in the queue; if not, the reconciliation queues them.
    pub notices_queued: bool,
    /// The epoch of the account's known devices right after the change, in which the browser may become one.
    /// `None` where the reconciliation finished the flow.
    pub device_epoch: Option<u64>,
}

/// A flow that the person ended.
#[derive(Clone, Debug)]
pub struct Cancelled {
    /// Constant for the whole flow.
    pub context: FlowContext,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::AccountId;
    use crate::domain::flow::{OutOfStep, Stage};
    use crate::domain::language::Language;

    const LIMITS: FlowLimits = FlowLimits {
        lifetime: Seconds(900),
        code_lifetime: Seconds(600),
        code_attempts: 5,
        flow_attempts: 10,
        sends_per_step: 3,
    };
    const RIGHT: Tag = Tag::from_bytes([1; 32]);
    const CONTACT: Tag = Tag::from_bytes([9; 32]);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_790_000_000 + seconds)
    }

    fn opened(steps: u8) -> Flow {
        let offers =
            Method::ALL.map(|method| Offer { method, masked: "*****98".into(), young: false }).to_vec();
        Flow::Opened(Opened {
            context: FlowContext {
                account: AccountId::from_directory("aisyah").unwrap(),
                decoy: false,
                generation: 3,
                behind: None,
                steps,
                opened_at: at(0),
                expires_at: at(900),
                offers,
                language: Language::English,
                login: None,
                password_policy: None,
                known_device: false,
            },
        })
    }

    fn choosing(steps: u8) -> Choosing {
        opened(steps).choose_reason(Reason::Forgotten).unwrap().choosing().unwrap()
    }

    fn right(mut awaiting: AwaitingCode) -> Flow {
        awaiting.last_attempt = Some(RIGHT);
        awaiting.after_attempt()
    }

    /// Controls: C-043.
    #[test]
    fn two_verified_factors_reach_password_stage() {
        let first = choosing(2).send(Method::Sms, RIGHT, CONTACT, at(10), &LIMITS);
        let second = right(first).choosing().unwrap();
        assert_eq!(second.progress.step(), 2);
        let offered: Vec<Method> = second.offers().map(|offer| offer.method).collect();
        assert!(
            !offered.contains(&Method::Sms) && !offered.contains(&Method::MobileCall),
            "the mobile served"
        );
        assert_eq!(offered.len(), Method::ALL.len() - 2);
        assert_eq!(second.may_send(Method::MobileCall, at(20), &LIMITS), Err(SendRefusal::Unavailable));
        let verified =
            second.verify(Method::Totp, false, RIGHT).unwrap().all_verified(Stage::Password).unwrap();
        assert_eq!(verified.finish(at(30), true).outcome, Outcome::Reset);
    }

    /// A decoy with one method behind it.
    fn new_person(steps: u8, generation: u64, offers: &[(Method, bool)]) -> Choosing {
        let account = AccountId::from_directory("newcomer").unwrap();
        let offers = offering(steps, offers).context.offers;
        let mut flow = choosing(steps);
        flow.context.decoy = true;
        flow.context.behind = Some(Behind { account, generation, offers });
        flow
    }

    /// Controls: C-271.
    #[test]
    fn activation_pass_verifies_one_step_beside_a_contact() {
        for steps in [1, 2] {
            let flow = new_person(steps, 0, &[(Method::Sms, false), (Method::MobileCall, false)]);
            let second = flow.activate(RIGHT).unwrap().choosing().unwrap();
            assert_eq!((second.progress.step(), second.context.steps), (2, 2), "never alone");
            assert_eq!(
                offered(&second),
                [Method::Sms, Method::MobileCall],
                "its own methods, not the decoy's"
            );
            assert_eq!((second.context.decoy, second.context.account.as_str()), (false, "newcomer"));
            assert_eq!(
                second.clone().verify(Method::Pass, false, RIGHT).unwrap_err(),
                SendRefusal::Unavailable,
                "no second pass"
            );
            let done = right(second.send(Method::Sms, RIGHT, CONTACT, at(0), &LIMITS));
            assert_eq!(done.stage(), Stage::Password);
        }
        let with = offering(2, &[(Method::Email, false), (Method::Sms, false)]);
        let mut unused = with.verify(Method::Email, false, CONTACT).unwrap().choosing().unwrap();
        unused.context.generation = 0;
        assert_eq!(unused.activate(RIGHT).unwrap().stage(), Stage::Password, "in the second step, too");
    }

    /// Controls: C-271.
    #[test]
    fn activation_pass_needs_an_unused_account_and_another_factor() {
        let sms = [(Method::Sms, false)];
        assert!(new_person(2, 0, &sms).activate(RIGHT).is_ok());
        assert_eq!(new_person(2, 1, &sms).activate(RIGHT).unwrap_err(), SendRefusal::Unavailable, "used");
        assert_eq!(
            new_person(2, 0, &[]).activate(RIGHT).unwrap_err(),
            SendRefusal::Unavailable,
            "no contact"
        );
        assert_eq!(offering(2, &sms).activate(RIGHT).unwrap_err(), SendRefusal::Unavailable, "generation 3");
    }

    /// Controls: C-056, C-271.
    #[test]
    fn activation_pass_is_no_old_factor() {
        let flow = new_person(2, 0, &[(Method::Email, true), (Method::Totp, false)]);
        let second = flow.activate(RIGHT).unwrap().choosing().unwrap();
        assert_eq!(offered(&second), [Method::Totp]);
        let young = new_person(2, 0, &[(Method::Email, true)]).activate(RIGHT).unwrap().choosing().unwrap();
        assert_eq!(offered(&young), [Method::Email], "it has none that is older");
    }

    fn offering(steps: u8, offers: &[(Method, bool)]) -> Choosing {
        let mut flow = choosing(steps);
        let offer = |(method, young): &(Method, bool)| Offer {
            method: *method,
            masked: String::new(),
            young: *young,
        };
        flow.context.offers = offers.iter().map(offer).collect();
        flow
    }

    fn offered(flow: &Choosing) -> Vec<Method> {
        flow.offers().map(|offer| offer.method).collect()
    }

    /// Controls: C-056.
    #[test]
    fn young_first_factor_leaves_only_old_factors() {
        use Method::{Email, Passkey, Sms, Totp};
        let flow = offering(2, &[(Email, false), (Sms, true), (Totp, true), (Passkey, false)]);
        assert_eq!(offered(&flow), [Email, Sms, Totp, Passkey], "the first step may be any");
        let second = flow.clone().verify(Totp, true, RIGHT).unwrap().choosing().unwrap();
        assert_eq!(offered(&second), [Email, Passkey]);
        assert_eq!(second.clone().verify(Sms, true, RIGHT).unwrap_err(), SendRefusal::Unavailable);
        assert_eq!(
            second.verify(Passkey, true, RIGHT).unwrap_err(),
            SendRefusal::Unavailable,
            "a new passkey"
        );
        let second = flow.verify(Passkey, false, RIGHT).unwrap().choosing().unwrap();
        assert_eq!(offered(&second), [Email, Sms, Totp], "one old factor is enough");
    }

    /// Controls: C-056.
    #[test]
    fn single_step_requires_old_factor_if_available() {
        use Method::{Email, Sms, Totp};
        assert_eq!(offered(&offering(1, &[(Email, false), (Sms, true), (Totp, true)])), [Email]);
        assert_eq!(offered(&offering(1, &[(Email, true), (Sms, true)])), [Email, Sms], "none is old");
    }

    #[test]
    fn young_factor_without_possible_second_step_is_omitted() {
        use Method::{Push, Sms, Totp};
        // Code and approval are one factor: after the young one no old one would remain.
        assert_eq!(offered(&offering(2, &[(Push, true), (Totp, false), (Sms, true)])), [Totp, Sms]);
        let waits = offering(2, &[(Totp, false), (Sms, true)]);
        assert_eq!(waits.verify(Totp, true, RIGHT).unwrap_err(), SendRefusal::Unavailable, "a young device");
    }

    /// Controls: C-056.
    #[test]
    fn code_to_young_contact_verifies_young_factor() {
        let flow = offering(2, &[(Method::Email, true), (Method::Totp, false), (Method::Sms, true)]);
        let second = right(flow.send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS)).choosing().unwrap();
        assert!(second.progress.verified_steps[0].young);
        assert_eq!(offered(&second), [Method::Totp]);
        assert!(second.has_used(&CONTACT) && !second.has_used(&RIGHT));
    }

    #[test]
    fn one_step_suffices_under_one_step_policy() {
        let flow = right(choosing(1).send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS));
        assert_eq!(flow.stage(), Stage::Password);
        assert_eq!(flow.verified(), 1);
    }

    #[test]
    fn wrong_code_does_not_verify_step() {
        let mut awaiting = choosing(1).send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS);
        awaiting.last_attempt = Some(Tag::from_bytes([2; 32]));
        assert_eq!(awaiting.clone().after_attempt().stage(), Stage::Code);
        awaiting.last_attempt = None;
        assert_eq!(awaiting.after_attempt().stage(), Stage::Code);
    }

    /// Controls: C-073.
    #[test]
    fn resend_wait_grows_but_method_switch_is_immediate() {
        let once = choosing(2).send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS).give_up_code();
        assert_eq!(once.may_send(Method::Email, at(29), &LIMITS), Err(SendRefusal::TooEarly(Seconds(1))));
        assert_eq!(once.may_send(Method::Sms, at(0), &LIMITS), Ok(()));
        assert_eq!(once.may_send(Method::Email, at(30), &LIMITS), Ok(()));
        let twice = once.send(Method::Email, RIGHT, CONTACT, at(30), &LIMITS).give_up_code();
        assert_eq!(twice.may_send(Method::Email, at(89), &LIMITS), Err(SendRefusal::TooEarly(Seconds(1))));
        let thrice = twice.send(Method::Sms, RIGHT, CONTACT, at(31), &LIMITS).give_up_code();
        assert_eq!(thrice.may_send(Method::OfficeCall, at(500), &LIMITS), Err(SendRefusal::Unavailable));
    }

    /// Controls: C-008.
    #[test]
    fn resend_does_not_restore_attempts() {
        let mut awaiting = choosing(2).send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS);
        awaiting.sent.attempts = 4;
        awaiting.progress.flow_attempts = 4;
        let again = awaiting.give_up_code().send(Method::Email, RIGHT, CONTACT, at(60), &LIMITS);
        assert_eq!(again.attempts_left(&LIMITS), 1);
        let mut spent = again;
        spent.sent.attempts = 5;
        assert_eq!(
            spent.give_up_code().may_send(Method::Email, at(800), &LIMITS),
            Err(SendRefusal::Unavailable)
        );
    }

    /// Controls: C-028.
    #[test]
    fn code_expires_no_later_than_flow() {
        let late = choosing(2).send(Method::Email, RIGHT, CONTACT, at(600), &LIMITS);
        assert_eq!(late.expires_at, at(900));
    }

    /// Controls: C-042.
    #[test]
    fn out_of_order_step_returns_expected_stage() {
        assert_eq!(
            opened(2).choosing().unwrap_err(),
            OutOfStep { awaited: Stage::Method, found: Stage::Reason }
        );
        assert_eq!(
            Flow::Choosing(choosing(2)).all_verified(Stage::Password).unwrap_err(),
            OutOfStep { awaited: Stage::Password, found: Stage::Method }
        );
        let unlock = opened(1)
            .choose_reason(Reason::Locked)
            .unwrap()
            .choosing()
            .unwrap()
            .verify(Method::Totp, false, RIGHT)
            .unwrap();
        assert_eq!(unlock.stage(), Stage::Unlock);
        assert!(unlock.clone().all_verified(Stage::Password).is_err());
        assert!(unlock.choose_reason(Reason::Forgotten).is_err(), "the reason is fixed once all is verified");
    }

    #[test]
    fn device_challenges_have_own_stage_and_three_requests() {
        let request = RequestId::from_bytes([1; 16]);
        let ask = |choosing: Choosing, method| choosing.ask(method, request, at(0), Seconds(90));
        for (method, stage) in [(Method::Passkey, Stage::Passkey), (Method::Push, Stage::Approval)] {
            assert_eq!(Flow::AwaitingAnswer(ask(choosing(2), method)).stage(), stage);
        }
        let mut state = choosing(2);
        for more in [true, true, false] {
            let asked = ask(state, Method::Push);
            assert_eq!(asked.may_ask_again(&LIMITS), more);
            state = asked.give_up();
        }
    }

    #[test]
    fn stage_names_match_contract() {
        use Stage::{Approval, Code, Done, Ended, Method, Passkey, Password, Reason, Unlock};
        let names =
            [Reason, Method, Code, Approval, Passkey, Password, Unlock, Done, Ended].map(Stage::as_str);
        let contract =
            ["reason", "method", "code", "approval", "passkey", "password", "unlock", "done", "ended"];
        assert_eq!(names, contract);
    }

    /// Controls: C-041.
    #[test]
    fn cancelled_flow_ends_unless_already_done() {
        assert_eq!(opened(2).cancel().stage(), Stage::Ended);
        let done = Flow::Done(
            choosing(1)
                .verify(Method::Totp, false, RIGHT)
                .unwrap()
                .all_verified(Stage::Password)
                .unwrap()
                .finish(at(1), true),
        );
        assert_eq!(done.cancel().stage(), Stage::Done);
    }

    fn tag(byte: u8) -> Tag {
        Tag::from_bytes([byte; 32])
    }

    #[test]
    fn only_last_verified_step_is_recognised_by_code() {
        let second = right(choosing(2).send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS));
        assert!(second.was_verified_by(1, &RIGHT));
        assert!(!second.was_verified_by(1, &tag(2)) && !second.was_verified_by(2, &RIGHT));
        let awaiting = second.choosing().unwrap().send(Method::Sms, tag(3), CONTACT, at(1), &LIMITS);
        assert!(Flow::AwaitingCode(awaiting.clone()).was_verified_by(1, &RIGHT));
        let verified = awaiting.give_up_code().verify(Method::Totp, false, tag(4)).unwrap();
        assert!(verified.was_verified_by(2, &tag(4)));
        assert!(!verified.was_verified_by(1, &RIGHT), "a step before the last one");
        assert!(!opened(2).was_verified_by(0, &RIGHT));
        let done = Flow::Done(verified.all_verified(Stage::Password).unwrap().finish(at(2), true));
        assert!(!done.was_verified_by(2, &tag(4)));
    }

    #[test]
    fn attempts_exhaust_flow_only_before_verification_completes() {
        let with = |attempts| {
            let mut flow = choosing(1);
            flow.progress.flow_attempts = attempts;
            flow
        };
        assert!(!Flow::Choosing(with(9)).is_exhausted(&LIMITS));
        assert!(Flow::Choosing(with(10)).is_exhausted(&LIMITS));
        let awaiting =
            |attempts| Flow::AwaitingCode(with(attempts).send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS));
        assert!(!awaiting(9).is_exhausted(&LIMITS));
        assert!(awaiting(10).is_exhausted(&LIMITS));
        assert!(
            !with(10).verify(Method::Totp, false, RIGHT).unwrap().is_exhausted(&LIMITS),
            "the last try was right"
        );
        assert!(!opened(1).is_exhausted(&LIMITS));
    }

    #[test]
    fn verified_steps_are_counted_in_every_state() {
        assert_eq!((opened(2).verified(), Flow::Choosing(choosing(2)).verified()), (0, 0));
        let second = right(choosing(2).send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS));
        assert_eq!(second.verified(), 1);
        let awaiting = second.clone().choosing().unwrap().send(Method::Sms, RIGHT, CONTACT, at(1), &LIMITS);
        assert_eq!(Flow::AwaitingCode(awaiting.clone()).verified(), 1);
        assert_eq!(awaiting.progress.step(), 2);
        let verified = second.choosing().unwrap().verify(Method::Totp, false, RIGHT).unwrap();
        assert_eq!(verified.verified(), 2);
        let done = Flow::Done(verified.clone().all_verified(Stage::Password).unwrap().finish(at(2), true));
        assert_eq!((done.verified(), verified.cancel().verified()), (2, 0));
    }

    /// Controls: C-008.
    #[test]
    fn attempts_left_is_minimum_of_code_and_flow() {
        let mut awaiting = choosing(2).send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS);
        assert_eq!(awaiting.attempts_left(&LIMITS), 5);
        awaiting.sent.attempts = 2;
        assert_eq!(awaiting.attempts_left(&LIMITS), 3);
        awaiting.progress.flow_attempts = 9;
        assert_eq!(awaiting.attempts_left(&LIMITS), 1);
        awaiting.progress.flow_attempts = 11;
        assert_eq!(awaiting.attempts_left(&LIMITS), 0);
    }

    /// Controls: C-073.
    #[test]
    fn resend_is_offered_until_limit_is_reached() {
        let first = choosing(2).send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS);
        assert_eq!(first.resend_at(), at(30));
        assert!(first.may_resend(&LIMITS));
        let mut spent = first.clone();
        spent.sent.attempts = 4;
        assert!(spent.may_resend(&LIMITS));
        spent.sent.attempts = 5;
        assert!(!spent.may_resend(&LIMITS));
        let second = first.give_up_code().send(Method::Email, RIGHT, CONTACT, at(30), &LIMITS);
        assert_eq!((second.resend_at(), second.may_resend(&LIMITS)), (at(90), true));
        let third = second.give_up_code().send(Method::Sms, RIGHT, CONTACT, at(31), &LIMITS);
        assert!(!third.may_resend(&LIMITS), "three messages in this step");
        assert_eq!(third.offer().map(|offer| offer.method), Some(Method::Sms));
    }

    #[test]
    fn reason_can_change_until_verification_completes() {
        let second = right(choosing(2).send(Method::Email, RIGHT, CONTACT, at(0), &LIMITS));
        let changed = second.choose_reason(Reason::Locked).unwrap().choosing().unwrap();
        assert_eq!((changed.progress.reason, changed.progress.verified_steps.len()), (Reason::Locked, 1));
        let awaiting = Flow::AwaitingCode(changed.send(Method::Sms, RIGHT, CONTACT, at(1), &LIMITS));
        let Flow::AwaitingCode(awaiting) = awaiting.choose_reason(Reason::Forgotten).unwrap() else {
            panic!("the code is still awaited")
        };
        assert_eq!(awaiting.progress.reason, Reason::Forgotten);
        assert_eq!(Reason::Locked.outcome(), Outcome::Unlocked);
    }

    #[test]
    fn totp_code_is_never_sent() {
        assert_eq!(choosing(2).may_send(Method::Totp, at(0), &LIMITS), Err(SendRefusal::Unavailable));
        assert_eq!(Reason::parse("forgotten"), Some(Reason::Forgotten));
        assert_eq!(Reason::parse("locked"), Some(Reason::Locked));
        assert_eq!(Reason::parse("Locked"), None);
    }
}
