//! The transport over Lambda: `Invoke`, which waits for the answer. Asynchronous invocations would keep passwords in a
//! queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_types::SdkConfig;

use super::{DirectoryFunction, DirectoryTransport, TransportError};
use crate::adapters::aws::signed::{SignedAnswer, SignedClient, SignedError};
use crate::ports::Clock;

/// Time-out of an invocation. A caller answers within twenty seconds, and holds a lease for thirty.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Invokes the functions by their names.
pub struct LambdaTransport {
    client: SignedClient,
    read: String,
    write: Option<String>,
}

impl LambdaTransport {
    /// Returns a transport to the function `read`, and to `write` where the caller may invoke it.
    pub fn new(config: &SdkConfig, clock: Arc<dyn Clock>, read: String, write: Option<String>) -> Self {
        Self { client: SignedClient::once(config, "lambda", TIMEOUT, clock), read, write }
    }
}

#[async_trait]
impl DirectoryTransport for LambdaTransport {
    async fn call(&self, function: DirectoryFunction, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        let name = match function {
            DirectoryFunction::Read => Some(&self.read),
            DirectoryFunction::Write => self.write.as_ref(),
        };
        let name =
            name.ok_or_else(|| TransportError::NotSent("this function may not invoke it".to_owned()))?;
        let path = format!("/2015-03-31/functions/{name}/invocations");
        match self.client.post(&path, &[("content-type", "application/json")], request).await {
            Ok(answer) => read(answer),
            Err(SignedError::NotSent(error)) => Err(TransportError::NotSent(error.to_string())),
            Err(SignedError::NoAnswer(error)) => Err(TransportError::NoAnswer(error.to_string())),
        }
    }
}

/// Returns the function's answer. A refused call (4xx, throttled ones too) reached no function; after an error of
/// Lambda's own nobody can tell. The body of a failure is not quoted: the function's runtime writes it.
fn read(answer: SignedAnswer) -> Result<Vec<u8>, TransportError> {
    match answer.status {
        200..=299 if answer.is_function_error => {
            Err(TransportError::NoAnswer("the function failed".to_owned()))
        }
        200..=299 => Ok(answer.body),
        status @ 400..=499 => Err(TransportError::NotSent(format!("Lambda answered {status}"))),
        status => Err(TransportError::NoAnswer(format!("Lambda answered {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-162.
    #[test]
    fn only_refused_invocation_counts_as_not_sent() {
        let answer =
            |status, is_function_error| read(SignedAnswer { status, is_function_error, body: b"1".to_vec() });
        assert!(answer(200, false).is_ok());
        for status in [400, 403, 404, 413, 429] {
            assert!(matches!(answer(status, false), Err(TransportError::NotSent(_))), "{status}");
        }
        for (status, failed) in [(200, true), (500, false), (502, false), (504, false)] {
            assert!(matches!(answer(status, failed), Err(TransportError::NoAnswer(_))), "{status}");
        }
    }
}
