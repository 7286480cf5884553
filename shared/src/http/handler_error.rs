//! Failures of handlers.

use crate::domain::cookie::HolderCookie;
use std::fmt;

use axum::response::Response;

use super::problem::Problem;
use super::view::View;
use crate::domain::flow::{Flow, OutOfStep, SendRefusal, Stage};
use crate::domain::keys::SealError;
use crate::domain::message::MessageError;
use crate::domain::recovery_code::HashError;
use crate::ports::{DirectoryError, QueueError, StoreError};
use crate::verification::VerificationError;

/// The result of a handler: a response or a failure.
pub type HandlerResult<T = Response> = Result<T, HandlerError>;

/// The reason why a handler has no answer. Views contain what people typed and may see alone, so no view has
/// `Debug`, and a problem prints its code only.
///
/// ```compile_fail
/// fn print(view: &shared::http::view::View) {
///     println!("{view:?}");
/// }
/// ```
pub enum HandlerError {
    /// A problem, with the page of the request.
    Problem(Problem, Option<Box<View>>),
    /// The flow is at another step; with its current cookie, if the browser lacks it.
    OutOfStep(Stage, Option<HolderCookie>),
    /// The cookie is older than its flow's verifications.
    OlderCookie(Box<Flow>),
    /// A port failed: its name, and the cause, which is logged only.
    PortFailed(&'static str, Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem, _) => write!(f, "{}", problem.code().as_str()),
            Self::OutOfStep(stage, _) => write!(f, "out of step: {}", stage.as_str()),
            Self::OlderCookie(_) => f.write_str("an older cookie"),
            Self::PortFailed(what, cause) => write!(f, "{what}: {}", causes(cause.as_ref())),
        }
    }
}

impl HandlerError {
    /// Returns a problem on a page.
    pub fn on_page(problem: Problem, view: View) -> Self {
        Self::Problem(problem, Some(Box::new(view)))
    }
}

/// Returns the chain of causes in one line.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

impl From<Problem> for HandlerError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem, None)
    }
}

impl From<OutOfStep> for HandlerError {
    fn from(error: OutOfStep) -> Self {
        Self::OutOfStep(error.found, None)
    }
}

impl From<SendRefusal> for Problem {
    fn from(refusal: SendRefusal) -> Self {
        match refusal {
            SendRefusal::Unavailable => Self::MethodUnavailable("method"),
            SendRefusal::TooEarly(wait) => Self::SlowDown(wait),
        }
    }
}

impl From<StoreError> for HandlerError {
    fn from(error: StoreError) -> Self {
        Self::PortFailed("store", Box::new(error))
    }
}

impl From<DirectoryError> for HandlerError {
    fn from(error: DirectoryError) -> Self {
        Self::PortFailed("directory", Box::new(error))
    }
}

impl From<QueueError> for HandlerError {
    fn from(error: QueueError) -> Self {
        Self::PortFailed("queue", Box::new(error))
    }
}

impl From<MessageError> for HandlerError {
    fn from(error: MessageError) -> Self {
        Self::PortFailed("sealing", Box::new(error))
    }
}

impl From<HashError> for HandlerError {
    fn from(error: HashError) -> Self {
        Self::PortFailed("hashing", Box::new(error))
    }
}

impl From<VerificationError> for HandlerError {
    fn from(error: VerificationError) -> Self {
        match error {
            VerificationError::Store(error) => error.into(),
            VerificationError::Queue(error) => error.into(),
            VerificationError::Seal(error) => error.into(),
            VerificationError::Message(error) => error.into(),
            VerificationError::Hash(error) => error.into(),
            VerificationError::KeyLost => Problem::FlowEnded.into(),
            error @ VerificationError::Contended => Self::PortFailed("store", Box::new(error)),
        }
    }
}

impl From<SealError> for HandlerError {
    fn from(error: SealError) -> Self {
        Self::PortFailed("sealing", Box::new(error))
    }
}
