//! Classification of providers' errors: the recipient's fault, or not.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::aws::CallError;
use crate::ports::SendError;

/// Returns an error with a text of this crate.
pub(super) fn said(what: impl Into<String>) -> CallError {
    CallError(what.into())
}

/// Converts a provider's error. It is a final refusal only if `is_recipients_fault` says so of the service's
/// error, since no retry can help then. Any other cause, such as a sandbox, an unverified sender, a missing
/// permission or our own message, is the deployment's: it may be repaired while a code is valid, and otherwise
/// the message ends in the dead-letter queue, whose alarm calls an operator.
pub(super) fn send_error<E: ProvideErrorMetadata, R>(
    error: &SdkError<E, R>,
    is_recipients_fault: impl FnOnce(&E) -> bool,
) -> SendError {
    let told = loggable(error).into();
    match error {
        SdkError::ServiceError(answer) if is_recipients_fault(answer.err()) => SendError::Refused(told),
        _ => SendError::Unavailable(told),
    }
}

/// Returns the loggable part of `error`.
fn loggable<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> CallError {
    said(match error {
        SdkError::ConstructionFailure(_) => "the request could not be built",
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(_) => "no connection",
        SdkError::ResponseError(_) => "an unreadable answer",
        SdkError::ServiceError(answer) => answer.err().code().unwrap_or("an unnamed error"),
        _ => "an unknown error",
    })
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::{Response, StatusCode};
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn answer(code: &str) -> SdkError<ErrorMetadata, Response> {
        let told = ErrorMetadata::builder().code(code).message("+60123456798 is not valid").build();
        let status = StatusCode::try_from(400).unwrap();
        SdkError::service_error(told, Response::new(status, SdkBody::empty()))
    }

    #[test]
    fn only_the_recipients_fault_is_permanent() {
        let is_invalid = |error: &ErrorMetadata| error.code() == Some("InvalidParameter");
        assert!(matches!(send_error(&answer("Throttling"), is_invalid), SendError::Unavailable(_)));
        assert!(matches!(send_error(&answer("InvalidParameter"), is_invalid), SendError::Refused(_)));
        let timeout = SdkError::<ErrorMetadata, Response>::timeout_error("+60123456798");
        assert!(matches!(send_error(&timeout, |_| true), SendError::Unavailable(_)));
    }

    /// Controls: C-092.
    #[test]
    fn send_error_hides_provider_message() {
        let error = send_error(&answer("InvalidParameter"), |_| true);
        assert!(!format!("{error:?} {error}").contains("60123456798"));
    }
}
