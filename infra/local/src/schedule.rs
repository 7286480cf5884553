//! Stands in for `EventBridge`: invokes a function at the rate of its schedule.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use crate::template::Schedule;

/// A function without an event of its own. It returns why it failed.
pub type Task = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Invokes `task` until `stop` turns true, the first time after one interval, as `EventBridge` does.
pub async fn run(schedule: Schedule, task: Task, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(schedule.every) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        // A task of its own, so that a panic is a failed invocation, as in Lambda.
        let failure = match tokio::spawn(task()).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(error) => error.to_string(),
        };
        tracing::error!(error = failure, function = schedule.function, "a scheduled function failed");
    }
}
