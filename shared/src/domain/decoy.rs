//! What a name without a usable account seems to have registered.
//!
//! An account that does not exist, is disabled, excluded or has too little registered gets a flow that looks like
//! everybody's. Its methods and masks come from a keyed hash of the canonical name, so they are the same at every
//! visit and in every process, and are drawn in the proportions that real people have.

use super::account::{AccountId, Registration, suffices};
use super::contact::{EmailAddress, PhoneNumber};
use super::keys::Keyring;
use super::method::Method;
use super::name::CanonicalName;

/// Of 256 decoys, how many have an office phone. Staff have one, most students don't.
const OFFICE_PHONES: u8 = 128;
/// Of 256 decoys, how many have an authenticator app.
const AUTHENTICATOR_APPS: u8 = 128;
/// Of 256 decoys, how many have an alternate address that begins as their name does. Most people's does.
const ADDRESSES_LIKE_THE_NAME: u8 = 216;

/// The decoy of `id`, with enough methods of `allowed` for `steps` steps. `name` is known at the opening and
/// colours the mask of the address; afterwards only the numbers are of interest. Its numbers belong to no country, so
/// nothing that can be typed ever matches one, and its address is in a domain that can't exist (RFC 6761 §6.4).
pub fn registration(
    flows: &Keyring,
    id: &AccountId,
    name: Option<&CanonicalName>,
    allowed: &[Method],
    steps: u8,
) -> Registration {
    let draw = |feature: &str| {
        flows
            .tag(flows.eldest(), "rekey/decoy", &[id.as_str().as_bytes(), feature.as_bytes()])
            .map_or([0; 32], |tag| *tag.as_bytes())
    };
    let email = draw("email");
    let drawn = char::from(b'a' + email[1] % 26);
    let initial = name.and_then(|name| name.as_str().chars().find(|c| c.is_alphanumeric()));
    let initial = initial.filter(|_| email[0] < ADDRESSES_LIKE_THE_NAME).unwrap_or(drawn);
    let number = |feature| {
        let last = draw(feature);
        PhoneNumber::from_stored(format!("+0{:09}{:02}", 0, last[0] % 100))
    };
    let mut decoy = Registration {
        alternate_email: Some(EmailAddress::from_stored(format!("{initial}@decoy.invalid"))),
        mobile: Some(number("mobile")),
        office_phone: (draw("office")[0] < OFFICE_PHONES).then(|| number("office number")),
        totp: draw("totp")[0] < AUTHENTICATOR_APPS,
        generation: 0,
    };
    if !suffices(&decoy.offers(allowed), steps) {
        decoy.office_phone = Some(number("office number"));
        decoy.totp = true;
    }
    decoy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::CanonicalName;

    fn keys() -> Keyring {
        Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap()
    }

    fn decoy(name: &str, allowed: &[Method]) -> Registration {
        let name = CanonicalName::parse(name, &[]).unwrap();
        let id = AccountId::of_nobody(&name.reference(&keys()));
        registration(&keys(), &id, Some(&name), allowed, 2)
    }

    #[test]
    fn the_same_name_always_has_the_same_decoy() {
        assert_eq!(
            decoy("nobody", &Method::ALL).offers(&Method::ALL),
            decoy("NOBODY", &Method::ALL).offers(&Method::ALL)
        );
    }

    #[test]
    fn decoys_differ_as_people_do() {
        let names: Vec<String> = (0..400).map(|n| format!("student{n}")).collect();
        let count =
            |has: fn(&Registration) -> bool| names.iter().filter(|n| has(&decoy(n, &Method::ALL))).count();
        assert!((150..250).contains(&count(|d| d.office_phone.is_some())));
        assert!((150..250).contains(&count(|d| d.totp)));
        let like_the_name =
            count(|d| d.alternate_email.as_ref().is_some_and(|a| a.masked().starts_with('s')));
        assert!((300..390).contains(&like_the_name));
        let mut masks: Vec<String> =
            names.iter().filter_map(|n| decoy(n, &Method::ALL).mobile.map(|m| m.masked())).collect();
        masks.sort();
        masks.dedup();
        assert!(masks.len() > 80, "two digits should take most of their hundred values: {}", masks.len());
    }

    #[test]
    fn a_decoy_always_has_enough_for_the_policy() {
        for allowed in [&[Method::Email, Method::Totp][..], &[Method::OfficeCall, Method::Sms], &Method::ALL]
        {
            for n in 0..50 {
                assert!(suffices(&decoy(&format!("n{n}"), allowed).offers(allowed), 2));
            }
        }
    }
}
