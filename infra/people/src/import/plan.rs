//! The plan of an import: everything that will happen, before anything does.

use std::collections::{HashMap, HashSet};

use shared::domain::account::{AccountId, AccountIdError, Registration};
use shared::domain::account_copy::{CopiedAccount, LoginClaims};
use shared::domain::import::HeldRegistration;
use shared::domain::sync::Brake;
use shared::domain::time::Timestamp;
use shared::ports::EntropyExt as _;

use super::report::Summary;
use super::{Failed, Importer, Policy};
use crate::person::Person;
use crate::reader::People;
use crate::remark::Remark;

/// Everything that an import will do.
pub struct Plan<'a> {
    pub(super) rows: Vec<RowPlan<'a>>,
    /// The numbers.
    pub summary: Summary,
    /// Every change, and every value and row that is not taken, in the order of the file.
    pub remarks: Vec<Remark>,
    /// The rows that the file has and the import does not take, with their reasons.
    pub refused: Vec<(&'a Person, Remark)>,
    pub(super) policy: Policy,
    pub(super) now: Timestamp,
    existing: usize,
}

/// What will happen to a row.
pub(super) struct RowPlan<'a> {
    pub(super) person: &'a Person,
    pub(super) action: Action,
    /// The account as the import leaves it.
    pub(super) account: CopiedAccount,
    /// The contacts to import, those without a column among them.
    pub(super) contacts: Registration,
    /// What is enrolled before.
    pub(super) earlier: Registration,
}

impl RowPlan<'_> {
    /// Returns whether the row becomes an account of its own.
    pub(super) const fn is_new(&self) -> bool {
        matches!(self.action, Action::New { .. } | Action::Another(_))
    }
}

/// What will be written.
pub(super) enum Action {
    /// An account, after erasing what an interrupted import left.
    New {
        has_leftovers: bool,
    },
    /// A new account in the place of this one.
    Another(Box<CopiedAccount>),
    /// An existing account, its contacts, or both.
    Change {
        before: Box<CopiedAccount>,
        writes_account: bool,
        writes_contacts: bool,
    },
    Unchanged,
}

/// What is stored of the people of a file.
pub(super) struct Stored {
    pub(super) claims: HashMap<String, LoginClaims>,
    pub(super) accounts: HashMap<AccountId, CopiedAccount>,
    pub(super) held: HashMap<AccountId, Option<HeldRegistration>>,
}

impl Plan<'_> {
    /// Returns the reason why the import must not be carried out: it takes away too much.
    pub fn brake(&self) -> Option<String> {
        let brake = Brake::new(self.existing, self.policy.accepts_losses);
        brake.holds(self.summary.losses).then(|| {
            format!(
                "{} of {} people who are stored would lose self-service, a contact or the account. More than 2 % is \
                 often a wrong file",
                self.summary.losses, self.existing
            )
        })
    }

    /// Returns how many rows will be written.
    pub fn writes(&self) -> usize {
        self.rows.iter().filter(|row| !matches!(row.action, Action::Unchanged)).count()
    }

    /// Returns how many passwords will be hashed, which takes most of the time.
    pub fn passwords(&self) -> usize {
        self.rows.iter().filter(|row| row.is_new() && row.person.password.is_some()).count()
    }

    /// Returns the ids of the accounts that will be written, with what happens to each.
    pub fn changed_accounts(&self) -> impl Iterator<Item = (&AccountId, &'static str)> {
        self.rows.iter().filter_map(|row| {
            let act = match row.action {
                Action::New { .. } => "added",
                Action::Another(_) => "replaced",
                Action::Change { .. } => "changed",
                Action::Unchanged => return None,
            };
            Some((&row.account.account.id, act))
        })
    }
}

impl Importer {
    /// Compares the people of a file with what is stored. It writes nothing.
    ///
    /// # Errors
    /// [`Failed`] if a store can't be read.
    pub async fn plan<'a>(&self, people: &'a People, policy: Policy) -> Result<Plan<'a>, Failed> {
        let now = self.clock.now();
        let stored = self.stored(&people.people, now).await?;
        let mut plan = Plan {
            rows: Vec::with_capacity(people.people.len()),
            summary: Summary::default(),
            remarks: Vec::new(),
            refused: Vec::new(),
            policy,
            now,
            existing: 0,
        };
        let mut planned = HashSet::new();
        for person in &people.people {
            match self.decide(person, people, &stored, &mut planned, &mut plan)? {
                Ok(row) => plan.rows.push(row),
                Err(remark) => {
                    plan.remarks.push(remark.clone());
                    plan.refused.push((person, remark));
                }
            }
        }
        plan.existing = stored.accounts.len();
        plan.summary.refused = plan.refused.len();
        Ok(plan)
    }

    /// Reads what is stored of the people, in as few calls as possible.
    async fn stored(&self, people: &[Person], now: Timestamp) -> Result<Stored, Failed> {
        let logins: Vec<String> =
            people.iter().flat_map(|person| &person.names).map(|name| name.as_str().to_owned()).collect();
        let found = self.accounts.logins(&logins).await?;
        let mut ids: Vec<AccountId> = found.iter().filter_map(|claims| claims.owner().cloned()).collect();
        ids.sort_unstable();
        ids.dedup();
        let accounts = self.accounts.accounts(&ids).await?;
        let held = if ids.is_empty() { HashMap::new() } else { self.bulk.held(&ids, now).await? };
        Ok(Stored {
            claims: found.into_iter().map(|claims| (claims.login.clone(), claims)).collect(),
            accounts: accounts.into_iter().map(|found| (found.account.id.clone(), found)).collect(),
            held,
        })
    }

    /// Returns an id that no account ever had: what was enrolled, and a flow that is open, belong to a person and never
    /// to a login that is given again.
    pub(super) fn fresh_id(&self) -> Result<AccountId, AccountIdError> {
        let bytes: [u8; 16] = self.entropy.bytes();
        AccountId::from_directory(format!("builtin:{:032x}", u128::from_be_bytes(bytes)))
    }
}
