//! Starts the worker: reads settings and keys, builds its ports, and takes batches.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use delivery::{Ports, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{Client, DynamoBudgets, DynamoDevices, DynamoFlows, DynamoSecurityInfo};
use shared::adapters::process::Process;
use shared::adapters::ses::SesMails;
use shared::adapters::sns::SnsTexts;
use shared::adapters::sqs::SqsQueue;
use shared::adapters::system::EmfMetrics;
use shared::adapters::voice::VoiceCalls;
use shared::adapters::web_push::WebPushes;
use shared::domain::push::VapidKey;
use shared::text::messages::Wording;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let process = Process::start()?;
    let (settings, aws) = (process.settings.clone(), &process.aws);
    let store = Client::new(aws);
    let accounts = process.resource("REKEY_TABLE_ACCOUNTS")?;
    let push = process.keyring("REKEY_SECRET_PUSH").await?;
    let vapid = VapidKey::of(&push).ok_or("REKEY_SECRET_PUSH makes no key")?;
    let security_info = process.resource("REKEY_TABLE_SECURITY_INFO")?;
    let ports = Ports {
        pushes: Arc::new(WebPushes::new(
            vapid,
            settings.mail_from.expose(),
            settings.push_hosts.clone(),
            process.entropy.clone(),
        )),
        push_targets: Arc::new(DynamoDevices::new(store.clone(), security_info.clone())),
        push,
        wording: Wording::new(&settings.organisation, settings.help_desk_url.as_deref()),
        messages: process.keyring("REKEY_SECRET_MESSAGES").await?,
        mails: Arc::new(SesMails::new(aws, &settings.organisation, &settings.mail_from)),
        texts: Arc::new(SnsTexts::new(aws, settings.sms_sender_id.clone())),
        calls: Arc::new(VoiceCalls::new(aws, settings.voice_origin.clone())),
        queue: Arc::new(SqsQueue::new(aws, process.resource("REKEY_QUEUE_MESSAGES")?)),
        budgets: Arc::new(DynamoBudgets::new(store.clone(), process.resource("REKEY_TABLE_BUDGETS")?)),
        flows: Arc::new(DynamoFlows::new(store.clone(), process.resource("REKEY_TABLE_FLOWS")?)),
        security_info: Arc::new(DynamoSecurityInfo::new(
            store.clone(),
            security_info,
            process.keyring("REKEY_SECRET_CONTACTS").await?,
        )),
        directory: Arc::new(BuiltinDirectory::new(store, accounts, process.entropy.clone())),
        metrics: Arc::new(EmfMetrics),
        clock: process.clock,
        entropy: process.entropy,
        settings,
    };
    let ports = &ports;
    run(service_fn(async |event: LambdaEvent<SqsEvent>| Ok::<_, Error>(handle(ports, event.payload).await)))
        .await
}
