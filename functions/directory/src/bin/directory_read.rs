//! Starts the Lambda function `directory-read`: builds the ports once, then answers the functions that invoke it.

use directory::read::{Ports, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use shared::domain::directory_call::ReadRequest;
use shared::process::Process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let ports = &Ports::from_process(&Process::start().await?).await?;
    run(service_fn(async |event: LambdaEvent<ReadRequest>| {
        Ok::<_, Error>(handle(ports, event.payload).await)
    }))
    .await
}
