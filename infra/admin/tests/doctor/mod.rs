//! `rekey doctor` against a local environment, and against a test double of an AWS account.

mod double;

use serde_json::Value;

pub use self::double::{Account, RENEWAL};
use self::double::{CONFIGURATION, functions, sums};
use crate::support::Rekey;

const CAPABLE: &str = "login,name,alternate_email,mobile
start,Start Person,start@mail.example,+60123456700
ali,Ali bin Abu,ali@mail.example,+60123456701
";
const DENIED: &str =
    r#"{"__type":"AccessDeniedException","Message":"User is not authorized to perform this action"}"#;

/// Returns the verdicts of all checks as `group/name: verdict`.
fn verdicts(document: &Value) -> Vec<String> {
    let text = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    let checks = document["checks"].as_array().unwrap().iter();
    checks
        .map(|check| format!("{}/{}: {}", text(check, "group"), text(check, "name"), text(check, "verdict")))
        .collect()
}

/// Returns a check, after checking that a failed one has a next action.
fn check<'a>(document: &'a Value, name: &str) -> &'a Value {
    let found = document["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name}: {document:#}"));
    let needs_next = !["ok", "skipped"].contains(&found["verdict"].as_str().unwrap());
    assert_eq!(found["next"].is_string(), needs_next, "{found:#}");
    found
}

/// Asserts verdict, a part of what was found, and a part of the next action.
fn assert_check(document: &Value, name: &str, verdict: &str, says: &str, next: &str) {
    let found = check(document, name);
    let text = |part: &str| found[part].as_str().unwrap_or_default().to_owned();
    let is_as_wanted =
        text("verdict") == verdict && text("says").contains(says) && text("next").contains(next);
    assert!(is_as_wanted, "wanted {verdict}, {says:?}, {next:?}: {found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_checks_a_local_environment() {
    let rekey = Rekey::start().await;
    let ended = rekey.run(&["doctor", "--json"]).await;
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(ended.status, 3, "nobody can reset: {document:#}");
    assert_check(&document, "ready", "failed", "0 of 1 (0 %)", "import contacts.csv");
    rekey.import(CAPABLE).await;
    let ended = rekey.run(&["doctor", "--json", "--strict"]).await;
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    let expected = [
        "Deployment/parameters: ok",
        "Deployment/stack: skipped",
        "Deployment/functions: skipped",
        "Deployment/tables: ok",
        "Deployment/keys: skipped",
        "Deployment/dead letters: skipped",
        "Deployment/concurrency: skipped",
        "Address/certificate: skipped",
        "Address/endpoint: skipped",
        "Address/page: ok",
        "Address/clock: ok",
        "Mail/sandbox: skipped",
        "Mail/sender: skipped",
        "Mail/dmarc: skipped",
        "Mail/bounces: skipped",
        "Texts and calls/texts: skipped",
        "Texts and calls/text sender: skipped",
        "Texts and calls/calls: skipped",
        "Texts and calls/budget: ok",
        "Directory/kind: ok",
        "People/ready: ok",
        "Alarms/subscribers: skipped",
        "Alarms/alarms: skipped",
    ];
    assert_eq!((ended.status, verdicts(&document)), (0, expected.map(str::to_owned).to_vec()));
    let text = rekey.run(&["doctor"]).await.out;
    for part in ["✔ ok      ready", "– ", "not in the local environment", "ok · 0 ! warnings"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "no colour where no terminal is");
}

/// Controls: C-260.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_reads_a_stack_and_changes_nothing() {
    let rekey = Rekey::start().await;
    rekey.import(CAPABLE).await;
    let account = Account::start(&rekey).await;
    let (status, document) = account.doctor(&[], &["--strict"]).await;
    let bad: Vec<String> = verdicts(&document).into_iter().filter(|line| !line.ends_with(": ok")).collect();
    assert_eq!((status, bad), (0, vec![]), "{document:#}");
    assert_check(&document, "texts", "ok", "300 USD a month, 11.50 used", "");
    assert_check(&document, "sender", "ok", "is verified by", "");
    assert_check(&document, "dmarc", "ok", "p=reject at _dmarc.contoh.example", "");
    assert_check(&document, "bounces", "ok", "0.4 % of 1500 mails came back in 14 days", "");
    let reads = ["Get", "Describe", "List", "BatchGet", "Scan", "Query", "GET "];
    for call in account.calls() {
        let operation = call.split(':').nth(1).unwrap();
        assert!(reads.iter().any(|read| operation.starts_with(read)), "{call} may change something");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_has_its_verdict_and_next_action() {
    let rekey = Rekey::start().await;
    rekey.import(CAPABLE).await;
    let account = Account::start(&rekey).await;
    let identity = "ses:GET /v2/email/identities/contoh.example";

    // What stops people.
    let stopped = functions(&account, &[]).replace("\"Active\"", "\"Failed\"");
    let (status, document) = account
        .doctor(
            &[
                ("cloudformation:DescribeStacks", 200, "<StackStatus>UPDATE_ROLLBACK_FAILED</StackStatus>"),
                (CONFIGURATION, 200, &stopped),
                ("dynamodb:DescribeTable", 400, r#"{"__type":"com.amazonaws.dynamodb#ResourceNotFoundException"}"#),
                ("secretsmanager:DescribeSecret", 200, r#"{"DeletedDate": 1.0}"#),
                ("acm:DescribeCertificate", 200, r#"{"Certificate": {"Status": "EXPIRED", "NotAfter": 1.0}}"#),
                (
                    "ses:GET /v2/email/account",
                    200,
                    r#"{"ProductionAccessEnabled": false, "SendingEnabled": true, "SendQuota": {"Max24HourSend": 200, "SentLast24Hours": 0}}"#,
                ),
                (identity, 404, r#"{"message": "no such identity"}"#),
                ("sns:GetSMSSandboxAccountStatus", 200, "<IsInSandbox>true</IsInSandbox>"),
                ("sms-voice:DescribePhoneNumbers", 200, r#"{"PhoneNumbers": []}"#),
                ("sns:ListSubscriptionsByTopic", 200, "<Subscriptions/>"),
            ],
            &[],
        )
        .await;
    assert_eq!(status, 3, "{document:#}");
    for (name, says, next) in [
        ("stack", "UPDATE_ROLLBACK_FAILED", "describe-stack-events"),
        ("functions", "rekey-DeliveryFunction-1", "get-function-configuration"),
        ("tables", "does not exist", "runbooks.md"),
        ("keys", "marked for deletion", "aws secretsmanager restore-secret --secret-id"),
        ("certificate", "EXPIRED", "aws acm describe-certificate"),
        ("sandbox", "SES is in its sandbox", "put-account-details --production-access-enabled"),
        ("sender", "SES does not know", "create-email-identity --email-identity"),
        ("texts", "SNS is in its sandbox", "Exit SMS sandbox"),
        ("calls", "nobody's phone rings", "describe-phone-numbers"),
        ("subscribers", "alarms reach nobody", "aws sns subscribe --topic-arn"),
    ] {
        assert_check(&document, name, "failed", says, next);
    }
    assert_check(&document, "text sender", "warning", "neither an id nor a number", "request-phone-number");

    // What stops people, in another way, and what only needs a look.
    let trial = functions(&account, &[("REKEY_SMS_PER_DAY", "1"), ("REKEY_STEPS", "2")]);
    let row = |n: u32| format!("p{n},Person {n},p{n}@mail.example,+601234569{n:02}");
    let people = (0..40).map(row).collect::<Vec<_>>().join("\n");
    rekey.import(&format!("{CAPABLE}{people}")).await;
    let (status, document) = account
        .doctor(
            &[
                ("cloudformation:DescribeStacks", 200, "<StackStatus>UPDATE_IN_PROGRESS</StackStatus>"),
                (CONFIGURATION, 200, &trial),
                ("dynamodb:DescribeTable", 200, r#"{"Table": {"TableStatus": "ACTIVE"}}"#),
                ("lambda:GET /2016-08-19/account-settings", 200, r#"{"AccountLimit": {"ConcurrentExecutions": 10}}"#),
                ("sqs:GetQueueAttributes", 200, r#"{"Attributes": {"ApproximateNumberOfMessages": "7"}}"#),
                ("apigateway:GET /v2/apis/a1b2c3", 200, r#"{"disableExecuteApiEndpoint": false}"#),
                (
                    "ses:GET /v2/email/account",
                    200,
                    r#"{"ProductionAccessEnabled": true, "SendingEnabled": true, "SendQuota": {"Max24HourSend": 200, "SentLast24Hours": 190}}"#,
                ),
                (
                    identity,
                    200,
                    r#"{"VerifiedForSendingStatus": true, "DkimAttributes": {"SigningEnabled": true, "Status": "PENDING", "Tokens": ["abc"]}}"#,
                ),
                ("sns:GetSMSAttributes", 200, "<attributes/>"),
                ("monitoring:DescribeAlarms", 200, "<AlarmName>rekey-ServerErrorAlarm-1</AlarmName><AlarmName>rekey-dev-OtherAlarm-2</AlarmName>"),
                (
                    "sns:ListSubscriptionsByTopic",
                    200,
                    "<member><SubscriptionArn>PendingConfirmation</SubscriptionArn></member>",
                ),
            ],
            &["--strict"],
        )
        .await;
    assert_eq!(status, 3, "failures come before warnings: {document:#}");
    assert_check(&document, "texts", "failed", "1 USD a month", "MonthlySpendLimit");
    assert_check(&document, "subscribers", "failed", "not confirmed", "confirm it");
    for (name, says, next) in [
        ("stack", "under way", "aws cloudformation wait"),
        ("tables", "deleted by mistake", "--deletion-protection-enabled"),
        ("concurrency", "10 functions", "request-service-quota-increase"),
        ("dead letters", "7 messages", "Dead-letter queue"),
        ("endpoint", "open", "--disable-execute-api-endpoint"),
        ("sandbox", "190 of 200", "L-804C8AE8"),
        ("sender", "not signed", "abc._domainkey.contoh.example CNAME abc.dkim.amazonses.com"),
        ("budget", "70 days", "Set RekeySmsPerDay to 3"),
        ("alarms", "on: rekey-ServerErrorAlarm-1", "runbooks.md"),
    ] {
        assert_check(&document, name, "warning", says, next);
    }

    // Warnings alone fail on request only.
    let pending = [("cloudformation:DescribeStacks", 200, "<StackStatus>UPDATE_IN_PROGRESS</StackStatus>")];
    assert_eq!(account.doctor(&pending, &[]).await.0, 0);
    assert_eq!(account.doctor(&pending, &["--strict"]).await.0, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_that_can_not_look_ends_no_other() {
    let rekey = Rekey::start().await;
    rekey.import(CAPABLE).await;
    let account = Account::start(&rekey).await;
    let xml = "<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>";
    let (status, document) = account
        .doctor(
            &[
                ("dynamodb:DescribeTable", 400, DENIED),
                ("secretsmanager:DescribeSecret", 500, ""),
                (
                    "ses:GET /v2/email/account",
                    403,
                    r#"{"message": "User: x is not authorized to perform: ses:GetAccount"}"#,
                ),
                ("sns:GetSMSSandboxAccountStatus", 403, xml),
                ("monitoring:DescribeAlarms", 200, "\u{0}"),
            ],
            &[],
        )
        .await;
    assert_eq!(status, 1, "{document:#}");
    assert_check(
        &document,
        "tables",
        "unknown",
        "does not allow dynamodb:DescribeTable",
        "Allow dynamodb:DescribeTable",
    );
    assert_check(&document, "keys", "unknown", "status 500", "again");
    assert_check(&document, "sandbox", "unknown", "ses:GetAccount", "Allow ses:GetAccount");
    assert_check(&document, "texts", "unknown", "sns:GetSMSSandboxAccountStatus", "Allow sns:");
    assert_check(&document, "alarms", "unknown", "an unreadable answer", "again");
    for name in ["stack", "functions", "page", "sender", "ready", "subscribers"] {
        assert_check(&document, name, "ok", "", "");
    }

    // With wrong parameters, the checks that need none are made.
    let wrong = functions(&account, &[("REKEY_STEPS", "7")]);
    let (status, document) = account.doctor(&[(CONFIGURATION, 200, &wrong)], &[]).await;
    assert_eq!(status, 3, "{document:#}");
    assert_check(&document, "parameters", "failed", "REKEY_STEPS", "samconfig.toml");
    assert_check(&document, "ready", "unknown", "while parameters are wrong", "Correct the parameters");
    assert_check(&document, "page", "ok", "shows page 1", "");

    // An address where nothing listens.
    let gone = functions(&account, &[("REKEY_PUBLIC_URL", "http://127.0.0.1:1")]);
    let (status, document) = account.doctor(&[(CONFIGURATION, 200, &gone)], &[]).await;
    assert_eq!(status, 3, "{document:#}");
    assert_check(&document, "page", "failed", "does not answer", "curl -sS");
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_are_checked_in_the_region_they_send_from() {
    let rekey = Rekey::start().await;
    rekey.import(CAPABLE).await;
    let account = Account::start(&rekey).await;
    account.send_from("ap-southeast-2");
    let elsewhere = functions(&account, &[("REKEY_MESSAGE_REGION", "ap-southeast-2")]);
    let (status, document) = account.doctor(&[(CONFIGURATION, 200, &elsewhere)], &[]).await;
    assert_eq!(status, 0, "{document:#}");
    assert_check(&document, "sender", "ok", "", "");
}

/// A domain without a policy is told from a resolver that can't say.
#[tokio::test(flavor = "multi_thread")]
async fn dmarc_record_is_read_or_could_not_be_checked() {
    const NAME: &str = "_dmarc.contoh.example";
    let rekey = Rekey::start().await;
    rekey.import(CAPABLE).await;
    let account = Account::start(&rekey).await;
    let long = format!("v=DMARC1; p=quarantine; rua={}", "mailto:dmarc@contoh.example,".repeat(30));
    let spf = "v=spf1 include:amazonses.com ~all";
    for (texts, verdict, says, next) in [
        (&[][..], "warning", "neither contoh.example nor", "_dmarc.contoh.example TXT \"v=DMARC1; p=none"),
        (&[spf], "warning", "neither contoh.example nor", "_dmarc.contoh.example TXT"),
        (&["v=DMARC1; p=none"], "warning", "p=none at", "p=quarantine"),
        (&["v=DMARC1; p=none", "v=DMARC1; p=reject"], "warning", "has 2 records", "Remove all but one"),
        (&[spf, "v=DMARC1; p=reject"], "ok", "p=reject at", ""),
        (&[&long], "ok", "p=quarantine at", ""),
    ] {
        account.dns.set(NAME, texts);
        let (status, document) = account.doctor(&[], &[]).await;
        assert_eq!(status, 0, "{document:#}");
        assert_check(&document, "dmarc", verdict, says, next);
    }
    account.dns.fail(NAME);
    let (status, document) = account.doctor(&[], &["--strict"]).await;
    assert_eq!(status, 1, "it is no warning: {document:#}");
    let next = "dig +short TXT _dmarc.contoh.example";
    assert_check(&document, "dmarc", "unknown", "could not be checked: 127.0.0.1", next);
    assert_check(&document, "sender", "ok", "", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn bounces_are_judged_by_the_limits_of_ses() {
    let rekey = Rekey::start().await;
    rekey.import(CAPABLE).await;
    let account = Account::start(&rekey).await;
    for (sent, bounced, complained, verdict, says) in [
        (0.0, 0.0, 0.0, "ok", "no mail was sent in 14 days"),
        (1_000.0, 49.0, 0.0, "ok", "4.9 % of 1000 mails"),
        (1_000.0, 50.0, 0.0, "warning", "5.0 % of 1000 mails"),
        (1_000.0, 100.0, 0.0, "failed", "10.0 % of 1000 mails"),
        (1_000.0, 0.0, 1.0, "warning", "0.10 % were reported"),
        (1_000.0, 0.0, 5.0, "failed", "0.50 % were reported"),
        (50.0, 20.0, 0.0, "warning", "40.0 % of 50 mails"),
    ] {
        let answers = [("Send", sent), ("Bounce", bounced), ("Complaint", complained)]
            .map(|(metric, sum)| (format!("monitoring:GetMetricStatistics {metric}"), sums(&[sum])));
        let answers = answers.each_ref().map(|(call, body)| (call.as_str(), 200, body.as_str()));
        let (_, document) = account.doctor(&answers, &[]).await;
        let next =
            if verdict == "ok" { "" } else { "aws sesv2 list-suppressed-destinations --reasons BOUNCE" };
        assert_check(&document, "bounces", verdict, says, next);
    }
    let denied = [("monitoring:GetMetricStatistics Bounce", 403, DENIED)];
    let (status, document) = account.doctor(&denied, &[]).await;
    assert_eq!(status, 1, "{document:#}");
    assert_check(&document, "bounces", "unknown", "cloudwatch:GetMetricStatistics", "Allow cloudwatch:");
}
