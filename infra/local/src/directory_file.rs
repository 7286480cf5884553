//! The file of `--directory`: the document of the organisation's own directory, as a deployment has it in Systems
//! Manager, with the passwords of its service accounts.
//!
//! `ca_file` stands in place of `ca`, relative to the file's folder. `passwords` names a file or an environment variable
//! for each service account, so that no password stands in the file itself:
//!
//! ```json
//! "passwords": { "read": { "file": "read.txt" }, "write": { "environment": "WRITE_PASSWORD" }, "sync": { "file": "sync.txt" } }
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use shared::domain::directory_config::{DirectoryConfig, ServicePassword};
use zeroize::Zeroizing;

use rekey_people::Failure;

/// The service accounts, with the variables that name their secrets in template.yaml.
const ACCOUNTS: [(&str, &str); 3] = [
    ("read", "REKEY_SECRET_DIRECTORY_READ"),
    ("sync", "REKEY_SECRET_DIRECTORY_SYNC"),
    ("write", "REKEY_SECRET_DIRECTORY_WRITE"),
];

/// A directory to run with. It has no `Debug`, so that no log shows the passwords.
pub struct DirectoryFile {
    /// The name, for `REKEY_DIRECTORY`.
    pub name: String,
    /// The document, for Systems Manager.
    pub document: String,
    /// The password of each service account, by the variable of its secret.
    pub passwords: Vec<(&'static str, Zeroizing<String>)>,
}

impl DirectoryFile {
    /// Reads a file. `environment` holds the process's environment variables.
    ///
    /// # Errors
    /// [`Failure`] with one line for everything that is wrong.
    pub fn read(path: &Path, environment: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let option = format!("--directory {}", path.display());
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("{option}: the file can't be read: {error}")))?;
        let mut document: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("{option}: not a JSON object: {error}")))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut errors = Vec::new();
        let passwords = passwords(document.remove("passwords"), folder, environment, &mut errors);
        if let Some(ca) = document.remove("ca_file") {
            let certificates = read_file(&ca, folder).unwrap_or_else(|why| {
                errors.push(format!("ca_file: {why}"));
                // The rest is checked all the same.
                String::new()
            });
            document.insert("ca".to_owned(), certificates.into());
        }
        let document = Value::Object(document).to_string();
        let config = DirectoryConfig::from_json(&document).map_err(|error| errors.push(error.to_string()));
        match config {
            Ok(config) if errors.is_empty() => Ok(Self { name: config.name, document, passwords }),
            _ => Err(Failure::all(errors.into_iter().map(|why| format!("{option}: {why}")).collect())),
        }
    }
}

/// Reads the password of each service account.
fn passwords(
    given: Option<Value>,
    folder: &Path,
    environment: &BTreeMap<String, String>,
    errors: &mut Vec<String>,
) -> Vec<(&'static str, Zeroizing<String>)> {
    let mut given = match given {
        Some(Value::Object(given)) => given,
        _ => Map::new(),
    };
    let mut found = Vec::new();
    for (account, variable) in ACCOUNTS {
        let password = match given.remove(account) {
            Some(source) => password(&source, folder, environment),
            None => Err("is missing. Name a file or an environment variable, such as \
                         { \"file\": \"password.txt\" } or { \"environment\": \"BIND_PASSWORD\" }"
                .to_owned()),
        };
        match password {
            Ok(password) => found.push((variable, password)),
            Err(why) => errors.push(format!("passwords.{account} {why}")),
        }
    }
    for other in given.keys() {
        errors.push(format!("passwords.{other} is no service account. Use read, write and sync"));
    }
    found
}

fn password(
    source: &Value,
    folder: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<Zeroizing<String>, String> {
    let text = match (source.get("file"), source.get("environment").and_then(Value::as_str)) {
        (Some(file), None) => read_file(file, folder)?,
        (None, Some(name)) => environment
            .get(name)
            .cloned()
            .ok_or_else(|| format!("names the environment variable {name}, which is not set"))?,
        _ => return Err("is neither { \"file\": … } nor { \"environment\": … }".to_owned()),
    };
    let text = Zeroizing::new(text);
    ServicePassword::from_secret(&text).map(|_| text).ok_or_else(|| "is empty".to_owned())
}

fn read_file(name: &Value, folder: &Path) -> Result<String, String> {
    let name = name.as_str().ok_or("is no path")?;
    let path = folder.join(name);
    fs::read_to_string(&path)
        .map_err(|error| format!("names {}, which can't be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A new folder below the system's, removed at the end.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rekey-directory-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn document() -> Value {
        json!({
            "name": "ad",
            "kind": "active-directory",
            "servers": ["ldaps://dc1.contoh.example"],
            "ca_file": "ca.pem",
            "bases": ["OU=People,DC=contoh,DC=example"],
            "service_accounts": { "read": "r@contoh.example", "write": "w@contoh.example", "sync": "s@contoh.example" },
            "passwords": {
                "read": { "file": "read.txt" },
                "write": { "environment": "WRITE_PASSWORD" },
                "sync": { "file": "read.txt" },
            },
        })
    }

    fn read(folder: &Folder, document: &Value) -> Result<DirectoryFile, Failure> {
        let path = folder.0.join("directory.json");
        fs::write(&path, document.to_string()).unwrap();
        let environment = BTreeMap::from([("WRITE_PASSWORD".to_owned(), "of-write".to_owned())]);
        DirectoryFile::read(&path, &environment)
    }

    #[test]
    fn passwords_and_ca_are_read_beside_the_file() {
        let folder = Folder::new("good");
        fs::write(folder.0.join("ca.pem"), "-----BEGIN CERTIFICATE-----").unwrap();
        fs::write(folder.0.join("read.txt"), "of-read\n").unwrap();
        let file = read(&folder, &document()).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(file.name, "ad");
        let document: Value = serde_json::from_str(&file.document).unwrap();
        assert_eq!(document["ca"], "-----BEGIN CERTIFICATE-----");
        assert!(!file.document.contains("of-read") && !file.document.contains("of-write"));
        let passwords: Vec<&str> = file.passwords.iter().map(|(_, text)| text.trim_end()).collect();
        assert_eq!(passwords, ["of-read", "of-read", "of-write"]);
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let folder = Folder::new("bad");
        fs::write(folder.0.join("read.txt"), "\n").unwrap();
        let mut document = document();
        document["servers"] = json!(["ldap://dc1.contoh.example"]);
        document["passwords"]["write"] = json!({ "environment": "NOT_SET" });
        document["passwords"]["admin"] = json!({ "file": "read.txt" });
        document["passwords"].as_object_mut().unwrap().remove("sync");
        let failure = read(&folder, &document).err().unwrap();
        let lines = failure.lines();
        assert_eq!(lines.len(), 6, "{failure}");
        for part in ["ldap://", "passwords.read", "passwords.sync", "NOT_SET", "passwords.admin", "ca.pem"] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part}: {failure}");
        }
    }
}
