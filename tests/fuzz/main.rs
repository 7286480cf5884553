//! Input that nobody meant: whole events to the functions, and every text that is parsed.
//!
//! Three sides are asked, each from every state that it knows: the reset itself, the page where people register, and the
//! authenticator app. The inputs are drawn by proptest from seeds, so that a run repeats, on the stable toolchain; a
//! failing one is made smaller and printed as JSON. Kept in `corpus/<target>/`, it is replayed before anything is drawn.
//! `FUZZ_ROUNDS` (1) says how many seeds each target goes through: `tests/run --deep` takes more.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what supports a test fails and tells as a test does"
)]

mod answers;
mod authenticator;
mod edits;
mod gateway;
mod harness;
mod kept;
mod registering;
mod requests;
mod reset;
mod texts;
