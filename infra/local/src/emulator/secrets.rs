//! Emulates Secrets Manager (AWS JSON 1.1) and generates the secrets of template.yaml.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use shared::ports::EntropyExt as _;

use super::arn;
use super::wire::{CallResult, ServiceError, read_json, unsupported};
use crate::system::System;
use crate::template::SecretSettings;
use rekey_people::Failure;

/// Maximum secrets in one `BatchGetSecretValue`.
const BATCH: usize = 20;

/// Secret values by name. It has no `Debug`, so that no log shows them.
pub struct Secrets {
    values: Mutex<BTreeMap<String, String>>,
    /// The file that they are kept in.
    file: Option<PathBuf>,
}

impl Secrets {
    /// Generates new secrets.
    pub fn generate(system: &System, settings: &BTreeMap<String, SecretSettings>) -> Self {
        let secrets = settings.iter().map(|(name, settings)| (name.clone(), secret(system, settings)));
        Self { values: Mutex::new(secrets.collect()), file: None }
    }

    /// Reads the secrets of `file`, generates missing ones and writes the file, readable by its owner only.
    ///
    /// # Errors
    /// [`Failure`] if the file can't be read or written, or has another content.
    pub fn load_or_generate(
        system: &System,
        settings: &BTreeMap<String, SecretSettings>,
        file: &Path,
    ) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::new(format!("{}: {why}", file.display()));
        let mut secrets: BTreeMap<String, String> = match fs::read_to_string(file) {
            Ok(text) => serde_json::from_str(&text).map_err(|_| {
                failed(&"not a file of secrets. Restore it, or give another folder by --data")
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(failed(&format!("can't be read: {error}. Check its permissions")));
            }
        };
        let known = secrets.len();
        for (name, settings) in settings {
            secrets.entry(name.clone()).or_insert_with(|| secret(system, settings));
        }
        if secrets.len() > known {
            write_private(file, &json!(secrets).to_string()).map_err(|error| {
                failed(&format!("can't be written: {error}. Check the folder's permissions and free space"))
            })?;
        }
        Ok(Self { values: Mutex::new(secrets), file: Some(file.to_owned()) })
    }

    /// Returns the value of a secret.
    pub fn value(&self, name: &str) -> Option<String> {
        self.lock().get(name).cloned()
    }

    /// Replaces the value of a secret.
    pub fn put(&self, name: &str, value: String) {
        self.lock().insert(name.to_owned(), value);
    }

    /// A poisoned lock is safe to use: every secret is written in one step.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a call of `secretsmanager.<operation>`. It returns each secret that the caller `may_read`.
    ///
    /// # Errors
    /// [`ServiceError`] in the form of Secrets Manager.
    pub fn call(&self, operation: &str, body: &[u8], may_read: &dyn Fn(&str) -> bool) -> CallResult {
        match operation {
            "BatchGetSecretValue" => {}
            "PutSecretValue" => return self.put_value(body),
            _ => return Err(ServiceError::new("UnknownOperationException", unsupported(operation))),
        }
        let call: BatchGetSecretValue = read_json(body)?;
        if !(1..=BATCH).contains(&call.secret_id_list.len()) {
            let why = "SecretIdList must have from 1 to 20 members.";
            return Err(ServiceError::new("InvalidParameterException", why));
        }
        let (mut values, mut errors) = (Vec::new(), Vec::new());
        for id in &call.secret_id_list {
            let error = |code: &str, why: &str| json!({ "SecretId": id, "ErrorCode": code, "Message": why });
            if !may_read(name_of(id)) {
                errors.push(error("AccessDeniedException", "the role does not allow it"));
            } else if let Some(entry) = self.entry(id) {
                values.push(entry);
            } else {
                let why = "Secrets Manager can't find the specified secret.";
                errors.push(error("ResourceNotFoundException", why));
            }
        }
        Ok(json!({ "SecretValues": values, "Errors": errors }))
    }

    /// Replaces a value, in its file too.
    fn put_value(&self, body: &[u8]) -> CallResult {
        let call: PutSecretValue = read_json(body)?;
        let name = name_of(&call.secret_id);
        let mut values = self.lock();
        let Some(value) = values.get_mut(name) else {
            let why = "Secrets Manager can't find the specified secret.";
            return Err(ServiceError::new("ResourceNotFoundException", why));
        };
        *value = call.secret_string;
        if let Some(file) = &self.file {
            let written = write_private(file, &json!(*values).to_string());
            written.map_err(|_| ServiceError::new("InternalServiceError", "The file can't be written."))?;
        }
        Ok(json!({ "ARN": secret_arn(name), "Name": name, "VersionId": call.client_request_token }))
    }

    fn entry(&self, id: &str) -> Option<Value> {
        let name = name_of(id);
        Some(json!({
            "ARN": secret_arn(name),
            "Name": name,
            "SecretString": self.value(name)?,
            "VersionId": "00000000-0000-4000-8000-000000000001",
            "VersionStages": ["AWSCURRENT"],
        }))
    }
}

/// The ARN that `!Ref` of an `AWS::SecretsManager::Secret` returns.
pub fn secret_arn(name: &str) -> String {
    arn("secretsmanager", &format!("secret:{name}"))
}

/// Returns the name of a secret that is given by name or ARN.
pub fn name_of(id: &str) -> &str {
    id.strip_prefix(&arn("secretsmanager", "secret:")).unwrap_or(id)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchGetSecretValue {
    #[serde(default)]
    secret_id_list: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutSecretValue {
    secret_id: String,
    secret_string: String,
    client_request_token: String,
}

/// Rejection sampling: 256 isn't a multiple of 62, so larger bytes are drawn again.
fn secret(system: &System, settings: &SecretSettings) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(settings.length);
    while text.len() < settings.length {
        let drawn: [u8; 64] = system.entropy.bytes();
        let fitting = drawn.iter().filter(|byte| **byte < 248).map(|byte| ALPHABET[usize::from(*byte) % 62]);
        text.extend(fitting.take(settings.length - text.len()).map(char::from));
    }
    let Some(key) = &settings.key else { return text };
    let mut value = settings.template.clone();
    if let Value::Object(members) = &mut value {
        members.insert(key.clone(), json!(text));
    }
    value.to_string()
}

/// Replaces a file atomically, so that a crash leaves either the old or the new one.
pub(crate) fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let next = file.with_extension("new");
    let _ = fs::remove_file(&next);
    let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    fs::rename(&next, file)
}
