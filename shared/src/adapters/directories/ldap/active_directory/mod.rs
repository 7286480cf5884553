//! Microsoft Active Directory (MS-ADTS), and Samba as a domain controller.

mod answers;
mod examine;
mod fence;
mod rights;
mod sync;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use ldap3::Mod;
use ldap3::controls::RawControl;

use super::connection::{Address, Answer, Connection, Failure, TimeLimits, not_applied, write_failed};
use super::found::{Found, filter_octets, guid_octets, guid_text, security_identifier};
use super::{Directory, Kept, LdapConfigError, NOBODY_ID, conditions, counts_towards_lock};
use crate::domain::account::AccountId;
use crate::domain::directory::{BindResult, Entry, EntryStanding, EntryVersion, PublishedPolicy};
use crate::domain::directory_config::{DirectoryConfig, HistoryRule, ServicePassword};
use crate::domain::directory_examination::{Examination, Fault};
use crate::domain::password::{NewPassword, Violation};
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::{ChangeError, Clock, DirectoryError, LiveDirectory, LivePasswordDirectory, Principal};

/// Matches members of members too (MS-ADTS §3.1.1.3.4.4.3, `LDAP_MATCHING_RULE_TRANSITIVE_EVAL`).
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
/// Makes a reset obey the history of passwords (MS-ADTS §3.1.1.3.4.1.27), since Windows Server 2012, and its predecessor.
const POLICY_HINTS: [&str; 2] = ["1.2.840.113556.1.4.2239", "1.2.840.113556.1.4.2066"];
/// The value of that control: a sequence of the number 1.
const ENFORCE_HISTORY: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x01];

/// Bits of `userAccountControl` (MS-ADTS §2.2.16).
const DISABLED: i64 = 0x2;
const LOCKED_OUT: i64 = 0x10;
const NORMAL_ACCOUNT: i64 = 0x200;
const PASSWORD_EXPIRED: i64 = 0x80_0000;
/// The bit of `pwdProperties` for complexity (MS-SAMR §2.2.1.4, `DOMAIN_PASSWORD_COMPLEX`).
const COMPLEX: i64 = 0x1;
/// The relative identifier of "Domain Users", the usual primary group (MS-DTYP §2.4.2.4).
const DOMAIN_USERS: u32 = 513;

const ROOT: &[&str] =
    &["defaultNamingContext", "dsServiceName", "supportedControl", "highestCommittedUSN", "dnsHostName"];
const DOMAIN: &[&str] = &[
    "fSMORoleOwner",
    "lockoutThreshold",
    "lockOutObservationWindow",
    "lockoutDuration",
    "maxPwdAge",
    "minPwdLength",
    "pwdHistoryLength",
    "pwdProperties",
];
const ENTRY: &[&str] = &[
    "objectSid",
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "lockoutTime",
    "pwdLastSet",
    "accountExpires",
    "adminCount",
    "isCriticalSystemObject",
    "primaryGroupID",
    "badPwdCount",
    "badPasswordTime",
    "msDS-ResultantPSO",
];
const FINE_GRAINED: &[&str] =
    &["msDS-LockoutThreshold", "msDS-LockoutObservationWindow", "msDS-MinimumPasswordLength"];

/// For how long a PDC emulator that can't be reached is not tried again.
const UNREACHABLE_FOR: Seconds = Seconds(300);

/// A domain.
pub struct ActiveDirectory {
    directory: Directory,
    kept: Kept<Session>,
    primary: Mutex<Primary>,
}

/// What is known of the PDC emulator, which alone counts the wrong passwords of all domain controllers.
#[derive(Clone)]
enum Primary {
    Unknown,
    At(Address),
    UnreachableSince(Timestamp),
}

/// A connection, and what its server says of itself and of the domain.
struct Session {
    connection: Connection,
    root: Found,
    domain: Found,
}

impl Session {
    fn supports(&self, control: &str) -> bool {
        self.root.texts("supportedControl").any(|supported| supported == control)
    }

    fn is_primary(&self) -> bool {
        let owner = self.domain.text("fSMORoleOwner");
        owner.is_some_and(|owner| {
            self.root.text("dsServiceName").is_some_and(|own| own.eq_ignore_ascii_case(owner))
        })
    }
}

/// The rules that hold for one entry: its fine-grained policy, or the domain's.
struct Rules {
    threshold: u32,
    window: i64,
    min_length: u16,
}

impl ActiveDirectory {
    /// Returns a domain, reached by a service account. Nothing is connected yet.
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
        let directory = Directory::new(config, account, password, clock, limits)?;
        Ok(Self { directory, kept: Kept::new(), primary: Mutex::new(Primary::Unknown) })
    }

    fn primary(&self) -> Primary {
        self.primary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, primary: Primary) {
        *self.primary.lock().unwrap_or_else(PoisonError::into_inner) = primary;
    }

    /// Connects to the first of these servers that can be reached.
    async fn session(&self, addresses: &[Address]) -> Result<Session, Failure> {
        let connection = self.directory.servers.connect(addresses).await?;
        let root = connection.read("", "(objectClass=*)", ROOT).await?;
        let root = root.ok_or(Failure::Misconfigured("the server has no root entry"))?;
        let domain = root.text("defaultNamingContext").unwrap_or_default();
        let domain = connection.read(domain, "(objectClass=*)", DOMAIN).await?;
        let domain = domain.ok_or(Failure::Misconfigured("the service account can't read the domain"))?;
        Ok(Session { connection, root, domain })
    }

    /// Connects to the PDC emulator, or to another server where it can't be reached.
    async fn primary_session(&self) -> Result<Session, Failure> {
        let mut addresses = self.directory.servers.addresses.clone();
        if let Primary::At(primary) = self.primary() {
            addresses.retain(|address| *address != primary);
            addresses.insert(0, primary);
        }
        let session = self.session(&addresses).await?;
        if session.is_primary() {
            self.remember(Primary::At(session.connection.address.clone()));
            return Ok(session);
        }
        let now = self.directory.clock.now();
        if let Primary::UnreachableSince(since) = self.primary()
            && since.is_within(UNREACHABLE_FOR, now)
        {
            return Ok(session);
        }
        if let Some(address) = self.primary_address(&session).await?
            && let Ok(primary) = self.session(std::slice::from_ref(&address)).await
        {
            self.remember(Primary::At(address));
            return Ok(primary);
        }
        self.remember(Primary::UnreachableSince(now));
        Ok(session)
    }

    /// Returns the address of the PDC emulator: its name stands in the object above its settings, which the domain
    /// names.
    async fn primary_address(&self, session: &Session) -> Result<Option<Address>, Failure> {
        let Some((_, server)) = session.domain.text("fSMORoleOwner").and_then(|owner| owner.split_once(','))
        else {
            return Ok(None);
        };
        let server = session.connection.read(server, "(objectClass=*)", &["dNSHostName"]).await?;
        let Some(host) = server.as_ref().and_then(|server| server.text("dNSHostName")) else {
            return Ok(None);
        };
        let configured = &self.directory.servers.addresses;
        let known = configured.iter().find(|address| address.host.eq_ignore_ascii_case(host));
        let port = session.connection.address.port;
        Ok(Some(known.cloned().unwrap_or_else(|| Address { host: host.to_owned(), port })))
    }

    /// Reads what is said of an entry. An entry that is absent takes the same calls.
    async fn read_entry(&self, session: &Session, id: &AccountId) -> Result<Option<Entry>, Failure> {
        let guid = self.directory.own_id(id);
        let base = format!("<GUID={guid}>");
        let found = session.connection.read(&base, "(objectClass=*)", ENTRY).await?;
        let read = found.clone().unwrap_or_default();
        let (is_person, is_denied, rules) = tokio::join!(
            self.is_person(session, guid),
            self.is_denied(session, &base, &read),
            self.rules(session, &read),
        );
        let (is_person, is_denied, rules) = (is_person?, is_denied?, rules?);
        let Some(found) = found else { return Ok(None) };
        let now = self.directory.clock.now();
        let standing = if is_person { standing(&found, is_denied, now) } else { EntryStanding::OutOfScope };
        let computed = found.number("msDS-User-Account-Control-Computed").unwrap_or_default();
        let is_locked = computed & LOCKED_OUT != 0;
        let version = |name| EntryVersion(found.text(name).unwrap_or_default().to_owned());
        Ok(Some(Entry {
            id: id.clone(),
            standing,
            is_locked,
            must_change: computed & PASSWORD_EXPIRED != 0 || found.number("pwdLastSet") == Some(0),
            password_version: version("pwdLastSet"),
            lock_version: version("lockoutTime"),
            attempts_left: attempts_left(&found, rules.as_ref(), is_locked, now),
        }))
    }

    /// Returns whether exactly one person below the bases has this id.
    async fn is_person(&self, session: &Session, guid: &str) -> Result<bool, Failure> {
        let octets = guid_octets(guid).unwrap_or_default();
        let filter = self.directory.people_filter(&format!("(objectGUID={})", filter_octets(&octets)));
        let mut names = Vec::new();
        for base in &self.directory.config.bases {
            let found = session.connection.search(base, &filter, &["1.1"]).await?;
            names.extend(found.into_iter().map(|entry| entry.dn));
        }
        // Bases may lie in each other.
        names.sort_unstable();
        names.dedup();
        Ok(names.len() == 1)
    }

    /// Returns whether an entry is a member of a denied group, by nested groups and its primary group too.
    async fn is_denied(&self, session: &Session, base: &str, entry: &Found) -> Result<bool, Failure> {
        let groups = &self.directory.config.denied_groups;
        if groups.is_empty() {
            return Ok(false);
        }
        for group in groups {
            let group = session.connection.read(group, "(objectClass=group)", &["1.1"]).await?;
            // A group that is misspelt would deny nobody.
            group.ok_or(Failure::Misconfigured("a denied group does not exist"))?;
        }
        let members = member_filter(groups);
        let by_membership = session.connection.read(base, &format!("(|{members})"), &["1.1"]).await?;
        let primary = entry.count("primaryGroupID");
        let domain = entry.bytes("objectSid").and_then(security_identifier).map(|(domain, _)| domain);
        let primary = format!(
            "<SID={}-{}>",
            domain.unwrap_or_else(|| "S-1-5-21-0-0-0".to_owned()),
            if primary == 0 { DOMAIN_USERS } else { primary }
        );
        let by_primary = format!("(|{members}{})", name_filter(groups));
        let by_primary = session.connection.read(&primary, &by_primary, &["1.1"]).await?;
        Ok(by_membership.is_some() || by_primary.is_some())
    }

    /// Returns the rules for an entry; `None` where its fine-grained policy can't be read.
    async fn rules(&self, session: &Session, entry: &Found) -> Result<Option<Rules>, Failure> {
        let domain = session.root.text("defaultNamingContext").unwrap_or_default();
        let name = entry.text("msDS-ResultantPSO").map_or_else(
            || format!("CN={},CN=Password Settings Container,CN=System,{domain}", super::NOBODY),
            str::to_owned,
        );
        let policy = session.connection.read(&name, "(objectClass=*)", FINE_GRAINED).await?;
        if entry.text("msDS-ResultantPSO").is_none() {
            return Ok(Some(domain_rules(&session.domain)));
        }
        let threshold = policy.as_ref().and_then(|policy| policy.number("msDS-LockoutThreshold"));
        Ok(policy.zip(threshold).map(|(policy, threshold)| Rules {
            threshold: u32::try_from(threshold).unwrap_or_default(),
            window: policy.windows_seconds("msDS-LockoutObservationWindow").unwrap_or(i64::MAX),
            min_length: policy.count("msDS-MinimumPasswordLength"),
        }))
    }

    /// Returns the control that makes a reset obey the history, as far as the server has it.
    fn history_control(
        &self,
        session: &Session,
        refused: &[&str],
    ) -> Result<Option<RawControl>, ChangeError> {
        let known = POLICY_HINTS.iter().find(|oid| session.supports(oid) && !refused.contains(oid));
        if known.is_none() && self.directory.config.history == HistoryRule::Required {
            return Err(not_applied(Failure::Misconfigured("the server can't check earlier passwords")));
        }
        Ok(known.map(|&oid| RawControl {
            ctype: oid.to_owned(),
            crit: true,
            val: Some(ENFORCE_HISTORY.to_vec()),
        }))
    }

    /// Changes an entry on the server that it was read from. A read-only server refers to others, which are tried.
    async fn change(&self, entry: &Entry, change: &Change<'_>) -> Result<(), ChangeError> {
        if entry.standing != EntryStanding::Eligible {
            return Err(ChangeError::NotPermitted);
        }
        let guid = self.directory.own_id(&entry.id);
        let kept = self.kept.take().filter(|session| session.connection.is_open());
        let mut session = match kept {
            Some(session) => session,
            None => self.primary_session().await.map_err(not_applied)?,
        };
        let mut left = self.directory.servers.addresses.clone();
        let mut refused: Vec<&'static str> = Vec::new();
        loop {
            let control =
                if change.sets_password() { self.history_control(&session, &refused)? } else { None };
            let used =
                control.as_ref().and_then(|used| POLICY_HINTS.into_iter().find(|oid| *oid == used.ctype));
            let answer = session
                .connection
                .modify(&format!("<GUID={guid}>"), change.modifications(), control.into_iter().collect())
                .await
                .map_err(write_failed)?;
            match (answer.code, used) {
                (0, _) => return Ok(()),
                // unavailableCriticalExtension: the server names the control and does not know it after all.
                (12, Some(oid)) => refused.push(oid),
                // referral
                (10, _) => {
                    left.retain(|address| *address != session.connection.address);
                    session = self.session(&left).await.map_err(not_applied)?;
                }
                _ => return Err(self.refusal(&session, guid, change, answer).await),
            }
        }
    }

    /// Returns the error for a refused change.
    async fn refusal(
        &self,
        session: &Session,
        guid: &str,
        change: &Change<'_>,
        answer: Answer,
    ) -> ChangeError {
        let Change::Password(password) = change else { return answers::change_error(answer, None) };
        if !answers::is_policy(answer) {
            return answers::change_error(answer, None);
        }
        // The directory names no rule. Its length is known where its policy can be read.
        let units = password.expose().encode_utf16().count();
        let entry = session.connection.read(&format!("<GUID={guid}>"), "(objectClass=*)", ENTRY).await;
        let rules = match entry {
            Ok(Some(entry)) => self.rules(session, &entry).await.ok().flatten(),
            _ => None,
        };
        let too_short = rules.filter(|rules| units < usize::from(rules.min_length));
        let violation = too_short
            .map_or(Violation::RefusedByDirectory, |rules| Violation::TooShort { min: rules.min_length });
        answers::change_error(answer, Some(violation))
    }
}

/// A change of an entry.
enum Change<'a> {
    Password(&'a NewPassword),
    Unlock,
}

impl Change<'_> {
    const fn sets_password(&self) -> bool {
        matches!(self, Self::Password(_))
    }

    /// Returns the change as one request, which the server makes as a whole or not at all. A password is written
    /// in quotation marks, in UTF-16 (MS-ADTS §3.1.1.3.1.5.1).
    fn modifications(&self) -> Vec<Mod<Vec<u8>>> {
        let replace = |name: &str, value: Vec<u8>| Mod::Replace(name.as_bytes().to_vec(), [value].into());
        let unlock = replace("lockoutTime", b"0".to_vec());
        match self {
            Self::Unlock => vec![unlock],
            Self::Password(password) => {
                let quoted = ['"'].into_iter().chain(password.expose().chars()).chain(['"']);
                let mut units = [0; 2];
                let octets = quoted
                    .flat_map(|c| c.encode_utf16(&mut units).to_vec())
                    .flat_map(u16::to_le_bytes)
                    .collect();
                vec![replace("unicodePwd", octets), unlock]
            }
        }
    }
}

fn standing(entry: &Found, is_denied: bool, now: Timestamp) -> EntryStanding {
    let control: i64 = entry.number("userAccountControl").unwrap_or_default();
    if control & NORMAL_ACCOUNT == 0 {
        EntryStanding::OutOfScope
    } else if is_denied || is_privileged(entry) {
        EntryStanding::Privileged
    } else if control & DISABLED != 0 {
        EntryStanding::Disabled
    } else if entry.windows_time("accountExpires").is_some_and(|end| end <= now) {
        EntryStanding::Expired
    } else {
        EntryStanding::Eligible
    }
}

/// Returns whether an entry is or was a member of a protected group (MS-ADTS §3.1.1.6.1), or belongs to the domain itself.
fn is_privileged(entry: &Found) -> bool {
    entry.count::<u32>("adminCount") > 0 || entry.is_true("isCriticalSystemObject")
}

/// Returns the attempts that are left. An unreadable policy may lock at the next one.
fn attempts_left(entry: &Found, rules: Option<&Rules>, is_locked: bool, now: Timestamp) -> Option<u32> {
    let Some(rules) = rules else { return Some(0) };
    if rules.threshold == 0 {
        return None;
    }
    if is_locked {
        return Some(0);
    }
    let counts = entry
        .windows_time("badPasswordTime")
        .is_some_and(|failed_at| counts_towards_lock(failed_at, rules.window, now));
    let failures = if counts { entry.count("badPwdCount") } else { 0 };
    Some(rules.threshold.saturating_sub(failures))
}

fn domain_rules(domain: &Found) -> Rules {
    Rules {
        threshold: domain.count("lockoutThreshold"),
        window: domain.windows_seconds("lockOutObservationWindow").unwrap_or(i64::MAX),
        min_length: domain.count("minPwdLength"),
    }
}

fn published(domain: &Found) -> PublishedPolicy {
    let length: u16 = domain.count("minPwdLength");
    let threshold: u32 = domain.count("lockoutThreshold");
    PublishedPolicy {
        min_length: (length > 0).then_some(length),
        complexity: domain.number("pwdProperties").unwrap_or_default() & COMPLEX != 0,
        history: domain.count("pwdHistoryLength"),
        lockout_threshold: (threshold > 0).then_some(threshold),
        max_age_days: max_age_days(domain, "maxPwdAge"),
    }
}

/// Returns a duration in whole days; `None` for one without end.
fn max_age_days(policy: &Found, name: &str) -> Option<u32> {
    let seconds = policy.windows_seconds(name).filter(|&seconds| seconds > 0)?;
    u32::try_from(seconds / 86_400).ok()
}

/// Returns the conditions for members of any of these groups, for an "or".
fn member_filter(groups: &[String]) -> String {
    conditions(&format!("memberOf:{IN_CHAIN}:"), groups)
}

/// Returns the conditions for these groups themselves, for an "or".
fn name_filter(groups: &[String]) -> String {
    conditions("distinguishedName", groups)
}

fn entry_guid(entry: &Found) -> Option<String> {
    entry.bytes("objectGUID").and_then(guid_text)
}

#[async_trait]
impl LiveDirectory for ActiveDirectory {
    async fn entry(&self, id: &AccountId) -> Result<Option<Entry>, DirectoryError> {
        let session = self.primary_session().await?;
        let entry = self.read_entry(&session, id).await?;
        self.kept.keep(session);
        Ok(entry)
    }

    async fn bind(&self, principal: Principal<'_>, password: &str) -> Result<BindResult, DirectoryError> {
        if password.is_empty() {
            return Ok(BindResult::Refused);
        }
        let kept = self.kept.take().filter(|session| session.connection.is_open());
        let session = match kept {
            Some(session) => session,
            None => self.primary_session().await?,
        };
        let guid = match principal {
            Principal::Entry(entry) => self.directory.own_id(&entry.id),
            Principal::Nobody => NOBODY_ID,
        };
        let found = session.connection.read(&format!("<GUID={guid}>"), "(objectClass=*)", &["1.1"]).await?;
        let name = found.map_or_else(|| self.directory.nobody(), |found| found.dn);
        Ok(answers::bind_result(session.connection.bind(&name, password, Vec::new()).await?)?)
    }

    async fn policy(&self) -> Result<PublishedPolicy, DirectoryError> {
        let session = self.session(&self.directory.servers.addresses).await?;
        Ok(published(&session.domain))
    }

    async fn examine(&self, logins: &[String]) -> Examination {
        let mut examination = self.directory.examine_servers().await;
        let examined = self.examine_people(&mut examination, logins).await;
        examination.fault = examined.err().map(|failure| Fault::from(&failure));
        examination
    }
}

#[async_trait]
impl LivePasswordDirectory for ActiveDirectory {
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
