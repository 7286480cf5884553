//! The offered methods of a deployment, and the probability of a successful brute force attack on them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::account::{Contact, Offer, Registration};
use super::account_limits::{SendLimits, TieredLimit};
use super::contact::Country;
use super::flow::FlowLimits;
use super::method::Method;

/// The highest accepted probability that an attacker opens one targeted account within a year. The attacker
/// never pauses, and nobody notices.
pub const YEARLY_CHANCE_MAX: f64 = 0.025;

/// Whether a person can reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// The account has enough factors.
    Capable,
    /// It has too few.
    Partly,
    /// It has none, or self-service is closed to it.
    None,
}

/// Returns the methods that a reset offers: allowed, active, and in a country that messages may go to.
pub fn offers(registration: &Registration, allowed: &[Method], countries: &[Country]) -> Vec<Offer> {
    let mut offers = registration.offers(allowed);
    offers.retain(|offer| reaches(registration, offer.method, countries));
    offers
}

/// Returns whether a code may be sent to the enrolled contact of `method`. A fixed line gets no texts.
pub fn reaches(registration: &Registration, method: Method, countries: &[Country]) -> bool {
    match registration.contact(method) {
        Some(Contact::Phone(number)) => {
            number.is_reachable_in(countries) && (method != Method::Sms || !number.is_fixed_line())
        }
        Some(Contact::Email(_)) => true,
        None => registration.has(method),
    }
}

/// The limits that bound the number of attempts.
#[derive(Clone, Copy, Debug)]
pub struct BruteForceRisk<'a> {
    /// Verification steps before the password: 1 or 2.
    pub steps: u8,
    /// The methods that the deployment offers.
    pub methods: &'a [Method],
    /// The length of a sent code; each digit divides the chance by ten.
    pub code_digits: u8,
    /// Attempts and codes within one flow.
    pub flow: &'a FlowLimits,
    /// Codes per account over all flows.
    pub sends: &'a SendLimits,
    /// Attempts at the authenticator app's codes per account, day and step.
    pub totp_attempts_per_day: TieredLimit,
}

impl BruteForceRisk<'_> {
    /// Returns the probability that one targeted account is opened within a year, by an attacker who uses up
    /// every rate limit each day, in every tier: from many networks, and from a known device. With one step,
    /// the attacker submits random codes for every sent factor, and for every method with generated codes.
    /// With two steps, the attacker must also find the second code
    /// within a flow that the first has opened.
    pub fn yearly_chance(&self) -> f64 {
        const DAYS: f64 = 365.0;
        let codes = 10_f64.powi(i32::from(self.code_digits));
        let generated: f64 = self.methods.iter().map(|method| method.generated_code_chance()).sum();
        let sent = self.methods.iter().filter(|method| method.is_sent());
        // A factor counts once, even if several of its methods send codes.
        let factors: BTreeSet<_> = sent.map(|method| method.factor()).collect();
        let sent: f64 = factors.iter().map(|factor| f64::from(self.sends.most_per_day(*factor))).sum();
        let sent = sent * f64::from(self.flow.code_attempts) / codes;
        let first = DAYS * (sent + f64::from(self.totp_attempts_per_day.total()) * generated);
        let of_flow = self.flow.flow_attempts;
        let second = f64::from(of_flow) / codes + f64::from(of_flow) * generated;
        if self.steps == 1 { first } else { first * second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::PhoneNumber;
    use crate::domain::time::Seconds;

    fn yearly_chance(methods: &[Method]) -> f64 {
        let flow = FlowLimits {
            lifetime: Seconds(900),
            code_lifetime: Seconds(600),
            code_attempts: 5,
            flow_attempts: 10,
            sends_per_step: 3,
        };
        let sends = SendLimits {
            per_hour: 5,
            per_day: 10,
            pushes_per_hour: 3,
            contacts_per_flow: 5,
            contacts_per_day: TieredLimit::new(30, 10),
            unredeemed: TieredLimit::of_messages(20),
        };
        let guesses = BruteForceRisk {
            steps: 1,
            methods,
            code_digits: 8,
            flow: &flow,
            sends: &sends,
            totp_attempts_per_day: TieredLimit::of_generated_codes(10),
        };
        guesses.yearly_chance()
    }

    /// Controls: C-010.
    #[test]
    fn yearly_chance_ignores_method_order() {
        let phones = yearly_chance(&[Method::Sms, Method::MobileCall, Method::OfficeCall]);
        let mixed = yearly_chance(&[Method::Sms, Method::OfficeCall, Method::MobileCall]);
        assert!((phones - mixed).abs() < f64::EPSILON, "{phones} {mixed}");
    }

    /// Controls: C-010.
    #[test]
    fn yearly_chance_grows_with_each_factor() {
        let (mobile, office) =
            (yearly_chance(&[Method::Sms]), yearly_chance(&[Method::Sms, Method::OfficeCall]));
        assert!((office / mobile - 2.0).abs() < 1e-9, "{mobile} {office}");
        // Fifteen codes a day with five attempts each, of a hundred million: ten to everyone, five to known
        // devices.
        assert!((mobile - 365.0 * 75.0 / 1e8).abs() < 1e-12, "{mobile}");
        // Mail has no daily limit: eight codes an hour.
        let mail = yearly_chance(&[Method::Email]);
        assert!((mail - 365.0 * 24.0 * 40.0 / 1e8).abs() < 1e-12, "{mail}");
        assert!(yearly_chance(&[Method::Sms, Method::Totp]) > mobile + 0.01);
    }

    #[test]
    fn fixed_line_is_offered_no_text() {
        let mobile = PhoneNumber::parse("+60327317272", Country::MALAYSIA).ok();
        let registration = Registration { mobile, ..Registration::default() };
        let offered = offers(&registration, &Method::ALL, &[Country::MALAYSIA]);
        assert_eq!(offered.iter().map(|offer| offer.method).collect::<Vec<_>>(), [Method::MobileCall]);
    }

    /// Controls: C-075.
    #[test]
    fn number_in_another_country_is_not_offered() {
        let mobile = PhoneNumber::parse("+6591234567", Country::MALAYSIA).ok();
        let registration = Registration { mobile, ..Registration::default() };
        assert!(registration.offers(&Method::ALL).iter().any(|offer| offer.method == Method::Sms));
        assert!(offers(&registration, &Method::ALL, &[Country::MALAYSIA]).is_empty());
        let singapore = Country::parse("SG").unwrap();
        assert_eq!(offers(&registration, &Method::ALL, &[singapore]).len(), 2);
    }
}
