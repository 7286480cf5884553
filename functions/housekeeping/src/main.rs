//! Starts the Lambda function: builds the ports once, then runs the tasks of the schedule that sent the event.

use housekeeping::{Ports, audit, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::Deserialize;
use shared::process::Process;

/// The input of a schedule. That of the days has none, and `EventBridge` sends its own event.
#[derive(Deserialize)]
struct Request {
    task: Option<Task>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    Audit,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let process = &Process::start().await?;
    let (ports, audit_ports) = (&Ports::from_process(process)?, &audit::Ports::from_process(process)?);
    run(service_fn(async |event: LambdaEvent<Request>| match event.payload.task {
        Some(Task::Audit) => audit::handle(audit_ports).await,
        None => handle(ports).await,
    }))
    .await
}
