//! A contact as it is stored. In memory nothing is sealed: who reads the memory reads the keys as well.

use std::fmt;

use crate::domain::account::Contact;

/// The text of an address or a number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoredContact(String);

impl StoredContact {
    /// What is stored of a contact.
    pub fn of(contact: &Contact<'_>) -> Self {
        Self(contact.expose().to_owned())
    }

    /// The whole contact.
    pub fn expose(&self) -> String {
        self.0.clone()
    }
}

impl fmt::Debug for StoredContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredContact(..)")
    }
}
