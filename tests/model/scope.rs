//! The bounds of a search: which client may do what how often, and which faults may happen.

use rekey_tests::fixtures::Person;
use shared::domain::security_info::Kind;

use crate::product::Parameters;
use crate::tables::Mutation;

/// A bounded part of all behaviour.
#[derive(Clone, Debug)]
pub struct Scope {
    pub parameters: Parameters,
    pub clients: Vec<(&'static str, bool)>,
    /// The victim's methods besides contacts and the TOTP app. With a phone here, the attacker also has one, for
    /// their own account.
    pub enrolled: &'static [Kind],
    /// Requests before the search begins, each run alone.
    pub before: Vec<(usize, ClientRequest)>,
    /// The requests of each client, with their maximum number.
    pub menu: Vec<(usize, ClientRequest, u8)>,
    /// The steps of an enrolment on the victim's account meanwhile, in order.
    pub enrolment: &'static [EnrolmentStep],
    /// Steps of the clock in seconds, with their maximum number.
    pub ticks: Vec<(i64, u8)>,
    /// Maximum concurrent handlers; with 0, each request is one atomic step.
    pub concurrency: usize,
    /// Maximum number of faults.
    pub faults: u8,
    /// The kinds of faults.
    pub fault_kinds: Vec<Fault>,
    /// Whether codes and notifications arrive as soon as they are queued, so that the queue has only reconciliation
    /// messages.
    pub instant: bool,
    pub mutation: Option<Mutation>,
    /// Whether every state is checked for the owner's ability to reset.
    pub check_liveness: bool,
    /// Whether a password can change; then the search must reach a state with a change.
    pub expects_change: bool,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            parameters: &[],
            clients: Vec::new(),
            enrolled: &[],
            before: Vec::new(),
            menu: Vec::new(),
            enrolment: &[],
            ticks: Vec::new(),
            concurrency: 1,
            faults: 0,
            fault_kinds: Vec::new(),
            instant: true,
            mutation: None,
            check_liveness: false,
            expects_change: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientRequest {
    Open,
    Forgotten,
    Locked,
    Email,
    /// With the complete number, correct or wrong.
    Sms {
        right: bool,
    },
    Code(CodeChoice),
    App {
        right: bool,
    },
    /// The TOTP code that another person typed last, seen over the shoulder.
    ReplayedTotp,
    /// Requests an approval from the phones.
    Push,
    /// Loads the page that waits for a phone.
    ApprovalPage,
    /// Confirms on that page that a phone has approved.
    ConfirmApproval,
    /// The person answers on their phone. The attacker has one for their own account.
    PhoneAnswer(PhoneChoice),
    /// Requests a passkey challenge.
    PasskeyChallenge,
    /// Sends an assertion.
    Assertion(AssertionChoice),
    Recovery(RecoveryCodeChoice),
    /// A password of [`PASSWORDS`], by place.
    Password(usize),
    Unlock,
    Cancel,
}

/// The code that is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CodeChoice {
    /// The newest one of this flow.
    Newest,
    /// The one before it.
    Previous,
    /// One of another flow of the same person.
    OfAnotherFlow,
    /// One that was never sent.
    Wrong,
}

/// The answer on a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PhoneChoice {
    /// Types the number of the person's page, whichever request the phone shows. The attacker types the number last
    /// seen on the owner's page.
    Approves,
    /// The same for the previous request, which the phone still shows.
    ApprovesPrevious,
    /// Types another number.
    Mistypes,
    Denies,
    /// The same for the previous request.
    DeniesPrevious,
}

/// The assertion that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AssertionChoice {
    /// One for the challenge of the person's page.
    Newest,
    /// One for the previous challenge of this flow.
    Previous,
    /// Replay of the last assertion, of any flow.
    Replayed,
    /// One for the own page's challenge, by an unregistered passkey.
    Unregistered,
    /// One for the own page's challenge, by a copy of the passkey from before its last successful use.
    Cloned,
}

/// The recovery code that is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecoveryCodeChoice {
    /// One of the owner's sheet, by place.
    Nth(usize),
    /// The one that was last accepted, seen over the shoulder.
    Replayed,
    /// One that is on no sheet.
    Wrong,
}

/// The steps of an enrolment; each is one call of its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EnrolmentStep {
    /// Reads the enrolled entries.
    Read,
    /// Increments the generation, if it is still the one that was read.
    IncrementGeneration,
    Put(Kind, u8),
    Delete(Kind, u8),
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A call takes effect, its response is lost, and it is retried.
    Retried,
    /// A call takes effect, and the responses of all its attempts are lost.
    ResponseLost,
    /// A call fails without effect.
    CallFailed,
    /// The function crashes before its next call.
    Crash,
    /// The function times out, and its last call takes effect later.
    Timeout,
    /// SQS delivers a message again.
    Redelivered,
    /// A code is lost on its way to its owner.
    CodeLost,
    /// The flow's item is deleted.
    FlowDeleted,
}

/// The passwords that are typed: three new ones, and the initial one.
pub const PASSWORDS: [&str; 4] =
    ["Kancil-Lompat-42!", "Merdeka-Wau-Bulan-57", "Layang-Layang-Biru-88", Person::PASSWORD];
/// The place of the initial password.
pub const PRESENT: usize = 3;
