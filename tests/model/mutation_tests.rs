//! Mutation tests of the searches: with a rule disabled, each finds the violated invariant.

use std::collections::BTreeSet;

use stateright::{Checker as _, HasDiscoveries, Model as _};

use crate::authenticator_scenarios::{
    enrolment, passkeys_beside_an_attacker, pushes, pushes_beside_an_attacker, pushes_with_faults,
    recovery_codes, recovery_codes_beside_an_attacker, repeated_pushes,
};
use crate::invariants::{I1, I2, I3, I4, I5, I6, I8, I9, I10};
use crate::scope::Scope;
use crate::searches::{
    changes, changes_with_faults, code_attempts, exhausted_limits, owner_and_attacker, sends, two_steps,
};
use crate::tables::Mutation;

/// Searches with the rule disabled until the invariant fails.
fn assert_violated(scope: Scope, mutation: Mutation, invariant: &'static str) {
    let scope = Scope { mutation: Some(mutation), ..scope };
    let found = HasDiscoveries::AnyOf(BTreeSet::from([invariant]));
    let checker = scope.checker().finish_when(found).spawn_bfs().join();
    let path = checker.discovery(invariant);
    let path = path.unwrap_or_else(|| panic!("{mutation:?} does not break {invariant}")).into_actions();
    eprintln!("{mutation:?} breaks {invariant} after {} steps: {path:?}", path.len());
}

/// Controls: C-027.
#[test]
fn unchecked_codes_break_i1_and_i9() {
    assert_violated(code_attempts(), Mutation::AttemptUnchecked, I1);
    assert_violated(two_steps(), Mutation::AttemptUnchecked, I1);
    assert_violated(owner_and_attacker(), Mutation::AttemptUnchecked, I9);
}

/// Controls: C-029.
#[test]
fn time_step_accepted_again_breaks_i2() {
    assert_violated(owner_and_attacker(), Mutation::TimeStepReused, I2);
}

/// Controls: C-021.
#[test]
fn nonatomic_attempt_counting_breaks_i3() {
    assert_violated(code_attempts(), Mutation::AttemptReadThenWrite, I3);
}

/// Controls: C-028.
#[test]
fn old_code_valid_after_resend_breaks_i4() {
    assert_violated(code_attempts(), Mutation::OldCodesValid, I4);
}

/// Controls: C-039.
#[test]
fn expiry_by_table_ttl_only_breaks_i5() {
    assert_violated(code_attempts(), Mutation::TtlTrusted, I5);
}

/// Controls: C-024.
#[test]
fn unconditional_flow_writes_break_i5() {
    assert_violated(changes(), Mutation::BlindReplace, I5);
}

/// Controls: C-022.
#[test]
fn leases_without_a_generation_break_i8() {
    assert_violated(changes(), Mutation::LeaseWithoutGeneration, I8);
}

/// Controls: C-040.
#[test]
fn writes_without_a_generation_break_i8() {
    assert_violated(changes_with_faults(), Mutation::WriteWithoutGeneration, I8);
}

/// Controls: C-024.
#[test]
fn unconditional_rate_limit_writes_break_i6() {
    assert_violated(sends(), Mutation::BlindSendLimits, I6);
}

/// Controls: C-062.
#[test]
fn lost_notices_and_reconcile_messages_break_i8() {
    assert_violated(changes(), Mutation::NotificationsLost, I8);
    assert_violated(changes_with_faults(), Mutation::ReconcileLost, I8);
}

/// Controls: C-067.
#[test]
fn rate_limits_without_reset_break_i10() {
    assert_violated(exhausted_limits(), Mutation::SendLimitsNeverExpire, I10);
}

/// Controls: C-030.
#[test]
fn nonatomic_recovery_code_removal_breaks_i2() {
    assert_violated(recovery_codes_beside_an_attacker(), Mutation::RecoveryCodeReused, I2);
    assert_violated(recovery_codes(), Mutation::RecoveryCodeReadThenWrite, I2);
}

/// Controls: C-032.
#[test]
fn unsaved_passkey_counter_breaks_i9() {
    assert_violated(passkeys_beside_an_attacker(), Mutation::CounterNotStored, I9);
}

/// Controls: C-034.
#[test]
fn approval_for_any_flow_breaks_i9() {
    assert_violated(pushes_beside_an_attacker(), Mutation::ApprovalOfAnyFlow, I9);
}

/// Controls: C-047.
#[test]
fn answers_to_any_request_break_i4() {
    assert_violated(repeated_pushes(), Mutation::AnswerToAnyRequest, I4);
}

/// Controls: C-034.
#[test]
fn requests_answered_again_break_i2() {
    assert_violated(repeated_pushes(), Mutation::RequestAnsweredTwice, I2);
}

#[test]
fn unconditional_requests_and_forgotten_denials_break_i6() {
    assert_violated(pushes(), Mutation::BlindRequest, I6);
    assert_violated(pushes_beside_an_attacker(), Mutation::DenialForgotten, I6);
}

/// Controls: C-050.
#[test]
fn unreported_denials_break_i8() {
    assert_violated(pushes_with_faults(), Mutation::DenialNotificationLost, I8);
}

/// Controls: C-040.
#[test]
fn enrolment_without_generation_change_breaks_i5() {
    assert_violated(enrolment(), Mutation::EnrolmentKeepsGeneration, I5);
}
