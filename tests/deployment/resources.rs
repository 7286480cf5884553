//! Durability, encryption and alarms of tables, logs, queue and keys.

use std::collections::BTreeSet;

use rekey_local::template::Template;
use rekey_local::template::document::{Document, items, target, text};

fn template() -> Document {
    Template::from_project().unwrap().document
}

/// Tables whose items are worthless within a day; the other tables hold people's enrolled data.
const SHORT_LIVED: &[&str] = &["BudgetsTable", "FlowsTable"];
const LONG_LIVED: &[&str] = &["AccountsTable", "SecurityInfoTable"];

/// Controls: C-096.
#[test]
fn tables_are_encrypted_and_lasting_ones_backed_up() {
    let template = template();
    let tables = template.of_type("AWS::DynamoDB::Table");
    let names: BTreeSet<&str> = tables.keys().map(String::as_str).collect();
    assert_eq!(names, SHORT_LIVED.iter().chain(LONG_LIVED).copied().collect());
    for (name, table) in tables {
        let properties = &table["Properties"];
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{name}");
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{name}");
        // Backups of what expires within a day would only keep personal data for 35 days.
        let recovery = &properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
        assert_eq!(*recovery == true, LONG_LIVED.contains(&name.as_str()), "{name}");
    }
}

/// Controls: C-096.
#[test]
fn transient_tables_expire_and_lasting_tables_are_retained() {
    let template = template();
    for name in SHORT_LIVED {
        let ttl = &template.resource(name)["Properties"]["TimeToLiveSpecification"];
        assert_eq!(ttl["AttributeName"], "ttl", "{name}");
        assert_eq!(ttl["Enabled"], true, "{name}");
    }
    for name in LONG_LIVED {
        let table = template.resource(name);
        assert!(table["Properties"].get("TimeToLiveSpecification").is_none(), "{name}");
        assert_eq!(table["DeletionPolicy"], "Retain", "{name}");
        assert_eq!(table["UpdateReplacePolicy"], "Retain", "{name}");
        assert!(table["Properties"].get("DeletionProtectionEnabled").is_some(), "{name}");
    }
}

/// Controls: C-096.
#[test]
fn secrets_are_retained_with_their_data() {
    let template = template();
    for name in ["FlowsSecret", "SeedsSecret", "ContactsSecret", "PushSecret"] {
        assert_eq!(template.resource(name)["DeletionPolicy"], "Retain", "{name}");
        assert_eq!(template.resource(name)["UpdateReplacePolicy"], "Retain", "{name}");
    }
    assert_eq!(template.of_type("AWS::SecretsManager::Secret").len(), 9);
}

/// Controls: C-064, C-096.
#[test]
fn functions_are_traced_with_bounded_log_retention() {
    let template = template();
    let globals = template.globals();
    assert_eq!(globals["Tracing"], "Active");
    assert_eq!(globals["Runtime"], "provided.al2023");
    assert_eq!(globals["LoggingConfig"]["LogFormat"], "JSON");
    assert_eq!(target(&globals["Architectures"][0]).unwrap(), "Architecture");
    for (id, function) in template.of_type("AWS::Serverless::Function") {
        let properties = &function["Properties"];
        let log = template.resource(&target(&properties["LoggingConfig"]["LogGroup"]).unwrap());
        assert_eq!(log["Type"], "AWS::Logs::LogGroup", "{id}");
        let name = text(&function["Metadata"]["BuildProperties"]["Binary"]).unwrap();
        assert!(text(&log["Properties"]["LogGroupName"]).unwrap().ends_with(&name), "{id}");
        assert!(properties.get("Tracing").is_none(), "{id} overrides tracing");
    }
    for (name, log) in template.of_type("AWS::Logs::LogGroup") {
        let condition = |policy: &str| serde_json::to_string(&log[policy]).unwrap();
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
            let policy = condition(policy);
            assert!(policy.contains("IsProduction") && policy.contains("Retain"), "{name}: {policy}");
        }
        let retention = target(&log["Properties"]["RetentionInDays"]);
        assert_eq!(retention.as_deref(), Some("LogRetentionDays"), "{name}");
    }
}

/// Controls: C-072.
#[test]
fn message_retries_outlast_code_lifetime() {
    let template = template();
    let queue = &template.resource("MessagesQueue")["Properties"];
    let visibility = queue["VisibilityTimeout"].as_u64().unwrap();
    let receives = queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap();
    assert_eq!(receives, u64::from(delivery::RECEIVES), "contacts are notified on the last receive");
    let longest = template.parameters()["RekeyCodeTtlSecs"]["MaxValue"].as_u64().unwrap();
    assert!(visibility * receives > longest, "{visibility} s × {receives} against {longest} s");

    let delivery = &template.resource("DeliveryFunction")["Properties"];
    let timeout = delivery["Timeout"].as_u64().unwrap();
    assert!(timeout < visibility, "a second worker would take a message that the first is still sending");
    let event = &delivery["Events"]["Messages"]["Properties"];
    assert!(items(&event["FunctionResponseTypes"]).eq(["ReportBatchItemFailures"]));
    assert!(event["ScalingConfig"]["MaximumConcurrency"].as_u64().is_some());
    for queue in template.of_type("AWS::SQS::Queue").values() {
        // By a key of SQS, or by the organisation's (`own_key_encrypts_everything`).
        let managed = serde_json::to_value(&queue["Properties"]["SqsManagedSseEnabled"]).unwrap();
        assert_eq!(managed, serde_json::json!({ "!If": ["HasKmsKey", false, true] }));
    }
}

/// Controls: C-065.
#[test]
fn every_alarm_notifies_the_topic() {
    let template = template();
    let alarms = template.of_type("AWS::CloudWatch::Alarm");
    let metrics: BTreeSet<String> =
        alarms.values().map(|alarm| text(&alarm["Properties"]["MetricName"]).unwrap()).collect();
    for metric in [
        "ApproximateNumberOfMessagesVisible",
        "5xx",
        "SmsBudgetExhausted",
        "NumberBudgetExhausted",
        "MailboxBudgetExhausted",
        "MessagesRefused",
        "CodesRefused",
        "Throttles",
        "Latency",
        "Reputation.BounceRate",
        "Reputation.ComplaintRate",
        "SMSMonthToDateSpentUSD",
    ] {
        assert!(metrics.contains(metric), "no alarm on {metric}");
    }
    for (name, alarm) in alarms {
        for actions in ["AlarmActions", "OKActions"] {
            let topics: Option<Vec<String>> = items(&alarm["Properties"][actions]).map(target).collect();
            assert_eq!(topics.unwrap(), ["Alarms"], "{name} {actions}");
        }
    }
}

/// Organisations refuse roles without their boundary, and policies outside their path.
/// Controls: C-095.
#[test]
fn roles_have_a_boundary_and_a_path() {
    let template = template();
    let roles = template.of_type("AWS::IAM::Role");
    assert!(!roles.is_empty());
    for (name, role) in roles {
        let properties = &role["Properties"];
        assert_eq!(target(&properties["Path"]).as_deref(), Some("RolePath"), "{name}");
        assert_eq!(
            target(&properties["PermissionsBoundary"]).as_deref(),
            Some("PermissionsBoundary"),
            "{name}"
        );
    }
    for (name, policy) in template.of_type("AWS::IAM::ManagedPolicy") {
        assert_eq!(target(&policy["Properties"]["Path"]).as_deref(), Some("RolePath"), "{name}");
    }
}

/// With a key of one's own, nothing stays under a key of AWS, and every role may use the key.
/// Controls: C-096.
#[test]
fn own_key_encrypts_everything() {
    let template = template();
    let key = |value| assert_eq!(target(value).as_deref(), Some("KmsKeyArn"));
    key(&template.globals()["KmsKeyArn"]);
    for table in template.of_type("AWS::DynamoDB::Table").values() {
        key(&table["Properties"]["SSESpecification"]["KMSMasterKeyId"]);
    }
    for (kind, property) in [
        ("AWS::Logs::LogGroup", "KmsKeyId"),
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
        ("AWS::SecretsManager::Secret", "KmsKeyId"),
        ("AWS::SNS::Topic", "KmsMasterKeyId"),
    ] {
        for resource in template.of_type(kind).values() {
            key(&resource["Properties"][property]);
        }
    }
    let roles = &template.resource("KeyPolicy")["Properties"]["Roles"];
    let roles: BTreeSet<String> = items(roles).filter_map(target).collect();
    assert_eq!(roles, template.of_type("AWS::IAM::Role").into_keys().collect());
}

/// Whoever may delete log groups can't delete the copy before its day.
/// Controls: C-251.
#[test]
fn every_log_is_copied_into_a_locked_bucket() {
    let template = template();
    let bucket = template.resource("LogBucket");
    assert_eq!(bucket["DeletionPolicy"], "Retain");
    let properties = &bucket["Properties"];
    assert_eq!(properties["ObjectLockEnabled"], true);
    let lock = &properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"];
    assert_eq!(target(&lock["Days"]).as_deref(), Some("LogBucketDays"));
    assert_eq!(
        serde_json::to_value(&lock["Mode"]).unwrap(),
        serde_json::json!({ "!If": ["IsProduction", "COMPLIANCE", "GOVERNANCE"] })
    );
    for block in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
        assert_eq!(properties["PublicAccessBlockConfiguration"][block], true, "{block}");
    }
    let copied: BTreeSet<String> = template
        .of_type("AWS::Logs::SubscriptionFilter")
        .values()
        .map(|filter| {
            assert_eq!(filter["Properties"]["FilterPattern"], "", "a copy has every line");
            assert_eq!(target(&filter["Properties"]["DestinationArn"]).as_deref(), Some("LogStream"));
            target(&filter["Properties"]["LogGroupName"]).unwrap()
        })
        .collect();
    assert_eq!(copied, template.of_type("AWS::Logs::LogGroup").into_keys().collect());
}

/// Controls: C-072.
#[test]
fn api_is_throttled_and_logs_no_path() {
    let template = template();
    let api = &template.resource("Api")["Properties"];
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        assert!(api["DefaultRouteSettings"].get(limit).is_some(), "{limit}");
    }
    // Whoever asks for pictures without end can't use up what the pages share.
    for route in ["picture.png", "sound.wav"]
        .into_iter()
        .flat_map(|file| ["GET", "HEAD"].map(|method| format!("{method} /captcha/{{token}}/{file}")))
    {
        let own = &api["RouteSettings"][route.as_str()];
        for (limit, most) in [("ThrottlingRateLimit", 20), ("ThrottlingBurstLimit", 40)] {
            assert!(
                own[limit].as_i64().is_some_and(|number| (1..=most).contains(&number)),
                "{route} {limit}"
            );
        }
    }
    for route in ["POST /", "POST /code/send", "POST /password", "POST /security-info/sign-in"] {
        assert!(api["RouteSettings"][route].get("ThrottlingRateLimit").is_some(), "{route}");
    }
    let format = text(&api["AccessLogSettings"]["Format"]).unwrap();
    assert!(format.contains("$context.routeKey"));
    assert!(!format.contains("path"), "a path holds a CAPTCHA's token");
}
