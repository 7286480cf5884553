//! Emulates the parameters of Systems Manager (AWS JSON 1.1).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::wire::{CallResult, ServiceError, read_json, unsupported};

/// Parameters by name.
#[derive(Default)]
pub struct Parameters(Mutex<BTreeMap<String, String>>);

impl Parameters {
    /// Writes a parameter.
    pub fn put(&self, name: &str, value: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value);
    }

    /// Answers a call of `AmazonSSM.<operation>`.
    ///
    /// # Errors
    /// [`ServiceError`] in the form of Systems Manager.
    pub fn call(&self, operation: &str, body: &[u8]) -> CallResult {
        if operation != "GetParameter" {
            return Err(ServiceError::new("UnknownOperationException", unsupported(operation)));
        }
        let call: Value = read_json(body)?;
        let name = call["Name"].as_str().unwrap_or_default();
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let value = value.ok_or_else(|| ServiceError::new("ParameterNotFound", ""))?;
        Ok(json!({ "Parameter": { "Name": name, "Type": "SecureString", "Value": value, "Version": 1 } }))
    }
}

/// Returns the ARN of a parameter, as template.yaml writes it in roles.
pub fn parameter_arn(name: &str) -> String {
    format!("arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter{name}")
}
