//! The texts of messages, in every language and for every channel.
//!
//! Each channel has its form: a mail in two parts, a text of one segment, a call in SSML. No message contains
//! a password or a link that performs an action; a text contains no link at all.

mod letter;
mod mail;
mod segment;
#[cfg(test)]
mod snapshots;
mod speech;
mod texts;

use zeroize::{Zeroize, ZeroizeOnDrop};

pub use self::letter::Letter;
use self::texts::{Texts, Words};
use crate::domain::colour::Colour;
use crate::domain::language::Language;
use crate::domain::message::{CodeMessage, Notice, Purpose, Recipient};
use crate::domain::method::Method;
use crate::domain::time::Timestamp;
use crate::domain::time_zone::TimeZone;

/// The content of a message.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A code for a contact.
    Code(&'a CodeMessage),
    /// A notification of a change.
    Notice(&'a Notice),
}

impl<'a> Content<'a> {
    /// Returns the recipient of the message.
    pub const fn to(self) -> &'a Recipient {
        match self {
            Self::Code(message) => &message.to,
            Self::Notice(notice) => &notice.to,
        }
    }

    const fn language(self) -> Language {
        match self {
            Self::Code(message) => message.language,
            Self::Notice(notice) => notice.language,
        }
    }
}

/// A text that may contain a code. It is wiped when dropped and has no `Debug`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RenderedMessage(String);

impl RenderedMessage {
    /// Returns the text, for the provider that delivers it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A composed mail.
pub struct RenderedMail {
    /// The subject. It contains no code, since phones show it on the locked screen.
    pub subject: String,
    /// The plain-text part.
    pub text: RenderedMessage,
    /// The HTML part, with the same content.
    pub html: RenderedMessage,
}

/// A composed call.
pub struct RenderedCall {
    /// The spoken text.
    pub ssml: RenderedMessage,
    /// The spoken language; not every language has a voice.
    pub language: Language,
}

/// The messages of one organisation.
#[derive(Clone, Debug)]
pub struct MessageRenderer {
    organisation: String,
    help_desk: HelpDesk,
    time_zone: TimeZone,
    colour: Colour,
    change_password: String,
}

/// How people reach the help desk. Only mails contain it.
#[derive(Clone, Debug, Default)]
pub struct HelpDesk {
    /// `https:`, `mailto:` or `tel:`.
    pub url: Option<String>,
    /// A telephone number as people read it.
    pub phone: Option<String>,
    /// When somebody answers.
    pub hours: Option<String>,
}

impl HelpDesk {
    /// Returns the number and the hours in one line, if there are any.
    fn line(&self) -> Option<String> {
        let parts: Vec<&str> = [&self.phone, &self.hours].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(" · "))
    }
}

impl MessageRenderer {
    /// Returns the messages of `organisation`, with times in `time_zone`. `public_url` is where its pages are.
    pub fn new(organisation: &str, help_desk: HelpDesk, time_zone: TimeZone, public_url: &str) -> Self {
        let change_password = format!("{public_url}/change-password");
        let (organisation, colour) = (organisation.to_owned(), Colour::DEFAULT);
        Self { organisation, help_desk, time_zone, colour, change_password }
    }

    /// Returns the same messages, with mails in the colour of the organisation.
    #[must_use]
    pub fn in_colour(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    /// Returns the texts of a language, with times in the zone.
    const fn words(&self, texts: &'static Texts) -> Words<'_> {
        Words { texts, time_zone: &self.time_zone }
    }

    /// Returns the content as a mail.
    pub fn mail(&self, content: Content<'_>) -> RenderedMail {
        let language = content.language();
        let words = self.words(Texts::of(language));
        mail::compose(language, words, content, self)
    }

    /// Returns the content as a text of one segment.
    pub fn text(&self, content: Content<'_>) -> RenderedMessage {
        let words = self.words(Texts::of(content.language()));
        let texts = words.texts;
        match content {
            Content::Code(message) => {
                let (code, minutes) = (RenderedMessage(message.code.grouped()), message.minutes.to_string());
                let values = [("code", code.expose()), ("minutes", minutes.as_str())];
                let text = match message.purpose {
                    Purpose::HelpDesk => texts.code.text_help_desk,
                    _ => texts.code.text,
                };
                segment::fit_sms_segment(text, &self.organisation, &values)
            }
            Content::Notice(notice) => {
                let facts = words.facts(notice);
                segment::fit_sms_segment(texts.reported(notice).text, &self.organisation, &facts.values())
            }
        }
    }

    /// Returns the content as a call.
    pub fn call(&self, content: Content<'_>) -> RenderedCall {
        let (language, speech) = Texts::speech(content.language());
        let ssml = speech::compose(speech, self.words(Texts::of(language)), content, &self.organisation);
        RenderedCall { ssml, language }
    }
}

/// Returns a time, to the minute, in the words of a language and on the clocks of a zone.
pub fn moment(language: Language, time_zone: &TimeZone, at: Timestamp) -> String {
    Words { texts: Texts::of(language), time_zone }.moment(at)
}

/// Returns methods in the words of a language, as a list in a sentence.
pub fn methods(language: Language, methods: &[Method]) -> String {
    Texts::of(language).methods(methods)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::approval::Requester;
    use crate::domain::code::OneTimeCode;
    use crate::domain::contact::{Country, EmailAddress, PhoneNumber};
    use crate::domain::message::{Purpose, Requested, SmsShare};
    use crate::domain::notice::{Change, Event};
    use crate::domain::security_info::Kind;

    /// Where the pages are.
    const RESET: &str = "https://reset.contoh.example";

    fn renderer() -> MessageRenderer {
        reached_at("Uni <b>&\u{201c}Contoh\u{201d}", "https://help.contoh.example/?a=1&b=2")
    }

    fn reached_at(organisation: &str, url: &str) -> MessageRenderer {
        let help_desk = HelpDesk { url: Some(url.to_owned()), ..HelpDesk::default() };
        MessageRenderer::new(organisation, help_desk, TimeZone::of(Country::MALAYSIA), RESET)
    }

    fn code(language: Language) -> CodeMessage {
        CodeMessage {
            to: Recipient::Email(EmailAddress::from_stored("a@mail.example".into())),
            purpose: Purpose::Reset,
            share: SmsShare::Rest,
            code: OneTimeCode::parse("12345678").unwrap(),
            language,
            expires_at: Timestamp::from_seconds(1_790_000_600),
            minutes: 10,
            login: Some("fam1".into()),
            requested: Some(Requested {
                at: Timestamp::from_seconds(1_790_000_000),
                from: Requester {
                    network: "203.0.113.x".into(),
                    browser: "Chrome, Android".into(),
                    known_device: false,
                },
            }),
        }
    }

    fn notice(language: Language, event: Event) -> Notice {
        Notice {
            to: Recipient::Sms(PhoneNumber::from_stored("+60123456798".into())),
            event,
            at: Timestamp::from_seconds(1_790_000_000),
            further: Vec::new(),
            methods: vec![Method::Sms, Method::Totp],
            language,
            login: Some("fam1".into()),
        }
    }

    /// Controls: C-051.
    #[test]
    fn mail_parts_contain_code_and_subject_omits_it() {
        for language in Language::ALL {
            let code = code(language);
            let mail = renderer().mail(Content::Code(&code));
            assert!(mail.text.expose().contains("1234 5678") && mail.html.expose().contains("1234 5678"));
            assert!(!mail.subject.contains("1234"));
            // The style sheet alone has braces.
            for part in
                [mail.text.expose(), mail.html.expose()].map(|part| part.rsplit("</style>").next().unwrap())
            {
                assert!(part.contains("10") && part.contains("https://help.contoh.example/?a=1&"), "{part}");
                assert!(!part.contains('{') && !part.contains('}'), "{part}");
            }
            assert!(mail.html.expose().contains(&format!("lang=\"{}\"", language.tag())));
        }
    }

    /// One mailbox may serve several accounts. A code for a new contact may go to a stranger.
    /// Controls: C-180.
    #[test]
    fn mail_to_confirmed_contact_names_account() {
        for language in Language::ALL {
            let code = code(language);
            let unknown = CodeMessage { login: None, ..code.clone() };
            let notice = notice(language, Event::Reset);
            for content in [Content::Code(&code), Content::Notice(&notice)] {
                let mail = renderer().mail(content);
                assert!(mail.text.expose().contains("fam1\n") && mail.html.expose().contains("fam1</p>"));
                assert!(!renderer().text(content).expose().contains("fam1"));
            }
            assert!(!renderer().mail(Content::Code(&unknown)).text.expose().contains("fam1"));
        }
    }

    /// A code of the second step is sent only after the right password.
    /// Controls: C-051.
    #[test]
    fn second_step_mail_warns_of_known_password() {
        let warns = |purpose| {
            let mail = renderer().mail(Content::Code(&CodeMessage { purpose, ..code(Language::English) }));
            mail.text.expose().contains("somebody knows your password")
        };
        assert!(warns(Purpose::SecondStep));
        assert!(!warns(Purpose::Reset) && !warns(Purpose::SecurityInfo));
    }

    #[test]
    fn help_desk_link_is_shown_without_scheme() {
        for (url, shown) in [
            ("mailto:help@contoh.example", "help@contoh.example"),
            ("tel:+60312345678", "+60312345678"),
            ("https://help.contoh.example", "https://help.contoh.example"),
        ] {
            let renderer = reached_at("Uni", url);
            let mail = renderer.mail(Content::Code(&code(Language::English)));
            assert!(mail.text.expose().contains(&format!(": {shown}\n")), "{}", mail.text.expose());
            let link = format!("<a href=\"{url}\" style=\"color:#1d4f91\">{shown}</a>");
            assert!(mail.html.expose().contains(&link), "{}", mail.html.expose());
        }
    }

    #[test]
    fn mail_names_phone_and_hours_of_help_desk() {
        let help_desk =
            HelpDesk { url: None, phone: Some("03-8921 5555".into()), hours: Some("Mon-Fri <8:30>".into()) };
        let renderer = MessageRenderer::new("Uni", help_desk, TimeZone::UTC, RESET);
        let mail = renderer.mail(Content::Code(&code(Language::English)));
        assert!(mail.text.expose().contains(" 03-8921 5555 · Mon-Fri <8:30>\n"), "{}", mail.text.expose());
        assert!(
            mail.html.expose().contains(" 03-8921 5555 · Mon-Fri &lt;8:30&gt;</p>"),
            "{}",
            mail.html.expose()
        );
    }

    /// Controls: C-079.
    #[test]
    fn mail_html_is_escaped() {
        let html = renderer().mail(Content::Code(&code(Language::English))).html;
        assert!(html.expose().contains("Uni &lt;b&gt;&amp;"), "{}", html.expose());
        assert!(!html.expose().contains("<b>") && html.expose().contains("?a=1&amp;b=2"));
    }

    /// Controls: C-062.
    #[test]
    fn text_message_contains_no_link() {
        let linked = |text: RenderedMessage| {
            ["://", "mailto:", "www."].iter().any(|link| text.expose().contains(link))
        };
        for language in Language::ALL {
            let events = [
                Event::Reset,
                Event::Unlocked,
                Event::Unconfirmed,
                Event::Added(Kind::Mobile),
                Event::ApprovalDenied,
                Event::PassIssued,
                Event::PasswordExpiring,
            ];
            for event in events {
                assert!(!linked(renderer().text(Content::Notice(&notice(language, event)))), "{event:?}");
            }
            assert!(!linked(renderer().text(Content::Code(&code(language)))));
        }
    }

    /// A person who set the password must find out whether it was changed.
    /// Controls: C-062.
    #[test]
    fn unconfirmed_change_notice_suggests_sign_in() {
        let mail = |event| {
            let notice = notice(Language::English, event);
            renderer().mail(Content::Notice(&notice)).text.expose().to_owned()
        };
        let (unconfirmed, reset) = (mail(Event::Unconfirmed), mail(Event::Reset));
        assert!(unconfirmed.contains("try to sign in") && !unconfirmed.contains("don't need to do anything"));
        assert!(reset.contains("don't need to do anything") && !reset.contains("try to sign in"));
    }

    /// A warning is no change: nobody may take it for one, or for a request to answer with the password.
    /// Controls: C-178.
    #[test]
    fn expiry_warning_names_account_date_and_page() {
        for language in Language::ALL {
            let mail = renderer().mail(Content::Notice(&notice(language, Event::PasswordExpiring)));
            let reset = renderer().mail(Content::Notice(&notice(language, Event::Reset)));
            let was_you =
                reset.text.expose().lines().filter(|line| !line.is_empty()).nth(3).unwrap().to_owned();
            // The style sheet alone has braces.
            for part in
                [mail.text.expose(), mail.html.expose()].map(|part| part.rsplit("</style>").next().unwrap())
            {
                assert!(part.contains("https://reset.contoh.example/change-password"), "{part}");
                assert!(part.contains("fam1") && part.contains("2026") && part.contains("22:13"), "{part}");
                assert!(!part.contains(&was_you) && !part.contains(['{', '}']), "{part}");
            }
            assert!(mail.subject.contains("2026") && !mail.subject.contains("fam1"), "{}", mail.subject);
            assert!(!reset.text.expose().contains("change-password"));
        }
    }

    /// Controls: C-063.
    #[test]
    fn gathered_notice_lists_every_change_with_its_time() {
        for language in Language::ALL {
            let mut notice = notice(language, Event::Added(Kind::Mobile));
            let later = Timestamp::from_seconds(1_790_000_240);
            notice.further = vec![
                Change { event: Event::Replaced(Kind::AlternateEmail), at: later },
                Change { event: Event::Removed(Kind::Totp), at: later },
            ];
            let mail = renderer().mail(Content::Notice(&notice));
            let text = mail.text.expose();
            assert_eq!((text.matches("\n- ").count(), mail.html.expose().matches("<li>").count()), (3, 3));
            assert!(text.contains("22:13") && text.contains("22:17"), "{text}");
            assert!(mail.subject.len() > 10 && !text.contains(['{', '}']), "{text}");
            let sent = renderer().text(Content::Notice(&notice));
            assert!(sent.expose().contains('3') && !sent.expose().contains(['{', '}']), "{}", sent.expose());
            let called = renderer().call(Content::Notice(&notice));
            assert!(called.ssml.expose().contains('3') && !called.ssml.expose().contains(['{', '}']));
        }
    }

    #[test]
    fn notices_are_unique_by_language_and_event() {
        let told = |language, event| {
            let notice = notice(language, event);
            renderer().mail(Content::Notice(&notice)).text.expose().to_owned()
        };
        let mut all: Vec<String> = Language::ALL
            .into_iter()
            .flat_map(|l| {
                let kind = Kind::Mobile;
                [
                    Event::Reset,
                    Event::Unlocked,
                    Event::Unconfirmed,
                    Event::Added(kind),
                    Event::Replaced(kind),
                    Event::Removed(kind),
                    Event::ApprovalDenied,
                    Event::PasswordExpiring,
                ]
                .map(|event| told(l, event))
            })
            .collect();
        assert!(
            all.iter()
                .all(|text| text.contains("22:13") && !text.contains("UTC") && !text.contains(['{', '}'])),
            "{all:#?}"
        );
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 32);
    }

    #[test]
    fn call_repeats_code_in_language_with_voice() {
        for (language, spoken) in [
            (Language::English, Language::English),
            (Language::Malay, Language::English),
            (Language::Chinese, Language::Chinese),
            (Language::Tamil, Language::English),
        ] {
            let call = renderer().call(Content::Code(&code(language)));
            assert_eq!(call.language, spoken);
            let ssml = call.ssml.expose();
            assert!(
                ssml.starts_with("<speak>") && ssml.ends_with("</speak>") && !ssml.contains("<b>"),
                "{ssml}"
            );
            assert_eq!(ssml.matches(">1</say-as>").count(), 2, "{ssml}");
            assert_eq!(ssml.matches(">8</say-as>").count(), 2, "{ssml}");
        }
    }
}
