//! Who has which login.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use shared::domain::account::AccountId;
use shared::domain::account_copy::{LoginClaims, Unusable};

use super::ports::{Failed, Ports};
use super::progress::Progress;

/// Gives logins to accounts and takes them from others, and writes those that differ.
pub(super) async fn change<'a>(
    ports: &Ports,
    progress: &mut Progress,
    added: impl IntoIterator<Item = (&'a AccountId, &'a [String])>,
    released: impl IntoIterator<Item = (&'a AccountId, &'a [String])>,
) -> Result<(), Failed> {
    let mut changes: BTreeMap<&str, (Vec<&AccountId>, Vec<&AccountId>)> = BTreeMap::new();
    for (id, logins) in added {
        for login in logins {
            changes.entry(login).or_default().0.push(id);
        }
    }
    for (id, logins) in released {
        for login in logins {
            changes.entry(login).or_default().1.push(id);
        }
    }
    let logins: Vec<String> = changes.keys().map(|login| (*login).to_owned()).collect();
    let found = ports.copy.logins(&logins).await?;
    let mut found: HashMap<String, LoginClaims> =
        found.into_iter().map(|claims| (claims.login.clone(), claims)).collect();
    let mut writes = Vec::new();
    for (login, (added, released)) in changes {
        let none = || LoginClaims { login: login.to_owned(), claimants: BTreeSet::new() };
        let before = found.remove(login).unwrap_or_else(none);
        let mut after = before.clone();
        after.claimants.retain(|id| !released.contains(&id));
        for id in added {
            if !after.add(id) {
                progress.summary.count(Unusable::SharedLogin);
            }
        }
        if after != before {
            progress.note_ambiguity(&before, &after);
            writes.push(after);
        }
    }
    Ok(ports.copy.put_logins(&writes).await?)
}
