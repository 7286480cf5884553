//! Starts the function: reads settings and keys, builds its ports, and answers.

use std::sync::Arc;

use enrolment::{Ports, router};
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{
    Client, DynamoApprovals, DynamoAuthenticators, DynamoBudgets, DynamoEnrolment, DynamoPairings,
    DynamoSecurityInfo, DynamoSessions,
};
use shared::adapters::process::Process;
use shared::adapters::signatures::RingSignatures;
use shared::adapters::sqs::SqsQueue;
use shared::http::Site;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let process = Process::start()?;
    let store = Client::new(&process.aws);
    let accounts = process.resource("REKEY_TABLE_ACCOUNTS")?;
    let info = process.resource("REKEY_TABLE_SECURITY_INFO")?;
    let contacts = process.keyring("REKEY_SECRET_CONTACTS").await?;
    let entropy = process.entropy.clone();
    let flows = process.resource("REKEY_TABLE_FLOWS")?;
    let ports = Ports {
        site: Site {
            settings: process.settings.clone(),
            flows: process.keyring("REKEY_SECRET_FLOWS").await?,
        },
        messages: process.keyring("REKEY_SECRET_MESSAGES").await?,
        seeds: process.keyring("REKEY_SECRET_SEEDS").await?,
        captcha: process.keyring("REKEY_SECRET_CAPTCHA").await?,
        sessions: Arc::new(DynamoSessions::new(store.clone(), flows.clone(), process.entropy.clone())),
        approvals: Arc::new(DynamoApprovals::new(store.clone(), flows.clone())),
        pairings: Arc::new(DynamoPairings::new(store.clone(), flows)),
        signatures: Arc::new(RingSignatures),
        budgets: Arc::new(DynamoBudgets::new(store.clone(), process.resource("REKEY_TABLE_BUDGETS")?)),
        security_info: Arc::new(DynamoSecurityInfo::new(store.clone(), info.clone(), contacts.clone())),
        enrolment: Arc::new(DynamoEnrolment::new(store.clone(), info.clone(), contacts, entropy)),
        authenticators: Arc::new(DynamoAuthenticators::new(store.clone(), info)),
        directory: Arc::new(BuiltinDirectory::new(
            store,
            accounts,
            process.entropy.clone(),
            process.settings.password_history,
        )),
        queue: Arc::new(SqsQueue::new(&process.aws, process.resource("REKEY_QUEUE_MESSAGES")?)),
        clock: process.clock,
        entropy: process.entropy,
    };
    shared::http::run(router(ports)).await
}
