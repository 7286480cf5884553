//! All people of a domain, or those that changed.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use async_trait::async_trait;

use super::super::connection::Failure;
use super::super::found::{Found, guid_text, security_identifier};
use super::{
    ActiveDirectory, DISABLED, NORMAL_ACCOUNT, Session, entry_guid, is_privileged, max_age_days,
    member_filter, name_filter, published,
};
use crate::domain::account::AccountState;
use crate::domain::directory::{DirectoryPerson, EntryStanding, PublishedPolicy, SyncCursor};
use crate::domain::time::Timestamp;
use crate::ports::{DirectoryError, DirectoryPeople, PeopleSink, SyncError};

/// The attributes besides those of the configuration. The server computes the last one alone, since computing takes
/// most of its time, and [`RESULTANT`] where there are fine-grained policies.
const PERSON: [&str; 9] = [
    "objectGUID",
    "userAccountControl",
    "lockoutTime",
    "accountExpires",
    "adminCount",
    "isCriticalSystemObject",
    "primaryGroupID",
    "pwdLastSet",
    "msDS-UserPasswordExpiryTimeComputed",
];

/// The name of the fine-grained policy that holds for an entry (MS-ADTS §3.1.1.4.5.36).
const RESULTANT: &str = "msDS-ResultantPSO";
/// The rules of a fine-grained policy (MS-ADTS §3.1.1.5.2.2, `msDS-PasswordSettings`).
const POLICY: [&str; 5] = [
    "msDS-MinimumPasswordLength",
    "msDS-PasswordComplexityEnabled",
    "msDS-PasswordHistoryLength",
    "msDS-LockoutThreshold",
    "msDS-MaximumPasswordAge",
];

/// The rules for passwords: those of the domain, and of fine-grained policies by their names in lower case.
struct Policies {
    domain: PublishedPolicy,
    fine_grained: HashMap<String, PublishedPolicy>,
}

impl Policies {
    /// Returns the rules for an entry. Those of the domain stand for a fine-grained policy that can't be read; the
    /// directory itself still enforces it.
    fn of(&self, entry: &Found) -> PublishedPolicy {
        let own = entry.text(RESULTANT).and_then(|name| self.fine_grained.get(&name.to_lowercase()));
        own.copied().unwrap_or(self.domain)
    }
}

/// The people whom the denied groups exclude.
#[derive(Default)]
struct Denied {
    members: HashSet<String>,
    primary_groups: HashSet<u32>,
}

#[async_trait]
impl DirectoryPeople for ActiveDirectory {
    async fn people(
        &self,
        cursor: Option<&SyncCursor>,
        pages: &dyn PeopleSink,
    ) -> Result<SyncCursor, SyncError> {
        let session = self.session(&self.directory.servers.addresses).await.map_err(DirectoryError::from)?;
        let server = invocation(&session).await.map_err(DirectoryError::from)?;
        // What changes from here on is in the next delta, and perhaps in this one too.
        let position = session.root.number("highestCommittedUSN");
        let position = position.ok_or(Failure::Misconfigured("the server names no update sequence number"));
        let position = position.map_err(DirectoryError::from)?;
        let changed = match cursor {
            None => String::new(),
            Some(cursor) => {
                let since: i64 = cursor.position.parse().map_err(|_| SyncError::CursorUnknown)?;
                // A restored server has a new identity, so a lower number can only be a mistake.
                if cursor.server != server || since > position {
                    return Err(SyncError::CursorUnknown);
                }
                format!("(uSNChanged>={})", since.saturating_add(1))
            }
        };
        let denied = self.denied(&session).await?;
        let filter = self.directory.people_filter(&changed);
        let mut attributes: Vec<String> = PERSON.iter().map(|&name| name.to_owned()).collect();
        attributes.extend(self.directory.person_attributes());
        let policies = policies(&session).await.map_err(DirectoryError::from)?;
        if !policies.fine_grained.is_empty() {
            attributes.push(RESULTANT.to_owned());
        }
        let mut found = self.directory.pages(&session.connection, filter, attributes);
        while let Some(entries) = found.next().await? {
            pages.page(self.read_people(&session, &entries, &denied, &policies)?).await?;
        }
        Ok(SyncCursor { server, position: position.to_string() })
    }
}

impl ActiveDirectory {
    fn read_people(
        &self,
        session: &Session,
        entries: &[Found],
        denied: &Denied,
        policies: &Policies,
    ) -> Result<Vec<DirectoryPerson>, DirectoryError> {
        let now = self.directory.clock.now();
        let mut people = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(guid) = entry_guid(entry) else { continue };
            let is_denied = denied.members.contains(&guid)
                || denied.primary_groups.contains(&entry.count("primaryGroupID"));
            let state = state(entry, &session.domain, is_denied, now);
            let expires = entry.windows_time("msDS-UserPasswordExpiryTimeComputed");
            let id = self.directory.account_id(&guid)?;
            people.push(self.directory.person(entry, id, state, expires, Some(policies.of(entry))));
        }
        Ok(people)
    }

    /// Returns the members of the denied groups.
    async fn denied(&self, session: &Session) -> Result<Denied, SyncError> {
        let groups = &self.directory.config.denied_groups;
        let mut denied = Denied::default();
        if groups.is_empty() {
            return Ok(denied);
        }
        let domain = session.root.text("defaultNamingContext").unwrap_or_default();
        // Groups within the denied ones, for people who have one of them as their primary group.
        let filter = format!("(&(objectClass=group)(|{}{}))", name_filter(groups), member_filter(groups));
        let found = session.connection.search(domain, &filter, &["objectSid"]).await;
        let found = found.map_err(DirectoryError::from)?;
        if found.len() < groups.len() {
            let failure = Failure::Misconfigured("a denied group does not exist");
            return Err(DirectoryError::from(failure).into());
        }
        let numbers = found.iter().filter_map(|group| security_identifier(group.bytes("objectSid")?));
        denied.primary_groups = numbers.map(|(_, number)| number).collect();
        let mut conditions = member_filter(groups);
        for number in &denied.primary_groups {
            let _ = write!(conditions, "(primaryGroupID={number})");
        }
        let filter = self.directory.people_filter(&format!("(|{conditions})"));
        let mut found = self.directory.pages(&session.connection, filter, vec!["objectGUID".to_owned()]);
        while let Some(entries) = found.next().await? {
            denied.members.extend(entries.iter().filter_map(entry_guid));
        }
        Ok(denied)
    }
}

/// Reads the rules for passwords. Without the right to read fine-grained policies, there are none.
async fn policies(session: &Session) -> Result<Policies, Failure> {
    let domain = session.root.text("defaultNamingContext").unwrap_or_default();
    let container = format!("CN=Password Settings Container,CN=System,{domain}");
    let found = session.connection.search(&container, "(objectClass=msDS-PasswordSettings)", &POLICY).await?;
    let fine_grained =
        found.iter().filter_map(|policy| Some((policy.dn.to_lowercase(), fine_grained(policy)?)));
    Ok(Policies { domain: published(&session.domain), fine_grained: fine_grained.collect() })
}

/// Returns the rules for one entry; `None` where its fine-grained policy can't be read.
pub(super) async fn policy_of(session: &Session, entry: &Found) -> Result<Option<PublishedPolicy>, Failure> {
    let Some(name) = entry.text(RESULTANT) else { return Ok(Some(published(&session.domain))) };
    Ok(session.connection.read(name, "(objectClass=*)", &POLICY).await?.as_ref().and_then(fine_grained))
}

/// Returns the rules of a fine-grained policy. Samba shows the object without its attributes to those who may not read
/// them: every policy has a threshold, so one without is none that can be read.
fn fine_grained(policy: &Found) -> Option<PublishedPolicy> {
    policy.number("msDS-LockoutThreshold")?;
    let length: u16 = policy.count("msDS-MinimumPasswordLength");
    let threshold: u32 = policy.count("msDS-LockoutThreshold");
    Some(PublishedPolicy {
        min_length: (length > 0).then_some(length),
        complexity: policy.is_true("msDS-PasswordComplexityEnabled"),
        history: policy.count("msDS-PasswordHistoryLength"),
        lockout_threshold: (threshold > 0).then_some(threshold),
        max_age_days: max_age_days(policy, "msDS-MaximumPasswordAge"),
    })
}

/// Returns the identity of the server's database, which a restoration changes (MS-ADTS §3.1.1.1.9).
async fn invocation(session: &Session) -> Result<String, Failure> {
    let service = session.root.text("dsServiceName").unwrap_or_default();
    let settings = session.connection.read(service, "(objectClass=*)", &["invocationId"]).await?;
    let identity = settings.as_ref().and_then(|settings| settings.bytes("invocationId")).and_then(guid_text);
    identity.ok_or(Failure::Misconfigured("the service account can't read the server's settings"))
}

/// Returns the state of a person. The end of a lock is reckoned by the domain's rules: a copy need not know better.
fn state(entry: &Found, domain: &Found, is_denied: bool, now: Timestamp) -> AccountState {
    let control = entry.number("userAccountControl").unwrap_or_default();
    if control & NORMAL_ACCOUNT == 0 {
        return EntryStanding::OutOfScope.account_state(false);
    }
    if is_denied || is_privileged(entry) {
        return EntryStanding::Privileged.account_state(false);
    }
    if control & DISABLED != 0 || entry.windows_time("accountExpires").is_some_and(|end| end <= now) {
        return EntryStanding::Disabled.account_state(false);
    }
    let is_locked = entry.windows_time("lockoutTime").is_some_and(|locked_at| {
        let duration = domain.windows_seconds("lockoutDuration").filter(|&seconds| seconds > 0);
        duration.is_none_or(|seconds| now.as_seconds() < locked_at.as_seconds().saturating_add(seconds))
    });
    EntryStanding::Eligible.account_state(is_locked)
}
