//! I7: account enumeration is impossible. Two copies run side by side, one on an account and one on a decoy with the
//! same methods. A client without access to the account's contacts does the same to both, and faults hit both. Their
//! observable behaviour must be equal.

use serde_json::Value;
use shared::domain::account::AccountId;
use shared::domain::decoy::Decoys;
use shared::domain::name::CanonicalName;
use shared::domain::security_info::Kind;
use stateright::{Checker as _, HasDiscoveries, Model, Property};

use crate::accounts::{self, VICTIM};
use crate::actions::{Action, Event};
use crate::calls::Call;
use crate::product::{Parameters, Product, Step};
use crate::scope::{AssertionChoice, ClientRequest, CodeChoice, Fault, RecoveryCodeChoice, Scope};
use crate::searches::{ONE_STEP, TWO_STEPS};
use crate::state::State;
use crate::tables::{MOMENT, Mutation, Tables};

const I7: &str = "I7 an account and a decoy are seen alike";

struct Pair {
    known: Scope,
    unknown: Scope,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Both {
    known: State,
    unknown: State,
    alike: bool,
}

/// Returns the observable part of a transition: replies and called services, without secrets and random values.
fn observable(state: &State, events: &[Event]) -> Vec<String> {
    let mut seen: Vec<String> = events
        .iter()
        .map(|event| match event {
            Event::Called(function, call, _) => format!("{function:?} {call}"),
            Event::Replied(_, _, reply) => {
                let mut body = reply.body.clone();
                redact(&mut body);
                let cookie = reply.cookie.as_ref().map(String::len);
                format!("{} {body} {cookie:?}", reply.status)
            }
            Event::Crashed(_) => "died".to_owned(),
            Event::Enrolled(what, _) => format!("{what:?}"),
        })
        .collect();
    seen.extend(state.handlers.iter().map(|(_, running)| match &*running.next {
        Step::Calls(Call::Enqueue { bodies, delay }) => {
            format!("enqueue {:?} {delay}", bodies.iter().map(String::len).collect::<Vec<_>>())
        }
        Step::Calls(call) => call.kind().to_owned(),
        Step::Waits => "waits".to_owned(),
        Step::Replies(_) => unreachable!("it would be over"),
    }));
    seen
}

/// Replaces values that are random for each name or flow by their length.
fn redact(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let (
                    "masked" | "token" | "picture" | "sound" | "challenge" | "number" | "support_code",
                    Value::String(text),
                ) = (name.as_str(), &*value)
                {
                    *value = text.len().into();
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

impl Model for Pair {
    type State = Both;
    type Action = Action;

    fn init_states(&self) -> Vec<Both> {
        vec![Both { known: self.known.begin(), unknown: self.unknown.begin(), alike: true }]
    }

    fn actions(&self, state: &Both, acts: &mut Vec<Action>) {
        acts.extend(self.known.possible(&state.known));
    }

    fn next_state(&self, before: &Both, act: Action) -> Option<Both> {
        let known = self.known.after(&before.known, act);
        let unknown = self.unknown.after(&before.unknown, act);
        match (known, unknown) {
            (Some((known, one)), Some((unknown, other))) => {
                let alike = observable(&known, &one) == observable(&unknown, &other);
                Some(Both { known, unknown, alike })
            }
            (None, None) => None,
            _ => Some(Both { alike: false, ..before.clone() }),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(I7, |_, state: &Both| state.alike),
            Property::sometimes("a rate limit is exceeded", |_, state: &Both| {
                state.known.tables.rate_limits.limit_logs.values().any(|(rev, _)| *rev > 2)
            }),
        ]
    }
}

/// Returns a name without an account whose decoy offers the victim's methods.
fn decoy_login(parameters: Parameters, holds: &[Kind]) -> &'static str {
    let settings = Product::of(parameters).settings.clone();
    let methods = |registration: shared::domain::account::Registration| -> Vec<_> {
        registration.offers(&settings.methods).iter().map(|offer| offer.method).collect()
    };
    let victim = AccountId::from_directory(VICTIM).unwrap();
    let mut tables = Tables::default();
    accounts::enrol(&mut tables, VICTIM, holds, &settings.relying_party());
    let wanted = methods(tables.entries(&victim).registration(MOMENT));
    let name = (0..10_000).map(|n| format!("nobody{n}")).find(|login| {
        let name = CanonicalName::parse(login, &[]).unwrap();
        let id = AccountId::decoy(&name.reference(&accounts::keys()));
        let decoys = Decoys {
            flows: &accounts::keys(),
            population: None,
            methods: &settings.methods,
            steps: settings.steps,
        };
        methods(decoys.registration(&id, &name, MOMENT)) == wanted
    });
    name.unwrap().leak()
}

/// Builds a scope on the victim and the same one on a decoy.
fn account_and_decoy(scope: &Scope) -> Pair {
    let on = |login| {
        let clients = scope.clients.iter().map(|(_, attacks)| (login, *attacks)).collect();
        Scope { clients, ..scope.clone() }
    };
    Pair { known: on(VICTIM), unknown: on(decoy_login(scope.parameters, scope.enrolled)) }
}

/// Everything that a client without the account's contacts may try.
fn pair(mutation: Option<Mutation>) -> Pair {
    account_and_decoy(&Scope {
        parameters: ONE_STEP,
        clients: vec![(VICTIM, true), (VICTIM, true)],
        before: (0..2)
            .flat_map(|client| [(client, ClientRequest::Open), (client, ClientRequest::Locked)])
            .collect(),
        menu: vec![
            (0, ClientRequest::Email, 2),
            (1, ClientRequest::Email, 1),
            (0, ClientRequest::Sms { right: false }, 1),
            (0, ClientRequest::Code(CodeChoice::Wrong), 1),
            (0, ClientRequest::App { right: false }, 1),
            (0, ClientRequest::Password(0), 1),
            (0, ClientRequest::Cancel, 1),
        ],
        ticks: vec![(31, 1)],
        concurrency: 0,
        mutation,
        ..Scope::default()
    })
}

/// The same in two steps, on an account that also has a phone, a passkey and recovery codes.
fn pair_in_two_steps(mutation: Option<Mutation>) -> Pair {
    account_and_decoy(&Scope {
        parameters: TWO_STEPS,
        clients: vec![(VICTIM, true), (VICTIM, true)],
        enrolled: &[Kind::Authenticator, Kind::Passkey, Kind::RecoveryCodes],
        before: (0..2)
            .flat_map(|client| [(client, ClientRequest::Open), (client, ClientRequest::Forgotten)])
            .collect(),
        menu: vec![
            (0, ClientRequest::Push, 1),
            (1, ClientRequest::Push, 1),
            (0, ClientRequest::ApprovalPage, 1),
            (0, ClientRequest::ConfirmApproval, 1),
            (0, ClientRequest::PasskeyChallenge, 1),
            (0, ClientRequest::Assertion(AssertionChoice::Unregistered), 1),
        ],
        ticks: vec![(91, 1)],
        concurrency: 0,
        mutation,
        ..Scope::default()
    })
}

/// Replaces the requests of the first client.
fn with_menu(pair: Pair, menu: &[ClientRequest]) -> Pair {
    let other = |scope: Scope| Scope {
        menu: menu.iter().map(|ask| (0, *ask, 1)).collect(),
        ticks: Vec::new(),
        ..scope
    };
    Pair { known: other(pair.known), unknown: other(pair.unknown) }
}

/// Adds failing calls.
fn with_faults(pair: Pair) -> Pair {
    let faulty = |scope: Scope| Scope {
        concurrency: 1,
        faults: 1,
        fault_kinds: vec![Fault::Retried, Fault::ResponseLost, Fault::CallFailed, Fault::Crash],
        ..scope
    };
    Pair { known: faulty(pair.known), unknown: faulty(pair.unknown) }
}

fn search(name: &str, pair: Pair) {
    let checker = pair.checker().spawn_bfs().join();
    let (all, distinct, depth) = (checker.state_count(), checker.unique_state_count(), checker.max_depth());
    eprintln!("{name}: {all} states, {distinct} of them distinct, {depth} steps deep");
    checker.assert_properties();
}

/// Controls: C-001.
#[test]
fn account_and_decoy_are_indistinguishable() {
    search("pair", pair(None));
}

/// Controls: C-003.
#[test]
fn account_and_decoy_with_faults_are_indistinguishable() {
    let menu = [
        ClientRequest::Email,
        ClientRequest::Sms { right: false },
        ClientRequest::Code(CodeChoice::Wrong),
        ClientRequest::App { right: false },
    ];
    search("pair with faults", with_faults(with_menu(pair(None), &menu)));
}

/// Controls: C-002.
#[test]
fn account_and_decoy_in_two_steps_are_indistinguishable() {
    let pair = || pair_in_two_steps(None);
    search("pair in two steps", pair());
    let wrong = ClientRequest::Sms { right: false };
    let menu = [
        ClientRequest::Recovery(RecoveryCodeChoice::Wrong),
        ClientRequest::Email,
        ClientRequest::Code(CodeChoice::Wrong),
        wrong,
        ClientRequest::Push,
    ];
    search("pair with recovery codes", with_menu(pair(), &menu));
    let menu = [ClientRequest::Push, ClientRequest::ConfirmApproval, ClientRequest::Email, wrong];
    search("pair in two steps with faults", with_faults(with_menu(pair(), &menu)));
}

/// Searches until the two copies differ.
fn assert_distinguishable(pair: Pair) {
    let checker = pair.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    checker.assert_any_discovery(I7);
}

/// Controls: C-002.
#[test]
fn decoy_without_rate_limit_is_detected() {
    assert_distinguishable(pair(Some(Mutation::NoSendLimitsForDecoy)));
}

/// Controls: C-002.
#[test]
fn decoy_without_pending_request_is_detected() {
    assert_distinguishable(pair_in_two_steps(Some(Mutation::NoRequestForDecoy)));
}
