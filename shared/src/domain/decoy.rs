//! The decoy registration of a name without a usable account.
//!
//! An account that does not exist, is disabled or excluded, or has too few methods gets a flow that looks
//! like any other. Its methods and masks are drawn from the population of real accounts, by a keyed hash of
//! the canonical name. They are the same at every visit and in every process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use sha2::{Digest as _, Sha256};

use super::account::{AccountId, Offer, Registration};
use super::contact::{EmailAddress, PhoneNumber};
use super::keys::Keyring;
use super::method::{Factor, Kind, Method};
use super::name::CanonicalName;
use super::population::{Appearance, Frequencies, Initial, Population, PopulationVersions};
use super::time::Timestamp;

/// One decoy in this many has any set that the policy allows, with equal chances. A set that only real people
/// have, perhaps since yesterday, would reveal their accounts.
const ANY_SET: u32 = 20;

/// Each feature of a decoy is drawn anew after this many versions of the population, three years or more.
/// People replace a phone or a mailbox as rarely. Without it, only real people would ever change.
const REDRAW: u32 = 36;

/// The line of each phone, so that two phones of a decoy never share a number.
const MOBILE: u8 = 0;
const OFFICE: u8 = 1;

/// The first character of a decoy's mailbox whose mask shows no letter.
const NO_LETTER: char = '0';

/// Draws decoys.
#[derive(Clone, Copy, Debug)]
pub struct Decoys<'a> {
    /// Decoys depend on its oldest key, so that rotation doesn't change them.
    pub flows: &'a Keyring,
    /// The appearance of real accounts; `None` before they were counted.
    pub population: Option<&'a PopulationVersions>,
    /// The methods that a reset offers.
    pub methods: &'a [Method],
    /// The number of verification steps, for which every decoy has enough factors.
    pub steps: u8,
}

impl Decoys<'_> {
    /// Returns the decoy of a name at `now`. Every login of one account comes with the same `id` and `name`,
    /// so that all of them show one decoy.
    pub fn registration(&self, id: &AccountId, name: &CanonicalName, now: Timestamp) -> Registration {
        let [moment, phase, any, choice, ..] = words(&self.seed(id, "version", 0));
        let nobody = Population::default();
        let (number, population) = self.population.map_or((0, &nobody), |versions| versions.at(moment, now));
        let login = name.as_str();
        // The features change in different versions, since people replace one thing at a time.
        let seed = |feature: &str, nth: u32| {
            let phase = (phase % REDRAW + nth * REDRAW / 4) % REDRAW;
            self.seed(id, feature, (number + phase) / REDRAW)
        };

        let usable = self.usable(population, login);
        let seed_of_kinds = seed("what there is", 0);
        let drawn = draw(&seed_of_kinds, &usable, |seen| seen.clone().into());
        let drawn = match drawn {
            Some(drawn) if !any.is_multiple_of(ANY_SET) => drawn,
            _ => Appearance { kinds: self.any_permitted_set(choice), initial: None },
        };
        let possible = |initial: &Initial| initial.is_possible(login);
        let initial = drawn.initial.filter(possible).or_else(|| {
            let shown =
                usable.iter().filter(|(seen, _)| seen.initial.is_some_and(|initial| possible(&initial)));
            let shown: Vec<_> = shown.cloned().collect();
            draw(&seed_of_kinds, &shown, |seen| seen.clone().into())?.initial
        });
        let place = |initial| if let Initial::At(place) = initial { place.letter(login) } else { None };
        let letter = match initial {
            Some(Initial::Hidden) => Some(NO_LETTER),
            Some(initial @ Initial::At(_)) => place(initial),
            Some(Initial::Other) | None => {
                // Another letter than those of the places from which mailboxes take theirs.
                let excluded: Vec<char> =
                    usable.iter().filter_map(|(seen, _)| seen.initial.and_then(place)).collect();
                draw_value(&seed("email", 1), &population.letters(login), 'a'..='z', &excluded)
            }
        };
        let digits = |seed, frequencies| draw_value(&seed, &frequencies, 0..=99, &[]);
        let mobile = digits(seed("mobile", 2), population.mobiles(login));
        let office = digits(seed("office number", 3), population.office_phones(login));

        let mut decoy = Registration::default();
        for kind in drawn.kinds {
            match kind {
                Kind::AlternateEmail => decoy.alternate_email = letter.map(address),
                Kind::Mobile => decoy.mobile = mobile.map(|digits| number_of(MOBILE, digits)),
                Kind::OfficePhone => decoy.office_phone = office.map(|digits| number_of(OFFICE, digits)),
                held => decoy.holds.extend(held.methods()),
            }
        }
        decoy
    }

    /// Returns what people with such a login show under the policy, with its weight.
    fn usable(&self, population: &Population, login: &str) -> Vec<(Appearance, f64)> {
        let permitted: BTreeSet<Kind> = self.permitted_kinds().collect();
        let mut usable: BTreeMap<Appearance, f64> = BTreeMap::new();
        for (seen, weight) in population.appearances(login) {
            let kinds: BTreeSet<Kind> = seen.kinds.intersection(&permitted).copied().collect();
            if self.suffices(kinds.iter().copied()) {
                let initial = seen.initial.filter(|_| kinds.contains(&Kind::AlternateEmail));
                *usable.entry(Appearance { kinds, initial }).or_default() += weight;
            }
        }
        usable.into_iter().collect()
    }

    /// Returns one of all sets with enough factors, each with the same chance; everything permitted if the
    /// policy allows too little for a reset.
    fn any_permitted_set(&self, choice: u32) -> BTreeSet<Kind> {
        let permitted: Vec<Kind> = self.permitted_kinds().collect();
        let set = |bits: u32| {
            let numbered = permitted.iter().copied().enumerate();
            numbered.filter(move |(bit, _)| bits >> bit & 1 == 1).map(|(_, kind)| kind)
        };
        let sets: Vec<u32> = (1..1 << permitted.len()).filter(|bits| self.suffices(set(*bits))).collect();
        let at = choice as usize % sets.len().max(1);
        sets.get(at).map_or_else(|| permitted.iter().copied().collect(), |bits| set(*bits).collect())
    }

    fn permitted_kinds(&self) -> impl Iterator<Item = Kind> {
        let is_permitted = |kind: &Kind| kind.methods().iter().any(|method| self.methods.contains(method));
        Kind::ALL.into_iter().filter(is_permitted)
    }

    fn suffices(&self, kinds: impl Iterator<Item = Kind>) -> bool {
        let factors: BTreeSet<Factor> = kinds.map(Kind::factor).collect();
        factors.len() >= usize::from(self.steps)
    }

    fn seed(&self, id: &AccountId, feature: &str, turn: u32) -> [u8; 32] {
        let parts = [id.as_str().as_bytes(), feature.as_bytes(), &turn.to_be_bytes()];
        let tag = self.flows.tag(self.flows.oldest(), "rekey/decoy", &parts);
        tag.map_or([0; 32], |tag| *tag.as_bytes())
    }
}

/// Returns the registration of a flow's decoy from what the flow offers. A flow keeps its offers, so that its
/// decoy stays the same until it ends. The numbers belong to no country, so no typed number matches one. The
/// address is in a domain that can't exist (RFC 6761 §6.4).
pub fn registration(offers: &[Offer]) -> Registration {
    let mut decoy = Registration::default();
    for Offer { method, masked, .. } in offers {
        let digits = || masked.trim_start_matches('*').parse().unwrap_or_default();
        match method.factor() {
            Factor::AlternateEmail => {
                let letter = masked.chars().next().filter(char::is_ascii_alphabetic);
                decoy.alternate_email = Some(address(letter.unwrap_or(NO_LETTER)));
            }
            Factor::MobilePhone => decoy.mobile = Some(number_of(MOBILE, digits())),
            Factor::OfficePhone => decoy.office_phone = Some(number_of(OFFICE, digits())),
            _ => decoy.holds.push(*method),
        }
    }
    decoy
}

/// Draws one of `candidates` by their weights. Each has an arrival time, exponential with its weight, and the
/// first one wins. A changed weight therefore moves only the decoys that come to this candidate or leave it:
/// as many as the population itself.
fn draw<T: Clone>(seed: &[u8; 32], candidates: &[(T, f64)], label: impl Fn(&T) -> String) -> Option<T> {
    let arrival = |(candidate, weight): &(T, f64)| {
        let uniform = (f64::from(hash(seed, &label(candidate))) + 0.5) / (f64::from(u32::MAX) + 1.0);
        -uniform.ln() / weight
    };
    let arrivals = candidates.iter().map(|candidate| (arrival(candidate), &candidate.0));
    arrivals.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, first)| first.clone())
}

/// Draws a value of a mask that is none of `excluded`: a common one, or any of the others with equal chances.
fn draw_value<T: Copy + Ord + Display>(
    seed: &[u8; 32],
    frequencies: &Frequencies<T>,
    values: impl IntoIterator<Item = T>,
    excluded: &[T],
) -> Option<T> {
    let (common, of_others) = frequencies.weights();
    let mut common: Vec<(Option<T>, f64)> = common.map(|(value, weight)| (Some(value), weight)).collect();
    common.retain(|(value, _)| value.is_none_or(|value| !excluded.contains(&value)));
    let values: Vec<T> = values.into_iter().collect();
    let is_other =
        |value: &T| !excluded.contains(value) && common.iter().all(|(one, _)| *one != Some(*value));
    let any_other = values.iter().copied().find(is_other);
    let others = any_other.map(|_| (None, of_others));
    let candidates: Vec<_> = common.iter().copied().chain(others).collect();
    let label = |value: &Option<T>| value.map_or_else(|| "others".to_owned(), |value| value.to_string());
    let drawn = draw(seed, &candidates, label)?;
    // The first of a keyed sequence, so that a value which becomes common moves no decoy with another value.
    let keyed = |nth: usize| values.get(hash(seed, &format!("other {nth}")) as usize % values.len()).copied();
    drawn.or_else(|| (0..256).filter_map(keyed).find(is_other)).or(any_other)
}

/// Returns a number that the seed determines for a label.
fn hash(seed: &[u8; 32], label: &str) -> u32 {
    let [first, ..] = words(&Sha256::new().chain_update(seed).chain_update(label).finalize().into());
    first
}

/// Returns 32 bytes as eight numbers.
fn words(bytes: &[u8; 32]) -> [u32; 8] {
    let (chunks, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|at| chunks.get(at).map_or(0, |chunk| u32::from_be_bytes(*chunk)))
}

fn address(letter: char) -> EmailAddress {
    EmailAddress::from_stored(format!("{letter}@decoy.invalid"))
}

/// Returns a number of a line; at most its last two digits are shown. Two lines never share a number, since
/// one number would be one factor.
fn number_of(line: u8, digits: u8) -> PhoneNumber {
    PhoneNumber::from_stored(format!("+0{line:09}{digits:02}"))
}

#[cfg(test)]
mod tests;
