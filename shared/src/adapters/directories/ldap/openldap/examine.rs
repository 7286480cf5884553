//! What the service account sees of a directory and of one person, for an operator. `OpenLDAP` tells nobody which rights
//! an account has.

use super::super::conditions;
use super::super::connection::Failure;
use super::super::found::Found;
use super::{ENTRY, OpenLdap, Session};
use crate::domain::directory::{Entry, EntryStanding, EntryVersion};
use crate::domain::directory_examination::{
    Examination, ExaminedPerson, FENCE_MAX, FencedEntry, FencedReason, PEOPLE_MAX, Rights, ServerState,
};

impl OpenLdap {
    /// Adds what can be found to an examination whose servers were tried.
    pub(super) async fn examine_people(
        &self,
        examination: &mut Examination,
        logins: &[String],
    ) -> Result<(), Failure> {
        let addresses = self.directory.servers.addresses.iter().zip(&examination.servers);
        let reached = addresses.filter(|(_, server)| server.state == ServerState::Reached);
        let reached: Vec<_> = reached.map(|(address, _)| address.clone()).collect();
        let session = self.session_of(&reached).await?;
        let named: String =
            self.directory.login_attributes().map(|attribute| conditions(attribute, logins)).collect();
        let filter = format!("(&(objectClass=person)(|{named}))");
        let attributes = [ENTRY, &["entryUUID", "userPassword"]].concat();
        let mut found: Vec<Found> = Vec::new();
        for context in session.root.texts("namingContexts") {
            found.extend(session.connection.search(context, &filter, &attributes).await?);
        }
        for found in found.into_iter().take(PEOPLE_MAX) {
            let person = self.examine_person(&session, &found).await?;
            examination.people.extend(person);
        }
        examination.fence = self.examine_fence(&session).await?;
        let rules = self.rules(&session, &Found::default()).await?;
        examination.checks_history = Some(rules.checks_history());
        Ok(())
    }

    /// Returns some people outside the bases. What the account may do with them is not told.
    async fn examine_fence(&self, session: &Session) -> Result<Vec<FencedEntry>, Failure> {
        let mut fence = Vec::new();
        for context in session.root.texts("namingContexts") {
            let attributes = vec!["entryUUID".to_owned()];
            let page =
                session.connection.page(context, "(objectClass=person)", attributes, Vec::new()).await?;
            let outside = page.entries.into_iter().filter(|found| self.directory.is_outside(&found.dn));
            fence.extend(outside.map(|found| FencedEntry {
                dn: found.dn,
                reason: FencedReason::Outside,
                rights: Rights::unknown(),
            }));
        }
        fence.truncate(FENCE_MAX);
        Ok(fence)
    }

    async fn examine_person(
        &self,
        session: &Session,
        found: &Found,
    ) -> Result<Option<ExaminedPerson>, Failure> {
        let Some(own_id) = found.text("entryUUID") else { return Ok(None) };
        let id =
            self.directory.account_id(own_id).map_err(|_| Failure::Misconfigured("an entryUUID is no id"))?;
        let rules = self.rules(session, found).await?;
        // An entry outside the bases is none for Rekey.
        let outside = || Entry {
            id: id.clone(),
            standing: EntryStanding::OutOfScope,
            is_locked: false,
            must_change: false,
            password_version: EntryVersion::default(),
            lock_version: EntryVersion::default(),
            attempts_left: None,
        };
        let entry = self.read_entry(session, &id).await?.unwrap_or_else(outside);
        Ok(Some(ExaminedPerson {
            base: self.directory.base_of(&found.dn),
            dn: found.dn.clone(),
            entry,
            password_expires_at: rules.expires_at(found),
            policy: rules.published(),
            rights: Rights { reads_hash: found.bytes("userPassword").is_some(), ..Rights::unknown() },
        }))
    }
}
