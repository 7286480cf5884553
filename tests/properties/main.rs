//! Property tests: whole events to the functions, and every parser of text.
//!
//! There are three sides, each in all its states: the reset, `/security-info` and the authenticator app. On the
//! stable toolchain, proptest generates the inputs from seeds, so a run is repeatable. It shrinks a failing input and
//! prints it as JSON. Inputs in `corpus/<property>/` are replayed first. `PROPERTY_ROUNDS` (1) is the number of seeds for
//! each property: `tests/run --deep` takes more.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of a test fail and report as a test does"
)]

mod authenticator;
mod copy;
mod edits;
mod enrolment;
mod gateway;
mod harness;
mod requests;
mod reset;
mod responses;
mod snapshot;
mod texts;
