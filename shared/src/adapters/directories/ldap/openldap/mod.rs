//! `OpenLDAP` with the overlay `ppolicy` (draft-behera-ldap-password-policy-10).

mod examine;
mod groups;
mod policy;
mod sync;

use std::sync::Arc;

use async_trait::async_trait;
use ldap3::Mod;
use ldap3::controls::{Assertion, MakeCritical as _};
use ldap3::exop::PasswordModify;

use super::connection::{
    Answer, Connection, Failure, TimeLimits, has_policy_overlay, not_applied, policy_control, write_failed,
};
use super::found::Found;
use super::{Directory, Kept, LdapConfigError, NOBODY_ID};
use crate::domain::account::AccountId;
use crate::domain::directory::{BindResult, Entry, EntryStanding, EntryVersion, PublishedPolicy};
use crate::domain::directory_config::{DirectoryConfig, HistoryRule, ServicePassword};
use crate::domain::directory_examination::{Examination, Fault};
use crate::domain::password::{NewPassword, Violation};
use crate::domain::time::Timestamp;
use crate::ports::{ChangeError, Clock, DirectoryError, LiveDirectory, LivePasswordDirectory, Principal};
use groups::Members;
use policy::{Policy, Rules};

/// The value of `pwdAccountLockedTime` for a lock that only an administrator removes (§5.3.3). Setting a password
/// would remove it too.
const LOCKED_FOR_GOOD: &str = "000001010000Z";

const ROOT: &[&str] = &["supportedControl", "namingContexts"];
const ENTRY: &[&str] = &[
    "uid",
    "pwdAccountLockedTime",
    "pwdChangedTime",
    "pwdFailureTime",
    "pwdPolicySubentry",
    "pwdReset",
    "pwdStartTime",
    "pwdEndTime",
];

/// Holds for every entry whose wrong passwords the account can see. The server takes a condition on an attribute that is
/// hidden from the account for undefined, and so is its opposite (RFC 4511 §4.5.1.7).
const SEES_FAILURES: &str = "(|(pwdFailureTime=*)(!(pwdFailureTime=*)))";

/// Errors of the password policy control (§6.2).
mod policy_error {
    pub(super) const PASSWORD_EXPIRED: u64 = 0;
    pub(super) const CHANGE_AFTER_RESET: u64 = 2;
    pub(super) const MODIFICATION_NOT_ALLOWED: u64 = 3;
    pub(super) const MUST_SUPPLY_OLD: u64 = 4;
    pub(super) const TOO_SHORT: u64 = 6;
    pub(super) const TOO_YOUNG: u64 = 7;
    pub(super) const IN_HISTORY: u64 = 8;
}

/// A directory.
pub struct OpenLdap {
    directory: Directory,
    kept: Kept<Session>,
}

/// A connection, and what its server says of itself.
struct Session {
    connection: Connection,
    root: Found,
}

impl OpenLdap {
    /// Returns a directory, reached by a service account. Nothing is connected yet.
    ///
    /// # Errors
    /// [`LdapConfigError`].
    pub fn new(
        config: &DirectoryConfig,
        account: &str,
        password: ServicePassword,
        clock: Arc<dyn Clock>,
        limits: TimeLimits,
    ) -> Result<Self, LdapConfigError> {
        Ok(Self { directory: Directory::new(config, account, password, clock, limits)?, kept: Kept::new() })
    }

    async fn session(&self) -> Result<Session, Failure> {
        self.session_of(&self.directory.servers.addresses).await
    }

    async fn session_of(&self, addresses: &[super::connection::Address]) -> Result<Session, Failure> {
        let connection = self.directory.servers.connect(addresses).await?;
        let root = connection.read("", "(objectClass=*)", ROOT).await?;
        let root = root.ok_or(Failure::Misconfigured("the server has no root entry"))?;
        Ok(Session { connection, root })
    }

    /// Returns the one entry below the bases with this id, if there is exactly one.
    async fn locate(&self, connection: &Connection, own_id: &str) -> Result<Option<Found>, Failure> {
        let filter = format!("(entryUUID={own_id})");
        let mut entries: Vec<Found> = Vec::new();
        for base in &self.directory.config.bases {
            for entry in connection.search(base, &filter, ENTRY).await? {
                // Bases may lie in each other.
                if entries.iter().all(|known| known.dn != entry.dn) {
                    entries.push(entry);
                }
            }
        }
        Ok(if entries.len() == 1 { entries.pop() } else { None })
    }

    /// Reads what is said of an entry. An entry that is absent takes the same calls.
    async fn read_entry(&self, session: &Session, id: &AccountId) -> Result<Option<Entry>, Failure> {
        let connection = &session.connection;
        let found = self.locate(connection, self.directory.own_id(id)).await?;
        let (name, read) = match &found {
            Some(found) => (found.dn.clone(), found.clone()),
            None => (self.directory.nobody(), Found::default()),
        };
        let people = self.directory.people_filter("");
        let (person, counted, members, rules) = tokio::join!(
            connection.read(&name, &people, &["1.1"]),
            connection.read(&name, SEES_FAILURES, &["1.1"]),
            self.denied_members(session),
            self.rules(session, &read),
        );
        let (person, counted, members, rules) = (person?, counted?, members?, rules?);
        let Some(found) = found else { return Ok(None) };
        let now = self.directory.clock.now();
        let standing =
            if person.is_some() { standing(&found, &members, now) } else { EntryStanding::OutOfScope };
        let is_locked = standing != EntryStanding::LockedByAdministrator && is_locked(&found, &rules, now);
        let version = |name| EntryVersion(found.text(name).unwrap_or_default().to_owned());
        Ok(Some(Entry {
            id: id.clone(),
            standing,
            is_locked,
            must_change: found.is_true("pwdReset") && rules.asks_for_change()
                || rules.expires_at(&found).is_some_and(|expires_at| expires_at <= now),
            password_version: version("pwdChangedTime"),
            lock_version: version("pwdAccountLockedTime"),
            attempts_left: rules
                .attempts_left(&found, is_locked, now)
                .map(|left| if counted.is_some() { left } else { 0 }),
        }))
    }

    /// Returns the rules of an entry, by its own policy or the configuration's.
    async fn rules(&self, session: &Session, entry: &Found) -> Result<Rules, Failure> {
        if !has_policy_overlay(&session.root) {
            return Ok(Rules::None);
        }
        let default = self.directory.config.password_policy.as_deref();
        let Some(name) = entry.text("pwdPolicySubentry").or(default) else { return Ok(Rules::Unknown) };
        let found = session.connection.read(name, "(objectClass=*)", policy::ATTRIBUTES).await?;
        Ok(found.map_or(Rules::Unknown, |found| Rules::Known(Policy::read(&found))))
    }

    async fn kept_or_new(&self) -> Result<Session, Failure> {
        match self.kept.take().filter(|session| session.connection.is_open()) {
            Some(session) => Ok(session),
            None => self.session().await,
        }
    }

    /// Makes a change on the server that the entry was read from. A read-only server refers to others, which are tried.
    async fn change(&self, entry: &Entry, change: &Change<'_>) -> Result<(), ChangeError> {
        if entry.standing != EntryStanding::Eligible {
            return Err(ChangeError::NotPermitted);
        }
        let own_id = self.directory.own_id(&entry.id);
        let mut session = self.kept_or_new().await.map_err(not_applied)?;
        let mut left = self.directory.servers.addresses.clone();
        loop {
            // The name may have changed, and an administrator may have locked the entry for good meanwhile.
            let found = self.locate(&session.connection, own_id).await.map_err(not_applied)?;
            let found = found.ok_or(ChangeError::NotPermitted)?;
            if found.text("pwdAccountLockedTime") == Some(LOCKED_FOR_GOOD) {
                return Err(ChangeError::NotPermitted);
            }
            let rules = self.rules(&session, &found).await.map_err(not_applied)?;
            let answer = match change {
                Change::Password(password) => self.set(&session.connection, &found, &rules, password).await?,
                Change::Unlock => unlock(&session.connection, &found.dn).await?,
            };
            // referral
            if answer.code != 10 {
                return change_outcome(answer, &rules);
            }
            left.retain(|address| *address != session.connection.address);
            session = self.session_of(&left).await.map_err(not_applied)?;
        }
    }

    /// Sets a password (RFC 3062). The server stores it in its own form, and the overlay checks it and removes a lock.
    async fn set(
        &self,
        connection: &Connection,
        entry: &Found,
        rules: &Rules,
        password: &NewPassword,
    ) -> Result<Answer, ChangeError> {
        if self.directory.config.history == HistoryRule::Required && !rules.checks_history() {
            return Err(not_applied(Failure::Misconfigured("the server can't check earlier passwords")));
        }
        let request =
            PasswordModify { user_id: Some(&entry.dn), old_pass: None, new_pass: Some(password.expose()) };
        let answer =
            connection.extended(request.into(), vec![policy_control()]).await.map_err(write_failed)?;
        // A policy may ask everybody to change a password that an administrator set. This one is the person's own.
        if answer.is_success() && rules.asks_for_change() {
            let own = vec![Mod::Replace(b"pwdReset".to_vec(), [].into())];
            if !connection.modify(&entry.dn, own, Vec::new()).await.is_ok_and(Answer::is_success) {
                tracing::warn!(event = "directory.must_change_clear_failed");
            }
        }
        Ok(answer)
    }
}

/// A change of an entry.
enum Change<'a> {
    Password(&'a NewPassword),
    Unlock,
}

/// Removes a lock, unless it is for good by now. With the deletion the overlay forgets the wrong passwords too, which a
/// replacement by nothing leaves: the next wrong one would lock the entry again.
async fn unlock(connection: &Connection, dn: &str) -> Result<Answer, ChangeError> {
    let is_temporary = Assertion { filter: format!("(!(pwdAccountLockedTime={LOCKED_FOR_GOOD}))") };
    let lock = vec![Mod::Delete(b"pwdAccountLockedTime".to_vec(), [].into())];
    let answer =
        connection.modify(dn, lock, vec![is_temporary.critical().into()]).await.map_err(write_failed)?;
    // noSuchAttribute: the lock has ended meanwhile.
    Ok(if answer.code == 16 { Answer::default() } else { answer })
}

/// Returns the outcome of a change by the control's error, or the result code without one.
fn change_outcome(answer: Answer, rules: &Rules) -> Result<(), ChangeError> {
    let rejected = |violation| Err(ChangeError::Rejected(vec![violation]));
    match (answer.code, answer.policy) {
        (0, _) => Ok(()),
        (_, Some(policy_error::IN_HISTORY)) => rejected(Violation::Previous),
        (_, Some(policy_error::TOO_SHORT)) => rejected(
            rules.min_length().map_or(Violation::RefusedByDirectory, |min| Violation::TooShort { min }),
        ),
        // No other password would do. By result code: noSuchObject, insufficientAccessRights, assertionFailed.
        (
            _,
            Some(
                policy_error::MODIFICATION_NOT_ALLOWED
                | policy_error::MUST_SUPPLY_OLD
                | policy_error::TOO_YOUNG,
            ),
        )
        | (32 | 50 | 122, _) => Err(ChangeError::NotPermitted),
        (19, _) => rejected(Violation::RefusedByDirectory),
        // timeLimitExceeded, unavailable, other: a proxy may answer for a server behind it.
        (3 | 52 | 80, _) => Err(ChangeError::Unknown(Box::new(answer.failed("change")))),
        _ => Err(not_applied(answer.failed("change"))),
    }
}

/// Returns the result of a bind. The overlay reports an expired password only after the right one.
fn bind_result(answer: Answer) -> Result<BindResult, Failure> {
    match (answer.code, answer.policy) {
        (0, Some(policy_error::PASSWORD_EXPIRED | policy_error::CHANGE_AFTER_RESET))
        | (49, Some(policy_error::PASSWORD_EXPIRED)) => Ok(BindResult::MustChange),
        (0, _) => Ok(BindResult::Accepted),
        (49, _) => Ok(BindResult::Refused),
        _ => Err(answer.failed("bind")),
    }
}

fn standing(entry: &Found, denied: &Members, now: Timestamp) -> EntryStanding {
    if denied.include(entry) {
        EntryStanding::Privileged
    } else if entry.text("pwdAccountLockedTime") == Some(LOCKED_FOR_GOOD) {
        EntryStanding::LockedByAdministrator
    } else if entry.time("pwdStartTime").is_some_and(|start| start > now) {
        EntryStanding::Disabled
    } else if entry.time("pwdEndTime").is_some_and(|end| end <= now) {
        EntryStanding::Expired
    } else {
        EntryStanding::Eligible
    }
}

/// Returns whether a lock after wrong passwords holds now.
fn is_locked(entry: &Found, rules: &Rules, now: Timestamp) -> bool {
    let Some(locked_at) = entry.text("pwdAccountLockedTime") else { return false };
    let duration = rules.lockout_seconds();
    match (super::found::generalized_time(locked_at), duration) {
        (Some(locked_at), Some(seconds)) => now.as_seconds() < locked_at.as_seconds().saturating_add(seconds),
        _ => true,
    }
}

#[async_trait]
impl LiveDirectory for OpenLdap {
    async fn entry(&self, id: &AccountId) -> Result<Option<Entry>, DirectoryError> {
        let session = self.session().await?;
        let entry = self.read_entry(&session, id).await?;
        self.kept.keep(session);
        Ok(entry)
    }

    async fn bind(&self, principal: Principal<'_>, password: &str) -> Result<BindResult, DirectoryError> {
        if password.is_empty() {
            return Ok(BindResult::Refused);
        }
        let session = self.kept_or_new().await?;
        let own_id = match principal {
            Principal::Entry(entry) => self.directory.own_id(&entry.id),
            Principal::Nobody => NOBODY_ID,
        };
        let found = self.locate(&session.connection, own_id).await?;
        let name = found.map_or_else(|| self.directory.nobody(), |found| found.dn);
        let answer = session.connection.bind(&name, password, vec![policy_control()]).await?;
        Ok(bind_result(answer)?)
    }

    async fn policy(&self) -> Result<PublishedPolicy, DirectoryError> {
        let session = self.session().await?;
        Ok(self.rules(&session, &Found::default()).await?.published().unwrap_or_default())
    }

    async fn examine(&self, logins: &[String]) -> Examination {
        let mut examination = self.directory.examine_servers().await;
        let examined = self.examine_people(&mut examination, logins).await;
        examination.fault = examined.err().map(|failure| Fault::from(&failure));
        examination
    }
}

#[async_trait]
impl LivePasswordDirectory for OpenLdap {
    async fn set_password(&self, entry: &Entry, password: &NewPassword) -> Result<(), ChangeError> {
        self.change(entry, &Change::Password(password)).await
    }

    async fn unlock(&self, entry: &Entry) -> Result<(), ChangeError> {
        if !entry.is_locked && entry.standing == EntryStanding::Eligible {
            return Ok(());
        }
        self.change(entry, &Change::Unlock).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u32, policy: Option<u64>) -> Answer {
        Answer { code, policy, ..Answer::default() }
    }

    #[test]
    fn answers_of_a_change_map_to_errors() {
        let outcome = |code, policy| change_outcome(answer(code, policy), &Rules::Unknown);
        assert!(outcome(0, None).is_ok());
        for (policy, expected) in [
            (Some(8), Violation::Previous),
            (Some(6), Violation::RefusedByDirectory),
            (Some(5), Violation::RefusedByDirectory),
            (None, Violation::RefusedByDirectory),
        ] {
            let Err(ChangeError::Rejected(violations)) = outcome(19, policy) else { panic!("{policy:?}") };
            assert_eq!(violations, [expected]);
        }
        for (code, policy) in
            [(19, Some(7)), (50, Some(3)), (50, None), (32, None), (122, None), (53, Some(4))]
        {
            assert!(matches!(outcome(code, policy), Err(ChangeError::NotPermitted)), "{code} {policy:?}");
        }
        assert!(matches!(outcome(53, None), Err(ChangeError::NotApplied(_))));
        assert!(matches!(outcome(52, None), Err(ChangeError::Unknown(_))));
    }

    #[test]
    fn bind_result_follows_the_policy_control() {
        assert_eq!(bind_result(answer(0, None)).unwrap(), BindResult::Accepted);
        for (code, policy) in [(0, 0), (0, 2), (49, 0)] {
            assert_eq!(bind_result(answer(code, Some(policy))).unwrap(), BindResult::MustChange);
        }
        for policy in [None, Some(1)] {
            assert_eq!(bind_result(answer(49, policy)).unwrap(), BindResult::Refused);
        }
        assert!(bind_result(answer(53, None)).is_err());
    }
}
