//! Starts the function: reads settings and keys, builds its ports, and answers.

use std::sync::Arc;

use method_selection::{Ports, router};
use shared::adapters::dynamodb::{Client, DynamoFlows};
use shared::adapters::process::Process;
use shared::http::Site;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let process = Process::start()?;
    let store = Client::new(&process.aws);
    let ports = Ports {
        site: Site {
            settings: process.settings.clone(),
            flows: process.keyring("REKEY_SECRET_FLOWS").await?,
        },
        flows: Arc::new(DynamoFlows::new(store, process.resource("REKEY_TABLE_FLOWS")?)),
        clock: process.clock,
    };
    shared::http::run(router(ports)).await
}
