//! A test double of an AWS account with a stack. It answers as the API references of the services say, and hands calls
//! of tables and keys on to a local environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use simple_dns::rdata::{RData, TXT};
use simple_dns::{CLASS, Packet, PacketFlag, RCODE, ResourceRecord};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use crate::support::{Ended, Rekey};

/// Answers by call, such as `sns:GetSMSAttributes`, with a status.
pub type Answers = BTreeMap<String, (u16, String)>;

/// A running account.
pub struct Account {
    pub endpoint: String,
    pub dns: Resolver,
    state: Arc<Served>,
}

struct Served {
    emulator: String,
    answers: Mutex<Answers>,
    calls: Mutex<Vec<String>>,
    /// The region that mail, texts and calls are sent from.
    message_region: Mutex<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Account {
    /// Starts an account where everything is as it should be, with the people of a local environment.
    pub async fn start(rekey: &Rekey) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let emulator = rekey.environment.local.emulator.endpoint().to_owned();
        let uri: Uri = format!("{}/environment", rekey.inbox()).parse().unwrap();
        let request = Request::get(uri).header("accept", "application/json").body(Full::default()).unwrap();
        let body = client.request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        let variables: BTreeMap<String, String> = serde_json::from_slice(&body).unwrap();
        let answers = Mutex::new(healthy(&variables));
        let message_region = Mutex::new("ap-southeast-1".to_owned());
        let calls = Mutex::default();
        let state = Arc::new(Served { emulator, answers, calls, message_region, client });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let dns = Resolver::start().await;
        dns.set("_dmarc.contoh.example", &["v=DMARC1; p=reject; rua=mailto:dmarc@contoh.example"]);
        Self { endpoint, dns, state }
    }

    /// Runs a command with these answers in place of the healthy ones.
    pub async fn run(&self, answers: &[(&str, u16, &str)], arguments: &[&str]) -> Ended {
        let healthy = self.state.answers.lock().unwrap().clone();
        for (call, status, body) in answers {
            let before =
                self.state.answers.lock().unwrap().insert((*call).to_owned(), (*status, (*body).to_owned()));
            assert!(before.is_some(), "{call} is no call of rekey");
        }
        let ended = Rekey::run_on_stack(&self.endpoint, arguments).await;
        *self.state.answers.lock().unwrap() = healthy;
        ended
    }

    /// Runs `rekey doctor`, and returns its status and its document.
    pub async fn doctor(&self, answers: &[(&str, u16, &str)], arguments: &[&str]) -> (i32, Value) {
        let resolver = self.dns.address.to_string();
        let doctor = ["doctor", "--json", "--resolver", &resolver];
        let ended = self.run(answers, &[&doctor, arguments].concat()).await;
        let document = serde_json::from_str(&ended.out);
        (ended.status, document.unwrap_or_else(|error| panic!("{error}: {ended:?}")))
    }

    /// Expects calls about senders in another region.
    pub fn send_from(&self, region: &str) {
        region.clone_into(&mut self.state.message_region.lock().unwrap());
    }

    /// Returns every call that was made.
    pub fn calls(&self) -> Vec<String> {
        self.state.calls.lock().unwrap().clone()
    }
}

/// Returns the variable of a function after a change of the healthy ones.
pub fn functions(account: &Account, change: &[(&str, &str)]) -> String {
    let answers = account.state.answers.lock().unwrap();
    let mut document: Value = serde_json::from_str(&answers[CONFIGURATION].1).unwrap();
    for (name, value) in change {
        document["Environment"]["Variables"][*name] = json!(value);
    }
    document.to_string()
}

/// The call that changes the configuration of the double's one function.
pub const RENEWAL: &str = "lambda:PUT /2015-03-31/functions/rekey-DeliveryFunction-1/configuration";
/// The call for its configuration.
pub const CONFIGURATION: &str = "lambda:GET /2015-03-31/functions/rekey-DeliveryFunction-1/configuration";

async fn answer(
    State(served): State<Arc<Served>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
    let authorization = text("authorization").expect("every call is signed");
    let scope = authorization.split("Credential=").nth(1).unwrap().split(',').next().unwrap();
    let [_, _, region, service, end] = scope.split('/').collect::<Vec<_>>().try_into().unwrap();
    let form: Vec<(String, String)> =
        std::str::from_utf8(&body).unwrap().split('&').filter_map(pair).collect();
    let operation = if let Some(target) = text("x-amz-target") {
        target.rsplit('.').next().unwrap().to_owned()
    } else if let Some((_, action)) = form.iter().find(|(name, _)| name == "Action") {
        action.clone()
    } else {
        format!("{method} {}", uri.path())
    };
    let metric = form.iter().find(|(name, _)| name == "MetricName").map(|(_, metric)| format!(" {metric}"));
    let call = format!("{service}:{operation}{}", metric.unwrap_or_default());
    let is_of_senders = ["ses", "sms-voice"].contains(&service)
        || operation.contains("SMS")
        || ["SMSMonthToDateSpentUSD", "AWS%2FSES"]
            .iter()
            .any(|name| std::str::from_utf8(&body).unwrap().contains(name));
    let stack = "ap-southeast-1".to_owned();
    let expected = if is_of_senders { served.message_region.lock().unwrap().clone() } else { stack };
    assert_eq!((region, end), (expected.as_str(), "aws4_request"), "{call}");
    served.calls.lock().unwrap().push(call.clone());
    let found = served.answers.lock().unwrap().get(&call).cloned();
    if let Some((status, mut body)) = found {
        if status == 200 && body.starts_with('<') {
            body = format!("<{operation}Response>{body}</{operation}Response>");
        }
        return Response::builder().status(status).body(Body::from(body)).unwrap();
    }
    assert!(["dynamodb", "secretsmanager"].contains(&service), "doctor makes the unexpected call {call}");
    let mut request = Request::post(format!("{}/", served.emulator));
    *request.headers_mut().unwrap() = headers;
    let answer = served.client.request(request.body(Full::new(body)).unwrap()).await.unwrap();
    answer.map(Body::new)
}

/// Returns the daily sums of a metric.
pub fn sums(values: &[f64]) -> String {
    let points = values.iter().map(|value| format!("<member><Sum>{value}</Sum></member>"));
    format!("<Datapoints>{}</Datapoints>", points.collect::<String>())
}

/// A resolver of the DNS. Over UDP it cuts off what is long, as a resolver does.
pub struct Resolver {
    pub address: SocketAddr,
    /// The texts of each name; `None` for one that it can't look up.
    records: Arc<Mutex<BTreeMap<String, Option<Vec<String>>>>>,
}

impl Resolver {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let records = Arc::new(Mutex::new(BTreeMap::new()));
        let of_udp = records.clone();
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                let mut reply = reply(&query[..length], &of_udp);
                if reply.len() > 512 {
                    let mut cut = Packet::parse(&query[..length]).unwrap().into_reply();
                    cut.set_flags(PacketFlag::TRUNCATION);
                    reply = cut.build_bytes_vec().unwrap();
                }
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        let of_tcp = records.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut query = vec![0; stream.read_u16().await.unwrap().into()];
                stream.read_exact(&mut query).await.unwrap();
                let reply = reply(&query, &of_tcp);
                stream.write_u16(reply.len().try_into().unwrap()).await.unwrap();
                stream.write_all(&reply).await.unwrap();
            }
        });
        Self { address, records }
    }

    /// Gives a name these texts.
    pub fn set(&self, name: &str, texts: &[&str]) {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        self.records.lock().unwrap().insert(name.to_owned(), Some(texts));
    }

    /// Fails to look a name up.
    pub fn fail(&self, name: &str) {
        self.records.lock().unwrap().insert(name.to_owned(), None);
    }
}

fn reply(query: &[u8], records: &Mutex<BTreeMap<String, Option<Vec<String>>>>) -> Vec<u8> {
    let query = Packet::parse(query).unwrap();
    let name = query.questions[0].qname.clone();
    let found = records.lock().unwrap().get(&name.to_string()).cloned();
    let mut reply = query.into_reply();
    let texts = match &found {
        None => {
            *reply.rcode_mut() = RCODE::NameError;
            &[][..]
        }
        Some(None) => {
            *reply.rcode_mut() = RCODE::ServerFailure;
            &[]
        }
        Some(Some(texts)) => texts,
    };
    for text in texts {
        // A record has several strings where the text is longer than one.
        let mut record = TXT::new();
        for part in text.as_bytes().chunks(255) {
            record.add_string(std::str::from_utf8(part).unwrap()).unwrap();
        }
        reply.answers.push(ResourceRecord::new(name.clone(), CLASS::IN, 60, RData::TXT(record)));
    }
    reply.build_bytes_vec().unwrap()
}

fn pair(field: &str) -> Option<(String, String)> {
    field.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
}

#[expect(clippy::too_many_lines, reason = "a list of answers, one for each call")]
fn healthy(variables: &BTreeMap<String, String>) -> Answers {
    let variables: BTreeMap<&String, &String> =
        variables.iter().filter(|(name, _)| name.starts_with("REKEY_")).collect();
    let resource = |id: &str, kind: &str, name: &str| {
        format!(
            "<member><LogicalResourceId>{id}</LogicalResourceId><PhysicalResourceId>{name}</PhysicalResourceId>\
             <ResourceType>{kind}</ResourceType></member>"
        )
    };
    let resources = [
        resource("DeliveryFunction", "AWS::Lambda::Function", "rekey-DeliveryFunction-1"),
        resource("Alarms", "AWS::SNS::Topic", "arn:aws:sns:ap-southeast-1:123456789012:rekey-Alarms-1"),
        resource(
            "DeadLetterQueue",
            "AWS::SQS::Queue",
            "https://sqs.ap-southeast-1.amazonaws.com/123456789012/dead",
        ),
        resource("ServerErrorAlarm", "AWS::CloudWatch::Alarm", "rekey-ServerErrorAlarm-1"),
        resource("Domain", "AWS::ApiGatewayV2::DomainName", "reset.contoh.example"),
        resource("Api", "AWS::ApiGatewayV2::Api", "a1b2c3"),
    ]
    .concat();
    let number = json!({
        "PhoneNumber": "+60300000000", "PhoneNumberId": "phone-1", "PhoneNumberArn": "arn:aws:sms-voice:x:1:phone-number/phone-1",
        "Status": "ACTIVE", "NumberCapabilities": ["SMS", "VOICE"], "IsoCountryCode": "MY",
    });
    let json = |value: Value| value.to_string();
    let domain = variables[&"REKEY_MAIL_FROM".to_owned()].rsplit('@').next().unwrap();
    let address = variables[&"REKEY_MAIL_FROM".to_owned()].replace('@', "%40");
    let answers = [
        ("sts:GetCallerIdentity", "<Arn>arn:aws:sts::123456789012:assumed-role/Operator/aminah</Arn>".to_owned()),
        ("cloudformation:ListStackResources", format!("<R>{resources}</R>")),
        ("cloudformation:DescribeStacks", "<StackStatus>UPDATE_COMPLETE</StackStatus>".to_owned()),
        (
            CONFIGURATION,
            json(json!({
                "FunctionName": "rekey-DeliveryFunction-1", "State": "Active", "LastUpdateStatus": "Successful",
                "Architectures": ["arm64"], "Environment": { "Variables": variables },
            })),
        ),
        (RENEWAL, json(json!({ "LastUpdateStatus": "Successful" }))),
        (
            "lambda:GET /2016-08-19/account-settings",
            json(json!({ "AccountLimit": { "ConcurrentExecutions": 1000 }, "AccountUsage": {} })),
        ),
        (
            "dynamodb:DescribeTable",
            json(json!({ "Table": { "TableStatus": "ACTIVE", "DeletionProtectionEnabled": true } })),
        ),
        (
            "dynamodb:DescribeContinuousBackups",
            json(json!({ "ContinuousBackupsDescription": {
                "ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": { "PointInTimeRecoveryStatus": "ENABLED" },
            } })),
        ),
        ("secretsmanager:DescribeSecret", json(json!({ "LastChangedDate": 1_780_000_000.5 }))),
        ("sqs:GetQueueAttributes", json(json!({ "Attributes": { "ApproximateNumberOfMessages": "0" } }))),
        (
            "apigateway:GET /v2/apis/a1b2c3",
            json(json!({ "apiId": "a1b2c3", "disableExecuteApiEndpoint": true })),
        ),
        (
            "apigateway:GET /v2/domainnames/reset.contoh.example",
            json(json!({ "domainNameConfigurations": [{
                "certificateArn": "arn:aws:acm:x:1:certificate/1", "domainNameStatus": "AVAILABLE",
            }] })),
        ),
        (
            "acm:DescribeCertificate",
            json(json!({ "Certificate": { "Status": "ISSUED", "NotAfter": 4_000_000_000.0 } })),
        ),
        (
            "ses:GET /v2/email/account",
            json(json!({
                "ProductionAccessEnabled": true, "SendingEnabled": true, "EnforcementStatus": "HEALTHY",
                "SendQuota": { "Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 120.0 },
            })),
        ),
        (
            "sns:GetSMSSandboxAccountStatus",
            "<GetSMSSandboxAccountStatusResult><IsInSandbox>false</IsInSandbox></GetSMSSandboxAccountStatusResult>"
                .to_owned(),
        ),
        (
            "sns:GetSMSAttributes",
            "<attributes><entry><key>MonthlySpendLimit</key><value>300</value></entry></attributes>".to_owned(),
        ),
        (
            "monitoring:GetMetricStatistics SMSMonthToDateSpentUSD",
            "<Datapoints><member><Maximum>4.0</Maximum></member><member><Maximum>11.5</Maximum></member></Datapoints>"
                .to_owned(),
        ),
        ("monitoring:GetMetricStatistics Send", sums(&[1_000.0, 500.0])),
        ("monitoring:GetMetricStatistics Bounce", sums(&[6.0])),
        ("monitoring:GetMetricStatistics Complaint", sums(&[])),
        ("sms-voice:DescribePhoneNumbers", json(json!({ "PhoneNumbers": [number] }))),
        (
            "sms-voice:DescribeAccountAttributes",
            json(json!({ "AccountAttributes": [{ "Name": "ACCOUNT_TIER", "Value": "PRODUCTION" }] })),
        ),
        (
            "sms-voice:DescribeSpendLimits",
            json(json!({ "SpendLimits": [
                { "Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 1, "MaxLimit": 1, "Overridden": false },
                { "Name": "VOICE_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 50, "MaxLimit": 50, "Overridden": true },
            ] })),
        ),
        (
            "sns:ListSubscriptionsByTopic",
            "<Subscriptions><member><SubscriptionArn>arn:aws:sns:x:1:rekey-Alarms-1:5</SubscriptionArn></member></Subscriptions>"
                .to_owned(),
        ),
        ("monitoring:DescribeAlarms", "<MetricAlarms/>".to_owned()),
    ];
    let mut answers: Answers =
        answers.into_iter().map(|(call, body)| (call.to_owned(), (200, body))).collect();
    let identity = json(json!({
        "IdentityType": "DOMAIN", "VerifiedForSendingStatus": true,
        "DkimAttributes": { "SigningEnabled": true, "Status": "SUCCESS", "Tokens": ["one", "two"] },
        "MailFromAttributes": { "MailFromDomain": "bounce.contoh.example", "MailFromDomainStatus": "SUCCESS" },
    }));
    let missing = json(json!({ "message": "Email identity does not exist." }));
    answers.insert(format!("ses:GET /v2/email/identities/{address}"), (404, missing));
    answers.insert(format!("ses:GET /v2/email/identities/{domain}"), (200, identity));
    answers
}
