//! The one engine that asks for proof of possession and checks it, for flows and sessions alike: one file per method, over
//! the ports that it needs.
//!
//! A [`Holder`] is the flow or session. It awaits a [`Challenge`](crate::domain::challenge::Challenge); a person gives an
//! [`Answer`]; [`Verifier::check`] says what it is worth. What a verification does to its holder is the holder's:
//! [`FlowHolder`], [`SessionHolder`].

pub mod answer;
pub mod approval;
mod check;
pub mod flow;
pub mod holder;
pub mod outgoing;
mod pass;
pub mod passkey;
mod recovery_code;
pub mod sent_code;
pub mod session;
mod totp;
mod verifier;

pub use answer::Answer;
pub use flow::FlowHolder;
pub use holder::{Holder, Mismatch, Refusal, Subject, VerificationError, Verified};
pub use session::SessionHolder;
pub use verifier::Verifier;
