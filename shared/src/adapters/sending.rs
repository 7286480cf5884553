//! Classification of providers' errors: final or temporary.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::aws::CallError;
use crate::ports::SendError;

/// Returns an error with a text of this crate.
pub(super) fn said(what: impl Into<String>) -> CallError {
    CallError(what.into())
}

/// Converts a provider's error. It is a final refusal only if its code blames the recipient or the
/// message. Any other cause, also a missing permission or an unverified sender, may be repaired while a code
/// is valid; otherwise the message ends in the dead-letter queue.
pub(super) fn send_error<E: ProvideErrorMetadata, R>(
    error: &SdkError<E, R>,
    final_codes: &[&str],
) -> SendError {
    let code = match error {
        SdkError::ServiceError(answer) => answer.err().code(),
        _ => None,
    };
    let told = CallError::of(error);
    if code.is_some_and(|code| final_codes.contains(&code)) {
        SendError::Refused(told.into())
    } else {
        SendError::Unavailable(told.into())
    }
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
    fn only_listed_error_codes_are_permanent() {
        assert!(matches!(
            send_error(&answer("Throttling"), &["InvalidParameter"]),
            SendError::Unavailable(_)
        ));
        assert!(matches!(
            send_error(&answer("InvalidParameter"), &["InvalidParameter"]),
            SendError::Refused(_)
        ));
        let timeout = SdkError::<ErrorMetadata, Response>::timeout_error("+60123456798");
        assert!(matches!(send_error(&timeout, &[]), SendError::Unavailable(_)));
    }

    /// Controls: C-092.
    #[test]
    fn send_error_hides_provider_message() {
        let error = send_error(&answer("InvalidParameter"), &[]);
        assert!(!format!("{error:?} {error}").contains("60123456798"));
    }
}
