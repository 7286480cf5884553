//! The stack of CloudFront and the firewall sends what Rekey expects of a trusted proxy.

use std::fs;

use rekey_local::template::Template;
use rekey_local::template::document::{Document, items, text};
use shared::domain::proxy::ProxySecret;
use shared::http::trusted_proxy::SECRET_HEADER;

use crate::root;

/// The managed policy `AllViewerAndCloudFrontHeaders-2022-06`, which forwards `CloudFront-Viewer-Address`.
const FORWARDS_VIEWER: &str = "33f36d7e-f396-46d9-90e0-52428a34d9dc";

fn cloudfront() -> Document {
    Document::parse(&fs::read_to_string(root().join("infra/cloudfront/template.yaml")).unwrap()).unwrap()
}

/// A behaviour without the header would be answered 403, and one without HTTPS would show the secret.
/// Controls: C-100, C-250.
#[test]
fn every_behaviour_proves_itself_and_forwards_the_viewer() {
    let document = cloudfront();
    let config = &document.resource("Distribution")["Properties"]["DistributionConfig"];
    let origins: Vec<_> = items(&config["Origins"]).collect();
    assert_eq!(origins.len(), 1);
    assert_eq!(origins[0]["CustomOriginConfig"]["OriginProtocolPolicy"], "https-only");
    let header = items(&origins[0]["OriginCustomHeaders"]).next().unwrap();
    assert_eq!(text(&header["HeaderName"]).unwrap(), SECRET_HEADER.as_str());
    let value = text(&header["HeaderValue"]).unwrap();
    assert_eq!(value, "{{resolve:secretsmanager:${ProxySecret}:SecretString:current}}");
    let behaviours = items(&config["CacheBehaviors"]).chain([&config["DefaultCacheBehavior"]]);
    for behaviour in behaviours {
        assert_eq!(text(&behaviour["OriginRequestPolicyId"]).unwrap(), FORWARDS_VIEWER);
        assert_eq!(behaviour["ViewerProtocolPolicy"], "redirect-to-https");
    }
    assert!(config.get("Logging").is_none(), "its logs would have the tokens in paths");
}

/// Controls: C-250.
#[test]
fn generated_proxy_secret_is_accepted() {
    let document = cloudfront();
    let generate = &document.resource("ProxySecret")["Properties"]["GenerateSecretString"];
    let mut secret: serde_json::Value =
        serde_json::from_str(generate["SecretStringTemplate"].as_str().unwrap()).unwrap();
    let length = usize::try_from(generate["PasswordLength"].as_u64().unwrap()).unwrap();
    secret[generate["GenerateStringKey"].as_str().unwrap()] = "a1B2".repeat(length / 4).into();
    assert!(
        ProxySecret::from_secret(&secret.to_string()).unwrap().accepts("a1B2".repeat(length / 4).as_bytes())
    );
}

/// A sample shows operators the cookies of a request. A password that looks like an attack must reach its function.
/// Controls: C-250.
#[test]
fn firewall_takes_no_samples_and_refuses_no_password() {
    let document = cloudfront();
    let firewall = &document.resource("Firewall")["Properties"];
    let mut counted = Vec::new();
    for rule in items(&firewall["Rules"]) {
        assert_eq!(rule["VisibilityConfig"]["SampledRequestsEnabled"], false, "{:?}", rule["Name"]);
        let group = &rule["Statement"]["ManagedRuleGroupStatement"];
        counted.extend(items(&group["RuleActionOverrides"]).map(|one| text(&one["Name"]).unwrap()));
    }
    assert_eq!(firewall["VisibilityConfig"]["SampledRequestsEnabled"], false);
    let bodies = ["SizeRestrictions", "CrossSiteScripting", "EC2MetaDataSSRF", "GenericLFI", "GenericRFI"];
    assert_eq!(counted, bodies.map(|rule| format!("{rule}_BODY")));
    // Rekey's own limit makes the CAPTCHA harder; the firewall's, which refuses, must not come before it.
    let default = |document: &Document, name: &str| document.parameters()[name]["Default"].as_u64().unwrap();
    let opens = default(&Template::from_project().unwrap().document, "RekeyOpensPerIp");
    assert!(default(&document, "RequestsPerIp") > 14 * opens, "a reset takes 14 requests");
}
