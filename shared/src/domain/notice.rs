//! The notifications of a change, and their recipients.

pub use super::event::{AccountChange, Change, Event};

use super::account::{Account, Registration};
use super::language::Language;
use super::message::{Notice, Recipient};
use super::method::Method;

/// Returns one notice for every contact of an account, including those that verified the person (NIST
/// 800-63B-4 §4.2.3, ASVS 6.3.7). An attacker with one contact does not have all.
pub fn notices(account: &Account, registration: &Registration, change: &AccountChange) -> Vec<Notice> {
    let contacts = contacts(account, registration);
    let AccountChange { event, methods, at, language } = change;
    let changes = [Change { event: *event, at: *at }];
    let login = account.shown_login();
    notices_to(&contacts, has_calls_only(&contacts), &changes, methods, login.as_deref(), *language)
}

/// Returns every contact of an account: both addresses for mail, the mobile for a text, and the office phone for a
/// call. A contact that is enrolled twice is there once.
pub fn contacts(account: &Account, registration: &Registration) -> Vec<Recipient> {
    let next = &registration.successors;
    let mails = [&account.email, &registration.alternate_email, &next.alternate_email];
    let mails = mails.into_iter().flatten().cloned().map(Recipient::Email);
    let mobiles = [&registration.mobile, &next.mobile].into_iter().flatten().cloned().map(Recipient::Sms);
    let offices = [&registration.office_phone, &next.office_phone];
    let offices = offices.into_iter().flatten().cloned().map(Recipient::Voice);
    let mut contacts = Vec::with_capacity(4);
    for to in mails.chain(mobiles).chain(offices) {
        add_contact(&mut contacts, to);
    }
    contacts
}

/// Adds a contact, unless it is there.
pub(super) fn add_contact(contacts: &mut Vec<Recipient>, to: Recipient) {
    if !contacts.iter().any(|contact| contact.is_same_contact(&to)) {
        contacts.push(to);
    }
}

/// Returns whether nothing but a call reaches the person. Then calls report every change.
pub(super) fn has_calls_only(contacts: &[Recipient]) -> bool {
    contacts.iter().all(|to| matches!(to, Recipient::Voice(_)))
}

/// Returns one notice of `changes`, which are one or more in order, for every contact; calls only if one of the
/// changes is called, or if `calls_only`.
pub(super) fn notices_to(
    contacts: &[Recipient],
    calls_only: bool,
    changes: &[Change],
    methods: &[Method],
    login: Option<&str>,
    language: Language,
) -> Vec<Notice> {
    let Some((first, further)) = changes.split_first() else { return Vec::new() };
    let calls = calls_only || changes.iter().any(|change| change.event.is_called());
    let notice = |to: &Recipient| Notice {
        to: to.clone(),
        event: first.event,
        at: first.at,
        further: further.to_vec(),
        methods: methods.to_vec(),
        language,
        login: login.map(str::to_owned),
    };
    contacts.iter().filter(|to| calls || !matches!(to, Recipient::Voice(_))).map(notice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::{AccountId, AccountState};
    use crate::domain::contact::{EmailAddress, PhoneNumber};
    use crate::domain::message::Channel;
    use crate::domain::method::Kind;
    use crate::domain::time::Timestamp;

    fn notified(
        event: Event,
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
            password_policy: None,
        };
        let registration = Registration {
            alternate_email: alternate.map(address),
            mobile: mobile.map(number),
            office_phone: office.map(number),
            ..Registration::default()
        };
        let change = AccountChange {
            event,
            methods: vec![Method::Sms],
            at: Timestamp::from_seconds(1_790_000_000),
            language: Language::Malay,
        };
        notices(&account, &registration, &change).iter().map(|notice| notice.to.channel()).collect()
    }

    /// Controls: C-062.
    #[test]
    fn every_contact_is_notified_by_its_channel() {
        let all = |event| {
            let (email, alternate) = (Some("a@u.example"), Some("a@mail.example"));
            notified(event, email, alternate, Some("+60123456798"), Some("+60312345678"))
        };
        let with_call = [Channel::Email, Channel::Email, Channel::Sms, Channel::Voice];
        for event in [
            Event::Reset,
            Event::Unconfirmed,
            Event::PassIssued,
            Event::Removed(Kind::Mobile),
            Event::Replaced(Kind::Mobile),
        ] {
            assert_eq!(all(event), with_call, "{event:?}");
        }
        for event in [
            Event::Unlocked,
            Event::ApprovalDenied,
            Event::Added(Kind::Mobile),
            Event::Removed(Kind::Totp),
            Event::Replaced(Kind::RecoveryCodes),
        ] {
            assert_eq!(all(event), with_call[..3], "{event:?}");
        }
        assert!(notified(Event::Reset, None, None, None, None).is_empty());
    }

    /// Controls: C-062.
    #[test]
    fn only_contact_is_called_for_every_change() {
        let called = notified(Event::Added(Kind::Totp), None, None, None, Some("+60312345678"));
        assert_eq!(called, [Channel::Voice]);
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
            password_policy: None,
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
        let once = notified(
            Event::Reset,
            Some("A@u.example"),
            Some("a@u.example"),
            Some("+60123456798"),
            Some("+60123456798"),
        );
        assert_eq!(once, [Channel::Email, Channel::Sms]);
    }
}
