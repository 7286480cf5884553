//! The members of denied groups, those of nested groups included.

use std::collections::{BTreeSet, HashSet};

use super::super::conditions;
use super::super::connection::Failure;
use super::super::found::Found;
use super::{OpenLdap, Session};

const GROUP: &[&str] = &["member", "uniqueMember", "memberUid"];
const GROUPS: &str = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))";
/// Names in one filter.
const AT_ONCE: usize = 100;
/// Groups within groups. A cycle ends earlier, since each group is read once.
const DEPTH: usize = 16;

/// Members of groups.
#[derive(Default)]
pub(super) struct Members {
    names: HashSet<String>,
    logins: HashSet<String>,
}

impl Members {
    /// Returns whether an entry is one of them.
    pub(super) fn include(&self, entry: &Found) -> bool {
        self.names.contains(&comparable(&entry.dn)) || entry.texts("uid").any(|uid| self.logins.contains(uid))
    }
}

impl OpenLdap {
    /// Returns the members of the denied groups.
    pub(super) async fn denied_members(&self, session: &Session) -> Result<Members, Failure> {
        let mut members = Members::default();
        let mut known = BTreeSet::new();
        let mut groups: Vec<Found> = Vec::new();
        for name in &self.directory.config.denied_groups {
            let group = session.connection.read(name, "(objectClass=*)", GROUP).await?;
            // A group that is misspelt would deny nobody.
            groups.push(group.ok_or(Failure::Misconfigured("a denied group can't be read"))?);
        }
        for _ in 0..DEPTH {
            let mut names: Vec<String> = Vec::new();
            for group in groups.drain(..).filter(|group| known.insert(comparable(&group.dn))) {
                members.logins.extend(group.texts("memberUid").map(str::to_owned));
                for name in group.texts("member").chain(group.texts("uniqueMember")) {
                    if members.names.insert(comparable(name)) {
                        names.push(name.to_owned());
                    }
                }
            }
            if names.is_empty() {
                break;
            }
            groups = groups_among(session, &names).await?;
        }
        Ok(members)
    }
}

/// Returns those of these entries that are groups.
async fn groups_among(session: &Session, names: &[String]) -> Result<Vec<Found>, Failure> {
    let mut groups = Vec::new();
    for names in names.chunks(AT_ONCE) {
        let filter = format!("(&{GROUPS}(|{}))", conditions("entryDN", names));
        for context in session.root.texts("namingContexts") {
            groups.extend(session.connection.search(context, &filter, GROUP).await?);
        }
    }
    Ok(groups)
}

/// Returns a name in the form that names are compared in: case, spaces around separators and the form of escapes do not
/// matter. Names of people differ in more, and a name that is taken for another one excludes too many rather than too
/// few.
fn comparable(name: &str) -> String {
    let mut octets: Vec<u8> = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    // Whether spaces may follow that do not count.
    let mut is_start = true;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        match octet {
            b'\\' => {
                let hex = rest.get(..2).and_then(|digits| hex::decode(digits).ok());
                match (hex, rest.split_first()) {
                    (Some(value), _) => {
                        octets.extend(value);
                        rest = &rest[2..];
                    }
                    (None, Some((&escaped, after))) => {
                        octets.push(escaped);
                        rest = after;
                    }
                    (None, None) => {}
                }
                is_start = false;
            }
            b' ' if is_start => {}
            b',' | b'=' | b'+' | b';' => {
                while octets.last() == Some(&b' ') {
                    octets.pop();
                }
                octets.push(if octet == b';' { b',' } else { octet });
                is_start = true;
            }
            other => {
                octets.push(other);
                is_start = false;
            }
        }
    }
    String::from_utf8_lossy(&octets).trim_end().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_comparable() {
        let expected = comparable("cn=Nur Aisyah,ou=People,dc=contoh,dc=example");
        for same in [
            "CN=nur aisyah, OU=people, DC=contoh, DC=example",
            "cn = Nur Aisyah , ou=People,dc=contoh,dc=example",
            "cn=Nur\\20Aisyah,ou=People,dc=contoh,dc=example",
        ] {
            assert_eq!(comparable(same), expected, "{same}");
        }
        assert_eq!(comparable("cn=Rahman\\, Aisyah,dc=x"), comparable("cn=rahman\\2c aisyah,dc=x"));
        assert_eq!(comparable("cn=\\c3\\a9,dc=x"), comparable("cn=É,dc=x"));
        assert_ne!(comparable("cn=Nur Aisyah,ou=Staff,dc=contoh,dc=example"), expected);
        assert_eq!(comparable("cn=x\\"), "cn=x");
    }
}
