//! The copy of a directory's people.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::Memory;
use super::accounts::{Accounts, StoredAccount, StoredMarks};
use super::contact::StoredContact;
use crate::domain::account::{AccountId, Contact};
use crate::domain::account_copy::{CopiedAccount, CopiedContacts, LoginClaims};
use crate::domain::directory::PublishedPolicy;
use crate::domain::holder::HolderId;
use crate::domain::sync::{LEASE, SyncState};
use crate::domain::time::Timestamp;
use crate::ports::{AccountCopy, CopyPage, CopyWrite, DirectoryError, RegistrationErasure, StoreError};

impl Accounts {
    fn copied(&self, id: &AccountId) -> Option<CopiedAccount> {
        let (id, found) = self.accounts.get_key_value(id)?;
        let marks = self.marks.get(id).cloned().unwrap_or_default();
        Some(CopiedAccount {
            account: found.read(id),
            group: marks.group,
            password_expires_at: marks.password_expires_at,
            digest: marks.digest,
            contacts: marks.contacts.map(|(digest, kinds)| CopiedContacts { digest, kinds }),
            departed_at: marks.departed_at,
        })
    }

    fn claims(&self, login: &str) -> Option<LoginClaims> {
        let owner = || Some(BTreeSet::from([self.logins.get(login)?.clone()]));
        let claimants = self.claims.get(login).cloned().or_else(owner)?;
        Some(LoginClaims { login: login.to_owned(), claimants })
    }

    fn put_claims(&mut self, claims: &LoginClaims) {
        self.logins.remove(&claims.login);
        self.claims.remove(&claims.login);
        if let Some(owner) = claims.owner() {
            self.logins.insert(claims.login.clone(), owner.clone());
        } else if claims.is_ambiguous() {
            self.claims.insert(claims.login.clone(), claims.claimants.clone());
        }
    }

    fn put_copied(&mut self, CopyWrite { account: copied, exists }: &CopyWrite) {
        let account = &copied.account;
        let new = StoredAccount {
            name: String::new(),
            logins: Vec::new(),
            email: None,
            language: None,
            state: account.state,
            password_policy: None,
            password: None,
            previous: Vec::new(),
            failures: 0,
            failed_at: Timestamp::from_seconds(0),
            number: 0,
        };
        let kept = self.accounts.get(&account.id).filter(|_| *exists).cloned();
        let stored = StoredAccount {
            name: account.name.clone(),
            logins: account.logins.clone(),
            email: account.email.as_ref().map(|email| StoredContact::from_contact(&Contact::Email(email))),
            language: account.language,
            state: account.state,
            password_policy: account.password_policy,
            ..kept.unwrap_or(new)
        };
        let kept = self.marks.get(&account.id).filter(|_| *exists);
        let marks = StoredMarks {
            expiry_warning: kept.and_then(|marks| marks.expiry_warning),
            group: copied.group.clone(),
            password_expires_at: copied.password_expires_at,
            digest: copied.digest,
            contacts: copied.contacts.clone().map(|contacts| (contacts.digest, contacts.kinds)),
            departed_at: copied.departed_at,
        };
        self.accounts.insert(account.id.clone(), stored);
        self.marks.insert(account.id.clone(), marks);
    }
}

#[async_trait]
impl AccountCopy for Memory {
    async fn acquire(&self, run: HolderId, until: Timestamp, now: Timestamp) -> Result<bool, DirectoryError> {
        Ok(self.with(|tables| {
            let lease = &mut tables.accounts.sync.lease;
            let is_held = lease.is_some_and(|(holder, end)| holder != run && end.is_ahead(now, LEASE));
            if !is_held {
                *lease = Some((run, until));
            }
            !is_held
        }))
    }

    async fn release(&self, run: HolderId) -> Result<(), DirectoryError> {
        self.with(|tables| tables.accounts.sync.lease.take_if(|(holder, _)| *holder == run));
        Ok(())
    }

    async fn state(&self, directory: &str) -> Result<SyncState, DirectoryError> {
        let stored = self.with(|tables| tables.accounts.sync.states.get(directory).cloned());
        Ok(stored.and_then(|(state, _)| serde_json::from_str(&state).ok()).unwrap_or_default())
    }

    async fn put_state(
        &self,
        directory: &str,
        state: &SyncState,
        policy: &PublishedPolicy,
    ) -> Result<(), DirectoryError> {
        let state = serde_json::to_string(state).map_err(|error| DirectoryError(Box::new(error)))?;
        let policy = serde_json::to_string(policy).map_err(|error| DirectoryError(Box::new(error)))?;
        self.with(|tables| tables.accounts.sync.states.insert(directory.to_owned(), (state, policy)));
        Ok(())
    }

    async fn accounts(&self, ids: &[AccountId]) -> Result<Vec<CopiedAccount>, DirectoryError> {
        Ok(self.with(|tables| ids.iter().filter_map(|id| tables.accounts.copied(id)).collect()))
    }

    async fn logins(&self, logins: &[String]) -> Result<Vec<LoginClaims>, DirectoryError> {
        Ok(self.with(|tables| logins.iter().filter_map(|login| tables.accounts.claims(login)).collect()))
    }

    async fn put_logins(&self, logins: &[LoginClaims]) -> Result<(), DirectoryError> {
        self.with(|tables| logins.iter().for_each(|claims| tables.accounts.put_claims(claims)));
        Ok(())
    }

    async fn put_accounts(&self, writes: &[CopyWrite]) -> Result<(), DirectoryError> {
        self.with(|tables| writes.iter().for_each(|write| tables.accounts.put_copied(write)));
        Ok(())
    }

    async fn remove_account(&self, id: &AccountId) -> Result<(), DirectoryError> {
        self.with(|tables| {
            tables.accounts.accounts.remove(id);
            tables.accounts.marks.remove(id);
        });
        Ok(())
    }

    async fn page(&self, _after: Option<&str>) -> Result<CopyPage, DirectoryError> {
        Ok(self.with(|tables| {
            let stored = &tables.accounts;
            let accounts = stored.accounts.keys().filter_map(|id| stored.copied(id)).collect();
            let names = stored.logins.keys().chain(stored.claims.keys());
            let logins = names.filter_map(|login| stored.claims(login)).collect();
            CopyPage { accounts, logins, next: None }
        }))
    }
}

#[async_trait]
impl RegistrationErasure for Memory {
    async fn erase(&self, account: &AccountId) -> Result<(), StoreError> {
        self.with(|tables| tables.security_info.0.remove(account));
        Ok(())
    }
}
