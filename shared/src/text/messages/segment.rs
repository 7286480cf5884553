//! Texts of one segment: a second segment costs as much as the first, and some carriers deliver the parts
//! separately.

use unicode_normalization::char::is_combining_mark;

use super::RenderedMessage;
use crate::text::Text;

/// The prefix that Malaysia's carriers add to an application's text; it counts.
const PREFIX: &str = "RM0.00 ";
/// The septets of one segment in the GSM 7-bit alphabet (3GPP TS 23.038).
const GSM_SEPTETS: usize = 160;
/// The code units of one segment in UCS-2.
const UCS2_UNITS: usize = 70;

/// The basic character set of the GSM 7-bit alphabet.
const GSM_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                         ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension table; each of these takes two septets.
const GSM_EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Returns the first of `forms` that fits one segment with the organisation's whole name; else the last, with
/// the name shortened until it fits.
pub(super) fn fit_sms_segment(
    forms: &[Text],
    organisation: &str,
    values: &[(&str, &str)],
) -> RenderedMessage {
    let organisation = plain_punctuation(organisation);
    let fill = |form: &Text, name: &str| {
        let mut all = vec![("organisation", name)];
        all.extend_from_slice(values);
        RenderedMessage(form.fill(&all))
    };
    if let Some(whole) = forms.iter().map(|form| fill(form, &organisation)).find(|text| fits(&text.0)) {
        return whole;
    }
    let Some(last) = forms.last() else { return RenderedMessage(String::new()) };
    let shortened =
        (0..organisation.chars().count()).rev().map(|length| fill(last, &shorten(&organisation, length)));
    shortened.into_iter().find(|text| fits(&text.0)).unwrap_or_else(|| fill(last, ""))
}

/// Returns whether a text fits one segment, together with the carriers' prefix.
fn fits(text: &str) -> bool {
    let whole = || PREFIX.chars().chain(text.chars());
    match whole().map(septets).sum::<Option<usize>>() {
        Some(septets) => septets <= GSM_SEPTETS,
        None => whole().map(char::len_utf16).sum::<usize>() <= UCS2_UNITS,
    }
}

/// Returns the septets of a character in the GSM alphabet; `None` if it is not in it.
fn septets(c: char) -> Option<usize> {
    if GSM_BASIC.contains(c) { Some(1) } else { GSM_EXTENSION.contains(c).then_some(2) }
}

/// Replaces typographic marks with plain ones: a single curly apostrophe would reduce the segment from 160 to
/// 70 characters.
fn plain_punctuation(text: &str) -> String {
    let plain = |c| match c {
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '\u{2010}'..='\u{2015}' => '-',
        '\u{a0}' | '\u{2007}' | '\u{202f}' => ' ',
        other => other,
    };
    text.chars().map(plain).collect()
}

/// Returns the first `length` characters of a name and an ellipsis. A vowel sign stays with its consonant.
fn shorten(name: &str, length: usize) -> String {
    let mut end = length;
    while end > 0 && name.chars().nth(end).is_some_and(is_combining_mark) {
        end -= 1;
    }
    let kept: String = name.chars().take(end).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::code::OneTimeCode;
    use crate::domain::contact::{Country, PhoneNumber};
    use crate::domain::language::Language;
    use crate::domain::message::{CodeMessage, FURTHER_CHANGES, Notice, Purpose, Recipient, SmsShare};
    use crate::domain::method::Method;
    use crate::domain::notice::{Change, Event};
    use crate::domain::security_info::Kind;
    use crate::domain::time::Timestamp;
    use crate::domain::time_zone::TimeZone;
    use crate::text::messages::{Content, HelpDesk, MessageRenderer};

    fn to() -> Recipient {
        Recipient::Sms(PhoneNumber::from_stored("+60123456798".into()))
    }

    fn renderer(organisation: &str) -> MessageRenderer {
        MessageRenderer::new(organisation, HelpDesk::default(), TimeZone::of(Country::MALAYSIA), "")
    }

    fn code(organisation: &str, language: Language, digits: &str) -> String {
        code_for(Purpose::Reset, organisation, language, digits)
    }

    fn code_for(purpose: Purpose, organisation: &str, language: Language, digits: &str) -> String {
        let message = CodeMessage {
            to: to(),
            purpose,
            share: SmsShare::Rest,
            code: OneTimeCode::parse(digits).unwrap(),
            language,
            expires_at: Timestamp::from_seconds(1_790_000_600),
            minutes: 10,
            login: None,
            requested: None,
        };
        renderer(organisation).text(Content::Code(&message)).expose().to_owned()
    }

    fn notice(organisation: &str, language: Language, event: Event, methods: &[Method]) -> String {
        let at = Timestamp::from_seconds(1_795_493_940);
        let (further, methods, login) = (Vec::new(), methods.to_vec(), None);
        let notice = Notice { to: to(), event, at, further, methods, language, login };
        renderer(organisation).text(Content::Notice(&notice)).expose().to_owned()
    }

    /// Returns the text of as many changes as a notification reports.
    fn gathered(organisation: &str, language: Language) -> String {
        let change = Change { event: Event::Added(Kind::Mobile), at: Timestamp::from_seconds(1_795_493_940) };
        let further = vec![change; FURTHER_CHANGES];
        let (methods, login) = (Vec::new(), None);
        let notice =
            Notice { to: to(), event: change.event, at: change.at, further, methods, language, login };
        renderer(organisation).text(Content::Notice(&notice)).expose().to_owned()
    }

    fn events() -> Vec<Event> {
        let of_kind = |kind| [Event::Added(kind), Event::Replaced(kind), Event::Removed(kind)];
        let kinds = Kind::ALL.into_iter().flat_map(of_kind);
        let others = [
            Event::Reset,
            Event::Unlocked,
            Event::Unconfirmed,
            Event::ApprovalDenied,
            Event::PassIssued,
            Event::PasswordExpiring,
        ];
        others.into_iter().chain(kinds).collect()
    }

    #[test]
    fn segment_length_follows_gsm_encoding() {
        assert!(fits(&"a".repeat(153)) && !fits(&"a".repeat(154)));
        assert!(fits(&"€".repeat(76)) && !fits(&"€".repeat(77)));
        assert!(fits(&"字".repeat(63)) && !fits(&"字".repeat(64)));
        assert!(fits(&"😀".repeat(31)) && !fits(&"😀".repeat(32)));
    }

    /// The snapshots show the whole texts.
    #[test]
    fn ordinary_organisation_name_fits_with_full_text() {
        for language in Language::ALL {
            let text = code("UKM", language, "1234567890");
            assert!(text.contains("UKM") && text.contains("1234 5678 90") && text.contains("10 "), "{text}");
        }
    }

    /// Ten characters distinguish one university from another.
    #[test]
    fn organisation_name_in_any_script_fits_every_language() {
        let name = "示例大学示例大学示例";
        for language in Language::ALL {
            assert!(code(name, language, "1234567890").contains(name), "{language:?}");
            for event in events() {
                let text = notice(name, language, event, &[Method::MobileCall, Method::OfficeCall]);
                assert!(text.contains(name), "{text}");
            }
            let text = gathered(name, language);
            assert!(text.contains(name) && text.contains("10") && fits(&text), "{text}");
        }
    }

    #[test]
    fn curly_apostrophe_is_replaced_to_keep_gsm_encoding() {
        let text = code("St. John’s College", Language::English, "12345678");
        assert!(text.starts_with("St. John's College: ") && text.contains("we never ask"), "{text}");
    }

    #[test]
    fn long_name_is_cut_between_letters() {
        assert_eq!(shorten("தமிழ்", 1), "த…");
        assert_eq!(shorten("தமிழ்", 2), "த…", "a vowel sign is not left behind");
        assert_eq!(shorten("Uni of X", 4), "Uni…");
    }

    proptest! {
        #[test]
        fn every_text_fits_one_segment(
            organisation in prop_oneof!["\\PC{0,100}", "[a-zA-Z€^ ]{0,100}", "[\u{b80}-\u{bff}]{0,100}"],
            digits in "[0-9]{6,10}",
            language in prop::sample::select(Language::ALL.to_vec()),
            event in prop::sample::select(events()),
            methods in prop::collection::vec(prop::sample::select(Method::ALL.to_vec()), 1..3),
        ) {
            let grouped = OneTimeCode::parse(&digits).unwrap().grouped();
            for purpose in [Purpose::Reset, Purpose::HelpDesk] {
                let code = code_for(purpose, &organisation, language, &digits);
                prop_assert!(fits(&code), "{}", code);
                prop_assert!(code.contains(&grouped), "{}", code);
            }
            let notice = notice(&organisation, language, event, &methods);
            prop_assert!(fits(&notice), "{}", notice);
        }
    }
}
