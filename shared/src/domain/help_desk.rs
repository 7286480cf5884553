//! The help desk: agents, the people whom they may help, and the rules of their acts.
//!
//! An agent checks who is calling before a pass is given or a method is removed. Two acts need two agents: the removal
//! of the last old factor, and a further pass for one person within seven days. The second agent repeats the act.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::account::AccountState;
use super::challenge::Challenge;
use super::method::Method;
use super::security_info::{Entry, EntryId, Registered};
use super::time::{Seconds, Timestamp};

/// How long a check of the caller counts.
pub const CHECK_LIFETIME: Seconds = Seconds(1_800);
/// How long a second agent may repeat an act.
pub const SECOND_AGENT_WITHIN: Seconds = Seconds::HOUR;
/// Within this time, a further pass for one person needs a second agent.
pub const PASSES_COUNTED: Seconds = Seconds(7 * Seconds::DAY.0);
/// The store keeps a record for this long after its last change.
pub const RECORD_KEPT: Seconds = Seconds(8 * Seconds::DAY.0);
/// The validity of a pass that an agent gives, in minutes: the shortest and the longest.
pub const PASS_MINUTES: (u32, u32) = (10, 1_440);
/// The fewest and the most characters of a reason, and of a document's name.
const TEXT: (usize, usize) = (3, 200);
/// What the name of an agent begins with whom the identity provider named.
const OF_PROVIDER: &str = "oidc:";

/// An agent: as AWS names the caller of a function, or as the identity provider names a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Agent(String);

impl Agent {
    /// Reads the ARN of an IAM user or of the session of a role in the AWS account `account`; `None` for any other
    /// caller. An identity of another account can have any name.
    pub fn parse(arn: &str, account: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "iam" | "sts", "", owner, name] = parts[..] else { return None };
        let is_person = name.starts_with("user/") || name.starts_with("assumed-role/");
        let is_plain = name.len() <= 512 && name.chars().all(|c| c.is_ascii_graphic());
        (owner == account && is_person && is_plain).then(|| Self(arn.to_owned()))
    }

    /// Returns a person whom the identity provider named, by their unchanging id (`sub`) and their name; `None` for an id
    /// that is empty or too long.
    pub fn of_provider(subject: &str, name: &str) -> Option<Self> {
        let is_plain = (1..=255).contains(&subject.len()) && subject.chars().all(|c| c.is_ascii_graphic());
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let subject = subject.replace('%', "%25").replace('/', "%2F");
        is_plain.then(|| Self(format!("{OF_PROVIDER}{subject}/{name}")))
    }

    /// Returns the ARN, or `oidc:ID/NAME`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is another person than `first` for certain. One person may have a role of AWS and an account at
    /// the identity provider, so only two who came by the same door are told apart. There, an id counts and no name.
    pub fn is_other_than(&self, first: &Self) -> bool {
        let parts = |agent: &Self| {
            let of_provider = agent.0.strip_prefix(OF_PROVIDER).and_then(|rest| rest.split_once('/'));
            of_provider.map(|(id, _)| id.to_owned())
        };
        match (parts(self), parts(first)) {
            (None, None) => self != first,
            (Some(own), Some(other)) => own != other,
            _ => false,
        }
    }

    /// Returns the name that the setting `REKEY_HELPERS` lists: of a role's session the role, of a user the user's own.
    pub fn role(&self) -> &str {
        let name = self.0.splitn(6, ':').nth(5).unwrap_or_default();
        let mut parts = name.split('/');
        match parts.next() {
            Some("assumed-role") => parts.next().unwrap_or_default(),
            // A user's ARN has the path before the name.
            _ => name.rsplit('/').next().unwrap_or_default(),
        }
    }
}

/// Which agents help which people (`REKEY_HELPERS`): pairs of a role and a group of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Helpers(Vec<(String, Group)>);

/// People whom an agent may help.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Group {
    Everybody,
    Named(String),
}

impl Helpers {
    /// Takes pairs from the setting.
    pub fn new(pairs: Vec<HelperPair>) -> Self {
        Self(pairs.into_iter().map(|HelperPair(role, group)| (role, group)).collect())
    }

    /// Returns whether the agent may help people of `group`. Without any pair, every agent whom IAM lets invoke the
    /// function may help everybody. People without a group are helped by those who may help everybody.
    pub fn may_help(&self, agent: &Agent, group: Option<&str>) -> bool {
        self.0.is_empty() || self.help(agent.role(), group)
    }

    /// Returns whether somebody of the groups `own` may help people of `group`. Without any pair, nobody may.
    pub fn may_help_by(&self, own: &[String], group: Option<&str>) -> bool {
        own.iter().any(|own| self.help(own, group))
    }

    /// Returns those groups of a person that the setting lists.
    pub fn known(&self, groups: &[String]) -> Vec<String> {
        let is_listed = |group: &&String| self.0.iter().any(|(role, _)| role == *group);
        groups.iter().filter(is_listed).cloned().collect()
    }

    /// Returns whether there is any pair.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn help(&self, role: &str, group: Option<&str>) -> bool {
        let has = |own: &Group| match own {
            Group::Everybody => true,
            Group::Named(own) => group == Some(own.as_str()),
        };
        self.0.iter().any(|(listed, own)| listed == role && has(own))
    }
}

/// A role with a group of people that it may help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelperPair(String, Group);

impl HelperPair {
    /// Reads `ROLE=GROUP`, or `ROLE=*` for everybody.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text, |c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c))
    }

    /// Reads the same with a group of the identity provider in the role's place. It may have a path, or blanks.
    pub fn parse_claim(text: &str) -> Option<Self> {
        Self::read(text, |c| !c.is_control())
    }

    fn read(text: &str, fits: impl Fn(char) -> bool) -> Option<Self> {
        let (role, group) = text.split_once('=')?;
        let (role, group) = (role.trim(), group.trim());
        let is_role = !role.is_empty() && role.chars().all(fits);
        let group = match group {
            "" => return None,
            "*" => Group::Everybody,
            named => Group::Named(named.to_owned()),
        };
        is_role.then(|| Self(role.to_owned(), group))
    }
}

/// A text that an agent types for the record: why, or which document was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Remark(String);

impl Remark {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text has fewer than three or more than 200 characters, or a control character.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a text of 3 to 200 characters in one line")]
pub struct RemarkError;

impl TryFrom<String> for Remark {
    type Error = RemarkError;

    fn try_from(text: String) -> Result<Self, RemarkError> {
        let text = text.trim();
        let fits = (TEXT.0..=TEXT.1).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(RemarkError) }
    }
}

impl From<Remark> for String {
    fn from(remark: Remark) -> Self {
        remark.0
    }
}

/// How the identity of a caller was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckedBy {
    /// The caller read out a code that was sent to an enrolled contact.
    Code(Method),
    /// The caller read out a code of the authenticator app.
    App,
    /// The agent saw this document.
    Document(Remark),
}

/// A check of a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerCheck {
    /// How.
    pub by: CheckedBy,
    /// The agent who checked.
    pub agent: Agent,
    /// When.
    pub at: Timestamp,
}

/// An act that may need a second agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardedAct {
    /// A pass.
    Pass,
    /// The pass of a letter.
    ActivationPass,
    /// The removal of this entry.
    Removal(EntryId),
}

/// An act that waits for a second agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Awaiting {
    act: GuardedAct,
    agent: Agent,
    at: Timestamp,
}

/// What the help desk did for one person lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskRecord {
    /// The code that a caller has to read out.
    #[serde(default)]
    pub challenge: Option<Challenge>,
    #[serde(default)]
    check: Option<CallerCheck>,
    /// The times of passes within seven days.
    #[serde(default)]
    passes: Vec<Timestamp>,
    #[serde(default)]
    awaiting: Option<Awaiting>,
}

/// The reason why an act is not carried out now.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DeskRefusal {
    /// Nobody checked the caller within half an hour.
    #[error("the caller's identity was not checked")]
    NotChecked,
    /// Another agent must repeat the act until this time.
    #[error("another agent must repeat it")]
    NeedsAnotherAgent(Timestamp),
}

impl DeskRecord {
    /// Records a check. An earlier challenge ends.
    pub fn note_check(&mut self, by: CheckedBy, agent: &Agent, now: Timestamp) {
        self.challenge = None;
        self.check = Some(CallerCheck { by, agent: agent.clone(), at: now });
    }

    /// Returns the check that still counts.
    ///
    /// # Errors
    /// [`DeskRefusal::NotChecked`].
    pub fn check(&self, now: Timestamp) -> Result<&CallerCheck, DeskRefusal> {
        let check = self.check.as_ref().filter(|check| check.at.is_within(CHECK_LIFETIME, now));
        check.ok_or(DeskRefusal::NotChecked)
    }

    /// Decides whether an agent may give a pass, and counts it. It uses up the check of the caller.
    ///
    /// # Errors
    /// [`DeskRefusal`]. The record then has what the second agent needs.
    pub fn give_pass(&mut self, agent: &Agent, now: Timestamp) -> Result<CallerCheck, DeskRefusal> {
        let check = self.check(now)?.clone();
        self.passes.retain(|at| at.is_within(PASSES_COUNTED, now));
        self.agree(GuardedAct::Pass, !self.passes.is_empty(), agent, now)?;
        self.passes.push(now);
        self.check = None;
        Ok(check)
    }

    /// Decides whether an agent may send a pass in a letter, and counts it. Nobody calls, so nobody is checked: another
    /// factor of the person does it when the pass is used.
    ///
    /// # Errors
    /// [`DeskRefusal::NeedsAnotherAgent`] for a further pass. The record then has what the second agent needs.
    pub fn give_activation_pass(&mut self, agent: &Agent, now: Timestamp) -> Result<(), DeskRefusal> {
        self.passes.retain(|at| at.is_within(PASSES_COUNTED, now));
        self.agree(GuardedAct::ActivationPass, !self.passes.is_empty(), agent, now)?;
        self.passes.push(now);
        Ok(())
    }

    /// Decides whether an agent may remove an entry. The check of the caller stays: a lost telephone is often the number
    /// and the app.
    ///
    /// # Errors
    /// [`DeskRefusal`]. The record then has what the second agent needs.
    pub fn remove(
        &mut self,
        id: &EntryId,
        registered: &Registered,
        agent: &Agent,
        now: Timestamp,
    ) -> Result<CallerCheck, DeskRefusal> {
        let check = self.check(now)?.clone();
        self.agree(GuardedAct::Removal(id.clone()), is_last_old_factor(id, registered, now), agent, now)?;
        Ok(check)
    }

    /// Returns whether the act may be carried out now: it needs no second agent, or this is the second one.
    fn agree(
        &mut self,
        act: GuardedAct,
        needs_two: bool,
        agent: &Agent,
        now: Timestamp,
    ) -> Result<(), DeskRefusal> {
        if !needs_two {
            return Ok(());
        }
        let first = self.awaiting.take().filter(|first| first.at.is_within(SECOND_AGENT_WITHIN, now));
        match first.filter(|first| first.act == act) {
            Some(first) if agent.is_other_than(&first.agent) => Ok(()),
            // A repetition by the same agent does not prolong the wait.
            first => {
                let first = first.unwrap_or_else(|| Awaiting { act, agent: agent.clone(), at: now });
                let until = first.at + SECOND_AGENT_WITHIN;
                self.awaiting = Some(first);
                Err(DeskRefusal::NeedsAnotherAgent(until))
            }
        }
    }
}

/// Returns whether the removal of an entry leaves no factor that a reset can begin with: none that has been active for
/// the waiting period, though there is one now.
pub fn is_last_old_factor(id: &EntryId, registered: &Registered, now: Timestamp) -> bool {
    // While a contact waits, the one that it replaces serves, and stays if the waiting one is removed.
    let replaces = |entry: &Entry| entry.active_from > now && entry.predecessor.is_some();
    let is_old = |entry: &Entry| replaces(entry) || (entry.old_from <= now && !entry.is_used_up());
    let removed = registered.entries.iter().find(|entry| entry.id == *id);
    removed.is_some_and(|entry| is_old(entry) && !replaces(entry))
        && !registered.entries.iter().any(|entry| entry.id != *id && is_old(entry))
}

/// Returns a name as a mask: the first letter of each word.
pub fn masked_name(name: &str) -> String {
    let word = |word: &str| word.chars().next().map(|first| format!("{first}…"));
    name.split_whitespace().filter_map(word).collect::<Vec<_>>().join(" ")
}

/// Returns whether the help desk may change something for an account: privileged and disabled ones are fenced off.
pub const fn may_be_helped(state: AccountState) -> bool {
    state.may_reset()
}

/// The validity of a pass that an agent gives.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct PassMinutes(u32);

impl PassMinutes {
    /// Returns it in seconds.
    pub const fn seconds(self) -> Seconds {
        Seconds(self.0 * 60)
    }
}

impl fmt::Debug for PassMinutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} min", self.0)
    }
}

impl TryFrom<u32> for PassMinutes {
    type Error = &'static str;

    fn try_from(minutes: u32) -> Result<Self, Self::Error> {
        let (shortest, longest) = PASS_MINUTES;
        let fits = (shortest..=longest).contains(&minutes);
        fits.then_some(Self(minutes)).ok_or("not from 10 minutes to a day")
    }
}

impl From<PassMinutes> for u32 {
    fn from(minutes: PassMinutes) -> Self {
        minutes.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const ACCOUNT: &str = "123456789012";

    fn agent(name: &str) -> Agent {
        Agent::parse(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/Helpers/{name}"), ACCOUNT).unwrap()
    }

    fn checked() -> DeskRecord {
        let mut record = DeskRecord::default();
        record.note_check(CheckedBy::App, &agent("m.lim"), NOW);
        record
    }

    fn later(seconds: u32) -> Timestamp {
        NOW + Seconds(seconds)
    }

    fn registered(entries: &[(&str, i64, i64)]) -> Registered {
        let at = |seconds: i64| Timestamp::from_seconds(NOW.as_seconds() + seconds);
        let entries = entries.iter().map(|(id, active_from, old_from)| Entry {
            id: EntryId::parse(id).unwrap(),
            shown: "0".into(),
            added_at: at(-9_999_999),
            last_used_at: None,
            active_from: at(*active_from),
            old_from: at(*old_from),
            predecessor: None,
        });
        Registered { entries: entries.collect(), ..Registered::default() }
    }

    /// Controls: C-220.
    #[test]
    fn agent_is_a_person_of_the_own_account() {
        for (arn, role) in [
            ("arn:aws:sts::123456789012:assumed-role/Helpers/m.lim@contoh.example", "Helpers"),
            ("arn:aws:iam::123456789012:user/staff/m.lim", "m.lim"),
            ("arn:aws-cn:iam::123456789012:user/m.lim", "m.lim"),
        ] {
            assert_eq!(Agent::parse(arn, ACCOUNT).unwrap().role(), role);
        }
        for arn in [
            "arn:aws:sts::210987654321:assumed-role/Helpers/m.lim",
            "arn:aws:iam::123456789012:root",
            "arn:aws:sts::123456789012:federated-user/m.lim",
            "arn:aws:sts::123456789012:assumed-role/Helpers/m lim",
            "m.lim",
            "",
        ] {
            assert_eq!(Agent::parse(arn, ACCOUNT), None, "{arn}");
        }
    }

    /// Controls: C-221.
    #[test]
    fn helpers_are_limited_to_groups_of_people() {
        let pairs = |texts: &[&str]| {
            Helpers::new(texts.iter().map(|text| HelperPair::parse(text).unwrap()).collect())
        };
        let helpers = pairs(&["Helpers=students", "Helpers=alumni", "Chiefs=*"]);
        let may = |role: &str, group| {
            let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/x");
            helpers.may_help(&Agent::parse(&arn, ACCOUNT).unwrap(), group)
        };
        assert!(may("Helpers", Some("students")) && may("Helpers", Some("alumni")));
        assert!(!may("Helpers", Some("staff")) && !may("Helpers", None), "another group, or none");
        assert!(may("Chiefs", Some("staff")) && may("Chiefs", None));
        assert!(!may("Others", Some("students")), "a role that is not listed");
        assert!(Helpers::default().may_help(&agent("m.lim"), None), "IAM alone decides");
        for wrong in ["", "Helpers", "Helpers=", "=students", "a b=students", "a/b=students"] {
            assert_eq!(HelperPair::parse(wrong), None, "{wrong}");
        }
    }

    /// Controls: C-222.
    #[test]
    fn check_of_caller_ends_after_half_an_hour_or_a_pass() {
        let lim = agent("m.lim");
        assert_eq!(DeskRecord::default().give_pass(&lim, NOW), Err(DeskRefusal::NotChecked));
        assert!(checked().give_pass(&lim, later(1_799)).is_ok());
        assert_eq!(checked().give_pass(&lim, later(1_800)), Err(DeskRefusal::NotChecked));
        let mut record = checked();
        assert_eq!(record.give_pass(&lim, NOW).unwrap().by, CheckedBy::App);
        assert_eq!(record.give_pass(&lim, NOW), Err(DeskRefusal::NotChecked), "used up");
    }

    /// Controls: C-223.
    #[test]
    fn second_pass_within_a_week_needs_another_agent() {
        let (lim, tan) = (agent("m.lim"), agent("s.tan"));
        let mut record = checked();
        record.give_pass(&lim, NOW).unwrap();
        let last_day = later(PASSES_COUNTED.0 - 1);
        record.note_check(CheckedBy::App, &lim, last_day);
        let until = last_day + SECOND_AGENT_WITHIN;
        for _ in 0..2 {
            assert_eq!(
                record.give_pass(&lim, last_day),
                Err(DeskRefusal::NeedsAnotherAgent(until)),
                "the same one"
            );
        }
        let mut late = record.clone();
        assert!(record.give_pass(&tan, last_day).is_ok());
        let too_late = until;
        late.note_check(CheckedBy::App, &tan, too_late);
        assert!(late.give_pass(&tan, too_late).is_ok(), "a week is over");
        let mut week = checked();
        week.give_pass(&lim, NOW).unwrap();
        week.note_check(CheckedBy::App, &lim, later(PASSES_COUNTED.0));
        assert!(week.give_pass(&lim, later(PASSES_COUNTED.0)).is_ok(), "seven days later");
    }

    /// Controls: C-223, C-270.
    #[test]
    fn letters_and_passes_of_a_person_count_together() {
        let (lim, tan) = (agent("m.lim"), agent("s.tan"));
        let mut record = DeskRecord::default();
        assert_eq!(record.give_activation_pass(&lim, NOW), Ok(()), "without a check");
        let until = later(3_600);
        assert_eq!(record.give_activation_pass(&lim, NOW), Err(DeskRefusal::NeedsAnotherAgent(until)));
        record.note_check(CheckedBy::App, &tan, NOW);
        assert!(record.clone().give_pass(&tan, NOW).is_err(), "the first agent asked for a letter");
        assert_eq!(record.give_activation_pass(&tan, NOW), Ok(()));
        assert!(record.check(NOW).is_ok(), "a letter uses up no check");
        let week = later(PASSES_COUNTED.0);
        assert_eq!(record.give_activation_pass(&lim, week), Ok(()), "seven days later");
    }

    /// Controls: C-223.
    #[test]
    fn second_agent_repeats_the_same_act_within_an_hour() {
        let (lim, tan) = (agent("m.lim"), agent("s.tan"));
        let held = registered(&[("mobile", -2, -1)]);
        let other = registered(&[("totp", -2, -1)]);
        let [mobile, totp] = ["mobile", "totp"].map(|id| EntryId::parse(id).unwrap());
        let mut record = checked();
        let until = later(3_600);
        assert_eq!(record.remove(&mobile, &held, &lim, NOW), Err(DeskRefusal::NeedsAnotherAgent(until)));
        let asked = record.clone();
        assert_eq!(
            record.remove(&totp, &other, &tan, NOW),
            Err(DeskRefusal::NeedsAnotherAgent(until)),
            "another entry begins anew"
        );
        assert!(asked.clone().remove(&mobile, &held, &tan, later(1_000)).is_ok());
        let mut late = asked;
        late.note_check(CheckedBy::App, &tan, later(3_600));
        assert!(late.remove(&mobile, &held, &tan, later(3_600)).is_err(), "an hour later");
    }

    /// Controls: C-223.
    #[test]
    fn last_old_factor_is_found_among_young_and_empty_ones() {
        let is_last = |id: &str, entries: &[(&str, i64, i64)]| {
            is_last_old_factor(&EntryId::parse(id).unwrap(), &registered(entries), NOW)
        };
        let (old, young, waiting) = ((-2, -1), (-1, 1), (1, 2));
        assert!(is_last("mobile", &[("mobile", old.0, old.1)]));
        assert!(is_last("mobile", &[("mobile", old.0, old.1), ("totp", young.0, young.1)]));
        assert!(
            is_last("mobile", &[("mobile", old.0, old.1), ("recovery_codes", old.0, old.1)]),
            "a used up sheet"
        );
        assert!(!is_last("mobile", &[("mobile", old.0, old.1), ("totp", old.0, old.1)]));
        assert!(!is_last("totp", &[("mobile", old.0, old.1), ("totp", young.0, young.1)]), "a young one");
        assert!(!is_last("mobile", &[("mobile", waiting.0, waiting.1)]), "nothing serves yet");
        let mut replaced = registered(&[("mobile", waiting.0, waiting.1)]);
        replaced.entries[0].predecessor = Some("*****98".into());
        let mobile = EntryId::parse("mobile").unwrap();
        assert!(!is_last_old_factor(&mobile, &replaced, NOW), "the earlier one serves again");
        let totp = registered(&[("totp", old.0, old.1)]).entries;
        replaced.entries.extend(totp);
        assert!(
            !is_last_old_factor(&EntryId::parse("totp").unwrap(), &replaced, NOW),
            "the earlier one serves"
        );
    }

    /// Controls: C-245.
    #[test]
    fn only_agents_of_one_door_are_told_apart() {
        let of = |id: &str, name: &str| Agent::of_provider(id, name).unwrap();
        let arn = |name: &str| Agent(format!("arn:aws:sts::{ACCOUNT}:assumed-role/helpers/{name}"));
        assert!(arn("m.lim").is_other_than(&arn("s.tan")) && !arn("m.lim").is_other_than(&arn("m.lim")));
        assert!(of("1", "m.lim").is_other_than(&of("2", "m.lim")));
        assert!(!of("1", "m.lim").is_other_than(&of("1", "s.tan")), "the same id by another name");
        assert!(of("1/2", "x").is_other_than(&of("1", "2/x")), "a slash in the id");
        assert!(
            !arn("m.lim").is_other_than(&of("1", "s.tan")) && !of("1", "s.tan").is_other_than(&arn("m.lim"))
        );
        assert_eq!(of("a/b%", "m.lim\n").as_str(), "oidc:a%2Fb%25/m.lim");
        for subject in ["", "a b", "\u{e9}", &"a".repeat(256)] {
            assert_eq!(Agent::of_provider(subject, "m.lim"), None);
        }
        assert_eq!(Agent::parse("oidc:1/m.lim", ACCOUNT), None, "no caller of AWS is named so");
    }

    /// Nobody is an agent of the page by default, and IAM's roles are no groups.
    /// Controls: C-243.
    #[test]
    fn groups_of_the_provider_help_their_people_only() {
        let agents = Helpers::new(
            ["/desk=students", "it chiefs=*"].map(|pair| HelperPair::parse_claim(pair).unwrap()).to_vec(),
        );
        let may = |own: &[&str], group| {
            agents.may_help_by(&own.iter().map(ToString::to_string).collect::<Vec<_>>(), group)
        };
        assert!(may(&["/desk"], Some("students")) && may(&["staff", "it chiefs"], None));
        assert!(!may(&["/desk"], Some("staff")) && !may(&["/desk"], None) && !may(&[], Some("students")));
        assert!(!may(&["students", "*", "/desk2"], Some("students")));
        assert!(!Helpers::default().may_help_by(&["/desk".to_owned()], Some("students")));
        for wrong in ["/desk", "=students", "/desk=", "a\nb=x"] {
            assert_eq!(HelperPair::parse_claim(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_masked_by_word() {
        assert_eq!(masked_name("Nur Aisyah binti Rahman"), "N… A… b… R…");
        assert_eq!(masked_name("陈美玲"), "陈…");
    }

    #[test]
    fn record_round_trips_and_reads_an_empty_one() {
        let mut record = checked();
        record.give_pass(&agent("m.lim"), NOW).unwrap();
        record.note_check(
            CheckedBy::Document(Remark::try_from("student card".to_owned()).unwrap()),
            &agent("x"),
            NOW,
        );
        let _ = record.give_pass(&agent("m.lim"), NOW);
        let stored = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<DeskRecord>(&stored).unwrap(), record);
        assert_eq!(serde_json::from_str::<DeskRecord>("{}").unwrap(), DeskRecord::default());
    }

    /// Controls: C-225.
    #[test]
    fn remarks_and_validity_are_bounded() {
        let remark = |text: &str| Remark::try_from(text.to_owned());
        assert_eq!(remark("  lost phone ").unwrap().as_str(), "lost phone");
        for wrong in ["", "ab", "a\nb c", &"a".repeat(201)] {
            assert!(remark(wrong).is_err(), "{wrong:?}");
        }
        assert!([10, 15, 1_440].into_iter().all(|minutes| PassMinutes::try_from(minutes).is_ok()));
        assert!([0, 9, 1_441, u32::MAX].into_iter().all(|minutes| PassMinutes::try_from(minutes).is_err()));
    }
}
