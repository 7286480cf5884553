//! Starts the Lambda function: builds the ports once, then answers the agents who invoke it, and those at its page.

use help_desk::{Ports, handle, router};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use shared::domain::help_desk_call::HelpRequest;
use shared::http::Pages;
use shared::process::Process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let process = Process::start().await?;
    let ports = &Ports::from_process(&process)?;
    let pages = &Pages::new(router(Ports::from_process(&process)?));
    run(service_fn(async |event: LambdaEvent<Value>| {
        // Only API Gateway's events have a context. Whoever invokes the function with such an event gets no more than
        // the page would give: its visitors have a sealed cookie.
        if event.payload.get("requestContext").is_some() {
            return pages.answer(event).await;
        }
        let request: HelpRequest = serde_json::from_value(event.payload)?;
        Ok::<_, Error>(serde_json::to_value(handle(ports, request).await)?)
    }))
    .await
}
