//! Warnings before a password expires.

use serde::{Deserialize, Serialize};

use super::account::{Account, Registration};
use super::event::Event;
use super::language::Language;
use super::message::{Notice, Recipient};
use super::time::{Seconds, Timestamp};
use super::time_zone::TimeZone;

/// The days before the expiry on which people are warned.
pub const WARNING_DAYS: [u8; 4] = [14, 7, 3, 1];

/// The longest time before an expiry at which a warning can be due: a part of today, and fourteen whole days. A day in
/// which the clocks go back has 25 hours.
pub const WARNING_SPAN: Seconds = Seconds(15 * Seconds::DAY.0 + Seconds::HOUR.0);

/// The longest time until the copy has the new expiry of a password that Rekey set: the daily full sync, at the latest.
const SYNC_SPAN: Seconds = Seconds::DAY;

/// A warning of an account, as its item has the latest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExpiryWarning {
    /// When the password expires. With a new password, the account begins again.
    pub expires_at: Timestamp,
    /// The day before the expiry that the warning is for: one of [`WARNING_DAYS`].
    pub days: u8,
}

/// An account whose password expires soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiringAccount {
    /// The account.
    pub account: Account,
    /// When the password expires, as the copy has it.
    pub expires_at: Timestamp,
    /// The latest warning.
    pub warned: Option<ExpiryWarning>,
    /// The deadline of the latest new password that Rekey began to set.
    pub password_deadline: Option<Timestamp>,
}

impl ExpiringAccount {
    /// Returns the warning that is due. Days are those of the calendar in `zone`, so that the last warning comes on the
    /// day before, at whatever hour the password expires. After days without a run, the latest warning replaces those
    /// that were missed. An account without self-service gets none: the page that the warning names refuses it. Nor does
    /// one whose password Rekey has set since the copy was made, as far as it can tell.
    pub fn due(&self, now: Timestamp, zone: &TimeZone) -> Option<ExpiryWarning> {
        let is_usable = self.account.state.may_reset() && !self.account.logins.is_empty();
        let was_set = self.password_deadline.is_some_and(|deadline| now < deadline + SYNC_SPAN);
        if !is_usable || was_set || self.expires_at <= now {
            return None;
        }
        let left = zone.days_between(now, self.expires_at);
        let days = WARNING_DAYS.into_iter().rev().find(|days| left <= i64::from(*days))?;
        let was_warned = |warned: ExpiryWarning| warned.expires_at == self.expires_at && warned.days <= days;
        let warning = ExpiryWarning { expires_at: self.expires_at, days };
        (!self.warned.is_some_and(was_warned)).then_some(warning)
    }

    /// Returns the notices of a warning: mail to the person's own address and to the organisation's mailbox, which the
    /// password still opens. Only a person without any mailbox gets a text. No phone rings: there is time to read.
    pub fn notices(&self, registration: &Registration, default: Language) -> Vec<Notice> {
        let account = &self.account;
        let mut to: Vec<Recipient> = Vec::with_capacity(2);
        for address in [&registration.alternate_email, &account.email].into_iter().flatten() {
            super::notice::add_contact(&mut to, Recipient::Email(address.clone()));
        }
        if to.is_empty() {
            to.extend(registration.mobile.clone().map(Recipient::Sms));
        }
        let notice = |to| Notice {
            to,
            event: Event::PasswordExpiring,
            at: self.expires_at,
            further: Vec::new(),
            methods: Vec::new(),
            language: account.language.unwrap_or(default),
            login: account.shown_login(),
        };
        to.into_iter().map(notice).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::{AccountId, AccountState};
    use crate::domain::contact::{Country, EmailAddress, PhoneNumber};
    use crate::domain::message::Channel;

    /// 24 November 2026, 12:00 in Kuala Lumpur.
    const NOON: Timestamp = Timestamp::from_seconds(1_795_492_800);

    fn at(days: i64, hours: i64) -> Timestamp {
        Timestamp::from_seconds(NOON.as_seconds() + days * 86_400 + hours * 3_600)
    }

    fn expiring(expires_at: Timestamp) -> ExpiringAccount {
        ExpiringAccount {
            account: Account {
                id: AccountId::from_directory("ad:1").unwrap(),
                name: "Aisyah".into(),
                logins: vec!["aisyah".into()],
                email: Some(EmailAddress::from_stored("aisyah@uni.example".into())),
                language: Some(Language::Malay),
                state: AccountState::Active,
                password_policy: None,
            },
            expires_at,
            warned: None,
            password_deadline: None,
        }
    }

    fn due(account: &ExpiringAccount, now: Timestamp) -> Option<u8> {
        account.due(now, &TimeZone::of(Country::MALAYSIA)).map(|warning| warning.days)
    }

    /// Runs once a day from `from` on, and returns the days before the expiry with the warnings of each.
    fn warnings(account: &mut ExpiringAccount, from: i64) -> Vec<(i64, u8)> {
        let zone = TimeZone::of(Country::MALAYSIA);
        let mut sent = Vec::new();
        for left in (-2..=from).rev() {
            let now = Timestamp::from_seconds(account.expires_at.as_seconds() - left * 86_400);
            // A second run of the day finds nothing due.
            while let Some(warning) = account.due(now, &zone) {
                account.warned = Some(warning);
                sent.push((left, warning.days));
            }
        }
        sent
    }

    /// Controls: C-177.
    #[test]
    fn warnings_come_on_their_days_once() {
        // At noon, an hour after midnight, and an hour before.
        for hours in [0, 13, 11] {
            let mut account = expiring(at(40, hours));
            assert_eq!(warnings(&mut account, 40), [(14, 14), (7, 7), (3, 3), (1, 1)], "{hours}");
        }
    }

    #[test]
    fn missed_warnings_are_made_up_by_the_latest() {
        for (from, expected) in [
            (13, vec![(13, 14), (7, 7), (3, 3), (1, 1)]),
            (6, vec![(6, 7), (3, 3), (1, 1)]),
            (2, vec![(2, 3), (1, 1)]),
        ] {
            assert_eq!(warnings(&mut expiring(at(40, 0)), from), expected);
        }
        assert_eq!(due(&expiring(at(0, 5)), NOON), Some(1), "it expires today");
    }

    /// A day of the calendar before, not 24 hours: the run of the next day would come too late.
    #[test]
    fn day_before_counts_by_the_calendar() {
        let mut account = expiring(at(1, 11));
        account.warned = Some(ExpiryWarning { expires_at: account.expires_at, days: 3 });
        assert_eq!(due(&account, NOON), Some(1), "35 hours are left");
        assert_eq!(due(&account, at(0, -13)), None, "the day before");
    }

    /// Controls: C-177.
    #[test]
    fn expired_and_distant_passwords_get_no_warning() {
        assert_eq!(due(&expiring(NOON), NOON), None);
        assert_eq!(due(&expiring(at(-3, 0)), NOON), None);
        assert_eq!(due(&expiring(at(15, 0)), NOON), None);
        assert_eq!(due(&expiring(at(14, 11)), NOON), Some(14));
        assert!(at(14, 12) < NOON + WARNING_SPAN);
    }

    /// Controls: C-177.
    #[test]
    fn new_password_begins_anew() {
        let mut account = expiring(at(1, 0));
        account.warned = Some(ExpiryWarning { expires_at: account.expires_at, days: 1 });
        assert_eq!(due(&account, NOON), None);
        account.expires_at = at(181, 0);
        assert_eq!(due(&account, NOON), None, "the new password is far from its expiry");
        assert_eq!(due(&account, at(167, 0)), Some(14));
    }

    /// Controls: C-177.
    #[test]
    fn password_set_here_since_the_copy_gets_no_warning() {
        let mut account = expiring(at(1, 0));
        for (deadline, expected) in [(at(0, -1), None), (at(0, -25), Some(1))] {
            account.password_deadline = Some(deadline);
            assert_eq!(due(&account, NOON), expected);
        }
    }

    /// Controls: C-177.
    #[test]
    fn accounts_without_self_service_get_no_warning() {
        for (state, expected) in [
            (AccountState::Active, Some(3)),
            (AccountState::Locked, Some(3)),
            (AccountState::Disabled, None),
            (AccountState::Excluded, None),
        ] {
            let mut account = expiring(at(2, 0));
            account.account.state = state;
            assert_eq!(due(&account, NOON), expected, "{state:?}");
        }
        let mut departed = expiring(at(2, 0));
        departed.account.logins.clear();
        assert_eq!(due(&departed, NOON), None);
    }

    /// Controls: C-177.
    #[test]
    fn warning_goes_to_mailboxes_and_else_by_text() {
        let registration = Registration {
            alternate_email: Some(EmailAddress::from_stored("a@mail.example".into())),
            mobile: Some(PhoneNumber::from_stored("+60123456798".into())),
            office_phone: Some(PhoneNumber::from_stored("+60312345678".into())),
            ..Registration::default()
        };
        let mut account = expiring(at(2, 0));
        let sent = |account: &ExpiringAccount, registration: &Registration| -> Vec<Channel> {
            let notices = account.notices(registration, Language::English);
            notices.iter().map(|notice| notice.to.channel()).collect()
        };
        assert_eq!(sent(&account, &registration), [Channel::Email, Channel::Email]);
        let notice = account.notices(&registration, Language::English).remove(0);
        assert_eq!((notice.language, notice.at), (Language::Malay, at(2, 0)));
        assert_eq!((notice.event, notice.login.as_deref()), (Event::PasswordExpiring, Some("aisyah")));
        account.account.email.clone_from(&registration.alternate_email);
        assert_eq!(sent(&account, &registration), [Channel::Email], "one mailbox, one mail");
        account.account.email = None;
        let phones = Registration { alternate_email: None, ..registration };
        assert_eq!(sent(&account, &phones), [Channel::Sms]);
        let office = Registration { mobile: None, ..phones };
        assert!(sent(&account, &office).is_empty());
    }
}
