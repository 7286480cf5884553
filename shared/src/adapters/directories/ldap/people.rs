//! People as an entry describes them.

use super::Directory;
use super::found::Found;
use crate::domain::account::{AccountId, AccountState};
use crate::domain::directory::{DirectoryContacts, DirectoryPerson, PublishedPolicy};
use crate::domain::directory_config::ServerKind;
use crate::domain::language::Language;
use crate::domain::time::Timestamp;

impl Directory {
    /// Returns the attributes of people that the configuration or the kind names.
    pub(super) fn person_attributes(&self) -> Vec<String> {
        let names = &self.config.attributes;
        let contacts = [&names.group, &names.alternate_email, &names.mobile, &names.office_phone];
        self.name_attributes()
            .chain([self.email_attribute(), self.language_attribute()])
            .chain(self.login_attributes())
            .chain(contacts.into_iter().flatten().map(String::as_str))
            .map(str::to_owned)
            .collect()
    }

    fn name_attributes(&self) -> impl Iterator<Item = &str> {
        let own = self.config.attributes.name.as_deref();
        let usual = if own.is_some() { [].as_slice() } else { ["displayName", "cn"].as_slice() };
        own.into_iter().chain(usual.iter().copied())
    }

    fn email_attribute(&self) -> &str {
        self.config.attributes.email.as_deref().unwrap_or("mail")
    }

    fn language_attribute(&self) -> &str {
        self.config.attributes.language.as_deref().unwrap_or("preferredLanguage")
    }

    /// Returns the attributes with logins: those that the kind signs people in by, if the configuration names none.
    pub(super) fn login_attributes(&self) -> impl Iterator<Item = &str> {
        let own = &self.config.login_attributes;
        let usual: &[&str] = match self.config.kind {
            _ if !own.is_empty() => &[],
            ServerKind::ActiveDirectory => &["sAMAccountName", "userPrincipalName"],
            ServerKind::OpenLdap => &["uid", "mail"],
        };
        own.iter().map(String::as_str).chain(usual.iter().copied())
    }

    /// Returns a person; the caller knows id, state, expiry and rules by the kind.
    pub(super) fn person(
        &self,
        entry: &Found,
        id: AccountId,
        state: AccountState,
        password_expires_at: Option<Timestamp>,
        password_policy: Option<PublishedPolicy>,
    ) -> DirectoryPerson {
        let text = |attribute: &str| entry.text(attribute).map(str::to_owned);
        let optional = |attribute: &Option<String>| attribute.as_deref().and_then(text);
        let names = &self.config.attributes;
        let mut logins: Vec<String> = Vec::new();
        for login in self.login_attributes().flat_map(|attribute| entry.texts(attribute)) {
            if !logins.iter().any(|known| known == login) {
                logins.push(login.to_owned());
            }
        }
        let name = self.name_attributes().find_map(text);
        DirectoryPerson {
            id,
            name: name.or_else(|| logins.first().cloned()).unwrap_or_default(),
            logins,
            email: text(self.email_attribute()),
            language: entry.text(self.language_attribute()).and_then(preferred_language),
            group: optional(&names.group),
            state,
            password_expires_at,
            password_policy,
            contacts: DirectoryContacts {
                alternate_email: optional(&names.alternate_email),
                mobile: optional(&names.mobile),
                office_phone: optional(&names.office_phone),
            },
        }
    }
}

/// Returns the first language of ours in an `Accept-Language` list, the form of `preferredLanguage` (RFC 2798 §2.7).
fn preferred_language(list: &str) -> Option<Language> {
    list.split(',').find_map(|range| Language::from_tag(range.split(';').next()?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferred_language_is_first_known() {
        assert_eq!(preferred_language("fr, ta;q=0.8, en;q=0.7"), Some(Language::Tamil));
        assert_eq!(preferred_language("ms-MY"), Some(Language::Malay));
        assert_eq!(preferred_language("fr"), None);
    }
}
