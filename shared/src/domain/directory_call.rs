//! The calls of Rekey's functions to the functions of the organisation's directory, as JSON.
//!
//! A request with an unknown member is refused, since it may ask for something that this version would leave out. An
//! answer may have unknown members. A later version adds members to requests with a default only, so that a caller of
//! the version before it is understood.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::account::AccountId;
use super::directory::EntryStanding;
use super::directory_examination::Examination;
use super::password::{NewPassword, PasswordError, Violation};
use super::time::Timestamp;

/// A password in a request. It is wiped from memory when dropped, and prints nothing.
///
/// ```
/// use shared::domain::directory_call::Password;
///
/// let password = Password::new("Kancil-Lompat-42!");
/// assert_eq!(format!("{password:?}"), "Password(..)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Serialize for Password {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Password {
    /// Takes a password (in NFC) for a request.
    pub fn new(password: &str) -> Self {
        Self(Zeroizing::new(password.to_owned()))
    }

    /// Returns the password itself, for the directory only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads it as a new password again: the function relies on no caller's check.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn parse(&self) -> Result<NewPassword, PasswordError> {
        NewPassword::parse(&self.0)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A request to `directory-read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ReadRequest {
    /// Checks a password. An id without an entry, such as a decoy's, takes the same calls as one with an entry.
    Check {
        /// The account's id, or a decoy's.
        account: AccountId,
        /// What was typed.
        password: Password,
    },
    /// Reads the state of an entry.
    State {
        /// The account's id.
        account: AccountId,
    },
    /// Finds out what became of a change.
    Outcome {
        /// The account that was to be changed.
        account: AccountId,
        /// The number of the change.
        number: u64,
        /// The change did not begin at or after this time.
        deadline: Timestamp,
    },
    /// Reads what the service account sees of whoever has one of these logins, for an operator.
    Examine {
        /// The forms that a directory may have of one login.
        logins: Vec<String>,
    },
}

/// An answer of `directory-read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadAnswer {
    /// The password is right. It may have expired, or have to be changed at the next sign-in.
    Accepted,
    /// The password is wrong, or was not compared so that nobody can lock the entry: the answer doesn't tell which.
    Refused,
    /// The state of the entry; `None` without an entry.
    State(Option<EntryState>),
    /// The change was made, or a later one was.
    Applied,
    /// The change was not made, and will not be.
    NotApplied,
    /// The change may still be made, or the directory can't tell.
    CannotTell,
    /// What the service account sees.
    Examined(Box<Examination>),
    /// The directory or the store is unavailable.
    Unavailable,
}

/// The state of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryState {
    /// Whether Rekey may change it.
    pub standing: EntryStanding,
    /// Whether too many wrong passwords locked it.
    pub is_locked: bool,
    /// Whether its password has expired or must be changed at the next sign-in.
    pub must_change: bool,
}

/// A request to `directory-write`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum WriteRequest {
    /// Sets a password and removes a lock.
    Set {
        /// The account to change.
        account: AccountId,
        /// The number of the change.
        number: u64,
        /// The change must not begin at or after this time.
        deadline: Timestamp,
        /// The new password.
        password: Password,
    },
    /// Removes a lock.
    Unlock {
        /// The account to change.
        account: AccountId,
        /// The number of the change.
        number: u64,
        /// The change must not begin at or after this time.
        deadline: Timestamp,
        /// Whether the directory is asked even where nothing is locked, which proves the right to do so.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        even_unlocked: bool,
    },
    /// Reads what the service account sees of whoever has one of these logins, for an operator. Nothing is changed.
    Examine {
        /// The forms that a directory may have of one login.
        logins: Vec<String>,
    },
}

/// An answer of `directory-write`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteAnswer {
    /// The change was made, now or by an earlier request with the same number.
    Made,
    /// The directory rejects the password. Nothing was changed.
    Rejected {
        /// The violated criteria; empty where the directory doesn't tell.
        violations: Vec<Violation>,
    },
    /// The entry is gone, or Rekey may not change it.
    NotPermitted,
    /// A later change was begun.
    Superseded,
    /// Nothing was changed.
    NotApplied,
    /// Whether the change was made is unknown.
    Unknown,
    /// What the service account sees.
    Examined(Box<Examination>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> AccountId {
        AccountId::from_directory("ad:7f0c").unwrap()
    }

    /// What a version that was released wrote must stay readable: these texts never change.
    #[test]
    fn requests_and_answers_have_a_stable_form() {
        let requests = [
            (
                ReadRequest::Check { account: id(), password: Password::new("x") },
                r#"{"check":{"account":"ad:7f0c","password":"x"}}"#,
            ),
            (ReadRequest::State { account: id() }, r#"{"state":{"account":"ad:7f0c"}}"#),
            (
                ReadRequest::Outcome { account: id(), number: 3, deadline: Timestamp::from_seconds(9) },
                r#"{"outcome":{"account":"ad:7f0c","number":3,"deadline":9}}"#,
            ),
        ];
        for (request, text) in requests {
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
            assert_eq!(serde_json::from_str::<ReadRequest>(text).unwrap(), request);
        }
        let deadline = Timestamp::from_seconds(9);
        let requests = [
            (
                WriteRequest::Set { account: id(), number: 3, deadline, password: Password::new("x") },
                r#"{"set":{"account":"ad:7f0c","number":3,"deadline":9,"password":"x"}}"#,
            ),
            (
                WriteRequest::Unlock { account: id(), number: 3, deadline, even_unlocked: false },
                r#"{"unlock":{"account":"ad:7f0c","number":3,"deadline":9}}"#,
            ),
        ];
        for (request, text) in requests {
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
            assert_eq!(serde_json::from_str::<WriteRequest>(text).unwrap(), request);
        }
        let state = EntryState { standing: EntryStanding::Eligible, is_locked: true, must_change: false };
        let text = r#"{"state":{"standing":"eligible","is_locked":true,"must_change":false}}"#;
        assert_eq!(serde_json::to_string(&ReadAnswer::State(Some(state))).unwrap(), text);
        assert_eq!(serde_json::to_string(&ReadAnswer::CannotTell).unwrap(), r#""cannot-tell""#);
        let rejected = WriteAnswer::Rejected { violations: vec![Violation::Previous] };
        assert_eq!(serde_json::to_string(&rejected).unwrap(), r#"{"rejected":{"violations":["previous"]}}"#);
    }

    #[test]
    fn unknown_members_are_refused_in_requests_and_ignored_in_answers() {
        let request = r#"{"unlock":{"account":"a","number":1,"deadline":9,"force":true}}"#;
        assert!(serde_json::from_str::<WriteRequest>(request).is_err());
        let answer = r#"{"rejected":{"violations":[],"hint":"x"}}"#;
        assert!(serde_json::from_str::<WriteAnswer>(answer).is_ok());
    }

    /// Controls: C-156.
    #[test]
    fn password_in_request_is_never_printed() {
        let request = ReadRequest::Check { account: id(), password: Password::new("Kancil-Lompat-42!") };
        assert!(!format!("{request:?}").contains("Kancil"));
        let deadline = Timestamp::from_seconds(9);
        let password = Password::new("Kancil-Lompat-42!");
        let request = WriteRequest::Set { account: id(), number: 3, deadline, password };
        assert!(!format!("{request:?}").contains("Kancil"));
        // serde quotes an invalid value in its error; the member before the password is at fault here.
        let text = r#"{"set":{"account":"a","number":"x","deadline":9,"password":"Kancil-Lompat-42!"}}"#;
        let error = serde_json::from_str::<WriteRequest>(text).unwrap_err();
        assert!(!error.to_string().contains("Kancil"), "{error}");
    }
}
