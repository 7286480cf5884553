//! Searches of enrolled methods: recovery codes, push approval, passkeys, and the effect of enrolment on open flows.

use shared::domain::security_info::Kind;

use crate::accounts::VICTIM;
use crate::product::Parameters;
use crate::scope::{
    AssertionChoice, ClientRequest, CodeChoice, EnrolmentStep, PhoneChoice, RecoveryCodeChoice, Scope,
};
use crate::searches::{COMMON_FAULTS, ONE_STEP, TWO_STEPS, search, search_up_to};

/// One step, with a host name that passkeys can be bound to.
const PASSKEYS: Parameters = &[
    ("REKEY_PUBLIC_URL", "https://reset.contoh.example"),
    ("REKEY_STEPS", "1"),
    ("REKEY_CODE_TRIES", "2"),
    ("REKEY_FLOW_TRIES", "3"),
    ("REKEY_SENDS_PER_STEP", "2"),
    ("REKEY_SENDS_PER_HOUR", "2"),
    ("REKEY_SENDS_PER_DAY", "6"),
    ("REKEY_TOTP_TRIES_PER_DAY", "4"),
];

/// Two browsers of one person type one recovery code, with two concurrent requests.
pub fn recovery_codes() -> Scope {
    Scope {
        parameters: ONE_STEP,
        clients: vec![(VICTIM, false), (VICTIM, false)],
        enrolled: &[Kind::RecoveryCodes],
        before: (0..2)
            .flat_map(|client| [(client, ClientRequest::Open), (client, ClientRequest::Forgotten)])
            .collect(),
        menu: vec![
            (0, ClientRequest::Recovery(RecoveryCodeChoice::Nth(0)), 2),
            (1, ClientRequest::Recovery(RecoveryCodeChoice::Nth(0)), 1),
            (0, ClientRequest::Recovery(RecoveryCodeChoice::Wrong), 1),
        ],
        concurrency: 2,
        ..Scope::default()
    }
}

/// The same with one request at a time, while calls fail, functions crash and items disappear.
pub fn recovery_codes_with_faults() -> Scope {
    Scope {
        menu: vec![
            (0, ClientRequest::Recovery(RecoveryCodeChoice::Nth(0)), 2),
            (1, ClientRequest::Recovery(RecoveryCodeChoice::Nth(0)), 1),
            (1, ClientRequest::Recovery(RecoveryCodeChoice::Nth(1)), 1),
        ],
        concurrency: 1,
        faults: 1,
        fault_kinds: COMMON_FAULTS.to_vec(),
        ..recovery_codes()
    }
}

/// The owner verifies both steps with a recovery code. An attacker sees it and types it into an own flow.
pub fn recovery_codes_beside_an_attacker() -> Scope {
    Scope {
        parameters: TWO_STEPS,
        clients: vec![(VICTIM, false), (VICTIM, true)],
        menu: vec![
            (0, ClientRequest::Recovery(RecoveryCodeChoice::Nth(0)), 1),
            (0, ClientRequest::App { right: true }, 1),
            (0, ClientRequest::Password(0), 1),
            (1, ClientRequest::Recovery(RecoveryCodeChoice::Replayed), 1),
            (1, ClientRequest::ReplayedTotp, 1),
            (1, ClientRequest::Password(1), 1),
        ],
        ticks: vec![(46, 1)],
        concurrency: 0,
        expects_change: true,
        ..recovery_codes()
    }
}

/// An attacker and the owner both ask the owner's phone, with two concurrent requests. The owner approves with the
/// number of their own page.
pub fn pushes() -> Scope {
    Scope {
        parameters: TWO_STEPS,
        clients: vec![(VICTIM, false), (VICTIM, true)],
        enrolled: &[Kind::Authenticator],
        before: (0..2)
            .flat_map(|client| [(client, ClientRequest::Open), (client, ClientRequest::Forgotten)])
            .collect(),
        menu: vec![
            (0, ClientRequest::Push, 1),
            (0, ClientRequest::PhoneAnswer(PhoneChoice::Approves), 1),
            (0, ClientRequest::ConfirmApproval, 1),
            (1, ClientRequest::Push, 1),
            (1, ClientRequest::ConfirmApproval, 1),
        ],
        concurrency: 2,
        ..Scope::default()
    }
}

/// The owner asks twice and approves either request, or refuses.
pub fn repeated_pushes() -> Scope {
    Scope {
        before: vec![
            (0, ClientRequest::Open),
            (0, ClientRequest::Forgotten),
            (0, ClientRequest::Push),
            (1, ClientRequest::Open),
            (1, ClientRequest::Forgotten),
        ],
        menu: vec![
            (0, ClientRequest::Push, 1),
            (0, ClientRequest::PhoneAnswer(PhoneChoice::Approves), 1),
            (0, ClientRequest::PhoneAnswer(PhoneChoice::ApprovesPrevious), 1),
            (0, ClientRequest::PhoneAnswer(PhoneChoice::Mistypes), 1),
            (0, ClientRequest::PhoneAnswer(PhoneChoice::DeniesPrevious), 1),
            (0, ClientRequest::ConfirmApproval, 1),
            (1, ClientRequest::Push, 1),
        ],
        ticks: vec![(31, 1), (91, 1)],
        concurrency: 0,
        ..pushes()
    }
}

/// The same with one request at a time, while calls fail, functions crash and items disappear.
pub fn pushes_with_faults() -> Scope {
    Scope {
        menu: vec![
            (0, ClientRequest::Push, 1),
            (0, ClientRequest::PhoneAnswer(PhoneChoice::Approves), 1),
            (0, ClientRequest::PhoneAnswer(PhoneChoice::Denies), 2),
            (0, ClientRequest::ApprovalPage, 1),
            (0, ClientRequest::ConfirmApproval, 1),
        ],
        ticks: Vec::new(),
        concurrency: 1,
        faults: 1,
        fault_kinds: COMMON_FAULTS.to_vec(),
        ..pushes()
    }
}

/// The owner verifies the second step by phone. The attacker has a flow on the same name, a phone of their own, and
/// has seen the number.
pub fn pushes_beside_an_attacker() -> Scope {
    Scope {
        before: vec![
            (0, ClientRequest::Open),
            (0, ClientRequest::Forgotten),
            (0, ClientRequest::Email),
            (0, ClientRequest::Code(CodeChoice::Newest)),
            (1, ClientRequest::Open),
            (1, ClientRequest::Forgotten),
        ],
        menu: vec![
            (0, ClientRequest::Push, 1),
            (0, ClientRequest::PhoneAnswer(PhoneChoice::Approves), 1),
            (0, ClientRequest::PhoneAnswer(PhoneChoice::Denies), 1),
            (0, ClientRequest::ConfirmApproval, 1),
            (0, ClientRequest::Password(0), 1),
            (1, ClientRequest::Push, 1),
            (1, ClientRequest::PhoneAnswer(PhoneChoice::Approves), 1),
            (1, ClientRequest::ConfirmApproval, 1),
        ],
        ticks: vec![(91, 1)],
        concurrency: 0,
        expects_change: true,
        ..pushes()
    }
}

/// An attacker asks the owner's phone until the owner refuses, and uses up every rate limit.
pub fn exhausted_push_limits() -> Scope {
    Scope {
        parameters: TWO_STEPS,
        clients: vec![(VICTIM, false), (VICTIM, true), (VICTIM, true)],
        enrolled: &[Kind::Authenticator],
        before: (1..3)
            .flat_map(|client| [(client, ClientRequest::Open), (client, ClientRequest::Forgotten)])
            .collect(),
        menu: vec![
            (1, ClientRequest::Push, 1),
            (2, ClientRequest::Push, 1),
            (1, ClientRequest::Email, 1),
            (2, ClientRequest::Email, 1),
            (0, ClientRequest::PhoneAnswer(PhoneChoice::Denies), 1),
            (2, ClientRequest::App { right: false }, 1),
        ],
        ticks: vec![(91, 1)],
        concurrency: 0,
        check_liveness: true,
        ..Scope::default()
    }
}

/// The owner's passkey with two concurrent requests: correct, repeated, and for a challenge that isn't the newest.
pub fn passkeys() -> Scope {
    Scope {
        parameters: PASSKEYS,
        clients: vec![(VICTIM, false), (VICTIM, false)],
        enrolled: &[Kind::Passkey],
        before: (0..2)
            .flat_map(|client| {
                [
                    (client, ClientRequest::Open),
                    (client, ClientRequest::Forgotten),
                    (client, ClientRequest::PasskeyChallenge),
                ]
            })
            .collect(),
        menu: vec![
            (0, ClientRequest::Assertion(AssertionChoice::Newest), 1),
            (0, ClientRequest::Assertion(AssertionChoice::Replayed), 2),
            (1, ClientRequest::Assertion(AssertionChoice::Replayed), 1),
            (0, ClientRequest::PasskeyChallenge, 1),
            (0, ClientRequest::Assertion(AssertionChoice::Previous), 1),
        ],
        ticks: vec![(301, 1)],
        concurrency: 2,
        ..Scope::default()
    }
}

/// The same with one request at a time, while calls fail, functions crash and items disappear.
pub fn passkeys_with_faults() -> Scope {
    Scope {
        menu: vec![
            (0, ClientRequest::Assertion(AssertionChoice::Newest), 1),
            (0, ClientRequest::Assertion(AssertionChoice::Replayed), 1),
            (1, ClientRequest::Assertion(AssertionChoice::Newest), 1),
            (0, ClientRequest::PasskeyChallenge, 1),
        ],
        ticks: Vec::new(),
        concurrency: 1,
        faults: 1,
        fault_kinds: COMMON_FAULTS.to_vec(),
        ..passkeys()
    }
}

/// The owner uses a passkey. The attacker sees its assertions and has an older copy of it.
pub fn passkeys_beside_an_attacker() -> Scope {
    Scope {
        clients: vec![(VICTIM, false), (VICTIM, true)],
        menu: vec![
            (0, ClientRequest::Assertion(AssertionChoice::Newest), 1),
            (0, ClientRequest::Assertion(AssertionChoice::Previous), 1),
            (0, ClientRequest::Email, 1),
            (0, ClientRequest::PasskeyChallenge, 1),
            (0, ClientRequest::Password(0), 1),
            (1, ClientRequest::Assertion(AssertionChoice::Replayed), 1),
            (1, ClientRequest::Assertion(AssertionChoice::Cloned), 1),
            (1, ClientRequest::Password(1), 1),
        ],
        ticks: vec![(301, 1)],
        concurrency: 0,
        expects_change: true,
        ..passkeys()
    }
}

/// A new sheet of recovery codes is enrolled while an open flow uses the old one.
pub fn enrolment() -> Scope {
    Scope {
        parameters: ONE_STEP,
        clients: vec![(VICTIM, false), (VICTIM, false)],
        enrolled: &[Kind::RecoveryCodes],
        before: vec![(0, ClientRequest::Open), (0, ClientRequest::Forgotten)],
        enrolment: &[
            EnrolmentStep::Read,
            EnrolmentStep::IncrementGeneration,
            EnrolmentStep::Put(Kind::RecoveryCodes, 1),
        ],
        menu: vec![
            (0, ClientRequest::Recovery(RecoveryCodeChoice::Nth(0)), 2),
            (0, ClientRequest::Password(0), 1),
            (0, ClientRequest::Password(1), 1),
        ],
        ticks: vec![(46, 1)],
        concurrency: 1,
        expects_change: true,
        ..Scope::default()
    }
}

/// The TOTP app is removed while one flow uses it and another one opens.
pub fn removal() -> Scope {
    Scope {
        enrolled: &[],
        enrolment: &[
            EnrolmentStep::Read,
            EnrolmentStep::IncrementGeneration,
            EnrolmentStep::Delete(Kind::Totp, 0),
        ],
        menu: vec![
            (0, ClientRequest::App { right: true }, 1),
            (0, ClientRequest::Password(0), 1),
            (1, ClientRequest::Open, 1),
            (1, ClientRequest::Forgotten, 1),
            (1, ClientRequest::App { right: true }, 1),
            (1, ClientRequest::Password(1), 1),
        ],
        concurrency: 0,
        ..enrolment()
    }
}

/// Controls: C-030.
#[test]
fn recovery_codes_are_accepted_once() {
    search("recovery codes", recovery_codes());
    search("recovery codes that fail", recovery_codes_with_faults());
    search("recovery codes beside an attacker", recovery_codes_beside_an_attacker());
}

#[test]
fn push_requests_are_approved_only_by_owner() {
    search("pushes", pushes());
    search("pushes asked again", repeated_pushes());
    search("pushes that fail", pushes_with_faults());
    search("pushes beside an attacker", pushes_beside_an_attacker());
    search("drained of pushes", exhausted_push_limits());
}

/// Controls: C-047.
#[test]
fn passkey_assertions_answer_only_their_challenge() {
    search("passkeys", passkeys());
    search("passkeys that fail", passkeys_with_faults());
    search("passkeys beside an attacker", passkeys_beside_an_attacker());
}

/// Controls: C-025.
#[test]
#[ignore = "minutes: flows that are opened between any two calls"]
fn enrolment_between_any_calls_keeps_invariants() {
    search_up_to("removal", Scope { concurrency: 1, ..removal() }, 100_000);
    let scope = Scope { faults: 1, fault_kinds: COMMON_FAULTS.to_vec(), ..enrolment() };
    search_up_to("enrolment", scope, 60_000);
}

#[test]
#[ignore = "minutes: more at once, with two faults"]
fn recovery_codes_keep_invariants_with_concurrency_and_faults() {
    search_up_to("recovery codes", Scope { faults: 2, ..recovery_codes_with_faults() }, 50_000);
    search_up_to("recovery codes at once", Scope { concurrency: 2, ..recovery_codes_with_faults() }, 50_000);
}

#[test]
#[ignore = "minutes: more at once, with two faults"]
fn pushes_keep_invariants_with_concurrency_and_faults() {
    search_up_to("pushes", Scope { faults: 2, ..pushes_with_faults() }, 150_000);
    search_up_to("pushes at once", Scope { concurrency: 2, ..pushes_with_faults() }, 150_000);
    search_up_to("pushes asked again", Scope { ticks: vec![(31, 2), (91, 1)], ..repeated_pushes() }, 150_000);
}

#[test]
#[ignore = "minutes: more at once, with two faults"]
fn passkeys_keep_invariants_with_concurrency_and_faults() {
    search_up_to("passkeys", Scope { faults: 2, ..passkeys_with_faults() }, 150_000);
    search_up_to("passkeys at once", Scope { concurrency: 2, ..passkeys_with_faults() }, 150_000);
}

/// Controls: C-040.
#[test]
fn enrolment_ends_open_flows() {
    search("enrolment", enrolment());
    search("removal", removal());
}
