//! Emulates `GetCallerIdentity` of STS (query protocol): an access key names its owner.

use serde_json::json;

use super::roles::{ADMINISTRATOR, agent};
use super::wire::{CallResult, ServiceError, unsupported};

/// The API version in requests.
pub const VERSION: &str = "2011-06-15";
/// The XML namespace of responses.
pub const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Answers an action of the owner of an access key.
///
/// # Errors
/// [`ServiceError`] in the form of STS.
pub fn call(account: &str, principal: &str, action: &str) -> CallResult {
    if action != "GetCallerIdentity" {
        return Err(ServiceError::new("InvalidAction", unsupported(action)));
    }
    let arn = match agent(principal) {
        Some((role, name)) => format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
        None if principal == ADMINISTRATOR => format!("arn:aws:iam::{account}:root"),
        None => format!("arn:aws:sts::{account}:assumed-role/{principal}/function"),
    };
    Ok(json!({ "Arn": arn, "UserId": principal, "Account": account }))
}
