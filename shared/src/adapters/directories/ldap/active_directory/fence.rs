//! Entries that a service account must not change: those of other people, of administrators, and the domain itself.

use super::super::connection::Failure;
use super::super::found::Found;
use super::{ActiveDirectory, Session, rights};
use crate::domain::directory_examination::{FENCE_MAX, FencedEntry, FencedReason};

/// Members of protected groups, now or earlier (MS-ADTS §3.1.1.6.1).
const PROTECTED: &str = "(&(objectClass=user)(adminCount=1))";
/// Accounts that every domain has, computers of the domain controllers among them.
const OWN: &str = "(&(objectClass=user)(|(isCriticalSystemObject=TRUE)(primaryGroupID=516)))";
const PEOPLE: &str = "(&(objectCategory=person)(objectClass=user))";

impl ActiveDirectory {
    /// Returns some entries of each kind, with what the service account may do with them.
    pub(super) async fn examine_fence(&self, session: &Session) -> Result<Vec<FencedEntry>, Failure> {
        let domain = session.root.text("defaultNamingContext").unwrap_or_default().to_owned();
        let own = rights::own(session).await?;
        let some = async |filter: &str| {
            let attributes = vec!["objectSid".to_owned()];
            session.connection.page(&domain, filter, attributes, Vec::new()).await.map(|page| page.entries)
        };
        // Everybody may change a little of their own entry.
        let is_own = |found: &Found| {
            found.bytes("objectSid").is_some_and(|sid| own.all_bytes("tokenGroups").any(|own| own == sid))
        };
        let is_outside = |found: &Found| self.directory.is_outside(&found.dn);
        let names = |found: Vec<Found>, is_meant: &dyn Fn(&Found) -> bool| -> Vec<String> {
            let meant = found.into_iter().filter(|found| !is_own(found) && is_meant(found));
            meant.take(FENCE_MAX).map(|found| found.dn).collect()
        };
        let protected = names(some(PROTECTED).await?, &|_| true);
        let outside =
            [names(some(OWN).await?, &is_outside), names(some(PEOPLE).await?, &is_outside)].concat();
        let whole = Some(domain.clone()).filter(|domain| self.directory.is_outside(domain));
        let protected = protected.into_iter().map(|dn| (dn, FencedReason::Privileged));
        let outside = whole.into_iter().chain(outside).map(|dn| (dn, FencedReason::Outside));
        let mut fence: Vec<FencedEntry> = Vec::new();
        for (dn, reason) in protected.chain(outside) {
            if fence.iter().any(|known| known.dn == dn) {
                continue;
            }
            let rights = rights::read(session, &dn, &own).await?;
            fence.push(FencedEntry { dn, reason, rights });
        }
        Ok(fence)
    }
}
