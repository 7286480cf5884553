//! The views of the help desk's page.

use serde::Serialize;

use crate::domain::account::AccountState;
use crate::domain::flow::Reason;
use crate::domain::help_desk::may_be_helped;
use crate::domain::help_desk_call::{AttemptEnd, HelpAnswer, ShownAttempt, ShownMethod, ShownPerson};
use crate::domain::method::{Kind, Method};
use crate::domain::policy::Readiness;

use super::security_info::MailFailureView;

pub use super::super::paths::{HELP_DESK, HELP_DESK_START};

/// The page that leads an agent to the identity provider.
#[derive(Clone, Serialize)]
pub struct HelpDeskSignIn {
    /// The address that begins the sign-in.
    pub start: &'static str,
}

/// The page of the help desk: a search, and the person that it found.
#[derive(Clone, Serialize)]
pub struct HelpDesk {
    /// The name of the agent.
    pub agent: String,
    /// What the last act did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<Done>,
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Box<Person>>,
    /// The login or code as it was typed.
    #[serde(skip)]
    pub typed: String,
    /// The act whose form has the mistake.
    #[serde(skip)]
    pub act: String,
}

/// What an act did.
#[derive(Clone, Serialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Done {
    /// A code was sent to the caller.
    CodeSent {
        /// The mask of the contact.
        masked: String,
        /// The end of its validity (RFC 3339).
        expires_at: String,
    },
    /// The caller is checked.
    Checked {
        /// The check counts until this time (RFC 3339).
        until: String,
    },
    /// A pass was given. No other page shows it.
    Passed {
        /// The pass.
        pass: String,
        /// The end of its validity (RFC 3339).
        expires_at: String,
        /// How many contacts are notified.
        notified: usize,
    },
    /// A method was removed.
    Removed {
        /// How many contacts are notified.
        notified: usize,
    },
    /// The lock was removed.
    Unlocked,
    /// The directory did not tell whether it removed the lock.
    Unconfirmed,
    /// The limits were lifted.
    Released,
    /// Another agent must repeat the act.
    NeedsAnotherAgent {
        /// Until this time (RFC 3339).
        until: String,
    },
}

impl Done {
    /// Returns what an answer says about its act; `None` for a person, a wrong code and a refusal.
    pub fn of(answer: &HelpAnswer) -> Option<Self> {
        Some(match answer {
            HelpAnswer::CodeSent { masked, expires_at } => {
                Self::CodeSent { masked: masked.clone(), expires_at: expires_at.to_string() }
            }
            HelpAnswer::Checked { until } => Self::Checked { until: until.to_string() },
            HelpAnswer::Passed { pass, expires_at, notified } => Self::Passed {
                pass: pass.expose().to_owned(),
                expires_at: expires_at.to_string(),
                notified: *notified,
            },
            HelpAnswer::Removed { notified } => Self::Removed { notified: *notified },
            HelpAnswer::Unlocked => Self::Unlocked,
            HelpAnswer::Unconfirmed => Self::Unconfirmed,
            HelpAnswer::Released => Self::Released,
            HelpAnswer::NeedsAnotherAgent { until } => Self::NeedsAnotherAgent { until: until.to_string() },
            HelpAnswer::Shown(_) | HelpAnswer::Wrong { .. } | HelpAnswer::Refused(_) => return None,
        })
    }
}

/// A person as an agent sees them.
#[derive(Clone, Serialize)]
pub struct Person {
    /// The first login.
    pub login: Option<String>,
    /// The name, as a mask unless the agent gave a reason.
    pub name: String,
    /// The organisation's own address, likewise.
    pub email: Option<String>,
    /// The state in the directory.
    pub state: AccountState,
    /// The group.
    pub group: Option<String>,
    /// Whether the person can reset.
    pub readiness: Readiness,
    /// Whether the help desk may change anything for the account.
    pub may_be_helped: bool,
    /// The enrolled methods.
    pub methods: Vec<Enrolled>,
    /// When the caller was checked, if that still counts (RFC 3339).
    pub checked_at: Option<String>,
    /// The attempt of the support code.
    pub attempt: Option<Attempt>,
}

impl From<&ShownPerson> for Person {
    fn from(person: &ShownPerson) -> Self {
        Self {
            login: person.login.clone(),
            name: person.name.clone(),
            email: person.email.clone(),
            state: person.state,
            group: person.group.clone(),
            readiness: person.readiness,
            may_be_helped: may_be_helped(person.state),
            methods: person.methods.iter().map(Enrolled::from).collect(),
            checked_at: person.checked.as_ref().map(|check| check.at.to_string()),
            attempt: person.attempt.as_ref().map(Attempt::from),
        }
    }
}

impl Person {
    /// Returns the methods that can send the caller a code.
    pub fn sends(&self) -> Vec<Method> {
        let has = |kind| self.methods.iter().any(|method| method.kind == kind);
        let is_possible = |method: &Method| match method {
            Method::Email => self.email.is_some() || has(Kind::AlternateEmail),
            Method::Sms | Method::MobileCall => has(Kind::Mobile),
            Method::OfficeCall => has(Kind::OfficePhone),
            _ => false,
        };
        Method::ALL.into_iter().filter(is_possible).collect()
    }

    /// Returns whether an app with codes is enrolled.
    pub fn has_app(&self) -> bool {
        self.methods.iter().any(|method| method.kind == Kind::Totp)
    }
}

/// An enrolled method.
#[derive(Clone, Serialize)]
pub struct Enrolled {
    /// Names it in a removal.
    pub id: String,
    /// Its kind.
    pub kind: Kind,
    /// Its mask or name.
    pub shown: String,
    /// When it was enrolled (RFC 3339).
    pub added_at: String,
    /// When it last verified (RFC 3339).
    pub last_used_at: Option<String>,
    /// It counts from this time on (RFC 3339).
    pub counts_from: String,
    /// It counts alone from this time on (RFC 3339).
    pub old_from: String,
    /// Mail to it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail_failure: Option<MailFailureView>,
}

impl From<&ShownMethod> for Enrolled {
    fn from(method: &ShownMethod) -> Self {
        Self {
            id: method.id.as_str().to_owned(),
            kind: method.id.kind(),
            shown: method.shown.clone(),
            added_at: method.added_at.to_string(),
            last_used_at: method.last_used_at.map(|at| at.to_string()),
            counts_from: method.active_from.to_string(),
            old_from: method.old_from.to_string(),
            mail_failure: method.mail_failure.map(MailFailureView::from),
        }
    }
}

/// The attempt of a support code.
#[derive(Clone, Serialize)]
pub struct Attempt {
    /// When it began (RFC 3339).
    pub opened_at: String,
    /// What the person wanted.
    pub reason: Option<Reason>,
    /// The step that it reached.
    pub step: u8,
    /// The number of steps.
    pub steps: u8,
    /// The methods of the verified steps.
    pub verified: Vec<Method>,
    /// The method that was asked for last.
    pub awaited: Option<Method>,
    /// Wrong answers.
    pub wrong_answers: u8,
    /// How it ended.
    pub end: AttemptEnd,
}

impl From<&ShownAttempt> for Attempt {
    fn from(attempt: &ShownAttempt) -> Self {
        Self {
            opened_at: attempt.opened_at.to_string(),
            reason: attempt.reason,
            step: attempt.step,
            steps: attempt.steps,
            verified: attempt.verified.clone(),
            awaited: attempt.awaited,
            wrong_answers: attempt.wrong_answers,
            end: attempt.end,
        }
    }
}

impl HelpDesk {
    /// Returns whether the form of the act is on the page and has an input for this field. Its id is `ACT-FIELD`.
    pub fn has_field(&self, field: &str) -> bool {
        let Some(person) = &self.person else { return false };
        match (self.act.as_str(), field) {
            ("reveal", "remark") => true,
            _ if !person.may_be_helped => false,
            ("check-code", "code") => !person.sends().is_empty(),
            ("check-app", "code") => person.has_app(),
            ("remove", "remark") => !person.methods.is_empty(),
            ("see-document", "document") | ("pass" | "unlock" | "release", "remark") => true,
            _ => false,
        }
    }

    /// Returns the login that the acts name: the person's, or what was typed.
    pub fn login(&self) -> &str {
        let login = self.person.as_ref().and_then(|person| person.login.as_deref());
        login.unwrap_or(&self.typed)
    }
}

impl Done {
    /// Returns whether the act was carried out.
    pub const fn is_success(&self) -> bool {
        !matches!(self, Self::Unconfirmed | Self::NeedsAnotherAgent { .. })
    }

    /// Returns the pass.
    pub fn pass(&self) -> Option<&str> {
        if let Self::Passed { pass, .. } = self { Some(pass) } else { None }
    }
}
