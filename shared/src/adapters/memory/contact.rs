//! A stored contact. Memory seals nothing: a reader of the memory also reads the keys.

use std::fmt;

use crate::domain::account::Contact;

/// An address or a number in clear; `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoredContact(String);

impl StoredContact {
    /// Returns the stored form of a contact.
    pub fn from_contact(contact: &Contact<'_>) -> Self {
        Self(contact.expose().to_owned())
    }

    /// Returns the whole contact.
    pub fn expose(&self) -> String {
        self.0.clone()
    }
}

impl fmt::Debug for StoredContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredContact(..)")
    }
}
