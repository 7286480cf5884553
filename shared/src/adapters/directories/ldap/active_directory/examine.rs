//! What the service account sees of a domain and of one person, for an operator.

use super::super::conditions;
use super::super::connection::{Failure, examined};
use super::super::found::Found;
use super::sync::policy_of;
use super::{ActiveDirectory, POLICY_HINTS, Session, entry_guid, rights};
use crate::domain::directory_examination::{
    Examination, ExaminedPerson, ExaminedServer, PEOPLE_MAX, ServerState,
};

impl ActiveDirectory {
    /// Adds what can be found to an examination whose servers were tried.
    pub(super) async fn examine_people(
        &self,
        examination: &mut Examination,
        logins: &[String],
    ) -> Result<(), Failure> {
        let session = self.examined_session(examination).await?;
        examination.checks_history = Some(POLICY_HINTS.iter().any(|oid| session.supports(oid)));
        let domain = session.root.text("defaultNamingContext").unwrap_or_default();
        let named: String =
            self.directory.login_attributes().map(|attribute| conditions(attribute, logins)).collect();
        // Entries outside the bases too: the operator learns where they are.
        let filter = format!("(&(objectCategory=person)(objectClass=user)(|{named}))");
        let attributes = &["objectGUID", "msDS-UserPasswordExpiryTimeComputed", "msDS-ResultantPSO"];
        let found = session.connection.search(domain, &filter, attributes).await?;
        for found in found.into_iter().take(PEOPLE_MAX) {
            let person = self.examine_person(&session, &found).await?;
            examination.people.extend(person);
        }
        examination.fence = self.examine_fence(&session).await?;
        Ok(())
    }

    /// Connects to the PDC emulator, or to a server that was reached.
    async fn examined_session(&self, examination: &mut Examination) -> Result<Session, Failure> {
        let addresses = &self.directory.servers.addresses;
        let reached: Vec<_> = addresses
            .iter()
            .zip(&examination.servers)
            .filter(|(_, server)| server.state == ServerState::Reached)
            .map(|(address, _)| address.clone())
            .collect();
        let session = self.session(&reached).await?;
        let is_at = |address: &super::Address| addresses.iter().position(|known| known == address);
        if session.is_primary() {
            if let Some(place) = is_at(&session.connection.address) {
                examination.servers[place].is_primary = true;
            }
            return Ok(session);
        }
        let Some(address) = self.primary_address(&session).await? else { return Ok(session) };
        let primary = self.session(std::slice::from_ref(&address)).await;
        if let Some(place) = is_at(&address) {
            examination.servers[place].is_primary = true;
        } else {
            let server = examined(&address, primary.as_ref().err());
            examination.servers.push(ExaminedServer { is_primary: true, ..server });
        }
        Ok(primary.unwrap_or(session))
    }

    async fn examine_person(
        &self,
        session: &Session,
        found: &Found,
    ) -> Result<Option<ExaminedPerson>, Failure> {
        let Some(guid) = entry_guid(found) else { return Ok(None) };
        let id = self.directory.account_id(&guid).map_err(|_| Failure::Misconfigured("an id is no GUID"))?;
        let Some(entry) = self.read_entry(session, &id).await? else { return Ok(None) };
        let policy = policy_of(session, found).await?;
        let own = rights::own(session).await?;
        let rights = rights::read(session, &format!("<GUID={guid}>"), &own).await?;
        Ok(Some(ExaminedPerson {
            base: self.directory.base_of(&found.dn),
            dn: found.dn.clone(),
            entry,
            password_expires_at: found.windows_time("msDS-UserPasswordExpiryTimeComputed"),
            policy,
            rights,
        }))
    }
}
