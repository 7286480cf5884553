//! Emulates Lambda's `Invoke`: the functions without pages that other functions call, in this process.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::wire::{ServiceError, json_response};

/// The longest run of most functions: their timeout in template.yaml.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest run of `directory-sync`, which reads everybody: its timeout in template.yaml.
pub const SYNC_TIMEOUT: Duration = Duration::from_mins(15);

/// A function that takes JSON and returns JSON, or the reason why it failed.
pub type Invoke =
    Arc<dyn Fn(Bytes) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>> + Send + Sync>;

/// The functions that may be invoked, by logical id, with the longest run of each.
pub type Invokables = BTreeMap<String, (Invoke, Duration)>;

/// Makes an invokable function of a handler. Its request is read as the Lambda runtime reads it. The error of an
/// unreadable one says nothing of its content.
pub fn invokable<R, A, F, H>(handler: H) -> Invoke
where
    R: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
    F: Future<Output = A> + Send + 'static,
    H: Fn(R) -> F + Send + Sync + 'static,
{
    let handler = Arc::new(handler);
    Arc::new(move |body| {
        let handler = handler.clone();
        Box::pin(async move {
            let request =
                serde_json::from_slice(&body).map_err(|_| "the request can't be read".to_owned())?;
            serde_json::to_vec(&handler(request).await).map_err(|error| error.to_string())
        })
    })
}

/// Runs a function as Lambda does: a failure and a timeout have status 200 and a header of their own.
pub(super) async fn invoke(
    function: Option<(Invoke, Duration)>,
    body: Bytes,
    request: &str,
) -> Response<Body> {
    let Some((function, timeout)) = function else {
        let mut error = ServiceError::new("ResourceNotFoundException", "Function not found");
        error.status = StatusCode::NOT_FOUND;
        return json_response(Err(error), "1.1", request);
    };
    // A task of its own, so that it goes on if the caller stops waiting, and a panic is a failed invocation.
    let run = tokio::spawn(async move { tokio::time::timeout(timeout, function(body)).await });
    let failure = match run.await {
        Ok(Ok(Ok(answer))) => return Response::new(Body::from(answer)),
        Ok(Ok(Err(error))) => error,
        Ok(Err(_)) => format!("Task timed out after {}.00 seconds", timeout.as_secs()),
        Err(error) => error.to_string(),
    };
    tracing::error!(error = failure, "an invoked function failed");
    let body = json!({ "errorMessage": failure, "errorType": "Sandbox.Failed" });
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    response
}
