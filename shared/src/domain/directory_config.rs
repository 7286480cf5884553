//! The configuration of one directory: a JSON document that a university's operators write, one for each directory.

use serde::Deserialize;

/// One directory. Unknown members are refused, so that a misspelt one is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryConfig {
    /// Names the directory in account ids: `ad` gives `ad:<objectGUID>`. Lower-case letters, digits and hyphens.
    pub name: String,
    /// The kind of server.
    pub kind: ServerKind,
    /// The addresses in the order of trying: `ldaps://dc1.contoh.example`, or `ldap://` with `start_tls`.
    pub servers: Vec<String>,
    /// Whether `ldap://` connections begin with StartTLS (RFC 4513 §3). Without it, only `ldaps://` is allowed.
    #[serde(default)]
    pub start_tls: bool,
    /// The certificates of the university's CA, in PEM.
    pub ca: String,
    /// The subtrees with people, as DNs. Entries elsewhere are out of scope.
    pub bases: Vec<String>,
    /// A further filter for people, in RFC 4515 form.
    #[serde(default)]
    pub people_filter: Option<String>,
    /// The attributes that have logins; by kind if left out.
    #[serde(default)]
    pub login_attributes: Vec<String>,
    /// The attributes of names, mail, language, group and contacts.
    #[serde(default)]
    pub attributes: AttributeNames,
    /// The DNs of groups whose members Rekey may not touch, nested ones included.
    #[serde(default)]
    pub denied_groups: Vec<String>,
    /// What to do where a server can't check earlier passwords at a reset.
    #[serde(default)]
    pub history: HistoryRule,
    /// The service accounts.
    pub service_accounts: ServiceAccounts,
}

/// The service accounts, each a DN or a user principal name. Their passwords are secrets of their own, and each
/// function gets one of them only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccounts {
    /// Of `directory-read`: it reads the people's entries.
    pub read: String,
    /// Of `directory-write`: it sets passwords and removes locks too.
    pub write: String,
    /// Of `directory-sync`: it reads the people's entries.
    pub sync: String,
}

/// The kind of a directory server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerKind {
    /// Microsoft Active Directory, or Samba as a domain controller.
    ActiveDirectory,
    /// OpenLDAP with the overlay `ppolicy`.
    #[serde(rename = "openldap")]
    OpenLdap,
}

/// The names of attributes, where they differ from the kind's usual ones. A contact is read only where it is named:
/// the organisation states by it that people can't edit the attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttributeNames {
    /// `displayName` or `cn` if left out.
    pub name: Option<String>,
    /// `mail` if left out.
    pub email: Option<String>,
    /// `preferredLanguage` if left out.
    pub language: Option<String>,
    /// The group of people that the help desk's rights go by; none if left out.
    pub group: Option<String>,
    /// A private mailbox; none if left out.
    pub alternate_email: Option<String>,
    /// A mobile number; none if left out.
    pub mobile: Option<String>,
    /// An office number; none if left out.
    pub office_phone: Option<String>,
}

/// What to do where a server can't check earlier passwords at a reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryRule {
    /// Set the password.
    #[default]
    IfPossible,
    /// Refuse to start with that server.
    Required,
}
