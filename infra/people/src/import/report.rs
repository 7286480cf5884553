//! What an import counts.

use serde::Serialize;
pub use shared::domain::policy::Readiness;

/// The numbers of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows of people who get an account.
    pub new: usize,
    /// Rows that change something.
    pub changed: usize,
    /// Rows with a login that another person had. They are new accounts, too.
    pub another_person: usize,
    /// Rows that are stored as they are.
    pub unchanged: usize,
    /// Rows that are not taken.
    pub refused: usize,
    /// Contacts and apps that are added.
    pub contacts_added: usize,
    /// Contacts that wait to replace another.
    pub contacts_replaced: usize,
    /// Contacts that are removed.
    pub contacts_removed: usize,
    /// Contacts of the file that are not taken, since the person has another.
    pub contacts_kept: usize,
    /// People who can use self-service, and no longer will.
    pub disabled: usize,
    /// Passwords of the file that are not taken, since the account exists.
    pub passwords_kept: usize,
    /// Contacts that are notified.
    pub notified: usize,
    /// People who lose self-service, a contact or the account.
    pub losses: usize,
    /// The people of the file as they are stored.
    pub before: ReadinessCount,
    /// The same people after the import.
    pub after: ReadinessCount,
}

/// How many people can reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReadinessCount {
    /// They have enough methods.
    pub capable: usize,
    /// They have some, but too few.
    pub partly: usize,
    /// They have none, or self-service is closed to them.
    pub none: usize,
}

impl ReadinessCount {
    /// Counts a person.
    pub const fn add(&mut self, readiness: Readiness) {
        match readiness {
            Readiness::Capable => self.capable += 1,
            Readiness::Partly => self.partly += 1,
            Readiness::None => self.none += 1,
        }
    }
}
