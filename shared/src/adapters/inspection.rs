//! The state of an AWS account and of a stack's resources, as far as `rekey doctor` checks it.
//!
//! Every call reads only, and is made once: a check that can't be made says so. Names and forms of the calls are those of
//! AWS's API references.

use std::sync::Arc;
use std::time::Duration;

use aws_types::SdkConfig;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;

use super::aws::CallError;
use super::aws::signed::{SignedAnswer, SignedClient, SignedError};
use super::aws::xml::element;
use crate::domain::time::{Seconds, Timestamp};
use crate::ports::Clock;

/// Time-out of a call. Many are made at once, and a person waits for the slowest.
const TIMEOUT: Duration = Duration::from_secs(10);
/// AWS's default limit of a month's texts or calls, in US dollars.
const DEFAULT_SPEND: f64 = 1.0;
/// The most entries of a list that one answer has.
const PAGE: u32 = 100;

/// A call has no answer that can be used.
#[derive(Debug, Error)]
pub enum InspectionError {
    /// The caller's role does not allow the call, which is named as IAM names it.
    #[error("your role does not allow {0}")]
    Denied(&'static str),
    /// The thing does not exist.
    #[error("{0} finds nothing")]
    NotFound(&'static str),
    /// The service could not be reached, or refused the call for another reason.
    #[error("{call} failed: {reason}")]
    Failed {
        /// The call as IAM names it.
        call: &'static str,
        /// The reason.
        reason: CallError,
    },
}

/// What SES says about the account's mail.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MailAccount {
    /// Whether the account is out of the sandbox.
    pub production_access_enabled: bool,
    /// Whether SES sends its mail at all.
    pub sending_enabled: bool,
    /// `HEALTHY`, `PROBATION` or `SHUTDOWN`.
    #[serde(default)]
    pub enforcement_status: String,
    /// The limits.
    pub send_quota: SendQuota,
}

/// SES's limits of an account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SendQuota {
    /// Mails a day.
    #[serde(rename = "Max24HourSend")]
    pub per_day: f64,
    /// Mails that were sent in the last day.
    #[serde(rename = "SentLast24Hours")]
    pub sent: f64,
}

/// An address or a domain that SES may send from.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MailIdentity {
    /// Whether it is verified.
    #[serde(default)]
    pub verified_for_sending_status: bool,
    /// Its signatures.
    #[serde(default)]
    pub dkim_attributes: Dkim,
    /// Its envelope sender.
    #[serde(default)]
    pub mail_from_attributes: MailFrom,
}

/// Signatures of mail (DKIM).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Dkim {
    /// Whether mail is signed.
    pub signing_enabled: bool,
    /// `SUCCESS` if the DNS records are found.
    pub status: String,
    /// The names of the DNS records, by which SES finds the keys.
    pub tokens: Vec<String>,
    /// The zone that the records point to, where it is not SES's own.
    pub signing_hosted_zone: Option<String>,
}

/// The domain of the envelope sender (MAIL FROM).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MailFrom {
    /// The domain, if the identity has one of its own.
    pub mail_from_domain: Option<String>,
    /// `SUCCESS` if its MX record is found.
    pub mail_from_domain_status: String,
}

/// A number that the account rents.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RentedNumber {
    /// The number, in E.164.
    pub phone_number: String,
    /// Its id.
    pub phone_number_id: String,
    /// Its ARN.
    pub phone_number_arn: String,
    /// The id of its pool, if it is in one.
    pub pool_id: Option<String>,
    /// `ACTIVE` if it can be used.
    pub status: String,
    /// `SMS`, `VOICE`.
    pub number_capabilities: Vec<String>,
}

/// A certificate of Certificate Manager.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Certificate {
    /// `ISSUED` if it is valid.
    pub status: String,
    /// Its end, in seconds since 1970.
    pub not_after: Option<f64>,
}

/// A custom domain of API Gateway.
#[derive(Debug)]
pub struct CustomDomain {
    /// The ARN of its certificate.
    pub certificate: String,
    /// `AVAILABLE` if it serves.
    pub status: String,
}

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub struct TableState {
    /// `ACTIVE` if it can be used.
    pub status: String,
    /// Whether a deletion is refused.
    pub is_protected: bool,
}

/// A secret, without its value.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretState {
    /// When its value was last replaced, in seconds since 1970.
    pub last_changed_date: Option<f64>,
    /// When it will be deleted, if it is marked for that.
    pub deleted_date: Option<f64>,
}

/// The subscriptions of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscriptions {
    /// Those that are confirmed.
    pub confirmed: usize,
    /// Those that nobody has confirmed yet.
    pub pending: usize,
}

/// Reads the state of an account.
pub struct Inspection {
    config: SdkConfig,
    clock: Arc<dyn Clock>,
}

impl Inspection {
    /// Returns the inspection of the account and the region of `config`.
    pub fn new(config: &SdkConfig, clock: Arc<dyn Clock>) -> Self {
        Self { config: config.clone(), clock }
    }
}

#[expect(clippy::missing_errors_doc, reason = "all of them fail alike: with `InspectionError`")]
impl Inspection {
    /// Returns the state of a stack, such as `UPDATE_COMPLETE`.
    pub async fn stack(&self, name: &str) -> Result<String, InspectionError> {
        const CALL: &str = "cloudformation:DescribeStacks";
        let fields = [("Action", "DescribeStacks"), ("Version", "2010-05-15"), ("StackName", name)];
        let text = self.query(CALL, "cloudformation", &fields).await?;
        element(&text, "StackStatus").ok_or_else(|| unreadable(CALL))
    }

    /// Returns how many functions of the account may run at once.
    pub async fn concurrency(&self) -> Result<u32, InspectionError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            account_limit: Limit,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Limit {
            concurrent_executions: u32,
        }
        let client = self.client("lambda");
        let answer: Answer =
            get("lambda:GetAccountSettings", &client, "/2016-08-19/account-settings").await?;
        Ok(answer.account_limit.concurrent_executions)
    }

    /// Returns the state of a table.
    pub async fn table(&self, name: &str) -> Result<TableState, InspectionError> {
        const CALL: &str = "dynamodb:DescribeTable";
        let answer: Value = self
            .json(CALL, "dynamodb", "1.0", "DynamoDB_20120810.DescribeTable", &json!({ "TableName": name }))
            .await?;
        let table = &answer["Table"];
        let status = table["TableStatus"].as_str().ok_or_else(|| unreadable(CALL))?.to_owned();
        let is_protected = table["DeletionProtectionEnabled"].as_bool().unwrap_or_default();
        Ok(TableState { status, is_protected })
    }

    /// Returns whether a table can be restored to any second of the last weeks.
    pub async fn has_backups(&self, table: &str) -> Result<bool, InspectionError> {
        const CALL: &str = "dynamodb:DescribeContinuousBackups";
        let target = "DynamoDB_20120810.DescribeContinuousBackups";
        let answer: Value =
            self.json(CALL, "dynamodb", "1.0", target, &json!({ "TableName": table })).await?;
        let backups = &answer["ContinuousBackupsDescription"];
        let state = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"].as_str();
        Ok(state.ok_or_else(|| unreadable(CALL))? == "ENABLED")
    }

    /// Returns the state of a secret.
    pub async fn secret(&self, id: &str) -> Result<SecretState, InspectionError> {
        let body = json!({ "SecretId": id });
        let target = "secretsmanager.DescribeSecret";
        self.json("secretsmanager:DescribeSecret", "secretsmanager", "1.1", target, &body).await
    }

    /// Returns how many messages wait in a queue, about.
    pub async fn waiting(&self, queue: &str) -> Result<u64, InspectionError> {
        const CALL: &str = "sqs:GetQueueAttributes";
        let body = json!({ "QueueUrl": queue, "AttributeNames": ["ApproximateNumberOfMessages"] });
        let answer: Value = self.json(CALL, "sqs", "1.0", "AmazonSQS.GetQueueAttributes", &body).await?;
        let count = answer["Attributes"]["ApproximateNumberOfMessages"].as_str();
        count.and_then(|count| count.parse().ok()).ok_or_else(|| unreadable(CALL))
    }

    /// Returns whether the API's own address is shut.
    pub async fn is_default_endpoint_shut(&self, api: &str) -> Result<bool, InspectionError> {
        const CALL: &str = "apigateway:GET";
        let client = self.client("apigateway");
        let answer: Value = get(CALL, &client, &format!("/v2/apis/{}", segment(api))).await?;
        answer["disableExecuteApiEndpoint"].as_bool().ok_or_else(|| unreadable(CALL))
    }

    /// Returns a custom domain.
    pub async fn domain(&self, name: &str) -> Result<CustomDomain, InspectionError> {
        const CALL: &str = "apigateway:GET";
        let client = self.client("apigateway");
        let answer: Value = get(CALL, &client, &format!("/v2/domainnames/{}", segment(name))).await?;
        let found = &answer["domainNameConfigurations"][0];
        let text = |name: &str| found[name].as_str().map(str::to_owned).ok_or_else(|| unreadable(CALL));
        Ok(CustomDomain { certificate: text("certificateArn")?, status: text("domainNameStatus")? })
    }

    /// Returns a certificate.
    pub async fn certificate(&self, arn: &str) -> Result<Certificate, InspectionError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            certificate: Certificate,
        }
        let (target, body) = ("CertificateManager.DescribeCertificate", json!({ "CertificateArn": arn }));
        let answer: Answer = self.json("acm:DescribeCertificate", "acm", "1.1", target, &body).await?;
        Ok(answer.certificate)
    }

    /// Returns the state of the account's mail.
    pub async fn mail_account(&self) -> Result<MailAccount, InspectionError> {
        get("ses:GetAccount", &self.mail(), "/v2/email/account").await
    }

    /// Returns an address or a domain as SES knows it.
    pub async fn mail_identity(&self, name: &str) -> Result<MailIdentity, InspectionError> {
        let path = format!("/v2/email/identities/{}", segment(name));
        get("ses:GetEmailIdentity", &self.mail(), &path).await
    }

    /// Returns whether texts reach verified numbers only.
    pub async fn are_texts_in_sandbox(&self) -> Result<bool, InspectionError> {
        const CALL: &str = "sns:GetSMSSandboxAccountStatus";
        let fields = [("Action", "GetSMSSandboxAccountStatus"), ("Version", "2010-03-31")];
        let text = self.query(CALL, "sns", &fields).await?;
        let found = element(&text, "IsInSandbox").and_then(|text| text.parse().ok());
        found.ok_or_else(|| unreadable(CALL))
    }

    /// Returns the limit of a month's texts, in US dollars.
    pub async fn text_spend_limit(&self) -> Result<f64, InspectionError> {
        let fields = [
            ("Action", "GetSMSAttributes"),
            ("Version", "2010-03-31"),
            ("attributes.member.1", "MonthlySpendLimit"),
        ];
        let text = self.query("sns:GetSMSAttributes", "sns", &fields).await?;
        // The answer lacks attributes that nobody has set.
        let entry = text.split("<entry>").find(|entry| entry.contains("<key>MonthlySpendLimit</key>"));
        let limit = entry.and_then(|entry| element(entry, "value")).and_then(|limit| limit.parse().ok());
        Ok(limit.unwrap_or(DEFAULT_SPEND))
    }

    /// Returns the largest value of a metric of the account in this span, if it has any.
    pub async fn metric(
        &self,
        namespace: &str,
        name: &str,
        span: Seconds,
    ) -> Result<Option<f64>, InspectionError> {
        Ok(self.statistics(namespace, name, "Maximum", span).await?.into_iter().reduce(f64::max))
    }

    /// Returns the sum of a metric of the account in this span.
    pub async fn metric_sum(
        &self,
        namespace: &str,
        name: &str,
        span: Seconds,
    ) -> Result<f64, InspectionError> {
        Ok(self.statistics(namespace, name, "Sum", span).await?.into_iter().sum())
    }

    /// Returns the values of a metric of the account, one a day.
    async fn statistics(
        &self,
        namespace: &str,
        name: &str,
        statistic: &str,
        span: Seconds,
    ) -> Result<Vec<f64>, InspectionError> {
        let now = self.clock.now();
        let (from, to) =
            (Timestamp::from_seconds(now.as_seconds() - i64::from(span.0)).to_string(), now.to_string());
        let fields = [
            ("Action", "GetMetricStatistics"),
            ("Version", "2010-08-01"),
            ("Namespace", namespace),
            ("MetricName", name),
            ("StartTime", &from),
            ("EndTime", &to),
            ("Period", "86400"),
            ("Statistics.member.1", statistic),
        ];
        let text = self.query("cloudwatch:GetMetricStatistics", "monitoring", &fields).await?;
        let points = text.split("<member>").skip(1);
        Ok(points.filter_map(|point| element(point, statistic)?.parse().ok()).collect())
    }

    /// Returns the rented numbers of the account, a hundred at most.
    pub async fn numbers(&self) -> Result<Vec<RentedNumber>, InspectionError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            phone_numbers: Vec<RentedNumber>,
        }
        let answer: Answer =
            self.voice("sms-voice:DescribePhoneNumbers", "PinpointSMSVoiceV2.DescribePhoneNumbers").await?;
        Ok(answer.phone_numbers)
    }

    /// Returns whether calls reach verified numbers only.
    pub async fn are_calls_in_sandbox(&self) -> Result<bool, InspectionError> {
        const CALL: &str = "sms-voice:DescribeAccountAttributes";
        let answer: Value = self.voice(CALL, "PinpointSMSVoiceV2.DescribeAccountAttributes").await?;
        let tier = named(&answer["AccountAttributes"], "ACCOUNT_TIER");
        Ok(tier.and_then(|tier| tier["Value"].as_str()).ok_or_else(|| unreadable(CALL))? == "SANDBOX")
    }

    /// Returns the limit of a month's calls, in US dollars.
    pub async fn call_spend_limit(&self) -> Result<f64, InspectionError> {
        const CALL: &str = "sms-voice:DescribeSpendLimits";
        let answer: Value = self.voice(CALL, "PinpointSMSVoiceV2.DescribeSpendLimits").await?;
        let limit = named(&answer["SpendLimits"], "VOICE_MESSAGE_MONTHLY_SPEND_LIMIT");
        limit.and_then(|limit| limit["EnforcedLimit"].as_f64()).ok_or_else(|| unreadable(CALL))
    }

    /// Returns the subscriptions of a topic.
    pub async fn subscriptions(&self, topic: &str) -> Result<Subscriptions, InspectionError> {
        let fields = [("Action", "ListSubscriptionsByTopic"), ("Version", "2010-03-31"), ("TopicArn", topic)];
        let text = self.query("sns:ListSubscriptionsByTopic", "sns", &fields).await?;
        let mut found = Subscriptions::default();
        for arn in text.split("<member>").skip(1).filter_map(|member| element(member, "SubscriptionArn")) {
            match arn.as_str() {
                "PendingConfirmation" => found.pending += 1,
                "Deleted" => {}
                _ => found.confirmed += 1,
            }
        }
        Ok(found)
    }

    /// Returns the names of the alarms that begin so and are on, a hundred at most.
    pub async fn alarms_on(&self, prefix: &str) -> Result<Vec<String>, InspectionError> {
        let records = PAGE.to_string();
        let fields = [
            ("Action", "DescribeAlarms"),
            ("Version", "2010-08-01"),
            ("AlarmNamePrefix", prefix),
            ("StateValue", "ALARM"),
            ("MaxRecords", &records),
        ];
        let text = self.query("cloudwatch:DescribeAlarms", "monitoring", &fields).await?;
        Ok(text
            .split("<AlarmName>")
            .skip(1)
            .filter_map(|rest| rest.split("</AlarmName>").next())
            .map(str::to_owned)
            .collect())
    }
}

impl Inspection {
    fn client(&self, service: &'static str) -> SignedClient {
        SignedClient::once(&self.config, service, TIMEOUT, self.clock.clone())
    }

    /// SES signs as `ses`, and is at another host.
    fn mail(&self) -> SignedClient {
        self.client("ses").at("email")
    }

    async fn voice<A: DeserializeOwned>(
        &self,
        call: &'static str,
        target: &'static str,
    ) -> Result<A, InspectionError> {
        let body = if target.ends_with("Numbers") { json!({ "MaxResults": PAGE }) } else { json!({}) };
        self.json(call, "sms-voice", "1.0", target, &body).await
    }

    async fn json<A: DeserializeOwned>(
        &self,
        call: &'static str,
        service: &'static str,
        version: &str,
        target: &str,
        body: &Value,
    ) -> Result<A, InspectionError> {
        let content_type = format!("application/x-amz-json-{version}");
        let headers = [("content-type", content_type.as_str()), ("x-amz-target", target)];
        let answer = self.client(service).post("/", &headers, body.to_string().as_bytes()).await;
        serde_json::from_slice(&accepted(call, answer)?).map_err(|_| unreadable(call))
    }

    /// Calls an operation of the query protocol, and returns its XML.
    async fn query(
        &self,
        call: &'static str,
        service: &'static str,
        fields: &[(&str, &str)],
    ) -> Result<String, InspectionError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let answer = accepted(call, self.client(service).post("/", &headers, body.as_bytes()).await)?;
        let text = String::from_utf8(answer).map_err(|_| unreadable(call))?;
        // An empty list must not be read from something else.
        let is_it = call.split(':').nth(1).is_some_and(|name| text.contains(&format!("<{name}Response")));
        if is_it { Ok(text) } else { Err(unreadable(call)) }
    }
}

/// Calls an operation of the REST protocol.
async fn get<A: DeserializeOwned>(
    call: &'static str,
    client: &SignedClient,
    path: &str,
) -> Result<A, InspectionError> {
    serde_json::from_slice(&accepted(call, client.get(path).await)?).map_err(|_| unreadable(call))
}

/// Returns the body of a success.
fn accepted(
    call: &'static str,
    answer: Result<SignedAnswer, SignedError>,
) -> Result<Vec<u8>, InspectionError> {
    let answer = answer.map_err(|error| InspectionError::Failed { call, reason: error.into() })?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    let code = code(&answer.body);
    let is = |part: &str| code.as_deref().is_some_and(|code| code.contains(part));
    Err(
        if is("AccessDenied")
            || is("AuthorizationError")
            || is("Forbidden")
            || answer.status == 403 && code.is_none()
        {
            InspectionError::Denied(call)
        } else if is("NotFound") || answer.status == 404 {
            InspectionError::NotFound(call)
        } else {
            let reason = code.unwrap_or_else(|| format!("status {}", answer.status));
            InspectionError::Failed { call, reason: CallError(reason) }
        },
    )
}

/// Returns the code of an error: in JSON, in XML, or by the words that REST services have for a refusal.
fn code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(rename = "__type", alias = "code")]
        code: Option<String>,
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return element(&String::from_utf8_lossy(body), "Code");
    };
    let code = refusal.code.and_then(|code| code.rsplit('#').next().map(str::to_owned));
    // A REST service has the code in a header, and in the message only words.
    let is_refused = refusal.message.is_some_and(|text| text.contains("not authorized"));
    code.or_else(|| is_refused.then(|| "AccessDenied".to_owned()))
}

fn unreadable(call: &'static str) -> InspectionError {
    InspectionError::Failed { call, reason: CallError("an unreadable answer".to_owned()) }
}

/// Returns the member of a list with this `Name`.
fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|one| one["Name"] == name)
}

/// Returns a name as a segment of a path.
fn segment(name: &str) -> String {
    let escaped = utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    ["-", "_", ".", "~"].iter().fold(escaped, |text, sign| {
        text.replace(&utf8_percent_encode(sign, NON_ALPHANUMERIC).to_string(), sign)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_from_other_failures() {
        let answer = |status, body: &str| {
            Ok(SignedAnswer { status, is_function_error: false, body: body.as_bytes().to_vec() })
        };
        let denied = |status, body| {
            matches!(accepted("a:B", answer(status, body)), Err(InspectionError::Denied("a:B")))
        };
        assert!(denied(400, r#"{"__type":"com.amazonaws.x#AccessDeniedException","Message":"no"}"#));
        assert!(denied(403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"));
        assert!(denied(403, "<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>"));
        assert!(denied(403, r#"{"message":"User: x is not authorized to perform: ses:GetAccount"}"#));
        assert!(!denied(
            403,
            r#"{"message":"The security token included in the request is expired","__type":"ExpiredTokenException"}"#
        ));
        assert!(!denied(200, "{}") && !denied(500, ""));
    }

    #[test]
    fn address_is_one_segment() {
        assert_eq!(segment("no-reply@uni.example/x"), "no-reply%40uni.example%2Fx");
    }
}
