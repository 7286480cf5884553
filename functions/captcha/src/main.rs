//! Starts the Lambda function: builds the ports once, then serves requests.

use captcha::{Ports, router};
use shared::process::Process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let ports = Ports::from_process(&Process::start().await?)?;
    shared::http::run(router(ports)).await
}
