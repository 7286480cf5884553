//! The decoy registration of a name without a usable account.
//!
//! An account that does not exist, is disabled or excluded, or has too few methods gets a flow that looks
//! like any other. Its methods and masks come from a keyed hash of the canonical name. They are the same at
//! every visit and in every process, and have the proportions of real registrations.

use super::account::{AccountId, Registration, suffices};
use super::contact::{EmailAddress, PhoneNumber};
use super::keys::Keyring;
use super::method::{Kind, Method};
use super::name::CanonicalName;

/// Of 256 decoys, how many have an alternate address with the first letter of their name. Most real ones do.
const ADDRESSES_LIKE_THE_NAME: u8 = 216;

/// The line of each phone, so that two phones of a decoy never share a number.
const MOBILE: u8 = 0;
const OFFICE: u8 = 1;

/// Returns the decoy of `id`, with enough methods of `allowed` for `steps` steps. `name` is known only at the
/// start and determines the mask of the address; later only the numbers matter. The numbers belong to no
/// country, so no typed number matches one. The address is in a domain that can't exist (RFC 6761 §6.4).
pub fn registration(
    flows: &Keyring,
    id: &AccountId,
    name: Option<&CanonicalName>,
    allowed: &[Method],
    steps: u8,
) -> Registration {
    let draw = |feature: &str| {
        flows
            .tag(flows.oldest(), "rekey/decoy", &[id.as_str().as_bytes(), feature.as_bytes()])
            .map_or([0; 32], |tag| *tag.as_bytes())
    };
    let whole = Registration {
        alternate_email: Some(address(&draw("email"), name)),
        mobile: Some(number(MOBILE, draw("mobile"))),
        office_phone: Some(number(OFFICE, draw("office number"))),
        ..Registration::default()
    };
    with_drawn_kinds(&draw("what there is"), &whole, allowed, steps)
}

/// The byte of a decoy's draw that determines where it begins in [`Kind::DECOY_ORDER`].
const ORDER: usize = 4;

/// Returns the kinds that a decoy has, by its random bytes. `contacts` has one contact of each kind. Every
/// possible set of factors occurs among decoys too.
fn with_drawn_kinds(
    drawn: &[u8; 32],
    contacts: &Registration,
    allowed: &[Method],
    steps: u8,
) -> Registration {
    let mut decoy = Registration::default();
    for kind in Kind::ALL {
        let (byte, share) = kind.decoy_share();
        if drawn[byte] < share {
            add(&mut decoy, kind, contacts);
        }
    }
    // A decoy with too few methods gets more, in an order derived from its own bytes.
    let mut missing = Kind::DECOY_ORDER;
    let first = usize::from(drawn[ORDER]) % missing.len();
    missing.rotate_left(first);
    for kind in missing {
        if suffices(&decoy.offers(allowed), steps) {
            break;
        }
        add(&mut decoy, kind, contacts);
    }
    decoy
}

fn add(decoy: &mut Registration, kind: Kind, contacts: &Registration) {
    match kind {
        Kind::AlternateEmail => decoy.alternate_email.clone_from(&contacts.alternate_email),
        Kind::Mobile => decoy.mobile.clone_from(&contacts.mobile),
        Kind::OfficePhone => decoy.office_phone.clone_from(&contacts.office_phone),
        held => decoy.holds.extend(held.methods()),
    }
}

/// Returns an address with the first letter of the name, or with a random letter. A name without a leading
/// Latin letter (a matriculation number, another script) does not predict the address.
fn address(drawn: &[u8; 32], name: Option<&CanonicalName>) -> EmailAddress {
    let own = char::from(b'a' + drawn[1] % 26);
    let of_name = name.and_then(|name| name.as_str().chars().next()).filter(char::is_ascii_lowercase);
    let initial = of_name.filter(|_| drawn[0] < ADDRESSES_LIKE_THE_NAME).unwrap_or(own);
    EmailAddress::from_stored(format!("{initial}@decoy.invalid"))
}

/// Returns a number of a line; at most its last two digits are shown. Two lines never share a number, since
/// one number would be one factor.
fn number(line: u8, drawn: [u8; 32]) -> PhoneNumber {
    PhoneNumber::from_stored(format!("+0{line:09}{:02}", drawn[0] % 100))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::name::CanonicalName;

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn decoy(name: &str, allowed: &[Method]) -> Registration {
        let name = CanonicalName::parse(name, &[]).unwrap();
        let id = AccountId::decoy(&name.reference(&keys()));
        registration(&keys(), &id, Some(&name), allowed, 2)
    }

    /// Returns a decoy with random bytes.
    fn decoy_with(drawn: &[u8; 32]) -> Registration {
        let contacts = Registration {
            alternate_email: Some(address(&[0; 32], None)),
            mobile: Some(number(MOBILE, [0; 32])),
            office_phone: Some(number(OFFICE, [1; 32])),
            ..Registration::default()
        };
        with_drawn_kinds(drawn, &contacts, &Method::ALL, 2)
    }

    /// Controls: C-001.
    #[test]
    fn decoy_of_same_name_is_stable() {
        assert_eq!(
            decoy("nobody", &Method::ALL).offers(&Method::ALL),
            decoy("NOBODY", &Method::ALL).offers(&Method::ALL)
        );
    }

    /// Controls: C-001.
    #[test]
    fn decoys_vary_like_real_registrations() {
        let names: Vec<String> = (0..400).map(|n| format!("student{n}")).collect();
        let count =
            |has: fn(&Registration) -> bool| names.iter().filter(|n| has(&decoy(n, &Method::ALL))).count();
        assert!((150..260).contains(&count(|d| d.office_phone.is_some())));
        assert!((150..260).contains(&count(|d| d.has(Method::Totp))));
        assert!((330..390).contains(&count(|d| d.mobile.is_some())));
        assert!((330..390).contains(&count(|d| d.alternate_email.is_some())));
        let like_the_name =
            count(|d| d.alternate_email.as_ref().is_some_and(|a| a.masked().starts_with('s')));
        assert!((270..360).contains(&like_the_name), "{like_the_name}");
        let mut masks: Vec<String> =
            names.iter().filter_map(|n| decoy(n, &Method::ALL).mobile.map(|m| m.masked())).collect();
        masks.sort();
        masks.dedup();
        assert!(masks.len() > 80, "two digits should take most of their hundred values: {}", masks.len());
    }

    /// A set that only real people have would reveal their accounts.
    /// Controls: C-001.
    #[test]
    fn decoys_cover_every_possible_set_of_methods() {
        let sets = (0..1_u32 << Kind::ALL.len()).map(|bits| {
            let is_in = |(bit, _): &(usize, Kind)| bits >> bit & 1 == 1;
            Kind::ALL.into_iter().enumerate().filter(is_in).map(|(_, kind)| kind).collect::<Vec<_>>()
        });
        let (mut possible, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for set in sets {
            // Each byte is at its lowest or highest value.
            let mut drawn = [0; 32];
            for kind in Kind::ALL.into_iter().filter(|kind| !set.contains(kind)) {
                drawn[kind.decoy_share().0] = u8::MAX;
            }
            let decoy = decoy_with(&drawn);
            assert!(suffices(&decoy.offers(&Method::ALL), 2));
            seen.insert(
                Kind::ALL.into_iter().filter(|kind| decoy.has(kind.methods()[0])).collect::<Vec<_>>(),
            );
            let factors: BTreeSet<_> = set.iter().map(|kind| kind.factor()).collect();
            if factors.len() >= 2 {
                possible.insert(set);
            }
        }
        assert_eq!(seen, possible);
    }

    /// Controls: C-006.
    #[test]
    fn decoy_mask_starts_with_ascii_letter() {
        for name in ["2021100001", "李明", "ödd"] {
            let mask = decoy(name, &Method::ALL).alternate_email.map(|address| address.masked());
            let initial = mask.and_then(|mask| mask.chars().next());
            assert!(initial.is_none_or(|initial| initial.is_ascii_lowercase()), "{name}: {initial:?}");
        }
    }

    /// Controls: C-001.
    #[test]
    fn decoy_always_satisfies_policy() {
        for allowed in [&[Method::Email, Method::Totp][..], &[Method::OfficeCall, Method::Sms], &Method::ALL]
        {
            for n in 0..50 {
                assert!(suffices(&decoy(&format!("n{n}"), allowed).offers(allowed), 2));
            }
        }
    }
}
