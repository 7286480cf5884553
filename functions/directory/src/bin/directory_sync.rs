//! Starts the Lambda function `directory-sync`: builds the ports once, then syncs at each event of the schedule, or at an
//! operator's request.

use directory::sync::{Ports, Request, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::process::Process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let ports = &Ports::from_process(&Process::start().await?).await?;
    let sync = async |event: LambdaEvent<Value>| {
        // An event of the schedule has members of its own, and no wishes.
        let is_scheduled = event.payload.get("detail-type").is_some();
        let request = if is_scheduled { Request::default() } else { serde_json::from_value(event.payload)? };
        handle(ports, request).await
    };
    run(service_fn(sync)).await
}
