//! Replays traces of the search with the real functions on the AWS emulator, to check that the model predicts them.
//!
//! Every act is performed. Requests go through the gateway, and calls are blocked, lost, refused or repeated on their
//! way to the services. Items are deleted, and the clock moves. After each act the replay compares with the model:
//! the next call, the reply, the queued codes and notifications. At the end it compares which password signs in.

mod gate;
mod real;
mod traces;

use crate::authenticator_scenarios::{
    enrolment, passkeys, passkeys_with_faults, pushes, pushes_with_faults, recovery_codes,
    recovery_codes_with_faults, repeated_pushes,
};
use crate::scope::Scope;
use crate::searches::{
    changes, changes_with_faults, code_attempts, code_attempts_with_faults, password_rejections,
    password_rejections_with_faults,
};
use crate::tables::Mutation;

/// Replays traces that together show every kind of transition of a scope.
async fn replay(name: &str, scope: Scope) {
    let (traces, kinds) = traces::covering_traces(&scope);
    for trace in &traces {
        real::replay(&scope, trace).await;
    }
    let acts: usize = traces.iter().map(Vec::len).sum();
    eprintln!("{name}: {} traces with {acts} acts show {kinds} kinds of transitions", traces.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn attempts_match_the_model() {
    replay("attempts", code_attempts()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
#[ignore = "most of a minute: every call of the functions fails in every way"]
async fn attempts_with_faults_match_the_model() {
    replay("attempts that fail", code_attempts_with_faults()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn password_changes_match_the_model() {
    replay("changes", changes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
#[ignore = "most of a minute: every call of the functions fails in every way"]
async fn password_changes_with_faults_match_the_model() {
    replay("changes that fail", changes_with_faults()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn password_rejections_match_the_model() {
    replay("refusals", password_rejections()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
#[ignore = "most of a minute: every call of the functions fails in every way"]
async fn password_rejections_with_faults_match_the_model() {
    replay("refusals that fail", password_rejections_with_faults()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn recovery_codes_match_the_model() {
    replay("recovery codes", recovery_codes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
#[ignore = "most of a minute: every call of the functions fails in every way"]
async fn recovery_codes_with_faults_match_the_model() {
    replay("recovery codes that fail", recovery_codes_with_faults()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn pushes_match_the_model() {
    replay("pushes", pushes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
#[ignore = "most of a minute: every answer to either of two requests"]
async fn repeated_pushes_match_the_model() {
    replay("pushes asked again", Scope { concurrency: 1, ..repeated_pushes() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
#[ignore = "most of a minute: every call of the functions fails in every way"]
async fn pushes_with_faults_match_the_model() {
    replay("pushes that fail", pushes_with_faults()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn passkeys_match_the_model() {
    replay("passkeys", passkeys()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
#[ignore = "most of a minute: every call of the functions fails in every way"]
async fn passkeys_with_faults_match_the_model() {
    replay("passkeys that fail", passkeys_with_faults()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn enrolment_matches_the_model() {
    replay("enrolment", enrolment()).await;
}

/// A model that accepts replaced codes differs from the real functions, and the replay must detect that.
#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn wrong_model_is_detected() {
    let scope = Scope { mutation: Some(Mutation::OldCodesValid), ..code_attempts() };
    let replayed = tokio::spawn(async move { replay("another model", scope).await }).await;
    assert!(replayed.is_err_and(|error| error.is_panic()));
}
