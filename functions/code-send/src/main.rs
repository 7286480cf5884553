//! Starts the function: reads settings and keys, builds its ports, and answers.

use std::sync::Arc;

use code_send::{Ports, router};
use shared::adapters::dynamodb::{Client, DynamoApprovals, DynamoBudgets, DynamoFlows, DynamoSecurityInfo};
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
        messages: process.keyring("REKEY_SECRET_MESSAGES").await?,
        approvals: Arc::new(DynamoApprovals::new(store.clone(), flows.clone())),
        flows: Arc::new(DynamoFlows::new(store.clone(), flows)),
        budgets: Arc::new(DynamoBudgets::new(store.clone(), process.resource("REKEY_TABLE_BUDGETS")?)),
        security_info: Arc::new(DynamoSecurityInfo::new(
            store,
            process.resource("REKEY_TABLE_SECURITY_INFO")?,
            process.keyring("REKEY_SECRET_CONTACTS").await?,
        )),
        queue: Arc::new(SqsQueue::new(&process.aws, process.resource("REKEY_QUEUE_MESSAGES")?)),
        clock: process.clock,
        entropy: process.entropy,
    };
    shared::http::run(router(ports)).await
}
