//! The requests of agents to the function `help-desk`, and its answers, as JSON.
//!
//! Lambda tells a function nothing about who invoked it. The request therefore has a signed call of
//! `sts:GetCallerIdentity`, which only the agent's own credentials can sign. The function sends it on, and AWS names the
//! agent. The signature covers the function's name and the digest of the act, so that it is good for nothing else.
//!
//! A request with an unknown member is refused, since it may ask for something that this version would leave out.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::account::AccountState;
use super::flow::Reason;
use super::help_desk::{CheckedBy, PassMinutes, Remark};
use super::mail_failure::MailFailure;
use super::method::Method;
use super::policy::Readiness;
use super::security_info::EntryId;
use super::time::Timestamp;

/// The header of the signed call that names the function.
pub const FUNCTION_HEADER: &str = "x-rekey-function";
/// The header of the signed call with the digest of the act.
pub const ACT_HEADER: &str = "x-rekey-act";

/// A request of an agent.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelpRequest {
    /// The headers of the signed call of `sts:GetCallerIdentity`.
    pub caller: BTreeMap<String, String>,
    /// The act, as JSON in a text: the digest is over these bytes.
    pub act: SecretText,
}

/// Returns the digest of an act for the header [`ACT_HEADER`].
pub fn digest(act: &str) -> String {
    hex::encode(Sha256::digest(act.as_bytes()))
}

/// A text that may have a code. It is wiped from memory when dropped, and prints nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Returns the text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// An act for the person with a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// A login of the person, or for [`What::Show`] a support code.
    pub login: String,
    /// What to do.
    pub what: What,
}

/// What an agent does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum What {
    /// Shows state and methods.
    Show {
        /// Why whole contacts and names are shown; without it, masks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reveal: Option<Remark>,
    },
    /// Sends a code that the caller reads out.
    SendCode {
        /// The method of an enrolled contact.
        method: Method,
    },
    /// Checks the code that was sent.
    CheckCode {
        /// As the caller read it out.
        code: SecretText,
    },
    /// Checks a code of the caller's authenticator app.
    CheckApp {
        /// As the caller read it out.
        code: SecretText,
    },
    /// Records that the agent saw a document.
    SeeDocument {
        /// The document.
        document: Remark,
    },
    /// Gives a pass.
    Pass {
        /// Its validity.
        minutes: PassMinutes,
        /// Why.
        reason: Remark,
    },
    /// Gives a pass for the letter to a new person.
    ActivationPass {
        /// Whether it takes the place of one that is still valid.
        again: bool,
        /// Why.
        reason: Remark,
    },
    /// Removes a method.
    Remove {
        /// The entry.
        entry: EntryId,
        /// Why.
        reason: Remark,
    },
    /// Removes the lock of the account.
    Unlock {
        /// Why.
        reason: Remark,
    },
    /// Lifts the limits of the account.
    Release {
        /// Whether its known devices end too.
        known_devices: bool,
        /// Why.
        reason: Remark,
    },
}

/// The answer to an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HelpAnswer {
    /// The person.
    Shown(Box<ShownPerson>),
    /// A code was sent.
    CodeSent {
        /// The mask of the contact.
        masked: String,
        /// The code is invalid from this time on.
        expires_at: Timestamp,
    },
    /// The caller is checked.
    Checked {
        /// The check counts until this time.
        until: Timestamp,
    },
    /// The code is wrong.
    Wrong {
        /// The attempts that the code has left; `None` where the account counts them.
        attempts_left: Option<u8>,
    },
    /// A pass.
    Passed {
        /// The pass, which nobody can read again.
        pass: SecretText,
        /// It is invalid from this time on.
        expires_at: Timestamp,
        /// How many contacts are notified.
        notified: usize,
    },
    /// The method is removed.
    Removed {
        /// How many contacts are notified, the removed one among them.
        notified: usize,
    },
    /// The lock is removed. The contacts are notified within a minute.
    Unlocked,
    /// The directory did not tell whether it removed the lock. If it did, the contacts are notified.
    Unconfirmed,
    /// The limits are lifted.
    Released,
    /// Another agent must repeat the act until this time.
    NeedsAnotherAgent {
        /// The end of the wait.
        until: Timestamp,
    },
    /// The act is refused.
    Refused(HelpRefusal),
}

/// The reason why an act is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HelpRefusal {
    /// AWS does not name the caller, or names one of another account.
    UnknownCaller,
    /// The request can't be read.
    Malformed,
    /// Nobody has the login, or several people have it. The support code of an attempt with a name that nobody can reset
    /// with finds nobody, too.
    NotFound,
    /// The agent may not help people of this group.
    NotYours,
    /// The account is privileged or disabled.
    NotEligible,
    /// The caller's identity was not checked within half an hour.
    NotChecked,
    /// No such method is enrolled, or it can't be used now.
    NoSuchMethod,
    /// The person has used the account, so it is nobody's to activate.
    AlreadyUsed,
    /// The person has no imported contact that a code can be sent to.
    NoContact,
    /// The person has a pass that is still valid.
    HasPass,
    /// No code was sent, or its time or its attempts are over.
    NothingAsked,
    /// A limit of the account is used up.
    LimitReached,
    /// Another change of the account came first. The act may be repeated.
    Overtaken,
    /// A store, the queue, the directory or the log is unavailable.
    Unavailable,
}

impl HelpRefusal {
    /// Returns the name in answers, which is also the key of its text in the locales.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownCaller => "unknown-caller",
            Self::Malformed => "malformed",
            Self::NotFound => "not-found",
            Self::NotYours => "not-yours",
            Self::NotEligible => "not-eligible",
            Self::NotChecked => "not-checked",
            Self::NoSuchMethod => "no-such-method",
            Self::AlreadyUsed => "already-used",
            Self::NoContact => "no-contact",
            Self::HasPass => "has-pass",
            Self::NothingAsked => "nothing-asked",
            Self::LimitReached => "limit-reached",
            Self::Overtaken => "overtaken",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A person as an agent sees them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownPerson {
    /// The first login.
    pub login: Option<String>,
    /// The name; as a mask the first letter of each word.
    pub name: String,
    /// The organisation's own address.
    pub email: Option<String>,
    /// The state in the directory.
    pub state: AccountState,
    /// The group.
    pub group: Option<String>,
    /// Whether the person can reset.
    pub readiness: Readiness,
    /// The enrolled methods.
    pub methods: Vec<ShownMethod>,
    /// When the person last confirmed the list.
    pub confirmed_at: Option<Timestamp>,
    /// The check of the caller that counts.
    pub checked: Option<ShownCheck>,
    /// The attempt that the support code belongs to, if the agent gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<ShownAttempt>,
}

/// A flow, as an agent sees it: how far the person came, and why not further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownAttempt {
    /// When it began.
    pub opened_at: Timestamp,
    /// What the person wanted; `None` before they said.
    pub reason: Option<Reason>,
    /// The step that it reached, from 1, and the number of steps.
    pub step: u8,
    /// See `step`.
    pub steps: u8,
    /// The methods of the verified steps.
    pub verified: Vec<Method>,
    /// The method whose code or answer was awaited last.
    pub awaited: Option<Method>,
    /// Wrong answers.
    pub wrong_answers: u8,
    /// How it ended, or that it runs.
    pub end: AttemptEnd,
}

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptEnd {
    /// It has not ended.
    Runs,
    /// The password was set, or the account unlocked.
    Succeeded,
    /// The person cancelled it.
    Cancelled,
    /// Too many answers were wrong.
    AttemptsUsed,
    /// Another reset, unlock or removal of the account ended it.
    Overtaken,
    /// Nothing came for too long.
    Expired,
    /// The person has too few methods, so that the pages sent nothing. Only a pass opens it.
    TooFewMethods,
}

/// A check of the caller, as an agent sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownCheck {
    /// How.
    pub by: CheckedBy,
    /// The agent.
    pub agent: String,
    /// When.
    pub at: Timestamp,
}

/// An enrolled method, as an agent sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownMethod {
    /// Names it in [`What::Remove`].
    pub id: EntryId,
    /// Its mask or name, or the whole contact if the agent asked for it.
    pub shown: String,
    /// When it was enrolled.
    pub added_at: Timestamp,
    /// When it last verified.
    pub last_used_at: Option<Timestamp>,
    /// It counts from this time on.
    pub active_from: Timestamp,
    /// It counts alone from this time on.
    pub old_from: Timestamp,
    /// The mask of the contact that serves until then.
    pub replaces: Option<String>,
    /// Mail to it failed, and nothing has arrived there since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_failure: Option<MailFailure>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(text: &str) -> Remark {
        Remark::try_from(text.to_owned()).unwrap()
    }

    /// What a version that was released wrote must stay readable: these texts never change.
    #[test]
    fn acts_and_answers_have_a_stable_form() {
        let acts = [
            (What::Show { reveal: None }, r#"{"login":"a","what":{"show":{}}}"#),
            (
                What::SendCode { method: Method::Sms },
                r#"{"login":"a","what":{"send-code":{"method":"sms"}}}"#,
            ),
            (
                What::Pass { minutes: PassMinutes::try_from(15).unwrap(), reason: remark("lost phone") },
                r#"{"login":"a","what":{"pass":{"minutes":15,"reason":"lost phone"}}}"#,
            ),
            (
                What::ActivationPass { again: false, reason: remark("new students") },
                r#"{"login":"a","what":{"activation-pass":{"again":false,"reason":"new students"}}}"#,
            ),
            (
                What::Remove { entry: EntryId::parse("mobile").unwrap(), reason: remark("lost") },
                r#"{"login":"a","what":{"remove":{"entry":"mobile","reason":"lost"}}}"#,
            ),
        ];
        for (what, text) in acts {
            let act = Act { login: "a".into(), what };
            assert_eq!(serde_json::to_string(&act).unwrap(), text);
            assert_eq!(serde_json::from_str::<Act>(text).unwrap(), act);
        }
        let answer = HelpAnswer::Refused(HelpRefusal::NotYours);
        assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"refused":"not-yours"}"#);
        let answer = HelpAnswer::NeedsAnotherAgent { until: Timestamp::from_seconds(9) };
        assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"needs-another-agent":{"until":9}}"#);
    }

    /// Controls: C-225.
    #[test]
    fn act_without_reason_or_with_more_is_refused() {
        for text in [
            r#"{"login":"a","what":{"pass":{"minutes":15}}}"#,
            r#"{"login":"a","what":{"pass":{"minutes":15,"reason":""}}}"#,
            r#"{"login":"a","what":{"pass":{"minutes":9,"reason":"lost phone"}}}"#,
            r#"{"login":"a","what":{"activation-pass":{"again":false}}}"#,
            r#"{"login":"a","what":{"remove":{"entry":"mobile"}}}"#,
            r#"{"login":"a","what":{"unlock":{}}}"#,
            r#"{"login":"a","what":{"release":{"known_devices":false}}}"#,
            r#"{"login":"a","what":{"show":{"reveal":"x"}}}"#,
            r#"{"login":"a","what":{"show":{}},"force":true}"#,
        ] {
            assert!(serde_json::from_str::<Act>(text).is_err(), "{text}");
        }
    }

    /// Controls: C-092.
    #[test]
    fn codes_and_passes_are_never_printed() {
        let act = Act { login: "a".into(), what: What::CheckCode { code: SecretText::new("12345678") } };
        assert!(!format!("{act:?}").contains("1234"));
        let answer = HelpAnswer::Passed {
            pass: SecretText::new("ABCD-EFGH"),
            expires_at: Timestamp::from_seconds(9),
            notified: 1,
        };
        assert!(!format!("{answer:?}").contains("ABCD"));
        assert!(serde_json::to_string(&answer).unwrap().contains("ABCD"), "the agent reads it");
    }

    #[test]
    fn digest_is_of_the_exact_text() {
        assert_eq!(digest("").len(), 64);
        assert_ne!(digest("{}"), digest("{ }"));
    }
}
