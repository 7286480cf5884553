//! Starts the function: reads settings and keys, builds its ports, and answers.

use std::sync::Arc;

use captcha::{Ports, router};
use shared::adapters::directories::BuiltinDirectory;
use shared::adapters::dynamodb::{Client, DynamoBudgets, DynamoFlows, DynamoSecurityInfo};
use shared::adapters::process::Process;
use shared::http::Site;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let process = Process::start()?;
    let store = Client::new(&process.aws);
    let accounts = process.resource("REKEY_TABLE_ACCOUNTS")?;
    let ports = Ports {
        site: Site {
            settings: process.settings.clone(),
            flows: process.keyring("REKEY_SECRET_FLOWS").await?,
        },
        captcha: process.keyring("REKEY_SECRET_CAPTCHA").await?,
        flows: Arc::new(DynamoFlows::new(store.clone(), process.resource("REKEY_TABLE_FLOWS")?)),
        budgets: Arc::new(DynamoBudgets::new(store.clone(), process.resource("REKEY_TABLE_BUDGETS")?)),
        security_info: Arc::new(DynamoSecurityInfo::new(
            store.clone(),
            process.resource("REKEY_TABLE_SECURITY_INFO")?,
            process.keyring("REKEY_SECRET_CONTACTS").await?,
        )),
        directory: Arc::new(BuiltinDirectory::new(
            store,
            accounts,
            process.entropy.clone(),
            process.settings.password_history,
        )),
        clock: process.clock,
        entropy: process.entropy,
    };
    shared::http::run(router(ports)).await
}
