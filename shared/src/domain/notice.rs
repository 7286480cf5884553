//! The notifications of a change, and their recipients.

pub use super::event::{AccountChange, Event};

use super::account::{Account, Registration};
use super::message::{Notice, Recipient};

/// Returns one notice for every contact of an account, including those that verified the person (NIST
/// 800-63B-4 §4.2.3, ASVS 6.3.7). Both addresses get mail, the mobile a text, and the office phone a call. An
/// attacker with one contact does not have all. A contact that is enrolled twice gets one notice.
pub fn notices(account: &Account, registration: &Registration, change: &AccountChange) -> Vec<Notice> {
    let next = &registration.successors;
    let mails = [&account.email, &registration.alternate_email, &next.alternate_email];
    let mails = mails.into_iter().flatten().cloned().map(Recipient::Email);
    let mobiles = [&registration.mobile, &next.mobile].into_iter().flatten().cloned().map(Recipient::Sms);
    let offices = [&registration.office_phone, &next.office_phone];
    let offices = offices.into_iter().flatten().cloned().map(Recipient::Voice);
    let mut recipients: Vec<Recipient> = Vec::with_capacity(4);
    for to in mails.chain(mobiles).chain(offices) {
        if !recipients.iter().any(|notified| notified.is_same_contact(&to)) {
            recipients.push(to);
        }
    }
    let notice = |to| Notice {
        to,
        event: change.event,
        at: change.at,
        methods: change.methods.clone(),
        language: change.language,
    };
    recipients.into_iter().map(notice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::{AccountId, AccountState};
    use crate::domain::contact::{EmailAddress, PhoneNumber};
    use crate::domain::language::Language;
    use crate::domain::message::Channel;
    use crate::domain::method::Method;
    use crate::domain::time::Timestamp;

    fn notified(
        email: Option<&str>,
        alternate: Option<&str>,
        mobile: Option<&str>,
        office: Option<&str>,
    ) -> Vec<Channel> {
        let address = |text: &str| EmailAddress::from_stored(text.into());
        let number = |text: &str| PhoneNumber::from_stored(text.into());
        let account = Account {
            id: AccountId::from_directory("aisyah").unwrap(),
            name: "Aisyah".into(),
            logins: vec!["aisyah".into()],
            email: email.map(address),
            language: None,
            state: AccountState::Active,
        };
        let registration = Registration {
            alternate_email: alternate.map(address),
            mobile: mobile.map(number),
            office_phone: office.map(number),
            ..Registration::default()
        };
        let change = AccountChange {
            event: Event::Reset,
            methods: vec![Method::Sms],
            at: Timestamp::from_seconds(1_790_000_000),
            language: Language::Malay,
        };
        notices(&account, &registration, &change).iter().map(|notice| notice.to.channel()).collect()
    }

    /// Controls: C-062.
    #[test]
    fn every_contact_is_notified_by_its_channel() {
        let all =
            notified(Some("a@u.example"), Some("a@mail.example"), Some("+60123456798"), Some("+60312345678"));
        assert_eq!(all, [Channel::Email, Channel::Email, Channel::Sms, Channel::Voice]);
        assert!(notified(None, None, None, None).is_empty());
    }

    /// Controls: C-062.
    #[test]
    fn successor_of_contact_is_also_notified() {
        let number = |text: &str| Some(PhoneNumber::from_stored(text.into()));
        let account = Account {
            id: AccountId::from_directory("aisyah").unwrap(),
            name: "Aisyah".into(),
            logins: vec!["aisyah".into()],
            email: None,
            language: None,
            state: AccountState::Active,
        };
        let mut registration = Registration { mobile: number("+60123456798"), ..Registration::default() };
        registration.successors.mobile = number("+60123456700");
        let change = AccountChange {
            event: Event::Reset,
            methods: vec![Method::Sms],
            at: Timestamp::from_seconds(1_790_000_000),
            language: Language::Malay,
        };
        assert_eq!(notices(&account, &registration, &change).len(), 2);
    }

    #[test]
    fn contact_registered_twice_is_notified_once() {
        let once =
            notified(Some("A@u.example"), Some("a@u.example"), Some("+60123456798"), Some("+60123456798"));
        assert_eq!(once, [Channel::Email, Channel::Sms]);
    }
}
