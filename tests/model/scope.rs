//! What is searched: who may do what how often, and what may go wrong.

use rekey_tests::people::Person;
use shared::domain::security_info::Kind;

use crate::product::Parameters;
use crate::tables::Mutation;

/// A bounded part of all behaviour.
#[derive(Clone, Debug)]
pub struct Scope {
    pub parameters: Parameters,
    pub clients: Vec<(&'static str, bool)>,
    /// What the victim has registered beside contacts and the app that shows codes. A phone the attacker has too, for
    /// an account of their own.
    pub holds: &'static [Kind],
    /// What happens before the search begins, each request by itself.
    pub before: Vec<(usize, Ask)>,
    /// Which client may ask what, and how often.
    pub menu: Vec<(usize, Ask, u8)>,
    /// What somebody who registers does meanwhile on the victim's account, one thing after the other.
    pub registers: &'static [Registers],
    /// By how many seconds time may go on, and how often.
    pub ticks: Vec<(i64, u8)>,
    /// How many handlers are at work at once; with none, each request is one step.
    pub at_once: usize,
    /// How many faults happen.
    pub faults: u8,
    /// Which.
    pub mishaps: Vec<Mishap>,
    /// Whether codes and notices arrive as soon as they are queued, so that only settles lie in the queue.
    pub instant: bool,
    pub mutation: Option<Mutation>,
    /// Whether it is asked from every state if the owner still gets through.
    pub hopeful: bool,
    /// Whether a password can change in it.
    pub changes: bool,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            parameters: &[],
            clients: Vec::new(),
            holds: &[],
            before: Vec::new(),
            menu: Vec::new(),
            registers: &[],
            ticks: Vec::new(),
            at_once: 1,
            faults: 0,
            mishaps: Vec::new(),
            instant: true,
            mutation: None,
            hopeful: false,
            changes: false,
        }
    }
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ask {
    Open,
    Forgotten,
    Locked,
    Email,
    /// With the complete number, right or wrong.
    Sms {
        right: bool,
    },
    Code(Typed),
    App {
        right: bool,
    },
    /// The app code that somebody has typed last, seen over the shoulder.
    AppSeen,
    /// Asks the phones to approve.
    Push,
    /// Looks at the page that waits for a phone.
    Look,
    /// Says on that page that a phone has approved.
    Approved,
    /// The person takes their phone and answers on it. Who attacks has a phone of their own account.
    Phone(Phoned),
    /// Asks for a passkey.
    Passkey,
    /// Answers with one.
    Assert(Asserted),
    /// Types a recovery code.
    Recovery(Listed),
    /// One of some passwords.
    Password(usize),
    Unlock,
    Cancel,
}

/// Which code is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Typed {
    /// The newest that came for this flow.
    Newest,
    /// The one before it.
    Elder,
    /// One that came for another flow of the same person.
    OfAnother,
    /// One that never was.
    Wrong,
}

/// What is done on a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phoned {
    /// The number that the person's page shows is typed, whichever request the phone shows. Who attacks types what
    /// they saw last on the owner's page.
    Approves,
    /// The same for the request before it, which the phone still shows.
    ApprovesElder,
    /// Another number.
    Mistypes,
    /// "It wasn't me."
    Denies,
    /// The same for the request before it.
    DeniesElder,
}

/// What is made with a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Asserted {
    /// An answer to the challenge of the person's page.
    Newest,
    /// An answer to the challenge that this flow had before it.
    Elder,
    /// The answer that somebody made last, once more, in whichever flow that was.
    Seen,
    /// An answer to the challenge of one's own page by a passkey that is nobody's.
    Nobodys,
    /// An answer to the challenge of one's own page by a copy of the passkey that was made before it last
    /// proved something.
    Copied,
}

/// Which recovery code is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Listed {
    /// One of the owner's sheet, by its place.
    Nth(usize),
    /// The one that proved something last, seen over the shoulder.
    Seen,
    /// One that is on no sheet.
    Wrong,
}

/// What is done by whoever registers: each is one call of their store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Registers {
    /// Reads what is registered.
    Reads,
    /// Moves the generation on, if it still is the one that was read.
    Changes,
    /// Writes an entry.
    Puts(Kind, u8),
    /// Deletes one.
    Deletes(Kind, u8),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mishap {
    /// A call is carried out, its answer is lost, and it is made again.
    Twice,
    /// A call is carried out, and its answers are lost for good.
    Lost,
    /// A call is not carried out.
    Refused,
    /// The function dies before its next call.
    Crash,
    /// A function is cut off since it has run too long, and its next call, on its way already, is carried out later.
    Late,
    /// A message is delivered once more.
    Duplicate,
    /// A code gets lost on its way to its owner.
    Drop,
    /// A flow's item is removed.
    Forget,
}

/// The passwords that are typed: three new ones, and the one that the account has at the beginning.
pub const PASSWORDS: [&str; 4] =
    ["Kancil-Lompat-42!", "Merdeka-Wau-Bulan-57", "Layang-Layang-Biru-88", Person::PASSWORD];
/// The place of the last one.
pub const PRESENT: usize = 3;
