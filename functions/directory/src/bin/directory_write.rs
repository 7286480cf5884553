//! Starts the Lambda function `directory-write`: builds the ports once, then answers the functions that invoke it.

use directory::write::{Ports, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use shared::domain::directory_call::WriteRequest;
use shared::process::Process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let ports = &Ports::from_process(&Process::start().await?).await?;
    run(service_fn(async |event: LambdaEvent<WriteRequest>| {
        Ok::<_, Error>(handle(ports, event.payload).await)
    }))
    .await
}
