//! The visit of an agent to the page of the help desk.
//!
//! It is sealed in a cookie and nowhere else. It has the groups of the agent that the deployment lists; what they allow
//! is asked of the settings at each request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::help_desk::{Agent, Helpers};
use super::keys::{Keyring, SealError};
use super::oidc::Identity;
use super::time::{Seconds, Timestamp};

/// How long a visit lasts. Activity does not extend it.
pub const LIFETIME: Seconds = Seconds::HOUR;

/// The purposes in the key derivation.
const PURPOSE: &str = "rekey/desk-session";
const AT: &str = "rekey/desk-at";

/// A visit of an agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeskSession {
    /// Random: each visit has forms of its own.
    id: String,
    /// The agent.
    pub agent: Agent,
    /// The name that the page shows.
    pub name: String,
    /// The agent's groups, of those that the deployment lists.
    pub groups: Vec<String>,
    /// The visit ends at this time.
    pub expires_at: Timestamp,
}

impl DeskSession {
    /// Returns the visit of a person who signed in; `None` for one who is no agent. `id` must be random.
    pub fn new(identity: &Identity, agents: &Helpers, id: [u8; 32], now: Timestamp) -> Option<Self> {
        let groups = agents.known(&identity.groups);
        let agent = Agent::of_provider(identity.subject.as_deref()?, &identity.name)?;
        let name = identity.name.clone();
        let id = URL_SAFE_NO_PAD.encode(id);
        (!groups.is_empty()).then(|| Self { id, agent, name, groups, expires_at: now + LIFETIME })
    }

    /// Returns the value of its cookie. `nonce` is the cipher's and must be fresh.
    ///
    /// # Errors
    /// [`SealError`] when the keyring can't seal.
    pub fn seal(&self, flows: &Keyring, nonce: [u8; 24]) -> Result<String, SealError> {
        let plain = serde_json::to_vec(self).map_err(|_| SealError)?;
        flows.seal(PURPOSE, &[], &plain, nonce)
    }

    /// Reads the value of a cookie; `None` for a visit that has ended, or that this service did not begin.
    pub fn open(value: &str, flows: &Keyring, now: Timestamp) -> Option<Self> {
        let plain = flows.open(PURPOSE, &[], value).ok()?;
        let session: Self = serde_json::from_slice(&plain).ok()?;
        session.expires_at.is_ahead(now, LIFETIME).then_some(session)
    }

    /// Returns the reference in the forms of this visit. With it, a form of another visit changes nothing.
    pub fn at(&self, flows: &Keyring) -> Option<String> {
        let tag = flows.tag(flows.oldest(), AT, &[self.id.as_bytes()])?;
        Some(URL_SAFE_NO_PAD.encode(&tag.as_bytes()[..12]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::help_desk::HelperPair;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn agents() -> Helpers {
        Helpers::new(vec![HelperPair::parse_claim("/desk=students").unwrap()])
    }

    fn identity(subject: Option<&str>, groups: &[&str]) -> Identity {
        let groups = groups.iter().map(ToString::to_string).collect();
        Identity::for_tests("m.lim", subject, groups)
    }

    /// Controls: C-243.
    #[test]
    fn only_member_of_listed_group_is_an_agent() {
        let of = |identity: &Identity| DeskSession::new(identity, &agents(), [1; 32], NOW);
        let session = of(&identity(Some("1"), &["staff", "/desk"])).unwrap();
        assert_eq!(session.groups, ["/desk"], "and no other group is kept");
        for other in [
            identity(Some("1"), &[]),
            identity(Some("1"), &["desk", "students", "*"]),
            identity(None, &["/desk"]),
            identity(Some(""), &["/desk"]),
        ] {
            assert!(of(&other).is_none());
        }
        let none = Helpers::default();
        assert!(DeskSession::new(&identity(Some("1"), &["/desk"]), &none, [1; 32], NOW).is_none());
    }

    /// Controls: C-244.
    #[test]
    fn visit_opens_for_an_hour_and_for_this_service_only() {
        let session = DeskSession::new(&identity(Some("1"), &["/desk"]), &agents(), [1; 32], NOW).unwrap();
        let value = session.seal(&keys(), [7; 24]).unwrap();
        assert!(!value.contains("m.lim"));
        let open =
            |seconds| DeskSession::open(&value, &keys(), Timestamp::from_seconds(NOW.as_seconds() + seconds));
        assert_eq!(open(3_599).unwrap().name, "m.lim");
        assert!(open(3_600).is_none() && open(-301).is_none());
        assert!(DeskSession::open(&value[..value.len() - 1], &keys(), NOW).is_none());
        let other = DeskSession::new(&identity(Some("1"), &["/desk"]), &agents(), [2; 32], NOW).unwrap();
        assert_ne!(session.at(&keys()), other.at(&keys()));
    }
}
