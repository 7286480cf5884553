//! The configuration of one directory: a JSON document that a university's operators write, one for each directory.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

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
    /// The DN of the password policy of entries that name none (`OpenLDAP`: `ppolicy_default`, which the server tells
    /// nobody). Without it, such entries count as ones that the next wrong password locks, where the server has the
    /// overlay.
    #[serde(default)]
    pub password_policy: Option<String>,
    /// What to do where a server can't check earlier passwords at a reset.
    #[serde(default)]
    pub history: HistoryRule,
    /// The service accounts.
    pub service_accounts: ServiceAccounts,
}

/// The reason why a document is no configuration.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DirectoryConfigError {
    /// It is no JSON, or a member is missing, unknown or of another type.
    #[error("not the configuration of a directory: {0}")]
    Malformed(String),
    /// The name can't stand in account ids.
    #[error("{0:?} is no name of a directory: use lower-case letters, digits and hyphens")]
    Name(String),
    /// Passwords would travel in the clear, or the address is none.
    #[error("{0:?} is no server: use ldaps://HOST[:PORT], or ldap://HOST[:PORT] together with start_tls")]
    Server(String),
    /// A list has no element.
    #[error("{0} is empty")]
    Empty(&'static str),
}

impl DirectoryConfig {
    /// Reads the operators' document.
    ///
    /// # Errors
    /// [`DirectoryConfigError`], the first one.
    pub fn from_json(text: &str) -> Result<Self, DirectoryConfigError> {
        let config: Self =
            serde_json::from_str(text).map_err(|error| DirectoryConfigError::Malformed(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`DirectoryConfigError`], the first one.
    pub fn check(&self) -> Result<(), DirectoryConfigError> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(letter) {
            return Err(DirectoryConfigError::Name(self.name.clone()));
        }
        let scheme = if self.start_tls { "ldap://" } else { "ldaps://" };
        for (list, name) in [(&self.servers, "servers"), (&self.bases, "bases")] {
            if list.iter().all(|element| element.trim().is_empty()) {
                return Err(DirectoryConfigError::Empty(name));
            }
        }
        match self.servers.iter().find(|server| host(server, scheme).is_none()) {
            Some(server) => Err(DirectoryConfigError::Server(server.clone())),
            None => Ok(()),
        }
    }
}

/// Returns the host of an address with this scheme: without credentials, path or query.
fn host<'a>(address: &'a str, scheme: &str) -> Option<&'a str> {
    let rest = address.strip_prefix(scheme)?;
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_host = !host.is_empty() && !host.contains(['/', '?', '#', '@', '%', ' ']);
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (is_host && is_port).then_some(host)
}

/// The password of a service account. It is wiped from memory when dropped, and cannot be printed.
pub struct ServicePassword(Zeroizing<String>);

impl ServicePassword {
    /// Takes the secret's text without the line end that editors add. An empty one is none: a bind with it would be
    /// anonymous (RFC 4513 §5.1.2).
    pub fn from_secret(text: &str) -> Option<Self> {
        let text = text.trim_end_matches(['\r', '\n']);
        (!text.is_empty()).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Returns the password itself, for a bind only.
    pub fn expose(&self) -> &str {
        &self.0
    }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn document(change: impl Fn(&mut serde_json::Value)) -> Result<DirectoryConfig, DirectoryConfigError> {
        let mut document = serde_json::json!({
            "name": "ad",
            "kind": "active-directory",
            "servers": ["ldaps://dc1.contoh.example", "ldaps://[2001:db8::1]:3269"],
            "ca": "-----BEGIN CERTIFICATE-----",
            "bases": ["OU=People,DC=contoh,DC=example"],
            "service_accounts": { "read": "r@contoh.example", "write": "w@contoh.example", "sync": "s@contoh.example" },
        });
        change(&mut document);
        DirectoryConfig::from_json(&document.to_string())
    }

    #[test]
    fn directory_config_has_defaults() {
        let config = document(|_| ()).unwrap();
        assert_eq!((config.kind, config.history), (ServerKind::ActiveDirectory, HistoryRule::IfPossible));
        assert!(!config.start_tls && config.password_policy.is_none() && config.denied_groups.is_empty());
    }

    /// Controls: C-140.
    #[test]
    fn server_without_tls_is_rejected() {
        for server in [
            "ldap://dc1.contoh.example",
            "dc1.contoh.example",
            "ldaps://",
            "ldaps://dc1.contoh.example/DC=contoh",
            "ldaps://dc1.contoh.example:0",
            "ldaps://user@dc1.contoh.example",
            "ldapi://%2Frun%2Fslapd",
        ] {
            let error = document(|document| document["servers"] = [server].into()).unwrap_err();
            assert_eq!(error, DirectoryConfigError::Server(server.to_owned()));
        }
        let start_tls = |server: &str| {
            document(|document| {
                document["servers"] = [server].into();
                document["start_tls"] = true.into();
            })
        };
        assert!(start_tls("ldap://dc1.contoh.example:389").is_ok());
        assert!(start_tls("ldaps://dc1.contoh.example").is_err());
    }

    #[test]
    fn malformed_directory_config_is_rejected() {
        let malformed = document(|document| document["bind_pasword"] = "x".into()).unwrap_err();
        assert!(matches!(malformed, DirectoryConfigError::Malformed(_)), "{malformed}");
        for list in ["servers", "bases"] {
            let error = document(|document| document[list] = serde_json::json!([])).unwrap_err();
            assert_eq!(error, DirectoryConfigError::Empty(list));
        }
        for name in ["", "AD", "ad:1", "a d"] {
            let error = document(|document| document["name"] = name.into()).unwrap_err();
            assert_eq!(error, DirectoryConfigError::Name(name.to_owned()));
        }
    }

    /// Controls: C-141.
    #[test]
    fn empty_service_password_is_none() {
        assert!(ServicePassword::from_secret("\r\n").is_none());
        assert_eq!(ServicePassword::from_secret(" secret \n").unwrap().expose(), " secret ");
    }
}
