//! Checks each call against the caller's role in template.yaml, as IAM does in a real account.
//!
//! Every function uses its own name as access key, so the key in the `Authorization` header selects the role. A
//! missing permission fails in every journey and in every local environment, before it fails in a deployment.

use std::collections::BTreeMap;

use crate::template::{Function, Template};

/// The access key that may do everything. Functions under `cargo lambda watch` share it, because watch gives all of
/// them one environment.
pub const ADMINISTRATOR: &str = "local";

/// A call as IAM sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The caller's access key: the crate of a function, or [`ADMINISTRATOR`].
    pub principal: String,
    /// The IAM action (`dynamodb:PutItem`).
    pub action: String,
    /// The logical id of the table, queue or secret; `None` for an action without one.
    pub resource: Option<String>,
    /// The attributes in its key and its expressions (`dynamodb:Attributes`).
    pub attributes: Vec<String>,
    /// Whether it reads only the attributes that it names (`dynamodb:Select`).
    pub selects: bool,
    /// Whether it is a strongly consistent read. DynamoDB charges half for the others.
    pub consistent: bool,
}

/// The functions and their roles, by access key.
pub struct Roles(BTreeMap<String, Function>);

impl Roles {
    /// Reads the roles of a template.
    pub fn from_template(template: &Template) -> Self {
        Self(template.functions.clone())
    }

    /// Returns whether the caller's role allows the call.
    pub fn allow(&self, call: &Call) -> bool {
        if call.principal == ADMINISTRATOR {
            return true;
        }
        if call.action == "sts:GetCallerIdentity" {
            // IAM allows it to everybody.
            return true;
        }
        if agent(&call.principal).is_some() {
            let help_desk = self.0.get("help-desk").map(|function| &function.id);
            return call.action == "lambda:InvokeFunction" && call.resource.as_ref() == help_desk;
        }
        let Some(function) = self.0.get(&call.principal) else { return false };
        function.role.iter().any(|grant| {
            let on_it = |resource: &String| grant.resources.contains(resource);
            let within = |bound: &Vec<String>| call.attributes.iter().all(|name| bound.contains(name));
            grant.actions.contains(&call.action)
                && call.resource.as_ref().is_none_or(on_it)
                && grant.attributes.as_ref().is_none_or(within)
                && (call.selects || !grant.selects)
        })
    }
}

/// Returns role and name of an agent of the help desk by the access key. The role may invoke the function `help-desk` and
/// nothing else.
pub fn agent(principal: &str) -> Option<(&str, &str)> {
    principal.strip_prefix("agent:")?.split_once(':')
}

/// Returns the access key in a Signature Version 4 `Authorization` header.
pub fn principal(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?.split_once("Credential=")?;
    credential.split('/').next().filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use shared::adapters::aws::agent_key;

    use super::*;

    fn call(principal: &str, action: &str, resource: Option<&str>) -> Call {
        Call {
            principal: principal.to_owned(),
            action: action.to_owned(),
            resource: resource.map(str::to_owned),
            attributes: Vec::new(),
            selects: false,
            consistent: false,
        }
    }

    /// Controls: C-095.
    #[test]
    fn only_password_set_writes_accounts() {
        let roles = Roles::from_template(&Template::from_project().unwrap());
        for principal in ["captcha", "code-send", "code-verify", "enrolment", "approval", "delivery"] {
            for action in ["dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:DeleteItem"] {
                assert!(
                    !roles.allow(&call(principal, action, Some("AccountsTable"))),
                    "{principal} {action}"
                );
            }
        }
        assert!(roles.allow(&call("password-set", "dynamodb:UpdateItem", Some("AccountsTable"))));
        let sets = |attribute: &str| Call {
            attributes: vec!["account".to_owned(), attribute.to_owned()],
            ..call("help-desk", "dynamodb:UpdateItem", Some("AccountsTable"))
        };
        assert!(roles.allow(&sets("standing")), "the help desk removes locks");
        assert!(!roles.allow(&sets("password")), "the help desk sets no password");
    }

    /// Controls: C-095.
    #[test]
    fn condition_limits_readable_attributes() {
        let roles = Roles::from_template(&Template::from_project().unwrap());
        let read = |principal, selects, attributes: &[&str]| Call {
            selects,
            attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
            ..call(principal, "dynamodb:GetItem", Some("AccountsTable"))
        };
        for principal in ["captcha", "delivery"] {
            assert!(roles.allow(&read(principal, true, &["account", "name", "standing"])));
            for secret in ["password", "previous"] {
                assert!(!roles.allow(&read(principal, true, &["account", "name", secret])), "{principal}");
            }
            assert!(!roles.allow(&read(principal, false, &[])), "{principal} reads whole items");
        }
        assert!(roles.allow(&read("password-set", true, &["account", "password", "previous"])));
    }

    #[test]
    fn role_allows_only_template_grants() {
        let roles = Roles::from_template(&Template::from_project().unwrap());
        assert!(roles.allow(&call("method-selection", "dynamodb:GetItem", Some("FlowsTable"))));
        assert!(roles.allow(&call("delivery", "sns:Publish", None)));
        assert!(roles.allow(&call(ADMINISTRATOR, "dynamodb:Scan", Some("AccountsTable"))));
        for (principal, action, resource) in [
            ("method-selection", "dynamodb:GetItem", Some("AccountsTable")),
            ("method-selection", "dynamodb:Scan", Some("FlowsTable")),
            ("captcha", "sqs:SendMessage", Some("MessagesQueue")),
            ("code-send", "sns:Publish", None),
            ("nobody", "dynamodb:GetItem", Some("FlowsTable")),
        ] {
            assert!(!roles.allow(&call(principal, action, resource)), "{principal} {action}");
        }
    }

    /// Controls: C-224.
    #[test]
    fn agent_may_only_invoke_the_help_desk() {
        let roles = Roles::from_template(&Template::from_project().unwrap());
        let agent = agent_key("helpers", "m.lim");
        let may = |action, resource| roles.allow(&call(&agent, action, Some(resource)));
        assert!(may("lambda:InvokeFunction", "HelpDeskFunction"));
        assert!(!may("lambda:InvokeFunction", "DirectoryWriteFunction"));
        for action in ["dynamodb:Query", "dynamodb:PutItem"] {
            assert!(!may(action, "SecurityInfoTable"), "{action}");
        }
        assert!(!may("secretsmanager:GetSecretValue", "SeedsSecret"));
    }

    #[test]
    fn principal_is_read_from_signature() {
        let header = "AWS4-HMAC-SHA256 Credential=code-verify/20261125/ap-southeast-1/dynamodb/aws4_request, \
                      SignedHeaders=host, Signature=0";
        assert_eq!(principal(header), Some("code-verify"));
        assert_eq!(principal("Bearer x"), None);
        assert_eq!(principal("AWS4-HMAC-SHA256 Credential=/x"), None);
    }
}
