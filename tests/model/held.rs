//! Searches of enrolled methods: recovery codes, push approval, passkeys, and the effect of enrolment on open flows.

use shared::domain::security_info::Kind;

use crate::people::VICTIM;
use crate::product::Parameters;
use crate::scope::{Ask, Asserted, Listed, Phoned, Registers, Scope, Typed};
use crate::searches::{ONE_STEP, TWO_STEPS, WHATEVER, search, search_as_far};

/// One step, with a host name that passkeys can be bound to.
const PASSKEYS: Parameters = &[
    ("REKEY_PUBLIC_URL", "https://reset.contoh.example"),
    ("REKEY_STEPS", "1"),
    ("REKEY_CODE_TRIES", "2"),
    ("REKEY_FLOW_TRIES", "3"),
    ("REKEY_SENDS_PER_STEP", "2"),
    ("REKEY_SENDS_PER_HOUR", "2"),
    ("REKEY_SENDS_PER_DAY", "4"),
    ("REKEY_TOTP_TRIES_PER_DAY", "2"),
];

/// Two browsers of one person type one recovery code, with two concurrent requests.
pub fn recovery_codes() -> Scope {
    Scope {
        parameters: ONE_STEP,
        clients: vec![(VICTIM, false), (VICTIM, false)],
        holds: &[Kind::RecoveryCodes],
        before: (0..2).flat_map(|client| [(client, Ask::Open), (client, Ask::Forgotten)]).collect(),
        menu: vec![
            (0, Ask::Recovery(Listed::Nth(0)), 2),
            (1, Ask::Recovery(Listed::Nth(0)), 1),
            (0, Ask::Recovery(Listed::Wrong), 1),
        ],
        at_once: 2,
        ..Scope::default()
    }
}

/// The same with one request at a time, while calls fail, functions crash and items disappear.
pub fn recovery_codes_that_fail() -> Scope {
    Scope {
        menu: vec![
            (0, Ask::Recovery(Listed::Nth(0)), 2),
            (1, Ask::Recovery(Listed::Nth(0)), 1),
            (1, Ask::Recovery(Listed::Nth(1)), 1),
        ],
        at_once: 1,
        faults: 1,
        mishaps: WHATEVER.to_vec(),
        ..recovery_codes()
    }
}

/// The owner verifies both steps with a recovery code. An attacker sees it and types it into an own flow.
pub fn recovery_codes_beside_an_attacker() -> Scope {
    Scope {
        parameters: TWO_STEPS,
        clients: vec![(VICTIM, false), (VICTIM, true)],
        menu: vec![
            (0, Ask::Recovery(Listed::Nth(0)), 1),
            (0, Ask::App { right: true }, 1),
            (0, Ask::Password(0), 1),
            (1, Ask::Recovery(Listed::Seen), 1),
            (1, Ask::AppSeen, 1),
            (1, Ask::Password(1), 1),
        ],
        ticks: vec![(46, 1)],
        at_once: 0,
        changes: true,
        ..recovery_codes()
    }
}

/// An attacker and the owner both ask the owner's phone, with two concurrent requests. The owner approves with the
/// number of their own page.
pub fn pushes() -> Scope {
    Scope {
        parameters: TWO_STEPS,
        clients: vec![(VICTIM, false), (VICTIM, true)],
        holds: &[Kind::Authenticator],
        before: (0..2).flat_map(|client| [(client, Ask::Open), (client, Ask::Forgotten)]).collect(),
        menu: vec![
            (0, Ask::Push, 1),
            (0, Ask::Phone(Phoned::Approves), 1),
            (0, Ask::Approved, 1),
            (1, Ask::Push, 1),
            (1, Ask::Approved, 1),
        ],
        at_once: 2,
        ..Scope::default()
    }
}

/// The owner asks twice and approves either request, or refuses.
pub fn pushes_asked_again() -> Scope {
    Scope {
        before: vec![
            (0, Ask::Open),
            (0, Ask::Forgotten),
            (0, Ask::Push),
            (1, Ask::Open),
            (1, Ask::Forgotten),
        ],
        menu: vec![
            (0, Ask::Push, 1),
            (0, Ask::Phone(Phoned::Approves), 1),
            (0, Ask::Phone(Phoned::ApprovesElder), 1),
            (0, Ask::Phone(Phoned::Mistypes), 1),
            (0, Ask::Phone(Phoned::DeniesElder), 1),
            (0, Ask::Approved, 1),
            (1, Ask::Push, 1),
        ],
        ticks: vec![(31, 1), (91, 1)],
        at_once: 0,
        ..pushes()
    }
}

/// The same with one request at a time, while calls fail, functions crash and items disappear.
pub fn pushes_that_fail() -> Scope {
    Scope {
        menu: vec![
            (0, Ask::Push, 1),
            (0, Ask::Phone(Phoned::Approves), 1),
            (0, Ask::Phone(Phoned::Denies), 2),
            (0, Ask::Look, 1),
            (0, Ask::Approved, 1),
        ],
        ticks: Vec::new(),
        at_once: 1,
        faults: 1,
        mishaps: WHATEVER.to_vec(),
        ..pushes()
    }
}

/// The owner verifies the second step by phone. The attacker has a flow on the same name, a phone of their own, and
/// has seen the number.
pub fn pushes_beside_an_attacker() -> Scope {
    Scope {
        before: vec![
            (0, Ask::Open),
            (0, Ask::Forgotten),
            (0, Ask::Email),
            (0, Ask::Code(Typed::Newest)),
            (1, Ask::Open),
            (1, Ask::Forgotten),
        ],
        menu: vec![
            (0, Ask::Push, 1),
            (0, Ask::Phone(Phoned::Approves), 1),
            (0, Ask::Phone(Phoned::Denies), 1),
            (0, Ask::Approved, 1),
            (0, Ask::Password(0), 1),
            (1, Ask::Push, 1),
            (1, Ask::Phone(Phoned::Approves), 1),
            (1, Ask::Approved, 1),
        ],
        ticks: vec![(91, 1)],
        at_once: 0,
        changes: true,
        ..pushes()
    }
}

/// An attacker asks the owner's phone until the owner refuses, and uses up every rate limit.
pub fn drained_of_pushes() -> Scope {
    Scope {
        parameters: TWO_STEPS,
        clients: vec![(VICTIM, false), (VICTIM, true), (VICTIM, true)],
        holds: &[Kind::Authenticator],
        before: (1..3).flat_map(|client| [(client, Ask::Open), (client, Ask::Forgotten)]).collect(),
        menu: vec![
            (1, Ask::Push, 1),
            (2, Ask::Push, 1),
            (1, Ask::Email, 1),
            (2, Ask::Email, 1),
            (0, Ask::Phone(Phoned::Denies), 1),
            (2, Ask::App { right: false }, 1),
        ],
        ticks: vec![(91, 1)],
        at_once: 0,
        hopeful: true,
        ..Scope::default()
    }
}

/// The owner's passkey with two concurrent requests: correct, repeated, and for a challenge that isn't the newest.
pub fn passkeys() -> Scope {
    Scope {
        parameters: PASSKEYS,
        clients: vec![(VICTIM, false), (VICTIM, false)],
        holds: &[Kind::Passkey],
        before: (0..2)
            .flat_map(|client| [(client, Ask::Open), (client, Ask::Forgotten), (client, Ask::Passkey)])
            .collect(),
        menu: vec![
            (0, Ask::Assert(Asserted::Newest), 1),
            (0, Ask::Assert(Asserted::Seen), 2),
            (1, Ask::Assert(Asserted::Seen), 1),
            (0, Ask::Passkey, 1),
            (0, Ask::Assert(Asserted::Elder), 1),
        ],
        ticks: vec![(301, 1)],
        at_once: 2,
        ..Scope::default()
    }
}

/// The same with one request at a time, while calls fail, functions crash and items disappear.
pub fn passkeys_that_fail() -> Scope {
    Scope {
        menu: vec![
            (0, Ask::Assert(Asserted::Newest), 1),
            (0, Ask::Assert(Asserted::Seen), 1),
            (1, Ask::Assert(Asserted::Newest), 1),
            (0, Ask::Passkey, 1),
        ],
        ticks: Vec::new(),
        at_once: 1,
        faults: 1,
        mishaps: WHATEVER.to_vec(),
        ..passkeys()
    }
}

/// The owner uses a passkey. The attacker sees its assertions and has an older copy of it.
pub fn passkeys_beside_an_attacker() -> Scope {
    Scope {
        clients: vec![(VICTIM, false), (VICTIM, true)],
        menu: vec![
            (0, Ask::Assert(Asserted::Newest), 1),
            (0, Ask::Assert(Asserted::Elder), 1),
            (0, Ask::Email, 1),
            (0, Ask::Passkey, 1),
            (0, Ask::Password(0), 1),
            (1, Ask::Assert(Asserted::Seen), 1),
            (1, Ask::Assert(Asserted::Copied), 1),
            (1, Ask::Password(1), 1),
        ],
        ticks: vec![(301, 1)],
        at_once: 0,
        changes: true,
        ..passkeys()
    }
}

/// A new sheet of recovery codes is enrolled while an open flow uses the old one.
pub fn registering() -> Scope {
    Scope {
        parameters: ONE_STEP,
        clients: vec![(VICTIM, false), (VICTIM, false)],
        holds: &[Kind::RecoveryCodes],
        before: vec![(0, Ask::Open), (0, Ask::Forgotten)],
        registers: &[Registers::Reads, Registers::Changes, Registers::Puts(Kind::RecoveryCodes, 1)],
        menu: vec![(0, Ask::Recovery(Listed::Nth(0)), 2), (0, Ask::Password(0), 1), (0, Ask::Password(1), 1)],
        ticks: vec![(46, 1)],
        at_once: 1,
        changes: true,
        ..Scope::default()
    }
}

/// The TOTP app is removed while one flow uses it and another one opens.
pub fn removing() -> Scope {
    Scope {
        holds: &[],
        registers: &[Registers::Reads, Registers::Changes, Registers::Deletes(Kind::Totp, 0)],
        menu: vec![
            (0, Ask::App { right: true }, 1),
            (0, Ask::Password(0), 1),
            (1, Ask::Open, 1),
            (1, Ask::Forgotten, 1),
            (1, Ask::App { right: true }, 1),
            (1, Ask::Password(1), 1),
        ],
        at_once: 0,
        ..registering()
    }
}

/// Controls: C-030.
#[test]
fn recovery_codes_are_accepted_once() {
    search("recovery codes", recovery_codes());
    search("recovery codes that fail", recovery_codes_that_fail());
    search("recovery codes beside an attacker", recovery_codes_beside_an_attacker());
}

#[test]
fn push_requests_are_approved_only_by_owner() {
    search("pushes", pushes());
    search("pushes asked again", pushes_asked_again());
    search("pushes that fail", pushes_that_fail());
    search("pushes beside an attacker", pushes_beside_an_attacker());
    search("drained of pushes", drained_of_pushes());
}

/// Controls: C-047.
#[test]
fn passkey_assertions_answer_only_their_challenge() {
    search("passkeys", passkeys());
    search("passkeys that fail", passkeys_that_fail());
    search("passkeys beside an attacker", passkeys_beside_an_attacker());
}

/// Controls: C-025.
#[test]
#[ignore = "minutes: flows that are opened between any two calls"]
fn enrolment_between_any_calls_keeps_invariants() {
    search_as_far("removing", Scope { at_once: 1, ..removing() }, 100_000);
    let scope = Scope { faults: 1, mishaps: WHATEVER.to_vec(), ..registering() };
    search_as_far("registering", scope, 60_000);
}

#[test]
#[ignore = "minutes: more at once, with two faults"]
fn recovery_codes_keep_invariants_with_concurrency_and_faults() {
    search_as_far("recovery codes", Scope { faults: 2, ..recovery_codes_that_fail() }, 50_000);
    search_as_far("recovery codes at once", Scope { at_once: 2, ..recovery_codes_that_fail() }, 50_000);
}

#[test]
#[ignore = "minutes: more at once, with two faults"]
fn pushes_keep_invariants_with_concurrency_and_faults() {
    search_as_far("pushes", Scope { faults: 2, ..pushes_that_fail() }, 150_000);
    search_as_far("pushes at once", Scope { at_once: 2, ..pushes_that_fail() }, 150_000);
    search_as_far(
        "pushes asked again",
        Scope { ticks: vec![(31, 2), (91, 1)], ..pushes_asked_again() },
        150_000,
    );
}

#[test]
#[ignore = "minutes: more at once, with two faults"]
fn passkeys_keep_invariants_with_concurrency_and_faults() {
    search_as_far("passkeys", Scope { faults: 2, ..passkeys_that_fail() }, 150_000);
    search_as_far("passkeys at once", Scope { at_once: 2, ..passkeys_that_fail() }, 150_000);
}

/// Controls: C-040.
#[test]
fn enrolment_ends_open_flows() {
    search("registering", registering());
    search("removing", removing());
}
