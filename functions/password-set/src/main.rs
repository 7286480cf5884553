//! Starts the function: reads settings and keys, builds its ports, and answers.

use std::sync::Arc;

use password_set::{Ports, router};
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{Client, DynamoClaims, DynamoFlows, DynamoSecurityInfo};
use shared::adapters::process::{Process, StartError};
use shared::adapters::sqs::SqsQueue;
use shared::http::Site;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let process = Process::start()?;
    let store = Client::new(&process.aws);
    let blocklist = match &process.settings.password_blocklist {
        Some(path) => std::fs::read_to_string(path)?,
        None => String::new(),
    };
    let accounts = process.resource("REKEY_TABLE_ACCOUNTS")?;
    let security_info = process.resource("REKEY_TABLE_SECURITY_INFO")?;
    let ports = Ports {
        site: Site {
            settings: process.settings.clone(),
            flows: process.keyring("REKEY_SECRET_FLOWS").await?,
        },
        messages: process.keyring("REKEY_SECRET_MESSAGES").await?,
        policy: process.settings.password_policy(blocklist.lines()).map_err(StartError::Policy)?,
        flows: Arc::new(DynamoFlows::new(store.clone(), process.resource("REKEY_TABLE_FLOWS")?)),
        claims: Arc::new(DynamoClaims::new(store.clone(), security_info.clone())),
        security_info: Arc::new(DynamoSecurityInfo::new(
            store.clone(),
            security_info,
            process.keyring("REKEY_SECRET_CONTACTS").await?,
        )),
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
