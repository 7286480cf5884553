//! Implementations of the ports, one outside system per module and feature.

#[cfg(feature = "agents")]
pub mod agents;
#[cfg(feature = "audit-trail")]
pub mod audit_trail;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(any(feature = "builtin-directory", feature = "ldap"))]
pub mod directories;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "stack")]
pub mod inspection;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "oidc")]
pub mod oidc;
#[cfg(feature = "secrets")]
pub mod parameters;
#[cfg(feature = "dynamodb")]
pub mod population_cache;
#[cfg(feature = "stack")]
pub mod rotation;
#[cfg(feature = "secrets")]
pub mod secrets;
#[cfg(any(feature = "ses", feature = "sns", feature = "voice", feature = "web-push"))]
mod sending;
#[cfg(feature = "ses")]
pub mod ses;
#[cfg(feature = "signatures")]
pub mod signatures;
#[cfg(feature = "sns")]
pub mod sns;
#[cfg(feature = "sqs")]
pub mod sqs;
#[cfg(feature = "stack")]
pub mod stack;
#[cfg(feature = "system")]
pub mod system;
#[cfg(feature = "voice")]
pub mod voice;
#[cfg(feature = "stack")]
pub mod web;
#[cfg(feature = "web-push")]
pub mod web_push;
