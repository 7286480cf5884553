//! Starts the Lambda function: builds the ports once, then runs every task at each event of the schedule.

use housekeeping::{Ports, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;
use shared::process::Process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let ports = &Ports::from_process(&Process::start().await?)?;
    run(service_fn(async |_: LambdaEvent<IgnoredAny>| Ok::<_, Error>(handle(ports).await?))).await
}
