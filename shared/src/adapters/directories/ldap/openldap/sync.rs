//! All people of a directory, or those that changed.

use std::collections::HashMap;

use async_trait::async_trait;

use super::super::found::{Found, generalized_time, guid_octets, to_generalized_time};
use super::groups::Members;
use super::policy::Rules;
use super::{ENTRY, OpenLdap, Session, is_locked, standing};
use crate::domain::directory::{DirectoryPerson, EntryStanding, SyncCursor};
use crate::domain::time::Timestamp;
use crate::ports::{DirectoryError, DirectoryPeople, PeopleSink, SyncError};

/// Seconds that a delta reads again. Replication may deliver an older change after a newer one, and clocks of servers
/// differ.
const MARGIN: i64 = 600;

#[async_trait]
impl DirectoryPeople for OpenLdap {
    async fn people(
        &self,
        cursor: Option<&SyncCursor>,
        pages: &dyn PeopleSink,
    ) -> Result<SyncCursor, SyncError> {
        let session = self.session().await.map_err(DirectoryError::from)?;
        // A server has no identity of its own. Its address stands for it, since servers may lag behind each other.
        let server = session.connection.address.to_string();
        let since = match cursor {
            None => None,
            Some(cursor) if cursor.server != server => return Err(SyncError::CursorUnknown),
            Some(cursor) => Some(generalized_time(&cursor.position).ok_or(SyncError::CursorUnknown)?),
        };
        let changed = since.map_or_else(String::new, |since| {
            let since = to_generalized_time(Timestamp::from_seconds(since.as_seconds() - MARGIN));
            // The overlay locks an entry without a new modification time.
            format!("(|(modifyTimestamp>={since})(pwdAccountLockedTime=*))")
        });
        let denied = self.denied_members(&session).await.map_err(DirectoryError::from)?;
        let filter = self.directory.people_filter(&changed);
        let mut attributes: Vec<String> = ["entryUUID", "modifyTimestamp"]
            .iter()
            .chain(ENTRY)
            .filter(|&&name| name != "pwdFailureTime")
            .map(|&name| name.to_owned())
            .collect();
        attributes.extend(self.directory.person_attributes());
        let mut policies = HashMap::new();
        let mut latest = since;
        let mut found = self.directory.pages(&session.connection, filter, attributes);
        while let Some(entries) = found.next().await? {
            latest = entries.iter().filter_map(|entry| entry.time("modifyTimestamp")).chain(latest).max();
            pages.page(self.read_people(&session, &entries, &denied, &mut policies).await?).await?;
        }
        // An empty directory begins anew.
        let position = latest.unwrap_or(Timestamp::from_seconds(MARGIN));
        Ok(SyncCursor { server, position: to_generalized_time(position) })
    }
}

impl OpenLdap {
    async fn read_people(
        &self,
        session: &Session,
        entries: &[Found],
        denied: &Members,
        policies: &mut HashMap<Option<String>, Rules>,
    ) -> Result<Vec<DirectoryPerson>, DirectoryError> {
        let now = self.directory.clock.now();
        let mut people = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(own_id) = entry.text("entryUUID").filter(|own_id| guid_octets(own_id).is_some()) else {
                continue;
            };
            let policy = entry.text("pwdPolicySubentry").map(str::to_owned);
            if !policies.contains_key(&policy) {
                policies.insert(policy.clone(), self.rules(session, entry).await?);
            }
            let rules = policies.get(&policy).unwrap_or(&Rules::Unknown);
            let standing = standing(entry, denied, now);
            let is_locked = standing == EntryStanding::Eligible && is_locked(entry, rules, now);
            let state = standing.account_state(is_locked);
            let id = self.directory.account_id(own_id)?;
            people.push(self.directory.person(entry, id, state, rules.expires_at(entry), rules.published()));
        }
        Ok(people)
    }
}
