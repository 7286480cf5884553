//! Starts the Lambda function: builds the ports once, then answers the agents who invoke it.

use help_desk::{Ports, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use shared::domain::help_desk_call::HelpRequest;
use shared::process::Process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let ports = &Ports::from_process(&Process::start().await?)?;
    run(service_fn(async |event: LambdaEvent<HelpRequest>| {
        Ok::<_, Error>(handle(ports, event.payload).await)
    }))
    .await
}
