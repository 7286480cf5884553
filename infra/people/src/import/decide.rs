//! The decision about one row.

use std::collections::HashSet;

use shared::domain::account::{Account, AccountId, AccountState, Registration};
use shared::domain::account_copy::{CopiedAccount, LoginClaims};
use shared::domain::import::{HeldRegistration, ImportAction, with_unnamed};
use shared::domain::name::CanonicalName;
use shared::domain::same_person::is_same_person;
use shared::domain::security_info::Kind;

use super::plan::{Action, Plan, RowPlan, Stored};
use super::{Failed, Importer};
use crate::person::Person;
use crate::reader::People;
use crate::remark::Remark;

/// Lines about the columns of a row.
type Lines = Vec<(&'static str, String)>;

impl Importer {
    /// Decides about a row, and counts it; the reason if it is not taken.
    pub(super) fn decide<'a>(
        &self,
        person: &'a Person,
        people: &People,
        stored: &Stored,
        planned: &mut HashSet<AccountId>,
        plan: &mut Plan<'_>,
    ) -> Result<Result<RowPlan<'a>, Remark>, Failed> {
        let refused = |why: String| Ok(Err(Remark::new(person.row, "login", format!("row ignored: {why}"))));
        let owner = match self.owner(person, stored) {
            Ok(owner) => owner,
            Err(why) => return refused(why),
        };
        let found = owner.as_ref().and_then(|id| stored.accounts.get(id));
        let held = match owner.as_ref().map(|id| stored.held.get(id)) {
            Some(Some(None)) => return refused("what the person enrolled can't be read".to_owned()),
            Some(Some(Some(held))) => held.clone(),
            _ => HeldRegistration::none(),
        };
        if let Some(id) = &owner
            && !planned.insert(id.clone())
        {
            return refused(format!("`{}` is a login of another person", person.login()));
        }
        let mut lines = Lines::new();
        let row = match found {
            Some(found) if !self.is_copy() && is_another(person, found, &held, plan) => {
                lines.push(("login", ANOTHER.to_owned()));
                self.another(person, people, found, &held, &mut lines, plan)?
            }
            Some(found) => self.existing(person, people, found, &held, &mut lines, plan),
            None if self.is_copy() => return refused("the directory has no such login".to_owned()),
            None => {
                let id = owner.map_or_else(|| self.fresh_id(), Ok)?;
                self.new_account(person, people, id, &held, &mut lines, plan)
            }
        };
        let remarks = lines.into_iter().map(|(column, why)| Remark::new(person.row, column, why));
        plan.remarks.extend(remarks);
        Ok(Ok(row))
    }

    /// Returns who has the person's logins; the reason if these are several people.
    fn owner(&self, person: &Person, stored: &Stored) -> Result<Option<AccountId>, String> {
        let claims = |name: &CanonicalName| stored.claims.get(name.as_str());
        if let Some(login) = person.names.iter().filter_map(claims).find(|claims| claims.is_ambiguous()) {
            return Err(format!("`{}` is a login of two people", login.login));
        }
        let owner_of = |name: &CanonicalName| claims(name).and_then(LoginClaims::owner).cloned();
        let first = if self.is_copy() {
            person.names.iter().find_map(owner_of)
        } else {
            person.names.first().and_then(owner_of)
        };
        for (name, login) in person.names.iter().zip(&person.logins) {
            let is_free = owner_of(name).is_none_or(|owner| first.as_ref() == Some(&owner));
            if !is_free {
                return Err(format!("`{login}` is a login of another person"));
            }
        }
        Ok(first)
    }

    fn new_account<'a>(
        &self,
        person: &'a Person,
        people: &People,
        id: AccountId,
        leftovers: &HeldRegistration,
        lines: &mut Lines,
        plan: &mut Plan<'_>,
    ) -> RowPlan<'a> {
        plan.summary.new += 1;
        plan.summary.before.none += 1;
        let action = Action::New { has_leftovers: !leftovers.is_first || leftovers.is_begun };
        self.to_write(person, people, id, action, lines, plan)
    }

    /// Plans a new account for a person who has the login of another one.
    fn another<'a>(
        &self,
        person: &'a Person,
        people: &People,
        found: &CopiedAccount,
        held: &HeldRegistration,
        lines: &mut Lines,
        plan: &mut Plan<'_>,
    ) -> Result<RowPlan<'a>, Failed> {
        plan.summary.another_person += 1;
        plan.summary.losses += 1;
        plan.summary.before.add(self.settings.readiness(&found.account, &held.registration));
        let action = Action::Another(Box::new(found.clone()));
        Ok(self.to_write(person, people, self.fresh_id()?, action, lines, plan))
    }

    fn to_write<'a>(
        &self,
        person: &'a Person,
        people: &People,
        id: AccountId,
        action: Action,
        lines: &mut Lines,
        plan: &mut Plan<'_>,
    ) -> RowPlan<'a> {
        let account = person.account_as(id);
        let contacts = self.usable_contacts(person.registration(), &account, people, lines);
        let held = HeldRegistration::none();
        let decisions = self.decisions(person, &held, &contacts, plan);
        let added = decisions.iter().filter(|(_, action)| matches!(action, ImportAction::Put { .. })).count();
        plan.summary.contacts_added += added;
        let after = held.after(&contacts, &decisions, plan.now);
        plan.summary.after.add(self.settings.readiness(&account, &after));
        let account = CopiedAccount {
            account,
            group: person.group.clone(),
            password_expires_at: None,
            digest: None,
            contacts: None,
            departed_at: None,
        };
        RowPlan { person, action, account, contacts, earlier: Registration::default() }
    }

    fn existing<'a>(
        &self,
        person: &'a Person,
        people: &People,
        found: &CopiedAccount,
        held: &HeldRegistration,
        lines: &mut Lines,
        plan: &mut Plan<'_>,
    ) -> RowPlan<'a> {
        let after = if self.is_copy() { found.clone() } else { merged(person, people, found) };
        let changed = changed_columns(found, &after);
        let writes_account = !changed.is_empty();
        lines.extend(changed);
        let contacts = self.usable_contacts(person.registration(), &after.account, people, lines);
        let contacts = with_unnamed(&contacts, &held.registration, |kind| people.has(column(kind)));
        let mut decisions = self.decisions(person, held, &contacts, plan);
        decisions.retain(|(kind, _)| people.has(column(*kind)));
        let (is_changed, loses) = contact_lines(&decisions, &contacts, held, lines, plan);
        let writes_contacts = is_changed || !held.is_begun;
        let registration = held.after(&contacts, &decisions, plan.now);
        let is_disabled = found.is_usable() && !after.is_usable();
        let summary = &mut plan.summary;
        summary.disabled += usize::from(is_disabled);
        summary.losses += usize::from(is_disabled || loses);
        summary.passwords_kept += usize::from(person.password.is_some());
        summary.before.add(self.settings.readiness(&found.account, &held.registration));
        summary.after.add(self.settings.readiness(&after.account, &registration));
        let is_changed = writes_account || is_changed;
        *(if is_changed { &mut summary.changed } else { &mut summary.unchanged }) += 1;
        let action = if writes_account || writes_contacts {
            Action::Change { before: Box::new(found.clone()), writes_account, writes_contacts }
        } else {
            Action::Unchanged
        };
        RowPlan { person, action, account: after, contacts, earlier: held.registration.clone() }
    }

    /// Leaves out a mailbox that the password protects, which the reader may not know.
    fn usable_contacts(
        &self,
        mut contacts: Registration,
        account: &Account,
        people: &People,
        lines: &mut Lines,
    ) -> Registration {
        // With a column of addresses the reader has compared them, for an account of its own at least.
        let is_known = people.has("email") && !self.is_copy();
        let protects = |email: &mut _| !is_known && account.protects(email, &self.settings.login_domains);
        if contacts.alternate_email.take_if(protects).is_some() {
            lines.push(("alternate_email", "ignored: the password itself protects this mailbox".to_owned()));
        }
        contacts
    }

    fn decisions(
        &self,
        person: &Person,
        held: &HeldRegistration,
        contacts: &Registration,
        plan: &Plan<'_>,
    ) -> Vec<(Kind, ImportAction)> {
        let (overwrite, wait) = (plan.policy.overwrite, self.settings.waiting_period);
        held.decide(contacts, person.totp_secret.is_some(), overwrite, wait, plan.now)
    }
}

/// The remark about a login that was another person's.
const ANOTHER: &str = "another person: the name differs from the stored one, so the login gets a new account. The \
                       earlier account and all that it enrolled are removed";

/// Returns whether the login was another person's.
fn is_another(person: &Person, found: &CopiedAccount, held: &HeldRegistration, plan: &Plan<'_>) -> bool {
    let has_left = found.account.state == AccountState::Disabled || found.departed_at.is_some();
    !plan.policy.keeps_people
        && !held.shares_contact(&person.registration())
        && !is_same_person(&found.account.name, &person.name, has_left)
}

/// Tells what happens to the contacts of an existing person. Returns whether anything is written, and whether a
/// contact is removed.
fn contact_lines(
    decisions: &[(Kind, ImportAction)],
    contacts: &Registration,
    held: &HeldRegistration,
    lines: &mut Lines,
    plan: &mut Plan<'_>,
) -> (bool, bool) {
    let (mut is_changed, mut loses) = (false, false);
    let summary = &mut plan.summary;
    for (kind, action) in decisions {
        let earlier = held.registration.only(*kind);
        let mask = earlier.contacts().into_iter().find_map(|(_, contact)| Some(contact?.masked()));
        let stored = held.contacts.iter().find(|stored| stored.kind == *kind);
        let is_enrolled = stored.is_some_and(|stored| !stored.is_imported);
        let is_given = contacts.contacts().iter().any(|(of, contact)| of == kind && contact.is_some());
        let why = match (action, mask) {
            (ImportAction::Remove, None) => continue,
            (ImportAction::Keep, _) if is_given || is_enrolled || stored.is_none() => continue,
            (ImportAction::Keep, _) => {
                summary.contacts_kept += 1;
                lines.push((
                    column(*kind),
                    "ignored: the field is empty, and the person uses the contact, which stays".to_owned(),
                ));
                continue;
            }
            (ImportAction::Decline, _) => {
                summary.contacts_kept += 1;
                let verb = if is_enrolled { "enrolled" } else { "uses" };
                lines.push((column(*kind), format!("ignored: the person {verb} another one, which stays")));
                continue;
            }
            (ImportAction::Remove, Some(mask)) => {
                (loses, summary.contacts_removed) = (true, summary.contacts_removed + 1);
                format!("removed: {mask}")
            }
            (ImportAction::Put { active_from, replaces: true, .. }, Some(mask)) => {
                summary.contacts_replaced += 1;
                summary.notified += usize::from(plan.policy.notifies);
                let told = if plan.policy.notifies { ", which is notified" } else { "" };
                format!("changed: active from {active_from}; it replaces {mask}{told}")
            }
            (ImportAction::Put { active_from, .. }, _) => {
                summary.contacts_added += 1;
                format!("added: active from {active_from}")
            }
        };
        is_changed = true;
        lines.push((column(*kind), why));
    }
    (is_changed, loses)
}

/// Returns the column of a kind.
pub(super) const fn column(kind: Kind) -> &'static str {
    match kind {
        Kind::Totp => "totp_secret",
        kind => kind.as_str(),
    }
}

/// Returns the account that an existing one becomes. What the file has no column for stays. A person who is locked in
/// the file may be active here: an unlock did that, and it stays.
fn merged(person: &Person, people: &People, found: &CopiedAccount) -> CopiedAccount {
    let mut after = found.clone();
    let mut account = person.account_as(found.account.id.clone());
    if !people.has("email") {
        account.email.clone_from(&found.account.email);
        let kept = found.account.logins.iter().filter(|login| login.contains('@'));
        let kept: Vec<String> = kept.filter(|login| !account.logins.contains(login)).cloned().collect();
        account.logins.extend(kept);
    }
    if !people.has("language") {
        account.language = found.account.language;
    }
    let is_unlocked = (found.account.state, account.state) == (AccountState::Active, AccountState::Locked);
    if !people.has("state") || is_unlocked {
        account.state = found.account.state;
    }
    if people.has("group") {
        after.group.clone_from(&person.group);
    }
    (after.account, after.departed_at) = (account, None);
    after
}

/// Returns a line for each column that differs.
fn changed_columns(found: &CopiedAccount, given: &CopiedAccount) -> Lines {
    let (found, group) = (&found.account, (&found.group, &given.group));
    let given = &given.account;
    let state = || format!("changed: {} becomes {}", state_name(found.state), state_name(given.state));
    let changed = || "changed".to_owned();
    let differs = [
        ("login", found.logins != given.logins, changed()),
        ("name", found.name != given.name, changed()),
        ("email", found.email != given.email, changed()),
        ("language", found.language != given.language, changed()),
        ("state", found.state != given.state, state()),
        ("group", group.0 != group.1, changed()),
    ];
    differs.into_iter().filter(|(_, differs, _)| *differs).map(|(column, _, line)| (column, line)).collect()
}

/// Returns the state as the file writes it.
const fn state_name(state: AccountState) -> &'static str {
    match state {
        AccountState::Active => "active",
        AccountState::Locked => "locked",
        AccountState::Disabled => "disabled",
        AccountState::Excluded => "excluded",
    }
}
