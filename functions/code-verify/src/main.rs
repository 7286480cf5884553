//! Starts the function: reads settings and keys, builds its ports, and answers.

use std::sync::Arc;

use code_verify::{Ports, router};
use shared::adapters::dynamodb::{Client, DynamoApprovals, DynamoAuthenticators, DynamoBudgets, DynamoFlows};
use shared::adapters::process::Process;
use shared::adapters::signatures::RingSignatures;
use shared::http::Site;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let process = Process::start()?;
    let store = Client::new(&process.aws);
    let security_info = process.resource("REKEY_TABLE_SECURITY_INFO")?;
    let flows = process.resource("REKEY_TABLE_FLOWS")?;
    let ports = Ports {
        site: Site {
            settings: process.settings.clone(),
            flows: process.keyring("REKEY_SECRET_FLOWS").await?,
        },
        seeds: process.keyring("REKEY_SECRET_SEEDS").await?,
        approvals: Arc::new(DynamoApprovals::new(store.clone(), flows.clone())),
        flows: Arc::new(DynamoFlows::new(store.clone(), flows)),
        budgets: Arc::new(DynamoBudgets::new(store.clone(), process.resource("REKEY_TABLE_BUDGETS")?)),
        authenticators: Arc::new(DynamoAuthenticators::new(store, security_info)),
        signatures: Arc::new(RingSignatures),
        clock: process.clock,
    };
    shared::http::run(router(ports)).await
}
