//! Starts the function: reads settings and keys, builds its ports, and answers.

use std::sync::Arc;

use approval::{Ports, router};
use shared::adapters::dynamodb::{
    Client, DynamoApprovals, DynamoDevices, DynamoFlows, DynamoPairings, DynamoSessions,
};
use shared::adapters::process::Process;
use shared::adapters::sqs::SqsQueue;
use shared::http::Site;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let process = Process::start()?;
    let store = Client::new(&process.aws);
    let flows = process.resource("REKEY_TABLE_FLOWS")?;
    let ports = Ports {
        site: Site {
            settings: process.settings.clone(),
            flows: process.keyring("REKEY_SECRET_FLOWS").await?,
        },
        push: process.keyring("REKEY_SECRET_PUSH").await?,
        messages: process.keyring("REKEY_SECRET_MESSAGES").await?,
        approvals: Arc::new(DynamoApprovals::new(store.clone(), flows.clone())),
        pairings: Arc::new(DynamoPairings::new(store.clone(), flows.clone())),
        sessions: Arc::new(DynamoSessions::new(store.clone(), flows.clone(), process.entropy.clone())),
        flows: Arc::new(DynamoFlows::new(store.clone(), flows)),
        devices: Arc::new(DynamoDevices::new(store, process.resource("REKEY_TABLE_SECURITY_INFO")?)),
        queue: Arc::new(SqsQueue::new(&process.aws, process.resource("REKEY_QUEUE_MESSAGES")?)),
        clock: process.clock,
        entropy: process.entropy,
    };
    shared::http::run(router(ports)).await
}
