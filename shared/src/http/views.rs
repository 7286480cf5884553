//! Conversion of flows to views.

use super::incoming_request::IncomingRequest;
use super::paths::{is_of_a_session, is_of_the_help_desk};
use super::view::{
    self, Approval, ApprovalStatus, CodeEntry, Criterion, MethodChoice, PasskeyEntry, PasskeyOptions,
    PasswordEntry, View,
};
use crate::domain::account::Offer;
use crate::domain::flow::{
    APPROVAL_LIFETIME, AllVerified, AwaitingAnswer, AwaitingCode, Choosing, Flow, Stage,
};
use crate::domain::language::Language;
use crate::domain::method::{Factor, Method};
use crate::domain::password::{self, CharacterClass, PasswordRules};
use crate::domain::time::Timestamp;
use crate::settings::Settings;
use crate::text::pages::criterion_text;

/// Returns the reference to flow and step for the response's forms.
pub(super) fn at(incoming: &IncomingRequest) -> Option<String> {
    if is_of_the_help_desk(&incoming.path) {
        return incoming.desk_at.clone();
    }
    if is_of_a_session(&incoming.path) {
        return incoming.session.as_ref()?.at(&incoming.app.flows);
    }
    incoming.cookie.as_ref()?.at(&incoming.app.flows)
}

impl IncomingRequest {
    /// Returns the page of a flow's state, for this request's cookie. `None` for a cancelled flow, which has
    /// no page.
    pub fn view_of(&self, flow: &Flow, now: Timestamp) -> Option<View> {
        let settings = &self.app.settings;
        Some(match flow {
            Flow::Opened(_) => View::Reason(view::Reason {}),
            Flow::Choosing(state) => View::Method(choice_of(state, None)),
            Flow::AwaitingCode(state) => View::Code(code_of(state, settings, now)),
            Flow::AwaitingAnswer(state) => match flow.stage() {
                Stage::Passkey => View::Passkey(self.passkey_of(state)?),
                _ => View::Approval(self.approval_of(state, now)?),
            },
            Flow::AllVerified(state) => match flow.stage() {
                Stage::Unlock => View::Unlock(view::Unlock { steps: state.context.steps }),
                _ => View::Password(self.password_of(state)),
            },
            Flow::Done(state) => View::Done(view::Done {
                result: state.outcome,
                at: state.at.to_string(),
                known_device: state.context.known_device,
                may_remember: state.device_epoch.is_some(),
                login: state.context.login.clone(),
            }),
            Flow::Cancelled(_) => return None,
        })
    }

    /// Returns the view of a request to the authenticator app, without its status, which the flow does not
    /// contain.
    pub fn approval_of(&self, flow: &AwaitingAnswer, now: Timestamp) -> Option<Approval> {
        let number = self.cookie.as_ref()?.approval_number(&self.app.flows, flow.request)?;
        Some(Approval {
            step: flow.progress.step(),
            steps: flow.context.steps,
            number: number.expose(),
            expires_at: flow.expires_at.to_string(),
            status: if flow.expires_at.is_ahead(now, APPROVAL_LIFETIME) {
                ApprovalStatus::Pending
            } else {
                ApprovalStatus::Ended
            },
            seconds_left: flow.expires_at.seconds_after(now),
            may_ask_again: flow.may_ask_again(&self.app.settings.flow),
            outcome: flow.progress.reason.outcome(),
        })
    }

    /// Returns the view of the choice of a password, with the rules of the settings and of the account's directory.
    fn password_of(&self, flow: &AllVerified) -> PasswordEntry {
        let (settings, context) = (&self.app.settings, &flow.context);
        let rules = settings.password.of_account(context.password_policy.as_ref());
        PasswordEntry {
            criteria: criteria(&rules, &settings.organisation, self.language),
            steps: context.steps,
            length: (rules.min, rules.max),
            rules: generator_rules(&rules),
            login: context.login.clone(),
            own_words: Vec::new(),
        }
    }

    /// Returns the view of a passkey request.
    pub fn passkey_of(&self, flow: &AwaitingAnswer) -> Option<PasskeyEntry> {
        let challenge = self.cookie.as_ref()?.passkey_challenge(&self.app.flows, flow.request)?;
        Some(PasskeyEntry {
            step: flow.progress.step(),
            steps: flow.context.steps,
            options: PasskeyOptions::new(&self.app.settings, challenge),
            expires_at: flow.expires_at.to_string(),
            outcome: flow.progress.reason.outcome(),
        })
    }
}

/// Returns the view of the methods, with one panel open. The pass is the last one, for everybody: nobody can tell from it
/// whether there is an account, or a pass. After the pass of a letter it is gone, as every method that served.
pub fn choice_of(flow: &Choosing, selected: Option<Method>) -> MethodChoice {
    let pass = Offer { method: Method::Pass, masked: String::new(), young: false };
    let pass = (!flow.progress.verified_factors().contains(&Factor::Pass)).then_some(pass);
    MethodChoice {
        step: flow.progress.step(),
        steps: flow.context.steps,
        methods: flow.offers().map(Offer::shown).chain(pass).collect(),
        selected,
        outcome: flow.progress.reason.outcome(),
    }
}

/// Returns the view of a code's entry.
pub fn code_of(flow: &AwaitingCode, settings: &Settings, now: Timestamp) -> CodeEntry {
    CodeEntry {
        step: flow.progress.step(),
        steps: flow.context.steps,
        method: flow.sent.method,
        masked: flow.offer().map(|offer| offer.masked.clone()).unwrap_or_default(),
        digits: settings.code_digits,
        expires_at: flow.expires_at.to_string(),
        resend_at: flow.resend_at().to_string(),
        attempts_left: flow.attempts_left(&settings.flow),
        resend_in: flow.resend_at().seconds_after(now),
        expires_in: flow.expires_at.seconds_after(now),
        may_resend: flow.may_resend(&settings.flow),
        is_over: flow.expires_at <= now || flow.attempts_left(&settings.flow) == 0,
        minutes: settings.flow.code_lifetime.whole_minutes(),
        outcome: flow.progress.reason.outcome(),
    }
}

/// Returns the rules in Apple's language for password generators, which other managers read too.
fn generator_rules(rules: &PasswordRules) -> String {
    let mut text = format!("minlength: {}; maxlength: {};", rules.min, rules.max);
    for class in &rules.classes {
        text.push_str(match class {
            CharacterClass::Upper => " required: upper;",
            CharacterClass::Lower => " required: lower;",
            CharacterClass::Digit => " required: digit;",
            CharacterClass::Symbol => " required: special;",
        });
    }
    text
}

fn criteria(rules: &PasswordRules, organisation: &str, language: Language) -> Vec<Criterion> {
    // Settings verified at start that the policy can be built. A directory's rules only tighten it.
    let Ok(policy) = rules.policy(organisation, &[]) else { return Vec::new() };
    let (min, max) = (rules.min, rules.max);
    policy.criteria().iter().map(|criterion| sentence(criterion.id(), min, max, language)).collect()
}

/// Returns a violation in the contract's form, with its own number: a directory may ask for more than the rules.
pub fn violation(violation: &password::Violation, rules: &PasswordRules, language: Language) -> Criterion {
    let (min, max) = match *violation {
        password::Violation::TooShort { min } => (min, rules.max),
        password::Violation::TooLong { max } => (rules.min, max),
        _ => (rules.min, rules.max),
    };
    sentence(violation.id(), min, max, language)
}

fn sentence(id: &str, min: u16, max: u16, language: Language) -> Criterion {
    Criterion { id: id.to_owned(), text: criterion_text(language, id, min, max) }
}
