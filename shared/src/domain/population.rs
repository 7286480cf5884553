//! The population of decoys: coarse counts of what strangers see of real accounts.
//!
//! A stranger who types a name sees which kinds of methods its account has, and a mask of each contact. Decoys
//! are drawn from counts of exactly that, one set of counts for each shape of login, and for each large group of
//! logins within it. The counts are coarse, so that none of them depends on one person. They change at most once in
//! thirty days, and each decoy follows at a keyed moment, so that neither an enrolment nor a new version shows who is
//! real.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::account::{Account, Registration, suffices};
use super::contact::{Country, EmailAddress, PhoneNumber};
use super::method::{Kind, Method};
use super::policy;
use super::time::{Seconds, Timestamp};

/// A count below this is not kept: its people are counted together with those of other small counts.
const FEWEST: u32 = 5;

/// The last two digits of a number are kept if more than one phone in fifty has them, twice an even share. A
/// switchboard stands out; the numbers that an operator gives out don't.
const COMMON_DIGITS: u32 = 50;

/// A place of the login is kept if more than one mailbox in sixteen begins with its letter. Most letters of a login are
/// the mailbox's by chance in fewer.
const COMMON_PLACES: u32 = 16;

/// The shortest life of a version, and the time within which each decoy moves to the next one.
const VERSION_LIFETIME: Seconds = Seconds(30 * Seconds::DAY.0);

/// A version counts from this time after it was written, so that every process has read it by then.
const SETTLING: Seconds = Seconds::HOUR;

/// A shape of login with more than twice its people who can reset, and at least this many more, has outgrown its
/// counts.
const GROWTH: u32 = FEWEST;

/// A group of logins has counts of its own if this many of its people can reset. For one that has them already, half is
/// enough, so that a group of about this size doesn't come and go.
const FEWEST_OF_GROUP: u32 = 50;

/// The most groups of a shape, the largest ones. They bound the size of the item.
const MOST_GROUPS: usize = 6;

/// The longest prefix, in letters. What is longer is a name.
const LONGEST_PREFIX: usize = 4;

/// The name of the group of those who are in no other group of their shape.
const OTHERS: &str = "";

/// The shape of a login. Digits name students in most universities and letters name staff, who have other
/// methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// Digits and no letter: `2021100001`.
    Digits,
    /// Letters and no digit: `aisyah.rahman`.
    Letters,
    /// Letters and digits: `s2021100001`.
    Both,
}

impl Shape {
    /// Returns the shape of a canonical login. A domain does not count.
    pub fn of(login: &str) -> Self {
        let local = local_part(login);
        match (local.contains(char::is_numeric), local.contains(char::is_alphabetic)) {
            (true, false) => Self::Digits,
            (true, true) => Self::Both,
            (false, _) => Self::Letters,
        }
    }
}

/// A place in a login from which a mailbox may take its first letter, as `r` in `aisyah.rahman`, `arahman` and
/// `ar1234`, or `a` in `rahmana` and `rahmanai`. Universities make logins from names in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The first letter.
    First,
    /// The first letter of the second part, where signs separate parts.
    SecondPart,
    /// The first letter of the last part, if it is not the first one.
    LastPart,
    /// The second letter.
    Second,
    /// The third letter.
    Third,
    /// The fourth letter.
    Fourth,
    /// The last letter.
    Last,
    /// The last letter but one.
    SecondLast,
    /// The last letter but two.
    ThirdLast,
}

impl Place {
    /// All places; of two that as many people have, the earlier one counts.
    pub const ALL: [Self; 9] = [
        Self::First,
        Self::SecondPart,
        Self::LastPart,
        Self::Second,
        Self::Third,
        Self::Fourth,
        Self::Last,
        Self::SecondLast,
        Self::ThirdLast,
    ];

    /// Returns the ASCII letter at this place of a login, if there is one.
    pub fn letter(self, login: &str) -> Option<char> {
        let local = local_part(login);
        let mut letters = local.chars().filter(char::is_ascii_alphabetic);
        let parts = local.split(|c: char| !c.is_alphanumeric());
        let mut initials = parts.filter_map(|part| part.chars().find(char::is_ascii_alphabetic));
        let found = match self {
            Self::First => letters.next(),
            Self::SecondPart => initials.nth(1),
            Self::LastPart => initials.skip(1).last(),
            Self::Second => letters.nth(1),
            Self::Third => letters.nth(2),
            Self::Fourth => letters.nth(3),
            Self::Last => letters.next_back(),
            Self::SecondLast => letters.nth_back(1),
            Self::ThirdLast => letters.nth_back(2),
        };
        found.map(|letter| letter.to_ascii_lowercase())
    }

    /// Returns the letter that stands for the place in the stored form.
    const fn symbol(self) -> char {
        match self {
            Self::First => '=',
            Self::SecondPart => '.',
            Self::LastPart => ':',
            Self::Second => '2',
            Self::Third => '3',
            Self::Fourth => '4',
            Self::Last => '9',
            Self::SecondLast => '8',
            Self::ThirdLast => '7',
        }
    }
}

/// Returns the name of a login's group within its shape. Universities tell kinds of people apart by a prefix or by the
/// number of digits: `s6` for `s123456`, `8` for `20211000`. A dot separates names written out from clipped ones.
fn group_of(login: &str) -> String {
    let local = local_part(login);
    if Shape::of(login) == Shape::Letters {
        return if local.contains('.') { "." } else { OTHERS }.to_owned();
    }
    let end = local.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(local.len());
    let (prefix, digits) = local.split_at(end);
    if end > LONGEST_PREFIX || digits.contains(|c: char| !c.is_ascii_digit()) {
        return OTHERS.to_owned();
    }
    format!("{}{}", prefix.to_ascii_lowercase(), digits.len())
}

fn local_part(login: &str) -> &str {
    login.split('@').next().unwrap_or_default()
}

/// How the mask of a mailbox begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Initial {
    /// With the letter at this place of the login.
    At(Place),
    /// With another letter.
    Other,
    /// Without a letter, since the address begins with none.
    Hidden,
}

impl Initial {
    /// Returns whether a login has such a letter.
    pub fn is_possible(self, login: &str) -> bool {
        match self {
            Self::At(place) => place.letter(login).is_some(),
            Self::Other | Self::Hidden => true,
        }
    }

    const fn symbol(self) -> char {
        match self {
            Self::At(place) => place.symbol(),
            Self::Other => '/',
            Self::Hidden => '*',
        }
    }
}

/// What strangers see of an account: its kinds of methods, and how the mask of its mailbox begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Appearance {
    /// The kinds, whether or not the policy allows them.
    pub kinds: BTreeSet<Kind>,
    /// `None` without an alternate address.
    pub initial: Option<Initial>,
}

/// Returns the letter that stands for a kind in the stored form.
const fn symbol(kind: Kind) -> char {
    match kind {
        Kind::AlternateEmail => 'e',
        Kind::Mobile => 'm',
        Kind::OfficePhone => 'o',
        Kind::Totp => 't',
        Kind::Authenticator => 'a',
        Kind::Passkey => 'p',
        Kind::RecoveryCodes => 'r',
    }
}

impl From<Appearance> for String {
    /// Writes a letter for each kind, then a sign for the initial, `=` for the first letter of the login.
    fn from(appearance: Appearance) -> Self {
        let initial = appearance.initial.map(Initial::symbol);
        appearance.kinds.into_iter().map(symbol).chain(initial).collect()
    }
}

impl TryFrom<String> for Appearance {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut read = Self { kinds: BTreeSet::new(), initial: None };
        let places = Place::ALL.into_iter().map(Initial::At);
        let initials: Vec<Initial> = places.chain([Initial::Other, Initial::Hidden]).collect();
        for c in text.chars() {
            let kind = Kind::ALL.into_iter().find(|kind| symbol(*kind) == c);
            let initial = initials.iter().copied().find(|initial| initial.symbol() == c);
            match (kind, initial) {
                (Some(kind), _) => _ = read.kinds.insert(kind),
                (None, Some(_)) => read.initial = initial,
                (None, None) => return Err("an unknown kind"),
            }
        }
        Ok(read)
    }
}

/// The policy that decides which accounts can reset, and with what.
#[derive(Clone, Copy, Debug)]
pub struct ResetPolicy<'a> {
    /// The methods that a reset offers.
    pub methods: &'a [Method],
    /// The number of verification steps.
    pub steps: u8,
    /// The countries that texts and calls may go to.
    pub countries: &'a [Country],
}

/// Exact counts, while accounts are read one after the other, by shape and group of login.
#[derive(Clone, Debug, Default)]
pub struct Census(BTreeMap<Shape, BTreeMap<String, Tally>>);

#[derive(Clone, Debug, Default)]
struct Tally {
    /// Those who can reset.
    people: u32,
    seen: BTreeMap<(BTreeSet<Kind>, Option<Mailbox>), u32>,
    mobiles: BTreeMap<u8, u32>,
    office_phones: BTreeMap<u8, u32>,
}

/// The mailbox of an account, as one of its logins relates to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mailbox {
    /// The letter that its mask shows.
    letter: Option<char>,
    /// Every place of the login that has the letter, perhaps by chance.
    places: BTreeSet<Place>,
}

impl Mailbox {
    fn of(letter: Option<char>, login: &str) -> Self {
        let has_letter = |place: &Place| letter.is_some() && place.letter(login) == letter;
        Self { letter, places: Place::ALL.into_iter().filter(has_letter).collect() }
    }
}

impl Tally {
    fn sum<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Self {
        fn add<T: Clone + Ord>(sum: &mut BTreeMap<T, u32>, counts: &BTreeMap<T, u32>) {
            for (value, count) in counts {
                *sum.entry(value.clone()).or_default() += count;
            }
        }
        tallies.into_iter().fold(Self::default(), |mut sum, tally| {
            sum.people += tally.people;
            add(&mut sum.seen, &tally.seen);
            add(&mut sum.mobiles, &tally.mobiles);
            add(&mut sum.office_phones, &tally.office_phones);
            sum
        })
    }

    /// Returns the places from which mailboxes take their letter, the most frequent one first. A mailbox that has the
    /// letters of two places counts for the first of them. A place that few have by then has its letters by chance. The
    /// first letter counts always.
    fn places(&self) -> Vec<Place> {
        let mailboxes =
            self.seen.iter().filter_map(|((_, mailbox), count)| Some((mailbox.as_ref()?, *count)));
        let mut left: Vec<_> = mailboxes.filter(|(mailbox, _)| mailbox.letter.is_some()).collect();
        let all: u32 = left.iter().map(|(_, count)| count).sum();
        let least = FEWEST.max(all / COMMON_PLACES);
        let mut places = Vec::new();
        loop {
            let with = |place: &Place| -> u32 {
                left.iter()
                    .filter(|(mailbox, _)| mailbox.places.contains(place))
                    .map(|(_, count)| count)
                    .sum()
            };
            let counts = Place::ALL.iter().rev().map(|place| (with(place), *place));
            let most = counts.max_by_key(|(count, _)| *count).filter(|(count, _)| *count >= least);
            let Some((_, place)) = most else { break };
            left.retain(|(mailbox, _)| !mailbox.places.contains(&place));
            places.push(place);
        }
        if !places.contains(&Place::First) {
            places.push(Place::First);
        }
        places
    }
}

impl Census {
    /// Counts an account once for each of its logins, if it has a method and its state lets it reset.
    /// `registration` is its evidence.
    ///
    /// Methods and sets that the policy excludes are counted too. A decoy is drawn from those that the policy allows
    /// when it is drawn, so that decoys follow a change of policy at once, as people do.
    pub fn count(&mut self, account: &Account, registration: &Registration, policy: &ResetPolicy<'_>) {
        let offers = policy::offers(registration, &Method::ALL, policy.countries);
        if !account.state.may_reset() || offers.is_empty() {
            return;
        }
        let offered = policy::offers(registration, policy.methods, policy.countries);
        let can_reset = suffices(&offered, policy.steps);
        let is_offered = |kind: &Kind| offers.iter().any(|offer| kind.methods().contains(&offer.method));
        let kinds: BTreeSet<Kind> = Kind::ALL.into_iter().filter(is_offered).collect();
        let mailbox = registration.alternate_email.as_ref();
        let mailbox = mailbox.filter(|_| kinds.contains(&Kind::AlternateEmail)).map(EmailAddress::initial);
        let digits = |kind, phone: &Option<PhoneNumber>| {
            phone.as_ref().filter(|_| kinds.contains(&kind)).and_then(PhoneNumber::last_digits)
        };
        let mobile = digits(Kind::Mobile, &registration.mobile);
        let office_phone = digits(Kind::OfficePhone, &registration.office_phone);
        for login in &account.logins {
            let mailbox = mailbox.map(|letter| Mailbox::of(letter, login));
            let tally = self.0.entry(Shape::of(login)).or_default().entry(group_of(login)).or_default();
            tally.people += u32::from(can_reset);
            *tally.seen.entry((kinds.clone(), mailbox)).or_default() += 1;
            if let Some(digits) = mobile {
                *tally.mobiles.entry(digits).or_default() += 1;
            }
            if let Some(digits) = office_phone {
                *tally.office_phones.entry(digits).or_default() += 1;
            }
        }
    }

    /// Returns the coarse form of the counts. `found` is the stored population, some of whose groups stay.
    pub fn population(&self, found: Option<&PopulationVersions>) -> Population {
        let of_shape = |(shape, tallies): (&Shape, _)| {
            let earlier = found.and_then(|found| found.current.0.get(shape));
            (*shape, Group::of_shape(tallies, earlier))
        };
        Population(self.0.iter().map(of_shape).collect())
    }
}

/// Rounds a count to steps of two, or of a sixteenth to an eighth where that is more. One person more or less
/// mostly changes nothing, and nobody can tell from a change how many there were.
fn coarse(count: u32) -> u32 {
    let step = 2.max(1 << count.max(8).ilog2().saturating_sub(3));
    (count + step / 2) / step * step
}

/// The coarse counts of one population.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Population(BTreeMap<Shape, Group>);

/// The coarse counts of one shape of login, or of one group within it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Group {
    /// Those who could reset when they were counted.
    people: u32,
    /// Appearances of at least [`FEWEST`] people.
    common: BTreeMap<Appearance, u32>,
    /// Appearances of fewer people. They occur among decoys too, with one share for all of them.
    rare: BTreeSet<Appearance>,
    rare_people: u32,
    /// The letters of mailboxes that take it from no place of the login.
    letters: Frequencies<char>,
    mobiles: Frequencies<u8>,
    office_phones: Frequencies<u8>,
    /// The groups of a shape that have counts of their own. Its other counts are of everybody, those in groups too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<String, Self>,
}

impl Group {
    /// Returns the counts of a shape. `earlier` are those of the version before.
    fn of_shape(tallies: &BTreeMap<String, Tally>, earlier: Option<&Self>) -> Self {
        let size = |name: &str, tally: &Tally| {
            let is_there = earlier.is_some_and(|earlier| earlier.groups.contains_key(name));
            tally.people.saturating_mul(if is_there { 2 } else { 1 })
        };
        let is_large = |name: &str, tally: &Tally| size(name, tally) >= FEWEST_OF_GROUP;
        let named = tallies.iter().filter(|(name, tally)| *name != OTHERS && is_large(name, tally));
        let mut large: Vec<_> = named.collect();
        large.sort_by_key(|(name, tally)| Reverse(size(name, tally)));
        large.truncate(MOST_GROUPS);
        let mut groups: BTreeMap<String, Self> =
            large.into_iter().map(|(name, tally)| (name.clone(), Self::of(tally))).collect();
        let others = Tally::sum(
            tallies.iter().filter(|(name, _)| !groups.contains_key(*name)).map(|(_, tally)| tally),
        );
        if !groups.is_empty() && is_large(OTHERS, &others) {
            groups.insert(OTHERS.to_owned(), Self::of(&others));
        }
        // A group that has everybody is the shape itself.
        if tallies.len() == 1 {
            groups.clear();
        }
        Self { groups, ..Self::of(&Tally::sum(tallies.values())) }
    }

    fn of(tally: &Tally) -> Self {
        let places = tally.places();
        let mut appearances: BTreeMap<Appearance, u32> = BTreeMap::new();
        let mut letters: BTreeMap<char, u32> = BTreeMap::new();
        for ((kinds, mailbox), count) in &tally.seen {
            let initial = mailbox.as_ref().map(|Mailbox { letter, places: of_login }| {
                let place = places.iter().find(|place| of_login.contains(place));
                match (letter, place) {
                    (None, _) => Initial::Hidden,
                    (Some(_), Some(place)) => Initial::At(*place),
                    (Some(letter), None) => {
                        *letters.entry(*letter).or_default() += count;
                        Initial::Other
                    }
                }
            });
            *appearances.entry(Appearance { kinds: kinds.clone(), initial }).or_default() += count;
        }
        let (common, rare): (Vec<_>, Vec<_>) =
            appearances.into_iter().partition(|(_, count)| *count >= FEWEST);
        let digits = |counts: &BTreeMap<u8, u32>| {
            let phones: u32 = counts.values().sum();
            Frequencies::of(counts, FEWEST.max(phones / COMMON_DIGITS + 1))
        };
        Self {
            people: coarse(tally.people),
            common: common.into_iter().map(|(seen, count)| (seen, coarse(count))).collect(),
            rare_people: coarse(rare.iter().map(|(_, count)| *count).sum()),
            rare: rare.into_iter().map(|(seen, _)| seen).collect(),
            letters: Frequencies::of(&letters, FEWEST),
            mobiles: digits(&tally.mobiles),
            office_phones: digits(&tally.office_phones),
            groups: BTreeMap::new(),
        }
    }

    fn weights(&self) -> impl Iterator<Item = (&Appearance, f64)> {
        let rare = u32::try_from(self.rare.len()).unwrap_or(u32::MAX);
        let of_rare = f64::from(self.rare_people.max(1)) / f64::from(rare.max(1));
        let common = self.common.iter().map(|(seen, people)| (seen, f64::from(*people)));
        common.chain(self.rare.iter().map(move |seen| (seen, of_rare)))
    }
}

/// How often the values of a mask occur: those that are common, and all others together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Ord + Deserialize<'de>"))]
pub(super) struct Frequencies<T: Ord> {
    common: BTreeMap<T, u32>,
    others: u32,
}

impl<T: Ord> Default for Frequencies<T> {
    fn default() -> Self {
        Self { common: BTreeMap::new(), others: 0 }
    }
}

impl<T: Ord + Copy> Frequencies<T> {
    fn of(counts: &BTreeMap<T, u32>, least: u32) -> Self {
        let (common, others): (Vec<_>, Vec<_>) = counts.iter().partition(|(_, count)| **count >= least);
        Self {
            common: common.into_iter().map(|(value, count)| (*value, coarse(*count))).collect(),
            others: coarse(others.into_iter().map(|(_, count)| *count).sum()),
        }
    }

    /// Returns the common values with their weights, and the weight of all others together. It is never 0, so that
    /// no value is impossible.
    pub(super) fn weights(&self) -> (impl Iterator<Item = (T, f64)>, f64) {
        let common = self.common.iter().map(|(value, people)| (*value, f64::from(*people)));
        (common, f64::from(self.others + 1))
    }
}

impl Population {
    /// Returns whether nobody was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the counts of a login's group if it has any, or else of the others in its shape if they have any, or else
    /// of the shape.
    fn group(&self, login: &str) -> Option<&Group> {
        let shape = self.0.get(&Shape::of(login))?;
        let group = shape.groups.get(&group_of(login)).or_else(|| shape.groups.get(OTHERS));
        Some(group.unwrap_or(shape))
    }

    /// Returns the appearances of people with such a login, with their weights; those of everybody if nobody has a login
    /// of its shape.
    pub(super) fn appearances(&self, login: &str) -> Vec<(&Appearance, f64)> {
        match self.group(login) {
            Some(group) => group.weights().collect(),
            None => self.0.values().flat_map(Group::weights).collect(),
        }
    }

    /// Returns the letters of mailboxes that take it from no place of the login.
    pub(super) fn letters(&self, login: &str) -> Frequencies<char> {
        self.group(login).map(|group| group.letters.clone()).unwrap_or_default()
    }

    /// Returns the last two digits of mobile phones.
    pub(super) fn mobiles(&self, login: &str) -> Frequencies<u8> {
        self.group(login).map(|group| group.mobiles.clone()).unwrap_or_default()
    }

    /// Returns the last two digits of office phones.
    pub(super) fn office_phones(&self, login: &str) -> Frequencies<u8> {
        self.group(login).map(|group| group.office_phones.clone()).unwrap_or_default()
    }

    /// Returns whether most people of a shape in `next` who can reset are missing here.
    fn is_outgrown_by(&self, next: &Self) -> bool {
        next.0.iter().any(|(shape, group)| {
            let people = self.0.get(shape).map_or(0, |group| group.people);
            group.people > people.saturating_mul(2).saturating_add(GROWTH)
        })
    }
}

/// The stored population: the present version, and the one before it, which decoys leave one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PopulationVersions {
    /// Counts the versions from 1.
    number: u32,
    written_at: Timestamp,
    /// Whether all decoys move together.
    #[serde(default)]
    at_once: bool,
    current: Population,
    /// `None` for the first version.
    #[serde(default)]
    previous: Option<Population>,
}

impl PopulationVersions {
    /// Returns the version that follows `found` for the counts of today, or `None` while the present one
    /// serves.
    ///
    /// A version serves for thirty days, so that every decoy has reached it before the next one is written. The
    /// first one counts at once. So does, after an hour, one in which a shape of login has more than twice its
    /// people: until then its decoys would resemble a minority.
    pub fn after(found: Option<&Self>, today: &Population, now: Timestamp) -> Option<Self> {
        if today.is_empty() {
            return None;
        }
        let version = |number, at_once, previous| Self {
            number,
            written_at: now,
            at_once,
            current: today.clone(),
            previous,
        };
        let Some(found) = found else { return Some(version(1, true, None)) };
        let is_outgrown = found.current.is_outgrown_by(today);
        let is_due = !found.written_at.is_within(VERSION_LIFETIME, now);
        (is_outgrown || is_due)
            .then(|| version(found.number.saturating_add(1), is_outgrown, Some(found.current.clone())))
    }

    /// Returns the number of the present version.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Returns the version that a decoy is drawn from at `now`, with its number. `keyed` is a number of the
    /// decoy, from which its moment within the thirty days follows.
    pub(super) fn at(&self, keyed: u32, now: Timestamp) -> (u32, &Population) {
        let spread = if self.at_once { 0 } else { keyed % (VERSION_LIFETIME.0 - SETTLING.0) };
        let moves_at = self.written_at + SETTLING + Seconds(spread);
        match &self.previous {
            Some(previous) if now < moves_at => (self.number.saturating_sub(1), previous),
            _ => (self.number, &self.current),
        }
    }
}

#[cfg(test)]
mod tests;
