//! Durability, encryption and alarms of tables, logs, queue and keys.

use std::collections::BTreeSet;

use rekey_local::template::Template;
use rekey_local::template::document::{Document, items, target, text};

fn template() -> Document {
    Template::from_project().unwrap().document
}

/// Tables whose items are worthless within an hour; the other tables hold people's enrolled data.
const SHORT_LIVED: &[&str] = &["BudgetsTable", "FlowsTable"];
const LONG_LIVED: &[&str] = &["AccountsTable", "SecurityInfoTable"];

/// Controls: C-096.
#[test]
fn tables_are_encrypted_backed_up_and_on_demand() {
    let template = template();
    let tables = template.of_type("AWS::DynamoDB::Table");
    let names: BTreeSet<&str> = tables.keys().map(String::as_str).collect();
    assert_eq!(names, SHORT_LIVED.iter().chain(LONG_LIVED).copied().collect());
    for (name, table) in tables {
        let properties = &table["Properties"];
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{name}");
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{name}");
        let recovery = &properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
        assert_eq!(*recovery, true, "{name}");
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
        assert_eq!(queue["Properties"]["SqsManagedSseEnabled"], true);
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
    ] {
        assert!(metrics.contains(metric), "no alarm on {metric}");
    }
    for (name, alarm) in alarms {
        let topics: Option<Vec<String>> = items(&alarm["Properties"]["AlarmActions"]).map(target).collect();
        assert_eq!(topics.unwrap(), ["Alarms"], "{name}");
    }
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
    let format = text(&api["AccessLogSettings"]["Format"]).unwrap();
    assert!(format.contains("$context.routeKey"));
    assert!(!format.contains("path"), "a path holds a CAPTCHA's token");
}
