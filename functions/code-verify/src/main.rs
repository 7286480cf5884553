//! Starts the function: reads settings and keys, builds its ports, and answers.

use std::sync::Arc;

use code_verify::{Ports, router};
use shared::adapters::dynamodb::{Client, DynamoBudgets, DynamoFlows, DynamoSecurityInfo};
use shared::adapters::process::Process;
use shared::http::Site;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let process = Process::start().await?;
    let store = Client::new(&process.aws);
    let security_info = process.resource("REKEY_TABLE_SECURITY_INFO")?;
    let ports = Ports {
        site: Site {
            settings: process.settings.clone(),
            flows: process.keyring("REKEY_SECRET_FLOWS").await?,
        },
        seeds: process.keyring("REKEY_SECRET_SEEDS").await?,
        flows: Arc::new(DynamoFlows::new(store.clone(), process.resource("REKEY_TABLE_FLOWS")?)),
        budgets: Arc::new(DynamoBudgets::new(store.clone(), process.resource("REKEY_TABLE_BUDGETS")?)),
        authenticators: Arc::new(DynamoSecurityInfo::new(store, security_info)),
        clock: process.clock,
    };
    shared::http::run(router(ports)).await
}
