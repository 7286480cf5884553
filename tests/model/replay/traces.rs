//! Traces that cover every kind of transition.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use stateright::Model as _;

use crate::actions::{Action, Event};
use crate::product::Step;
use crate::scope::{Fault, Scope};
use crate::state::{Invoker, State};

/// The acts from the initial state, in order.
pub type Trace = Vec<Action>;

/// Returns the kinds of transitions that an act shows: the act, the function's call and its answer, and the reply.
fn kinds(scope: &Scope, before: &State, act: Action, events: &[Event]) -> Vec<String> {
    let what = match act {
        Action::Send(place) => format!("{:?}", scope.menu[place].1),
        Action::Fault(fault, _) => format!("{fault:?}"),
        Action::Continue(place) => match before.handlers[place].0 {
            Invoker::Client(_, place) => format!("{:?}", scope.menu[place].1),
            Invoker::Queue(_) => "deliver".to_owned(),
        },
        Action::Deliver(_) => "deliver".to_owned(),
        Action::Tick(place) => format!("tick {place}"),
        Action::DelayedCall(_) => "late".to_owned(),
        Action::Enrol => "register".to_owned(),
    };
    let of = |event: &Event| match event {
        Event::Called(function, call, answer) => format!("{what} {function:?} {call} {answer}"),
        Event::Replied(_, function, reply) => format!("{function:?} {} {}", reply.status, reply.outcome()),
        Event::Crashed(_) => "died".to_owned(),
        Event::Enrolled(what, done) => format!("{what:?} {done}"),
    };
    if events.is_empty() { vec![what] } else { events.iter().map(of).collect() }
}

/// Returns whether the replay can perform an act. It can't delay a call beyond its handler or lose a code on its way.
fn is_replayable(act: Action) -> bool {
    !matches!(act, Action::DelayedCall(_) | Action::Fault(Fault::CodeLost, _))
}

/// Returns whether a double click waits in vain. It waits as long as the SDK's timeout, so the SDK would retry other
/// blocked calls meanwhile.
fn outlasts(before: &State, act: Action, events: &[Event]) -> bool {
    let Action::Continue(place) = act else { return false };
    let waits = matches!(&*before.handlers[place].1.next, Step::Waits);
    let in_vain =
        events.iter().any(|event| matches!(event, Event::Replied(_, _, reply) if reply.status == 503));
    waits && in_vain && before.handlers.len() > 1
}

/// Returns traces that together show all kinds, found breadth first, and the number of kinds.
pub fn covering_traces(scope: &Scope) -> (Vec<Trace>, usize) {
    let mut reached: Vec<(Option<usize>, Option<Action>)> = vec![(None, None)];
    let mut known = HashMap::from([(digest(&scope.begin()), 0)]);
    let mut queue = VecDeque::from([(0, scope.begin())]);
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    while let Some((from, state)) = queue.pop_front() {
        let mut acts = Vec::new();
        scope.actions(&state, &mut acts);
        for act in acts.into_iter().filter(|act| is_replayable(*act)) {
            let Some((next, events)) = scope.after(&state, act) else { continue };
            if next.late.len() > state.late.len() || outlasts(&state, act, &events) {
                continue;
            }
            let place = reached.len();
            let new = known.insert(digest(&next), place).is_none();
            reached.push((Some(from), Some(act)));
            for kind in kinds(scope, &state, act, &events) {
                first.entry(kind).or_insert(place);
            }
            if new {
                queue.push_back((place, next));
            }
        }
    }
    let path = |mut place: usize| {
        let mut trace = Vec::new();
        while let (Some(from), Some(act)) = reached[place] {
            trace.push(act);
            place = from;
        }
        trace.reverse();
        trace
    };
    // Longest first: a long trace covers most kinds, which then need no trace of their own.
    let mut wanted: Vec<Trace> = first.values().map(|place| path(*place)).collect();
    wanted.sort_by_key(|trace| std::cmp::Reverse(trace.len()));
    let (mut traces, mut shown) = (Vec::new(), std::collections::BTreeSet::new());
    for trace in wanted {
        let mut state = scope.begin();
        let mut of_trace = Vec::new();
        for act in &trace {
            let (next, events) = scope.after(&state, *act).unwrap();
            of_trace.extend(kinds(scope, &state, *act, &events));
            state = next;
        }
        let before = shown.len();
        shown.extend(of_trace);
        if shown.len() > before {
            traces.push(trace);
        }
    }
    (traces, first.len())
}

fn digest(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
