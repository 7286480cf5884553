//! Starts the Lambda function: builds the ports once, then handles batches of SQS messages.

use aws_lambda_events::sqs::SqsEvent;
use delivery::{Ports, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use shared::process::Process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let ports = &Ports::from_process(&Process::start().await?)?;
    run(service_fn(async |event: LambdaEvent<SqsEvent>| Ok::<_, Error>(handle(ports, event.payload).await)))
        .await
}
