//! The import of people, compiled without the rest of `rekey-local`: the instrumented build has to be small.

#[expect(dead_code, reason = "the rest of `rekey-local` uses the other errors")]
#[path = "../../infra/local/src/failure.rs"]
pub mod failure;
#[path = "../../infra/local/src/people/mod.rs"]
pub mod people;
